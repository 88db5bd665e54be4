"""Runs: many trainings of one builder on one fold file, their results, and ensembles of them.

A run is `train_models`, or its three verbs `plan_run`, `train_one` and `collect`. Where its models
are trained side by side is an `Executor`: what the author of one needs is here too.
"""

from __future__ import annotations

from lumin_core import lazy

_HOMES = {
    "ensemble": ["Ensemble"],
    "executor": ["Executor", "Job", "Report"],
    "fold_scores": ["score_folds"],
    "folder": ["RunFolder"],
    "greeting": ["Greeting", "available_cores", "introduce"],
    "members": ["WEIGHTINGS"],
    "plan": ["RunPlan"],
    "planning": ["plan_run", "split_folds"],
    "preset": ["Preset", "preset_arguments", "preset_keys", "with_preset"],
    "report_section": ["Figure", "Part", "ReportSection", "Table", "Text"],
    "result": ["result_from_json"],
    "results": ["Results"],
    "run_view": ["Run", "held_back_file"],
    "scored": ["BESIDE", "Scored"],
    "scoring": ["opened_for", "score_files"],
    "standing": ["holds_run", "refuse_earlier_run"],
    "submitting": ["Submitting"],
    "train": ["collect", "train_models", "train_one"],
}
__getattr__, __dir__, __all__ = lazy.attach(__name__, _HOMES)
