"""Show how a training goes, an epoch at a time."""

from __future__ import annotations

from time import perf_counter
from typing import TYPE_CHECKING, Any, cast

from lumin_core import Callback, LossCallback, best_offer, is_better, registry
from lumin_core.errors import UnknownComponent
from lumin_core.training import EpochRow, LiveView, outlet
from lumin_plugin_callbacks.live_text import Lines, Table

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lumin_core import FitParams

_OURS: dict[object, type[LiveView]] = {"lines": Lines, "table": Table}
_IN_NOTEBOOKS = "plots/live_curves"


class MetricLogger(Callback):
    """Shows training loss, validation loss, every metric, and seconds of each epoch.

    On a terminal they are a table of the last epochs and the best, which is written anew in place;
    in a notebook curves, where lumin-plugin-plots is installed; elsewhere, such as in a file, a
    line for each epoch, with a star for the best so far.

    The training loss is the mean over the epoch's folds, while the model still changed. Where
    callbacks listed before offer other models (averages over weights), the validation loss of each
    is shown too, ``-`` while it has none. The star is for the best of the model and all that are
    offered, which is what `save_best` keeps: by the main metric, else the loss. Lines go to the
    standard error, above a progress bar; in a notebook to where `print` writes. Where a line would
    be too wide, a row takes two.

    Args:
        extra_detail: Whether to add the change of the validation loss since the last epoch, and its
            ratio to the training loss. Curves show both anyway.
        view: How it is shown: ``"lines"``, ``"table"``, or a component of the kind ``live_views``;
            by default what fits the place.

    Raises:
        UnknownComponent: If there is no such view.

    Example:
        >>> from lumin_plugin_callbacks import MetricLogger
        >>> callbacks = [MetricLogger(extra_detail=True), MetricLogger(view="lines")]
    """

    _best: float | None

    def __init__(self, extra_detail: bool = False, view: object = "auto") -> None:
        self.extra_detail = extra_detail
        self.view = view
        self._view = _built(view)
        self._reset()

    def on_train_begin(self, fit_params: FitParams) -> None:
        """Show what is trained on what, and the columns."""
        self._reset()
        columns = ["train loss"]
        if fit_params.val_idx is not None:
            columns += ["valid loss", *(["change", "valid/train"] if self.extra_detail else [])]
            columns += [metric.label for metric in fit_params.metrics]
            columns += [f"{callback.label} loss" for callback in _offering(fit_params)]
        fit_params.at_end.callback(self._view.end)
        self._view.begin(fit_params, columns)

    def on_epoch_begin(self, fit_params: FitParams) -> None:
        """Start the clock."""
        if fit_params.state == "train":
            self._start = perf_counter()
            self._n_folds = len(fit_params.history["train"]["loss"])

    def on_epoch_end(self, fit_params: FitParams) -> None:
        """Show the epoch, after its validation where there is one."""
        if (fit_params.state == "valid") != (fit_params.val_idx is not None):
            return
        losses = fit_params.history["train"]["loss"][self._n_folds :]
        train = sum(losses) / len(losses)
        values: list[float | None] = [train]
        is_best = False
        if fit_params.val_idx is not None:
            values += self._valid_values(fit_params, train)
            offer = best_offer(fit_params)
            if is_better(offer.value, self._best, offer.better):
                self._best, is_best = offer.value, True
        seconds = perf_counter() - self._start
        row = EpochRow(epoch=fit_params.epoch, values=tuple(values), is_best=is_best, seconds=seconds)
        self._view.update(fit_params, row)

    def state_dict(self) -> dict[str, object]:
        """Give what a checkpoint keeps."""
        return {"best": self._best}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take it back."""
        self._best = state["best"]

    def _valid_values(self, fit_params: FitParams, train: float) -> list[float | None]:
        valid = fit_params.history["valid"]
        loss = valid["loss"]
        change = loss[-1] - loss[-2] if len(loss) > 1 else float("nan")
        extra = [change, loss[-1] / train if train else float("nan")] if self.extra_detail else []
        offers = [callback.get_values() for callback in _offering(fit_params)]
        return [
            loss[-1],
            *extra,
            *(valid[metric.label][-1] for metric in fit_params.metrics),
            *(None if offer is None else offer["loss"] for offer in offers),
        ]

    def _reset(self) -> None:
        self._best = None
        self._start = 0.0
        self._n_folds = 0


def _built(view: object) -> LiveView:
    """Make the view; an unknown one is refused."""
    if view == "auto":
        where = outlet()
        if where == "notebook" and _is_installed(_IN_NOTEBOOKS):
            return _built(_IN_NOTEBOOKS)
        return Table() if where == "terminal" else Lines()
    if isinstance(view, str) and view in _OURS:
        return _OURS[view]()
    return cast("LiveView", registry.build("live_view", view))


def _is_installed(view: str) -> bool:
    try:
        registry.find("live_view", view)
    except UnknownComponent:
        return False
    return True


def _offering(fit_params: FitParams) -> list[LossCallback]:
    return [callback for callback in fit_params.cbs if isinstance(callback, LossCallback)]
