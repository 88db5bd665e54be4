"""Fold files cross between LUMIN and ours, in both directions.

LUMIN lives in an environment of its own, whose interpreter the variable ``LUMIN_PYTHON`` names.
"""

from __future__ import annotations

import json
import os
import subprocess

import numpy as np
import pandas as pd
import pytest

from lumin_core.data.fold_yielder import FoldYielder
from lumin_core.data.frames import df2foldfile

PYTHON = os.environ.get("LUMIN_PYTHON", "")
pytestmark = pytest.mark.skipif(not PYTHON, reason="set LUMIN_PYTHON to a Python that has lumin==0.9.1 and pdpbox")

ARGUMENTS = """
common = dict(n_folds=12, cont_feats=["pt", "eta"], cat_feats=["n_jets"], targ_type="float32", shuffle=False,
              misc_feats=["process", "event"], wgt_feat="weight", cat_maps={"n_jets": {0: "none", 1: "one"}},
              matrix_vecs=["tau", "jet"], matrix_feats_per_vec=["px", "py", "m"], compression="lzf")
"""

WRITE = """
import pandas as pd
from lumin.data_processing.file_proc import df2foldfile
df = pd.read_csv("df.csv")
{arguments}
for row_wise in (True, False):
    for targets in ("y", ["y", "z"]):
        name = f"./lumin_{{row_wise}}_{{len(targets)}}"
        df2foldfile(df=df, targ_feats=targets, savename=name, matrix_row_wise=row_wise, **common)
"""

READ = """
import json, sys
import numpy as np
from lumin.nn.data.fold_yielder import FoldYielder
fy = FoldYielder(sys.argv[1])
fy.save_fold_pred(np.full(len(fy[0]["targets"]), 7.0), 0, "from_lumin")
folds = [fy[i] for i in range(fy.n_folds)]
def column(name):
    return np.concatenate([fy.get_column(name, fold_idx=i) for i in range(fy.n_folds)])
np.savez("read.npz", flat=np.concatenate([f["inputs"][0] for f in folds]),
         matrix=np.concatenate([f["inputs"][1] for f in folds]), targets=np.concatenate([f["targets"] for f in folds]),
         weights=np.concatenate([f["weights"] for f in folds]), pred=column("pred"), process=column("process"))
df = fy.get_df(inc_inputs=True, inc_matrix=True, suppress_warn=True, verbose=False, fold_idx=0)
feats = dict(fy.matrix_feats, missing=fy.matrix_feats["missing"].tolist())
meta = [fy.cont_feats, fy.cat_feats, fy.targ_feats, fy.wgt_feat, feats, list(df.columns), fy.cat_maps]
print("META" + json.dumps(meta))
"""


def run_lumin(code, *arguments, cwd):
    done = subprocess.run(
        [PYTHON, "-W", "ignore", "-c", code, *map(str, arguments)], cwd=cwd, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def df():
    rng = np.random.default_rng(0)
    n = 30
    names = ["pt", "eta", "tau_px", "tau_py", "jet_px", "jet_py", "jet_m"]
    df = pd.DataFrame(rng.normal(size=(n, 7)), columns=names)
    df.loc[:10, ["jet_px", "jet_py", "jet_m"]] = np.nan
    df.loc[3, "pt"] = np.nan
    return df.assign(
        n_jets=np.arange(n) % 2, y=np.arange(n) % 2, z=rng.normal(size=n), weight=rng.normal(size=n),
        event=np.arange(n), process=[f"process_{i}" for i in range(n)],
    )  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory, df):
    """Both write the same events, in the same order."""
    folder = tmp_path_factory.mktemp("files")
    df.to_csv(folder / "df.csv", index=False, float_format="%.17g")
    run_lumin(WRITE.format(arguments=ARGUMENTS), cwd=folder)
    options = {}
    exec(ARGUMENTS, {}, options)
    for row_wise in (True, False):
        for targets in ("y", ["y", "z"]):
            name = folder / f"ours_{row_wise}_{len(targets)}"
            df2foldfile(df, targ_feats=targets, savename=name, matrix_row_wise=row_wise, **options["common"])
    return folder


@pytest.mark.parametrize("row_wise", [True, False])
@pytest.mark.parametrize("n_targets", [1, 2])
def test_files_of_lumin_open_here_as_ours_do(folder, row_wise, n_targets):
    theirs, ours = (FoldYielder(folder / f"{who}_{row_wise}_{n_targets}") for who in ("lumin", "ours"))
    assert theirs.matrix_feats == ours.matrix_feats
    assert theirs.cat_maps == ours.cat_maps == {"n_jets": {0: "none", 1: "one"}}
    for name in ("cont_feats", "cat_feats", "targ_feats", "wgt_feat", "fld_szs"):
        assert getattr(theirs, name) == getattr(ours, name)
    for i in range(12):
        for column in ours.columns():
            np.testing.assert_array_equal(theirs.get_column(column, fold_idx=i), ours.get_column(column, fold_idx=i))
        for a, b in zip(theirs[i]["inputs"], ours[i]["inputs"], strict=True):
            np.testing.assert_array_equal(a, b)
    with theirs.writing():
        for i in range(12):
            theirs.save_fold_pred(np.full(theirs.fld_szs[i], i), i)
    pd.testing.assert_frame_equal(
        theirs.get_df(inc_inputs=True, inc_matrix=True)["pred"].to_frame(), theirs.get_df()[["pred"]]
    )


@pytest.mark.parametrize("row_wise", [True, False])
def test_files_of_ours_open_in_lumin(folder, df, row_wise):
    fy = FoldYielder(folder / f"ours_{row_wise}_2")
    with fy.writing():
        for i in range(12):
            fy.save_fold_pred(np.full(fy.fld_szs[i], i), i)
    fy.close()
    out = run_lumin(READ, fy.foldfile, cwd=folder)
    cont, cat, targ, wgt, feats, columns, maps = json.loads(out.split("META")[1])
    assert (cont, cat, targ, wgt) == (fy.cont_feats, fy.cat_feats, fy.targ_feats, fy.wgt_feat)
    assert {**feats, "missing": [int(m) for m in feats["missing"]]} == fy.matrix_feats
    assert columns == fy.get_df(inc_inputs=True, inc_matrix=True, fold_idx=0).columns.tolist()
    assert list(maps) == ["n_jets"]
    with np.load(folder / "read.npz") as read:
        np.testing.assert_array_equal(read["flat"], np.nan_to_num(df[["pt", "eta", "n_jets"]].astype("float32")))
        np.testing.assert_array_equal(read["targets"], df[["y", "z"]].astype("float32"))
        np.testing.assert_array_equal(read["weights"][:, 0], df["weight"].astype("float32"))
        np.testing.assert_array_equal(read["matrix"], fy.get_column("matrix_inputs"))
        np.testing.assert_array_equal(read["pred"], fy.get_column("pred"))
        assert [name.decode() for name in read["process"]] == df["process"].tolist()
    assert fy.get_column("from_lumin", fold_idx=0).tolist() == [7.0] * fy.fld_szs[0]
