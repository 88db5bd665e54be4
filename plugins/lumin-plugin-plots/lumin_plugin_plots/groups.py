"""Groups of events that a figure compares: classes, processes, or cuts by label."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from lumin_core.arguments import came
from lumin_core.checks import listed
from lumin_core.errors import ArgumentError, DataError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from lumin_plugin_plots.events import Events

By: TypeAlias = "str | Mapping[str, str | ArrayLike] | None"
"""A column whose values are the groups; or by label cuts, columns of Booleans or arrays."""

_MOST = 20
BINARY = {0: "background", 1: "signal"}


def classes(events: Events, targ_name: str, names: Mapping[int, str] | None = None) -> dict[str, np.ndarray]:
    """Return which events are of each class, by its name, in rising order of the classes.

    Args:
        events: The events.
        targ_name: The column of classes.
        names: Of classes; without one, 0 and 1 are background and signal, and of several classes
            each is ``"class 2"``.

    Raises:
        DataError: If there are more than twenty, as a regression's targets, or two of one name.

    Example:
        >>> from lumin_plugin_plots.events import Events
        >>> from lumin_plugin_plots.groups import classes
        >>> {name: of.tolist() for name, of in classes(Events({"y": [1, 0]}), "y").items()}
        {'background': [False, True], 'signal': [True, False]}
    """
    targets = events.targets(targ_name)
    values = _few(targets, targ_name)
    usual = BINARY if {*values} <= {*BINARY} else {}
    given: dict[Any, str] = {**usual, **(names or {})}
    named = {value: given.get(value, f"class {value:g}") for value in values}
    if len({*named.values()}) < len(named):
        raise DataError(f"classes must have names of their own, got {listed(named.values(), _MOST)}")
    return {name: targets == value for value, name in named.items()}


def processes(events: Events, by: str, of_class: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return which events are of each process, class by class: each event is in one of them.

    A process that is part of several classes has the class's name behind its own.

    Args:
        events: The events.
        by: The column of processes, numbers or text.
        of_class: The events of each class.

    Raises:
        DataError: If there are more than twenty.

    Example:
        >>> from lumin_plugin_plots.events import Events
        >>> from lumin_plugin_plots.groups import classes, processes
        >>> events = Events({"y": [0, 0, 1], "process": ["W", "top", "top"]})
        >>> list(processes(events, "process", classes(events, "y")))
        ['W', 'top (background)', 'top (signal)']
    """
    labels = events.labels(by)
    found = {}
    for value in _few(labels, by):
        is_of = labels == value
        parts = {name: is_of & of for name, of in of_class.items() if (is_of & of).any()}
        for name, of in parts.items():
            found[name, f"{value} ({name})" if len(parts) > 1 else str(value)] = of
    _check_all({label: of for (_, label), of in found.items()}, by)
    ranked = sorted(found, key=lambda key: [*of_class].index(key[0]))
    return {label: found[name, label] for name, label in ranked}


def groups(events: Events, by: By) -> dict[str, np.ndarray]:
    """Return which events are of each group, by its label.

    Args:
        events: The events.
        by: A column; of 0 and 1 alone these are background and signal. Or a cut for each label: an
            event may pass several. ``None`` takes all events.

    Raises:
        ArgumentError: If it is something else.
        DataError: If there are more than twenty groups, or a group is empty.
        ShapeError: If a cut does not have one value an event.

    Example:
        >>> from lumin_plugin_plots.events import Events
        >>> from lumin_plugin_plots.groups import groups
        >>> groups(Events({"pt": [10.0, 50.0]}), {"hard": [False, True]})
        {'hard': array([False,  True])}
    """
    if by is None:
        return {"events": np.ones(len(events), dtype=bool)}
    if isinstance(by, Mapping):
        found = {str(label): events.flags(cut) for label, cut in by.items()}
        if empty := [label for label, of in found.items() if not of.any()]:
            raise DataError(f"no event passes the cut {empty[0]!r}; loosen it, or leave it out")
        return found
    if not isinstance(by, str):
        raise ArgumentError(f"by must be the name of a column, or cuts by label, got {came(by)}")
    labels = events.labels(by)
    values = _few(labels, by)
    if labels.dtype.kind in "biuf" and {*values} <= {*BINARY}:
        return classes(events, by)
    found = {f"{by} = {value:g}" if isinstance(value, float | int) else str(value): labels == value for value in values}
    _check_all(found, by)
    return found


def _check_all(found: Mapping[str, np.ndarray], by: str) -> None:
    """Refuse a column that says nothing of some events, which would be missing from the figure."""
    if n_missing := int((~np.any(list(found.values()), axis=0)).sum()):
        raise DataError(f"the column {by!r} is missing for {n_missing} events; leave them out with mask=")


def _few(labels: np.ndarray, name: str) -> list[float] | list[str]:
    if labels.dtype.kind == "f" and np.isnan(labels).any():
        labels = labels[~np.isnan(labels)]
    values: list[float] | list[str] = np.unique(labels.astype(str) if labels.dtype.kind == "O" else labels).tolist()
    if len(values) > _MOST:
        raise DataError(
            f"{name!r} has {len(values)} different values, and a figure compares at most {_MOST}; give a column of "
            "classes or processes"
        )
    return values
