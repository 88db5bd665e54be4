"""Show how a training goes, a line an epoch."""

from __future__ import annotations

import sys
from time import perf_counter
from typing import TYPE_CHECKING, Any

from tqdm import tqdm

from lumin_core import Callback, LossCallback, best_offer, is_better

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lumin_core import FitParams


class MetricLogger(Callback):
    """Writes a line for each epoch, with a star for the best so far.

    It has training loss, validation loss, every metric, and seconds. The training loss is the mean
    over the epoch's folds, while the model still changed. Where callbacks listed before offer other
    models (averages over weights), the validation loss of each is shown too, ``-`` while it has
    none. The star is for the best of the model and all that are offered, which is what `save_best`
    keeps: by the main metric, else the loss. Lines go to standard error, above a progress bar.

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
        self._show(f"{fit_params.cb_savepath.name}: trained on folds {trained}{validated}")
        columns = ["train loss"]
        if fit_params.val_idx is not None:
            columns += ["valid loss", *(["change", "valid/train"] if self.extra_detail else [])]
            columns += [metric.label for metric in fit_params.metrics]
            columns += [f"{callback.label} loss" for callback in _offering(fit_params)]
        self._widths = [max(11, len(column)) for column in columns]
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
        texts = ["-" if value is None else f"{value:.5g}" for value in values]
        cells = [f"{text:>{width}}" for text, width in zip(texts, self._widths, strict=True)]
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
        self._show(" ".join([f"{epoch:>6}", *cells, f"{seconds:>8}"]))

    def _show(self, line: str) -> None:
        tqdm.write(line, file=sys.stderr)

    def _reset(self) -> None:
        self._best = None
        self._widths = []
        self._start = 0.0
        self._n_folds = 0


def _offering(fit_params: FitParams) -> list[LossCallback]:
    return [callback for callback in fit_params.cbs if isinstance(callback, LossCallback)]
