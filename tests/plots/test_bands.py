"""Bands: the replicas' statistics, and that bands cover what is true (`benchmarks/plot_bands.py` has it at length)."""

import numpy as np
import pytest

from lumin_plugin_plots.bands import models_band, multiplicities, replicas, sample_band


def test_multiplicities_are_poisson_numbers_of_mean_one():
    stats = pytest.importorskip("scipy.stats")
    times = np.concatenate(list(multiplicities(1000, 300, seed=1)))
    assert times.shape == (300, 1000)
    counts = np.bincount(times.ravel(), minlength=7)[:7]
    expected = stats.poisson.pmf(np.arange(7), 1) * times.size
    assert np.abs((counts - expected) / np.sqrt(expected)).max() < 4
    assert abs(np.corrcoef(times[:, 0], times[:, 1])[0, 1]) < 0.25


def test_replicas_do_not_depend_on_blocks(monkeypatch):
    w = np.array([1.0, -2.0, 0.5])
    once = replicas(lambda rows: rows.sum(axis=1), w, 50, seed=3)
    assert np.array_equal(once, replicas(lambda rows: rows.sum(axis=1), w, 50, seed=3))
    monkeypatch.setattr("lumin_plugin_plots.bands._BLOCK", 30)
    assert np.array_equal(once, replicas(lambda rows: rows.sum(axis=1), w, 50, seed=3))


def test_spread_of_replicas_is_the_root_of_the_sum_of_squares():
    w = np.random.default_rng(1).normal(size=500)
    sums = replicas(lambda rows: rows.sum(axis=1), w, 4000, seed=1)
    assert sums.mean() == pytest.approx(w.sum(), abs=4 * np.sqrt(w @ w / 4000))
    assert sums.std() == pytest.approx(np.sqrt(w @ w), rel=0.05)


def test_sample_band_holds_its_share_of_values():
    values = np.random.default_rng(1).permutation(199.0 * np.arange(199))[:, None]
    band = sample_band(values)
    for name, level in (("", 0.68), ("95", 0.95)):
        inside = (values >= band[f"sample_low{name}"]) & (values <= band[f"sample_high{name}"])
        assert inside.mean() == pytest.approx(level, abs=0.01)


def test_sample_band_may_have_no_upper_end():
    values = np.full((200, 3), 5.0)
    values[:60, 0] = np.inf
    values[:4, 1] = np.nan
    values[:20, 2] = np.nan
    band = sample_band(values)
    assert band["sample_low"].tolist()[:2] == [5, 5]
    assert band["sample_high"][0] == np.inf
    assert band["sample_high"][1] == 5
    assert np.isnan(band["sample_high"][2])


def test_models_band_is_the_standard_deviation():
    values = np.random.default_rng(1).normal(size=(4, 5))
    values[2, 4] = np.inf
    band = models_band(values)
    half = (band["models_high"] - band["models_low"]) / 2
    np.testing.assert_allclose(half[:4], values[:, :4].std(axis=0, ddof=1))
    assert np.isnan(half[4])
