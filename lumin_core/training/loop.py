"""The loop: epochs of folds of batches, forwards, backwards, step.

The points of `hookspecs` lie in between. Speed decides here: what is done for every batch is what
is written below and nothing else. Losses of batches are kept as tensors and summed once a fold, so
that nothing waits for the device in between.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from lumin_core import seeds
from lumin_core.model.loss import BatchLoss, weighted_loss
from lumin_core.training.evaluation import Answers, FoldLoss, check_targets, validation_values
from lumin_core.training.interrupt import CtrlC, Interrupted, keep_interrupted
from lumin_core.training.progress import progress_bar

if TYPE_CHECKING:
    from lumin_core.data.batch_yielder import BatchYielder
    from lumin_core.training.checkpoint import Checkpoints
    from lumin_core.training.fit_params import FitParams
    from lumin_core.training.hook_plan import HookPlan


_log = logging.getLogger(__name__)


def run_fit(
    fit: FitParams,
    plan: HookPlan,
    seed: int,
    *,
    bulk_move: bool,
    train_on_weights: bool,
    visible_bar: bool,
    checkpoints: Checkpoints | None = None,
) -> None:
    """Run a fit from its first epoch, or from the end of that of its last checkpoint, to its last.

    Args:
        fit: The state, with everything but the moving parts set.
        plan: The callbacks' plan.
        seed: Seed of fold order, augmentation, shuffling, dropout and callbacks.
        bulk_move: See `BatchYielder`.
        train_on_weights: Whether weights of the fold file are used.
        visible_bar: Whether to show a progress bar.
        checkpoints: Where the state is kept after every epoch, if it is to be.

    Raises:
        KeyboardInterrupt: After Ctrl-C, at the end of the batch; what was trained is saved.
    """
    with seeds.torch_forked(fit.device), CtrlC() as ctrl_c:
        loop = _Loop(fit, plan, seed, bulk_move, train_on_weights, ctrl_c)
        with loop.progress(visible_bar):
            try:
                loop.run(checkpoints)
            except Interrupted as error:
                raise KeyboardInterrupt(keep_interrupted(fit, checkpoints)) from error


class _Loop:
    """One run of a fit."""

    def __init__(
        self, fit: FitParams, plan: HookPlan, seed: int, bulk_move: bool, train_on_weights: bool, ctrl_c: CtrlC
    ) -> None:
        self.fit = fit
        self.plan = plan
        self.calls = plan.calls
        self.seed = seed
        self.ctrl_c = ctrl_c
        self.bulk_move = bulk_move
        self.train_on_weights = train_on_weights
        self.n_folds = len(fit.trn_idxs) + (fit.val_idx is not None)
        self.bar: Any = None

    def run(self, checkpoints: Checkpoints | None) -> None:
        fit = self.fit
        _seed_epoch(fit, self.seed)  # callbacks may draw, weights for instance
        self.call("on_train_begin")
        if checkpoints is not None:
            checkpoints.restore(fit)
            self.bar.update(fit.epoch * self.n_folds)
        while fit.epoch < fit.n_epochs and not (fit.epoch and fit.stop):  # it is looked at after a fold
            fit.epoch += 1
            _seed_epoch(fit, self.seed)
            self.train_epoch(seeds.stream(self.seed, "fold order", fit.epoch).permutation(fit.trn_idxs).tolist())
            if fit.val_idx is not None:
                self.validate(fit.val_idx)
            if checkpoints is not None:
                checkpoints.write(fit)
        self.call("on_train_end")

    def call(self, point: str) -> None:
        for call in self.calls[point]:
            call(self.fit)

    def progress(self, visible: bool) -> Any:
        self.bar = progress_bar(total=self.fit.n_epochs * self.n_folds, desc="Training", unit="fold", visible=visible)
        return self.bar

    def train_epoch(self, order: list[int]) -> None:
        fit = self.fit
        fit.state = "train"
        fit.model.set_mode(training=True)
        self.call("on_epoch_begin")
        for fit.trn_idx in order:
            fit.sub_epoch += 1
            fit.by = self._batches(self._train_fold_data(), shuffle=True)
            self._begin_fold()
            loss = self._train_fold()
            fit.history["train"]["loss"].append(loss)
            self._end_fold()
            if not np.isfinite(loss):
                _log.warning("the training loss of fold %s in epoch %s is %s", fit.trn_idx, fit.epoch, loss)
            if fit.stop:
                break
        self.call("on_epoch_end")

    def _train_fold_data(self) -> dict[str, Any]:
        fit = self.fit
        if not fit.fy.augmentations:
            return fit.fy.get_train_fold(fit.trn_idx, fit.epoch)
        return fit.fy.get_train_fold(fit.trn_idx, fit.epoch, seeds.seed_of(self.seed, "augmentation"))

    def validate(self, val_idx: int) -> None:
        fit = self.fit
        fit.state = "valid"
        fit.model.set_mode(training=False)
        self.call("on_epoch_begin")
        with torch.set_grad_enabled(fit.val_requires_grad):
            fit.by = self._batches(fit.fy.get_fold(val_idx), shuffle=False)
            self._begin_fold()
            for name, value in validation_values(fit, self._validate_fold()).items():
                fit.history["valid"].setdefault(name, []).append(value)
            by = fit.by
            self._end_fold()
            fit.by = by  # for `validated`
            self.call("on_epoch_end")
            fit.by = None  # type: ignore[assignment]

    def _train_fold(self) -> float:
        fit, calls, model, scaler, ctrl_c = self.fit, self.calls, self.fit.model, self.fit.model.scaler, self.ctrl_c
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
            if ctrl_c.asked:
                raise Interrupted
        return total.value()

    def _validate_fold(self) -> Answers:
        fit, calls, seen = self.fit, self.calls, Answers(self.fit.loss_func)
        fit.n_batches = len(fit.by)
        for fit.batch, (fit.x, fit.y, fit.w) in enumerate(fit.by, 1):  # noqa: B020  (sets attributes)
            for call in calls["on_batch_begin"]:
                call(fit)
            fit.y_pred = fit.model.forward(fit.x)
            fit.loss_val = weighted_loss(fit.loss_func, fit.y_pred, fit.y, fit.w)
            for call in calls["on_forwards_end"]:
                call(fit)
            for call in calls["on_batch_end"]:
                call(fit)
            seen.add(fit.y_pred, fit.y, fit.w, fit.loss_val)
            if self.ctrl_c.asked:
                raise Interrupted
        return seen

    def _batches(self, fold: dict[str, Any], shuffle: bool) -> BatchYielder:
        fit = self.fit
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
        fit.batch = 0
        fit.n_batches = len(by)
        return by

    def _begin_fold(self) -> None:
        """Open a fold; what is trained on is what callbacks made of it."""
        self.call("on_fold_begin")
        check_targets(self.fit.by.targets, self.fit.model)

    def _end_fold(self) -> None:
        """Close a fold, and let go of its data before the next is loaded."""
        self.call("on_fold_end")
        self.fit.forget_batch()
        self.bar.update()


def _seed_epoch(fit: FitParams, seed: int) -> None:
    """Seed an epoch's streams from its number alone.

    So it can be repeated without the ones before.
    """
    torch.manual_seed(seeds.seed_of(seed, "dropout", fit.epoch))
    fit.generator.manual_seed(seeds.seed_of(seed, "shuffling", fit.epoch))
    fit.rng = seeds.stream(seed, "callbacks", fit.epoch)
