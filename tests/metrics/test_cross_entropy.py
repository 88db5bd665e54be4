from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from sklearn import metrics as sk

from lumin_core import build
from lumin_core.errors import DataError, ShapeError
from lumin_plugin_metrics import LogLoss, log_loss


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("objective", ["classification", "multiclass"])
def test_log_loss_equals_sklearn(make_sample, objective, weighted, dtype):
    preds, targets, weights = make_sample(objective)
    weights = weights if weighted else None
    expected = sk.log_loss(targets, preds.astype(dtype), sample_weight=weights)
    assert log_loss(preds.astype(dtype), targets, weights) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("objective", ["classification", "labels", "multiclass"])
def test_log_loss_with_negative_weights_is_the_sum_over_events(make_sample, objective):
    preds, targets, weights = make_sample(objective, n=60, sign="negative")
    preds = preds.clip(1e-3, 1 - 1e-3) if objective != "multiclass" else preds
    total = 0.0
    for p, t, w in zip(preds, targets, weights, strict=True):
        if objective == "multiclass":
            total -= w * math.log(p[t])
        else:
            p, t = np.atleast_1d(p), np.atleast_1d(t)
            total -= w * sum(math.log(p[k] if t[k] else 1 - p[k]) for k in range(len(p))) / len(p)
    assert LogLoss()(preds, targets, weights) == pytest.approx(total / weights.sum())


@pytest.mark.parametrize("objective", ["classification", "labels"])
def test_log_loss_equals_torchs_cross_entropy(make_sample, objective):
    preds, targets, weights = make_sample(objective)
    preds = preds.clip(0.01, 0.99)
    losses = torch.nn.BCELoss(reduction="none")(torch.tensor(preds), torch.tensor(targets, dtype=torch.float64))
    expected = np.average(losses.numpy().reshape(200, -1).mean(1), weights=weights)
    assert log_loss(preds, targets, weights) == pytest.approx(expected)


def test_log_loss_known_answers():
    assert log_loss([0.5, 0.5], [0, 1]) == pytest.approx(math.log(2))
    assert log_loss([[0.25] * 4], [3]) == pytest.approx(math.log(4))
    assert log_loss([[0.5, 0.25]], [[1, 0]]) == pytest.approx((math.log(2) + math.log(4 / 3)) / 2)
    assert log_loss([0.3], [1]) == pytest.approx(-math.log(0.3))  # one class is enough


@pytest.mark.parametrize(("dtype", "worst"), [(np.float32, 15.94), (np.float64, 36.04), (np.int64, 36.04)])
def test_log_loss_of_certain_predictions_is_finite(dtype, worst):
    assert log_loss(np.array([1, 0], dtype), [1, 0]) == pytest.approx(0, abs=1e-6)
    assert log_loss(np.array([0], dtype), [1]) == pytest.approx(worst, abs=0.01)
    assert log_loss(np.array([[0, 1]], dtype), [0]) == pytest.approx(worst, abs=0.01)
    expected = sk.log_loss([1], np.array([[1, 0]], np.float64 if dtype is np.int64 else dtype), labels=[0, 1])
    assert log_loss(np.array([0], dtype), [1]) == pytest.approx(expected, rel=1e-6)


def test_log_loss_of_two_classes_in_two_columns_is_the_binary_one(make_sample):
    preds, targets, weights = make_sample("classification", sign="negative")
    assert log_loss(np.stack([1 - preds, preds], 1), targets, weights) == pytest.approx(
        log_loss(preds, targets, weights)
    )


@pytest.mark.parametrize(
    ("preds", "targets", "weights", "error", "message"),
    [
        (
            [0.1, 1.5],
            [0, 1],
            None,
            DataError,
            "from 0 to 1, got values from 0.1 to 1.5; pass the outputs",
        ),
        ([-2.0, 0.5], [0, 1], None, DataError, "got values from -2 to 0.5"),
        (
            [[0.5, 0.8]],
            [1],
            None,
            DataError,
            "sum to one, got one that is off by 0.3; pass the outputs of a softmax",
        ),
        ([0.1, 0.2], [0, 2], None, DataError, "0 .background. or 1"),
        ([[0.5, 0.5]], [2], None, DataError, r"from 0 to 1 for 2 columns of predictions, got \[2\]"),
        ([[0.5, 0.5]], [[0, 1, 0]], None, ShapeError, "one column, or as many"),
        ([0.1, 0.2], [0, 1], [1, -1], DataError, "must not sum to zero"),
    ],
)
def test_log_loss_refuses(preds, targets, weights, error, message):
    with pytest.raises(error, match=message):
        log_loss(preds, targets, weights)


def test_log_loss_is_found_by_name():
    metric = build("metric", "log_loss")
    assert (type(metric), metric.better, metric.label) == (LogLoss, "lower", "log_loss")
