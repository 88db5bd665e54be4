"""The loop: epochs of folds of batches, forwards, backwards, step, with the points of `hookspecs` in between.

Speed decides here: what is done for every batch is what is written below and nothing else. Losses of batches are kept as
tensors and summed once a fold, so that nothing waits for the device in between.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from lumin_core import seeds
from lumin_core.data.batch_yielder import BatchYielder
from lumin_core.errors import DataError, ShapeError
from lumin_core.model.loss import AUTO, BatchLoss, weighted_loss
from lumin_core.training.progress import progress_bar

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

    from lumin_core.training.fit_params import FitParams
    from lumin_core.training.hook_plan import HookPlan

_log = logging.getLogger(__name__)


class FoldLoss:
    r"""The loss of a fold, :math:`\sum_i w_i l_i / \sum_i w_i`, from the objectives of its batches.

    Example:
        >>> import torch
        >>> from lumin_core.training.loop import FoldLoss
        >>> total = FoldLoss()
        >>> total.add(torch.tensor(1.0), 2, torch.tensor([[1.0], [3.0]]))
        >>> total.value()
        0.5
    """

    def __init__(self) -> None:
        self._losses: list[Tensor] = []
        self._sizes: list[int] = []
        self._weights: list[Tensor] = []

    def add(self, loss_val: Tensor, n_events: int, w: Tensor | None) -> None:
        """Add a batch.

        Args:
            loss_val: Its objective, a scalar.
            n_events: Its number of events.
            w: Its weights, shape ``(B, 1)``, or ``None`` for one each.
        """
        self._losses.append(loss_val.detach())
        self._sizes.append(n_events)
        if w is not None:
            self._weights.append(w.sum())

    def value(self) -> float:
        """Give the loss.

        Raises:
            DataError: If the weights sum to zero, for then it is undefined.
        """
        losses = torch.stack(self._losses).double().cpu().numpy()
        summed = float(losses @ np.array(self._sizes))
        norm = float(torch.stack(self._weights).double().sum()) if self._weights else float(sum(self._sizes))
        if norm == 0:
            raise DataError("the weights of the fold sum to 0, so that its weighted mean loss is undefined")
        return summed / norm


def run_fit(fit: FitParams, plan: HookPlan, seed: int, bulk_move: bool, train_on_weights: bool, visible_bar: bool) -> None:
    """Run a fit from its first epoch to its last.

    Args:
        fit: The state, with everything but the moving parts set.
        plan: The callbacks' plan.
        seed: Seed of fold order, shuffling, dropout and callbacks.
        bulk_move: See `BatchYielder`.
        train_on_weights: Whether weights of the fold file are used.
        visible_bar: Whether to show a progress bar.
    """
    loop = _Loop(fit, plan, bulk_move, train_on_weights)
    with seeds.torch_forked(fit.device), loop.progress(visible_bar):
        loop.call("on_train_begin")
        for epoch in range(fit.epoch + 1, fit.n_epochs + 1):
            fit.epoch = epoch
            _seed_epoch(fit, seed)
            loop.train_epoch(seeds.stream(seed, "fold order", epoch).permutation(fit.trn_idxs).tolist())
            if fit.val_idx is not None:
                loop.validate()
            if fit.stop:
                break
        loop.call("on_train_end")


def run_predict(fit: FitParams, plan: HookPlan) -> None:
    """Run all batches of ``fit.by`` through the model; what comes out is the callbacks'."""
    calls = plan.calls
    fit.state = "test"
    fit.model.model.eval()
    with torch.set_grad_enabled(fit.val_requires_grad):
        for call in calls["on_pred_begin"]:
            call(fit)
        for fit.batch, (fit.x, fit.y, fit.w) in enumerate(fit.by or (), 1):
            for call in calls["on_batch_begin"]:
                call(fit)
            fit.y_pred = fit.model.to_prediction(fit.model.forward(fit.x))
            for call in calls["on_forwards_end"]:
                call(fit)
            for call in calls["on_batch_end"]:
                call(fit)
        for call in calls["on_pred_end"]:
            call(fit)
    _forget_batch(fit)


