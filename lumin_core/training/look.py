"""The look before the first batch: whether head, body, tail and loss give what they say they do.

A few events of the first fold pass the blocks one by one, in evaluation mode, and then the loss,
with gradient. All are copies, and random states are kept: the training that follows is the same as
without. Shapes are looked at here, once a fit, so that the loop need not. The number of events is
none of the widths: a loss that compares all events with each other gives itself away. Before a run
is written a network that is made for that alone is looked at, and trained by one step.
"""

from __future__ import annotations

import copy
import random
import warnings
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, cast

import numpy as np
import torch
from torch import Tensor, nn

from lumin_core import seeds
from lumin_core.data.batch_yielder import BatchYielder
from lumin_core.errors import ConfigError, Diverged, LuminError, ShapeError
from lumin_core.model.blocks import Tail
from lumin_core.model.config import PARTS
from lumin_core.model.loss import BatchLoss, check_rows, explained, weighted_loss
from lumin_core.model.members import loss_of_members
from lumin_core.registry.config import title
from lumin_core.training.callback import scheduled
from lumin_core.training.evaluation import labelled
from lumin_core.training.hints import say_unscaled
from lumin_core.training.passes import backward, step

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from lumin_core.model.blocks import Block, Inputs
    from lumin_core.training.evaluation import Labelled
    from lumin_core.training.fit_params import FitParams

_NUMBERS = (5, 7, 11, 13, 17, 19, 23)
_UNASKED = object()  # what a loss without a copy gives
_SOME = 10_000  # targets among which classes are looked for


def look(fit: FitParams) -> None:
    """Ask the blocks and the loss of a fit about a few events of its current fold.

    A block or a loss that refuses a few events is asked about a whole batch before it is refused
    itself. The loss is not judged where callbacks act at the beginning of batches, schedules aside,
    as they may change targets.

    Args:
        fit: The state of the fit, a training fold begun; it stays as it is.

    Raises:
        ShapeError: If a block or the loss gives another shape than it should, by name.
        ConfigError: If a block raises, or the loss has no gradient.
        DataError: If the loss raises.
    """
    few, more = _numbers(fit)
    with unnoticed(fit):
        batch = _rows(fit, few)
        if batch is None:
            return
        _check_inputs(fit, batch[0])
        say_unscaled(fit)
        try:
            y_pred = _passed(fit, batch, few)
        except LuminError:
            if few >= fit.bs or (batch := _rows(fit, fit.bs)) is None:
                raise
            y_pred = _passed(fit, batch, fit.bs)
        if _has_its_targets(fit):
            _check_loss(fit, y_pred, batch, more)


def rehearse(fit: FitParams) -> None:
    """Train a network on a few events, to see that it can be; it is not to be used afterwards.

    Args:
        fit: The state of the fit, a training fold begun.

    Raises:
        LuminError: As in `look`, of blocks in training mode.
        ConfigError: If gradients cannot be computed, or the optimiser raises; they are not asked
            where there are GPUs.
    """
    few, _ = _numbers(fit)
    with unnoticed(fit), suppress(Diverged):  # with other weights it may not
        fit.model.set_mode(training=True)
        try:
            _train_on(fit, min(few, fit.bs))
        except LuminError:
            if few >= fit.bs:
                raise
            _train_on(fit, fit.bs)


def _train_on(fit: FitParams, n: int) -> None:
    if (batch := _rows(fit, n)) is None:
        return
    x, y, w = batch
    y_pred, loss = _through(fit, fit.model.model, x, n), weighted_loss if fit.model.members == 1 else loss_of_members
    fit.loss_val = loss(fit.loss_func, y_pred, y, w) if _has_its_targets(fit) else y_pred.mean()
    if torch.cuda.is_available():  # going backwards starts a thread for each, after which no process can be forked
        return
    for what, act in ((title("loss", fit.loss_func), backward), (title("optimiser", fit.opt), step)):
        try:
            act(fit)
        except Exception as error:
            raise ConfigError(f"{what} cannot train the network: {error}") from error


def _has_its_targets(fit: FitParams) -> bool:
    """Tell whether targets reach the loss as they are."""
    return not any(hasattr(callback, "on_batch_begin") and not scheduled(callback) for callback in fit.cbs)


