"""The section of a report on the trainings: each model, and the histories of losses and metrics."""

from __future__ import annotations

from math import isfinite
from typing import TYPE_CHECKING, Any

from lumin_core.display import count
from lumin_core.runs import ReportSection, Table
from lumin_plugin_plots import plot_learning_curves
from lumin_plugin_plots.pictures import picture

if TYPE_CHECKING:
    from lumin_core.runs import Part, Run

    History = dict[str, dict[str, list[float]]]

_MOST = 100  # models that are listed


class Training(ReportSection):
    """Shows the models with their losses and metrics, and how these went.

    Example:
        >>> from lumin_plugin_plots.section_training import Training
        >>> Training.order
        20
    """

    title = "Training"
    order = 20

    def build(self, run: Run) -> list[Part]:
        """Return a table of models, and their learning curves."""
        if not run.histories:
            return []
        names = ["loss", *run.config["directions"]]
        rows = [(str(number), *_model(run, number, names)) for number in list(run.histories)[:_MOST]]
        more = (
            f" {count(len(run.histories) - _MOST, 'model')} more are not listed." if len(run.histories) > _MOST else ""
        )
        table = Table(
            title="Models",
            header=("model", "state", "epochs", *names),
            rows=rows,
            caption=f"Loss and metrics on the validation fold, of the weights that were kept.{more}",
        )
        return [table, *_curves(run)]


def _model(run: Run, number: int, names: list[str]) -> list[str]:
    history = run.histories[number]
    n_epochs = str(max(len(values) for values in history["valid"].values()) or _n_trained(run, number))
    if number not in run.finished:
        last = {name: values[-1] for name, values in history["valid"].items() if values}
        return ["in training", n_epochs, *(_number(last.get(name)) for name in names)]
    result = run.finished[number]
    state = "finished" if result.get("failed") is None else f"failed: {result['failed']}"
    return [state, n_epochs, *(_number(result.get(name)) for name in names)]


def _n_trained(run: Run, number: int) -> int:
    """Count epochs by the training folds, where there is no validation."""
    return len(run.histories[number]["train"]["loss"]) // max(1, len(run.config["folds"][number]["train"]))


def _number(value: Any) -> str:
    return f"{value:.5g}" if isinstance(value, int | float) and isfinite(value) else "–"


def _curves(run: Run) -> list[Part]:
    models = trained(run)
    if not any(history["train"]["loss"] for history in run.histories.values()):
        return []
    return [picture("Learning curves", lambda: plot_learning_curves(models))]


def trained(run: Run) -> list[Any]:
    """Return for each model that has begun its result, or its history so far.

    Args:
        run: The run.
    """
    return [run.finished.get(number, history) for number, history in run.histories.items()]
