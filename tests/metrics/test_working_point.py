from __future__ import annotations

import numpy as np
import pytest
from sklearn import metrics as sk

from lumin_core import build
from lumin_core.errors import ConfigError, DataError, ShapeError
from lumin_plugin_metrics import BackgroundRejection, SignalEfficiency, background_rejection, signal_efficiency

SHARES = [0.01, 0.1, 0.3, 0.5, 0.9, 1.0]


def all_cuts(preds, targets, weights):
    """Give (signal efficiency, background efficiency) of every cut, event by event."""
    for cut in [*np.unique(preds), np.inf]:
        passing = {0: 0.0, 1: 0.0}
        total = {0: 0.0, 1: 0.0}
        for score, target, weight in zip(preds, targets, weights, strict=True):
            total[int(target)] += weight
            passing[int(target)] += weight * (score >= cut)
        yield passing[1] / total[1], passing[0] / total[0]


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("sign", ["positive", "negative"])
def test_working_points_equal_the_search_over_all_cuts(make_sample, sign, seed):
    events = make_sample("classification", n=120, seed=seed, sign=sign)
    cuts = list(all_cuts(*events))
    for share in SHARES:
        most = max(s for s, b in cuts if b <= share + 1e-9)
        least = min(b for s, b in cuts if s >= share - 1e-9)
        assert signal_efficiency(*events, background_efficiency=share) == pytest.approx(most, abs=1e-12)
        expected = 1 / least if least > 1e-9 else np.inf
        assert background_rejection(*events, signal_efficiency=share) == pytest.approx(expected)


@pytest.mark.parametrize("weighted", [False, True])
def test_working_points_equal_sklearns_curve(make_sample, weighted):
    preds, targets, weights = make_sample("classification", n=2000)
    weights = weights if weighted else None
    background, signal, _ = sk.roc_curve(targets, preds, sample_weight=weights, drop_intermediate=False)
    for share in SHARES:
        expected = signal[background <= share + 1e-9].max()
        assert SignalEfficiency(share)(preds, targets, weights) == pytest.approx(expected)
        least = background[signal >= share - 1e-9].min()
        expected = 1 / least if least else np.inf
        assert BackgroundRejection(share)(preds, targets, weights) == pytest.approx(expected)


@pytest.mark.parametrize("sign", ["positive", "negative"])
def test_a_looser_limit_is_never_worse(make_sample, sign):
    """With negative weights the curve itself goes up and down."""
    events = make_sample("classification", n=300, seed=4, sign=sign)
    shares = np.linspace(0.01, 1, 60)
    efficiencies = [signal_efficiency(*events, background_efficiency=share) for share in shares]
    rejections = [background_rejection(*events, signal_efficiency=share) for share in shares]
    assert efficiencies == sorted(efficiencies)
    assert rejections == sorted(rejections, reverse=True)


def test_negative_weights_make_the_curve_fall_and_the_best_cut_is_taken():
    preds, targets = [0.9, 0.8, 0.7, 0.6, 0.5], [1, 1, 1, 0, 1]
    weights = [2, -1, 1, 1, 1]  # signal efficiencies 2/3, 1/3, 2/3, 2/3, 1
    assert signal_efficiency(preds, targets, weights, background_efficiency=0.5) == pytest.approx(2 / 3)
    assert signal_efficiency(preds, targets, weights, background_efficiency=1) == pytest.approx(1)
    assert background_rejection(preds, targets, weights, signal_efficiency=0.7) == pytest.approx(1)


def test_equal_scores_pass_together_and_nothing_is_interpolated():
    preds, targets = [0.9, 0.5, 0.5, 0.5, 0.1], [1, 1, 0, 1, 0]
    assert signal_efficiency(preds, targets, background_efficiency=0.49) == pytest.approx(1 / 3)
    assert signal_efficiency(preds, targets, background_efficiency=0.5) == 1
    assert background_rejection(preds, targets, signal_efficiency=0.34) == 2
    assert signal_efficiency([1, 1, 1], [0, 1, 1]) == 0