def _numbers(fit: FitParams) -> list[int]:
    """Choose two numbers of events that are no widths."""
    taken = {fit.model.n_out, fit.model.members, *(() if fit.by.targets is None else fit.by.targets.shape[1:])}
    return [n for n in _NUMBERS if n not in taken][:2]


@contextmanager
def unnoticed(fit: FitParams) -> Iterator[None]:
    """Keep random states, and be silent."""
    state, legacy = random.getstate(), np.random.get_state()  # blocks of others may draw from these
    with seeds.torch_forked(fit.device), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            yield
        finally:
            random.setstate(state)
            np.random.set_state(legacy)


def _rows(fit: FitParams, n: int) -> Labelled | None:
    """Return a batch of so many events; ``None`` where the batches can be had but once."""
    if type(fit.by) is BatchYielder:
        few, chosen = copy.copy(fit.by), _chosen(fit.by.targets, fit.by.n_events, n)
        few.shuffle, few.drop_last, few.bs = False, False, n
        for name in ("inputs", "matrix_inputs", "targets", "weights"):
            values = getattr(few, name)
            setattr(few, name, None if values is None else values[chosen])
        return cast("Labelled", next(iter(few)))
    batches = labelled(fit.by)
    return None if iter(batches) is batches else _first(fit, n)


def _chosen(targets: np.ndarray | None, n_events: int, n: int) -> np.ndarray:
    """Choose events, one of each class first, some more than once if there are too few."""
    rows = np.arange(min(n_events, _SOME))
    if targets is None:
        return np.resize(rows, n)
    _, classes = np.unique(np.asarray(targets[:_SOME]).reshape(len(rows), -1)[:, 0], return_index=True)
    chosen = classes if len(classes) <= n else rows[:0]
    return np.resize([*chosen, *np.setdiff1d(rows[: 2 * n], chosen)], n)


def _first(fit: FitParams, n: int) -> Labelled:
    """Return the first events that the batches yield; their order is drawn again afterwards."""
    generator = getattr(fit.by, "generator", None)
    state = None if generator is None else generator.get_state()
    x, y, w = next(iter(labelled(fit.by)))
    if generator is not None:
        generator.set_state(state)
    index = torch.arange(n, device=y.device) % len(y)
    rows = (x[0][index], x[1][index]) if isinstance(x, tuple) else x[index]
    return rows, y[index], None if w is None else w[index]


def _check_inputs(fit: FitParams, x: Inputs) -> None:
    flat, mask = x[0] if isinstance(x, tuple) else x, fit.model.input_mask
    cats = fit.fy.get_use_cat_feats()
    n_columns = len(fit.fy.get_use_cont_feats()) + len(cats) if mask is None else len(mask)
    if flat.shape[1] != n_columns:
        raise ShapeError(
            f"the batches have {flat.shape[1]} columns of flat inputs, but the model is given {n_columns} features; "
            "callbacks (on_fold_begin) and augmentations must keep the number of columns"
        )


def _passed(fit: FitParams, batch: Labelled, n: int) -> Tensor:
    """Pass events through the blocks, and return the outputs."""
    with torch.no_grad(), fit.model.use.asking([fit.model.model]):  # of which blocks without a copy are part
        return _through(fit, _copied(fit.model.model), batch[0], n)


def _through(fit: FitParams, network: nn.Sequential, x: Inputs, n: int) -> Tensor:
    for part, block in zip(PARTS, cast("Iterable[Block]", network), strict=True):
        if isinstance(block, Tail) and fit.model.members > 1:
            _check_shape(fit, part, block, _asked(fit, part, block, x, block.of_members), n, by_member=True)
        answer = _asked(fit, part, block, x, block)
        by_member = part == "tail" and fit.model.members > 1 and block.training
        x = _check_shape(fit, part, block, answer, n, by_member=by_member)
    return cast("Tensor", x)


def _copied(network: nn.Sequential) -> nn.Sequential:
    try:
        return copy.deepcopy(network)
    except Exception:  # noqa: BLE001  (whatever a block holds that has no copy)
        return network