def evaluate(model: Any, by: BatchYielder) -> float:
    """Compute the loss of a whole fold: the weighted mean, or the loss of it taken as one batch for a `BatchLoss`.

    Args:
        model: The `Model`.
        by: The fold, with targets.

    Returns:
        The loss.
    """
    model.set_mode(training=False)
    total, preds = FoldLoss(), []
    with torch.no_grad():
        for x, y, w in by:
            y_pred = model.forward(x)
            if isinstance(model.loss, BatchLoss):
                preds.append(y_pred)
            else:
                total.add(weighted_loss(model.loss, y_pred, y, w), len(y_pred), w)  # type: ignore[arg-type]
        return _whole_loss(model.loss, preds, by, model.device) if preds else total.value()


class _Loop:
    """One run of a fit."""

    def __init__(self, fit: FitParams, plan: HookPlan, bulk_move: bool, train_on_weights: bool) -> None:
        self.fit, self.plan, self.calls = fit, plan, plan.calls
        self.bulk_move, self.train_on_weights = bulk_move, train_on_weights
        self.bar: Any = None

    def call(self, point: str) -> None:
        for call in self.calls[point]:
            call(self.fit)

    def progress(self, visible: bool) -> Any:
        n_folds = len(self.fit.trn_idxs) + (self.fit.val_idx is not None)
        self.bar = progress_bar(total=self.fit.n_epochs * n_folds, desc="Training", unit="fold", visible=visible)
        self.bar.update(self.fit.epoch * n_folds)
        return self.bar

    def train_epoch(self, order: list[int]) -> None:
        fit = self.fit
        fit.state = "train"
        fit.model.set_mode(training=True)
        self.call("on_epoch_begin")
        for fit.trn_idx in order:
            fit.sub_epoch += 1
            fold = fit.fy.get_train_fold(fit.trn_idx, fit.epoch)  # type: ignore[union-attr]
            fit.by = self._batches(fold, shuffle=True)
            del fold
            self.call("on_fold_begin")
            loss = self._train_fold()
            fit.history["train"]["loss"].append(loss)
            self._end_fold()
            if not np.isfinite(loss):
                _log.warning("the training loss of fold %s in epoch %s is %s", fit.trn_idx, fit.epoch, loss)
            if fit.stop:
                break
        self.call("on_epoch_end")

    def validate(self) -> None:
        fit = self.fit
        fit.state = "valid"
        fit.model.set_mode(training=False)
        with torch.set_grad_enabled(fit.val_requires_grad):
            self.call("on_epoch_begin")
            fit.by = self._batches(fit.fy.get_fold(fit.val_idx), shuffle=False)  # type: ignore[union-attr]
            self.call("on_fold_begin")
            loss, preds = self._validate_fold()
            fit.history["valid"]["loss"].append(loss)
            for metric in fit.metrics:
                value = self._evaluate_metric(metric, preds)
                fit.history["valid"].setdefault(metric.label, []).append(value)
            self._end_fold()
            self.call("on_epoch_end")

    def _train_fold(self) -> float:
        fit, calls, model, scaler = self.fit, self.calls, self.fit.model, self.fit.model.scaler
        batch_begin, forwards_end = calls["on_batch_begin"], calls["on_forwards_end"]
        backwards_begin, backwards_end = calls["on_backwards_begin"], calls["on_backwards_end"]
        batch_end = calls["on_batch_end"]
        total, fit.n_batches = FoldLoss(), len(fit.by)  # type: ignore[arg-type]
        for fit.batch, (fit.x, fit.y, fit.w) in enumerate(fit.by or (), 1):
            for call in batch_begin:
                call(fit)
            y_pred = fit.y_pred = model.forward(fit.x)
            fit.loss_val = weighted_loss(fit.loss_func, y_pred, fit.y, fit.w)  # type: ignore[arg-type]
            for call in forwards_end:
                call(fit)
            opt = fit.opt
            opt.zero_grad()  # type: ignore[union-attr]
            for call in backwards_begin:
                call(fit)
            if scaler is None:
                fit.loss_val.backward()
            else:
                scaler.scale(fit.loss_val).backward()
                scaler.unscale_(opt)
            for call in backwards_end:
                call(fit)
            if scaler is None:
                opt.step()  # type: ignore[union-attr]
            else:
                scaler.step(opt)
                scaler.update()
            for call in batch_end:
                call(fit)
            total.add(fit.loss_val, len(y_pred), fit.w)
        return total.value()

    def _validate_fold(self) -> tuple[float, Tensor]:
        fit, calls, model = self.fit, self.calls, self.fit.model
        total, preds, fit.n_batches = FoldLoss(), [], len(fit.by)  # type: ignore[arg-type]
        for fit.batch, (fit.x, fit.y, fit.w) in enumerate(fit.by or (), 1):
            for call in calls["on_batch_begin"]:
                call(fit)
            y_pred = fit.y_pred = model.forward(fit.x)
            fit.loss_val = weighted_loss(fit.loss_func, y_pred, fit.y, fit.w)  # type: ignore[arg-type]
            for call in calls["on_forwards_end"]:
                call(fit)
            for call in calls["on_batch_end"]:
                call(fit)
            total.add(fit.loss_val, len(y_pred), fit.w)
            preds.append(fit.y_pred.detach())
        if isinstance(fit.loss_func, BatchLoss):
            return _whole_loss(fit.loss_func, preds, fit.by, fit.device), torch.cat(preds)
        return total.value(), torch.cat(preds)

    def _evaluate_metric(self, metric: Any, preds: Tensor) -> float:
        fit, by = self.fit, self.fit.by
        columns: Mapping[str, np.ndarray] = {
            name: fit.fy.get_column(name, fold_idx=fit.val_idx)  # type: ignore[union-attr]
            for name in metric.columns
        }
        weights = by.weights if self.train_on_weights else None  # type: ignore[union-attr]
        return float(metric.evaluate(fit.model.to_prediction(preds).cpu().numpy(), by.targets, weights, columns))  # type: ignore[union-attr]

    def _batches(self, fold: dict[str, Any], shuffle: bool) -> BatchYielder:
        fit = self.fit
        check_targets(fold["targets"], fit.model)
        by = fit.fy.batch_yielder_type(  # type: ignore[union-attr]
            fold["inputs"],
            fit.bs,
            fit.model.objective,
            fold["targets"],
            fold["weights"],
            shuffle=shuffle,
            use_weights=self.train_on_weights,
            bulk_move=self.bulk_move,
            input_mask=fit.model.input_mask,
            drop_last=shuffle,
            device=fit.device,
            generator=fit.generator,
        )
        return by  # type: ignore[no-any-return]

    def _end_fold(self) -> None:
        """Close a fold, and let go of its data before the next is loaded."""
        self.call("on_fold_end")
        _forget_batch(self.fit)
        self.bar.update()


