from __future__ import annotations

import time

import numpy as np
import pytest
from sklearn import metrics as sk

from lumin_core import EvalMetric, build
from lumin_core.errors import ConfigError, DataError, ShapeError
from lumin_core.statistics import bootstrap
from lumin_plugin_metrics import RocAucScore, roc_auc_score


def sample(n=300, seed=0, negative=False):
    """Scores with many ties, targets and weights."""
    rng = np.random.default_rng(seed)
    targets = rng.integers(2, size=n)
    preds = np.round(1 / (1 + np.exp(-rng.normal(targets))), 1).astype(np.float32)
    weights = rng.exponential(size=n)
    if negative:
        weights[rng.random(n) < 0.3] *= -0.7
    return preds, targets, weights


def many_classes(n=400, seed=0):
    rng = np.random.default_rng(seed)
    targets = rng.choice(4, size=n, p=[0.4, 0.3, 0.2, 0.1])
    preds = np.exp(rng.normal(size=(n, 4)) + 1.5 * np.eye(4)[targets])
    return preds / preds.sum(1, keepdims=True), targets, rng.exponential(size=n)


def brute_force(preds, targets, weights):
    s, b = targets == 1, targets == 0
    order = (preds[s][:, None] > preds[b]) + 0.5 * (preds[s][:, None] == preds[b])
    return weights[s] @ order @ weights[b] / (weights[s].sum() * weights[b].sum())


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("negative", [False, True])
def test_auc_equals_the_sum_over_pairs(seed, negative):
    events = sample(seed=seed, negative=negative)
    assert roc_auc_score(*events) == pytest.approx(brute_force(*events))


def test_fault_auc_takes_negative_weights():
    """scikit-learn, and with it LUMIN, raises wherever an efficiency falls along the curve."""
    preds, targets, weights = sample(negative=True)
    preds = preds + np.random.default_rng(1).normal(size=300)  # without ties the curve has a point an event
    with pytest.raises(ValueError, match="neither increasing nor decreasing"):
        sk.roc_auc_score(targets, preds, sample_weight=weights)
    assert RocAucScore()(preds, targets, weights) == pytest.approx(brute_force(preds, targets, weights))


def test_auc_equals_sklearn_where_negative_weights_leave_the_curve_rising():
    preds, targets, weights = sample(seed=0, negative=True)
    expected = sk.roc_auc_score(targets, preds, sample_weight=weights)
    assert roc_auc_score(preds, targets, weights) == pytest.approx(expected)


@pytest.mark.parametrize("weighted", [False, True])
def test_auc_equals_sklearn_for_positive_weights(weighted):
    preds, targets, weights = sample()
    weights = weights if weighted else None
    expected = sk.roc_auc_score(targets, preds, sample_weight=weights)
    assert roc_auc_score(preds, targets, weights) == pytest.approx(expected)


@pytest.mark.parametrize("negative", [False, True])
def test_auc_event_of_weight_zero_changes_nothing_and_of_two_is_the_event_twice(negative):
    preds, targets, weights = sample(negative=negative)
    plain = roc_auc_score(preds, targets, weights)
    assert roc_auc_score(np.append(preds, [5, np.nan]), np.append(targets, [1, 0]), np.append(weights, [0, 0])) == plain
    heavy = np.where(np.arange(300) == 4, 2 * weights, weights)
    twice = roc_auc_score(np.append(preds, preds[4]), np.append(targets, targets[4]), np.append(weights, weights[4]))
    assert roc_auc_score(preds, targets, heavy) == pytest.approx(twice)


def test_auc_limits_and_symmetry():
    preds, targets, weights = sample(negative=True)
    area = roc_auc_score(preds, targets, weights)
    assert roc_auc_score(-preds, targets, weights) == pytest.approx(1 - area)
    assert roc_auc_score(preds, 1 - targets, weights) == pytest.approx(1 - area)
    assert roc_auc_score(np.exp(preds), targets, 7 * weights) == pytest.approx(area)
    assert roc_auc_score(targets, targets, weights) == pytest.approx(1)
    assert roc_auc_score(np.zeros(300), targets, weights) == pytest.approx(0.5)
    assert roc_auc_score([-np.inf, np.inf], [False, True]) == 1


def test_auc_shapes_are_alike():
    preds, targets, weights = sample()
    area = roc_auc_score(preds, targets, weights)
    metric = RocAucScore()
    assert metric(preds[:, None], targets[:, None], weights[:, None]) == area
    assert metric.evaluate(preds[:, None], targets, weights[:, None], {}) == area
    assert metric.evaluate(preds, targets[:, None].astype(np.float32), weights, {}) == area
    assert metric(preds.tolist(), targets.tolist(), weights.tolist()) == pytest.approx(area)


@pytest.mark.parametrize("average", ["macro", "weighted", "micro"])
def test_auc_multi_label_equals_sklearn(average):
    rng = np.random.default_rng(1)
    targets = (rng.random((300, 3)) < [0.2, 0.5, 0.7]).astype(np.float32)
    preds, weights = rng.normal(targets), rng.exponential(size=300)
    expected = sk.roc_auc_score(targets, preds, average=average, sample_weight=weights)
    assert RocAucScore(average=average)(preds, targets, weights) == pytest.approx(expected)


@pytest.mark.parametrize("average", ["macro", "weighted", "micro"])
@pytest.mark.parametrize("weighted", [False, True])
def test_auc_one_versus_rest_equals_sklearn(average, weighted):
    preds, targets, weights = many_classes()
    weights = weights if weighted else None
    expected = sk.roc_auc_score(targets, preds, average=average, multi_class="ovr", sample_weight=weights)
    assert roc_auc_score(preds, targets, weights, average=average) == pytest.approx(expected)