def _asked(fit: FitParams, part: str, block: Block, x: Inputs, ask: Callable[..., Tensor]) -> object:
    try:
        return fit.model.outputs(x, ask)
    except LuminError:
        raise
    except Exception as error:
        shape = " and ".join(str(tuple(entry.shape)) for entry in (x if isinstance(x, tuple) else (x,)))
        raise ConfigError(f"{title(part, block)} cannot take inputs of shape {shape}: {error}") from error


def _check_shape(fit: FitParams, part: str, block: Block, answer: object, n: int, *, by_member: bool) -> Tensor:
    """Refuse another shape than a block should give."""
    said, width = ("n_out", fit.model.n_out) if part == "tail" else ("get_out_size()", block.get_out_size())
    said, shape = (f"members, {said}", (n, fit.model.members, width)) if by_member else (said, (n, width))
    wanted = f"(B, {said}), here {shape}"
    if not isinstance(answer, Tensor):
        raise ShapeError(f"{title(part, block)} must return a tensor {wanted}, got {type(answer).__name__}")
    ends = (len(answer), answer.shape[-1]) if answer.dim() > 1 else ()
    if ends != (n, width) or (part == "tail" and tuple(answer.shape) != shape):
        raise ShapeError(
            f"{title(part, block)} gave shape {tuple(answer.shape)} for {n} events; it must return {wanted}"
        )
    return answer


def _check_loss(fit: FitParams, y_pred: Tensor, batch: Labelled, more: int) -> None:
    try:
        value = _loss_value(fit.loss_func, y_pred, batch)
    except Diverged:  # the loop tells
        return
    except LuminError:
        if len(y_pred) == fit.bs or (whole := _rows(fit, fit.bs)) is None:
            raise
        batch, y_pred = whole, _passed(fit, whole, fit.bs)
        value = _loss_value(fit.loss_func, y_pred, batch)
    if value is _UNASKED:
        return
    name, n = title("loss", fit.loss_func), len(y_pred)
    if not isinstance(value, Tensor) or value.is_complex():
        came = "one of complex numbers" if isinstance(value, Tensor) else type(value).__name__
        raise ConfigError(f"{name} must return a tensor, got {came}")
    if isinstance(fit.loss_func, BatchLoss):
        if value.dim():
            raise ShapeError(f"{name} is a BatchLoss, which returns a scalar, but gave shape {tuple(value.shape)}")
    else:
        check_rows(value, fit.loss_func, n)
        _check_pairs(fit, value, y_pred, batch, more)
    if not value.requires_grad:
        raise ConfigError(
            f"{name} has no gradient: it must be computed from y_pred in torch, without detach(), item() or numpy"
        )


def _check_pairs(fit: FitParams, value: Tensor, y_pred: Tensor, batch: Labelled, more: int) -> None:
    """Refuse a loss with an axis of the number of events beside that of the events."""
    n, (_, y, w) = len(y_pred), batch
    suspects = [axis for axis in range(1, value.dim()) if value.shape[axis] == n]
    if not suspects:
        return
    rows = torch.arange(more, device=y.device) % n
    try:
        again = _loss_value(fit.loss_func, y_pred.detach()[rows], (y_pred, y[rows], None if w is None else w[rows]))
    except LuminError:  # it may need a whole batch
        return
    if isinstance(again, Tensor) and any(axis < again.dim() and again.shape[axis] == more for axis in suspects):
        raise ShapeError(
            f"{title('loss', fit.loss_func)} gave shape {tuple(value.shape)} for {n} events: it compares all with "
            f"each other, as y_pred is {_shape(y_pred)} and y {_shape(y)}; bring both to one shape, and return (B,) or "
            "(B, *)"
        )


def _shape(values: Tensor) -> str:
    return f"({', '.join(['B', *map(str, values.shape[1:])])}{',' * (values.dim() == 1)})"


def _loss_value(loss: Callable[..., Tensor], y_pred: Tensor, batch: Labelled) -> object:
    """Ask a copy of the loss, if it has one."""
    _, y, w = batch
    try:
        own, asked = copy.deepcopy(loss), y_pred.detach().requires_grad_()
    except Exception:  # noqa: BLE001  (whatever it holds that has no copy)
        return _UNASKED
    try:
        with torch.enable_grad():
            return own(asked, y, w) if isinstance(loss, BatchLoss) else own(asked, y)
    except LuminError:
        raise
    except Exception as error:
        raise explained(error, loss, y_pred, y) from error
