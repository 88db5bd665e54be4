"""Curves of a training that is going on: one figure in a notebook, which is drawn anew in place."""

from __future__ import annotations

from base64 import b64encode
from importlib import import_module
from time import perf_counter
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from matplotlib.ticker import MaxNLocator

from lumin_core.errors import ConfigError
from lumin_core.training import LiveView, OutputArea, outlet
from lumin_plugin_plots.numbers import Numbers
from lumin_plugin_plots.plot import drawn
from lumin_plugin_plots.settings import PlotSettings

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from lumin_core import FitParams
    from lumin_core.training import EpochRow
    from lumin_plugin_plots.plot import Plot

    Columns = dict[str, np.ndarray]

_SETTINGS = PlotSettings(size=(5.4, 3.0), dpi=90)
_SHARE = 0.1  # of the time, that is at most spent on drawing
_MARGINS = {"left": 0.08, "right": 0.98, "bottom": 0.15, "top": 0.98, "wspace": 0.2, "hspace": 0.28}
_MARGINS_OF_ONE = {"left": 0.15, "right": 0.97, "bottom": 0.25, "top": 0.97}
_LOSSES = " loss"  # ends the titles of losses


class LiveCurves(LiveView):
    """Shows losses, their change and ratio, and the main metric against the epoch, in a notebook.

    The figure is drawn when an epoch is over, and not more often than costs a tenth of the time;
    the last one is of the last epoch, and stays in the notebook. Where there is no metric that the
    best is judged by, the first one is shown.

    Raises:
        ConfigError: If this is not a notebook.

    Example:
        >>> from lumin_plugin_callbacks import MetricLogger
        >>> from lumin_plugin_plots import LiveCurves
        >>> def logger():  # what `metric_logger` does in a notebook by itself
        ...     return MetricLogger(view="live_curves")
    """

    plot: Plot | None = None
    """What was drawn last: the figure, and its numbers."""

    expected_failures: ClassVar[Mapping[str, str]] = {
        "check_init": "it shows itself in notebooks alone, and refuses to be built elsewhere",
    }

    def __init__(self) -> None:
        if outlet() != "notebook":
            raise ConfigError(
                "live_curves shows itself in a notebook, and this is none; view='auto' takes a table on a terminal "
                "and lines elsewhere"
            )

    def begin(self, fit_params: FitParams, columns: Sequence[str]) -> None:
        """Take the place of the figure, which the first epoch draws."""
        self._columns = columns
        self._rows: list[EpochRow] = []
        self._fit: FitParams | None = None
        self._cost, self._at = 0.0, -np.inf
        self._area = OutputArea()
        self.plot = None
        import_module("lumin_plugin_plots.axes")  # loads matplotlib, which is not of the time that a figure costs

    def update(self, fit_params: FitParams, row: EpochRow) -> None:
        """Draw the figure anew, if the last time is long enough ago."""
        self._rows.append(row)
        self._fit = fit_params
        if (perf_counter() - self._at) * _SHARE > self._cost:
            self._draw()

    def end(self) -> None:
        """Draw the last epoch, if that has not been done."""
        if self._fit is not None:
            self._draw()

    def _draw(self) -> None:
        if self._fit is None:
            return
        start = perf_counter()
        numbers = numbers_of(self._fit, self._columns, self._rows)
        self.plot, self._fit = drawn(numbers, _SETTINGS), None
        picture = b64encode(self.plot.picture("png")).decode("ascii")
        self._area.show({"text/plain": _state(numbers.about), "image/png": picture})
        self._at = perf_counter()
        self._cost = self._at - start


def numbers_of(fit_params: FitParams, columns: Sequence[str], rows: Sequence[EpochRow]) -> Numbers:
    """Return the numbers of the figure.

    Args:
        fit_params: The state of the fit, whose history holds the epochs of before a resumption too.
        columns: Titles of what the rows hold.
        rows: The epochs since.

    Returns:
        Curves: ``folds``, each training fold's loss at the part of the epochs that was over with
        it; ``epochs``, a row each, with ``valid``, ``change``, ``ratio`` and ``metric`` where there
        is validation; one for each model that is offered, by its title.
    """
    valid = {name: np.asarray(values, float) for name, values in fit_params.history["valid"].items()}
    metric = _metric(fit_params)
    folds = np.asarray(fit_params.history["train"]["loss"], float)
    at = np.arange(1, len(folds) + 1) / len(fit_params.trn_idxs)
    curves: dict[str, Columns] = {"folds": {"epoch": at, "loss": folds}}
    if len(valid["loss"]):
        curves["epochs"] = _of_epochs(folds, len(fit_params.trn_idxs), valid["loss"])
        if metric is not None:
            curves["epochs"]["metric"] = valid[metric]
    numbers = np.array([row.epoch for row in rows])
    for i, title in enumerate(columns):
        if title.endswith(_LOSSES) and title not in ("train loss", "valid loss"):
            offered = np.array([np.nan if row.values[i] is None else row.values[i] for row in rows], float)
            curves[title] = {"epoch": numbers, "loss": offered}
    about = {
        "title": fit_params.cb_savepath.name,
        "epoch": fit_params.epoch,
        "n_epochs": fit_params.n_epochs,
        "metric": metric,
        "best": next((row.epoch for row in reversed(rows) if row.is_best), None),
    }
    return Numbers(figure="live_curves", curves=curves, about=about)


