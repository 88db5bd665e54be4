"""Figures with their numbers, live views and reports of runs."""

from __future__ import annotations

from lumin_core import lazy

_HOMES: dict[str, list[str]] = {
    "calibration": ["plot_calibration"],
    "confusion": ["plot_confusion"],
    "efficiency": ["plot_efficiency"],
    "embedding": ["plot_embedding"],
    "event_display": ["plot_event"],
    "learning_curves": ["plot_learning_curves"],
    "lr_finders": ["plot_lr_finders"],
    "numbers": ["Numbers"],
    "plot": ["Plot", "redraw"],
    "response": ["plot_response"],
    "schedule": ["plot_schedule"],
    "settings": ["PlotSettings"],
}
__getattr__, __dir__, __all__ = lazy.attach(__name__, _HOMES)
