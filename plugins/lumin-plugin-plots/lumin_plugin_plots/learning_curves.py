"""Learning curves: how loss and metrics go with the epochs, of many models with their spread.

The loss of training is the mean over the folds of an epoch, while the model still changed; what is
validated is of the model after the epoch. Means and standard deviations are of the models of a run
whose training did not fail, over the epochs that all of them reached.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from matplotlib.ticker import MaxNLocator

from lumin_core.arguments import came, explained
from lumin_core.checks import check_names, did_you_mean
from lumin_core.errors import ConfigError, DataError
from lumin_core.runs import Run
from lumin_plugin_plots import axes as shared
from lumin_plugin_plots.bands import models_band
from lumin_plugin_plots.numbers import Numbers
from lumin_plugin_plots.plot import drawn

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from lumin_core import Results
    from lumin_plugin_plots.plot import Plot
    from lumin_plugin_plots.settings import PlotSettings

    Columns = dict[str, np.ndarray]

History: TypeAlias = "Mapping[str, Any]"
"""Of a model: ``{"train": {"loss": [...]}, "valid": {"loss": [...], metric: [...]}}``, or a result
that has it under ``"history"``."""
Trained: TypeAlias = "Results | Sequence[History] | str | Path"
"""Models of a run: its results, histories, or its folder."""

TRAINING = "training loss"


@explained
def plot_learning_curves(
    runs: Trained | Mapping[str, Trained],
    *,
    metrics: Sequence[str] | None = None,
    settings: PlotSettings | None = None,
) -> Plot:
    """Plot loss and metrics against the epoch, a thin line for each model and the mean over them.

    Args:
        runs: The results of a run, its folder (while it goes on, too), or a list of histories, as
            ``[fit_params.history]``; or several of these by label.
        metrics: Which metrics have a panel, beside the loss; by default all.
        settings: How it looks.

    Returns:
        The figure. Its numbers have a curve for each quantity of each run, ``"<run>: loss"``,
        ``"<run>: training loss"``, ``"<run>: AUC"``, with a row per epoch: ``epoch``, ``model_0``,
        ``model_1``, ..., ``mean``, ``spread``, and of several models ``models_low`` and
        ``models_high``; ``about["best"]`` has the epoch of the lowest mean loss of each run.

    Raises:
        ConfigError: If a metric is not known, or there is no such run.
        DataError: If there is no history, or one has no epoch.

    Example:
        >>> from lumin_plugin_plots import plot_learning_curves
        >>> history = {"train": {"loss": [0.9, 0.7, 0.6, 0.6]}, "valid": {"loss": [0.7, 0.65]}}
        >>> plot = plot_learning_curves([history])
        >>> plot.numbers.curves["run: training loss"]["mean"].round(2).tolist()
        [0.8, 0.6]
    """
    by_label = dict(runs) if isinstance(runs, Mapping) and not {"train", "history"} & set(runs) else {"run": runs}
    results = {str(label): _results_of(run) for label, run in by_label.items()}
    quantities = _quantities(results, metrics)
    curves = {
        f"{label}: {quantity}": _curve(of_run, quantity)
        for label, of_run in results.items()
        for quantity in quantities
        if any(_values(result, quantity) for result in of_run)
    }
    about = {
        "runs": list(results),
        "quantities": quantities,
        "n_models": {label: len(of_run) for label, of_run in results.items()},
        "failed": {label: sum(map(_has_failed, of_run)) for label, of_run in results.items()},
        "best": {label: _best(curves.get(f"{label}: loss")) for label in results},
    }
    return drawn(Numbers(figure="learning_curves", curves=curves, about=about), settings)


def per_epoch(losses: Sequence[float], n_epochs: int, *, has_failed: bool = False) -> list[float]:
    """Average the losses of training folds over those of an epoch.

    Args:
        losses: Of the folds, one after the other.
        n_epochs: How many epochs were validated; 0 where none was: then each fold is one.
        has_failed: Whether the last epoch was not finished, and is left out.

    Example:
        >>> from lumin_plugin_plots.learning_curves import per_epoch
        >>> per_epoch([4.0, 2.0, 1.0, 1.0], 2), per_epoch([4.0, 2.0, 1.0], 1, has_failed=True)
        ([3.0, 1.0], [2.3333333333333335])
    """
    if not n_epochs:
        return list(losses)
    n_folds = len(losses) // n_epochs if has_failed else math.ceil(len(losses) / n_epochs)
    folds = [losses[i * n_folds : (i + 1) * n_folds] for i in range(n_epochs)]
    return [sum(fold) / len(fold) if fold else math.nan for fold in folds]


def draw(numbers: Numbers, settings: PlotSettings) -> Figure:
    """Draw the figure; see `plot_learning_curves`."""
    about = numbers.about
    shown = [name for name in about["quantities"] if name != TRAINING]
    figure, panels = shared.panels(settings, (0.8, *[0.5] * (len(shown) - 1)))
    bands: set[str] = set()
    for panel, quantity in zip(panels, shown, strict=True):
        for number, label in enumerate(about["runs"]):
            bands |= _draw_run(panel, numbers, label, quantity, settings, number)
        panel.set_ylabel("Loss" if quantity == "loss" else quantity)
    panels[-1].set_xlabel("Epoch" if any(about["best"].values()) else "Training fold")
    last = max(float(curve["epoch"][-1]) for curve in numbers.curves.values())
    panels[-1].set_xlim(1 - 0.02 * last, 1.02 * last)
    panels[-1].xaxis.set_major_locator(MaxNLocator("auto", integer=True))
    figure.align_ylabels(panels)
    return shared.finish(figure, panels[0], settings, notes=_notes(about), bands=sorted(bands))


def _draw_run(
    panel: Axes, numbers: Numbers, label: str, quantity: str, settings: PlotSettings, number: int
) -> set[str]:
    """Draw validation, and in the panel of the loss training too; return the bands."""
    alone = len(numbers.about["runs"]) == 1
    names = {"validation": f"{label}: {quantity}", "training": f"{label}: {TRAINING}"}
    bands: set[str] = set()
    for what, name in names.items() if quantity == "loss" else [("validation", names["validation"])]:
        if name in numbers.curves:
            colour = number + int(alone and what == "training")
            look: dict[str, Any] = {
                "color": settings.colour(colour),
                "linestyle": "-" if what == "validation" else "--",
            }
            if not alone:
                look |= {
                    "marker": shared.MARKERS[number % len(shared.MARKERS)],
                    "mfc": "white" if what == "training" else None,
                }
            _draw_models(panel, numbers.curves[name], what if alone else f"{label}, {what}", look)
            bands |= set(
                shared.draw_bands(panel, numbers.curves[name]["epoch"], numbers.curves[name], settings, colour)
            )
    _mark(panel, numbers.curves.get(names["validation"]), numbers.about["best"][label], settings.colour(number))
    return bands


def _draw_models(panel: Axes, curve: Columns, label: str, look: Mapping[str, Any]) -> None:
    """Draw a thin line for each of several models, and their mean."""
    models = [column for column in curve if column.startswith("model_")]
    for model in models if len(models) > 1 else ():
        panel.plot(curve["epoch"], curve[model], **{**look, "marker": None}, lw=0.6, alpha=0.6)
    panel.plot(curve["epoch"], curve["mean"], **look, lw=2, markevery=max(1, len(curve["epoch"]) // 6), label=label)


def _mark(panel: Axes, curve: Columns | None, epoch: int | None, colour: str) -> None:
    """Mark an epoch with a star."""
    if curve is not None and epoch in curve["epoch"]:
        at = curve["epoch"] == epoch
        panel.plot(curve["epoch"][at], curve["mean"][at], "*", ms=13, mfc=colour, mec="white", zorder=5)


def _notes(about: Mapping[str, Any]) -> list[str]:
    notes = []
    for label in about["runs"]:
        n, failed, best = about["n_models"][label], about["failed"][label], about["best"][label]
        models = f"{n} model{'s' if n > 1 else ''}" + (f", {failed} of which failed, not in the mean" if failed else "")
        lowest = "" if best is None else f"; lowest {'mean ' if n > 1 else ''}validation loss in epoch {best}, starred"
        notes.append(f"{'' if len(about['runs']) == 1 else f'{label}: '}{models}{lowest}")
    return notes


def _curve(results: Sequence[History], quantity: str) -> Columns:
    of_models = [_values(result, quantity) for result in results]
    n_rows = max(map(len, of_models))
    columns = [np.append(values, np.full(n_rows - len(values), np.nan)) for values in of_models]
    good = [column for column, result in zip(columns, results, strict=True) if not _has_failed(result)]
    stacked = np.stack(good) if good else np.full((1, n_rows), np.nan)
    curve: Columns = {"epoch": np.arange(1, n_rows + 1), "mean": stacked.mean(axis=0)}
    curve |= {f"model_{i}": column for i, column in enumerate(columns)}
    if len(good) > 1:
        curve |= {"spread": stacked.std(axis=0, ddof=1), **models_band(stacked)}
    return curve


def _values(result: History, quantity: str) -> list[float]:
    history = _history(result)
    validated = history.get("valid", {})
    if quantity != TRAINING:
        return [math.nan if value is None else float(value) for value in validated.get(quantity, ())]
    losses = [math.nan if value is None else float(value) for value in history["train"]["loss"]]
    return per_epoch(losses, len(validated.get("loss", ())), has_failed=_has_failed(result))


def _history(result: History) -> History:
    history: History = result.get("history", result)
    return history


def _has_failed(result: History) -> bool:
    return result.get("failed") is not None


def _best(curve: Columns | None) -> int | None:
    if curve is None or np.isnan(curve["mean"]).all():
        return None
    return int(curve["epoch"][np.nanargmin(curve["mean"])])


def _quantities(results: Mapping[str, Sequence[History]], metrics: Sequence[str] | None) -> list[str]:
    histories = [_history(result) for of_run in results.values() for result in of_run]
    known = list(dict.fromkeys(name for history in histories for name in history.get("valid", {}) if name != "loss"))
    if metrics is None:
        return ["loss", TRAINING, *known]
    check_names("metrics", metrics)
    for name in metrics:
        if name not in known:
            raise ConfigError(f"the runs have no metric {name!r}{did_you_mean(name, known)}")
    return ["loss", TRAINING, *metrics]


def _results_of(run: object) -> list[History]:
    if isinstance(run, str | Path):
        run = _of_folder(Run.open(run))
    elif isinstance(run, Mapping):
        run = [run]
    results = list(run) if isinstance(run, Sequence) else []
    if not results or not all(isinstance(each, Mapping) and "train" in _history(each) for each in results):
        raise DataError(f"runs must be results, the folder of a run, or a list of histories, got {came(run)}")
    if not all(_history(each)["train"].get("loss") for each in results):
        raise DataError("a model of the run has no history of its loss: there is nothing to show")
    return results


def _of_folder(run: Run) -> list[History]:
    """Return what there is of the models of a run: results, or histories as far as they go."""
    histories = {number: history for number, history in run.histories.items() if history["train"]["loss"]}
    if not histories:
        raise DataError(
            f"none of the {run.n_models} models in {run.folder.path} has finished an epoch; wait for the first"
        )
    return [run.finished.get(number, {"history": history}) for number, history in histories.items()]
