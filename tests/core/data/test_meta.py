"""Meta data in a file: read, written, changed key by key."""

from __future__ import annotations

import json

import h5py
import numpy as np
import pytest
from written import make_foreign

from lumin_core.data.fold_yielder import FoldYielder
from lumin_core.data.meta import read_schema, update_entry, write_entry, write_schema
from lumin_core.data.schema import MatrixSchema, Schema, TensorSchema
from lumin_core.errors import ConfigError, FoldFileError


def test_damaged_meta_data_are_refused(tmp_path):
    path = make_foreign(tmp_path / "a.hdf5")
    with h5py.File(path, "r+") as file:
        del file["meta_data/cont_feats"]
        file["meta_data/cont_feats"] = "[no json"
    with pytest.raises(FoldFileError, match="cont_feats cannot be read"):
        FoldYielder(path)


@pytest.fixture
def file(tmp_path):
    with h5py.File(tmp_path / "a.hdf5", "w") as file:
        yield file


def test_a_schema_goes_into_a_file_and_comes_back(file):
    schema = Schema(
        cont_feats=["pt"],
        cat_feats=["n_jets"],
        targ_feats=["y"],
        scalar_target=True,
        wgt_feat="w",
        cat_maps={"n_jets": {0: "none", 1: "one"}},
        matrix=MatrixSchema(
            shape=(2, 2),
            vecs=["a", "b"],
            feats_per_vec=["x", "y"],
            missing=[0, 0, 0, 1],
            present_feats=["a_x", "a_y", "b_x"],
            row_wise=True,
            further={"unit": "GeV"},
        ),
        target_tensor=TensorSchema(shape=(4, 4), is_sparse=True),
        columns={"event": "key", "process": "group", "note": ""},
        preprocessing={"inputs": [{"name": "x/y", "mean": [1.5]}]},
        provenance={"seed": 1},
        further={"luminosity": 138},
    )
    write_schema(file, schema)
    assert read_schema(file) == schema
    assert file["meta_data"].attrs["format"] == 1


def test_entries_without_anything_to_say_are_not_written(file):
    write_schema(file, Schema(cont_feats=["pt"], targ_feats=["y"]))
    assert sorted(file["meta_data"]) == [
        "cat_feats",
        "cont_feats",
        "misc_feats",
        "preprocessing",
        "provenance",
        "targ_feats",
    ]


def test_numpys_values_become_plain_and_others_are_refused(file):
    group = file.create_group("meta_data")
    write_entry(group, "x", {"a": np.float32(0.5), "b": np.arange(2)})
    assert json.loads(group["x"][()]) == {"a": 0.5, "b": [0, 1]}
    with pytest.raises(ConfigError, match="x cannot be stored as JSON"):
        write_entry(group, "x", {"a": object()})
    assert json.loads(group["x"][()])["a"] == 0.5


def test_one_key_of_an_entry_is_changed(file):
    update_entry(file, "provenance", seed=1)
    update_entry(file, "provenance", site="CERN")
    assert json.loads(file["meta_data/provenance"][()]) == {"seed": 1, "site": "CERN"}
    write_entry(file["meta_data"], "cont_feats", ["pt"])
    with pytest.raises(FoldFileError, match="/meta_data/cont_feats must be a JSON object"):
        update_entry(file, "cont_feats", x=1)


def test_a_file_that_lacks_features_is_no_fold_file(file):
    assert read_schema(file) is None
    write_entry(file.create_group("meta_data"), "cont_feats", ["pt"])
    with pytest.raises(FoldFileError, match="/meta_data lacks cat_feats, targ_feats"):
        read_schema(file)


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("cont_feats", 3, "a list of names"),
        ("targ_feats", [1], "a list of names"),
        ("wgt_feat", ["w"], "a name"),
        ("cat_maps", {"n": [1]}, "a dict of dicts"),
        ("cat_maps", {"n": {"x": "y"}}, "a dict of dicts from codes to text or numbers"),
        ("cat_maps", {"n": {"0": None}}, "a dict of dicts from codes to text or numbers"),
        ("preprocessing", {"inputs": ["x"]}, "a dict of lists of dicts"),
        ("provenance", None, "a dict"),
        ("matrix_feats", {"vecs": ["a"]}, "a dict with a shape"),
        ("matrix_feats", {"shape": [2], "missing": "x"}, "a dict with a shape"),
        ("target_tensor", {"shape": ["x"]}, "a dict with a shape"),
    ],
)
def test_entries_of_another_type_are_refused_on_opening(file, name, value, expected):
    write_schema(file, Schema(cont_feats=["pt"], targ_feats=["y"]))
    write_entry(file["meta_data"], name, value)
    with pytest.raises(
        FoldFileError, match=f"/meta_data/{name} must be {expected}.*bring back a copy, or make it anew"
    ):
        read_schema(file)
