r"""How much a cut changes the distribution of a column: the Jensen-Shannon divergence.

With the shares :math:`p_i` of the bins before the cut, :math:`q_i` after it and
:math:`m_i = (p_i + q_i) / 2`,

.. math:: \mathrm{JSD} = \frac{1}{2} \sum_i p_i \log_2 \frac{p_i}{m_i}
    + \frac{1}{2} \sum_i q_i \log_2 \frac{q_i}{m_i}

which is 0 for equal distributions and 1 for those that share nothing. Logarithms want positive
shares: a bin that is not positive, before or after, is merged with its neighbour above, at the end
of the axis with that below.

Its p-value is that of a permutation test: a thousand times as many events as pass are drawn out of
all, with their weights, whatever their scores.

References:
    J. Lin, Divergence measures based on the Shannon entropy, IEEE Trans. Inf. Theory 37 (1991) 145,
    https://doi.org/10.1109/18.61115
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from lumin_plugin_plots.two_samples import N_PERMUTATIONS, drawn_anew
from lumin_plugin_plots.weighted import binned

_ROUNDING = 1e-12


class Divergence(NamedTuple):
    """How much a cut changes a distribution.

    Attributes:
        divergence: From 0 to 1; NaN where the weights, before or after, have no positive sum.
        p_value: How often chance changes it so much or more; NaN likewise.
        merged: How many bins were merged with a neighbour.
    """

    divergence: float
    p_value: float
    merged: int


def divergence_test(
    bins: np.ndarray, n_bins: int, weights: np.ndarray, passing: np.ndarray, *, seed: int = 0
) -> Divergence:
    """Compare the distribution of events that pass with that of all.

    Args:
        bins: The bin of each event, integers, shape ``(n,)``; what is not from 0 to ``n_bins - 1``
            takes no part.
        n_bins: Number of bins.
        weights: Of either sign, shape ``(n,)``.
        passing: Which events pass, shape ``(n,)``.
        seed: Of the permutations.

    Example:
        >>> import numpy as np
        >>> from lumin_plugin_plots.divergence import divergence_test
        >>> bins = np.arange(400) % 4
        >>> found = divergence_test(bins, 4, np.ones(400), bins < 2)
        >>> round(found.divergence, 3), round(found.p_value, 3), found.merged
        (0.049, 0.001, 2)
    """
    before = binned(bins, n_bins, weights)
    after = binned(bins, n_bins, weights * passing)
    together = merge(before, after)
    if together is None:
        return Divergence(float("nan"), float("nan"), 0)
    divergence = float(jensen_shannon(*together))
    further = (_anew(bins, n_bins, weights, passing, seed) >= divergence - _ROUNDING).sum()
    return Divergence(divergence, float(further + 1) / (N_PERMUTATIONS + 1), n_bins - len(together[0]))


def jensen_shannon(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """Return the divergence of two histograms, in bits.

    Args:
        before: Contents of bins, positive, shape ``(n,)``.
        after: The same, or those of several histograms, shape ``(*, n)``.

    Returns:
        Shape ``(*)``.

    Example:
        >>> import numpy as np
        >>> from lumin_plugin_plots.divergence import jensen_shannon
        >>> jensen_shannon(np.array([1.0, 1.0]), np.array([[3.0, 3.0], [1.0, 3.0]])).round(3)
        array([0.   , 0.049])
    """
    p, q = before / before.sum(), after / after.sum(axis=-1, keepdims=True)
    mean = (p + q) / 2
    bits: np.ndarray = (p * np.log2(p / mean) + q * np.log2(q / mean)).sum(axis=-1) / 2
    return bits


def merge(before: np.ndarray, after: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
    """Merge bins that are not positive, in either histogram, with a neighbour.

    Args:
        before: Contents of bins, shape ``(n,)``.
        after: The same.

    Returns:
        Both, with fewer bins, all positive; ``None`` where a whole histogram is not.

    Example:
        >>> import numpy as np
        >>> from lumin_plugin_plots.divergence import merge
        >>> merge(np.array([2.0, 1.0, 3.0]), np.array([1.0, -0.5, 2.0]))
        (array([2., 4.]), array([1. , 1.5]))
    """
    if (before > 0).all() and (after > 0).all():
        return before, after
    if not (before.sum() > 0 and after.sum() > 0):
        return None
    kept: list[tuple[float, float]] = []
    p, q = 0.0, 0.0  # of the bin that is being merged
    for of_before, of_after in zip(before.tolist(), after.tolist(), strict=True):
        p, q = p + of_before, q + of_after
        if p > 0 and q > 0:
            kept.append((p, q))
            p, q = 0.0, 0.0
    while kept and (p, q) != (0.0, 0.0):  # what is left at the end joins those below
        p, q = kept[-1][0] + p, kept[-1][1] + q
        kept[-1:] = [(p, q)] if p > 0 and q > 0 else []
        if p > 0 and q > 0:
            break
    merged = np.array(kept)
    return merged[:, 0], merged[:, 1]


def _anew(bins: np.ndarray, n_bins: int, weights: np.ndarray, passing: np.ndarray, seed: int) -> np.ndarray:
    """Return the divergences of as many events as pass, drawn out of all; infinite without one."""
    inside = (bins >= 0) & (bins < n_bins)
    places, contents = np.where(inside, bins, n_bins), np.where(inside, weights, 0.0)
    before = np.bincount(places, contents, n_bins + 1)[:-1]
    n_passing = int(passing.sum())
    draws = drawn_anew(len(bins), min(n_passing, len(bins) - n_passing), seed=seed)
    smaller = np.array([np.bincount(places[of], contents[of], n_bins + 1)[:-1] for of in draws])
    after = smaller if 2 * n_passing <= len(bins) else before - smaller
    found = np.full(len(after), np.inf)
    is_whole = (before > 0).all() & (after > 0).all(axis=1)
    found[is_whole] = jensen_shannon(before, after[is_whole])
    for i in np.flatnonzero(~is_whole):
        if (together := merge(before, after[i])) is not None:
            found[i] = jensen_shannon(*together)
    return found