def check_targets(targets: np.ndarray | None, model: Any) -> None:
    """Refuse targets that the model's own loss (``"auto"``) cannot take; another loss has its own rules.

    Args:
        targets: Shape ``(n, n_targ)`` or ``(n,)``.
        model: The `Model`.

    Raises:
        DataError: If there are none, or they are out of range for the objective.
        ShapeError: If their number is not that of the outputs.
    """
    if targets is None:
        raise DataError("the fold has no targets to train on")
    builder = model.model_builder
    if builder.loss != "auto" and builder.loss != AUTO[model.objective]:
        return
    low, high = targets.min(), targets.max()
    if model.objective == "multiclass":
        if high >= model.n_out:
            raise DataError(f"multiclass targets must be below n_out={model.n_out}, got {high}; set n_out to the number of classes")
        return
    width = 1 if targets.ndim == 1 else targets.shape[1]
    if width != model.n_out:
        raise ShapeError(f"the model has n_out={model.n_out} outputs, but the data have {width} targets an event")
    if model.objective == "classification" and (low < 0 or high > 1):
        raise DataError(
            f"targets of a classification must be in [0, 1], got {low} to {high}; use objective='multiclass' for more classes"
        )


def _whole_loss(loss: Any, preds: list[Tensor], by: Any, device: torch.device) -> float:
    """Compute a `BatchLoss` of a whole fold."""
    whole = BatchYielder(
        by.inputs[:, :1], by.n_events, by.objective, by.targets, by.weights,
        shuffle=False, use_weights=by.use_weights, drop_last=False, device=device,
    )  # fmt: skip
    _, y, w = next(iter(whole))
    return float(loss(torch.cat(preds), y, w))


def _seed_epoch(fit: FitParams, seed: int) -> None:
    """Seed an epoch's streams from its number alone, so that it can be repeated without the ones before."""
    torch.manual_seed(seeds.seed_of(seed, "dropout", fit.epoch))
    fit.generator.manual_seed(seeds.seed_of(seed, "shuffling", fit.epoch))  # type: ignore[union-attr]
    fit.rng = seeds.stream(seed, "callbacks", fit.epoch)


def _forget_batch(fit: FitParams) -> None:
    fit.by = fit.x = fit.y = fit.w = fit.y_pred = fit.loss_val = None
