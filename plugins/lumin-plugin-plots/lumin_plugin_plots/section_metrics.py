r"""The section of a report on metrics, with uncertainties.

Over models it is the mean of the values on the validation folds, and its standard error
:math:`s / \sqrt{n}`; on events that are new to the models, the value of their mean prediction, and
the standard deviation over bootstraps of the events.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lumin_core.checks import as_list
from lumin_core.errors import LuminError
from lumin_core.runs import BESIDE, ReportSection, Table, Text
from lumin_core.statistics import bootstrap, mean_as_text, value_as_text
from lumin_core.training import EvalMetric, build_metrics, usual_metrics

if TYPE_CHECKING:
    import pandas as pd

    from lumin_core.runs import Part, Run, Scored

N_BOOTSTRAPS = 50
TREE = "boosted tree"
"""What the predictions are called that `lumin_core.runs.BESIDE` names."""

_SEED = 0
_ARROWS = {"lower": "lower is better", "higher": "higher is better", "zero": "closer to zero is better"}


class Metrics(ReportSection):
    """Shows loss and metrics with their uncertainties: over models, and on new events.

    Example:
        >>> from lumin_plugin_plots.section_metrics import Metrics
        >>> Metrics.order
        30
    """

    title = "Metrics"
    order = 30

    def build(self, run: Run) -> list[Part]:
        """Return a table of models, and one of new events."""
        parts = [over_models(run)] if run.results and len(run.results.failures()) < len(run.results) else []
        return [*parts, _on_new_events(run)] if parts else []


def over_models(run: Run) -> Table:
    """Return means over models on their validation folds, with standard errors.

    Args:
        run: A run of which a model is finished.
    """
    good = [result for result in run.results if result.get("failed") is None]
    names = [name for name in ("loss", *run.config["directions"]) if all(name in result for result in good)]
    best = {name: run.results.best(1, name)[0][name] for name in names}
    rows = [
        (name, mean_as_text([float(result[name]) for result in good]), f"{best[name]:.5g}", _direction(run, name))
        for name in names
    ]
    caption = f"Mean of {len(good)} models, each on its validation fold, with its standard error; and the best one."
    return Table(title="Validation", header=("", "mean", "best", ""), rows=rows, caption=caption)


def _direction(run: Run, name: str) -> str:
    return _ARROWS[run.results.direction(name)]


def _on_new_events(run: Run) -> Part:
    if not (metrics := metrics_of(run)):
        return Text(text="The run had no metrics that could be evaluated on new events.")
    scored = run.unseen
    names = {"": "pred"} | ({f", {TREE}": BESIDE} if has_tree(scored) else {})
    rows = [
        (f"{metric.label}{of}", on_events(metric, run, scored, name), _ARROWS[metric.better])
        for metric in metrics
        for of, name in names.items()
    ]
    caption = f"On {scored.text}; the uncertainty is that of {N_BOOTSTRAPS} bootstraps of the events."
    return Table(title="New events", header=("", "value", ""), rows=rows, caption=caption)


def metrics_of(run: Run) -> list[EvalMetric]:
    """Return the metrics of a run; where it has none, the usual one of its objective.

    Args:
        run: The run.
    """
    specs = run.config["metrics"] or usual_metrics(str(run.config["model_builder"].get("objective")))
    return build_metrics([spec for spec in specs if not (isinstance(spec, dict) and "unnamed" in spec)])


def has_tree(scored: Scored) -> bool:
    """Tell whether a boosted tree predicted all of the events, too.

    Args:
        scored: The events.
    """
    return not {BESIDE, f"{BESIDE}_0"}.isdisjoint(scored.df.columns)


def on_events(metric: EvalMetric, run: Run, scored: Scored, name: str = "pred") -> str:
    """Return the value of a metric on events, with its uncertainty, or why there is none.

    Args:
        metric: The metric.
        run: The run.
        scored: The events.
        name: Of the predictions.
    """
    try:
        metric.set_data(run.fy)
        value, error = _evaluated(
            metric, scored.df, name, is_multiclass=run.ensemble.models[0].objective == "multiclass"
        )
    except LuminError as problem:
        return f"none: {problem}"
    return value_as_text(value, error)


def _evaluated(metric: EvalMetric, df: pd.DataFrame, name: str, *, is_multiclass: bool) -> tuple[float, float]:
    preds, targets = numbered(df, name), numbered(df, "gen_target")
    arrays: dict[str, np.ndarray] = {name: df[name].to_numpy() for name in as_list(metric.columns)}
    rows = np.arange(len(df))
    weights = numbered(df, "gen_weight") if "gen_weight" in df else None
    targets = targets[:, 0] if is_multiclass else targets

    def value(at: np.ndarray) -> float:
        taken = {name: values[at] for name, values in arrays.items()}
        return float(metric.evaluate(preds[at], targets[at], None if weights is None else weights[at], taken))

    values = bootstrap(value, rows, n=N_BOOTSTRAPS, seed=_SEED)
    return value(rows), float(np.std(values, ddof=1))


def numbered(df: pd.DataFrame, name: str) -> np.ndarray:
    """Return a column, or those that are numbered, ``<name>_0`` and so on, shape ``(n, K)``."""
    names = [name] if name in df else [f"{name}_{k}" for k in range(len(df.columns)) if f"{name}_{k}" in df]
    return df[names].to_numpy()
