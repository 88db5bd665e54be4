"""Sparse storage: there and back is nothing."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pytest

from lumin_core.data.sparse import Coo, checked, entries, from_coo, is_sparse, select_events, to_coo
from lumin_core.errors import DataError, ShapeError


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


@pytest.mark.parametrize("events", [[2, 0], [1], []])
def test_events_are_selected_of_sparse_as_of_dense_arrays(events):
    dense = np.array([[0.0, 5.0], [7.0, 0.0], [0.0, 3.0]])
    coo = Coo(np.stack(np.nonzero(dense)), dense[np.nonzero(dense)], dense.shape)
    chosen = select_events(coo, np.array(events, dtype=int))
    assert chosen.shape == (len(events), 2)
    np.testing.assert_array_equal(from_coo(to_coo(chosen), len(events), (2,)), dense[events])
    np.testing.assert_array_equal(select_events(dense, np.array(events, dtype=int)), dense[events])


def test_arrays_and_lists_are_not_sparse():
    assert not is_sparse(np.ones(3))
    assert not is_sparse([1, 2])


def test_labelled_arrays_are_not_sparse():
    class Labelled(NamedTuple):
        coords: dict[str, list[int]]
        data: np.ndarray
        shape: tuple[int, ...]

    assert not is_sparse(Labelled({"event": [0, 1]}, np.ones(2), (2,)))


def test_entries_are_numbers_and_masked_ones_are_missing():
    place = np.array([[0, 1], [1, 0]])
    coo = to_coo(Coo(place, np.ma.masked_array([5, 6], [False, True]), (2, 2)))
    np.testing.assert_array_equal(coo[0], [5, np.nan])
    with pytest.raises(DataError, match="the entries of a sparse array must hold numbers, got complex"):
        entries(Coo(place, np.array([1j, 2j]), (2, 2)))


def test_what_is_not_zero_between_the_entries_is_refused():
    class Filled(NamedTuple):
        coords: np.ndarray
        data: np.ndarray
        shape: tuple[int, ...]
        fill_value: float = np.nan

    with pytest.raises(DataError, match="must be 0 where it has no entry, got fill_value=nan"):
        to_coo(Filled(np.array([[0], [1]]), np.array([5.0]), (2, 2)))


@pytest.mark.parametrize(
    ("coords", "data", "error", "message"),
    [
        ([[0, 0], [1, 1]], [1.0, 2.0], DataError, r"several entries at \(0, 1\); add them up first"),
        ([[0, 1], [-1, 1]], [1.0, 2.0], ShapeError, r"shape \(3, 2\) has coordinates outside"),
        ([[0, 3], [1, 1]], [1.0, 2.0], ShapeError, "has coordinates outside"),
        ([[0, 1], [1, 0.5]], [1.0, 2.0], DataError, "must be whole numbers, got 0.5"),
        ([[0, 1], [1, 1]], [1.0, 2.0, 3.0], ShapeError, r"\(3,\) entries .* need 2 coordinates, got \(2, 2\)"),
        ([[0, 1]], [1.0, 2.0], ShapeError, r"need 2 coordinates, got \(1, 2\)"),
    ],
)
def test_fault_entries_have_each_a_place_of_its_own(coords, data, error, message):
    given = Coo(np.array(coords), np.array(data), (3, 2))
    for take in (checked, to_coo):
        with pytest.raises(error, match=message):
            take(given)


def test_entries_of_others_at_one_place_count_together():
    np.testing.assert_array_equal(from_coo(np.array([[1.0, 2.0], [1, 1], [0, 0]]), 2, (2,)), [[0, 0], [3, 0]])


def test_a_sparse_array_without_entries_is_of_zeros():
    empty = Coo(np.zeros((2, 0)), np.zeros(0), (3, 2))
    np.testing.assert_array_equal(from_coo(to_coo(empty), 3, (2,)), np.zeros((3, 2)))
