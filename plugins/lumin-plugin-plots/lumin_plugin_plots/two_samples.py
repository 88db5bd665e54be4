r"""How far two samples of weighted events are apart, and how often chance alone takes them so far.

With the weighted cumulative distributions :math:`F` and :math:`G` of the two samples, the largest
distance is

.. math:: D = \max_x |F(x) - G(x)|, \qquad F(x) = \frac{\sum_i w_i [x_i \le x]}{\sum_i w_i}

Its p-value is that of a permutation test. Which sample an event is of is drawn anew, a thousand
times; each event keeps its weight, of either sign, so that nothing is assumed of weights. The
weights of a sample are first divided by their mean: a sample that was scaled as a whole is the same
sample. With r of n permutations that are as far apart or further, :math:`p = (r + 1) / (n + 1)`.

References:
    B. Phipson and G. Smyth, Permutation p-values should never be zero, Stat. Appl. Genet. Mol. Biol.
    9 (2010) 39, https://doi.org/10.2202/1544-6115.1585
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

N_PERMUTATIONS = 1000
_BLOCK = 1_000_000  # labels in memory at a time
_ROUNDING = 1e-9


class Distance(NamedTuple):
    """The largest distance of two samples.

    Attributes:
        distance: D, from 0 to 1 for positive weights; NaN where a sample has no positive sum.
        p_value: How often chance takes them so far apart or further; NaN likewise.
    """

    distance: float
    p_value: float


def distance_test(values: np.ndarray, weights: np.ndarray, is_second: np.ndarray, *, seed: int = 0) -> Distance:
    """Compare two samples by the largest distance of their cumulative distributions.

    Args:
        values: Of both samples, finite, shape ``(n,)``.
        weights: Of either sign, shape ``(n,)``.
        is_second: Which events are of the second sample, shape ``(n,)``.
        seed: Of the permutations.

    Example:
        >>> import numpy as np
        >>> from lumin_plugin_plots.two_samples import distance_test
        >>> values, is_second = np.arange(20.0), np.arange(20) >= 10
        >>> distance_test(values, np.ones(20), is_second)
        Distance(distance=1.0, p_value=0.000999000999000999)
    """
    order = np.argsort(values, kind="stable")
    ranked, second = values[order], is_second[order]
    scaled = _of_mean_one(weights[order], second)
    if scaled is None:
        return Distance(float("nan"), float("nan"))
    last = np.append(np.flatnonzero(np.diff(ranked)), len(ranked) - 1)  # of each group of equal values
    distance = float(_distances(scaled, second[None], last)[0])
    further = sum(
        int((_distances(scaled, labels, last) >= distance - _ROUNDING).sum()) for labels in permuted(second, seed=seed)
    )
    return Distance(distance, (further + 1) / (N_PERMUTATIONS + 1))


def permuted(labels: np.ndarray, *, seed: int) -> Iterator[np.ndarray]:
    """Draw anew which events carry a label, as many as before.

    Args:
        labels: Booleans, shape ``(n,)``.
        seed: Of the permutations.

    Yields:
        Blocks of the thousand permutations, shape ``(R, n)``.

    Example:
        >>> import numpy as np
        >>> from lumin_plugin_plots.two_samples import permuted
        >>> next(permuted(np.array([True, False, False]), seed=1)).sum(axis=1).tolist()[:4]
        [1, 1, 1, 1]
    """
    rng = np.random.default_rng(seed)
    size = max(1, _BLOCK // len(labels))
    for first in range(0, N_PERMUTATIONS, size):
        rows = min(size, N_PERMUTATIONS - first)
        yield rng.permuted(np.tile(labels, (rows, 1)), axis=1)


def _of_mean_one(weights: np.ndarray, second: np.ndarray) -> np.ndarray | None:
    scaled = weights.astype(np.float64)
    for kind in (second, ~second):
        total = float(weights[kind].sum())
        if not total > 0:
            return None
        scaled[kind] *= kind.sum() / total
    return scaled


def _distances(weights: np.ndarray, labels: np.ndarray, last: np.ndarray) -> np.ndarray:
    """Return the distance for each way to label the events, shape ``(R, n)``; infinite without one."""
    both = np.cumsum(weights)
    second = np.cumsum(weights * labels, axis=1)
    total = second[:, -1:]
    is_known = (total > 0) & (both[-1] - total > 0)
    safe = np.where(is_known, total, both[-1] / 2)
    apart = second[:, last] * (1 / safe + 1 / (both[-1] - safe)) - both[last] / (both[-1] - safe)
    return np.where(is_known[:, 0], np.abs(apart).max(axis=1), np.inf)
