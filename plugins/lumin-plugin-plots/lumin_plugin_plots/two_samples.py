r"""How far two samples of weighted events are apart, and how often chance alone takes them so far.

With the weighted cumulative distributions :math:`F` and :math:`G` of the two samples, the largest
distance is

.. math:: D = \max_x |F(x) - G(x)|, \qquad F(x) = \frac{\sum_i w_i [x_i \le x]}{\sum_i w_i}

Its p-value is that of a permutation test. Which sample an event is of is drawn anew, a thousand
times; each event keeps its weight, of either sign, so that nothing is assumed of weights. The
weights of a sample are first divided by their mean: a sample that was scaled as a whole is the same
sample. With r of n permutations that are as far apart or further, :math:`p = (r + 1) / (n + 1)`.

References:
    B. Phipson and G. Smyth, Permutation p-values should never be zero, Stat. Appl. Genet. Mol.
    Biol. 9 (2010) 39, https://doi.org/10.2202/1544-6115.1585
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

N_PERMUTATIONS = 1000
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
    both = np.cumsum(scaled)[last]
    distance = _apart(scaled * second, both, last)
    n_smaller, further = min(int(second.sum()), int((~second).sum())), 0
    smaller = np.zeros(len(scaled))
    for chosen in drawn_anew(len(scaled), n_smaller, seed=seed):
        smaller[chosen] = scaled[chosen]
        further += _apart(smaller, both, last) >= distance - _ROUNDING
        smaller[chosen] = 0
    return Distance(distance, (further + 1) / (N_PERMUTATIONS + 1))


def p_text(p_value: float) -> str:
    """Write a p-value; the least that a thousand permutations can tell is an upper limit.

    Args:
        p_value: From a permutation test.

    Example:
        >>> from lumin_plugin_plots.two_samples import p_text
        >>> p_text(0.0421), p_text(1 / 1001)
        ('p = 0.042', 'p ≤ 0.001')
    """
    is_least = p_value <= 1 / (N_PERMUTATIONS + 1)
    return f"p {'≤' if is_least else '='} {p_value:.2g}"


def drawn_anew(n_events: int, n_chosen: int, *, seed: int) -> Iterator[np.ndarray]:
    """Draw a thousand times which events are of a sample, each set with the same probability.

    Args:
        n_events: Number of events.
        n_chosen: How many of them are of the sample.
        seed: The seed.

    Yields:
        Their numbers, shape ``(n_chosen,)``.

    Example:
        >>> from lumin_plugin_plots.two_samples import drawn_anew
        >>> [len(set(chosen.tolist())) for chosen in drawn_anew(5, 3, seed=1)][:4]
        [3, 3, 3, 3]
    """
    rng = np.random.default_rng(seed)
    for _ in range(N_PERMUTATIONS):
        yield rng.choice(n_events, n_chosen, replace=False, shuffle=False)


def _of_mean_one(weights: np.ndarray, second: np.ndarray) -> np.ndarray | None:
    """Divide the weights of both samples by their mean; ``None`` where one has no positive sum."""
    scaled = weights.astype(np.float64)
    for kind in (second, ~second):
        total = float(weights[kind].sum())
        if not total > 0:
            return None
        scaled[kind] *= kind.sum() / total
    return scaled


def _apart(part: np.ndarray, both: np.ndarray, last: np.ndarray) -> float:
    r"""Return the largest distance of some events from the others.

    With sums A of the former and C of all, up to each value, A_n and C_n of all values, it is
    :math:`\max |A \, C_n / A_n - C| / (C_n - A_n)`.

    Args:
        part: Weights of the former, 0 for the others, by rising value, shape ``(n,)``.
        both: C, up to the end of each group of equal values, shape ``(G,)``.
        last: Where these groups end, shape ``(G,)``.

    Returns:
        Infinite where the weights of either have no positive sum.
    """
    sums = np.cumsum(part)
    total, rest = float(sums[-1]), float(both[-1] - sums[-1])
    if not (total > 0 and rest > 0):
        return float("inf")
    apart = sums if len(last) == len(sums) else sums[last]
    apart *= both[-1] / total
    apart -= both
    return float(max(apart.max(), -apart.min())) / rest
