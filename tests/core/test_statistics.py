from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from lumin_core.errors import ConfigError, DataError, ShapeError
from lumin_core.statistics import (
    bootstrap,
    effective_count,
    get_moments,
    mean_as_text,
    total_weight,
    uncert_round,
    value_as_text,
)


def sample(n=200, seed=0, negative=False):
    rng = np.random.default_rng(seed)
    weights = rng.exponential(size=n)
    if negative:
        weights[rng.random(n) < 0.2] *= -0.5
    return rng.normal(3, 2, n), weights


def test_moments_of_unit_weights_equal_numpy_and_scipy():
    x, _ = sample()
    moments = get_moments(x)
    assert moments.mean == pytest.approx(x.mean())
    assert moments.sigma == pytest.approx(x.std())
    assert moments.mean_error == pytest.approx(stats.sem(x))
    assert tuple(moments) == pytest.approx(tuple(get_moments(x[:, None], np.ones((200, 1)))))


@pytest.mark.parametrize("negative", [False, True])
def test_moments_event_of_weight_zero_changes_nothing(negative):
    x, w = sample(negative=negative)
    padded = get_moments(np.append(x, [1e6, np.nan]), np.append(w, [0.0, 0.0]))
    assert padded == get_moments(x, w)


@pytest.mark.parametrize("negative", [False, True])
def test_moments_weight_of_two_equals_the_event_twice(negative):
    x, w = sample(negative=negative)
    heavy = get_moments(x, np.where(np.arange(200) == 7, 2 * w, w))
    twice = get_moments(np.append(x, x[7]), np.append(w, w[7]))
    assert (heavy.mean, heavy.sigma) == pytest.approx((twice.mean, twice.sigma))


@pytest.mark.parametrize("scale", [1e-6, 1e6, -1.0])
def test_moments_do_not_depend_on_the_scale_of_the_weights(scale):
    x, w = sample(negative=True)
    assert tuple(get_moments(x, scale * w)) == pytest.approx(tuple(get_moments(x, w)))


@pytest.mark.parametrize("negative", [False, True])
def test_moments_errors_are_the_spread_over_samples(negative):
    seeds = range(600)
    moments = np.array([get_moments(*sample(100, seed, negative)) for seed in seeds])
    spread = moments.std(axis=0)
    rms = np.sqrt(np.square(moments).mean(axis=0))
    assert rms[1] == pytest.approx(spread[0], rel=0.1)
    assert rms[3] == pytest.approx(spread[2], rel=0.15)


def test_fault_get_moments_error_of_sigma_is_not_times_too_large():
    """For Gaussian values it is sigma / sqrt(2 n)."""
    x = np.random.default_rng(1).normal(0, 7, 10_000)
    moments = get_moments(x)
    assert moments.sigma_error == pytest.approx(moments.sigma / np.sqrt(20_000), rel=0.05)


def test_moments_error_of_the_mean_is_unbiased_in_small_samples():
    rng = np.random.default_rng(2)
    w = np.array([3.0, 1.0, 0.5, -0.5])
    squares = [get_moments(x, w).mean_error ** 2 for x in rng.normal(0, 1, (4000, 4)) if _positive(x, w)]
    assert len(squares) > 3000
    unit = [get_moments(x).mean_error ** 2 for x in rng.normal(0, 1, (4000, 3))]
    assert np.mean(unit) == pytest.approx(1 / 3, rel=0.05)
    weighted = [get_moments(x, [3, 1, 0.5]).mean_error ** 2 for x in rng.normal(0, 1, (4000, 3))]
    assert np.mean(weighted) == pytest.approx(1 / effective_count([3, 1, 0.5]), rel=0.05)


def _positive(x, w):
    mean = w @ x / w.sum()
    return w @ (x - mean) ** 2 / w.sum() >= 0


def test_moments_of_one_event_and_of_equal_values():
    one = get_moments([5.0], [2.0])
    assert (one.mean, one.sigma) == (5.0, 0.0)
    assert np.isnan(one.mean_error)
    assert np.isnan(one.sigma_error)
    assert get_moments([5.0, 5.0, 5.0]) == (5.0, 0.0, 0.0, 0.0)