def _metric(fit_params: FitParams) -> str | None:
    """Return the label of the main metric, or else the first."""
    metrics = sorted(fit_params.metrics, key=lambda metric: not metric.main_metric)
    return metrics[0].label if metrics and fit_params.val_idx is not None else None


def _of_epochs(folds: np.ndarray, n_folds: int, valid: np.ndarray) -> Columns:
    train = np.array([folds[i * n_folds : (i + 1) * n_folds].mean() for i in range(len(valid))])
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = valid / train
    change = np.diff(valid, prepend=np.nan)
    return {"epoch": np.arange(1, len(valid) + 1), "train": train, "valid": valid, "change": change, "ratio": ratio}


def draw(numbers: Numbers, settings: PlotSettings) -> Figure:
    """Draw the figure; see `LiveCurves`."""
    from lumin_plugin_plots import axes as shared  # loads matplotlib

    epochs = numbers.curves.get("epochs")
    figure, panels = shared.mosaic(settings, _layout(numbers), heights=(1.0, 0.7))
    figure.set_layout_engine(None)  # to find the margins takes longer than to draw
    figure.subplots_adjust(**(_MARGINS if len(panels) > 1 else _MARGINS_OF_ONE))
    _draw_losses(panels["loss"], numbers, settings)
    if epochs is not None:
        _draw_line(panels["change"], epochs, "change", "Change of loss", level=0.0, settings=settings)
        _draw_line(panels["ratio"], epochs, "ratio", "Valid. / train.", level=1.0, settings=settings)
    if epochs is not None and "metric" in panels:
        _draw_line(panels["metric"], epochs, "metric", str(numbers.about["metric"]), level=None, settings=settings)
        _mark(panels["metric"], epochs, "metric", numbers.about["best"], settings)
    for name, panel in panels.items():
        panel.set_xlim(0, max(1.0, float(numbers.about["epoch"])) * 1.03)
        panel.xaxis.set_major_locator(MaxNLocator(integer=True))
        panel.minorticks_off()
        if name != "loss" or "metric" not in panels:
            panel.set_xlabel("Epoch")
    return shared.finish(figure, panels["loss"], settings, notes=[_state(numbers.about)])


def _layout(numbers: Numbers) -> list[list[str]]:
    if "epochs" not in numbers.curves:
        return [["loss"]]
    if "metric" not in numbers.curves["epochs"]:
        return [["loss", "change"], ["loss", "ratio"]]
    return [["loss", "metric"], ["change", "ratio"]]


def _draw_losses(panel: Axes, numbers: Numbers, settings: PlotSettings) -> None:
    from lumin_plugin_plots import axes as shared

    folds, epochs = numbers.curves["folds"], numbers.curves.get("epochs")
    panel.plot(folds["epoch"], folds["loss"], lw=0.8, color="0.6", label="training, each fold")
    if epochs is not None:
        panel.plot(epochs["epoch"], epochs["train"], **shared.line(settings, 1), label="training")
        panel.plot(epochs["epoch"], epochs["valid"], **shared.line(settings, 0), label="validation")
        _mark(panel, epochs, "valid", numbers.about["best"], settings)
    offered = [name for name in numbers.curves if name not in ("folds", "epochs")]
    for number, name in enumerate(offered, start=2):
        curve = numbers.curves[name]
        panel.plot(curve["epoch"], curve["loss"], **shared.line(settings, number), label=name.removesuffix(_LOSSES))
    panel.set_ylabel("Loss")
    if _spans_decades(numbers.curves):
        panel.set_yscale("log")


def _spans_decades(curves: dict[str, Columns]) -> bool:
    losses = np.concatenate([curve.get("valid", curve.get("loss", np.empty(0))) for curve in curves.values()])
    losses = losses[np.isfinite(losses)]
    return len(losses) > 0 and losses.min() > 0 and losses.max() > 20 * losses.min()


def _draw_line(
    panel: Axes, epochs: Columns, name: str, label: str, *, level: float | None, settings: PlotSettings
) -> None:
    if level is not None:
        panel.axhline(level, color="0.6", lw=0.8)
    panel.plot(epochs["epoch"], epochs[name], color=settings.colour(0), marker="o", ms=2.5, lw=1.2)
    panel.set_ylabel(label)


def _mark(panel: Axes, epochs: Columns, name: str, best: int | None, settings: PlotSettings) -> None:
    at = epochs["epoch"] == best
    style: dict[str, Any] = {"color": settings.colour(0), "marker": "*", "ms": 11, "mfc": "white", "linestyle": "none"}
    panel.plot(epochs["epoch"][at], epochs[name][at], **style)


def _state(about: dict[str, Any]) -> str:
    best = "" if about["best"] is None else f"; the best is of epoch {about['best']}, with a star"
    return f"{about['title']}: epoch {about['epoch']} of {about['n_epochs']}{best}"
