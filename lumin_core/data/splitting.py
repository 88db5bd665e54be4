"""Which event goes into which fold."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from lumin_core import seeds
from lumin_core.checks import positive
from lumin_core.data.numbers import as_array, unmasked
from lumin_core.errors import ConfigError, DataError

if TYPE_CHECKING:
    from collections.abc import Sequence


def split_events(
    n: int, n_folds: int, *, shuffle: bool, seed: int, strata: Sequence[object] | np.ndarray | None = None
) -> list[np.ndarray]:
    """Split events into folds whose sizes differ by one at most.

    Stratified, the events of every class, in random order, are dealt out to the folds one after the
    other, class after class: the numbers of a class in two folds differ by one at most, too.

    Args:
        n: Number of events.
        n_folds: Number of folds.
        shuffle: Whether events are distributed at random; else folds are contiguous.
        seed: Of the distribution.
        strata: Class of every event, to be spread evenly.

    Returns:
        For each fold the indices of its events, ascending.

    Raises:
        ConfigError: If ``n_folds`` is not a positive integer, or strata come without ``shuffle``.
        DataError: If there are fewer events, or fewer of a class, than folds.

    Example:
        >>> from lumin_core.data.splitting import split_events
        >>> [fold.tolist() for fold in split_events(5, 2, shuffle=False, seed=1)]
        [[0, 1, 2], [3, 4]]
    """
    n_folds = positive(n_folds, "n_folds")
    if n < n_folds:
        raise DataError(f"{n} events cannot fill {n_folds} folds; give more events or a smaller n_folds")
    if not shuffle:
        if strata is not None:
            raise ConfigError(
                "strat_key needs shuffle=True: contiguous folds cannot be stratified; leave one of them out"
            )
        return np.array_split(np.arange(n), n_folds)
    order = _dealing_order(n, strata, n_folds, seeds.stream(seed, "folds"))
    return [np.sort(order[i::n_folds]) for i in range(n_folds)]


def _dealing_order(
    n: int, strata: Sequence[object] | np.ndarray | None, n_folds: int, rng: np.random.Generator
) -> np.ndarray:
    order = rng.permutation(n)
    if strata is None:
        return order
    try:
        codes, classes = pd.factorize(unmasked(as_array(strata, "strat_key")), use_na_sentinel=False)
    except TypeError as error:
        raise DataError(f"strat_key must hold one class for each event, such as a number or text: {error}") from error
    counts = np.bincount(codes, minlength=len(classes))
    if counts.min() < n_folds:
        rare = int(counts.argmin())
        (name,) = classes[[rare]].tolist()  # without numpy's type
        raise DataError(
            f"strat_key has {counts[rare]} events of class {name!r}, too few for {n_folds} folds; merge "
            "classes, take fewer folds, or leave strat_key out"
        )
    return order[np.argsort(codes[order], kind="stable")]
