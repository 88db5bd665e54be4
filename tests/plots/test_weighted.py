"""Cuts, areas, quantiles, against scikit-learn and numpy, and for signed weights against sums over pairs."""

import numpy as np
import pytest

from lumin_core.errors import DataError
from lumin_plugin_plots import weighted
from lumin_plugin_plots.weighted import Cuts


def sample(n=2000, negative=0.12, seed=1):
    """Give scores with ties, truth, and weights."""
    rng = np.random.default_rng(seed)
    truth = rng.random(n) < 0.4
    sign = np.where(rng.random(n) < negative, -1, 1)
    return rng.normal(truth).round(2), truth, sign * rng.exponential(size=n)


def over_pairs(scores, truth, w):
    """Sum over all pairs of a signal and a background event which are in order."""
    above = scores[truth][:, None] > scores[~truth]
    equal = scores[truth][:, None] == scores[~truth]
    pairs = w[truth][:, None] * w[~truth]
    return (pairs * (above + 0.5 * equal)).sum() / pairs.sum()


def area_of(scores, truth, w):
    return float(weighted.area(*Cuts.of(scores).efficiencies(truth, w)))


def test_area_is_that_of_scikit_learn():
    metrics = pytest.importorskip("sklearn.metrics")
    scores, truth, w = sample(negative=0)
    assert area_of(scores, truth, w) == pytest.approx(metrics.roc_auc_score(truth, scores, sample_weight=w), abs=1e-12)


def test_area_of_signed_weights_is_the_share_of_pairs_in_order():
    scores, truth, w = sample()
    assert (w < 0).sum() > 200
    assert area_of(scores, truth, w) == pytest.approx(over_pairs(scores, truth, w), abs=1e-12)


def test_events_of_weight_zero_change_nothing():
    scores, truth, w = sample()
    more = np.append(scores, [-9.0, 9.0, scores[0]]), np.append(truth, [True, False, True]), np.append(w, np.zeros(3))
    assert area_of(*more) == pytest.approx(area_of(scores, truth, w), abs=1e-12)


def test_efficiencies_are_those_of_scikit_learn():
    metrics = pytest.importorskip("sklearn.metrics")
    scores, truth, w = sample(negative=0)
    of_background, of_signal, cuts = metrics.roc_curve(truth, scores, sample_weight=w, drop_intermediate=False)
    ours = Cuts.of(scores)
    signal, background = ours.efficiencies(truth, w)
    np.testing.assert_allclose(ours.cut, cuts)
    np.testing.assert_allclose(signal, of_signal, atol=1e-12)
    np.testing.assert_allclose(background, of_background, atol=1e-12)


@pytest.mark.parametrize("negative", [0, 0.12])
def test_background_at_is_the_least_of_the_cuts_that_keep_the_signal(negative):
    scores, truth, w = sample(negative=negative)
    signal, background = Cuts.of(scores).efficiencies(truth, w)
    at = np.array([0.01, 0.3, 0.5, 0.77, 1.0])
    expected = []
    for x in at:
        kept = []
        for cut in np.unique(scores):
            passing = scores >= cut
            if w[truth & passing].sum() / w[truth].sum() >= x - 1e-9:
                kept.append(w[~truth & passing].sum() / w[~truth].sum())
        expected.append(min(kept))
    np.testing.assert_allclose(weighted.background_at(signal, background, at), expected, atol=1e-12)
    np.testing.assert_allclose(background[weighted.cuts_at(signal, background, at)], expected, atol=1e-12)


def test_several_weights_at_once_are_each_by_itself():
    scores, truth, w = sample(300)
    rows = np.stack([w, np.abs(w), 2 * w + 1])
    together = Cuts.of(scores).efficiencies(truth, rows)
    at = np.linspace(0.1, 1, 10)
    many = weighted.background_at(*together, at)
    for i, row in enumerate(rows):
        alone = Cuts.of(scores).efficiencies(truth, row)
        np.testing.assert_allclose(together[0][i], alone[0])
        np.testing.assert_allclose(many[i], weighted.background_at(*alone, at))


def test_thinned_cuts_select_what_they_selected():
    scores, _, w = sample(5000)
    scores = scores + np.arange(5000) * 1e-7
    cuts, few = Cuts.of(scores), Cuts.of(scores).thinned(500)
    assert len(few.cut) <= 501
    assert few.cut[-1] == scores.min()
    places = np.searchsorted(-cuts.cut, -few.cut)
    np.testing.assert_allclose(few.passing(w), cuts.passing(w)[places], atol=1e-9)
    assert Cuts.of(scores[:100]).thinned(500).cut.tolist() == Cuts.of(scores[:100]).cut.tolist()


def test_class_without_positive_sum_has_no_efficiency():
    signal, background = Cuts.of(np.array([0.1, 0.2])).efficiencies(np.array([True, False]), np.array([-1.0, 1.0]))
    assert np.isnan(signal).all()
    assert background.tolist() == [0, 1, 1]


def test_rejection_is_infinite_where_a_negative_sum_is_left():
    assert weighted.rejection(np.array([0.25, 0.0, -0.1, np.nan])).tolist()[:3] == [4, np.inf, np.inf]


@pytest.mark.skipif(np.lib.NumpyVersion(np.__version__) < "2.0.0", reason="numpy takes weights from 2.0 on")
def test_quantile_is_numpys_of_positive_weights():
    values, _, w = sample(negative=0)
    at = np.array([0, 0.1, 0.5, 0.9, 1])
    np.testing.assert_allclose(
        weighted.quantile(values, w, at), np.quantile(values, at, weights=w, method="inverted_cdf")
    )


def test_quantile_of_signed_weights_is_the_first_value_that_reaches_the_share():
    values, _, w = sample()
    for at in (0.2, 0.5, 0.8):
        found = next(v for v in np.unique(values) if w[values <= v].sum() / w.sum() >= at)
        assert weighted.quantile(values, w, np.array([at]))[0] == found


def test_distribution_needs_a_positive_sum():
    with pytest.raises(DataError, match="positive sum for a distribution, got -1"):
        weighted.cumulative(np.array([1.0, 2.0]), np.array([1.0, -2.0]))


def test_binned_sums_are_those_of_hist():
    hist = pytest.importorskip("hist")
    values, _, w = sample()
    edges = np.array([-1.0, -0.3, 0.2, 2.0])
    histogram = hist.Hist(hist.axis.Variable(edges), storage=hist.storage.Weight()).fill(values, weight=w)
    bins = np.digitize(values, edges) - 1
    sums, squares = weighted.binned(bins, 3, w), weighted.binned(bins, 3, w**2)
    np.testing.assert_allclose(sums, histogram.values())
    np.testing.assert_allclose(squares, histogram.variances())
    np.testing.assert_allclose(weighted.effective(sums, squares), histogram.values() ** 2 / histogram.variances())
