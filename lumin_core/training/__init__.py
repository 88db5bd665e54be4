"""Training: the loop and its points, callbacks, metrics, the model, prediction."""

from __future__ import annotations

from lumin_core import lazy

_HOMES = {
    "asking": ["Question"],
    "callback": [
        "Callback",
        "CyclicCallback",
        "LossCallback",
        "Offer",
        "PredHandler",
        "best_offer",
        "deciding",
        "monitored",
        "repeats",
        "scheduled",
    ],
    "evaluation": ["Answers", "FoldLoss", "check_targets", "evaluate", "metric_columns", "validated"],
    "exporter": ["Exporter"],
    "fit_params": ["FitParams", "History"],
    "fitting": [
        "Fit",
        "build_callbacks",
        "build_metrics",
        "check_batch_size",
        "check_features",
        "choose_folds",
        "prepare_fit",
    ],
    "hook_plan": ["HookPlan"],
    "hookspecs": ["LuminSpec", "POINTS", "hookimpl"],
    "input_columns": ["InputColumns"],
    "inputs": ["InputReader"],
    "interrupt": ["stop_fits"],
    "live_view": ["EpochRow", "LiveView"],
    "loop": ["fit_steps", "run_fit"],
    "metric": ["Direction", "EvalMetric", "is_better", "usual_metrics", "value_of"],
    "model": ["Model"],
    "network": ["Network", "PredCallback"],
    "passes": ["backward", "forward", "step"],
    "preparation": ["output_steps"],
    "prediction": ["predictions"],
    "progress": ["OutputArea", "announce", "line_width", "outlet", "progress_bar", "say"],
    "rewritten": ["Rewritten"],
}
__getattr__, __dir__, __all__ = lazy.attach(__name__, _HOMES)
