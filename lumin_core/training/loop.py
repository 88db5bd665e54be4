"""The loop: epochs of folds of batches, forwards, backwards, step, with the points of `hookspecs` in between.

Speed decides here: what is done for every batch is what is written below and nothing else. Losses of batches are kept
as tensors and summed once a fold, so that nothing waits for the device in between.
"""

from __future__ import annotations

import logging
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn

from lumin_core import seeds
from lumin_core.errors import DataError, ShapeError
from lumin_core.model.loss import BatchLoss, weighted_loss
from lumin_core.training.progress import progress_bar

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from torch import Tensor

    from lumin_core.data.batch_yielder import BatchYielder
    from lumin_core.training.fit_params import FitParams
    from lumin_core.training.hook_plan import HookPlan
    from lumin_core.training.model import Model

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


def run_fit(
    fit: FitParams, plan: HookPlan, seed: int, bulk_move: bool, train_on_weights: bool, visible_bar: bool
) -> None:
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
        _seed_epoch(fit, seed)  # callbacks may draw, weights for instance
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
    with _evaluating(fit.model):
        for call in calls["on_pred_begin"]:
            call(fit)
        fit.n_batches = len(fit.by)
        _predict_batches(fit, calls)
        for call in calls["on_pred_end"]:
            call(fit)
    _forget_batch(fit)


def _predict_batches(fit: FitParams, calls: Mapping[str, Any]) -> None:
    with torch.set_grad_enabled(fit.val_requires_grad):
        for fit.batch, (fit.x, fit.y, fit.w) in enumerate(fit.by, 1):  # noqa: B020  (sets attributes)
            for call in calls["on_batch_begin"]:
                call(fit)
            fit.y_pred = fit.model.to_prediction(fit.model.forward(fit.x))
            for call in calls["on_forwards_end"]:
                call(fit)
            for call in calls["on_batch_end"]:
                call(fit)


@contextmanager
def _evaluating(model: Model) -> Iterator[None]:
    """Put network and loss into evaluation mode, and back: callbacks may ask the model in the middle of a training."""
    parts = [part for part in (model.model, model.loss) if isinstance(part, nn.Module)]
    modes = [(module, module.training) for part in parts for module in part.modules()]
    model.set_mode(training=False)
    try:
        yield
    finally:
        for module, training in modes:
            module.training = training


def evaluate(model: Any, by: BatchYielder) -> float:
    """Compute the loss of a whole fold: the weighted mean, or the loss of it taken as one batch for a `BatchLoss`.

    Args:
        model: The `Model`.
        by: The fold, with targets.

    Returns:
        The loss.
    """
    total, seen = FoldLoss(), []
    with _evaluating(model), torch.no_grad():
        batches: Any = by
        for x, y, w in batches:
            y_pred = model.forward(x)
            if isinstance(model.loss, BatchLoss):
                seen.append((y_pred, y, w))
            else:
                total.add(weighted_loss(model.loss, y_pred, y, w), len(y_pred), w)
        return _whole_loss(model.loss, seen) if seen else total.value()


