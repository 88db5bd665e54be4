"""Errors as drawn: sqrt(sum w²) for weights of ±1 too, Garwood's intervals for counts alone; none is negative."""

import numpy as np
import pytest
from drawings import error_bars
from matplotlib.figure import Figure

from lumin_plugin_plots.histograms import filled
from lumin_plugin_plots.mplhep_panels import points, pull, ratio, stacked, steps, uncertainty

EDGES = np.linspace(0, 1, 9)


@pytest.fixture
def axes():
    return Figure().add_subplot()


def signed(n=200, seed=1):
    rng = np.random.default_rng(seed)
    return filled(EDGES, rng.random(n), rng.choice([1.0, -1.0], n, p=[0.88, 0.12]))


@pytest.mark.parametrize("draw", [steps, points])
def test_weights_of_one_either_sign_have_the_error_of_their_squares(axes, draw):
    """mplhep takes such bins for counts, and gives them the intervals of their net counts."""
    histogram = signed()
    draw(axes, histogram, "signed", color="black")
    (_, y, down, up), *_ = error_bars(axes)
    np.testing.assert_allclose(y, histogram.values())
    np.testing.assert_allclose(down, np.sqrt(histogram.variances()), rtol=1e-6)
    np.testing.assert_allclose(up, np.sqrt(histogram.variances()), rtol=1e-6)


def test_a_band_reaches_as_far_as_the_errors(axes):
    histogram = signed()
    uncertainty(axes, histogram, "errors")
    band = axes.patches[0].get_data()
    np.testing.assert_allclose(band.values - histogram.values(), np.sqrt(histogram.variances()))
    np.testing.assert_allclose(histogram.values() - band.baseline, np.sqrt(histogram.variances()))


def test_ratio_has_the_errors_of_the_numerator_and_a_band_of_the_denominators(axes):
    above, below = signed(), signed(900, seed=2)
    ratio(axes, above, below, color="black", marker="o")
    (_, y, down, up), *_ = error_bars(axes)
    np.testing.assert_allclose(y, above.values() / below.values())
    np.testing.assert_allclose([down, up], np.tile(np.sqrt(above.variances()) / below.values(), (2, 1)), rtol=1e-6)
    band = next(patch.get_data() for patch in axes.patches)
    np.testing.assert_allclose(band.values - 1, np.sqrt(below.variances()) / below.values())
    assert (np.concatenate((down, up)) >= 0).all()


def test_ratios_beyond_the_panel_are_marked_at_its_edge(axes):
    values = np.repeat(EDGES[:-1] + 0.01, 20)
    weights = np.where(values < 0.1, 9.0, 1.0)
    ratio(axes, filled(EDGES, values, weights), filled(EDGES, values, np.ones(160)), color="black", marker="o")
    assert axes.get_ylim() == pytest.approx((0.01, 1.99))
    assert [line.get_xdata().tolist() for line in axes.lines if line.get_marker() == "^"] == [[0.0625]]


def test_pulls_are_differences_over_both_errors(axes):
    above, below = signed(), signed(seed=2)
    pull(axes, above, below, color="0.5")
    expected = (above.values() - below.values()) / np.sqrt(above.variances() + below.variances())
    np.testing.assert_allclose(axes.patches[0].get_data().values, expected)
    assert axes.get_ylim()[1] > np.abs(expected).max()


def test_bins_without_a_positive_sum_are_not_drawn(axes):
    empty = filled(EDGES, np.array([0.05, 0.05, 0.3]), np.array([1.0, -3.0, 2.0]))
    full = filled(EDGES, EDGES[:-1] + 0.01, np.ones(8))
    points(axes, empty, "points", color="black")
    ratio(axes, full, empty, color="black", marker="o")
    drawn = error_bars(axes)
    assert len(drawn) == 2
    for _, y, down, up in drawn:
        assert np.isfinite(y).sum() == np.isfinite(down).sum() == 1
        assert np.nanmin((down, up)) >= 0


def test_stacks_add_up(axes):
    parts = [filled(EDGES, np.full(n, 0.3), np.ones(n)) for n in (2, 3)]
    stacked(axes, parts, ["low", "high"], ["red", "blue"], ["", "//"])
    tops = {patch.get_label(): patch.get_data().values.max() for patch in axes.patches}
    assert tops == {"low": 2, "high": 5}
    assert not axes.get_xlabel()


def test_counts_of_zero_are_numbers_and_blinded_ones_are_not_drawn(axes):
    expected = filled(EDGES, EDGES[:-1] + 0.01, np.full(8, 4.0))
    counts = filled(EDGES, np.full(5, 0.3), np.ones(5))
    points(axes, counts, "data", counted=True, blind=(0.5, 1), color="black")
    (_, y, down, up), *_ = error_bars(axes)
    np.testing.assert_array_equal(y, [0, 0, 5, 0, *[np.nan] * 4])
    assert up[0] == pytest.approx(-np.log(0.158655), rel=1e-5)
    assert down[0] == 0
    below, pulls = Figure().add_subplot(), Figure().add_subplot()
    ratio(below, counts, expected, counted=True, blind=(0.5, 1), color="black", marker="o")
    marked = [line.get_xdata() for line in below.lines if line.get_marker() == "v"]
    np.testing.assert_allclose(marked, [[0.0625, 0.1875, 0.4375]])
    pull(pulls, counts, expected, counted=True, blind=(0.5, 1), color="0.5")
    drawn = pulls.patches[0].get_data().values
    np.testing.assert_allclose(drawn[0], -4 / np.sqrt(np.log(0.158655) ** 2 + 16), rtol=1e-5)
    assert np.isnan(drawn[4:]).all()
