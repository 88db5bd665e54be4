r"""Correlations of columns of weighted events, and which columns go together.

Pearson's coefficient is

.. math:: r = \frac{\sum w (x - \bar x)(y - \bar y)}{\sqrt{\sum w (x - \bar x)^2
    \sum w (y - \bar y)^2}}

and Spearman's is that of the ranks, which are the weighted cumulative distribution, half of the
equal ones counted,

.. math:: R(x) = \sum_i w_i \big([x_i < x] + \tfrac{1}{2} [x_i = x]\big)

so that an event of weight two is the event twice, and one of a negative weight takes one away. Of a
pair of columns those events count in which neither is missing. Where negative weights leave no
positive variance there is no coefficient.

The tree joins, one after the other, those columns or groups of columns that have the least mean
distance, :math:`1 - |r|`.

References:
    P. Bailey and A. Emad, wCorr: Weighted Correlations (2023),
    https://cran.r-project.org/package=wCorr
"""

from __future__ import annotations

import numpy as np
from scipy.cluster.hierarchy import fcluster, leaves_list, linkage
from scipy.spatial.distance import squareform


def pearson(x: np.ndarray, y: np.ndarray, weights: np.ndarray) -> float:
    """Return Pearson's coefficient; NaN where there is none.

    Args:
        x: Finite, shape ``(n,)``.
        y: The same.
        weights: Of either sign, shape ``(n,)``.

    Example:
        >>> import numpy as np
        >>> from lumin_plugin_plots.correlations import pearson
        >>> round(pearson(np.arange(3.0), np.array([0.0, 1.0, 5.0]), np.array([1.0, 1.0, 0.0])), 6)
        1.0
    """
    total = weights.sum()
    if not total > 0:
        return float("nan")
    a, b = x - weights @ x / total, y - weights @ y / total
    spread = (weights @ np.square(a), weights @ np.square(b))
    least = 1e-12 * (np.abs(weights) @ np.square(x) + 1e-300), 1e-12 * (np.abs(weights) @ np.square(y) + 1e-300)
    if not (spread[0] > least[0] and spread[1] > least[1]):
        return float("nan")
    return float(weights @ (a * b) / np.sqrt(spread[0] * spread[1]))


def ranks(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return weighted ranks, from 0 to the sum of weights; see the module.

    Args:
        values: Finite, shape ``(n,)``.
        weights: Of either sign, shape ``(n,)``.

    Example:
        >>> import numpy as np
        >>> from lumin_plugin_plots.correlations import ranks
        >>> ranks(np.array([5.0, 1.0, 5.0]), np.array([1.0, 1.0, 2.0]))
        array([2.5, 0.5, 2.5])
    """
    _, inverse = np.unique(values, return_inverse=True)
    sums = np.bincount(inverse, weights)
    return (np.cumsum(sums) - sums / 2)[inverse]


def matrix(columns: np.ndarray, weights: np.ndarray, method: str = "spearman") -> np.ndarray:
    """Return the correlations of all pairs of columns.

    Args:
        columns: Shape ``(n, F)``; NaN and infinities are missing.
        weights: Of either sign, shape ``(n,)``.
        method: ``"spearman"`` or ``"pearson"``.

    Returns:
        Shape ``(F, F)``; NaN where there is no coefficient.

    Example:
        >>> import numpy as np
        >>> from lumin_plugin_plots.correlations import matrix
        >>> x = np.arange(4.0)
        >>> matrix(np.stack((x, x**3, -x), axis=1), np.ones(4))
        array([[ 1.,  1., -1.],
               [ 1.,  1., -1.],
               [-1., -1.,  1.]])
    """
    known = np.isfinite(columns)
    n = columns.shape[1]
    whole = {i: _ranked(columns[:, i], weights, method) for i in range(n) if known[:, i].all()}
    found = np.full((n, n), np.nan)
    for i in range(n):
        for j in range(i + 1):
            if i in whole and j in whole:
                found[i, j] = found[j, i] = pearson(whole[i], whole[j], weights)
                continue
            both = known[:, i] & known[:, j]
            x, y = (_ranked(columns[both, k], weights[both], method) for k in (i, j))
            found[i, j] = found[j, i] = pearson(x, y, weights[both])
    return found


def tree(correlations: np.ndarray) -> np.ndarray:
    """Join columns by their correlations, the closest first.

    Args:
        correlations: Shape ``(F, F)``; NaN counts as none.

    Returns:
        As of `scipy.cluster.hierarchy.linkage`, shape ``(F - 1, 4)``: the two that are joined,
        their distance, and the number of columns in them.

    Example:
        >>> import numpy as np
        >>> from lumin_plugin_plots.correlations import tree
        >>> tree(np.array([[1.0, 0.2, -0.9], [0.2, 1.0, 0.1], [-0.9, 0.1, 1.0]])).round(2).tolist()
        [[0.0, 2.0, 0.1, 2.0], [1.0, 3.0, 0.85, 3.0]]
    """
    distances = 1 - np.minimum(np.abs(np.nan_to_num(correlations)), 1)
    np.fill_diagonal(distances, 0)
    joined: np.ndarray = linkage(squareform(distances, checks=False), method="average")
    return joined


def order_of(joined: np.ndarray) -> list[int]:
    """Return the order in which the tree draws the columns.

    Args:
        joined: From `tree`.
    """
    return [int(i) for i in leaves_list(joined)]


def groups_of(joined: np.ndarray, threshold: float) -> list[list[int]]:
    """Return groups of columns that are joined above a threshold, largest first.

    Args:
        joined: From `tree`.
        threshold: The mean absolute correlation from which on columns are a group.

    Example:
        >>> import numpy as np
        >>> from lumin_plugin_plots.correlations import groups_of, tree
        >>> groups_of(tree(np.array([[1.0, 0.2, -0.9], [0.2, 1.0, 0.1], [-0.9, 0.1, 1.0]])), 0.8)
        [[0, 2]]
    """
    labels = fcluster(joined, 1 - threshold, criterion="distance")
    groups = [np.flatnonzero(labels == label).tolist() for label in np.unique(labels)]
    return sorted((group for group in groups if len(group) > 1), key=len, reverse=True)


def _ranked(values: np.ndarray, weights: np.ndarray, method: str) -> np.ndarray:
    return ranks(values, weights) if method == "spearman" else values
