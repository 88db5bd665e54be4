r"""Bins of a column, and sums of weights in them.

With :math:`W = \sum w` of the events of a bin and :math:`P` that of those that pass, the efficiency
and the square of its error are

.. math:: \epsilon = \frac{P}{W}, \qquad
    \sigma^2 =
    \frac{(1 - \epsilon)^2 \sum_\mathrm{pass} w^2 + \epsilon^2 \sum_\mathrm{fail} w^2}{W^2}

which for weights of one is the binomial :math:`\epsilon (1 - \epsilon) / n`, and is not negative
whatever the signs of the weights. Where :math:`W` is not positive there is no efficiency: NaN.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs
import numpy as np

from lumin_core.checks import positive
from lumin_core.errors import DataError
from lumin_plugin_plots import weighted
from lumin_plugin_plots.bands import N_REPLICAS, multiplicities
from lumin_plugin_plots.bin_edges import edges_of

if TYPE_CHECKING:
    from lumin_plugin_plots.bin_edges import Bins


@attrs.frozen(eq=False)
class Binned:
    """Which bin each event is in.

    Attributes:
        edges: Of the bins, ascending, shape ``(n_bins + 1,)``.
        index: The bin of each event, from 0, shape ``(n,)``; -1 for those in none.
        below: Events below the first edge.
        above: Events above the last edge.
        missing: Events whose value is NaN.
    """

    edges: np.ndarray
    index: np.ndarray
    below: int
    above: int
    missing: int

    @property
    def n_bins(self) -> int:
        """Number of bins."""
        return len(self.edges) - 1

    def sums(self, weights: np.ndarray) -> np.ndarray:
        """Sum something over the events of each bin.

        Args:
            weights: Per event, shape ``(n,)`` or ``(R, n)``.

        Returns:
            The sums, shape ``(n_bins,)`` or ``(R, n_bins)``.
        """
        return weighted.binned(self.index, self.n_bins, weights)

    def outside(self) -> dict[str, int]:
        """Return how many events are in none of the bins, by why; empty where all are in one."""
        counts = {"below": self.below, "above": self.above, "missing": self.missing}
        return {name: n for name, n in counts.items() if n}


def into_bins(values: np.ndarray, bins: Bins) -> Binned:
    """Put events into bins; the last bin has its upper edge, as numpy's histograms do.

    Args:
        values: Per event, shape ``(n,)``; NaN is in no bin.
        bins: As `edges_of` takes them.

    Raises:
        ConfigError: If these are no bins.
        DataError: If all values are missing.

    Example:
        >>> import numpy as np
        >>> from lumin_plugin_plots.binning import into_bins
        >>> bins = into_bins(np.array([0.5, 1.5, 2.0, 7.0]), [0, 1, 2])
        >>> bins.index.tolist(), bins.sums(np.ones(4)).tolist(), bins.outside()
        ([0, 1, 1, -1], [1.0, 2.0], {'above': 1})
    """
    edges = edges_of(values, bins)
    index = np.searchsorted(edges, values, side="right") - 1
    index[values == edges[-1]] = len(edges) - 2
    missing = np.isnan(values)
    below, above = values < edges[0], values > edges[-1]
    index[missing | below | above] = -1
    return Binned(edges, index, int(below.sum()), int(above.sum()), int(missing.sum()))


def equal_bins(values: np.ndarray, weights: np.ndarray, n_bins: int) -> Binned:
    """Put events into bins of about equal sum of absolute weights.

    Events of equal values share a bin, so that there may be fewer bins than asked for.

    Args:
        values: Per event, finite, shape ``(n,)``.
        weights: Of either sign, shape ``(n,)``.
        n_bins: Number of bins.

    Raises:
        ConfigError: If the number is none.
        DataError: If all weights are zero.

    Example:
        >>> import numpy as np
        >>> from lumin_plugin_plots.binning import equal_bins
        >>> equal_bins(np.array([0.1, 0.2, 0.6, 0.7]), np.array([1, -1, 1, 1]), 2).edges.round(3)
        array([0.1, 0.4, 0.7])
    """
    n_bins = positive(n_bins, "bins, the number of bins of equal weight,")
    distinct, inverse = np.unique(values, return_inverse=True)
    sizes = np.bincount(inverse, np.abs(weights), len(distinct))
    if not sizes.sum():
        raise DataError("the weights of all events are zero: there is nothing to show")
    reached = np.cumsum(sizes) / sizes.sum()
    last = np.unique(np.searchsorted(reached, np.arange(1, n_bins) / n_bins - 1e-12))
    last = last[last < len(distinct) - 1]
    inner = (distinct[last] + distinct[last + 1]) / 2
    edges = np.concatenate([distinct[:1], inner, distinct[-1:]])
    if len(distinct) == 1:
        edges[-1] = np.nextafter(edges[0], np.inf)
    return into_bins(values, edges)


def efficiency(
    passed: np.ndarray, total: np.ndarray, passed2: np.ndarray, total2: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Compute efficiencies and their errors; see the module.

    Args:
        passed: Sums of w of the events that pass, any shape.
        total: Sums of w of all events, likewise.
        passed2: Sums of w² of the events that pass, likewise.
        total2: Sums of w² of all events, likewise.

    Returns:
        Efficiencies and errors, likewise; NaN where there is no positive sum.

    Example:
        >>> import numpy as np
        >>> from lumin_plugin_plots.binning import efficiency
        >>> passed, total = np.array([1.0]), np.array([4.0])
        >>> [values.round(4).tolist() for values in efficiency(passed, total, passed, total)]
        [[0.25], [0.2165]]
    """
    passing = weighted.share(passed, total)
    failed2 = np.maximum(total2 - passed2, 0.0)
    spread = np.sqrt((1 - passing) ** 2 * passed2 + passing**2 * failed2)
    return passing, weighted.share(spread, total)


