r"""Sums, cuts, areas and quantiles of events whose weights are of either sign.

At a cut :math:`c` an event passes if its score is at least :math:`c`, so that events of equal
scores pass together. The efficiencies are

.. math:: \epsilon_s(c) = \frac{\sum_{s} w_s [p_s \ge c]}{\sum_s w_s}, \qquad
    \epsilon_b(c) = \frac{\sum_{b} w_b [p_b \ge c]}{\sum_b w_b}

With negative weights they do not rise steadily as the cut falls. At a signal efficiency :math:`x`
the background's is :math:`\min_{c:\ \epsilon_s(c) \ge x} \epsilon_b(c)`, of the cuts that can be
made: nothing is interpolated.

Weights are taken as one set, shape ``(n,)``, or as many at once, ``(R, n)``, which is what bands
ask for (see `lumin_plugin_plots.bands`).
"""

from __future__ import annotations

from typing import Any

import attrs
import numpy as np

from lumin_core.errors import DataError

ROUNDING = 1e-9
"""Of shares of sums of weights: an efficiency that equals a limit keeps to it."""


@attrs.frozen
class Cuts:
    """All cuts that tell events apart, from the one that none passes to the one that all pass.

    It is made of scores once, and asked with any weights.

    Args:
        scores: Shape ``(n,)``.

    Attributes:
        cut: The lowest score that passes, shape ``(C,)``; the first is infinite.

    Example:
        >>> import numpy as np
        >>> from lumin_plugin_plots.weighted import Cuts
        >>> cuts = Cuts.of(np.array([0.2, 0.8, 0.8]))
        >>> cuts.cut, cuts.passing(np.array([1.0, 2.0, -0.5]))
        (array([inf, 0.8, 0.2]), array([0. , 1.5, 2.5]))
    """

    cut: np.ndarray
    _group: np.ndarray  # of each event, the number of the first cut that it passes, less one

    @classmethod
    def of(cls, scores: np.ndarray) -> Cuts:
        """Sort events by their scores, shape ``(n,)``."""
        different, group = np.unique(scores, return_inverse=True)
        return cls(np.append(np.inf, different[::-1]), len(different) - 1 - group)

    def thinned(self, most: int = 4000) -> Cuts:
        """Return at most so many of the cuts, closest where fewest events pass.

        Args:
            most: Number of cuts; with fewer they are all kept.
        """
        last = len(self.cut) - 1
        if last <= most:
            return self
        kept = np.unique(np.ceil(last * np.square(np.arange(1, most + 1) / most)).astype(int))
        return Cuts(self.cut[np.append(0, kept)], np.searchsorted(kept, self._group + 1))

    def passing(self, weights: np.ndarray) -> np.ndarray:
        """Sum weights that pass at every cut; ``(n,)`` gives ``(C,)``, ``(R, n)`` ``(R, C)``."""
        sums = np.cumsum(binned(self._group, len(self.cut) - 1, weights), axis=-1)
        return np.concatenate((np.zeros((*sums.shape[:-1], 1)), sums), axis=-1)

    def efficiencies(self, signal: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the efficiencies of signal and background at every cut.

        Args:
            signal: Which events are signal, shape ``(n,)``.
            weights: Shape ``(n,)`` or ``(R, n)``.

        Returns:
            Shape ``(C,)`` or ``(R, C)`` each; NaN where the weights of a class sum to zero or less.
        """
        n_groups = len(self.cut) - 1
        sums = binned(np.where(signal, self._group, self._group + n_groups), 2 * n_groups, weights)
        above = np.zeros((*sums.shape[:-1], 2, n_groups + 1))
        np.cumsum(sums.reshape(*sums.shape[:-1], 2, n_groups), axis=-1, out=above[..., 1:])
        above *= share(np.ones(1), above[..., -1:])
        return above[..., 0, :], above[..., 1, :]


def share(part: np.ndarray, total: np.ndarray) -> np.ndarray:
    """Divide sums of weights; where the total is not positive there is no share, which is NaN.

    Example:
        >>> import numpy as np
        >>> from lumin_plugin_plots.weighted import share
        >>> share(np.array([1.0, 1.0]), np.array([2.0, -1.0]))
        array([0.5, nan])
    """
    is_positive = total > 0
    shares: np.ndarray = np.where(is_positive, part / np.where(is_positive, total, 1.0), np.nan)
    return shares


def background_at(signal_efficiency: np.ndarray, background_efficiency: np.ndarray, at: np.ndarray) -> np.ndarray:
    """Return the least background efficiency of the cuts that keep at least so much signal.

    Args:
        signal_efficiency: At all cuts, from none passing to all, shape ``(C,)`` or ``(R, C)``.
        background_efficiency: The same.
        at: Signal efficiencies, shape ``(P,)``.

    Returns:
        Shape ``(P,)`` or ``(R, P)``; NaN where efficiencies are.

    Example:
        >>> import numpy as np
        >>> from lumin_plugin_plots.weighted import background_at
        >>> background_at(np.array([0, 0.5, 1.0]), np.array([0, 0.1, 1.0]), np.array([0.5, 0.6]))
        array([0.1, 1. ])
    """
    reached = np.maximum.accumulate(np.atleast_2d(signal_efficiency), axis=-1)
    least = np.minimum.accumulate(np.atleast_2d(background_efficiency)[:, ::-1], axis=-1)[:, ::-1]
    is_defined = ~np.isnan(reached[:, :1])
    reached = np.where(is_defined, reached, 0.0)
    n_rows, n_cuts = reached.shape
    begins = np.arange(n_rows)[:, None] * (reached.max() + 1)  # of one long rising row, so that one search will do
    first = np.searchsorted((reached + begins).ravel(), at - ROUNDING + begins) - np.arange(n_rows)[:, None] * n_cuts
    found = np.take_along_axis(least, np.minimum(first, n_cuts - 1), axis=1)
    return np.where(is_defined & (first < n_cuts), found, np.nan).reshape(*signal_efficiency.shape[:-1], len(at))


def cuts_at(signal_efficiency: np.ndarray, background_efficiency: np.ndarray, at: np.ndarray) -> np.ndarray:
    """Return which cuts `background_at` takes: of equal ones the highest.

    Args:
        signal_efficiency: At all cuts, from none passing to all, shape ``(C,)``.
        background_efficiency: The same.
        at: Signal efficiencies up to 1, shape ``(P,)``.

    Returns:
        Positions, shape ``(P,)``.

    Example:
        >>> import numpy as np
        >>> from lumin_plugin_plots.weighted import cuts_at
        >>> cuts_at(np.array([0, 0.5, 1.0]), np.array([0, 0.1, 1.0]), np.array([0.5, 0.6]))
        array([1, 2])
    """
    least = np.minimum.accumulate(background_efficiency[::-1])[::-1]
    is_least = np.append(np.flatnonzero(background_efficiency[:-1] <= least[1:]), len(least) - 1)
    reached = np.searchsorted(np.maximum.accumulate(signal_efficiency), at - ROUNDING)
    first: np.ndarray = np.searchsorted(is_least, reached)
    chosen: np.ndarray = is_least[first]
    return chosen


def rejection(background_efficiency: np.ndarray) -> np.ndarray:
    """Return 1/efficiency; infinite where no background is left, or a negative sum of weights.

    Example:
        >>> import numpy as np
        >>> from lumin_plugin_plots.weighted import rejection
        >>> rejection(np.array([0.5, 0.0]))
        array([ 2., inf])
    """
    is_left = background_efficiency > ROUNDING
    inverse: np.ndarray = np.where(is_left, 1 / np.where(is_left, background_efficiency, 1.0), np.inf)
    return np.where(np.isnan(background_efficiency), np.nan, inverse)


def area(signal_efficiency: np.ndarray, background_efficiency: np.ndarray) -> Any:
    r"""Return the area under ROC curves: the weighted share of pairs that are in order.

    .. math::
        A = \frac{\sum_{s, b} w_s w_b \, \big([p_s > p_b] + \tfrac{1}{2} [p_s = p_b]\big)}
            {\sum_s w_s \, \sum_b w_b}

    It is exact with negative weights too, with which it may lie outside [0, 1].

    Args:
        signal_efficiency: At all cuts, shape ``(C,)`` or ``(R, C)``.
        background_efficiency: The same.

    Returns:
        A number, or shape ``(R,)``.

    Example:
        >>> import numpy as np
        >>> from lumin_plugin_plots.weighted import area
        >>> float(area(np.array([0, 0.5, 1.0]), np.array([0, 0.0, 1.0])))
        0.75
    """
    steps = np.diff(background_efficiency, axis=-1)
    return (steps * (signal_efficiency[..., 1:] + signal_efficiency[..., :-1]) / 2).sum(axis=-1)


def cumulative(values: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the cumulative distribution at every different value.

    Args:
        values: Shape ``(n,)``.
        weights: Shape ``(n,)`` or ``(R, n)``.

    Returns:
        The values in rising order, shape ``(C,)``, and the share of weights up to and with each,
        ``(C,)`` or ``(R, C)``; the last is 1.

    Raises:
        DataError: If the weights do not have a positive sum.

    Example:
        >>> import numpy as np
        >>> from lumin_plugin_plots.weighted import cumulative
        >>> cumulative(np.array([3.0, 1.0, 1.0]), np.array([2.0, 1.0, 1.0]))
        (array([1., 3.]), array([0.5, 1. ]))
    """
    cuts = Cuts.of(-values)
    sums = cuts.passing(weights)[..., 1:]
    if not (sums[..., -1] > 0).all():
        raise DataError(
            f"weights must have a positive sum for a distribution, got {np.min(sums[..., -1]):.4g}; use more events"
        )
    return -cuts.cut[1:], sums / sums[..., -1:]


def quantile(values: np.ndarray, weights: np.ndarray, at: np.ndarray) -> np.ndarray:
    """Return the least values at which the cumulative distribution reaches given shares.

    Args:
        values: Shape ``(n,)``.
        weights: Shape ``(n,)``, of either sign.
        at: Shares, from 0 to 1, shape ``(P,)``.

    Returns:
        Shape ``(P,)``.

    Raises:
        DataError: If the weights do not have a positive sum.

    Example:
        >>> import numpy as np
        >>> from lumin_plugin_plots.weighted import quantile
        >>> quantile(np.array([1.0, 2.0, 3.0]), np.array([1.0, 2.0, 1.0]), np.array([0.25, 0.5, 1]))
        array([1., 2., 3.])
    """
    ranked, shares = cumulative(values, weights)
    reached = np.maximum.accumulate(shares)
    first = np.searchsorted(reached, np.asarray(at) - ROUNDING)
    return ranked[np.minimum(first, len(ranked) - 1)]


def binned(bins: np.ndarray, n_bins: int, weights: np.ndarray) -> np.ndarray:
    """Sum weights by bin.

    Args:
        bins: The bin of each event, shape ``(n,)``, integers; what is not from 0 to ``n_bins - 1``
            is in none.
        n_bins: Number of bins.
        weights: Shape ``(n,)`` or ``(R, n)``.

    Returns:
        Shape ``(n_bins,)`` or ``(R, n_bins)``.

    Example:
        >>> import numpy as np
        >>> from lumin_plugin_plots.weighted import binned
        >>> binned(np.array([0, 1, 1, -1]), 2, np.array([1.0, 2.0, -0.5, 9.0]))
        array([1. , 1.5])
    """
    rows = np.atleast_2d(weights)
    inside = np.where((bins >= 0) & (bins < n_bins), bins, n_bins)
    place = inside + np.arange(len(rows))[:, None] * (n_bins + 1)
    sums = np.bincount(place.ravel(), rows.ravel(), minlength=len(rows) * (n_bins + 1))
    return sums.reshape(*weights.shape[:-1], n_bins + 1)[..., :n_bins]


def effective(sums: np.ndarray, squares: np.ndarray) -> np.ndarray:
    r"""Return effective numbers of events, :math:`(\sum w)^2 / \sum w^2`; 0 where there are none.

    Example:
        >>> import numpy as np
        >>> from lumin_plugin_plots.weighted import effective
        >>> effective(np.array([2.0, 0.0]), np.array([4.0, 0.0]))
        array([1., 0.])
    """
    counts: np.ndarray = np.square(sums) / np.where(squares > 0, squares, 1.0)
    return counts
