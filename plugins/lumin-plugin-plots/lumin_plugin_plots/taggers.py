"""The classifiers that figures compare: their scores, what is signal, among which events."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import attrs
import numpy as np

from lumin_core.checks import listed
from lumin_core.errors import ConfigError, DataError
from lumin_plugin_plots.events import class_label, classifiers

if TYPE_CHECKING:
    from lumin_plugin_plots.events import Events, PredName

Against = Literal["rest", "one"]
_MOST_VALUES = 10


@attrs.frozen(eq=False)
class Tagger:
    """One curve's classifier.

    Attributes:
        parts: What it is, by ``"classifier"``, ``"by"`` and ``"classes"``.
        scores: Of each of its models, shape ``(M, n)``; the higher, the more like signal.
        signal: Which events are signal, shape ``(n,)``.
        used: Which events take part, shape ``(n,)``.
    """

    parts: dict[str, str]
    scores: np.ndarray
    signal: np.ndarray
    used: np.ndarray


def taggers(
    events: Events,
    pred_name: PredName,
    targ_name: str = "gen_target",
    *,
    by: str | None = None,
    signal: int | None = None,
    against: Against = "rest",
) -> list[Tagger]:
    """Find what is to be compared: classifiers, values of a column, classes.

    Args:
        events: The events.
        pred_name: Predictions: a column, or ``<name>_0``, ``<name>_1``, ... of as many classes; a
            list of models', or either by label.
        targ_name: The truth: 0 or 1, of several classes their numbers.
        by: A column of few different values, each of which has curves of its own.
        signal: The number of the class that is the signal, of several classes; ``None`` for each.
        against: Of several classes ``"rest"``: a class against all others; ``"one"``: against
            every other. The score is that of the class in both cases.

    Raises:
        ConfigError: If ``against`` or ``signal`` is another.
        DataError: If a column is missing, holds other values, or ``by`` has more than ten.
    """
    if against not in ("rest", "one"):
        raise ConfigError(f"against must be 'rest' or 'one', got {against!r}")
    found = []
    for label, columns in classifiers(pred_name).items():
        scores = np.stack([events.scores(column) for column in columns])  # (M, n, K)
        for classes, score, is_signal, used in _pairs(events, scores, targ_name, signal, against):
            for value, chosen in _groups(events, by).items():
                parts = {"classifier": label, "by": value, "classes": classes}
                found.append(Tagger(parts, score, is_signal, used & chosen))
    return found


def labels(found: list[Tagger]) -> dict[str, Tagger]:
    """Return classifiers by their labels: of what they are, that in which they differ."""
    kinds = [kind for kind in ("classifier", "by", "classes") if len({each.parts[kind] for each in found}) > 1]
    return {", ".join(each.parts[kind] for kind in kinds or ["classifier"]): each for each in found}


def baselines(found: dict[str, Tagger], baseline: str) -> dict[str, str]:
    """Return by the label of every classifier the label of that to which it is compared.

    Args:
        found: Classifiers by their labels.
        baseline: A label; or a classifier's name, a value of ``by`` or a pair of classes, to the
            curve of which all are compared that have the rest in common.

    Raises:
        ConfigError: If there is no such one, with those that there are.
    """
    if baseline in found:
        return dict.fromkeys(found, baseline)
    for kind in ("classifier", "by", "classes"):
        of = {
            tuple({**each.parts, kind: ""}.items()): name
            for name, each in found.items()
            if each.parts[kind] == baseline
        }
        if of:
            return {name: of[tuple({**each.parts, kind: ""}.items())] for name, each in found.items()}
    raise ConfigError(f"baseline must be one of the curves, {listed(found, 20)}, got {baseline!r}")


def _pairs(
    events: Events, scores: np.ndarray, targ_name: str, signal: int | None, against: Against
) -> list[tuple[str, np.ndarray, np.ndarray, np.ndarray]]:
    """List what is signal to what: a name, scores ``(M, n)``, signal and used events ``(n,)``."""
    n_classes, everything = scores.shape[-1], np.ones(len(events), bool)
    if n_classes == 1:
        if signal is not None:
            raise ConfigError(f"signal is for predictions of several classes, got {signal} and one column")
        return [("", scores[..., 0], events.is_signal(targ_name), everything)]
    truth, numbers = events.classes(n_classes, targ_name), range(n_classes)
    if signal is not None and signal not in numbers:
        raise ConfigError(f"signal must be the number of a class, from 0 to {n_classes - 1}, got {signal!r}")
    pairs = []
    for one in numbers if signal is None else [signal]:
        if against == "rest":
            pairs.append((f"{class_label(one)} against rest", scores[..., one], truth == one, everything))
            continue
        for other in (each for each in numbers if each != one):
            name = f"{class_label(one)} against {class_label(other)}"
            pairs.append((name, scores[..., one], truth == one, (truth == one) | (truth == other)))
    return pairs


def _groups(events: Events, by: str | None) -> dict[str, np.ndarray]:
    if by is None:
        return {"": np.ones(len(events), bool)}
    column = events.labels(by)
    values = np.unique(column)
    if len(values) > _MOST_VALUES:
        raise DataError(
            f"by={by!r} must have at most {_MOST_VALUES} different values, got {len(values)}; make a column of ranges "
            "of it"
        )
    return {f"{by} = {value}": column == value for value in values}
