r"""Groups of events that stay together, dealt out to folds.

The largest group comes first, and each goes to the fold that is the emptiest for it. With
:math:`n_{fc}` of the :math:`N_c` events of class :math:`c` in fold :math:`f`, and :math:`g_c` in
the group, that is the fold of the smallest :math:`\sum_c n_{fc} g_c / N_c^2`: there the group adds
the least to :math:`\sum_{fc} (n_{fc} / N_c)^2`, which is smallest where every class is spread
evenly. All events together count as one more class, so that sizes are evened out, too; without
classes that is the only one, and the rule is Graham's for equal loads.

References:
    R. L. Graham, "Bounds on multiprocessing timing anomalies", SIAM J. Appl. Math. 17 (1969) 416,
    https://doi.org/10.1137/0117039
"""

from __future__ import annotations

import heapq
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from collections.abc import Iterable


def deal_groups(
    groups: np.ndarray, classes: np.ndarray | None, n_folds: int, rng: np.random.Generator
) -> tuple[np.ndarray, int]:
    """Deal out groups to folds, those that are alike in random order.

    Args:
        groups: Number of the group of each event, 0, 1, 2, ..., shape ``(n,)``.
        classes: Number of the class of each event, or ``None``.
        n_folds: Number of folds; there are as many groups at least.
        rng: For the order.

    Returns:
        The fold of each event, and the size of the largest group.

    Example:
        >>> import numpy as np
        >>> from lumin_core.data.grouping import deal_groups
        >>> groups = np.array([0, 0, 0, 1, 1, 2])
        >>> deal_groups(groups, None, 2, np.random.default_rng(1))
        (array([0, 0, 0, 1, 1, 1]), 3)
    """
    counts = _counts(groups, classes)
    total = counts.sum(axis=0)
    kinds, kind_of = _kinds(counts)
    loads = kinds / total.astype(np.float64) ** 2
    sizes = (kinds * loads).sum(axis=1)
    order = np.argsort(-sizes, kind="stable")
    rank = np.empty_like(order)
    rank[order] = np.arange(len(order))
    fold_of = np.empty(len(counts), dtype=np.int64)
    filled = np.zeros((n_folds, counts.shape[1]), dtype=np.int64)
    for kind, alike in zip(order, _by_rank(rank[kind_of], rng), strict=True):
        fold_of[alike] = chosen = _emptiest(filled @ loads[kind], sizes[kind], len(alike))
        filled += np.bincount(chosen, minlength=n_folds)[:, None] * kinds[kind]
    return fold_of[groups], int(counts[:, -1].max())


def _counts(groups: np.ndarray, classes: np.ndarray | None) -> np.ndarray:
    """Count events by group and class, the last column all of them."""
    n_groups = int(groups.max()) + 1
    sizes = np.bincount(groups)[:, None]
    if classes is None:
        return sizes
    n_classes = int(classes.max()) + 1
    of_class = np.bincount(groups * n_classes + classes, minlength=n_groups * n_classes)
    return np.hstack((of_class.reshape(n_groups, n_classes), sizes))


def _kinds(counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the rows that differ, and which of them each row is."""
    kind_of = np.zeros(len(counts), dtype=np.int64)
    for column in counts.T:  # hashed, as sorting whole rows is ten times slower
        kind_of, _ = pd.factorize(kind_of * (column.max() + 1) + column)
    _, first = np.unique(kind_of, return_index=True)
    return counts[first], kind_of


def _by_rank(ranks: np.ndarray, rng: np.random.Generator) -> Iterable[np.ndarray]:
    """Return the places of each rank, in random order."""
    order = rng.permutation(len(ranks))
    order = order[np.argsort(ranks[order], kind="stable")]
    return np.split(order, np.cumsum(np.bincount(ranks))[:-1])


def _emptiest(costs: np.ndarray, step: float, n: int) -> list[int]:
    """Choose a fold for each of several like groups, one of which costs a fold that much more."""
    heap = [(float(cost), fold) for fold, cost in enumerate(costs)]
    heapq.heapify(heap)
    chosen = []
    for _ in range(n):
        cost, fold = heap[0]
        chosen.append(fold)
        heapq.heapreplace(heap, (cost + step, fold))
    return chosen
