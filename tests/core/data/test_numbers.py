"""What is taken for a number: masks, NA and None are NaN, and what is no number is refused by name."""

from __future__ import annotations

import datetime
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pandas as pd
import pytest
import torch

from lumin_core.data import as_numbers
from lumin_core.data.numbers import as_array, uncovered
from lumin_core.errors import DataError

NAN = np.nan
MASK = [False, True]


class OfAwkward:
    """As of awkward: numpy's `__array__` has no missing values, `to_numpy` gives them masked."""

    def __array__(self, dtype=None, copy=None):
        raise ValueError("to_numpy() with allow_missing=False")

    def to_numpy(self):
        return np.ma.masked_array([1, 9223372036854775807], MASK)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (np.ma.masked_equal([1.0, -999.0], -999), [1, NAN]),
        (np.ma.masked_array([1, 77], MASK), [1, NAN]),
        (np.ma.masked_array([True, True], MASK), [1, NAN]),
        (np.ma.masked_array([[1, 2], [3, 4]], [MASK, MASK]), [[1, NAN], [3, NAN]]),
        (np.ma.masked_array([1, Decimal(2)], MASK), [1, NAN]),
        ([np.ma.masked_array([1, 2], MASK), np.ma.masked_array([3, 4])], [[1, NAN], [3, 4]]),
        ([[1, np.ma.masked], [3, 4]], [[1, NAN], [3, 4]]),
        (OfAwkward(), [1, NAN]),
        (pd.Series([1, None], dtype="Int64"), [1, NAN]),
        (pd.Series([1.5, None], dtype="Float32"), [1.5, NAN]),
        (pd.Series([True, None], dtype="boolean"), [1, NAN]),
        (pd.Series([3, None], dtype="category"), [3, NAN]),
        (pd.Series(pd.arrays.SparseArray([0.0, NAN])), [0, NAN]),
        (pd.Series([1.0, pd.NaT], dtype=object), [1, NAN]),
        (pd.Series([1, None, pd.NA, NAN], dtype=object), [1, NAN, NAN, NAN]),
        (pd.Series([None, None]), [NAN, NAN]),
        (pd.DataFrame({"a": pd.array([1, None], dtype="Int64"), "b": [2, 3]}), [[1, 2], [NAN, 3]]),
        ([1, None], [1, NAN]),
    ],
)
def test_what_is_missing_is_nan_whatever_marks_it(values, expected):
    given = as_numbers(values)
    assert given.dtype.kind == "f"
    assert type(given) is np.ndarray
    np.testing.assert_array_equal(given, expected)


@pytest.mark.parametrize(
    ("values", "expected", "kind"),
    [
        (pd.Series([2**60 + 1, 2], dtype="Int64"), [2**60 + 1, 2], "i"),
        (np.ma.masked_array([2**60 + 1, 2]), [2**60 + 1, 2], "i"),
        (pd.Series([True, False], dtype="boolean"), [1, 0], "b"),
        (pd.Series([3, 5], dtype="category"), [3, 5], "i"),
        (pd.Series(pd.arrays.SparseArray([0, 7])), [0, 7], "i"),
        (pd.Series([1, True], dtype=object), [1, 1], "i"),
        (pd.Series([Decimal("1.5"), Fraction(1, 2)]), [1.5, 0.5], "f"),
        (pd.Index([1, 2]), [1, 2], "i"),
        (torch.tensor([1.0, 2.0], requires_grad=True), [1, 2], "f"),
        (torch.tensor([1.0, 2.0]).bfloat16(), [1, 2], "f"),
        ([torch.tensor([1.0]), torch.tensor([2.0])], [[1], [2]], "f"),
        (np.array([1, 2], dtype=">f4"), [1, 2], "f"),
        (np.zeros((0, 3), dtype=object), np.zeros((0, 3)), "f"),
        (2**70, 2.0**70, "f"),
        (range(2), [0, 1], "i"),
    ],
)
def test_numbers_of_every_make_keep_their_values(values, expected, kind):
    given = as_numbers(values)
    assert given.dtype.kind == kind
    assert given.dtype.isnative
    np.testing.assert_array_equal(given, expected)


@pytest.mark.parametrize(
    ("values", "came"),
    [
        (pd.Series(["30", "50"]), "text, such as '30'"),
        (pd.Series(pd.Categorical(["3", "1"])), "text, such as '1'"),
        (pd.Series([None, None], dtype="string"), "text; encode"),
        (pd.Series([1, "2"], dtype=object), "numbers and text, such as '2'"),
        (["1", 2], "numbers and text, such as '1'"),
        ([b"1"], "bytes, such as b'1'"),
        (pd.Series(pd.to_datetime(["2020-01-01"])), "dates, such as '2020-01-01"),
        (pd.Series(pd.to_datetime(["2020-01-01"]).tz_localize("UTC")), "dates"),
        (pd.Series([pd.NaT]), "dates"),
        (pd.Series([1.0, datetime.date(2020, 1, 1)], dtype=object), "numbers and dates"),
        (pd.Series([pd.Timedelta("1h")]), "durations"),
        (pd.Series([1, np.timedelta64(1, "s")], dtype=object), "numbers and durations, such as '1 seconds'"),
        (pd.Series(pd.period_range("2020", "2021", freq="Y")), "objects of Period"),
        ([1 + 0j], r"complex numbers, such as \(1\+0j\)"),
        (torch.tensor([1j]), "complex numbers"),
        (pd.Series([[1, 2], [3]]), r"sequences, such as \[1, 2\]"),
        (np.zeros(1, dtype=[("pt", "f4")]), r"records, such as \(0.0,\)"),
        (np.ma.masked_array(["a", "b"], MASK), "text, such as 'a'"),
        ({"pt": 1}, "sequences"),
        (object, "objects of type"),
    ],
)
def test_what_is_no_number_is_refused_with_what_came(values, came):
    with pytest.raises(DataError, match=f"^the column 'pt' must hold numbers, got {came}"):
        as_numbers(values, "the column 'pt'")


def test_a_column_of_a_frame_is_refused_by_its_name():
    with pytest.raises(DataError, match="the column 'process' of inputs must hold numbers, got text"):
        as_numbers(pd.DataFrame({"pt": [1.0], "process": ["Z"]}), "inputs")


@pytest.mark.parametrize("values", [[[1, 2], [3]], torch.eye(2).to_sparse()])
def test_what_has_no_shape_is_refused(values):
    with pytest.raises(DataError, match="inputs must be numbers in an array of one shape"):
        as_numbers(values, "inputs")


def test_a_number_that_no_float_holds_is_refused():
    with pytest.raises(DataError, match="pt has a number that a float cannot hold"):
        as_numbers(pd.Series([10**400], dtype=object), "pt")


@pytest.mark.parametrize("dtype", ["float32", "float64", "int64", "bool"])
def test_plain_arrays_are_not_copied(dtype):
    values = np.ones((3, 2), dtype=dtype)
    assert as_numbers(values) is values
    column = pd.Series(values[:, 0].copy())
    assert np.shares_memory(as_numbers(column), column.to_numpy())


def test_text_stays_text_where_numbers_are_not_asked_for():
    assert as_array(["a", "b\0"]).tolist() == ["a", "b\0"]
    assert as_array(["a", 1]).tolist() == ["a", 1]
    assert uncovered(np.ma.masked_array(["a", "b"], MASK)).tolist() == ["a", None]
