r"""Losses: per event from the loss itself, weighted and averaged here and nowhere else.

A loss gives :math:`l_i` per event, shape ``(B, ...)``. The objective of a batch is

.. math:: L = \frac{1}{B} \sum_i w_i \, l_i

and what is reported of a whole fold is :math:`\sum_i w_i l_i / \sum_i w_i`, so that a weight means
that event: weight zero is no event, weight two is the event twice. Where a loss gives several
values per event (multi-label, several targets) their mean is :math:`l_i`.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from lumin_core import registry
from lumin_core.errors import ConfigError, DataError, Diverged, LuminError, ShapeError
from lumin_core.model.options import copied, options_of

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np

AUTO = {"classification": "core/bce_loss", "multiclass": "core/nll_loss", "regression": "core/mse_loss"}

WAY_OUT = (
    "take a smaller learning rate, clip gradients (grad_clip), or look for extreme values in inputs, targets and "
    "weights"
)
"""What to do about a training that has diverged, for messages."""

# Without weights torch's own mean over all values is the same number, in one call forwards and
# backwards, not two.
_MEANS: dict[type[object], Callable[..., Tensor]] = {
    nn.BCELoss: functional.binary_cross_entropy,
    nn.L1Loss: functional.l1_loss,
    nn.MSELoss: functional.mse_loss,
}
_MANY = 2**16  # events, more than a batch of a training has


class BatchLoss(nn.Module):
    """Base of losses that are no sum over events, such as a significance or a distance correlation.

    ``forward(y_pred, y, w)`` gives the scalar objective of the whole batch; ``w`` is ``(B, 1)`` or
    ``None``. A reported value is the loss of the whole fold taken as one batch; while training, it
    is the mean over the fold's batches. Such a loss may be any function of the batch; whatever it
    is, an event of weight zero should not change it.

    Attributes:
        is_weighted_sum: Whether it gives (1/B) Σ w l in training all the same, with an l that
            depends on the other events: then what is reported while training is divided by Σ w, as
            for losses per event.
        may_be_undefined: Whether NaN, with a gradient of zero, says that it is not defined for a
            batch. Such batches are left out of what is reported while training; otherwise NaN means
            that the training has diverged.

    Example:
        >>> import torch
        >>> from lumin_core import BatchLoss
        >>> class MeanBias(BatchLoss):
        ...     def forward(self, y_pred, y, w):
        ...         w = torch.ones_like(y) if w is None else w
        ...         return ((y_pred - y) * w).sum().square() / w.sum().square()
        >>> MeanBias()(torch.ones(4, 1), torch.zeros(4, 1), None)
        tensor(1.)
    """

    is_weighted_sum: ClassVar[bool] = False
    may_be_undefined: ClassVar[bool] = False

    def forward(self, y_pred: Tensor, y: Tensor, w: Tensor | None) -> Tensor:
        """Compute the objective of a batch.

        Args:
            y_pred: Predictions, shape ``(B, n_out)``.
            y: Targets, shape ``(B, n_targ)``, for multiclass ``(B,)``.
            w: Weights, shape ``(B, 1)``, or ``None`` for one each.

        Returns:
            A scalar.
        """
        raise NotImplementedError(f"{type(self).__name__} must define forward(self, y_pred, y, w)")

    def main_targets(self, targets: np.ndarray) -> np.ndarray:
        """Return those targets that the predictions are of, which is what metrics see.

        These are all, unless some are nuisances.

        Args:
            targets: Shape ``(n, n_targ)``, for multiclass ``(n,)``.

        Returns:
            The same, or fewer columns.
        """
        return targets


def event_loss(loss: Callable[..., Tensor], y_pred: Tensor, y: Tensor) -> Tensor:
    """Compute one value per event.

    Args:
        loss: A per-event loss, ``loss(y_pred, y) -> (B, ...)``.
        y_pred: Predictions, shape ``(B, n_out)``.
        y: Targets, shape ``(B, n_targ)``, for multiclass ``(B,)``.

    Returns:
        Shape ``(B,)``: the mean over all but the first axis.

    Raises:
        ShapeError: If the loss does not give one row an event.

    Example:
        >>> import torch
        >>> from lumin_core.model.loss import event_loss
        >>> event_loss(torch.nn.MSELoss(reduction="none"), torch.ones(2, 2), torch.zeros(2, 2))
        tensor([1., 1.])
    """
    values = loss(y_pred, y)
    check_rows(values, loss, y_pred.shape[0])
    return values.reshape(-1) if values.numel() == len(values) else values.flatten(1).mean(1)


def weighted_loss(loss: Callable[..., Tensor], y_pred: Tensor, y: Tensor, w: Tensor | None) -> Tensor:
    r"""Compute the objective of a batch, :math:`\frac{1}{B} \sum_i w_i l_i`.

    For a `BatchLoss` it is what the loss gives.

    Args:
        loss: A per-event loss or a `BatchLoss`.
        y_pred: Predictions, shape ``(B, n_out)``.
        y: Targets, shape ``(B, n_targ)``, for multiclass ``(B,)``.
        w: Weights, shape ``(B, 1)``, or ``None``.

    Returns:
        A scalar.

    Raises:
        ShapeError: If the loss does not give one row an event.
        DataError: If it cannot take the outputs; `Diverged` where these are not finite.

    Example:
        >>> import torch
        >>> from lumin_core.model.loss import weighted_loss
        >>> y_pred, y = torch.tensor([[1.0], [3.0]]), torch.zeros(2, 1)
        >>> weighted_loss(
        ...     torch.nn.MSELoss(reduction="none"), y_pred, y, torch.tensor([[1.0], [0.0]])
        ... )
        tensor(0.5000)
    """
    try:
        if isinstance(loss, BatchLoss):
            objective: Tensor = loss(y_pred, y, w)
            return objective
        if w is None and (mean := _torch_mean(loss)) is not None:
            return mean(y_pred, y)
        values = event_loss(loss, y_pred, y)
    except LuminError:
        raise
    except Exception as error:
        raise explained(error, loss, y_pred, y) from error
    if w is None:
        return values.mean()
    if torch.is_grad_enabled() or len(values) <= _MANY:
        return torch.dot(values, w.reshape(-1)) / values.shape[0]
    return (summed(values * w.reshape(-1)) / values.shape[0]).to(values.dtype)


def summed(values: Tensor) -> Tensor:
    """Sum the values of events, of a whole fold in double precision.

    Single precision does for a batch of a training, whose reported losses thus keep their bits, and
    has to do on Apple's GPUs.

    Args:
        values: Any shape, such as weights.

    Example:
        >>> import torch
        >>> from lumin_core.model.loss import summed
        >>> summed(torch.ones(100_000)).dtype
        torch.float64
    """
    single = values.numel() <= _MANY or values.device.type == "mps"
    return values.sum() if single else values.sum(dtype=torch.float64)


def _torch_mean(loss: object) -> Callable[..., Tensor] | None:
    mean = _MEANS.get(type(loss))
    plain = mean and getattr(loss, "reduction", None) == "none" and getattr(loss, "weight", None) is None
    return mean if plain else None


def explained(error: Exception, loss: object, y_pred: Tensor, y: Tensor) -> LuminError:
    """Say what it means that a loss raised; binary cross-entropy refuses NaN, for example.

    Returns:
        A `DataError`, which is `Diverged` where the predictions are not finite.
    """
    if not y_pred.isfinite().all():
        return Diverged(f"the network's outputs are NaN or infinite: the training has diverged; {WAY_OUT}")
    name = getattr(loss, "__qualname__", repr(loss))
    shapes = " and ".join(str(tuple(getattr(values, "shape", ()))) for values in (y_pred, y))
    return DataError(
        f"the loss {name} cannot take these outputs and targets, of shapes {shapes}: {error}; it is called as "
        "loss(y_pred, y), a BatchLoss as loss(y_pred, y, w), and loss='auto' is that of the objective"
    )


def check_rows(values: Tensor, loss: object, n_events: int) -> None:
    """Refuse what is not one row an event.

    Args:
        values: What the loss gave.
        loss: The loss, for the message.
        n_events: How many events it was of.

    Raises:
        ShapeError: If it is not.
    """
    if values.dim() == 0 or values.shape[0] != n_events:
        raise ShapeError(
            f"a loss must give one value per event, ({n_events}, ...), got {tuple(values.shape)} from {loss!r}; "
            "switch its own averaging off (reduction='none'), or derive it from lumin_core.BatchLoss"
        )


def build_loss(spec: object, objective: str) -> Callable[..., Tensor]:
    """Build a loss that gives one value per event, or a `BatchLoss`.

    Torch's classes average by themselves and would ignore weights: any loss with ``reduction`` is
    built, or rebuilt, with ``"none"``.

    Args:
        spec: ``"auto"`` (torch's BCE, NLL or MSE by objective), or anything that
            ``build("loss", ...)`` takes.
        objective: ``"classification"``, ``"multiclass"`` or ``"regression"``.

    Returns:
        The loss, to be called as ``loss(y_pred, y)``, or ``loss(y_pred, y, w)`` for a `BatchLoss`.

    Raises:
        ConfigError: If ``reduction`` is asked for by the user, or what was built cannot be called.

    Example:
        >>> from lumin_core.model.loss import build_loss
        >>> build_loss("auto", "regression").reduction
        'none'
    """
    if isinstance(spec, str) and spec == "auto":
        spec = AUTO[objective]
    if (reduction := options_of(spec).get("reduction", "none")) != "none":
        raise ConfigError(
            f"reduction={reduction!r} cannot be chosen: losses are per event, and the weighted mean "
            "is taken once, by the loop; leave reduction out"
        )
    loss: Callable[..., Tensor] = registry.build("loss", copied(spec))
    if not callable(loss):
        raise ConfigError(f"a loss must be callable as loss(y_pred, y), got {loss!r}")
    if not isinstance(spec, str | Mapping | type):
        loss = _copied(loss)
    if hasattr(loss, "reduction"):
        loss.reduction = "none"
    return loss


def problem_of(loss: object) -> str | None:
    """Say why what a constructor builds cannot be a loss, or None.

    Args:
        loss: The class, or a function, which is a loss itself.

    Example:
        >>> from lumin_core.model.loss import problem_of
        >>> class Empty(torch.nn.Module): ...
        >>> problem_of(Empty)
        'Empty has no forward(y_pred, y), and no __call__'
    """
    if not isinstance(loss, type):
        return None
    bare = loss.forward is nn.Module.forward if issubclass(loss, nn.Module) else not hasattr(loss, "__call__")  # noqa: B004
    return f"{loss.__name__} has no forward(y_pred, y), and no __call__" if bare else None


def _copied(loss: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """Copy an object that was given: it stays as it is, and is not shared between models."""
    try:
        return copy.deepcopy(loss)
    except Exception as error:
        raise ConfigError(f"the loss {loss!r} cannot be copied: {error}; give its class, or its name") from error
