"""Mistakes in losses and metrics: each fails in the check of its name, with a message that says what to do."""

import numpy as np
import pytest
import torch
from torch import nn

from lumin_core import BatchLoss, EvalMetric
from lumin_core.testing import Case, checks_of, subject_of
from lumin_core.testing.loss_batches import batches_of
from lumin_core.testing.metric_events import events_of


def run(thing, kind, name):
    (check,) = [check for check in checks_of(kind) if check.name == name]
    return Case(subject_of(thing, kind), check).run()


# Losses


class GoodLoss(nn.Module):
    """The logarithm of the hyperbolic cosine of the error."""

    def forward(self, y_pred, y):
        error = (y_pred - y).abs()
        return error + nn.functional.softplus(-2 * error) - np.log(2)


class Broadcast(GoodLoss):
    def forward(self, y_pred, y):
        return super().forward(y_pred.squeeze(1) if y_pred.shape[1] == 1 else y_pred, y)


class MeanInside(GoodLoss):
    def forward(self, y_pred, y):
        return super().forward(y_pred, y).mean()


class OfTheTargets(GoodLoss):
    def forward(self, y_pred, y):
        return super().forward(y_pred, y).mean(0)


class RelativeToTheBatch(GoodLoss):
    def forward(self, y_pred, y):
        error = super().forward(y_pred, y)
        return error / error.max().clamp_min(1e-3)


class RootOfZero(GoodLoss):
    def forward(self, y_pred, y):
        return (y_pred - y).square().sqrt()


class LogOfZero(GoodLoss):
    def forward(self, y_pred, y):
        return -(y * y_pred.log() + (1 - y) * (1 - y_pred).log())


class WithoutGradient(GoodLoss):
    def forward(self, y_pred, y):
        return super().forward(y_pred.detach(), y)


class CountsEvents(GoodLoss):
    def forward(self, y_pred, y):
        return super().forward(y_pred, y) * len(y)


# Losses of a batch


class GoodBatchLoss(BatchLoss):
    """The squared mean error."""

    def forward(self, y_pred, y, w):
        w = torch.ones_like(y[:, :1]) if w is None else w
        total = w.sum()
        return ((y_pred - y) * w).sum().square() / torch.where(total == 0, 1, total).square()


class ForgetsWeights(GoodBatchLoss):
    def forward(self, y_pred, y, w):
        return super().forward(y_pred, y, None)


class CountsWeights(GoodBatchLoss):
    def forward(self, y_pred, y, w):
        w = torch.ones_like(y[:, :1]) if w is None else w
        return (((y_pred - y) * w).sum() / len(w)).square()


class HalfForNone(GoodBatchLoss):
    def forward(self, y_pred, y, w):
        return super().forward(y_pred, y, w) / (2 if w is None else 1)


class PerEvent(GoodBatchLoss):
    def forward(self, y_pred, y, w):
        return super().forward(y_pred, y, w) * torch.ones(len(y))


class OrderOfEvents(GoodBatchLoss):
    def forward(self, y_pred, y, w):
        return super().forward(y_pred, y, w) + (y_pred[1:] - y_pred[:-1]).square().sum()


class SpreadOfOne(GoodBatchLoss):
    def forward(self, y_pred, y, w):
        return super().forward(y_pred, y, w) / y_pred.std(correction=0)


# Metrics


class GoodMetric(EvalMetric):
    """The mean squared error."""

    better = "lower"

    def evaluate(self, preds, targets, weights, columns):
        error = ((preds - targets) ** 2).mean(1)
        weights = np.ones(len(error)) if weights is None else weights[:, 0]
        return float((weights * error).sum() / weights.sum())


class UnweightedMetric(GoodMetric):
    def evaluate(self, preds, targets, weights, columns):
        return super().evaluate(preds, targets, None, columns)


class SumsInsteadOfMeans(GoodMetric):
    def evaluate(self, preds, targets, weights, columns):
        value = super().evaluate(preds, targets, weights, columns)
        return value if weights is None else value * float(weights.mean()) * 2


class SortsInPlace(GoodMetric):
    def evaluate(self, preds, targets, weights, columns):
        value = super().evaluate(preds, targets, weights, columns)
        preds.sort(axis=0)
        return value


class WrongDirection(GoodMetric):
    better = "higher"


class TakesAnArray(GoodMetric):
    def evaluate(self, preds, targets, weights, columns):
        return np.array(super().evaluate(preds, targets, weights, columns))


class OneColumn(GoodMetric):
    columns = "mass"


class FirstHalf(GoodMetric):
    def evaluate(self, preds, targets, weights, columns):
        n = len(preds) // 2
        return super().evaluate(preds[:n], targets[:n], None if weights is None else weights[:n], columns)


class RefusesNegative(GoodMetric):
    def evaluate(self, preds, targets, weights, columns):
        if weights is not None and (weights < 0).any():
            raise ValueError("weights must be positive")
        return super().evaluate(preds, targets, weights, columns)


