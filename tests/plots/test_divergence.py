"""The Jensen-Shannon divergence against scipy; bins that are not positive are merged."""

import numpy as np
import pytest
from scipy.spatial.distance import jensenshannon
from scipy.stats import kstest

from lumin_plugin_plots.divergence import divergence_test, jensen_shannon, merge


def sample(n=400, seed=1):
    rng = np.random.default_rng(seed)
    return rng.integers(8, size=n), rng.choice([1.0, -1.0], n, p=[0.88, 0.12]), rng.random(n) < 0.3


def test_divergence_is_that_of_scipy():
    rng = np.random.default_rng(1)
    before, after = rng.random((2, 12))
    assert jensen_shannon(before, after) == pytest.approx(jensenshannon(before, after, base=2) ** 2, abs=1e-12)
    assert jensen_shannon(before, 7 * before) == pytest.approx(0, abs=1e-12)


def test_signed_sums_go_through_merging_and_scipy():
    bins, weights, passing = sample()
    before, after = (np.array([w[bins == i].sum() for i in range(8)]) for w in (weights, weights * passing))
    found = divergence_test(bins, 8, weights, passing)
    assert found.merged == 0
    assert (np.stack((before, after)) > 0).all()
    assert found.divergence == pytest.approx(jensenshannon(before, after, base=2) ** 2, abs=1e-9)


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ([1, 2, 3], [1, 1, 1], ([1, 2, 3], [1, 1, 1])),
        ([1, -1, 3], [1, 1, 1], ([1, 2], [1, 2])),
        ([1, 2, 3], [1, 0, 1], ([1, 5], [1, 1])),
        ([2, 3, -1], [1, 1, 1], ([2, 2], [1, 2])),
        ([2, 1, -1], [1, 1, 1], ([2], [3])),
        ([2, 1, 3], [2, 0, 0], ([6], [2])),
        ([0, 1, 0], [0, 1, 0], ([1], [1])),
    ],
)
def test_bins_that_are_not_positive_join_their_neighbour(before, after, expected):
    found = merge(np.array(before, float), np.array(after, float))
    for histogram, wanted in zip(found, expected, strict=True):
        np.testing.assert_array_equal(histogram, wanted)


def test_merging_keeps_sums_and_leaves_positive_bins():
    rng = np.random.default_rng(3)
    for _ in range(200):
        before, after = rng.normal(0.4, 1, (2, 9))
        if (found := merge(before, after)) is None:
            assert min(before.sum(), after.sum()) <= 0
            continue
        assert (np.stack(found) > 0).all()
        np.testing.assert_allclose([of.sum() for of in found], [before.sum(), after.sum()])


def test_p_values_of_cuts_that_change_nothing_are_uniform():
    found = []
    for seed in range(30):
        bins, weights, passing = sample(200, seed)
        found.append(divergence_test(bins, 8, weights, passing, seed=seed).p_value)
    assert kstest(found, "uniform").pvalue > 0.01


def test_cuts_that_sculpt_are_found_whichever_part_is_smaller():
    bins, weights, _ = sample()
    rng = np.random.default_rng(2)
    for share in (0.1, 0.9):
        passing = rng.random(len(bins)) < np.clip(share + 0.1 * (bins - 3.5), 0.02, 0.98)
        assert divergence_test(bins, 8, weights, passing).p_value < 0.02


def test_without_a_positive_sum_there_is_no_divergence():
    found = divergence_test(np.array([0, 1, 1]), 2, np.array([1.0, 1.0, -3.0]), np.array([True, True, False]))
    assert np.isnan(found.divergence)
    assert np.isnan(found.p_value)


def test_events_in_none_of_the_bins_take_no_part():
    bins, weights, passing = sample()
    more = [np.append(bins, [-1] * 9), np.append(weights, [50.0] * 9), np.append(passing, [True] * 9)]
    assert divergence_test(*more[:1], 8, *more[1:]).divergence == divergence_test(bins, 8, weights, passing).divergence
