"""Columns as a fold file holds them: numbers with NaN, text that fixed width can keep."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from lumin_core.data.storable import check_widths, storable
from lumin_core.errors import DataError

NAN = np.nan
MASK = [False, True]
TEXT = ["e", "mu\0on"]


@pytest.mark.parametrize(
    ("values", "expected", "kind"),
    [
        (np.ma.masked_array([7, -1], MASK), [7, NAN], "f"),
        (pd.Series([7, None], dtype="Int64"), [7, NAN], "f"),
        (pd.Series([2**60 + 1, 2], dtype="Int64"), [2**60 + 1, 2], "i"),
        (pd.Series([1.5, None], dtype=object), [1.5, NAN], "f"),
        (pd.Series([True, False], dtype="boolean"), [1, 0], "b"),
        (np.ma.masked_array([2**60, 2], [True, False]), [NAN, 2], "f"),
        ([2**53, None], [2**53, NAN], "f"),
        ([1e300, None], [1e300, NAN], "f"),
        (np.array([2**70, 1], dtype=object), [2.0**70, 1], "f"),
    ],
)
def test_numbers_keep_their_values_and_missing_ones_are_nan(values, expected, kind):
    given = storable(values, "run")
    assert given.dtype.kind == kind
    np.testing.assert_array_equal(given, expected)


@pytest.mark.parametrize("values", [TEXT, np.array(TEXT), pd.Series(TEXT), pd.Series(TEXT).astype("category")])
def test_text_of_every_make_is_text(values):
    assert storable(values, "lepton").tolist() == TEXT


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (["e", "mu\0"], "text that ends in NUL in row 1, 'mu.x00', .* strip it"),
        (pd.Series(["e", "mu\0\0"]), "ends in NUL in row 1"),
        (["e", "\ud800"], "text that is not Unicode in row 1"),
        (["e", 1], "numbers or text only, got 1 in row 1"),
        (pd.Series(["e", None]), "numbers or text only, got .* in row 1"),
        (np.ma.masked_array(["e", "mu"], MASK), "numbers or text only, got None in row 1"),
        ([1 + 2j], "dtype complex128, which fold files do not hold"),
        (np.array(["2020"], dtype="M8[D]"), r"dtype datetime64\[D\]"),
        (np.array([1], dtype="m8[s]"), r"dtype timedelta64\[s\]"),
        (pd.Series([[1], [2, 3]]), "must hold numbers, got sequences"),
        (pd.Series([2**60 + 1, None], dtype="Int64"), "whole numbers above"),
        (np.ma.masked_array([2**60 + 1, 2], MASK), "missing values beside whole numbers above"),
        (pd.Series([2**53 + 1, None], dtype="Int64"), "missing values beside whole numbers above"),
        (np.array([2**70 + 1, 1], dtype=object), r"or such above 2\*\*63, which float64 would round"),
        ([2**60 + 1, None], "missing values beside whole numbers above"),
        (pd.Series([2**60 + 1, None], dtype=object), "missing values beside whole numbers above"),
    ],
)
def test_what_a_file_cannot_keep_is_refused_by_column_and_row(values, message):
    with pytest.raises(DataError, match=f"column 'lepton' .*{message}"):
        storable(values, "lepton")


def test_text_far_longer_than_the_others_is_refused_with_its_row():
    storable(["mu"] * 9 + ["x" * 2000], "note")
    storable([""] * 1000 + ["triggered"], "note")
    with pytest.raises(DataError, match="'note' has text of 2000 bytes in row 39; fixed width would take 34 times"):
        storable(["mu"] * 39 + ["x" * 2000], "note")
    with pytest.raises(DataError, match="in row 19;"):
        check_widths(np.array([2] * 39 + [2000]), 2, "note")
