from __future__ import annotations

import numpy as np
import pytest
from sklearn import metrics as sk

from lumin_core import build
from lumin_core.errors import ConfigError, DataError, ShapeError
from lumin_plugin_metrics import BinaryAccuracy, MultiAccuracy, binary_accuracy, multi_accuracy


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


@pytest.mark.parametrize("threshold", [float("nan"), "0.5", None])
def test_accuracy_refuses_a_threshold_that_is_no_number(threshold):
    with pytest.raises(ConfigError, match=rf"threshold must be a number, got {threshold!r}"):
        BinaryAccuracy(threshold)


def test_accuracy_is_found_by_name():
    metric = build("metric", {"name": "BinaryAccuracy", "threshold": 0.2})
    assert (metric.better, metric.label, metric.threshold) == ("higher", "binary_accuracy", 0.2)


@pytest.mark.parametrize("weighted", [False, True])
def test_multi_accuracy_equals_sklearn(make_sample, weighted):
    preds, targets, weights = make_sample("multiclass")
    weights = weights if weighted else None
    expected = sk.accuracy_score(targets, preds.argmax(1), sample_weight=weights)
    assert multi_accuracy(preds, targets, weights) == MultiAccuracy()(preds, targets, weights)
    assert multi_accuracy(preds, targets, weights) == pytest.approx(expected)
    assert multi_accuracy(np.log(preds), targets[:, None], weights) == pytest.approx(expected)


def test_multi_accuracy_with_negative_weights_is_the_sum_over_events(make_sample):
    preds, targets, weights = make_sample("multiclass", n=60, sign="negative")
    right = sum(w for p, t, w in zip(preds, targets, weights, strict=True) if max(range(4), key=lambda k: p[k]) == t)
    assert multi_accuracy(preds, targets, weights) == pytest.approx(right / sum(weights))


def test_multi_accuracy_of_two_classes_is_the_binary_one(make_sample):
    preds, targets, weights = make_sample("classification", sign="negative")
    preds = np.where(preds == 0.5, 0.51, preds)  # a tie is class 0 in columns, and class 1 at a threshold
    columns = np.stack([1 - preds, preds], axis=1)
    assert multi_accuracy(columns, targets, weights) == pytest.approx(binary_accuracy(preds, targets, weights))


def test_multi_accuracy_gives_a_tie_to_the_lowest_class():
    assert multi_accuracy([[0.4, 0.4, 0.2], [0.2, 0.4, 0.4]], [0, 1]) == 1


@pytest.mark.parametrize(
    ("preds", "targets", "error", "message"),
    [
        ([0.1, 0.9], [0, 1], ShapeError, r"got \(2, 1\) and \(2, 1\); for a single score use binary_accuracy"),
        (np.ones((2, 3)), np.ones((2, 3)), ShapeError, "one column of class numbers"),
        (np.ones((2, 3)), [0, 3], DataError, r"from 0 to 2 for 3 columns of predictions, got \[3\]"),
        (np.ones((2, 3)), [0, -1], DataError, r"got \[-1\]"),
    ],
)
def test_multi_accuracy_refuses(preds, targets, error, message):
    with pytest.raises(error, match=message):
        multi_accuracy(preds, targets)


def test_multi_accuracy_is_found_by_name():
    metric = build("metric", "multi_accuracy")
    assert (type(metric), metric.better, metric.label) == (MultiAccuracy, "higher", "multi_accuracy")
