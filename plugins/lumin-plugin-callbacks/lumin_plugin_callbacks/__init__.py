"""Callbacks of lumin-core.

Monitors, schedules, averages, initialisation, and what acts on data and gradients.

Example:
    >>> from lumin_plugin_callbacks import EarlyStopping
    >>> EarlyStopping(patience=5).patience
    5
"""

from __future__ import annotations

from lumin_core import lazy

_HOMES = {
    "balance": ["BalanceClasses"],
    "bootstrap": ["BootstrapResample"],
    "cycle": ["CycleLR", "CycleMom"],
    "cycle_step": ["CycleStep"],
    "early_stopping": ["EarlyStopping"],
    "ema": ["EMA"],
    "epoch_saver": ["EpochSaver"],
    "grad_clip": ["GradClip"],
    "label_smooth": ["BinaryLabelSmooth"],
    "lr_finder": ["LRFindResult", "LRFinder", "lr_find"],
    "lsuv": ["LsuvInit"],
    "metric_logger": ["MetricLogger"],
    "one_cycle": ["OneCycle"],
    "parametrised": ["ParametrisedPrediction"],
    "pivot": ["PivotTraining"],
    "save_best": ["SaveBest"],
    "swa": ["SWA"],
    "targets": ["TargReplace"],
    "weights": ["AbsWeightData", "WeightData"],
}
__getattr__, __dir__, __all__ = lazy.attach(__name__, _HOMES)
