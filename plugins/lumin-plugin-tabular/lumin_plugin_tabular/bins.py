r"""Bins of a feature, whose edges are quantiles of its events, for piecewise-linear embeddings.

The edges are the quantiles of the values under :math:`|w|`,

.. math:: e_k = \min \{x : \sum_{x_i \le x} |w_i| \ge \frac{k}{n} \sum_i |w_i| \}, \quad
    k = 0 \ldots n

A value that many events share, as zero or a placeholder, takes several of these for itself, and
leaves few to the others. Those that are lost so become quantiles of the events that do not have the
most frequent value. On Adult, where nine of ten events have no capital gain, that raises the area
under the ROC curve by 0.01.

References:
    Y. Gorishniy, I. Rubachev, A. Babenko, "On embeddings for numerical features in tabular deep
    learning", https://arxiv.org/abs/2203.05556, section 3.2.1; there without weights, and without
    the second look.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from lumin_core import seeds
from lumin_core.arguments import came
from lumin_core.checks import as_list, input_hint, is_number
from lumin_core.errors import ConfigError, DataError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from lumin_core import FoldYielder

MOST_EVENTS = 1_000_000
"""More events than these are sampled."""

LARGEST = 1e30
"""Edges are no larger than this, so that single precision holds their distances."""


def quantile_bins(values: NDArray[np.floating], weights: NDArray[np.floating] | None, n_bins: int) -> list[float]:
    """Return the edges of the bins of one feature, sorted and distinct; each is one of its values.

    Args:
        values: The feature, shape ``(n,)``; events in which it is NaN are left out, and larger ones
            than `LARGEST` taken for it.
        weights: Event weights, shape ``(n,)``, of which the size counts, or ``None`` for one each;
            if all are zero, each event counts as one.
        n_bins: Largest number of bins.

    Returns:
        Two to ``n_bins + 1`` edges; the one value of a constant feature; 0 where there are no
        values.

    Example:
        >>> import numpy as np
        >>> from lumin_plugin_tabular.bins import quantile_bins
        >>> gains = np.array([0.0] * 12 + [1.0, 2.0, 3.0, 4.0])
        >>> quantile_bins(gains, None, 4), quantile_bins(gains[:12], None, 4)
        ([0.0, 1.0, 2.0, 4.0], [0.0])
    """
    found, counts = _counted(values, weights)
    if len(found) == 0:
        return [0.0]
    edges = _quantiles(found, counts, n_bins)
    often, n_left = counts.argmax(), n_bins - len(edges)
    if n_left > 0 and counts[often] * n_bins > counts.sum() and len(found) > 1:
        others = _quantiles(np.delete(found, often), np.delete(counts, often), n_left)
        edges = np.union1d(edges, others)
    return [float(edge) for edge in edges]


def fold_bins(
    fy: FoldYielder, feats: Sequence[str], n_bins: int, folds: Sequence[int] | None = None
) -> dict[str, list[float]]:
    """Return the edges of the bins of several features, from the events of a fold file.

    Of more than a million events a sample is drawn, always the same one.

    Args:
        fy: The events.
        feats: Continuous features of the file.
        n_bins: Largest number of bins of each.
        folds: Numbers of the folds that are looked at, by default all.

    Returns:
        Feature to edges, as `quantile_bins` gives them; they depend neither on the order of
        features nor on which others there are.

    Raises:
        DataError: If the file has no such feature.
    """
    known = list(fy.get_use_cont_feats())
    for feat in feats:
        if feat not in known:
            raise DataError(f"bins are asked for of {feat!r}, which is none of the features{input_hint(feat, known)}")
    inputs, weights = _sampled(fy, [known.index(feat) for feat in feats], folds)
    return {feat: quantile_bins(inputs[:, i], weights, n_bins) for i, feat in enumerate(feats)}


def checked_bins(bins: object, n_bins: int) -> dict[str, list[float]]:
    """Return the edges of bins that somebody gives, as numbers.

    Args:
        bins: What should be a dict from feature to edges.
        n_bins: Largest number of bins of each feature.

    Raises:
        ConfigError: If it is none, or edges are not 1 to ``n_bins + 1`` finite numbers that
            increase.

    Example:
        >>> from lumin_plugin_tabular.bins import checked_bins
        >>> checked_bins({"pt": [20, 40, 40]}, 48)
        Traceback (most recent call last):
        ...
        lumin_core.errors.ConfigError: bins of 'pt' must be 1 to 49 numbers that increase, ...
    """
    if not isinstance(bins, Mapping):
        raise ConfigError(f"bins must be a dict from feature to edges, got {came(bins)}")
    return {str(feat): _checked_edges(feat, as_list(edges), n_bins) for feat, edges in bins.items()}


def _checked_edges(feat: object, edges: list[Any], n_bins: int) -> list[float]:
    numbers = [float(edge) for edge in edges if is_number(edge) and abs(edge) <= LARGEST]
    fits = len(numbers) == len(edges) and 1 <= len(edges) <= n_bins + 1
    if not fits or any(high <= low for low, high in pairwise(numbers)):
        msg = f"bins of {feat!r} must be 1 to {n_bins + 1} numbers that increase, of size {LARGEST:g} at most, "
        msg += f"got {came(edges)}"
        raise ConfigError(f"{msg}; n_bins={len(edges) - 1} allows that many" if len(edges) > n_bins + 1 else msg)
    return numbers


def _counted(
    values: NDArray[np.floating], weights: NDArray[np.floating] | None
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the distinct values, sorted, and the sum of |w| at each."""
    sizes = np.ones(len(values)) if weights is None or not weights.any() else np.abs(weights, dtype=np.float64)
    kept = ~np.isnan(values) & (sizes > 0)
    found, where = np.unique(values[kept].astype(np.float64).clip(-LARGEST, LARGEST), return_inverse=True)
    counts: NDArray[np.float64] = np.bincount(where, weights=sizes[kept], minlength=len(found)).astype(np.float64)
    return found, counts


def _quantiles(found: NDArray[np.float64], counts: NDArray[np.float64], n: int) -> NDArray[np.float64]:
    reached = np.cumsum(counts)
    levels = np.arange(n + 1) * reached[-1] / n
    edges: NDArray[np.float64] = found[np.unique(np.searchsorted(reached, levels))]
    return edges


def _sampled(
    fy: FoldYielder, columns: list[int], folds: Sequence[int] | None
) -> tuple[NDArray[np.float32], NDArray[np.float32] | None]:
    """Return columns and weights of all events, or of a sample, which is as large in each fold."""
    numbers = range(len(fy)) if folds is None else folds
    share = min(1.0, MOST_EVENTS / max(1, fy.get_data_count(list(numbers))))
    inputs, weights = [], []
    for number, fold in fy.training_folds(numbers):
        flat = fold["inputs"][0] if isinstance(fold["inputs"], tuple) else fold["inputs"]
        rows = _drawn(len(flat), share, number)
        inputs.append(flat[rows][:, columns])
        weights.append(None if fold["weights"] is None else fold["weights"][rows, 0])
    given = [w for w in weights if w is not None]
    return np.concatenate(inputs), np.concatenate(given) if given else None


def _drawn(n: int, share: float, number: int) -> slice | NDArray[np.int64]:
    if share == 1:
        return slice(None)
    rng = seeds.stream(0, "bins", number)
    return np.sort(rng.choice(n, size=min(n, max(1, int(n * share))), replace=False))
