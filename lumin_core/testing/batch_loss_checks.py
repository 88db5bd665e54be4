"""Checks of losses of a whole batch (`BatchLoss`): a scalar, in which a weight means that event."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from attrs import evolve

from lumin_core.model.loss import BatchLoss
from lumin_core.testing.loss_batches import Batches, batches_of
from lumin_core.testing.outcome import CheckFailed, NotApplicable

if TYPE_CHECKING:
    from torch import Tensor

    from lumin_core.testing.subject import Subject

_N_EVENTS = 40


def check_batch_loss_scalar(subject: Subject) -> None:
    """A batch loss gives a scalar with a finite gradient."""
    for batches in _of_batches(subject):
        z, y, w = _drawn(batches)
        value, gradient = _asked(batches, z, y, w)
        if value.shape != () or not (value.isfinite() and gradient.isfinite().all() and gradient.any()):
            raise CheckFailed(
                f"expected a scalar with a finite gradient that is not zero, got shape {tuple(value.shape)}, "
                f"{value.tolist()} ({batches}); return sum() or mean() of tensors, without detach() and numpy"
            )


def check_batch_loss_unweighted(subject: Subject) -> None:
    """Without weights every event counts as one."""
    for batches in _of_batches(subject):
        z, y, w = _drawn(batches)
        what, way_out = "weights of one to change nothing", "w is None without weights: take torch.ones_like(y[:, :1])"
        _expect_equal(batches, _asked(batches, z, y, None), _asked(batches, z, y, torch.ones_like(w)), what, way_out)


def check_batch_loss_weight_zero(subject: Subject) -> None:
    """An event of weight zero changes nothing."""
    for batches in _of_batches(subject):
        z, y, w = _drawn(batches)
        w[::4] = 0
        rows = w[:, 0] > 0
        scale = 1.0 if _of_class(batches).is_weighted_sum is False else float(rows.sum()) / len(w)
        value, gradient = _asked(batches, z, y, w)
        other, expected = _asked(batches, z[rows], y[rows], w[rows])
        what = "an event of weight zero to change nothing"
        way_out = "take w in every sum, mean, count and sort"
        _expect_equal(batches, (value, gradient[rows]), (other * scale, expected * scale), what, way_out)


def check_batch_loss_order(subject: Subject) -> None:
    """The order of the events changes nothing."""
    for batches in _of_batches(subject):
        z, y, w = _drawn(batches)
        order = torch.randperm(len(z), generator=torch.Generator().manual_seed(2))
        value, gradient = _asked(batches, z[order], y[order], w[order])
        one, expected = _asked(batches, z, y, w)
        what, way_out = "the same in any order of the events", "take no account of their order"
        _expect_equal(batches, (value, gradient), (one, expected[order]), what, way_out)


def check_batch_loss_few(subject: Subject) -> None:
    """One event, and events of one class, give a finite value, or NaN that is declared."""
    for batches in _of_batches(subject):
        z, y, w = _drawn(batches)
        one_class = y.reshape(len(y), -1)[:, 0] == y.reshape(len(y), -1)[0, 0]
        for what, rows in (("one event", torch.arange(len(z)) < 1), ("events of one class", one_class)):
            value, gradient = _asked(batches, z[rows], y[rows], w[rows])
            is_fine = value.isfinite() or (_of_class(batches).may_be_undefined and value.isnan())
            if not is_fine or not gradient.isfinite().all():
                raise CheckFailed(
                    f"expected a finite value and gradient for {what}, got {value.item()} ({batches}); guard "
                    "divisions, or say may_be_undefined = True and give NaN with a gradient of zero: "
                    "torch.where(defined, 1 / torch.where(defined, z, 1.0), torch.nan)"
                )


def _of_batches(subject: Subject) -> list[Batches]:
    found = batches_of(subject)
    if not isinstance(found[0].loss, BatchLoss):
        raise NotApplicable("it gives one value per event")
    return [evolve(batches, loss=_as_reported(batches.fresh())) for batches in found]


def _as_reported(loss: Any) -> Any:
    """Put a loss into the mode in which it is what is reported; see `BatchLoss.is_weighted_sum`."""
    return loss.double().train(loss.is_weighted_sum)


def _of_class(batches: Batches) -> type[BatchLoss]:
    return type(batches.loss)  # type: ignore[return-value]


def _drawn(batches: Batches) -> tuple[Tensor, Tensor, Tensor]:
    z, y = batches.draw(_N_EVENTS)
    w = 0.5 + torch.rand(_N_EVENTS, 1, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    return z.double(), y.double() if y.is_floating_point() else y, w


def _asked(batches: Batches, z: Tensor, y: Tensor, w: Tensor | None) -> tuple[Tensor, Tensor]:
    """Return value and gradient of a fresh loss."""
    given = z.clone().requires_grad_()
    value = batches.values(batches.outputs(given), y, w)
    if not value.requires_grad:
        raise CheckFailed(
            f"expected a value with a gradient ({batches}), got none; leave out detach(), item() and numpy"
        )
    (gradient,) = torch.autograd.grad(value.sum(), given)
    return value.detach(), gradient


def _expect_equal(
    batches: Batches, one: tuple[Tensor, Tensor], other: tuple[Tensor, Tensor], what: str, way_out: str
) -> None:
    for name, first, second in zip(("values", "gradients"), one, other, strict=True):
        if not torch.allclose(first, second, rtol=1e-4, atol=1e-8, equal_nan=True):
            raise CheckFailed(
                f"expected {what}, got {name} {first.flatten()[:3].tolist()} and {second.flatten()[:3].tolist()} "
                f"({batches}); {way_out}"
            )
