"""Which event goes into which fold."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd

from lumin_core import seeds
from lumin_core.checks import positive
from lumin_core.data.grouping import deal_groups
from lumin_core.data.numbers import as_array, unmasked
from lumin_core.errors import ConfigError, DataError

if TYPE_CHECKING:
    from collections.abc import Sequence

    Key = Sequence[object] | np.ndarray

_log = logging.getLogger(__name__)


def split_events(
    n: int, n_folds: int, *, shuffle: bool, seed: int, strata: Key | None = None, groups: Key | None = None
) -> list[np.ndarray]:
    """Split events into folds whose sizes differ by one at most, or as little as groups allow.

    Stratified, the events of every class, in random order, are dealt out to the folds one after the
    other, class after class: the numbers of a class in two folds differ by one at most, too. With
    groups, whole groups are dealt out, the largest first, each to the fold that is the emptiest
    for it; see `lumin_core.data.grouping`.

    Args:
        n: Number of events.
        n_folds: Number of folds.
        shuffle: Whether events are distributed at random; else folds are contiguous.
        seed: Of the distribution.
        strata: Class of every event, to be spread evenly.
        groups: Group of every event: events of one group stay in one fold.

    Returns:
        For each fold the indices of its events, ascending.

    Raises:
        ConfigError: If ``n_folds`` is not a positive integer, or strata or groups come without
            ``shuffle``.
        DataError: If there are fewer events or groups, or fewer of a class, than folds, or an event
            is in no group.

    Example:
        >>> from lumin_core.data.splitting import split_events
        >>> [fold.tolist() for fold in split_events(5, 2, shuffle=False, seed=1)]
        [[0, 1, 2], [3, 4]]
    """
    n_folds = positive(n_folds, "n_folds")
    if n < n_folds:
        raise DataError(f"{n} events cannot fill {n_folds} folds; give more events or a smaller n_folds")
    for name, key, what in (("strat_key", strata, "be stratified"), ("group_key", groups, "keep groups together")):
        if key is not None and not shuffle:
            raise ConfigError(f"{name} needs shuffle=True: contiguous folds cannot {what}; leave one of them out")
    if not shuffle:
        return np.array_split(np.arange(n), n_folds)
    classes = None if strata is None else _classes(strata, n_folds)
    rng = seeds.stream(seed, "folds")
    if groups is not None:
        return _split_groups(_groups(groups, n_folds), classes, n_folds, rng)
    order = rng.permutation(n)
    if classes is not None:
        order = order[np.argsort(classes.codes[order], kind="stable")]
    return [np.sort(order[i::n_folds]) for i in range(n_folds)]


class _Coded(NamedTuple):
    codes: np.ndarray
    values: np.ndarray


def _coded(key: Key, name: str, one: str) -> _Coded:
    """Return the values of a key in order of appearance, and a code for each event."""
    try:
        return _Coded(*pd.factorize(unmasked(as_array(key, name)), use_na_sentinel=False))
    except TypeError as error:
        raise DataError(f"{name} must hold one {one} for each event, such as a number or text: {error}") from error


def _classes(strata: Key, n_folds: int) -> _Coded:
    classes = _coded(strata, "strat_key", "class")
    _check_counts(np.bincount(classes.codes), classes.values, "events", n_folds)
    return classes


def _check_counts(counts: np.ndarray, classes: np.ndarray, what: str, n_folds: int) -> None:
    """Refuse a class that cannot be in every fold."""
    if counts.min() < n_folds:
        rare = int(counts.argmin())
        (name,) = classes[[rare]].tolist()  # without numpy's type
        if pd.isna(name):
            raise DataError(f"strat_key is missing for {counts[rare]} {what}; drop them, or give them a class")
        raise DataError(
            f"strat_key has {counts[rare]} {what} of class {name!r}, too few for {n_folds} folds; merge "
            "classes, take fewer folds, or leave strat_key out"
        )


def _groups(groups: Key, n_folds: int) -> np.ndarray:
    codes, values = _coded(groups, "group_key", "group")
    if missing := int(pd.isna(values)[codes].sum()):
        raise DataError(
            f"group_key is missing for {missing} of {len(codes)} events; give them groups of their own, or drop them"
        )
    if len(values) < n_folds:
        raise DataError(f"{len(values)} groups of group_key cannot fill {n_folds} folds; take a smaller n_folds")
    return codes


def _split_groups(
    groups: np.ndarray, classes: _Coded | None, n_folds: int, rng: np.random.Generator
) -> list[np.ndarray]:
    if classes is not None:
        n_classes = len(classes.values)
        of_class = np.unique(groups * n_classes + classes.codes) % n_classes
        _check_counts(np.bincount(of_class), classes.values, "groups of group_key with events", n_folds)
    fold_of, largest = deal_groups(groups, None if classes is None else classes.codes, n_folds, rng)
    folds = [np.flatnonzero(fold_of == i) for i in range(n_folds)]
    if largest > -(-len(groups) // n_folds):
        ends = min(map(len, folds)), max(map(len, folds))
        _log.warning("a group of %d events is larger than a fold: folds are of %d to %d events", largest, *ends)
    return folds
