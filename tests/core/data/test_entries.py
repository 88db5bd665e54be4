"""LUMIN's keys: to a schema and back loses nothing."""

from __future__ import annotations

import json

import pytest

from lumin_core.data.entries import (
    int_keys,
    matrix_entry,
    matrix_from_entry,
    matrix_to_entry,
    schema_from_entries,
    schema_to_entries,
    tensor_entry,
)

ENTRIES = {
    "cont_feats": ["pt"],
    "cat_feats": ["n_jets"],
    "targ_feats": "y",
    "wgt_feat": "w",
    "cat_maps": {"n_jets": {"0": "none"}},
    "matrix_feats": matrix_entry(["a_x"], ["a"], [False], ["x"], False, (1, 1)),
    "target_tensor": {"shape": [2, 2], "is_sparse": False},
    "misc_feats": ["event"],
    "roles": {"event": "key"},
    "preprocessing": {"inputs": [{"name": "x/y"}]},
    "provenance": {"seed": 1},
    "luminosity": {"fb": 138},
}


def test_entries_to_a_schema_and_back_are_the_same():
    assert json.loads(json.dumps(schema_to_entries(schema_from_entries(ENTRIES)))) == ENTRIES


@pytest.mark.parametrize("lacking", ["cat_maps", "matrix_feats", "target_tensor", "roles", "wgt_feat", "luminosity"])
def test_what_lumin_leaves_out_may_be_missing(lacking):
    entries = {name: value for name, value in ENTRIES.items() if name != lacking}
    assert json.loads(json.dumps(schema_to_entries(schema_from_entries(entries)))) == entries


@pytest.mark.parametrize("targ_feats", ["y", ["y"], ["y", "z"]])
def test_one_target_alone_and_a_list_of_one_are_told_apart(targ_feats):
    assert schema_to_entries(schema_from_entries({"targ_feats": targ_feats}))["targ_feats"] == targ_feats


@pytest.mark.parametrize(
    "entry",
    [
        matrix_entry(["a_x", "b_x"], ["a", "b"], [0, 0], ["x"], True, (2, 1)),
        tensor_entry("image", (3, 32, 32), is_sparse=True),
        {**matrix_entry(["a_x"], ["a"], [0], ["x"], True, (1, 1)), "zero_padded": True},
        {**tensor_entry("image", (3,)), "unit": "GeV"},
    ],
)
def test_entries_of_matrices_to_a_schema_and_back_are_the_same(entry):
    assert matrix_to_entry(matrix_from_entry(entry)) == entry
    assert json.dumps(matrix_to_entry(matrix_from_entry(entry))) == json.dumps(entry)  # in the same order


def test_the_least_that_is_known_of_a_matrix_is_its_shape():
    matrix = matrix_from_entry({"shape": (2, 2)})
    assert (matrix.shape, matrix.missing, matrix.row_wise, matrix.is_sparse) == ([2, 2], [], None, False)


def test_keys_of_maps_are_integers_again_where_they_can():
    assert int_keys({"n_jets": {"0": "none", "many": "more"}}) == {"n_jets": {0: "none", "many": "more"}}
