"""Checks of metrics: one number, in which a weight means that event."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, get_args

import numpy as np
from attrs import evolve

from lumin_core.testing.metric_events import N_EVENTS, Events, events_of, prefers_perfect
from lumin_core.testing.outcome import CheckFailed
from lumin_core.testing.promises import Check
from lumin_core.training.metric import Direction

if TYPE_CHECKING:
    from lumin_core.testing.subject import Subject

_ALL = np.arange(N_EVENTS)


def check_metric_value(subject: Subject) -> None:
    """A metric gives a float."""
    events, metric = events_of(subject), subject.make()
    for weights in (None, events.weights):
        value = metric.evaluate(events.preds, events.targets, weights, events.columns)
        if not isinstance(value, float):
            raise CheckFailed(f"expected a float from evaluate, got {type(value).__name__}; return float(value)")


def check_metric_better(subject: Subject) -> None:
    """`better` is a direction that there is."""
    better = getattr(subject.make(), "better", None)
    if better not in get_args(Direction):
        raise CheckFailed(f"expected better = 'lower', 'higher' or 'zero', got {better!r}; set it in the class")


def check_metric_columns(subject: Subject) -> None:
    """`columns` is a list of names."""
    columns = getattr(subject.make(), "columns", ())
    if not isinstance(columns, list | tuple) or not all(isinstance(name, str) for name in columns):
        raise CheckFailed(f"expected columns to be a list of names, got {columns!r}; a single one is ['name']")


def check_metric_order(subject: Subject) -> None:
    """The order of the events changes nothing."""
    events = events_of(subject)
    order = np.random.default_rng(2).permutation(N_EVENTS)
    _expect_equal(
        subject, events, events.rows(order), "the same in any order of the events", "take no account of their order"
    )


def check_metric_unweighted(subject: Subject) -> None:
    """Without weights every event counts as one."""
    events, metric = events_of(subject), subject.make()
    without, ones = events.value(metric, None), events.value(subject.make(), np.ones((N_EVENTS, 1), np.float32))
    if not _close(without, ones):
        raise CheckFailed(f"expected weights of one to change nothing, {without}, got {ones}; weights=None means ones")


def check_metric_weight_zero(subject: Subject) -> None:
    """An event of weight zero is none."""
    events = events_of(subject)
    way_out = "take the weights in every mean, sum, percentile and count, as np.average(..., weights=weights)"
    for seed in range(10):  # a quantile moves only if the event next to it is among them
        weights = events.weights.copy()
        weights[np.random.default_rng(seed).random(N_EVENTS) < 0.3] = 0
        some = evolve(events, weights=weights)
        _expect_equal(subject, some, some.rows(_ALL[weights[:, 0] > 0]), "an event of weight zero to be none", way_out)


def check_metric_negative_weights(subject: Subject) -> None:
    """Negative weights, as of generators at next-to-leading order, give a number or NaN."""
    events = events_of(subject)
    for share in (5, 1):
        weights = events.weights.copy()
        weights[::share] *= -1
        try:
            events.value(subject.make(), weights)
        except Exception as error:
            raise CheckFailed(
                f"expected a number or NaN for weights of which {'some' if share > 1 else 'all'} are negative, got "
                f"{type(error).__name__}: {error}; give math.nan where there is no value"
            ) from error


def check_metric_perfect(subject: Subject) -> None:
    """The perfect prediction is better than a random one, by `better`."""
    events, metric = events_of(subject), subject.make()
    if not prefers_perfect(subject, events):
        perfect, random = (events.value(metric, None, preds) for preds in (events.perfect, events.random))
        raise CheckFailed(
            f"expected perfect predictions to be better than random ones, but of {events.objective} they give "
            f"{perfect} and {random} with better = {metric.better!r}; set better, or the sign of the value"
        )


def check_metric_arrays_unchanged(subject: Subject) -> None:
    """The arrays that a metric is given stay as they are."""
    events, metric = events_of(subject), subject.make()
    given = events.rows(_ALL)
    given.value(metric, given.weights)
    arrays = {name: (getattr(given, name), getattr(events, name)) for name in ("preds", "targets", "weights")}
    arrays |= {f"columns[{name!r}]": (given.columns[name], column) for name, column in events.columns.items()}
    for name, (after, before) in arrays.items():
        if not np.array_equal(after, before):
            raise CheckFailed(f"expected {name} unchanged, but evaluate changed it; sort and scale a copy, np.sort(x)")


def _expect_equal(subject: Subject, one: Events, other: Events, what: str, way_out: str) -> None:
    first, second = (events.value(subject.make(), events.weights) for events in (one, other))
    if not _close(first, second):
        raise CheckFailed(f"expected {what}, got {first} and {second} of {one.objective}; {way_out}")


def _close(one: float, other: float) -> bool:
    return math.isclose(one, other, rel_tol=1e-4, abs_tol=1e-6) or (math.isnan(one) and math.isnan(other))


CHECKS = tuple(
    Check(function)
    for function in (
        check_metric_value,
        check_metric_better,
        check_metric_columns,
        check_metric_order,
        check_metric_unweighted,
        check_metric_weight_zero,
        check_metric_negative_weights,
        check_metric_perfect,
        check_metric_arrays_unchanged,
    )
)