@pytest.mark.parametrize(
    ("values", "weights", "error", "message"),
    [
        ([], None, DataError, "at least one event"),
        ([1.0, 2.0], [0.0, 0.0], DataError, "at least one event"),
        ([1.0, np.nan], None, DataError, "values must be finite, got 1"),
        ([1.0, 2.0], [1.0, np.inf], DataError, "weights must be finite, got 1"),
        ([1.0, 2.0], [0.1 + 0.2, -0.3], DataError, "must not sum to zero"),
        ([0.0, 10.0, 5.0], [-1.0, -1.0, 3.0], DataError, "variance must not be negative"),
        ([1.0, 2.0], [1.0], ShapeError, "got 2 and 1"),
        (np.ones((2, 2)), None, ShapeError, r"got \(2, 2\)"),
    ],
)
def test_moments_refuse(values, weights, error, message):
    with pytest.raises(error, match=message):
        get_moments(values, weights)


def test_effective_count():
    assert effective_count(np.full((50, 1), 0.1)) == pytest.approx(50)
    assert effective_count([1.0, 1.0, 0.0]) == pytest.approx(2)
    assert effective_count([]) == 0
    assert effective_count([3.0, 1.0]) == pytest.approx(1.6)
    with pytest.raises(DataError, match="weights must be finite"):
        effective_count([np.nan])


def test_bootstrap_spread_is_the_standard_error():
    x, w = sample(2000, negative=True)
    values = bootstrap(lambda x, w: np.average(x, weights=w), x, w, n=4000, seed=3)
    assert values.std() == pytest.approx(get_moments(x, w).mean_error, rel=0.05)


def test_bootstrap_resamples_rows_together_and_leaves_the_arrays():
    x = np.arange(50)
    table = np.stack([x, x], axis=1)
    before = table.copy()
    values = bootstrap(lambda x, table, none: [(x == table[:, 1]).all(), none is None], x, table, None, n=5, seed=0)
    assert values.shape == (5, 2)
    assert values.all()
    assert (table == before).all()


def test_fault_seeds_bootstrap_reproduces_and_leaves_the_global_generator():
    x = np.arange(100.0)
    state = np.random.get_state()[1].copy()
    first = bootstrap(np.mean, x, n=10, seed=5)
    assert (first == bootstrap(np.mean, x, n=10, seed=5)).all()
    assert (first == bootstrap(np.mean, x, n=10, seed=np.random.default_rng(5))).all()
    assert (first != bootstrap(np.mean, x, n=10)).any()
    assert (np.random.get_state()[1] == state).all()


@pytest.mark.parametrize(
    ("arrays", "n", "error", "message"),
    [
        ((np.ones(3),), 0, ConfigError, "must be a positive integer, got 0"),
        ((np.ones(3),), 2.5, ConfigError, "must be a positive integer, got 2.5"),
        ((), 10, ConfigError, "at least one array"),
        ((None,), 10, ConfigError, "at least one array"),
        ((np.ones(3), np.ones(4)), 10, ShapeError, r"got \[3, 4\]"),
        ((np.ones(3), 1.0), 10, ShapeError, "got a scalar"),
        ((np.ones(0),), 10, DataError, "empty"),
    ],
)
def test_bootstrap_refuses(arrays, n, error, message):
    with pytest.raises(error, match=message):
        bootstrap(lambda *_: 0.0, *arrays, n=n)


@pytest.mark.parametrize(
    ("value", "uncert", "expected"),
    [
        (0.87653, 0.00321, (0.877, 0.003)),
        (1234.5, 96.0, (1200.0, 100.0)),
        (1234.5, 94.0, (1230.0, 90.0)),
        (0.123, 0.096, (0.1, 0.1)),
        (12.34, 1.0, (12.0, 1.0)),
        (12.34, 0.1, (12.3, 0.1)),
        (-5.678, 0.02, (-5.68, 0.02)),
        (1e-12, 3.3e-13, (1.0e-12, 3e-13)),
        (125.3, 4e7, (0.0, 4e7)),
        (1.234, 0.0, (1.234, 0.0)),
        (1.234, np.inf, (1.234, np.inf)),
    ],
)
def test_uncert_round(value, uncert, expected):
    assert uncert_round(value, uncert) == pytest.approx(expected, rel=1e-12, abs=0)