def share_in_replicas(
    bins: Binned, chosen: np.ndarray, weights: np.ndarray, *, seed: int, n_replicas: int = N_REPLICAS
) -> np.ndarray:
    """Compute the share of weights that some events have in each bin, in replicas of the sample.

    Where all events of a bin are chosen, or none, all replicas would agree, and claim that there is
    no uncertainty: so half an event of mean weight, in each replica a Gamma-distributed number of
    this mean, is added to either side, as Jeffreys' prior does.

    Args:
        bins: In which bin each event is.
        chosen: Which events count, shape ``(n,)``.
        weights: Of either sign, shape ``(n,)``.
        seed: Of the replicas.
        n_replicas: Number of replicas.

    Returns:
        Shape ``(n_replicas, n_bins)``; NaN where there is no positive sum.

    Example:
        >>> import numpy as np
        >>> from lumin_plugin_plots.binning import into_bins, share_in_replicas
        >>> bins = into_bins(np.full(400, 0.5), [0, 1])
        >>> share = share_in_replicas(bins, np.arange(400) < 100, np.ones(400), seed=1)
        >>> share.shape, round(float(share.mean()), 2), round(float(share.std()), 2)
        ((200, 1), 0.25, 0.02)

    References:
        L. Brown, T. Cai, A. DasGupta, Interval estimation for a binomial proportion, Statist. Sci.
        16 (2001) 101, https://doi.org/10.1214/ss/1009213286 (Jeffreys' interval)
    """
    inside = np.flatnonzero((bins.index >= 0) & (weights != 0))
    cells, w = 2 * bins.index[inside] + chosen[inside], weights[inside]
    draws = multiplicities(len(w), n_replicas, seed=seed)
    sums = np.concatenate([weighted.binned(cells, 2 * bins.n_bins, times * w) for times in draws])
    others, of_chosen = np.moveaxis(sums.reshape(n_replicas, -1, 2), 2, 0)
    halves = np.random.default_rng([seed, 1]).gamma(0.5, size=(2, *others.shape)) * unit_weight(bins, weights)
    total = of_chosen + others
    return weighted.share(of_chosen + halves[0], np.where(total > 0, total + halves.sum(axis=0), 0.0))


def unit_weight(bins: Binned, weights: np.ndarray) -> np.ndarray:
    r"""Return what an effective event of each bin weighs, :math:`\sum w^2 / \sum w`.

    Args:
        bins: In which bin each event is.
        weights: Of either sign, shape ``(n,)``.

    Returns:
        Shape ``(n_bins,)``; zero where there is no positive sum.
    """
    totals = bins.sums(weights)
    units: np.ndarray = np.where(totals > 0, weighted.share(bins.sums(weights**2), totals), 0.0)
    return units
