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
        >>> values, weights = np.array([0.2, 0.7, 1.0]), np.array([1.0, 2.0, -1.0])
        >>> histogram = filled(np.array([0.0, 0.5, 1.0]), values, weights)
        >>> histogram.values(), histogram.variances()
        (array([1., 1.]), array([1., 5.]))
    """
    histogram = hist.Hist(hist.axis.Variable(edges, label=label), storage=hist.storage.Weight())
    known = ~np.isnan(values)
    inside = np.where(values == edges[-1], np.nextafter(edges[-1], edges[0]), values)
    histogram.fill(inside[known], weight=weights[known])
    return histogram


def contents(histogram: Histogram, *, flow: bool = False) -> Any:
    """Return the sums of a histogram, ``.value`` of w and ``.variance`` of w², to read or change.

    Args:
        histogram: Of weighted events.
        flow: Whether what is beyond the axis is part of it, first and last.
    """
    return histogram.view(flow=flow)


def added(histograms: Sequence[Histogram]) -> Histogram:
    """Add histograms of one axis.

    Args:
        histograms: At least one.
    """
    total = histograms[0].copy()
    for each in histograms[1:]:
        total = total + each
    return total


def averaged(histograms: Sequence[Histogram]) -> Histogram:
    """Return the mean of histograms of the same events, with the mean of their variances.

    Args:
        histograms: At least one, of one axis.
    """
    mean = added(histograms)
    content = contents(mean, flow=True)
    content.value = content.value / len(histograms)
    content.variance = content.variance / len(histograms)
    return mean


def scaled(histogram: Histogram) -> Histogram:
    """Return the density of a histogram: per unit of the axis, of integral one with what is beyond.

    Args:
        histogram: Where its sum, under- and overflow included, is not positive, all is NaN.
    """
    total = float(histogram.values(flow=True).sum())
    total = total if total > 0 else float("nan")
    view = histogram.copy()
    widths = np.concatenate(([1.0], np.diff(histogram.axes[0].edges), [1.0]))
    content = contents(view, flow=True)
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
    content = contents(shown)
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
        content = contents(histogram, flow=True)
        found["below"][label] = float(content.value[0]) if content.variance[0] else 0.0
        found["above"][label] = float(content.value[-1]) if content.variance[-1] else 0.0
        inside = contents(histogram)
        found["not_positive"][label] = int(((inside.variance > 0) & ~(inside.value > 0)).sum())
    return {
        what: kept for what, of in found.items() if (kept := {label: value for label, value in of.items() if value})
    }


def notes_of(missing: Mapping[str, Mapping[str, float]]) -> list[str]:
    """Say what histograms do not show.

    Args:
        missing: From `not_shown`.

    Example:
        >>> from lumin_plugin_plots.histograms import notes_of
        >>> notes_of({"below": {"signal": 1}, "above": {"signal": 2.5}})
        ['Beyond the axis: signal: 1 below, 2.5 above.']
    """
    beyond: dict[str, list[str]] = {}
    for side in ("below", "above"):
        for label, total in missing.get(side, {}).items():
            beyond.setdefault(label, []).append(f"{total:.4g} {side}")
    notes = []
    if beyond:
        notes.append("Beyond the axis: " + "; ".join(f"{label}: {', '.join(of)}" for label, of in beyond.items()) + ".")
    if empty := missing.get("not_positive"):
        counts = "; ".join(f"{label}: {count:g}" for label, count in empty.items())
        notes.append(f"Bins left empty, without a positive sum: {counts}.")
    return notes


def events_label(edges: np.ndarray, unit: str = "") -> str:
    """Return what is written at an axis of events in bins.

    Args:
        edges: Of the bins.
        unit: That of the column.

    Example:
        >>> import numpy as np
        >>> from lumin_plugin_plots.histograms import events_label
        >>> events_label(np.array([0.0, 20.0, 40.0]), "GeV"), events_label(np.array([0, 1, 5]))
        ('Events / 20 GeV', 'Events / bin')
    """
    widths = np.diff(edges)
    is_equal = np.allclose(widths, widths[0], rtol=1e-6)
    if not is_equal:
        return "Events / bin"
    width = f"{widths[0]:.3g} {unit}".strip()
    return "Events" if width == "1" else f"Events / {width}"


def density_label(unit: str = "") -> str:
    """Return what is written at an axis of densities, per unit of the column."""
    return f"Density [1/{unit}]" if unit else "Density"
