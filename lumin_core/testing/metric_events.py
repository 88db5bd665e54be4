"""Predictions, targets and weights that metrics are asked about."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from attrs import evolve, frozen

from lumin_core.testing.outcome import CheckFailed
from lumin_core.training.metric import EvalMetric, is_better, value_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from lumin_core.testing.subject import Subject

    Array = np.ndarray[Any, Any]

N_EVENTS = 240


@frozen(kw_only=True)
class Events:
    """Events that a metric is asked about.

    Attributes:
        objective: What the predictions are of.
        preds: Predictions that tell something, shape ``(n, n_out)``.
        perfect: Those that are right: of values the targets, of classes the right one first, by
            far, with a spread, as metrics of cuts need.
        random: Those that know nothing, likewise.
        targets: Shape ``(n, 1)``, for multiclass ``(n,)``.
        weights: Shape ``(n, 1)``.
        columns: The further columns that the metric needs, each ``(n,)``.
    """

    objective: str
    preds: Array
    perfect: Array
    random: Array
    targets: Array
    weights: Array
    columns: dict[str, Array]

    def rows(self, index: Array) -> Events:
        """Return some of the events, in that order, as arrays of their own."""
        names = ("preds", "perfect", "random", "targets", "weights")
        columns = {name: column[index] for name, column in self.columns.items()}
        return evolve(self, columns=columns, **{name: getattr(self, name)[index] for name in names})

    def value(self, metric: EvalMetric, weights: Array | None, preds: Array | None = None) -> float:
        """Ask the metric; by default about `preds`."""
        return value_of(metric, self.preds if preds is None else preds, self.targets, weights, self.columns)


def events_of(subject: Subject) -> Events:
    """Return events that a metric is meant for: where it tells perfect from random predictions.

    Where it does so nowhere, they are those of the first objective of which it gives a number.

    Raises:
        CheckFailed: If it gives a number for none.
    """
    refusals: list[str] = []
    found = [events for events in _possible(subject) if _takes(subject, events, refusals)]
    if not found:
        raise CheckFailed(
            f"a metric gives a number for predictions and targets of {' or '.join(subject.objectives)}, but gave "
            f"{'; '.join(refusals)}; example_options of the class are options for a small example, example_objectives "
            "what it is for"
        )
    return next((events for events in found if prefers_perfect(subject, events)), found[0])


def prefers_perfect(subject: Subject, events: Events) -> bool:
    """Tell whether perfect predictions are better than random ones, by the metric's direction."""
    metric = subject.make()
    perfect, random = (events.value(metric, None, preds.copy()) for preds in (events.perfect, events.random))
    if math.isinf(perfect) and metric.better != "zero":  # as a rejection without background
        return (perfect > 0) is (metric.better == "higher") and perfect != random
    return is_better(perfect, random if math.isfinite(random) else None, metric.better)


def _takes(subject: Subject, events: Events, refusals: list[str]) -> bool:
    try:
        value = events.rows(np.arange(N_EVENTS)).value(subject.make(), None)
    except Exception as error:  # noqa: BLE001  (whatever it is, the metric does not take such events)
        refusals.append(f"{events.objective}: {type(error).__name__}: {error}")
        return False
    if not math.isfinite(value):
        refusals.append(f"{events.objective}: {value}")
    return math.isfinite(value)


def _possible(subject: Subject) -> Iterator[Events]:
    columns = subject.make().columns
    draws = {"classification": _classification, "multiclass": _multiclass, "regression": _regression}
    for objective in subject.objectives:
        yield draws[objective](np.random.default_rng(1), columns)


def _classification(rng: np.random.Generator, names: object) -> Events:
    targets = (np.arange(N_EVENTS) % 2)[:, None].astype(np.float32)
    noise = rng.uniform(size=(N_EVENTS, 1)).astype(np.float32)
    return _events("classification", targets, 0.1 * targets + 0.9 * noise, 0.6 * targets + 0.4 * noise, rng, names)


def _multiclass(rng: np.random.Generator, names: object) -> Events:
    targets = np.arange(N_EVENTS) % 3
    truth = np.eye(3, dtype=np.float32)[targets]
    preds = _normed(truth + rng.uniform(0.1, 1.2, size=(N_EVENTS, 3)))
    perfect = _normed(3 * truth + rng.uniform(0.1, 1.0, size=(N_EVENTS, 3)))
    return _events("multiclass", targets, preds, perfect, rng, names, _normed)


def _regression(rng: np.random.Generator, names: object) -> Events:
    targets = rng.uniform(1.0, 3.0, size=(N_EVENTS, 1)).astype(np.float32)
    preds = targets + rng.normal(0.1, 0.3, size=(N_EVENTS, 1)).astype(np.float32)
    return _events("regression", targets, preds, targets.copy(), rng, names)


def _normed(values: Array) -> Array:
    normed: Array = (values / values.sum(1, keepdims=True)).astype(np.float32)
    return normed


def _events(
    objective: str,
    targets: Array,
    preds: Array,
    perfect: Array,
    rng: np.random.Generator,
    names: Any,
    normed: Callable[[Array], Array] = lambda values: values,
) -> Events:
    labels = (np.arange(N_EVENTS) % (3 if objective == "multiclass" else 2)) // (2 if objective == "multiclass" else 1)
    return Events(
        objective=objective,
        preds=preds,
        perfect=perfect,
        random=normed(np.asarray(rng.uniform(size=preds.shape), np.float32)),
        targets=targets,
        weights=rng.uniform(0.5, 1.5, size=(N_EVENTS, 1)).astype(np.float32),
        columns={name: labels.astype(np.float32) for name in names},
    )