def test_an_efficiency_that_equals_the_limit_keeps_to_it():
    """0.1 summed three times is more than 0.3 in doubles."""
    targets, weights = np.repeat([0, 1], 10), np.full(20, 0.1)
    preds = np.tile(np.arange(10.0), 2)
    assert signal_efficiency(preds, targets, weights, background_efficiency=0.3) == pytest.approx(0.3)
    assert background_rejection(preds, targets, weights, signal_efficiency=0.3) == pytest.approx(1 / 0.3)


def test_random_scores_give_the_diagonal():
    rng = np.random.default_rng(1)
    preds, targets = rng.random(100_000), rng.integers(2, size=100_000)
    assert signal_efficiency(preds, targets, background_efficiency=0.3) == pytest.approx(0.3, abs=0.01)
    assert background_rejection(preds, targets, signal_efficiency=0.5) == pytest.approx(2, rel=0.03)


def test_the_two_are_each_others_inverse(make_sample):
    events = make_sample("classification", n=500)
    for share in (0.05, 0.2, 0.5):
        signal = signal_efficiency(*events, background_efficiency=share)
        assert 1 / background_rejection(*events, signal_efficiency=signal) <= share + 1e-9


def test_perfect_scores_pass_all_signal_and_reject_without_end():
    preds, targets = [0.1, 0.2, 0.8, 0.9], [0, 0, 1, 1]
    assert signal_efficiency(preds, targets, background_efficiency=0) == 1
    assert background_rejection(preds, targets, signal_efficiency=1) == np.inf
    assert background_rejection([0.9, 0.8, 0.7], [0, 1, 0], [-1, 1, 3]) == np.inf  # a negative sum passes


@pytest.mark.parametrize("metric", [signal_efficiency, background_rejection])
def test_monotonic_transformations_change_nothing(metric, make_sample):
    preds, targets, weights = make_sample("classification", n=1000, sign="negative")
    value = metric(preds, targets, weights)
    assert 0 < value < np.inf
    assert metric(np.exp(3 * preds) - 2, targets, weights) == value


@pytest.mark.parametrize("metric", [signal_efficiency, background_rejection])
@pytest.mark.parametrize(
    ("preds", "targets", "weights", "error", "message"),
    [
        ([0.1, 0.9], [1, 1], None, DataError, "no background in 2 events; use more events, or folds.*strat_key"),
        ([0.1, 0.9], [0, 0], None, DataError, "no signal in 2 events; use more events"),
        ([0.1, 0.9, 0.5], [0, 1, 1], [1, 1, -1], DataError, "weights of signal must not sum to zero"),
        ([0.1, 0.2], [0, 2], None, DataError, r"0 \(background\) or 1 \(signal\), got \[2\]"),
        (np.ones((2, 3)), [0, 1], None, ShapeError, r"one column.*got \(2, 3\) and \(2, 1\); call it for each"),
    ],
)
def test_working_points_refuse(metric, preds, targets, weights, error, message):
    with pytest.raises(error, match=message):
        metric(preds, targets, weights)


@pytest.mark.parametrize("share", [-0.1, 1.1, 99, float("nan"), "0.1"])
def test_a_limit_must_be_a_share(share):
    for make in (
        lambda: SignalEfficiency(share),
        lambda: BackgroundRejection(share),
        lambda: signal_efficiency([0, 1], [0, 1], background_efficiency=share),
        lambda: background_rejection([0, 1], [0, 1], signal_efficiency=share),
    ):
        with pytest.raises(ConfigError, match=r"efficiency must be a share.*got .*one percent is 0.01"):
            make()
    with pytest.raises(ConfigError, match="above 0 and up to 1, got 0"):
        BackgroundRejection(0)


def test_working_points_are_found_by_name():
    efficiency = build("metric", {"name": "signal_efficiency", "background_efficiency": 0.1, "label": "eff"})
    assert (efficiency.better, efficiency.label, efficiency.background_efficiency) == ("higher", "eff", 0.1)
    rejection = build("metric", "BackgroundRejection")
    assert (rejection.better, rejection.label, rejection.signal_efficiency) == ("higher", "background_rejection", 0.3)
