"""Figures with their numbers, live views and reports of runs."""

from __future__ import annotations

from lumin_core import lazy

_HOMES: dict[str, list[str]] = {
    "correlation": ["plot_correlation"],
    "feature": ["plot_feat", "plot_samples"],
    "numbers": ["Numbers"],
    "plot": ["Plot", "redraw"],
    "score": ["plot_score"],
    "sculpting": ["plot_sculpting"],
    "settings": ["PlotSettings"],
    "train_test": ["plot_train_test"],
}
__getattr__, __dir__, __all__ = lazy.attach(__name__, _HOMES)
