"""FoldFileWriter: folds as a whole and piece by piece, and what is refused."""

from __future__ import annotations

import subprocess
import sys

import h5py
import numpy as np
import pandas as pd
import pytest

from lumin_core.data.description import add_meta_data
from lumin_core.data.entries import matrix_entry, tensor_entry
from lumin_core.data.fold_file import FoldFileWriter
from lumin_core.data.fold_yielder import FoldYielder
from lumin_core.errors import ConfigError, DataError, FoldFileError, ShapeError


def writer(tmp_path, **options):
    return FoldFileWriter(tmp_path / "a", **({"cont_feats": ["pt", "eta"], "targ_feats": ["y"]} | options))


def data(n=4, **changes):
    return {"inputs": np.ones((n, 2)), "targets": np.ones((n, 1))} | changes


def write_twice(tmp_path, first, number):
    with writer(tmp_path) as file:
        file.append(0, **first)
        file.append(number, **data())


def pieces(n):
    """Data of every sort, of n events that depend on n only."""
    rng = np.random.default_rng(n)
    image = np.where(rng.random((n, 3, 2)) < 0.2, rng.normal(size=(n, 3, 2)), 0)
    return {
        "inputs": rng.normal(size=(n, 2)), "targets": rng.integers(0, 2, n), "weights": rng.normal(size=n),
        "matrix_inputs": image, "misc": {"process": np.array(["x" * n] * n), "event": np.arange(n)},
    }  # fmt: skip


@pytest.mark.parametrize("sparse", [True, False])
@pytest.mark.parametrize("compression", [None, "gzip"])
def test_folds_grow_piece_by_piece(tmp_path, sparse, compression):
    parts = [pieces(n) for n in (3, 8, 1, 5)]
    options = {"targ_feats": "y", "wgt_feat": "w", "matrix_feats": tensor_entry("image", (3, 2), is_sparse=sparse)}
    with writer(tmp_path, growing=True, compression=compression, **options) as file:
        for part in parts:
            file.append(0, **part)
    fy = FoldYielder(tmp_path / "a")
    assert fy.fld_szs == {0: 17}
    flat, image = fy[0]["inputs"]
    np.testing.assert_array_equal(flat, np.concatenate([p["inputs"] for p in parts]).astype("float32"))
    np.testing.assert_array_equal(image, np.concatenate([p["matrix_inputs"] for p in parts]).astype("float32"))
    np.testing.assert_array_equal(
        fy[0]["weights"][:, 0], np.concatenate([p["weights"] for p in parts]).astype("float32")
    )
    assert fy.get_column("process").tolist() == [t for p in parts for t in p["misc"]["process"]]


def test_a_fold_that_does_not_grow_is_written_once(tmp_path):
    with pytest.raises(FoldFileError, match="growing=True"):
        write_twice(tmp_path, data(), number=0)
    assert list(tmp_path.iterdir()) == []


def test_fold_files_need_folds_without_gaps(tmp_path):
    with pytest.raises(FoldFileError, match="no fold"), writer(tmp_path):
        pass
    with pytest.raises(FoldFileError, match=r"missing \[0\]"), writer(tmp_path) as file:
        file.append(1, **data())
    assert list(tmp_path.iterdir()) == []


def test_folds_may_come_in_any_order(tmp_path):
    with writer(tmp_path) as file:
        for i in (2, 0, 1):
            file.append(i, **data(n=i + 1))
    assert FoldYielder(tmp_path / "a").fld_szs == {0: 1, 1: 2, 2: 3}


def test_nothing_is_to_be_seen_before_the_end(tmp_path):
    with writer(tmp_path) as file:
        file.append(0, **data())
        assert not file.path.exists()
    assert [path.name for path in tmp_path.iterdir()] == ["a.hdf5"]


