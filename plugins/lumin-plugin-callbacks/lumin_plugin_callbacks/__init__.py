"""Callbacks of lumin-core: monitors, schedules, averages, initialisation, and what acts on data and gradients.

Example:
    >>> from lumin_plugin_callbacks import EarlyStopping
    >>> EarlyStopping(patience=5).patience
    5
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

_PUBLIC = {
    "AbsWeightData": "weights",
    "BinaryLabelSmooth": "label_smooth",
    "BootstrapResample": "bootstrap",
    "CycleLR": "cycle",
    "CycleMom": "cycle",
    "CycleStep": "cycle_step",
    "EMA": "ema",
    "EarlyStopping": "early_stopping",
    "EpochSaver": "epoch_saver",
    "GradClip": "grad_clip",
    "LRFindResult": "lr_finder",
    "LRFinder": "lr_finder",
    "LsuvInit": "lsuv",
    "MetricLogger": "metric_logger",
    "OneCycle": "one_cycle",
    "ParametrisedPrediction": "parametrised",
    "PivotTraining": "pivot",
    "SWA": "swa",
    "SaveBest": "save_best",
    "TargReplace": "targets",
    "WeightData": "weights",
    "lr_find": "lr_finder",
}
__all__ = list(_PUBLIC)


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_PUBLIC[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_PUBLIC])
