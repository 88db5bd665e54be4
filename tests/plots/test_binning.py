import numpy as np
import pytest

from lumin_core.errors import ConfigError, DataError
from lumin_plugin_plots.bin_edges import edges_of
from lumin_plugin_plots.binning import efficiency, equal_bins, into_bins, share_in_replicas


def test_bins_hold_what_numpys_histogram_does():
    rng = np.random.default_rng(1)
    values, weights = rng.normal(size=500), rng.normal(size=500)
    edges = np.array([-1.0, -0.3, 0.4, 1.0])
    values[:3] = edges[[0, 2, 3]]
    bins = into_bins(values, edges)
    np.testing.assert_allclose(bins.sums(weights), np.histogram(values, edges, weights=weights)[0], rtol=1e-12)
    assert bins.outside() == {"below": int((values < -1).sum()), "above": int((values > 1).sum())}


def test_missing_values_are_in_no_bin_and_counted():
    bins = into_bins(np.array([0.5, np.nan, np.inf]), [0, 1])
    assert bins.index.tolist() == [0, -1, -1]
    assert bins.outside() == {"above": 1, "missing": 1}


def test_whole_numbers_have_a_bin_each():
    np.testing.assert_array_equal(edges_of(np.array([2.0, 4.0, np.nan]), 10), [1.5, 2.5, 3.5, 4.5])


def test_a_number_of_bins_spans_the_central_events():
    values = np.linspace(0, 1, 1001)
    edges = edges_of(values, 4)
    np.testing.assert_allclose(edges, np.linspace(0.005, 0.995, 5))


@pytest.mark.parametrize("value", [0.3, -1e20])
def test_a_single_value_lies_within_the_bins(value):
    bins = into_bins(np.full(3, value), 5)
    assert bins.sums(np.ones(3)).sum() == 3
    assert (np.diff(bins.edges) > 0).all()


@pytest.mark.parametrize("bins", [0, [1.0], [1, 1], [2, 1], [0, np.nan]])
def test_what_are_no_bins_is_refused(bins):
    with pytest.raises(ConfigError, match="bins must be"):
        edges_of(np.array([0.5]), bins)


def test_values_that_are_all_missing_are_refused():
    with pytest.raises(DataError, match="no finite values"):
        edges_of(np.array([np.nan]), 3)


def test_equal_bins_hold_equal_sums_of_absolute_weights():
    rng = np.random.default_rng(2)
    values, weights = rng.random(20_000), rng.normal(size=20_000)
    sums = equal_bins(values, weights, 8).sums(np.abs(weights))
    np.testing.assert_allclose(sums, sums.mean(), rtol=0.01)


def test_equal_bins_of_equal_values_are_one():
    bins = equal_bins(np.full(7, 0.3), np.ones(7), 5)
    assert bins.n_bins == 1
    assert bins.sums(np.ones(7)).tolist() == [7.0]


def test_equal_bins_keep_ties_together():
    values = np.array([0.1] * 90 + [0.2] * 5 + [0.3] * 5)
    bins = equal_bins(values, np.ones(100), 10)
    assert bins.n_bins == len(set(bins.index)) <= 3
    assert bins.outside() == {}


def test_efficiency_of_counts_has_the_binomial_error():
    n, k = np.array([50.0, 80.0, 10.0]), np.array([10.0, 80.0, 0.0])
    value, error = efficiency(k, n, k, n)
    np.testing.assert_allclose(value, k / n)
    np.testing.assert_allclose(error, np.sqrt(value * (1 - value) / n), atol=1e-15)


def test_efficiency_error_is_that_of_weights_that_scatter():
    """Against the spread of toys: passing and failing sums fluctuate independently."""
    rng = np.random.default_rng(3)
    passed, failed = np.array([3.0, -1, 2, 2, 1.5, 2, 2.5]), np.array([1.0, 2, -0.5, 1, 2, 1])
    total, total2 = passed.sum() + failed.sum(), (passed**2).sum() + (failed**2).sum()
    value, error = efficiency(*(np.array([x]) for x in (passed.sum(), total, (passed**2).sum(), total2)))
    big = np.tile(passed, 100), np.tile(failed, 100)
    toys = [(rng.poisson(1, 700) @ big[0], rng.poisson(1, 600) @ big[1]) for _ in range(2000)]
    spread = np.std([p / (p + f) for p, f in toys])
    assert error[0] / 10 == pytest.approx(spread, rel=0.05)
    assert value[0] == pytest.approx(12 / 18.5)


def test_efficiency_without_positive_sum_is_missing():
    value, error = efficiency(*(np.array([x]) for x in (1.0, -0.5, 1.0, 2.0)))
    assert np.isnan(value)
    assert np.isnan(error)


def test_replicas_know_that_all_passing_is_uncertain():
    bins = into_bins(np.full(50, 0.5), [0, 1])
    found = share_in_replicas(bins, np.ones(50, bool), np.ones(50), seed=1)[:, 0]
    assert 0.97 < np.quantile(found, 0.16) < 0.997  # Jeffreys' limit is 0.981
    np.testing.assert_array_equal(found, share_in_replicas(bins, np.ones(50, bool), np.ones(50), seed=1)[:, 0])


def test_an_event_of_weight_zero_changes_no_replica():
    values, weights, chosen = np.array([0.5] * 9), np.array([1.0, -0.5, 2] * 3), np.arange(9) < 4
    one = share_in_replicas(into_bins(values, [0, 1]), chosen, weights, seed=2)
    more = into_bins(np.append(values, 0.5), [0, 1])
    np.testing.assert_array_equal(one, share_in_replicas(more, np.append(chosen, True), np.append(weights, 0), seed=2))
