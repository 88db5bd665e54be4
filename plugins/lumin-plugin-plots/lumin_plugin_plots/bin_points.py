"""Points with errors and bands, one per bin of a column."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lumin_core.display import count
from lumin_plugin_plots import axes as shared

if TYPE_CHECKING:
    from collections.abc import Mapping

    from matplotlib.axes import Axes

    from lumin_plugin_plots.settings import PlotSettings

    Columns = Mapping[str, np.ndarray]


def draw_points(
    panel: Axes, curve: Columns, name: str, settings: PlotSettings, number: int, label: str | None = None
) -> set[str]:
    """Draw a column of a curve that has a row per bin, with its error bars and bands.

    Args:
        panel: Where to.
        curve: With ``low`` and ``high``, the edges of each bin, the column, where there are some
            its errors, ``<name>_error``, and bands, ``<name>_sample_low`` and so on.
        name: The column; what is not finite is not drawn.
        settings: How it looks.
        number: Of the curve, which gives colour and marker.
        label: For the legend.

    Returns:
        The bands that there are, for the legend.
    """
    low, high, values = curve["low"], curve["high"], np.asarray(curve[name], float)
    errors = np.asarray(curve.get(f"{name}_error", np.zeros_like(values)), float)
    shown = np.isfinite(values) & np.isfinite(errors)
    middle, half = (low + high) / 2, (high - low) / 2
    panel.errorbar(
        middle[shown],
        values[shown],
        xerr=half[shown],
        yerr=errors[shown] if f"{name}_error" in curve else None,
        label=label,
        elinewidth=1.1,
        **shared.points(settings, number),
    )
    edges = np.stack([low, high], axis=1).ravel()
    bands = {key: np.where(shown, column, np.nan) for key, column in curve.items() if key.startswith(f"{name}_")}
    steps = {key: np.repeat(column, 2) for key, column in bands.items()}
    return set(shared.draw_bands(panel, edges, steps, settings, number, f"{name}_"))


def outside_note(outside: Mapping[str, int], column: str) -> list[str]:
    """Say how many events are in none of the bins.

    Args:
        outside: Numbers by why, as `Binned.outside` has them.
        column: What is binned, as it is written.

    Example:
        >>> from lumin_plugin_plots.bin_points import outside_note
        >>> outside_note({"below": 2, "missing": 1}, "mass"), outside_note({}, "mass")
        (['Not shown by mass: 2 events below, 1 event missing'], [])
    """
    parts = [f"{count(n, 'event')} {why}" for why, n in outside.items()]
    return [f"Not shown by {column}: {', '.join(parts)}"] if parts else []


def empty_note(empty: Mapping[str, int], why: str = "without a positive sum of weights") -> list[str]:
    """Say how many bins nothing is shown in.

    Args:
        empty: Numbers by curve.
        why: For what reason.

    Example:
        >>> from lumin_plugin_plots.bin_points import empty_note
        >>> empty_note({"BDT": 0, "network": 2})
        ['Empty, without a positive sum of weights: 2 bins of network']
    """
    parts = [f"{count(n, 'bin')} of {label}" for label, n in empty.items() if n]
    return [f"Empty, {why}: {', '.join(parts)}"] if parts else []
