"""A pass over the batches of a fold: forwards, backwards, step.

It is a generator that stops where the network is asked, and what it yields is the question:
`forward`, `backward` or `step`, functions of `fit_params` that do it for one network.

Speed decides here: what is done for every batch is what is written below and nothing else. Losses
of batches are kept as tensors and summed once a fold, so that nothing waits for the device in
between.
"""

from __future__ import annotations

from math import nan
from typing import TYPE_CHECKING

import torch

from lumin_core.errors import Diverged, HookError, LuminError
from lumin_core.model.loss import BatchLoss, weighted_loss
from lumin_core.model.members import loss_of_members, mean_of_members
from lumin_core.training.evaluation import Answers, FoldLoss, labelled, undefined_values, validation_values
from lumin_core.training.hook_plan import acting
from lumin_core.training.interrupt import Interrupted

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from torch import Tensor

    from lumin_core.training.fit_params import FitParams
    from lumin_core.training.hook_plan import Calls
    from lumin_core.training.interrupt import CtrlC

    Request = Callable[[FitParams], None]


def forward(fit_params: FitParams) -> None:
    """Ask the network for ``fit_params.y_pred`` of the batch ``fit_params.x``.

    In training of a network with members it is asked for ``fit_params.y_members``, and the former
    is their mean.
    """
    model = fit_params.model
    if fit_params.state == "train":
        if model.members == 1:
            fit_params.y_pred = model.forward(fit_params.x)
            return
        fit_params.y_members = model.outputs(fit_params.x)
        fit_params.y_pred = mean_of_members(fit_params.y_members, model.objective)
        return
    with torch.set_grad_enabled(fit_params.val_requires_grad):
        fit_params.y_pred = fit_params.model.forward(fit_params.x)


def backward(fit_params: FitParams) -> None:
    """Compute the gradients of ``fit_params.loss_val``, unscaled."""
    scaler = fit_params.model.scaler
    try:
        if scaler is None:
            fit_params.loss_val.backward()
            return
        scaler.scale(fit_params.loss_val).backward()
        scaler.unscale_(fit_params.opt)
    except Exception as error:
        _check_loss_val(fit_params, error)
        raise


def _check_loss_val(fit: FitParams, error: Exception) -> None:
    """Say so where callbacks made of the loss what raised an error."""
    value: object = fit.loss_val
    asked: object = fit.y_pred
    is_scalar = isinstance(value, torch.Tensor) and value.dim() == 0
    if is_scalar or asked is None or isinstance(error, LuminError):  # it is about something else
        return
    came = f"shape {tuple(value.shape)}" if isinstance(value, torch.Tensor) else repr(value)
    names = acting(fit.cbs, "on_forwards_end", "on_backwards_begin")
    raise HookError(f"fit_params.loss_val must stay a scalar tensor, got {came} from {names}") from error


def step(fit_params: FitParams) -> None:
    """Let the optimiser ``fit_params.opt`` step."""
    scaler = fit_params.model.scaler
    if scaler is None:
        fit_params.opt.step()
        return
    scaler.step(fit_params.opt)
    scaler.update()


def _loss(fit: FitParams) -> Tensor:
    return weighted_loss(fit.loss_func, fit.y_pred, fit.y, fit.w)


def _loss_of_members(fit: FitParams) -> Tensor:
    return loss_of_members(fit.loss_func, fit.y_members, fit.y, fit.w)


def train_fold(fit: FitParams, calls: Calls, ctrl_c: CtrlC) -> Generator[Request, None, float]:
    """Train on the batches ``fit.by``.

    Returns:
        Their loss; NaN where the network's outputs cannot be taken.
    """
    batch_begin, forwards_end = calls["on_batch_begin"], calls["on_forwards_end"]
    backwards_begin, backwards_end = calls["on_backwards_begin"], calls["on_backwards_end"]
    batch_end = calls["on_batch_end"]
    loss = fit.loss_func if isinstance(fit.loss_func, BatchLoss) else None
    is_sum = loss is None or loss.is_weighted_sum
    loss_of = _loss if fit.model.members == 1 else _loss_of_members
    total = FoldLoss(leave_out_nan=loss is not None and loss.may_be_undefined)
    fit.n_batches = len(fit.by)
    try:
        for fit.batch, (fit.x, fit.y, fit.w) in enumerate(labelled(fit.by), 1):  # noqa: B020  (sets attributes)
            for call in batch_begin:
                call(fit)
            yield forward
            n_events = len(fit.y_pred)
            fit.loss_val = loss_of(fit)
            for call in forwards_end:
                call(fit)
            fit.opt.zero_grad()
            for call in backwards_begin:
                call(fit)
            yield backward
            for call in backwards_end:
                call(fit)
            yield step
            for call in batch_end:
                call(fit)
            total.add(fit.loss_val, n_events, fit.w if is_sum else None)
            if ctrl_c.asked:
                raise Interrupted
        return total.value()
    except Diverged:
        return nan
    except Exception as error:
        _check_loss_val(fit, error)
        raise


def validate_fold(fit: FitParams, calls: Calls, ctrl_c: CtrlC) -> Generator[Request, None, dict[str, float]]:
    """Ask about the batches ``fit.by``, with gradients where callbacks want them.

    Whether there are any is never set across a stop, where others may run.

    Returns:
        Their loss, and every metric by its label; NaN where the network's outputs cannot be taken.
    """
    batch_begin, batch_asked = calls["on_batch_begin"], calls["on_forwards_end"] + calls["on_batch_end"]
    seen = Answers(fit.loss_func)
    fit.n_batches = len(fit.by)
    try:
        for fit.batch, (fit.x, fit.y, fit.w) in enumerate(labelled(fit.by), 1):  # noqa: B020  (sets attributes)
            with torch.set_grad_enabled(fit.val_requires_grad):
                for call in batch_begin:
                    call(fit)
            yield forward
            with torch.set_grad_enabled(fit.val_requires_grad):
                fit.loss_val = weighted_loss(fit.loss_func, fit.y_pred, fit.y, fit.w)
                for call in batch_asked:
                    call(fit)
            seen.add(fit.y_pred, fit.y, fit.w, fit.loss_val)
            if ctrl_c.asked:
                raise Interrupted
        with torch.set_grad_enabled(fit.val_requires_grad):
            return validation_values(fit, seen)
    except Diverged:
        return undefined_values(fit)
    except Exception as error:
        _check_loss_val(fit, error)
        raise
