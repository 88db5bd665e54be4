"""Matrices: masks of present objects, look-up of columns, sparse storage."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from lumin_core.data.matrix import mark_absent, matrix_lookup, object_mask, pack
from lumin_core.data.schema import MatrixSchema
from lumin_core.data.sparse import Coo, from_coo, is_sparse, to_coo
from lumin_core.errors import ConfigError, ShapeError

NAN = np.nan


@pytest.mark.parametrize("library", [np.asarray, torch.as_tensor])
def test_objects_are_present_where_any_value_is(library):
    matrix = np.array([[[1, 2], [NAN, NAN], [0, 0]], [[NAN, 2], [3, NAN], [NAN, NAN]]])
    expected = [[True, False, True], [True, True, False]]
    assert object_mask(library(matrix)).tolist() == expected
    assert object_mask(library(matrix.transpose(0, 2, 1).copy()), row_wise=False).tolist() == expected
    assert object_mask(library(matrix), row_wise=None).tolist() == expected
    assert type(object_mask(library(matrix))) is type(library(matrix))
    for shape, row_wise, mask in (((0, 3, 2), True, (0, 3)), ((0, 2, 3), False, (0, 3)), ((5, 0, 2), True, (5, 0))):
        assert object_mask(library(np.ones(shape)), row_wise=row_wise).shape == mask


def test_masks_of_other_ranks():
    assert object_mask(np.array([[1, NAN]])).tolist() == [[True, False]]
    image = np.full((1, 2, 3, 4), NAN)
    image[0, 1, 2, 3] = 0
    assert object_mask(image).tolist() == [[False, True]]
    with pytest.raises(ShapeError, match="B, N, F"):
        object_mask(np.ones(3))


@pytest.mark.parametrize("row_wise", [True, False])
def test_columns_are_packed_where_they_belong(row_wise):
    feats = ["b_y", "a_x", "b_x"]
    names, missing, shape = matrix_lookup(feats, ["a", "b"], ["x", "y", "z"][:2], row_wise)
    values = {"a_x": 1, "b_x": 2, "b_y": 3}
    matrix = pack(np.array([[values[name] for name in names]]), missing, shape)[0]
    np.testing.assert_array_equal(matrix if row_wise else matrix.T, [[1, NAN], [2, 3]])


def test_arguments_of_a_matrix_are_checked():
    with pytest.raises(ConfigError, match="names 'a' twice"):
        matrix_lookup(["a_x"], ["a", "a"], ["x"], True)
    with pytest.raises(ConfigError, match="matrix_feats_per_vec"):
        matrix_lookup(["a_x"], ["a"], [], True)
    with pytest.raises(ShapeError, match="of 3 elements"):
        mark_absent(np.ones((1, 2, 2), dtype="float32"), MatrixSchema(shape=(2, 2), missing=[1, 0, 0]))


def test_marking_works_block_by_block():
    rng = np.random.default_rng(0)
    matrix = rng.normal(size=(40_000, 3, 2)).astype("float32")
    absent = rng.random((40_000, 3)) < 0.5
    matrix[absent] = NAN
    marked = mark_absent(matrix.copy(), MatrixSchema(shape=(3, 2), row_wise=True))
    np.testing.assert_array_equal(object_mask(marked), ~absent)
    padded = np.nan_to_num(matrix)
    np.testing.assert_array_equal(
        mark_absent(padded, MatrixSchema(shape=(3, 2), row_wise=True, zero_padded=True)), marked
    )


@pytest.mark.parametrize("shape", [(5, 2), (5, 2, 3), (0, 2), (1, 0)])
def test_sparse_and_back_is_nothing(shape):
    dense = np.random.default_rng(1).integers(0, 2, shape) * 1.5
    dense[-1:] = 0
    coo = to_coo(dense)
    np.testing.assert_array_equal(from_coo(coo, shape[0], shape[1:]), dense)
    if 0 not in shape:
        assert coo[1, -1] == shape[0] - 1  # LUMIN counts events by the last entry


def test_sparse_objects_may_be_in_any_order():
    coords = np.array([[2, 0, 1], [1, 0, 1]])
    coo = Coo(coords, np.array([3.0, 1.0, 2.0]), (3, 2))
    assert is_sparse(coo)
    np.testing.assert_array_equal(from_coo(to_coo(coo), 3, (2,)), [[1, 0], [0, 2], [0, 3]])


def test_damaged_sparse_data_are_refused():
    with pytest.raises(ShapeError, match="need 3 rows"):
        from_coo(np.ones((2, 4)), 3, (2,))
    with pytest.raises(ShapeError, match="outside"):
        from_coo(np.array([[1.0], [3.0], [0.0]]), 3, (2,))
    with pytest.raises(ShapeError, match=r"\(n, ...\)"):
        to_coo(np.ones(3))
