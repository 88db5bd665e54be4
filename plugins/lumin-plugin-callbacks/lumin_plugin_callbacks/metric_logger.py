"""Show how a training goes, a line an epoch."""

from __future__ import annotations

from time import perf_counter
from typing import TYPE_CHECKING, Any

from lumin_core import Callback, LossCallback, best_offer, is_better
from lumin_core.display import wrapped
from lumin_core.training import line_width, say

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lumin_core import FitParams

_LONGEST = 40  # of a column's title
_TIME = 8  # columns


class MetricLogger(Callback):
    """Writes a line for each epoch, with a star for the best so far.

    It has training loss, validation loss, every metric, and seconds. The training loss is the mean
    over the epoch's folds, while the model still changed. Where callbacks listed before offer other
    models (averages over weights), the validation loss of each is shown too, ``-`` while it has
    none. The star is for the best of the model and all that are offered, which is what `save_best`
    keeps: by the main metric, else the loss. Lines go to the standard error, above a progress bar;
    in a notebook to where `print` writes. Where a line would be too wide, a row takes two.

    Args:
        extra_detail: Whether to add the change of the validation loss since the last epoch, and its
            ratio to the training loss.

    Example:
        >>> from lumin_plugin_callbacks import MetricLogger
        >>> callbacks = [MetricLogger(extra_detail=True)]
    """

    _best: float | None
    _widths: list[int]

    def __init__(self, extra_detail: bool = False) -> None:
        self.extra_detail = extra_detail
        self._reset()

    def on_train_begin(self, fit_params: FitParams) -> None:
        """Write what is trained on what, and the header."""
        self._reset()
        validated = "" if fit_params.val_idx is None else f", validated on {fit_params.val_idx}"
        trained = " ".join(map(str, fit_params.trn_idxs))
        title = f"{fit_params.cb_savepath.name}: trained on folds {trained}{validated}"
        say("\n".join(wrapped(title, line_width())))
        columns = ["train loss"]
        if fit_params.val_idx is not None:
            columns += ["valid loss", *(["change", "valid/train"] if self.extra_detail else [])]
            columns += [metric.label for metric in fit_params.metrics]
            columns += [f"{callback.label} loss" for callback in _offering(fit_params)]
        columns = [column if len(column) <= _LONGEST else f"{column[: _LONGEST - 1]}…" for column in columns]
        self._widths = _widths(columns)
        self._write("epoch", [f"{c:>{width}}" for c, width in zip(columns, self._widths, strict=True)], "time")

    def on_epoch_begin(self, fit_params: FitParams) -> None:
        """Start the clock."""
        if fit_params.state == "train":
            self._start = perf_counter()
            self._n_folds = len(fit_params.history["train"]["loss"])

    def on_epoch_end(self, fit_params: FitParams) -> None:
        """Write the epoch's line, after its validation where there is one."""
        if (fit_params.state == "valid") != (fit_params.val_idx is not None):
            return
        losses = fit_params.history["train"]["loss"][self._n_folds :]
        train = sum(losses) / len(losses)
        values: list[float | None] = [train]
        mark = " "
        if fit_params.val_idx is not None:
            values += self._valid_values(fit_params, train)
            offer = best_offer(fit_params)
            if is_better(offer.value, self._best, offer.better):
                self._best, mark = offer.value, "*"
        cells = [_cell(value, width) for value, width in zip(values, self._widths, strict=True)]
        self._write(f"{fit_params.epoch}{mark}", cells, f"{perf_counter() - self._start:.1f} s")

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

    def _write(self, epoch: str, cells: list[str], seconds: str) -> None:
        """Write a row: in one line, or as many as it needs."""
        lines = [[f"{epoch:>6}"]]
        for cell in cells:
            if len(" ".join([*lines[-1], cell, seconds.rjust(_TIME)])) > line_width():
                lines.append([" " * 6])
            lines[-1].append(cell)
        lines[0].append(seconds.rjust(_TIME))
        say("\n".join(map(" ".join, lines)))

    def _reset(self) -> None:
        self._best = None
        self._widths = []
        self._start = 0.0
        self._n_folds = 0


def _widths(columns: list[str]) -> list[int]:
    """Return the widths of the columns, narrower ones where a line would not hold them all."""
    for least in (11, 9):
        widths = [max(least, len(column)) for column in columns]
        if 6 + sum(width + 1 for width in widths) + 1 + _TIME <= line_width():
            break
    return widths


def _cell(value: float | None, width: int) -> str:
    """Write a number with the digits that there is room for, five at most."""
    texts = ["-"] if value is None else [f"{value:.{digits}g}" for digits in (5, 4, 3, 2)]
    return next((text for text in texts if len(text) <= width), texts[-1]).rjust(width)


def _offering(fit_params: FitParams) -> list[LossCallback]:
    return [callback for callback in fit_params.cbs if isinstance(callback, LossCallback)]
