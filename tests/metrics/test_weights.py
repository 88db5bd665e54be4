"""What holds for every metric: what weights mean, in which shapes arrays come, what is refused."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest

from lumin_core.errors import DataError, ShapeError
from lumin_plugin_metrics import (
    R2,
    BackgroundRejection,
    BinaryAccuracy,
    LogLoss,
    MultiAccuracy,
    RegAsProxyPull,
    RegPull,
    RocAucScore,
    SignalEfficiency,
)


def inverse(values, columns):
    return 1 / values[:, 0]


METRICS = {
    "roc_auc": (RocAucScore, "classification"),
    "roc_auc of labels": (RocAucScore, "labels"),
    "roc_auc of classes": (RocAucScore, "multiclass"),
    "roc_auc of pairs": (partial(RocAucScore, multi_class="ovo", average="weighted"), "multiclass"),
    "binary_accuracy": (partial(BinaryAccuracy, 0.4), "classification"),
    "multi_accuracy": (MultiAccuracy, "multiclass"),
    "signal_efficiency": (partial(SignalEfficiency, 0.2), "classification"),
    "background_rejection": (partial(BackgroundRejection, 0.7), "classification"),
    "log_loss": (LogLoss, "classification"),
    "log_loss of labels": (LogLoss, "labels"),
    "log_loss of classes": (LogLoss, "multiclass"),
    "r2": (R2, "regression"),
    "r2 of two": (R2, "regression2"),
    "mean pull": (partial(RegPull, return_mean=True), "regression"),
    "spread of pulls": (partial(RegPull, return_mean=False), "regression"),
    "mean residual": (partial(RegPull, return_mean=True, use_pull=False), "regression"),
    "spread of the second": (partial(RegPull, return_mean=False, target=1), "regression2"),
    "spread of a proxy": (partial(RegAsProxyPull, inverse, return_mean=False), "regression"),
}
pytestmark = [
    pytest.mark.parametrize(("make", "objective"), METRICS.values(), ids=METRICS),
    pytest.mark.parametrize("sign", ["positive", "negative"]),
]


def appended(arrays, rows):
    return [np.concatenate([a, a[rows]]) for a in arrays]


def test_fault_weights_of_zero_are_no_event(make, objective, sign, make_sample):
    """Not even where its prediction is NaN."""
    metric, events = make(), make_sample(objective, sign=sign)
    preds, targets, weights = appended(events, [0, 1])
    preds = preds.astype(float)
    preds[-2:], weights[-2:] = np.nan, 0
    assert metric(preds, targets, weights) == metric(*events)
    keep = events[2] != 0
    assert metric(*(a[keep] for a in events)) == metric(*events)


def test_fault_weights_of_two_are_the_event_twice(make, objective, sign, make_sample):
    """LUMIN's spread of pulls divides by the number of rows less one."""
    metric, events = make(), make_sample(objective, sign=sign)
    rows = np.random.default_rng(1).permutation(200)[:70]
    preds, targets, weights = events
    heavy = weights.copy()
    heavy[rows] *= 2
    assert metric(preds, targets, heavy) != metric(*events)
    assert metric(preds, targets, heavy) == pytest.approx(metric(*appended(events, rows)), rel=1e-9)


def test_only_ratios_of_weights_count(make, objective, sign, make_sample):
    preds, targets, weights = make_sample(objective, sign=sign)
    value = make()(preds, targets, weights)
    assert make()(preds, targets, 7e-4 * weights) == pytest.approx(value, rel=1e-9)
    assert make()(preds, targets, 3 * np.ones(200)) == pytest.approx(make()(preds, targets), rel=1e-9)


def test_an_event_is_taken_back_by_its_negative(make, objective, sign, make_sample):
    metric, events = make(), make_sample(objective, sign=sign)
    preds, targets, weights = appended(events, np.arange(50))
    preds, targets, weights = appended([preds, targets, weights], np.arange(200, 250))
    weights[-50:] *= -1
    assert metric(preds, targets, weights) == pytest.approx(metric(*events), rel=1e-9)


def test_the_order_of_events_does_not_matter(make, objective, sign, make_sample):
    events = make_sample(objective, sign=sign)
    order = np.random.default_rng(2).permutation(200)
    assert make()(*(a[order] for a in events)) == pytest.approx(make()(*events), rel=1e-9)


def test_arrays_come_in_all_shapes_and_stay_as_they_are(make, objective, sign, make_sample):
    metric, (preds, targets, weights) = make(), make_sample(objective, sign=sign)
    before = [a.copy() for a in (preds, targets, weights)]
    value = metric(preds, targets, weights)
    assert type(value) is float
    column = preds[:, None] if preds.ndim == 1 else preds
    assert metric(column, targets.reshape(200, -1), weights[:, None]) == value
    assert metric.evaluate(column, targets, weights[:, None], {}) == value
    assert metric(preds.tolist(), targets.tolist(), weights.tolist()) == value
    assert metric(preds.astype(np.float32), targets.astype(np.float32), weights) == pytest.approx(value, rel=1e-4)
    assert all((a == b).all() for a, b in zip((preds, targets, weights), before, strict=True))


def test_bad_input_is_refused(make, objective, sign, make_sample):
    metric, (preds, targets, weights) = make(), make_sample(objective, sign=sign)
    broken = preds.astype(float)
    broken[np.flatnonzero(weights)[0]] = np.nan
    for arguments, error, message in [
        ((preds[1:], targets, weights), ShapeError, "one length|proxy"),
        ((preds, targets, weights[1:]), ShapeError, "one length"),
        ((preds, targets, np.ones((200, 2))), ShapeError, "one an event"),
        ((np.ones((200, 2, 2)), targets, weights), ShapeError, r"got \(200, 2, 2\)"),
        ((broken, targets, weights), DataError, "predictions must not be NaN, got 1"),
        ((preds, np.full(targets.shape, np.nan), weights), DataError, "targets must not be NaN"),
        ((preds, targets, np.where(np.arange(200) == 3, np.inf, weights)), DataError, "weights must be finite, got 1"),
        ((preds, targets, np.zeros(200)), DataError, "at least one event of non-zero weight, got none of 200"),
        ((preds[:0], targets[:0], None), DataError, "at least one event"),
        ((preds.astype(str), targets, weights), DataError, "predictions must hold numbers"),
    ]:
        with pytest.raises(error, match=message):
            metric(*arguments)
