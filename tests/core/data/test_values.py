"""Checks of values: what passes is unchanged, what is refused is named."""

from __future__ import annotations

import numpy as np
import pytest

from lumin_core.data import values as v
from lumin_core.errors import ConfigError, DataError

N = 3 * v.BLOCK  # several blocks


def column(at, value, n=N):
    result = np.ones((n, 2), dtype="float32")
    result[at, 1] = value
    return result


@pytest.mark.parametrize("at", [0, N - 1])
def test_infinities_are_named_in_every_block_and_nan_passes(at):
    v.check_inputs(column(at, np.nan), ["a", "b"], "inputs")
    with pytest.raises(DataError, match=r"inputs: column 'b' has once an infinite value"):
        v.check_inputs(column(at, -np.inf), ["a", "b"], "inputs")
    with pytest.raises(DataError, match="column 1 has 3 times"):
        v.check_inputs(column(slice(3), np.inf), [], "inputs")


def test_clipping_is_in_a_copy():
    given = column(1, np.inf, 4)
    clipped = v.check_inputs(given, [], "inputs", clip=7)
    assert clipped[1].tolist() == [1, 7]
    assert np.isinf(given[1, 1])
    for clip in (0, -1, np.inf, np.nan):
        with pytest.raises(ConfigError, match="clip must be a positive, finite number"):
            v.check_inputs(given, [], "inputs", clip=clip)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_targets_and_weights_are_finite(bad):
    with pytest.raises(DataError, match="weights: column 'w' has once NaN or infinity"):
        v.check_finite(np.array([1, bad]), ["w"], "weights")
    v.check_finite(np.array([1, 2]), ["w"], "weights")


@pytest.mark.parametrize("bad", [-1, 0.5, np.nan, v.EXACT + 2])
def test_codes_are_exact_whole_numbers(bad):
    v.check_codes(np.array([[0.0], [v.EXACT]]), ["n"], "cats")
    with pytest.raises(DataError, match="cats: column 'n' must hold codes"):
        v.check_codes(np.array([[0.0], [bad]]), ["n"], "cats")


def test_what_is_too_large_for_float32_becomes_infinite_and_text_is_refused():
    assert v.to_float32([1e300, -1e300]).tolist() == [np.inf, -np.inf]
    with pytest.raises(DataError, match="must hold numbers"):
        v.to_float32(["a"])


@pytest.mark.parametrize(
    ("values", "dtype", "message"),
    [
        ([0.5], "int64", "column 'y' has 0.5, which int64 cannot hold"),
        ([300], "uint8", "has 300, which uint8"),
        ([np.nan], "float32", "NaN"),
        ([1e300], "float32", "NaN or infinity"),
        (["a"], "float32", "targets must hold numbers, got text"),
    ],
)
def test_targets_that_would_change_are_refused(values, dtype, message):
    with pytest.raises(DataError, match=message):
        v.exact(values, np.dtype(dtype), ["y"], "targets")
    assert v.exact([1.0, 0.0], np.dtype(dtype), ["y"], "targets").dtype == dtype


@pytest.mark.parametrize("name", ["a/b", "", ".", "..", "a\0", 3])
def test_names_of_columns_are_plain_text(name):
    with pytest.raises(ConfigError, match="cannot be a column's name"):
        v.check_column_name(name)


@pytest.mark.parametrize("name", v.RESERVED)
def test_names_of_parts_are_taken(name):
    with pytest.raises(ConfigError, match="is taken"):
        v.check_column_name(name)


@pytest.mark.parametrize("at", [0, N - 1])
def test_nan_becomes_zero_in_every_block(at):
    given = column(at, np.nan)
    assert v.has_nan(given)
    filled = v.without_nan(given)
    assert filled[at].tolist() == [1, 0]
    assert np.isnan(given[at, 1])
    assert v.nan_to_zero(given) is given
    np.testing.assert_array_equal(given, filled)
    assert v.without_nan(given) is given


def test_empty_and_other_kinds_have_no_nan():
    for values in (np.ones((0, 3)), np.ones((3, 0)), np.array([1, 2]), np.array(["nan"])):
        assert not v.has_nan(values)


def test_strided_values_are_filled_in_a_copy():
    given = np.full((2, 3), np.nan).T
    assert v.without_nan(given).tolist() == [[0, 0]] * 3


@pytest.mark.parametrize("targets", [[0.5], [-1], [np.nan], ["a"]])
def test_classes_are_whole_numbers_from_zero(targets):
    v.check_classes(np.array([0, 1.0, True]))
    with pytest.raises(DataError, match="classes 0, 1, 2"):
        v.check_classes(np.array(targets))
