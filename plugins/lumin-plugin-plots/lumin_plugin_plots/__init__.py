"""Figures with their numbers, live views and reports of runs."""

from __future__ import annotations

from lumin_core import lazy

_HOMES: dict[str, list[str]] = {
    "calibration": ["plot_calibration"],
    "confusion": ["plot_confusion"],
    "correlation": ["plot_correlation"],
    "efficiency": ["plot_efficiency"],
    "embedding": ["plot_embedding"],
    "event_display": ["plot_event"],
    "feature": ["plot_feat", "plot_samples"],
    "learning_curves": ["plot_learning_curves"],
    "live_curves": ["LiveCurves"],
    "lr_finders": ["plot_lr_finders"],
    "numbers": ["Numbers"],
    "plot": ["Plot", "redraw"],
    "point_table": ["WorkingPoints", "working_points"],
    "response": ["plot_response"],
    "roc": ["plot_roc"],
    "run_comparison": ["write_comparison"],
    "run_report": ["write_report"],
    "schedule": ["plot_schedule"],
    "score": ["plot_score"],
    "sculpting": ["plot_sculpting"],
    "settings": ["PlotSettings"],
    "significance": ["plot_significance"],
    "train_test": ["plot_train_test"],
}
__getattr__, __dir__, __all__ = lazy.attach(__name__, _HOMES)
