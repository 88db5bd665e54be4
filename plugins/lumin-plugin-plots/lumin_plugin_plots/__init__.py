"""Figures with their numbers, live views and reports of runs."""

from __future__ import annotations

from lumin_core import lazy

_HOMES: dict[str, list[str]] = {
    "numbers": ["Numbers"],
    "plot": ["Plot", "redraw"],
    "roc": ["plot_roc"],
    "settings": ["PlotSettings"],
    "significance": ["plot_significance"],
    "point_table": ["WorkingPoints", "working_points"],
}
__getattr__, __dir__, __all__ = lazy.attach(__name__, _HOMES)