@pytest.mark.parametrize("average", ["macro", "weighted"])
def test_auc_one_versus_one_equals_sklearn(average):
    preds, targets, _ = many_classes()
    expected = sk.roc_auc_score(targets, preds, average=average, multi_class="ovo")
    assert RocAucScore(average, "ovo")(preds, targets) == pytest.approx(expected)


@pytest.mark.parametrize("average", ["macro", "weighted"])
def test_auc_one_versus_one_whole_weights_are_repetitions(average):
    preds, targets, _ = many_classes()
    counts = np.random.default_rng(2).integers(0, 4, size=len(targets))
    repeated = sk.roc_auc_score(
        np.repeat(targets, counts), np.repeat(preds, counts, axis=0), average=average, multi_class="ovo"
    )
    assert roc_auc_score(preds, targets, counts, average=average, multi_class="ovo") == pytest.approx(repeated)


@pytest.mark.parametrize("multi_class", ["ovr", "ovo"])
def test_auc_of_two_classes_in_two_columns_is_the_binary_area(multi_class):
    preds, targets, weights = sample(negative=True)
    columns = np.stack([1 - preds, preds], axis=1)
    area = roc_auc_score(columns, targets, weights, multi_class=multi_class)
    assert area == pytest.approx(roc_auc_score(preds, targets, weights))


def test_auc_changes_nothing_of_the_callers():
    events = sample()
    before = [array.copy() for array in events]
    roc_auc_score(*events)
    assert all((a == b).all() for a, b in zip(events, before, strict=True))


@pytest.mark.parametrize("negative", [False, True])
def test_auc_bootstrap_spread_is_on_average_that_of_independent_samples(negative):
    """On average: with negative weights the estimate from one sample of 500 itself varies by a quarter."""
    samples = [sample(500, seed, negative) for seed in range(300)]
    spread = np.std([roc_auc_score(*events) for events in samples])
    estimates = [bootstrap(roc_auc_score, *events, n=50, seed=1).std() for events in samples[:100]]
    assert np.mean(estimates) == pytest.approx(spread, rel=0.15)


def test_auc_of_many_events_is_fast():
    """By sorting: the sum over pairs would take minutes."""
    preds, targets, weights = sample(200_000)
    start = time.perf_counter()
    roc_auc_score(preds, targets, weights)
    assert time.perf_counter() - start < 2


@pytest.mark.parametrize(
    ("preds", "targets", "weights", "error", "message"),
    [
        ([0.1, 0.9], [1, 1], None, DataError, "got no background in 2 events"),
        ([0.1, 0.9], [0, 0], None, DataError, "got no signal in 2 events"),
        ([0.1, 0.9], [0, 1], [1, 0], DataError, "got no signal in 1 events"),
        ([0.1, 0.9], [0, 1], [0, 0], DataError, "at least one event of non-zero weight"),
        ([], [], None, DataError, "at least one event"),
        ([0.1, 0.9, 0.5], [0, 1, 1], [1, 1, -1], DataError, "weights of signal must not sum to zero"),
        ([0.1, 0.9, 0.5], [0, 1, 0], [0.3, 1, -0.3], DataError, "weights of background must not sum to zero"),
        ([0.1, np.nan], [0, 1], None, DataError, "predictions must not be NaN, got 1"),
        ([0.1, 0.2], [0, np.nan], None, DataError, "targets must not be NaN, got 1"),
        ([0.1, 0.2], [0, 1], [1, np.inf], DataError, "weights must be finite, got 1"),
        ([0.1, 0.2], [0, 2], None, DataError, r"0 \(background\) or 1 \(signal\), got \[2\]"),
        ([0.1, 0.2], ["s", "b"], None, DataError, "targets must hold numbers"),
        ([0.1, 0.2], [0, 1, 1], None, ShapeError, "one length, got 2, 3 and 2"),
        ([0.1, 0.2], [0, 1], np.ones((2, 2)), ShapeError, "one an event"),
        (np.ones((2, 2, 2)), [0, 1], None, ShapeError, r"got \(2, 2, 2\)"),
        (np.ones((2, 3)), np.ones((2, 2)), None, ShapeError, "one column, or as many"),
        (np.ones((2, 3)), [0, 3], None, DataError, r"from 0 to 2 for 3 columns of predictions, got \[3\]"),
        (np.ones((2, 3)), [0, 0.5], None, DataError, r"got \[0.5\]"),
        (np.ones((2, 3)), [0, 1], None, DataError, "got no class 2 in 2 events"),
        (np.ones((2, 2)), [[0, 1], [1, 1]], None, DataError, "got no not label 1"),
    ],
)
def test_auc_refuses(preds, targets, weights, error, message):
    with pytest.raises(error, match=message):
        roc_auc_score(preds, targets, weights)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"average": "samples"}, "average must be 'macro', 'weighted' or 'micro', got 'samples'"),
        ({"multi_class": "raise"}, "multi_class must be 'ovr' or 'ovo', got 'raise'"),
        ({"average": "micro", "multi_class": "ovo"}, "for multi_class='ovo', got 'micro'"),
    ],
)
def test_auc_refuses_options(options, message):
    with pytest.raises(ConfigError, match=message):
        RocAucScore(**options)
    with pytest.raises(ConfigError, match=message):
        roc_auc_score([0.1, 0.9], [0, 1], **options)


def test_auc_is_found_by_name():
    metric = build("metric", {"name": "roc_auc_score", "average": "weighted", "main_metric": True})
    assert isinstance(metric, EvalMetric)
    assert (metric.better, metric.label) == ("higher", "roc_auc_score")
    assert (metric.main_metric, metric.average) == (True, "weighted")