def test_a_second_writer_is_refused(tmp_path):
    with writer(tmp_path) as file:
        file.append(0, **data())
        with pytest.raises(FoldFileError, match="being written"):
            writer(tmp_path)
    with pytest.raises(FoldFileError, match="exists"):
        writer(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["a.hdf5"]


def test_closing_twice_is_harmless(tmp_path):
    file = writer(tmp_path)
    file.append(0, **data())
    file.close()
    file.close()
    file.abort()
    assert file.path.exists()


def test_folders_and_read_only_files_are_refused(tmp_path):
    (tmp_path / "a.hdf5").mkdir()
    with pytest.raises(FoldFileError, match="is a folder"):
        writer(tmp_path)
    (tmp_path / "a.hdf5").rmdir()
    (tmp_path / "a.hdf5").touch(0o444)
    with pytest.raises(FoldFileError, match="read-only"):
        writer(tmp_path, overwrite=True)
    with pytest.raises(FoldFileError, match="cannot make the folder"):
        FoldFileWriter(tmp_path / "a.hdf5" / "b", cont_feats=[], targ_feats="y")


M = np.ma.masked_array(np.ones((4, 1)), [[True], [False], [True], [False]])


@pytest.mark.parametrize(
    ("options", "changes", "error", "message"),
    [
        ({}, {"inputs": np.ones((4, 3))}, ShapeError, r"\(n, 2\) for 2 continuous"),
        ({}, {"targets": np.ones((3, 1))}, ShapeError, r"\(4, 1\)"),
        ({}, {"targets": np.ones((4, 2))}, ShapeError, r"\(4, 1\)"),
        ({}, {"targets": np.array([[np.nan]] * 4)}, DataError, "fold 0 of a.hdf5, targets: column 'y' has 4 times"),
        ({}, {"targets": np.array([["a"]] * 4)}, DataError, "targets must hold numbers, got text"),
        ({}, {"weights": np.ones(4)}, ConfigError, "wgt_feat"),
        ({"wgt_feat": "w"}, {}, ConfigError, "wgt_feat"),
        ({"wgt_feat": "w"}, {"weights": np.ones(3)}, ShapeError, "one an event"),
        ({"wgt_feat": "w"}, {"weights": [1, np.nan, 1, 1]}, DataError, "column 'w' has once"),
        ({}, {"matrix_inputs": np.ones((4, 2, 2))}, ConfigError, "matrix_feats"),
        ({}, {"misc": {"weights": np.ones(4)}}, ConfigError, "taken"),
        ({}, {"misc": {"event": np.ones(3)}}, ShapeError, "'event'"),
        ({}, {"misc": {"event": [None] * 4}}, DataError, "'event' must hold numbers or text"),
        ({}, {"targets": M}, DataError, "'y' has 2 times NaN"),
        ({"wgt_feat": "w"}, {"weights": M[:, 0]}, DataError, "column 'w' has 2 times NaN"),
        ({"cont_feats": ["a"], "cat_feats": ["n"]}, {"inputs": np.ma.hstack((M, M))}, DataError, "'n' must hold codes"),
        ({}, {"inputs": np.full((4, 2), 1j)}, DataError, "fold 0 of a.hdf5, inputs must hold numbers, got complex"),
        ({}, {"inputs": {"pt": [1.0] * 4}}, DataError, "inputs: .* no column 'eta'"),
        ({}, {"inputs": pd.DataFrame({"pt": ["x"] * 4, "eta": 2.0})}, DataError, "column 'pt' must .* got text"),
        ({"wgt_feat": "w"}, {"weights": np.ones(4, "m8[s]")}, DataError, "weights must hold numbers, got durations"),
        ({}, {"misc": {"event": ["a", "b\0", "c", "d"]}}, DataError, "'event' has text that ends in NUL in row 1"),
        ({}, {"misc": {"event": np.full(4, 1j)}}, DataError, "'event' has dtype complex128"),
        ({"targ_type": "int8"}, {"targets": np.full((4, 1), 200)}, DataError, "200, which int8 cannot hold"),
        ({"targ_type": "float32"}, {"targets": np.full((4, 1), 1e300)}, DataError, "column 'y'"),
    ],
)  # fmt: skip
def test_bad_data_are_refused(tmp_path, options, changes, error, message):
    with pytest.raises(error, match=message), writer(tmp_path, **options) as file:
        file.append(0, **data(**changes))
    assert list(tmp_path.iterdir()) == []


def test_infinite_matrix_elements_are_named(tmp_path):
    entry = matrix_entry(["tau_px", "jet_px", "jet_m"], ["tau", "jet"], [0, 1, 0, 0], ["px", "m"], True, (2, 2))
    matrix = np.ones((4, 2, 2))
    matrix[1, 1, 1] = np.inf
    with pytest.raises(DataError, match="'jet_m' has once"), writer(tmp_path, matrix_feats=entry) as file:
        file.append(0, **data(matrix_inputs=matrix))
    with writer(tmp_path, matrix_feats=entry, clip=5) as file:
        file.append(0, **data(matrix_inputs=matrix))
    assert FoldYielder(tmp_path / "a")[0]["inputs"][1][1, 1, 1] == 5


@pytest.mark.parametrize("fold", [-1, 1.0, True, "0"])
def test_folds_are_numbered(tmp_path, fold):
    with pytest.raises(ConfigError, match="fold must be a number"), writer(tmp_path) as file:
        file.append(fold, **data())


def test_every_fold_has_the_same_misc_columns(tmp_path):
    with pytest.raises(ConfigError, match="same misc columns"):
        write_twice(tmp_path, data(misc={"event": np.arange(4)}), number=1)


def test_sparse_integer_targets_hold_far_coordinates(tmp_path):
    targets = np.zeros((300, 2), dtype=int)
    targets[299, 1] = 3
    entry = {"shape": [2], "is_sparse": True}
    with writer(tmp_path, targ_type="int8", target_tensor=entry) as file:
        file.append(0, inputs=np.ones((300, 2)), targets=targets)
    np.testing.assert_array_equal(FoldYielder(tmp_path / "a")[0]["targets"], targets)


def test_meta_data_of_ours_are_ignored_by_name():
    with h5py.File("a", "w", driver="core", backing_store=False) as file:
        add_meta_data(file, ["pt"], ["pt"], [], None, "y", misc_feats=["event"], seed=3)
        assert [name for name in file if "fold_" in name] == []
        assert {"misc_feats", "preprocessing", "provenance"} < set(file["meta_data"])


def test_a_later_format_asks_for_an_update(tmp_path):
    with writer(tmp_path) as file:
        file.append(0, **data())
    with h5py.File(tmp_path / "a.hdf5", "r+") as file:
        file["meta_data"].attrs["format"] = 99
    with pytest.raises(FoldFileError, match="update lumin-core"):
        FoldYielder(tmp_path / "a")


KILLED = """
import os, sys
import numpy as np
from lumin_core import FoldFileWriter
file = FoldFileWriter(sys.argv[1], cont_feats=["pt", "eta"], targ_feats=["y"], overwrite=True)
file.append(0, inputs=np.zeros((4, 2)), targets=np.zeros((4, 1)))
os._exit(9)
"""


def test_a_killed_writer_harms_nothing_and_blocks_nobody(tmp_path):
    with writer(tmp_path) as file:
        file.append(0, **data())
    before = file.path.read_bytes()
    assert subprocess.run([sys.executable, "-c", KILLED, file.path], check=False).returncode == 9
    assert file.path.read_bytes() == before
    with writer(tmp_path, overwrite=True) as file:
        file.append(0, **data(n=5))
    assert [path.name for path in tmp_path.iterdir()] == ["a.hdf5"]
    assert FoldYielder(file.path).fld_szs == {0: 5}


def test_a_full_disk_leaves_the_file_of_before(tmp_path, monkeypatch):
    with writer(tmp_path) as file:
        file.append(0, **data())
    before = file.path.read_bytes()

    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("lumin_core.files.os.fsync", full)
    file = writer(tmp_path, overwrite=True)
    file.append(0, **data(n=5))
    with pytest.raises(FoldFileError, match="No space left on device"):
        file.close()
    with pytest.raises(FoldFileError, match="No space left on device"):
        FoldYielder(file.path).save_fold_pred(np.ones(4), 0)
    assert file.path.read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["a.hdf5"]


def test_columns_of_frames_dicts_and_records_are_taken_by_name(tmp_path):
    df = pd.DataFrame({"eta": [1.0, 2.0], "n": [5, 6], "pt": pd.array([3, None], dtype="Int64")})
    with writer(tmp_path) as file:
        for i, inputs in enumerate((df, df.to_dict("list"), df.astype({"pt": "float64"}).to_records())):
            file.append(i, inputs=inputs, targets=np.ones((2, 1)))
        twice = pd.DataFrame(np.ones((2, 3)), columns=["pt", "eta", "pt"])
        with pytest.raises(DataError, match="inputs: the data frame has 2 columns 'pt'"):
            file.append(3, inputs=twice, targets=np.ones((2, 1)))
    np.testing.assert_array_equal(FoldYielder(file.path).get_column("inputs"), [[3, 1], [np.nan, 2]] * 3)


def test_masked_inputs_and_further_columns_are_missing(tmp_path):
    masked = np.ma.masked_array([[1.0, 77.0], [2.0, 88.0]], [[False, True]] * 2)
    with writer(tmp_path) as file:
        file.append(0, inputs=masked, targets=np.ones((2, 1)), misc={"run": np.ma.masked_array([5, 9], [False, True])})
        file.append(1, inputs=list(masked), targets=np.ones((2, 1)), misc={"run": [5, None]})
    fy = FoldYielder(file.path)
    np.testing.assert_array_equal(fy.get_column("inputs"), [[1, np.nan], [2, np.nan]] * 2)
    np.testing.assert_array_equal(fy.get_column("run"), [5, np.nan] * 2)


def test_category_maps_must_fit_the_codes_of_every_fold(tmp_path):
    with writer(tmp_path, cat_feats=["n"], cont_feats=["pt"], cat_maps={"n": {0: "e", 1: "mu"}}) as file:
        file.append(0, inputs=[[1.0, 0], [1.0, 1]], targets=np.ones((2, 1)))
        with pytest.raises(DataError, match=r"fold 1 of a\.hdf5, .* 'n' has codes that its cat_maps lack: 2"):
            file.append(1, inputs=[[1.0, 2], [1.0, 1]], targets=np.ones((2, 1)))
    with pytest.raises(ConfigError, match="got the key 'e'; turn it round"):
        writer(tmp_path, cat_feats=["n"], cat_maps={"n": {"e": 0}}, overwrite=True)


def test_text_that_grows_far_beyond_the_others_is_refused(tmp_path):
    with writer(tmp_path, growing=True) as file:
        file.append(0, **data(misc={"process": ["Z"] * 4}))
        file.append(0, **data(misc={"process": ["Z" * 200] * 4}))
        file.append(0, **data(misc={"process": ["Z"] * 4}))
        with pytest.raises(DataError, match="'process' has text of 9000 bytes in row 12; fixed width"):
            file.append(0, **data(1, misc={"process": ["x" * 9000]}))
    assert FoldYielder(file.path).get_column("process")[7] == "Z" * 200


# Where the events come from, and events without labels

RECIPE = {"name": "io/recipe", "tree": "Events", "variables": {"pt": "Jet_pt[0]"}}
SOURCES = [{"name": "a.root", "sample": "tt", "entries": 9, "selected": 4}, {"name": "b.root", "sample": "h"}]


def test_recipe_and_sources_are_kept_and_do_not_belong_to_the_identity(tmp_path):
    with writer(tmp_path, recipe=RECIPE, sources=SOURCES) as file:
        file.append(0, **data())
    with FoldFileWriter(tmp_path / "plain", cont_feats=["pt", "eta"], targ_feats=["y"]) as file:
        file.append(0, **data())
    made, plain = FoldYielder(tmp_path / "a"), FoldYielder(tmp_path / "plain")
    assert (made.file_schema.recipe, made.file_schema.sources) == (RECIPE, SOURCES)
    assert (plain.file_schema.recipe, plain.file_schema.sources) == ({}, [])
    assert made.identity == plain.identity
    with h5py.File(tmp_path / "plain.hdf5") as file:
        assert {"recipe", "sources"}.isdisjoint(file["meta_data"])


@pytest.mark.parametrize(
    ("entry", "text"),
    [("recipe", '["a"]'), ("sources", '{"a": 1}'), ("sources", '["a"]'), ("units", '{"pt": 1}')],
)
def test_recipe_and_sources_that_are_none_are_named(tmp_path, entry, text):
    with writer(tmp_path) as file:
        file.append(0, **data())
    with h5py.File(tmp_path / "a.hdf5", "r+") as file:
        file[f"meta_data/{entry}"] = text
    with pytest.raises(FoldFileError, match=f"/meta_data/{entry} must be a (dict|list of dicts|dict of texts), got"):
        FoldYielder(tmp_path / "a")


@pytest.mark.parametrize("growing", [False, True])
def test_events_without_labels(tmp_path, growing):
    with writer(tmp_path, targ_feats=None, growing=growing) as file:
        for _ in range(1 + growing):
            file.append(0, inputs=np.ones((4, 2)), misc={"entry": np.arange(4)})
        file.append(1, inputs=np.zeros((3, 2)), misc={"entry": np.arange(3)})
    fy = FoldYielder(tmp_path / "a")
    assert fy.verify() == []
    assert fy[1]["targets"].shape == (3, 0) == fy.get_data(fold_idx=1)["targets"].shape
    fy.save_fold_pred(np.zeros(3), 1)
    assert fy.get_df(fold_idx=1, inc_inputs=True, inc_misc=True).columns.tolist() == ["pt", "eta", "pred", "entry"]


def test_events_without_labels_have_none(tmp_path):
    with pytest.raises(ShapeError, match=r"targets must be \(4, 0\)"), writer(tmp_path, targ_feats=None) as file:
        file.append(0, **data())
    with pytest.raises(ShapeError, match="targets must have one row an event, 4, got None"), writer(tmp_path) as file:
        file.append(0, inputs=np.ones((4, 2)))
