"""What is said of fold files, when they are written and afterwards."""

from __future__ import annotations

import json

import h5py
import numpy as np
import pytest
from written import matrix_file

from lumin_core.data.description import add_preprocessing, declare_zero_padding, describe, preprocessing_configs
from lumin_core.data.fold_yielder import FoldYielder
from lumin_core.data.matrix import object_mask
from lumin_core.data.schema import MatrixSchema
from lumin_core.errors import ConfigError, FoldFileError


def test_declared_zero_padding_becomes_nan(tmp_path):
    matrix = FoldYielder(matrix_file(tmp_path / "a.hdf5", zero_padded=True))[0]["inputs"][1]
    assert object_mask(matrix).tolist() == [[True, True], [True, False], [True, False]]


def test_zero_padding_needs_a_matrix(path):
    with pytest.raises(FoldFileError, match="no matrix"):
        declare_zero_padding(path)


def test_declarations_lose_nothing_that_others_wrote(tmp_path):
    """Entries and keys of a later version, or of LUMIN's descendants, are kept."""
    path = matrix_file(tmp_path / "a.hdf5")
    with h5py.File(path, "r+") as file:
        group = file["meta_data"]
        group["luminosity"] = json.dumps({"fb": 138})
        group["blob"] = np.arange(3)
        entry = json.loads(group["matrix_feats"][()]) | {"unit": "GeV", "is_sparse": False}
        del group["matrix_feats"]
        group["matrix_feats"] = json.dumps(entry)
    declare_zero_padding(path)
    add_preprocessing(path, output_pipe=[])
    with FoldYielder(path) as fy:
        fy.save_fold_pred(np.ones(3), 0)
        assert fy.schema.further == {"luminosity": {"fb": 138}}
        assert fy.schema.matrix.further == {"unit": "GeV"}
        assert fy.schema.preprocessing == {"targets": []}
    with h5py.File(path) as file:
        assert json.loads(file["meta_data/luminosity"][()]) == {"fb": 138}
        assert file["meta_data/blob"][()].tolist() == [0, 1, 2]
        assert json.loads(file["meta_data/matrix_feats"][()]) == entry | {"zero_padded": True}


def test_a_schema_is_described_as_users_say_it():
    matrix = MatrixSchema(shape=(1, 1), vecs=["a"], feats_per_vec=["x"], present_feats=["a_x"], row_wise=True)
    one = describe(("pt",), "n_jets", "y", cat_maps={"n_jets": {0.0: "none"}}, matrix_feats=matrix, seed=3)
    assert (one.cont_feats, one.cat_feats, one.targ_feats, one.scalar_target) == (["pt"], ["n_jets"], ["y"], True)
    assert one.cat_maps == {"n_jets": {0: "none"}}
    assert one.matrix is matrix
    assert one.provenance["seed"] == 3
    assert not describe(["pt"], [], ["y"]).scalar_target
    with pytest.raises(ConfigError, match=r"cat_maps has 'n_jet'.*did you mean 'n_jets'"):
        describe(["pt"], ["n_jets"], "y", cat_maps={"n_jet": {}})


def test_preprocessing_is_of_three_parts():
    assert preprocessing_configs(None) == {}
    assert preprocessing_configs({"targets": []}) == {"targets": []}
    with pytest.raises(ConfigError, match="'inputs', 'targets' or 'matrix', got 'target'"):
        preprocessing_configs({"target": []})


def test_truth_among_the_inputs_is_said(caplog):
    describe(["pt", "gen_mass", "w"], ["y"], "y", wgt_feat="w", seed=1)
    assert [r.getMessage().partition(";")[0] for r in caplog.records if r.name == "lumin_core.data.description"] == [
        "among the inputs are truth, targets or the weight, which new events do not have: gen_mass, w, y"
    ]
    caplog.clear()
    describe(["pt"], ["n"], "y", wgt_feat="w", seed=1)
    assert not caplog.records