class _Loop:
    """One run of a fit."""

    def __init__(self, fit: FitParams, plan: HookPlan, bulk_move: bool, train_on_weights: bool) -> None:
        self.fit, self.plan, self.calls = fit, plan, plan.calls
        self.bulk_move, self.train_on_weights = bulk_move, train_on_weights
        self.val_idx = -1 if fit.val_idx is None else fit.val_idx
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
            fold = fit.fy.get_train_fold(fit.trn_idx, fit.epoch)
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
        self.call("on_epoch_begin")
        with torch.set_grad_enabled(fit.val_requires_grad):
            fit.by = self._batches(fit.fy.get_fold(self.val_idx), shuffle=False)
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
        is_sum = not isinstance(fit.loss_func, BatchLoss) or fit.loss_func.is_weighted_sum
        total, fit.n_batches = FoldLoss(), len(fit.by)
        for fit.batch, (fit.x, fit.y, fit.w) in enumerate(fit.by, 1):  # noqa: B020  (sets attributes)
            for call in batch_begin:
                call(fit)
            y_pred = fit.y_pred = model.forward(fit.x)
            fit.loss_val = weighted_loss(fit.loss_func, y_pred, fit.y, fit.w)
            for call in forwards_end:
                call(fit)
            opt = fit.opt
            opt.zero_grad()
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
                opt.step()
            else:
                scaler.step(opt)
                scaler.update()
            for call in batch_end:
                call(fit)
            total.add(fit.loss_val, len(y_pred), fit.w if is_sum else None)
        return total.value()

    def _validate_fold(self) -> tuple[float, Tensor]:
        fit, calls, model = self.fit, self.calls, self.fit.model
        total, seen, fit.n_batches = FoldLoss(), [], len(fit.by)
        for fit.batch, (fit.x, fit.y, fit.w) in enumerate(fit.by, 1):  # noqa: B020  (sets attributes)
            for call in calls["on_batch_begin"]:
                call(fit)
            y_pred = fit.y_pred = model.forward(fit.x)
            fit.loss_val = weighted_loss(fit.loss_func, y_pred, fit.y, fit.w)
            for call in calls["on_forwards_end"]:
                call(fit)
            for call in calls["on_batch_end"]:
                call(fit)
            total.add(fit.loss_val, len(y_pred), fit.w)
            seen.append((fit.y_pred.detach(), fit.y, fit.w))
        preds = torch.cat([y_pred for y_pred, *_ in seen])
        return _whole_loss(fit.loss_func, seen) if isinstance(fit.loss_func, BatchLoss) else total.value(), preds

    def _evaluate_metric(self, metric: Any, preds: Tensor) -> float:
        fit, by = self.fit, self.fit.by
        columns: dict[str, Any] = {name: fit.fy.get_column(name, fold_idx=fit.val_idx) for name in metric.columns}
        weights = by.weights if self.train_on_weights else None
        targets: Any = by.targets
        targets = targets.reshape(-1) if fit.model.objective == "multiclass" else targets
        return float(metric.evaluate(fit.model.to_prediction(preds).cpu().numpy(), targets, weights, columns))

    def _batches(self, fold: dict[str, Any], shuffle: bool) -> BatchYielder:
        fit = self.fit
        check_targets(fold["targets"], fit.model)
        by: BatchYielder = fit.fy.batch_yielder_type(
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
        fit.batch, fit.n_batches = 0, len(by)
        return by

    def _end_fold(self) -> None:
        """Close a fold, and let go of its data before the next is loaded."""
        self.call("on_fold_end")
        _forget_batch(self.fit)
        self.bar.update()


def check_targets(targets: np.ndarray | None, model: Any) -> None:
    """Refuse targets that one of torch's losses cannot take, or would broadcast; any other loss has its own rules.

    Args:
        targets: Shape ``(n, n_targ)`` or ``(n,)``.
        model: The `Model`.

    Raises:
        DataError: If there are none, or they are out of range for the objective.
        ShapeError: If their number is not that of the outputs.
    """
    if targets is None:
        raise DataError("there are no targets; give one row of them for each event")
    if len(targets) == 0:
        raise DataError("there are no events, so that a loss is undefined")
    if type(model.loss).__module__ != nn.MSELoss.__module__:
        return
    if targets.dtype.kind not in "biuf":
        raise DataError(f"targets must be numbers, got {targets.dtype}; encode them first")
    low, high = targets.min(), targets.max()
    if model.objective == "multiclass":
        if targets.size != len(targets):
            raise ShapeError(f"multiclass takes one target an event, its class, got shape {targets.shape}")
        if high >= model.n_out:
            raise DataError(
                f"multiclass targets must be below n_out={model.n_out}, got {high}; set n_out to the number of classes"
            )
        return
    width = 1 if targets.ndim == 1 else targets.shape[1]
    if width != model.n_out:
        raise ShapeError(f"the model has n_out={model.n_out} outputs, but the data have {width} targets an event")
    if isinstance(model.loss, nn.BCELoss) and (low < 0 or high > 1):
        raise DataError(
            f"targets of a classification must be in [0, 1], got {low} to {high}; "
            "use objective='multiclass' for more classes"
        )


def _whole_loss(loss: BatchLoss, seen: list[tuple[Any, ...]]) -> float:
    """Compute a `BatchLoss` of a whole fold from its batches' predictions, targets and weights."""
    y_pred, y, w = (None if column[0] is None else torch.cat(column) for column in zip(*seen, strict=True))
    return float(loss(y_pred, y, w))


def _seed_epoch(fit: FitParams, seed: int) -> None:
    """Seed an epoch's streams from its number alone, so that it can be repeated without the ones before."""
    torch.manual_seed(seeds.seed_of(seed, "dropout", fit.epoch))
    fit.generator.manual_seed(seeds.seed_of(seed, "shuffling", fit.epoch))
    fit.rng = seeds.stream(seed, "callbacks", fit.epoch)


def _forget_batch(fit: FitParams) -> None:
    nothing: Any = None
    fit.by = fit.x = fit.y = fit.w = fit.y_pred = fit.loss_val = nothing
