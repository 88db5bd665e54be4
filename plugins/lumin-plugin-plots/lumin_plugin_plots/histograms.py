"""Histograms of weighted events: their bins, sums of w and of w², and what they do not show."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import hist
import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    Histogram = hist.Hist[Any]


def filled(edges: np.ndarray, values: np.ndarray, weights: np.ndarray, label: str = "") -> Histogram:
    """Fill a histogram; the last bin holds its upper edge too. What is missing is left out.

    Args:
        edges: Of the bins, rising, shape ``(n_bins + 1,)``.
        values: Shape ``(n,)``; NaN is missing.
        weights: Of either sign, shape ``(n,)``.
        label: Of the axis.

    Example:
        >>> import numpy as np
        >>> from lumin_plugin_plots.histograms import filled
        >>> histogram = filled(np.array([0.0, 0.5, 1.0]), np.array([0.2, 0.7, 1.0]), np.array([1.0, 2.0, -1.0]))
        >>> histogram.values(), histogram.variances()
        (array([1., 1.]), array([1., 5.]))
    """
    histogram = hist.Hist(hist.axis.Variable(edges, label=label), storage=hist.storage.Weight())
    known = ~np.isnan(values)
    inside = np.where(values == edges[-1], np.nextafter(edges[-1], edges[0]), values)
    histogram.fill(inside[known], weight=weights[known])
    return histogram


def added(histograms: Sequence[Histogram]) -> Histogram:
    """Add histograms of one axis.

    Args:
        histograms: At least one.
    """
    total = histograms[0].copy()
    for each in histograms[1:]:
        total = total + each
    return total


def scaled(histogram: Histogram) -> Histogram:
    """Return the density of a histogram: per unit of the axis, of integral one with what is beyond.

    Args:
        histogram: Its sum, under- and overflow included, is positive.
    """
    total = float(histogram.values(flow=True).sum())
    view = histogram.copy()
    widths = np.concatenate(([1.0], np.diff(histogram.axes[0].edges), [1.0]))
    content = view.view(flow=True)
    content.value = content.value / (total * widths)
    content.variance = content.variance / np.square(total * widths)
    return view


def without_empty(histogram: Histogram, instead: float = np.nan) -> Histogram:
    """Return a copy whose bins without a positive sum hold something else, which is not drawn.

    Args:
        histogram: Is not changed.
        instead: What they hold.
    """
    shown = histogram.copy()
    content = shown.view(flow=False)
    is_empty = ~(content.value > 0)
    content.value[is_empty] = instead
    content.variance[is_empty] = instead
    return shown


def not_shown(histograms: Mapping[str, Histogram]) -> dict[str, Any]:
    """Count what histograms do not show.

    Args:
        histograms: By label.

    Returns:
        ``"below"`` and ``"above"``, the sums of weights beyond the axis, and ``"not_positive"``,
        the number of bins that hold events and yet have no positive sum; each by label, where there
        are any.
    """
    found: dict[str, dict[str, float]] = {"below": {}, "above": {}, "not_positive": {}}
    for label, histogram in histograms.items():
        content = histogram.view(flow=True)
        found["below"][label] = float(content.value[0]) if content.variance[0] else 0.0
        found["above"][label] = float(content.value[-1]) if content.variance[-1] else 0.0
        inside = histogram.view(flow=False)
        found["not_positive"][label] = int(((inside.variance > 0) & ~(inside.value > 0)).sum())
    return {
        what: kept for what, of in found.items() if (kept := {label: value for label, value in of.items() if value})
    }
