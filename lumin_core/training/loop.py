"""The loop: epochs of folds of batches, forwards, backwards, step, with the points of `hookspecs` in between.

Speed decides here: what is done for every batch is what is written below and nothing else. Losses of batches are kept
as tensors and summed once a fold, so that nothing waits for the device in between.
"""

from __future__ import annotations

import logging
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import torch
from torch import nn

from lumin_core import seeds
from lumin_core.errors import ConfigError, DataError, ShapeError
from lumin_core.model.loss import BatchLoss, weighted_loss
from lumin_core.training.interrupt import CtrlC, Interrupted, keep_interrupted
from lumin_core.training.progress import progress_bar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from torch import Tensor

    from lumin_core.data.batch_yielder import BatchYielder
    from lumin_core.training.checkpoint import Checkpoints
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
def _evaluating(model: Model, *others: nn.Module) -> Iterator[None]:
    """Put networks and loss into evaluation mode, and back: callbacks may ask the model in the middle of a training."""
    parts = [part for part in (model.model, model.loss, *others) if isinstance(part, nn.Module)]
    modes = [(module, module.training) for part in parts for module in part.modules()]
    for part in parts:
        part.eval()
    try:
        yield
    finally:
        for module, training in modes:
            module.training = training


class Answers:
    """What a network answered to the batches of a fold, and the loss of the whole.

    Args:
        loss: The loss, per event or a `BatchLoss`.

    Example:
        >>> import torch
        >>> from lumin_core.training.loop import Answers
        >>> answers = Answers(torch.nn.MSELoss(reduction="none"))
        >>> answers.add(torch.ones(2, 1), torch.zeros(2, 1), None, torch.tensor(1.0))
        >>> answers.loss(), answers.y_pred().shape
        (1.0, torch.Size([2, 1]))
    """

    def __init__(self, loss: Callable[..., Tensor]) -> None:
        self._loss, self._total, self._batches = loss, FoldLoss(), list[tuple[Any, ...]]()

    def add(self, y_pred: Tensor, y: Tensor, w: Tensor | None, loss_val: Tensor) -> None:
        """Add a batch: outputs ``(B, n_out)``, targets, weights ``(B, 1)`` and the objective."""
        self._total.add(loss_val, len(y_pred), w)
        self._batches.append((y_pred.detach(), y, w))

    def y_pred(self) -> Tensor:
        """Give the outputs of the fold, shape ``(n, n_out)``."""
        return torch.cat([y_pred for y_pred, *_ in self._batches])

    def loss(self) -> float:
        """Give the loss: the weighted mean, or that of the fold taken as one batch for a `BatchLoss`.

        Raises:
            DataError: If the weights sum to zero.
        """
        if not isinstance(self._loss, BatchLoss):
            return self._total.value()
        columns = zip(*self._batches, strict=True)
        return float(self._loss(*(None if column[0] is None else torch.cat(column) for column in columns)))


def evaluate(model: Model, by: BatchYielder, module: nn.Module | None = None) -> Answers:
    """Ask a network about a whole fold, without callbacks; its mode is what it was afterwards.

    Args:
        model: The `Model`.
        by: The fold, with targets.
        module: Another network of the same inputs and outputs, to be asked in the model's place.

    Returns:
        The answers.
    """
    answers, batches = Answers(model.loss), cast("Any", by)
    with _evaluating(model, *([] if module is None else [module])), torch.no_grad():
        for x, y, w in batches:
            y_pred = model.forward(x, module)
            answers.add(y_pred, y, w, weighted_loss(model.loss, y_pred, y, w))
    return answers


def validated(fit_params: FitParams, module: nn.Module) -> dict[str, float]:
    """Compute loss and metrics of another network on the validation fold, without callbacks.

    Args:
        fit_params: The state of the fit, in or after a validation: in ``on_fold_end`` or ``on_epoch_end``.
        module: A network of the same inputs and outputs, such as an average over the weights of the model's.

    Returns:
        The ``"loss"``, and each metric by its label.

    Raises:
        ConfigError: If there is no validation fold at hand.

    Example:
        >>> from lumin_core import Callback, validated
        >>> class Half(Callback):
        ...     def on_epoch_end(self, fit_params):
        ...         if fit_params.state == "valid":
        ...             self.values = validated(fit_params, fit_params.model.model)
    """
    if fit_params.state != "valid" or fit_params.by is None:
        raise ConfigError("validated(...) works on the validation fold: call it in on_epoch_end of the state 'valid'")
    return _values(fit_params, evaluate(fit_params.model, fit_params.by, module))


def _values(fit: FitParams, answers: Answers) -> dict[str, float]:
    """Give the loss of the validation fold, and every metric."""
    by, model, values = fit.by, fit.model, {"loss": answers.loss()}
    if not fit.metrics:
        return values
    preds = model.to_prediction(answers.y_pred()).cpu().numpy()
    targets: Any = by.targets
    targets = targets.reshape(-1) if model.objective == "multiclass" else targets
    if isinstance(fit.loss_func, BatchLoss):
        targets = fit.loss_func.main_targets(targets)
    for metric in fit.metrics:
        columns: dict[str, Any] = {name: fit.fy.get_column(name, fold_idx=fit.val_idx) for name in metric.columns}
        weights = by.weights if by.use_weights else None
        values[metric.label] = float(metric.evaluate(preds, targets, weights, columns))
    return values


class _Loop:
    """One run of a fit."""

    def __init__(
        self, fit: FitParams, plan: HookPlan, seed: int, bulk_move: bool, train_on_weights: bool, ctrl_c: CtrlC
    ) -> None:
        self.fit, self.plan, self.calls, self.seed, self.ctrl_c = fit, plan, plan.calls, seed, ctrl_c
        self.bulk_move, self.train_on_weights = bulk_move, train_on_weights
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
            for name, value in _values(fit, self._validate_fold()).items():
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
        fit.batch, fit.n_batches = 0, len(by)
        return by

    def _begin_fold(self) -> None:
        """Open a fold; what is trained on is what callbacks made of it."""
        self.call("on_fold_begin")
        check_targets(self.fit.by.targets, self.fit.model)

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


def _seed_epoch(fit: FitParams, seed: int) -> None:
    """Seed an epoch's streams from its number alone, so that it can be repeated without the ones before."""
    torch.manual_seed(seeds.seed_of(seed, "dropout", fit.epoch))
    fit.generator.manual_seed(seeds.seed_of(seed, "shuffling", fit.epoch))
    fit.rng = seeds.stream(seed, "callbacks", fit.epoch)


def _forget_batch(fit: FitParams) -> None:
    nothing: Any = None
    fit.by = fit.x = fit.y = fit.w = fit.y_pred = fit.loss_val = nothing
