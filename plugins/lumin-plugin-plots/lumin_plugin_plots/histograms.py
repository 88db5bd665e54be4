"""Histograms of weighted events: their bins, sums of w and of w², and what they do not show."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

import hist
import numpy as np

from lumin_core.checks import positive
from lumin_core.errors import ConfigError, DataError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    Histogram = hist.Hist[Any]


Bins: TypeAlias = "int | Sequence[float]"
"""How many bins of one width, or their edges."""

_MOST_WHOLE = 25  # as many different whole numbers have a bin each
_TAIL = 0.005  # on either side, of the events, is beyond the axis


def edges_of(values: np.ndarray, bins: Bins, *, limits: tuple[float, float] | None = None) -> np.ndarray:
    """Choose the edges of bins.

    Args:
        values: All values that are to be shown, NaN for what is missing, shape ``(n,)``.
        bins: The edges, or how many bins of one width there are: from limit to limit, without them
            over the central 99 % of the events. Up to 25 different whole numbers have a bin each.
        limits: Of the axis, such as 0 and 1.

    Returns:
        The edges, rising, shape ``(n_bins + 1,)``.

    Raises:
        ConfigError: If ``bins`` are neither edges that rise nor a positive number.
        DataError: If there are no finite values.

    Example:
        >>> import numpy as np
        >>> from lumin_plugin_plots.histograms import edges_of
        >>> edges_of(np.array([0.0, 1.0, 3.0]), 50)
        array([-0.5,  0.5,  1.5,  2.5,  3.5])
    """
    if np.ndim(bins) > 0:
        return _checked(bins)
    n_bins = positive(bins, "bins, where they are not edges,")
    finite = values[np.isfinite(values)]
    if not len(finite):
        raise DataError("there are no finite values to show; give a column, or a mask, that has some")
    if limits is not None:
        return np.linspace(*limits, n_bins + 1)
    if (whole := _whole_edges(finite)) is not None:
        return whole
    low, high = np.quantile(finite, (_TAIL, 1 - _TAIL))
    if low == high:
        low, high = finite.min(), finite.max()
    if low == high:
        low, high = low - 0.5, high + 0.5
    return np.linspace(low, high, n_bins + 1)


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


def _whole_edges(finite: np.ndarray) -> np.ndarray | None:
    low, high = finite.min(), finite.max()
    if high - low >= _MOST_WHOLE or not np.array_equal(finite, np.round(finite)):
        return None
    return np.arange(low - 0.5, high + 1)


def _checked(bins: Bins) -> np.ndarray:
    edges = np.asarray(bins)
    is_row = edges.ndim == 1 and len(edges) > 1 and edges.dtype.kind in "iuf"
    if not (is_row and np.isfinite(edges).all() and (np.diff(edges) > 0).all()):
        raise ConfigError(f"bins must be their number, or at least two edges that rise, got {bins!r}")
    return edges.astype(np.float64)
