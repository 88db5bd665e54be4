"""One fold on its way: filled or not, less what is ignored."""

from __future__ import annotations

import numpy as np
import pytest

from lumin_core.data.augmentation import Fold
from lumin_core.data.folds import joined, with_nan, yielded
from lumin_core.data.schema import MatrixSchema, Schema
from lumin_core.errors import DataError

NAN = np.nan


def fold(matrix=None):
    flat = np.array([[1.0, NAN], [3.0, 4.0]])
    inputs = flat if matrix is None else (flat, np.array(matrix))
    return Fold({"inputs": inputs, "targets": np.ones((2, 1)), "weights": None})


def test_flat_inputs_are_filled_unless_nan_is_kept():
    schema = Schema(cont_feats=["a", "b"])
    assert yielded(fold(), schema)["inputs"].tolist() == [[1, 0], [3, 4]]
    np.testing.assert_array_equal(yielded(fold(), schema, keep_nan=True)["inputs"], [[1, NAN], [3, 4]])
    assert yielded(fold(), schema, ["a"])["inputs"].tolist() == [[0], [4]]
    assert yielded(fold(), schema, ["a", "b"])["inputs"].shape == (2, 0)


@pytest.mark.parametrize(("keep_nan", "gap"), [(False, 0), (True, NAN)])
def test_absent_objects_stay_nan_and_gaps_are_filled_unless_they_are_kept(keep_nan, gap):
    schema = Schema(matrix=MatrixSchema(shape=(2, 2), row_wise=True, missing=[0, 0, 0, 1]))
    stored = [[[1, NAN], [3, 9]], [[NAN, NAN], [NAN, NAN]]]
    _, matrix = yielded(fold(stored), schema, keep_nan=keep_nan)["inputs"]
    np.testing.assert_array_equal(matrix, [[[1, gap], [3, 0]], [[NAN, NAN], [NAN, NAN]]])


def test_a_file_of_others_need_not_describe_its_matrix():
    _, matrix = yielded(fold([[[1, NAN]], [[NAN, NAN]]]), Schema())["inputs"]
    np.testing.assert_array_equal(matrix, [[[1, 0]], [[NAN, NAN]]])


def test_zero_padded_objects_become_nan_for_augmentations():
    stored = [[[1.0, 0.0], [0.0, 0.0]], [[0.0, NAN], [2.0, 1.0]]]
    for padded, absent in ((True, NAN), (False, 0)):
        schema = Schema(matrix=MatrixSchema(shape=(2, 2), row_wise=True, zero_padded=padded))
        marked = with_nan(fold(stored), schema).matrix
        np.testing.assert_array_equal(marked[0], [[1, 0], [absent, absent]])


def test_one_part_alone_is_not_copied():
    part = np.arange(3)
    assert joined([part], len(part), "x") is part


def test_fault_folds_that_hold_text_or_other_shapes_are_told():
    for other, held in ((np.array(["a"]), "numbers or text"), (np.ones((2, 3)), r"numbers or numbers of shape \(3,\)")):
        with pytest.raises(DataError, match=f"column 'm' holds {held}, by fold; read them one by one"):
            joined([np.ones(2), other], 4, "m")


def test_folds_of_several_dtypes_are_put_together_as_numpy_does():
    for parts in ([np.array([1, 2]), np.array([0.5])], [np.array(["e"]), np.array(["mu", "tau"])], [np.zeros((0, 2))]):
        expected = np.concatenate(parts)
        given = joined(parts, len(expected), "x")
        assert given.dtype == expected.dtype
        np.testing.assert_array_equal(given, expected)
