"""Show how a training goes, a line an epoch."""

from __future__ import annotations

import sys
from time import perf_counter
from typing import TYPE_CHECKING

from tqdm import tqdm

from lumin_core import Callback, is_better, monitored

if TYPE_CHECKING:
    from lumin_core import FitParams


class MetricLogger(Callback):
    """Writes a line an epoch: training loss, validation loss, every metric, seconds; a star marks the best so far.

    The training loss is the mean over the epoch's folds, while the model still changed. Lines go to standard error,
    above a progress bar.

    Args:
        extra_detail: Whether to add the change of the validation loss since the last epoch, and its ratio to the
            training loss.

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
        self._show(f"{fit_params.cb_savepath.name}: trained on folds {trained}{validated}")
        columns = ["train loss"]
        if fit_params.val_idx is not None:
            columns += ["valid loss", *(["change", "valid/train"] if self.extra_detail else [])]
            columns += [metric.label for metric in fit_params.metrics]
        self._widths = [max(11, len(column)) for column in columns]
        self._write("epoch", [f"{c:>{width}}" for c, width in zip(columns, self._widths, strict=True)], "time")

    def on_epoch_begin(self, fit_params: FitParams) -> None:
        """Start the clock."""
        if fit_params.state == "train":
            self._start, self._n_folds = perf_counter(), len(fit_params.history["train"]["loss"])

    def on_epoch_end(self, fit_params: FitParams) -> None:
        """Write the epoch's line, after its validation where there is one."""
        if (fit_params.state == "valid") != (fit_params.val_idx is not None):
            return
        losses = fit_params.history["train"]["loss"][self._n_folds :]
        train = sum(losses) / len(losses)
        values, mark = [train], " "
        if fit_params.val_idx is not None:
            values += self._valid_values(fit_params, train)
            value, better = monitored(fit_params)
            if is_better(value, self._best, better):
                self._best, mark = value, "*"
        cells = [f"{value:>{width}.5g}" for value, width in zip(values, self._widths, strict=True)]
        self._write(f"{fit_params.epoch}{mark}", cells, f"{perf_counter() - self._start:.1f} s")

    def _valid_values(self, fit_params: FitParams, train: float) -> list[float]:
        valid = fit_params.history["valid"]
        loss = valid["loss"]
        change = loss[-1] - loss[-2] if len(loss) > 1 else float("nan")
        extra = [change, loss[-1] / train if train else float("nan")] if self.extra_detail else []
        return [loss[-1], *extra, *(valid[metric.label][-1] for metric in fit_params.metrics)]

    def _write(self, epoch: str, cells: list[str], seconds: str) -> None:
        self._show(" ".join([f"{epoch:>6}", *cells, f"{seconds:>8}"]))

    def _show(self, line: str) -> None:
        tqdm.write(line, file=sys.stderr)

    def _reset(self) -> None:
        self._best, self._widths, self._start, self._n_folds = None, [], 0.0, 0