@given(st.floats(-1e9, 1e9), st.floats(1e-9, 1e9))
def test_uncert_round_moves_by_at_most_half_a_figure(value, uncert):
    rounded, rounded_uncert = uncert_round(value, uncert)
    assert abs(rounded - value) <= 0.51 * rounded_uncert + 1e-6 * abs(value)
    assert f"{rounded_uncert:.10e}"[1:12].strip(".0") == ""


def test_uncert_round_of_nan_and_numpy_scalars():
    value, uncert = uncert_round(np.float32(1.5), np.float64("nan"))
    assert (value, np.isnan(uncert), type(value)) == (1.5, True, float)
    with pytest.raises(DataError, match="negative, got -1"):
        uncert_round(1.0, -1.0)


# What is taken for a number


@pytest.mark.parametrize(
    "call",
    [
        get_moments,
        lambda values: get_moments([1.0, 2.0, 3.0], values),
        effective_count,
        total_weight,
    ],
)
def test_what_is_no_number_or_missing_is_refused(call):
    for values in (
        np.array([1, 2, 3], dtype="datetime64[s]"),
        np.array([1, 2, 3], dtype="timedelta64[s]"),
        ["1", "2", "3"],
        [1j, 2, 3],
        np.array([1, "2", 3], dtype=object),
    ):
        with pytest.raises(DataError, match="must hold numbers"):
            call(values)
    for values in (np.ma.masked_array([1.0, 2.0, 3.0], [False, True, False]), [1.0, None, 3.0]):
        with pytest.raises(DataError, match="must be finite, got 1 NaN"):
            call(values)
    assert call(np.ma.masked_array([1, 2, 3], False)) == call([1.0, 2.0, 3.0])


def test_resamples_and_means_leave_out_what_a_mask_covers():
    masked = np.ma.masked_array([0.41, 0.38, 9.0, 0.40], [False, False, True, False])
    assert mean_as_text(masked) == mean_as_text([0.41, 0.38, 0.40])
    values = bootstrap(lambda x: np.isnan(x).sum(), np.ma.masked_array([1, 9], [False, True]), n=20, seed=1)
    assert set(values) == {0, 1, 2}
    assert bootstrap(len, ["signal", "background"], n=2, seed=1).tolist() == [2, 2]


def test_value_is_written_with_the_uncertainties_that_there_are():
    assert value_as_text(0.87653, 0.00321, float("nan"), 0.0012) == "0.877 ± 0.003 ± 0.001"
    assert value_as_text(5321.0, 96.0) == "5300 ± 100"
    assert value_as_text(0.5, 0.0, float("inf")) == "0.5"
    with pytest.raises(DataError, match="must not be negative, got -1"):
        value_as_text(0.5, -1)


@pytest.mark.parametrize("values", [[0.0, None, 1.0], np.array([0, None, 1], dtype=object), pd.array([0, None, 1])])
def test_resamples_have_nan_for_what_is_missing(values):
    found = bootstrap(lambda x: np.nanmean(x) if np.isfinite(x).any() else 0.5, values, n=20, seed=1)
    assert found.dtype == np.float64
    assert set(found) >= {0.0, 0.5, 1.0}


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([[1.0], [1.0, 2.0]], "array 1 must be numbers in an array of one shape, convert or pad it"),
        (np.array([[1.0], None], dtype=object), "array 1 must hold numbers, got sequences"),
        (np.array([1, 2], dtype="timedelta64[s]"), "array 1 must hold numbers, got durations"),
        (np.array([1, 2], dtype="datetime64[s]"), "array 1 must hold numbers, got dates"),
        ([1j, 2], "array 1 must hold numbers, got complex numbers"),
        ([1, "2"], "array 1 must hold numbers, got numbers and text"),
    ],
    ids=str,
)
def test_resamples_are_of_numbers_or_text(values, message):
    with pytest.raises(DataError, match=message):
        bootstrap(lambda *_: 0.0, [1, 2], values, n=2)
    for texts in (np.ma.masked_array(["e", "mu"], [False, True]), ["e", None]):
        assert set(bootstrap(lambda text: sum(value is None for value in text), texts, n=20, seed=1)) == {0, 1, 2}
