"""Schema: what a data set has, and what is left when features are ignored."""

from __future__ import annotations

import attrs
import pytest

from lumin_core.data.schema import MatrixSchema, Schema, TensorSchema

MATRIX = MatrixSchema(
    shape=(2, 2),
    vecs=["tau", "jet"],
    feats_per_vec=["px", "m"],
    present_feats=["tau_px", "jet_px", "jet_m"],
    missing=[0, 1, 0, 0],
    row_wise=True,
)
SCHEMA = Schema(
    cont_feats=["pt", "eta"],
    cat_feats=["n_jets"],
    targ_feats="y",
    cat_maps={"n_jets": {0: "none"}},
    matrix=MATRIX,
    columns={"event": "key", "run": "group", "subrun": "group", "note": ""},
)


def test_features_are_those_of_the_columns_and_then_of_the_matrix():
    assert SCHEMA.input_feats == ["pt", "eta", "n_jets"]
    assert SCHEMA.model_feats == ["pt", "eta", "tau_px", "jet_px", "jet_m"]
    assert attrs.evolve(SCHEMA, matrix=None).model_feats == ["pt", "eta"]


def test_ignored_features_leave_their_maps_and_the_matrix_stays_by_default():
    less = SCHEMA.without(["pt", "n_jets"])
    assert (less.cont_feats, less.cat_feats, less.cat_maps, less.matrix) == (["eta"], [], {}, MATRIX)
    assert SCHEMA.without([], matrix=False).matrix is None
    assert SCHEMA.without([]) == SCHEMA


def test_further_columns_are_found_by_role():
    assert SCHEMA.misc_feats == ["event", "run", "subrun", "note"]
    assert SCHEMA.with_role("group") == ["run", "subrun"]
    assert SCHEMA.with_role("variation") == []


def test_elements_of_a_matrix_have_names_where_they_exist():
    assert MATRIX.elements == ["tau_px", "", "jet_px", "jet_m"]
    assert MatrixSchema(shape=(3, 3), vecs="image").elements == []


@pytest.mark.parametrize(("row_wise", "axis"), [(True, 1), (None, 1), (False, -1)])
def test_objects_are_along_an_axis(row_wise, axis):
    assert MatrixSchema(shape=(2, 2), row_wise=row_wise).object_axis == axis


def test_tensors_are_those_of_targets_and_matrix():
    schema = attrs.evolve(SCHEMA, target_tensor=TensorSchema(shape=(4,), is_sparse=True))
    assert [schema.is_sparse(column) for column in ("targets", "matrix_inputs", "inputs")] == [True, False, False]
    assert schema.tensor("matrix_inputs") is MATRIX
    assert schema.tensor("pred") is None


def test_a_schema_is_not_changed():
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        SCHEMA.cont_feats = []
