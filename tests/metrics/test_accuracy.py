from __future__ import annotations

import numpy as np
import pytest
from sklearn import metrics as sk

from lumin_core import build
from lumin_core.errors import ConfigError, DataError, ShapeError
from lumin_plugin_metrics import BinaryAccuracy, binary_accuracy


def sample(n=200, seed=0, negative=False):
    rng = np.random.default_rng(seed)
    targets = rng.integers(2, size=n)
    weights = rng.exponential(size=n)
    if negative:
        weights[rng.random(n) < 0.3] *= -0.7
    return rng.random(n), targets, weights


@pytest.mark.parametrize("threshold", [0.0, 0.3, 0.5, 1.0])
@pytest.mark.parametrize("weighted", [False, True])
def test_accuracy_equals_sklearn(threshold, weighted):
    preds, targets, weights = sample()
    weights = weights if weighted else None
    expected = sk.accuracy_score(targets, preds >= threshold, sample_weight=weights)
    assert binary_accuracy(preds, targets, weights, threshold=threshold) == pytest.approx(expected)
    metric = BinaryAccuracy(threshold)
    columns = (preds[:, None], targets[:, None], None if weights is None else weights[:, None])
    assert metric(*columns) == metric.evaluate(*columns, {}) == pytest.approx(expected)


@pytest.mark.parametrize("negative", [False, True])
def test_accuracy_event_of_weight_zero_changes_nothing_and_of_two_is_the_event_twice(negative):
    preds, targets, weights = sample(negative=negative)
    plain = binary_accuracy(preds, targets, weights)
    assert binary_accuracy(np.append(preds, 0.9), np.append(targets, 0), np.append(weights, 0)) == plain
    heavy = np.where(np.arange(200) == 4, 2 * weights, weights)
    twice = binary_accuracy(np.append(preds, preds[4]), np.append(targets, targets[4]), np.append(weights, weights[4]))
    assert binary_accuracy(preds, targets, heavy) == pytest.approx(twice)


def test_accuracy_with_negative_weights_is_the_weighted_share():
    assert binary_accuracy([0.9, 0.1, 0.9], [1, 1, 0], [2, 1, -1]) == pytest.approx(1.0)


def test_accuracy_of_the_threshold_itself_is_class_one():
    assert binary_accuracy([0.5], [1]) == 1


@pytest.mark.parametrize(
    ("preds", "targets", "weights", "error", "message"),
    [
        (np.ones((3, 2)), [0, 1, 1], None, ShapeError, "one column"),
        ([0.1, 0.2], [0, 1], [1, -1], DataError, "must not sum to zero"),
        ([0.1, 0.2], [0, 2], None, DataError, "0 .background. or 1"),
        ([0.1, np.nan], [0, 1], None, DataError, "NaN"),
    ],
)
def test_accuracy_refuses(preds, targets, weights, error, message):
    with pytest.raises(error, match=message):
        binary_accuracy(preds, targets, weights)


def test_accuracy_refuses_a_threshold_of_nan():
    with pytest.raises(ConfigError, match="got NaN"):
        BinaryAccuracy(float("nan"))


def test_accuracy_is_found_by_name():
    metric = build("metric", {"name": "BinaryAccuracy", "threshold": 0.2})
    assert (metric.better, metric.label, metric.threshold) == ("higher", "binary_accuracy", 0.2)
