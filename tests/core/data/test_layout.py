"""Layout: what goes into a fold is checked, column by column."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from lumin_core.data.layout import Layout, target_dtype
from lumin_core.data.schema import MatrixSchema, Schema, TensorSchema
from lumin_core.data.sparse import Coo, from_coo
from lumin_core.errors import ConfigError, DataError, ShapeError


def check(layout, **changes):
    parts = {"inputs": np.ones((2, 1)), "targets": np.ones(2)} | changes
    return layout.check(**parts, where="fold 0")


def test_one_name_alone_makes_targets_without_axis():
    for scalar, shape in ((True, (2,)), (False, (2, 1))):
        layout = Layout(Schema(cont_feats="a", targ_feats="y", scalar_target=scalar), "int32")
        for targets in (np.ones(2), np.ones((2, 1))):
            columns = check(layout, targets=targets)
            assert columns["targets"].shape == shape
            assert columns["targets"].dtype == np.int32
            assert columns["inputs"].dtype == np.float32


@pytest.mark.parametrize("targ_type", ["text", "no dtype", object, "datetime64[s]"])
def test_targets_have_a_dtype_of_numbers(targ_type):
    with pytest.raises(ConfigError, match="targ_type must be"):
        target_dtype(targ_type)


def test_names_come_once():
    with pytest.raises(ConfigError, match="cont_feats and cat_feats names 'a' twice"):
        Layout(Schema(cont_feats=["a"], cat_feats=["a"]))
    with pytest.raises(ConfigError, match="targ_feats names 'y' twice"):
        Layout(Schema(targ_feats=["y", "y"]))


def test_parts_that_were_not_announced_are_refused():
    plain = Schema(cont_feats="a", targ_feats=["y"])
    with pytest.raises(ConfigError, match="weights must be given if and only if"):
        check(Layout(plain), weights=np.ones(2))
    with pytest.raises(ConfigError, match="matrix_inputs must be given if and only if"):
        check(Layout(plain), matrix_inputs=np.ones((2, 3)))
    weighted = Layout(Schema(cont_feats="a", targ_feats=["y"], wgt_feat="w"))
    assert check(weighted, weights=np.ones((2, 1)))["weights"].shape == (2,)
    with pytest.raises(DataError, match="column 'w' has once NaN"):
        check(weighted, weights=[1, np.nan])


def test_further_columns_are_known_from_the_first_fold_with_their_roles():
    layout = Layout(Schema(cont_feats="a", targ_feats=["y"]), roles={"event": "key"})
    check(layout, misc={"event": [1, 2], "note": ["x", "y"]})
    assert layout.schema.columns == {"event": "key", "note": ""}
    with pytest.raises(ConfigError, match="same misc columns"):
        check(layout, misc={"event": [1, 2]})
    with pytest.raises(ShapeError, match="misc column 'event' must have one value an event, 2, got shape"):
        check(layout, misc={"event": [1], "note": ["x", "y"]})
    with pytest.raises(ConfigError, match="misc has no 'evnt'; did you mean 'event'"):
        check(Layout(Schema(cont_feats="a", targ_feats=["y"]), roles={"evnt": "key"}), misc={"event": [1, 2]})


def test_sparse_parts_are_stored_as_coo_where_the_schema_says_so():
    dense = np.array([[0.0, 2.0], [3.0, 0.0]])
    coo = Coo(np.stack(np.nonzero(dense)), dense[np.nonzero(dense)], dense.shape)
    sparse = Layout(Schema(cont_feats="a", targ_feats=["y"], matrix=MatrixSchema(shape=[2], is_sparse=True)))
    for values in (dense, coo):
        stored = check(sparse, matrix_inputs=values)["matrix_inputs"]
        assert stored.dtype == np.float32
        np.testing.assert_array_equal(from_coo(stored, 2, [2]), dense)
    assert (sparse.axis("matrix_inputs"), sparse.axis("inputs")) == (1, 0)
    plain = Layout(Schema(cont_feats="a", targ_feats=["y"], matrix=MatrixSchema(shape=[2])))
    with pytest.raises(ConfigError, match="needs is_sparse in its entry"):
        check(plain, matrix_inputs=coo)
    with pytest.raises(ShapeError, match=r"matrix_inputs must be \(2, 2\), got shape \(2, 3\)"):
        check(plain, matrix_inputs=np.ones((2, 3)))


def test_targets_that_are_tensors_have_its_shape():
    layout = Layout(Schema(cont_feats="a", targ_feats=["y"], target_tensor=TensorSchema(shape=(2, 2))))
    assert check(layout, targets=np.ones((2, 2, 2)))["targets"].shape == (2, 2, 2)
    with pytest.raises(DataError, match="NaN or infinity"):
        check(layout, targets=np.full((2, 2, 2), np.nan))


@pytest.mark.parametrize("make", [pd.DataFrame, dict, lambda columns: pd.DataFrame(columns).to_records(index=False)])
def test_fault_targets_of_a_frame_are_taken_by_name(make):
    layout = Layout(Schema(cont_feats="a", targ_feats=["y1", "y2"]))
    frame = make({"y2": np.array([3.0, 4.0]), "w": np.ones(2), "y1": np.array([1.0, 2.0])})
    assert check(layout, targets=frame)["targets"].tolist() == [[1, 3], [2, 4]]
    one = Layout(Schema(cont_feats="a", targ_feats="y2", scalar_target=True))
    assert check(one, targets=frame)["targets"].tolist() == [3, 4]
    with pytest.raises(DataError, match="no column 'y3'"):
        check(Layout(Schema(cont_feats="a", targ_feats=["y3"])), targets=frame)


@pytest.mark.parametrize("targets", [None, 1.0])
def test_fault_targets_have_a_row_an_event(targets):
    with pytest.raises(ShapeError, match=f"fold 0, targets must have one row an event, 2, got {targets}"):
        check(Layout(Schema(cont_feats="a", targ_feats="y")), targets=targets)


@pytest.mark.parametrize("inputs", [pd.DataFrame({"w": [1.0, 2.0]}), {"w": [1.0, 2.0]}, pd.DataFrame(index=range(2))])
def test_fault_a_frame_may_have_no_flat_inputs(inputs):
    columns = check(Layout(Schema(targ_feats="y", scalar_target=True)), inputs=inputs)
    assert columns["inputs"].shape == (2, 0)


@pytest.mark.parametrize(
    ("first", "then", "message"),
    [
        ([1, 2], ["a", "b"], "holds numbers in the first fold, got text"),
        (["a", "b"], [1, 2], "holds text in the first fold, got numbers"),
        ([[1], [2]], [1, 2], r"holds numbers of shape \(1,\) in the first fold, got numbers"),
    ],
)
def test_fault_further_columns_hold_the_same_in_every_fold(first, then, message):
    layout = Layout(Schema(cont_feats="a", targ_feats="y"))
    check(layout, misc={"m": first})
    check(layout, misc={"m": first})
    with pytest.raises(DataError, match=f"misc column 'm' {message}"):
        check(layout, misc={"m": then})


def test_whole_numbers_of_one_fold_and_fractions_of_another_go_together():
    layout = Layout(Schema(cont_feats="a", targ_feats="y"))
    for values in ([1, 2], [1, None], [True, False], [0.5, 1]):
        check(layout, misc={"m": values})


def test_fault_codes_of_half_precision_are_codes():
    layout = Layout(Schema(cont_feats="a", cat_feats="c", targ_feats="y"))
    inputs = np.array([[1, 2], [1, 0]], dtype=np.float16)
    assert check(layout, inputs=inputs)["inputs"].tolist() == [[1, 2], [1, 0]]


@pytest.mark.parametrize("clip", ["a", 0, np.nan, [1]])
def test_fault_a_limit_is_a_positive_number(clip):
    with pytest.raises(ConfigError, match="clip must be a positive, finite number, got"):
        check(Layout(Schema(cont_feats="a", targ_feats="y"), clip=clip))