MISTAKES = {
    Broadcast: ("loss", "check_loss_shape", r"got \(5, 5\) .*were broadcast against each other"),
    MeanInside: ("loss", "check_loss_shape", r"got \(\) .*leave out mean\(\) and sum\(\)"),
    OfTheTargets: ("loss", "check_loss_shape", "keep the axis of the events"),
    RelativeToTheBatch: ("loss", "check_loss_alone", "compute nothing over the batch"),
    RootOfZero: ("loss", "check_loss_gradient", "clamp before log, sqrt or a division"),
    LogOfZero: ("loss", "check_loss_gradient", "clamp before log, sqrt or a division"),
    WithoutGradient: ("loss", "check_loss_gradient", r"leave out detach\(\)"),
    CountsEvents: ("loss", "check_loss_weight_two", "expected weight two to be the event twice, .*unweighted"),
    ForgetsWeights: ("loss", "check_loss_weight_zero", "expected an event of weight zero to be none"),
    CountsWeights: ("loss", "check_batch_loss_weight_zero", "take w in every sum, mean, count and sort"),
    HalfForNone: ("loss", "check_batch_loss_unweighted", r"take torch.ones_like\(y\[:, :1\]\)"),
    PerEvent: ("loss", "check_batch_loss_scalar", "expected a scalar"),
    OrderOfEvents: ("loss", "check_batch_loss_order", "take no account of their order"),
    SpreadOfOne: ("loss", "check_batch_loss_few", "finite value and gradient for one event, .*may_be_undefined"),
    UnweightedMetric: ("metric", "check_metric_weight_zero", "take the weights in every mean, sum"),
    SumsInsteadOfMeans: ("metric", "check_metric_unweighted", "weights=None means ones"),
    SortsInPlace: ("metric", "check_metric_arrays_unchanged", "expected preds unchanged, .*sort and scale a copy"),
    WrongDirection: ("metric", "check_metric_perfect", "better = 'higher'; set better, or the sign"),
    TakesAnArray: ("metric", "check_metric_value", r"got ndarray; return float\(value\)"),
    OneColumn: ("metric", "check_metric_columns", r"got 'mass'; a single one is \['name'\]"),
    FirstHalf: ("metric", "check_metric_order", "take no account of their order"),
    RefusesNegative: ("metric", "check_metric_negative_weights", "give math.nan where there is no value"),
}


@pytest.mark.parametrize(("good", "kind"), [(GoodLoss, "loss"), (GoodBatchLoss, "loss"), (GoodMetric, "metric")])
def test_what_is_right_passes(good, kind):
    outcomes = [run(good, kind, check.name) for check in checks_of(kind)]
    assert [outcome for outcome in outcomes if outcome.state == "failed"] == []
    assert sum(outcome.state == "passed" for outcome in outcomes) > 6


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda cls: cls.__name__)
def test_a_mistake_fails_in_the_check_of_its_name(mistake):
    kind, name, message = MISTAKES[mistake]
    outcome = run(mistake, kind, name)
    assert outcome.state == "failed"
    with pytest.raises(AssertionError, match=f"(?s){message}"):
        raise outcome.error


# Losses that are functions


def log_cosh(y_pred, y, scale=1.0):
    """Return the logarithm of the hyperbolic cosine of the error, in units of `scale`."""
    error = (y_pred - y).abs() / scale
    return error + nn.functional.softplus(-2 * error) - np.log(2)


def mean_inside(y_pred, y):
    """Return the mean error."""
    return (y_pred - y).abs().mean()


def test_a_loss_may_be_a_function():
    outcomes = {check.name: Case(subject_of(log_cosh, "loss"), check).run() for check in checks_of("loss")}
    assert not {name: found.message for name, found in outcomes.items() if found.state in ("failed", "warned")}
    assert outcomes["check_signature"].state == outcomes["check_loss_shape"].state == "passed"


def test_a_mistake_in_a_function_is_found():
    assert run(mean_inside, "loss", "check_loss_shape").state == "failed"


def only(cls, *objectives):
    return type(cls.__name__, (cls,), {"__doc__": cls.__doc__, "example_objectives": objectives})


def test_what_is_for_one_objective_says_so():
    asked = subject_of(only(GoodMetric, "regression"), "metric")
    assert events_of(asked).objective == "regression"
    assert events_of(subject_of(GoodMetric, "metric")).objective == "classification"
    batches = batches_of(subject_of(log_cosh, "loss"))
    assert {one.objective for one in batches} == {"classification", "regression"}
    mse = subject_of(only(nn.MSELoss, "regression"), "loss")
    assert {one.objective for one in batches_of(mse)} == {"regression"}


def test_an_objective_that_there_is_not_is_said_with_the_nearest():
    outcome = run(only(GoodMetric, "regresion"), "metric", "check_metric_value")
    assert outcome.state == "failed"
    assert "got 'regresion'; did you mean 'regression'?" in outcome.message
    text = type("Mine", (GoodMetric,), {"example_objectives": "class"})
    assert "got 'class'" in run(text, "metric", "check_metric_value").message
