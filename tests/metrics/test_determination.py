from __future__ import annotations

import numpy as np
import pytest
from sklearn import metrics as sk

from lumin_core import build
from lumin_core.errors import DataError, ShapeError
from lumin_plugin_metrics import R2, r2


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("objective", ["regression", "regression2"])
def test_r2_equals_sklearn(make_sample, objective, weighted):
    preds, targets, weights = make_sample(objective)
    weights = weights if weighted else None
    expected = sk.r2_score(targets, preds, sample_weight=weights)
    assert r2(preds, targets, weights) == R2()(preds, targets, weights) == pytest.approx(expected)


def test_r2_with_negative_weights_is_the_sum_over_events(make_sample):
    preds, targets, weights = make_sample("regression", n=60, sign="negative")
    mean = sum(w * y for w, y in zip(weights, targets, strict=True)) / sum(weights)
    error = variance = 0.0
    for p, y, w in zip(preds, targets, weights, strict=True):
        error += w * (p - y) ** 2
        variance += w * (y - mean) ** 2
    assert r2(preds, targets, weights) == pytest.approx(1 - error / variance)


def test_r2_limits(make_sample):
    _, targets, weights = make_sample("regression", sign="negative")
    mean = np.full(200, weights @ targets / weights.sum())
    assert r2(targets, targets, weights) == 1
    assert r2(mean, targets, weights) == pytest.approx(0, abs=1e-9)
    assert r2(2 * mean - targets, targets, weights) == pytest.approx(-3)


def test_r2_does_not_depend_on_units(make_sample):
    preds, targets, weights = make_sample("regression", sign="negative")
    expected = r2(preds, targets, weights)
    assert r2(1e3 * preds + 1e6, 1e3 * targets + 1e6, weights) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("preds", "targets", "weights", "error", "message"),
    [
        ([1, 2], [0.1, 0.1], None, DataError, "variance must be positive, got 0 for target 0: all are equal"),
        ([1, 2, 3], [123.4] * 3, None, DataError, "got 0 for target 0"),  # whose mean is rounded
        ([1.0], [1.0], None, DataError, "all are equal.*use more events"),
        (np.ones((3, 2)), [[1, 5], [2, 5], [3, 5]], None, DataError, "for target 1"),
        ([1, 2, 3], [1, 2, 3], [-1, 3, -1], DataError, "variance must be positive, got -2 .*negative weights dominate"),
        ([1, 2], [1, 2], [1, -1], DataError, "must not sum to zero"),
        ([1, np.inf], [1, 2], None, DataError, "predictions must be finite, got 1 infinite of 2"),
        ([1, 2], [1, -np.inf], None, DataError, "targets must be finite"),
        (np.ones((2, 2)), [1, 2], None, ShapeError, "as many columns"),
    ],
)
def test_r2_refuses(preds, targets, weights, error, message):
    with pytest.raises(error, match=message):
        r2(preds, targets, weights)


def test_r2_is_found_by_name():
    metric = build("metric", "r2")
    assert (type(metric), metric.better, metric.label) == (R2, "higher", "r2")
