"""Uncertainty bands of curves: of the sample, and of the models.

**sample**: what another sample of events would give. Each replica draws for every event, with its
weight of either sign, how often it came: a Poisson number of mean 1. The quantity is computed anew
of these, with all its bins and cuts; 68 % and 95 % of the replicas lie within the bands.

**models**: the mean of several models, such as one per seed, and their standard deviation.

References:
    B. Efron, Bootstrap methods: another look at the jackknife, Ann. Statist. 7 (1979) 1

    J. Hanley and B. MacGibbon, Creating non-parametric bootstrap samples using Poisson frequencies,
    Comput. Methods Programs Biomed. 83 (2006) 57, https://doi.org/10.1016/j.cmpb.2006.04.006
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

N_REPLICAS = 200
_BLOCK = 2**16  # multiplicities at a time, which fit into a processor's cache
_SHARES = np.cumsum([math.exp(-1) / math.factorial(k) for k in range(12)])  # of Poisson numbers up to k
_THRESHOLDS = np.floor(2**32 * _SHARES).astype(np.uint32)
_LEVELS = {"": 0.68, "95": 0.95}


def multiplicities(n_events: int, n_replicas: int = N_REPLICAS, *, seed: int = 0) -> Iterator[np.ndarray]:
    """Draw how often each event came, in each replica: independent Poisson numbers of mean 1.

    Args:
        n_events: Number of events.
        n_replicas: Number of replicas.
        seed: The seed.

    Yields:
        Blocks of replicas, shape ``(R, n_events)``, one after the other.

    Example:
        >>> from lumin_plugin_plots.bands import multiplicities
        >>> next(multiplicities(4, 2, seed=1)).shape
        (2, 4)
    """
    rng = np.random.default_rng(seed)
    rows = max(1, _BLOCK // max(n_events, 1))
    for first in range(0, n_replicas, rows):
        uniform = rng.integers(2**32, size=(min(rows, n_replicas - first), n_events), dtype=np.uint32)
        times = np.zeros(uniform.shape, np.uint8)
        for threshold in _THRESHOLDS:  # faster than numpy's Poisson numbers by a factor of ten
            times += uniform >= threshold
        yield times


def replicas(
    statistic: Callable[[np.ndarray], np.ndarray], weights: np.ndarray, n_replicas: int = N_REPLICAS, *, seed: int = 0
) -> np.ndarray:
    """Compute what the replicas of a sample give.

    Args:
        statistic: Called with the weights of several replicas, shape ``(R, n)``; gives ``(R, *)``.
        weights: Event weights of either sign, shape ``(n,)``.
        n_replicas: Number of replicas.
        seed: The seed.

    Returns:
        Shape ``(n_replicas, *)``.

    Example:
        >>> import numpy as np
        >>> from lumin_plugin_plots.bands import replicas
        >>> sums = replicas(lambda w: w.sum(axis=1), np.ones(100), seed=1)
        >>> sums.shape, round(float(sums.std()))
        ((200,), 10)
    """
    return np.concatenate([statistic(times * weights) for times in multiplicities(len(weights), n_replicas, seed=seed)])


def sample_band(values: np.ndarray) -> dict[str, np.ndarray]:
    """Return the bands of 68 % and 95 % of what the replicas gave.

    Args:
        values: Of the replicas, shape ``(n_replicas, *)``. Infinite ones count as the largest;
            where more than one in twenty is missing (NaN) there is no band.

    Returns:
        Columns of a curve: ``sample_low``, ``sample_high``, ``sample_low95``, ``sample_high95``,
        each of shape ``(*)``; NaN where there is no band, infinite where it is not bounded.

    Example:
        >>> import numpy as np
        >>> from lumin_plugin_plots.bands import sample_band
        >>> band = sample_band(np.arange(1, 200.0))
        >>> [round(float(band[key]), 1) for key in ("sample_low", "sample_high", "sample_high95")]
        [32.0, 168.0, 195.0]
    """
    missing = np.isnan(values)
    has_band = missing.mean(axis=0) <= 0.05
    ranked = np.sort(np.where(missing, np.inf, values), axis=0)
    counts = (~missing).sum(axis=0)
    band = {}
    for name, level in _LEVELS.items():
        for side, at in (("low", (1 - level) / 2), ("high", (1 + level) / 2)):
            band[f"sample_{side}{name}"] = np.where(has_band, _ranked_at(ranked, counts, at), np.nan)
    return band


def models_band(values: np.ndarray) -> dict[str, np.ndarray]:
    """Return the band of several models: their mean, less and plus their standard deviation.

    Args:
        values: Of the models, shape ``(M, *)``, at least two.

    Returns:
        Columns of a curve: ``models_low`` and ``models_high``, each of shape ``(*)``; NaN where
        the value of a model is not finite.

    Example:
        >>> import numpy as np
        >>> from lumin_plugin_plots.bands import models_band
        >>> models_band(np.array([[1.0], [3.0], [2.0]]))
        {'models_low': array([1.]), 'models_high': array([3.])}
    """
    finite = np.where(np.isfinite(values).all(axis=0), values, np.nan)
    mean, spread = finite.mean(axis=0), finite.std(axis=0, ddof=1)
    return {"models_low": mean - spread, "models_high": mean + spread}


def _ranked_at(ranked: np.ndarray, counts: np.ndarray, at: float) -> np.ndarray:
    """Return the quantile whose rank of (n + 1) is ``at``.

    With this rank another value lies below it with just this probability, however few there are.
    """
    position = np.clip(at * (counts + 1) - 1, 0, np.maximum(counts - 1, 0))
    below = np.floor(position).astype(int)
    above = np.minimum(below + 1, len(ranked) - 1)
    low, high = (np.take_along_axis(ranked, row[None], axis=0)[0] for row in (below, above))
    part, bounded = position - below, np.isfinite(low) & np.isfinite(high)
    start, end = np.where(bounded, low, 0.0), np.where(bounded, high, 0.0)
    return np.asarray(np.where(bounded, start + part * (end - start), np.where(part > 0, high, low)))
