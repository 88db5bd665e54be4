"""Checks of losses per event: one value per event, which is that event's alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from lumin_core.model.loss import BatchLoss, event_loss
from lumin_core.testing import batch_loss_checks, loss_in_the_loop
from lumin_core.testing.loss_batches import Batches, batches_of
from lumin_core.testing.outcome import CheckFailed, NotApplicable
from lumin_core.testing.promises import Check

if TYPE_CHECKING:
    from lumin_core.testing.subject import Subject

_EDGES = (0.0, 1e-7, 0.5, 1 - 1e-7, 1.0)


def check_loss_shape(subject: Subject) -> None:
    """A loss gives (B,), (B, 1) or (B, n), never (B, B) or a mean, for 1 and 5 events."""
    for batches in _of_events(subject):
        for n_events in (5, 1):
            z, y = batches.draw(n_events)
            shape = tuple(batches.values(batches.outputs(z), y).shape)
            if shape not in {(n_events,), (n_events, 1), (n_events, batches.n_out)}:
                raise CheckFailed(
                    f"expected one value per event, ({n_events},), ({n_events}, 1) or ({n_events}, n_out), from "
                    f"outputs {tuple(z.shape)} and targets {tuple(y.shape)}, got {shape} ({batches}); {_way_out(shape)}"
                )


def _way_out(shape: tuple[int, ...]) -> str:
    if not shape:
        return "leave out mean() and sum(): the loop takes the weighted mean; what is no sum over events is a BatchLoss"
    if len(shape) > 1 and shape[0] == shape[1]:
        return "outputs and targets were broadcast against each other: give both one shape, y.view_as(y_pred)"
    return "keep the axis of the events, the first, and take means over the others alone"


def check_loss_alone(subject: Subject) -> None:
    """The loss of an event is what it would be without the others in its batch."""
    for batches in _of_events(subject):
        z, y = batches.draw(5)
        y_pred = batches.outputs(z)
        together = event_loss(batches.fresh(), y_pred, y)
        alone = torch.cat([event_loss(batches.fresh(), y_pred[i : i + 1], y[i : i + 1]) for i in range(5)])
        if not torch.allclose(together, alone, rtol=1e-4, atol=1e-6):
            raise CheckFailed(
                f"expected each event's loss to be its own, {_listed(alone)} alone, got {_listed(together)} in one "
                f"batch ({batches}); compute nothing over the batch, no mean, maximum or norm; what needs the whole "
                "batch derives from lumin_core.BatchLoss"
            )


def check_loss_gradient(subject: Subject) -> None:
    """The gradient is finite for outputs of 0, of 1 and next to them."""
    for batches in _of_events(subject):
        z, y = batches.draw(5)
        y_pred = torch.tensor(_EDGES)[:, None].expand_as(z).clone()
        if batches.objective == "multiclass":
            y_pred = torch.stack([torch.tensor(_EDGES).log().clamp(min=-100), *z.log_softmax(1).unbind(1)[1:]], 1)
        for targets in (y, y_pred.detach().clone() if y.is_floating_point() else y):
            _check_gradient(batches, y_pred, targets)


def _check_gradient(batches: Batches, y_pred: torch.Tensor, y: torch.Tensor) -> None:
    given = y_pred.detach().clone().requires_grad_()
    try:
        values = event_loss(batches.fresh(), given, y)
    except ValueError:  # targets that it refuses, as a division by zero
        return
    if not values.requires_grad:
        raise CheckFailed(f"expected a loss with a gradient ({batches}), got one without; leave out detach() and numpy")
    (gradient,) = torch.autograd.grad(values.sum(), given)
    if not (gradient.isfinite().all() and values.isfinite().all()):
        raise CheckFailed(
            f"expected finite losses and gradients for the outputs {_listed(y_pred[:, 0])} and targets "
            f"{_listed(y.reshape(len(y), -1)[:, 0])}, got losses {_listed(values)} and gradients "
            f"{_listed(gradient[:, 0])} ({batches}); clamp before log, sqrt or a division"
        )


def _of_events(subject: Subject) -> list[Batches]:
    found = batches_of(subject)
    if isinstance(found[0].loss, BatchLoss):
        raise NotApplicable("a BatchLoss gives one value per batch")
    return found


def _listed(values: torch.Tensor) -> str:
    return "[" + ", ".join(f"{value:.4g}" for value in values.detach().flatten().tolist()) + "]"


CHECKS = tuple(
    Check(function)
    for function in (
        check_loss_shape,
        check_loss_alone,
        check_loss_gradient,
        loss_in_the_loop.check_loss_integer_targets,
        loss_in_the_loop.check_loss_weight_two,
        loss_in_the_loop.check_loss_weight_zero,
        batch_loss_checks.check_batch_loss_scalar,
        batch_loss_checks.check_batch_loss_unweighted,
        batch_loss_checks.check_batch_loss_weight_zero,
        batch_loss_checks.check_batch_loss_order,
        batch_loss_checks.check_batch_loss_few,
    )
)
