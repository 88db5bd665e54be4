"""Histograms: sums of w and w² against numpy and hist, and what is not shown."""

import hist
import numpy as np
import pytest

from lumin_plugin_plots.histograms import added, filled, not_shown, notes_of, scaled, without_empty

EDGES = np.array([0.0, 0.1, 0.4, 1.0])


def test_sums_are_those_of_numpy_and_hist_and_what_is_beyond_is_kept():
    rng = np.random.default_rng(1)
    values, weights = rng.normal(0.5, 0.5, 500), rng.exponential(size=500) * rng.choice([1, -1], 500, p=[0.88, 0.12])
    made = filled(EDGES, values, weights)
    np.testing.assert_allclose(made.values(), np.histogram(values, EDGES, weights=weights)[0])
    np.testing.assert_allclose(made.variances(), np.histogram(values, EDGES, weights=weights**2)[0])
    other = hist.Hist(hist.axis.Variable(EDGES), storage=hist.storage.Weight()).fill(values, weight=weights)
    np.testing.assert_allclose(made.values(flow=True), other.values(flow=True))
    assert made.values(flow=True)[0] == pytest.approx(weights[values < 0].sum())
    assert made.values(flow=True)[-1] == pytest.approx(weights[values > 1].sum())


def test_the_last_bin_holds_its_upper_edge_and_missing_is_nowhere():
    values = np.array([0.0, 1.0, np.nan, np.inf, -np.inf])
    np.testing.assert_array_equal(filled(EDGES, values, np.ones(5)).values(flow=True), [1, 1, 0, 1, 1])


def test_a_density_integrates_to_one_with_what_is_beyond():
    values = np.random.default_rng(2).normal(0.5, 0.5, 400)
    made = filled(EDGES, values, np.full(400, 3.0))
    density = scaled(made)
    inside = ((values >= 0) & (values <= 1)).mean()
    assert (density.values() * np.diff(EDGES)).sum() == pytest.approx(inside)
    np.testing.assert_allclose(density.variances() * np.diff(EDGES) ** 2, made.variances() / 1200**2)
    assert np.isnan(scaled(filled(EDGES, values, np.zeros(400))).values()).all()


def test_bins_without_a_positive_sum_are_emptied_and_counted():
    made = filled(EDGES, np.array([0.05, 0.2, 0.2, 2.0, -1.0]), np.array([1.0, 1.0, -3.0, 2.0, -1.0]))
    shown = without_empty(made)
    np.testing.assert_array_equal(shown.values(), [1, np.nan, np.nan])
    np.testing.assert_array_equal(shown.variances(), [1, np.nan, np.nan])
    assert made.values()[1] == -2  # is not changed
    missing = not_shown({"signal": made})
    assert missing == {"below": {"signal": -1.0}, "above": {"signal": 2.0}, "not_positive": {"signal": 1}}
    assert notes_of(missing) == [
        "Beyond the axis: signal: -1 below, 2 above.",
        "Bins left empty, without a positive sum: signal: 1.",
    ]


def test_sums_of_histograms_are_those_of_all_events():
    values, weights = np.random.default_rng(3).random(60), np.random.default_rng(4).normal(size=60)
    total = added([filled(EDGES, values[part], weights[part]) for part in (slice(20), slice(20, 50), slice(50, 60))])
    whole = filled(EDGES, values, weights)
    np.testing.assert_allclose(total.values(flow=True), whole.values(flow=True))
    np.testing.assert_allclose(total.variances(), whole.variances())
