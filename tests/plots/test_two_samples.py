"""The largest distance against scipy and written-out sums; its p-value is one."""

import numpy as np
import pytest
from scipy import stats

from lumin_plugin_plots.two_samples import distance_test, drawn_anew


def written_out(values, weights, second):
    """Distribution functions at every value, by sums over all pairs."""
    parts = [(values[kind], weights[kind]) for kind in (second, ~second)]
    f, g = (((x[None] <= values[:, None]) * w).sum(axis=1) / w.sum() for x, w in parts)
    return np.abs(f - g).max()


def sample(n=300, seed=1, negative=0.0, decimals=8):
    rng = np.random.default_rng(seed)
    signs = rng.choice([1, -1], n, p=[1 - negative, negative])
    return rng.normal(size=n).round(decimals), rng.exponential(size=n) * signs, rng.random(n) < 0.4


@pytest.mark.parametrize("decimals", [8, 1])
def test_distance_is_that_of_scipy(decimals):
    values, _, second = sample(decimals=decimals)
    expected = stats.ks_2samp(values[second], values[~second]).statistic
    assert distance_test(values, np.ones(300), second).distance == pytest.approx(expected, abs=1e-12)


def test_an_event_of_weight_three_is_the_event_three_times():
    values, _, second = sample(100)
    times = np.random.default_rng(2).integers(0, 4, 100)
    often = [np.repeat(each, times) for each in (values, second)]
    expected = stats.ks_2samp(often[0][often[1]], often[0][~often[1]]).statistic
    assert distance_test(values, times, second).distance == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("decimals", [8, 1])
def test_signed_weights_give_the_written_out_sums(decimals):
    values, weights, second = sample(negative=0.12, decimals=decimals)
    found = distance_test(values, weights, second)
    assert found.distance == pytest.approx(written_out(values, weights, second), abs=1e-9)
    assert 0 < found.p_value <= 1


def test_scale_and_order_of_samples_change_nothing():
    values, weights, second = sample(negative=0.12)
    found = distance_test(values, weights, second, seed=3)
    scaled = distance_test(values, np.where(second, 50 * weights, weights), second, seed=3)
    assert scaled == pytest.approx(found)
    swapped = distance_test(values, weights, ~second, seed=3)
    assert swapped == pytest.approx(found)


def test_p_value_is_that_of_all_ways_to_label_six_events():
    values, second = np.array([0.0, 1, 2, 3, 4, 5]), np.array([True, True, False, True, False, False])
    from itertools import combinations

    weights = np.array([1.0, 2, 1, -0.5, 1, 1])
    weights[second] *= 3 / weights[second].sum()
    weights[~second] *= 3 / weights[~second].sum()
    observed = written_out(values, weights, second)
    labels = [np.isin(np.arange(6), chosen) for chosen in combinations(range(6), 3)]
    ways = [
        written_out(values, weights, label) if min(weights[label].sum(), weights[~label].sum()) > 0 else np.inf
        for label in labels
    ]
    exact = np.mean(np.array(ways) >= observed - 1e-9)
    assert distance_test(values, weights, second).p_value == pytest.approx(exact, abs=0.05)


def test_p_values_of_equal_samples_are_uniform():
    found = []
    for seed in range(40):
        values, weights, second = sample(150, seed=seed, negative=0.12)
        found.append(distance_test(values, weights * np.where(second, 3, 1), second, seed=seed).p_value)
    assert stats.kstest(found, "uniform").pvalue > 0.01
    assert np.mean(np.array(found) < 0.1) < 0.2


def test_samples_that_differ_are_told_apart():
    values, weights, second = sample(400, negative=0.12)
    assert distance_test(values + 1.2 * second, weights, second).p_value < 0.01


def test_without_a_positive_sum_there_is_no_distance():
    assert np.isnan(distance_test(np.arange(4.0), np.array([1, 1, 1, -2]), np.arange(4) > 1)).all()


def test_draws_are_without_repetition_and_repeat_by_seed():
    first, again = (np.array([*drawn_anew(7, 3, seed=5)]) for _ in range(2))
    np.testing.assert_array_equal(first, again)
    assert first.shape == (1000, 3)
    assert (np.diff(np.sort(first), axis=1) > 0).all()
    np.testing.assert_allclose(np.bincount(first.ravel()), 3000 / 7, atol=100)
