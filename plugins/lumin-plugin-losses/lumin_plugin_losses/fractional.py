r"""Losses relative to the true value.

For targets that span orders of magnitude, such as masses and energies. Where the resolution grows
with the square root of the true value, as a calorimeter's does, :math:`\delta^2 / |y|` gives every
event the same share. What "relative" should mean for a true value of zero nobody can tell:
it is refused.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import nn

from lumin_core.errors import ConfigError, DataError
from lumin_plugin_losses.weighted import require_same_shape

if TYPE_CHECKING:
    from torch import Tensor


class WeightedFractionalMSE(nn.Module):
    r"""Fractional squared error, :math:`l = (\hat y - y)^2 / |y|`.

    The event weights are applied by the core. The modulus is ours: with a negative target LUMIN's
    :math:`\delta^2 / y` has no lowest value, and the training drives the prediction away. A target
    that is zero raises on the CPU; on other devices, where looking would stall every batch, its
    loss is infinite or NaN. Targets should be true values in their own unit, not standardised ones,
    which lie around zero.

    Args:
        min_true: Smaller :math:`|y|` count as this, in the unit of the targets; zero
            is then allowed.

    Raises:
        ConfigError: If ``min_true`` is not positive.

    Example:
        >>> import torch
        >>> from lumin_plugin_losses import WeightedFractionalMSE
        >>> WeightedFractionalMSE()(
        ...     torch.tensor([[110.0], [12.0]]), torch.tensor([[100.0], [10.0]])
        ... )
        tensor([[1.0000],
                [0.4000]])
    """

    def __init__(self, min_true: float | None = None) -> None:
        super().__init__()
        self.min_true = checked_min_true(min_true)

    def forward(self, y_pred: Tensor, y: Tensor) -> Tensor:
        """Compute the loss of each event and target.

        Args:
            y_pred: Predictions, shape ``(B, n_targ)``.
            y: Targets, shape ``(B, n_targ)``.

        Returns:
            Shape ``(B, n_targ)``, in the unit of the targets.

        Raises:
            ShapeError: If the shapes differ.
            DataError: If a target is zero (on the CPU).
        """
        require_same_shape(y_pred, y)
        return (y_pred - y).square() / true_scale(y, self.min_true)


def checked_min_true(min_true: float | None) -> float | None:
    """Give ``min_true``, if it is positive or None.

    Raises:
        ConfigError: If it is not.

    Example:
        >>> from lumin_plugin_losses.fractional import checked_min_true
        >>> checked_min_true(0.5)
        0.5
    """
    if min_true is not None and not min_true > 0:
        raise ConfigError(f"min_true must be positive, or None to refuse targets of zero, got {min_true}")
    return min_true


def true_scale(y: Tensor, min_true: float | None) -> Tensor:
    """Return what a fractional loss divides by.

    It is the modulus of the target, or ``min_true`` where that is larger.

    Args:
        y: Targets, shape ``(B, *)``.
        min_true: The least scale, or ``None`` to refuse targets of zero.

    Returns:
        Shape ``(B, *)``.

    Raises:
        DataError: If a target is zero, without ``min_true`` (on the CPU).

    Example:
        >>> import torch
        >>> from lumin_plugin_losses.fractional import true_scale
        >>> true_scale(torch.tensor([-2.0, 0.0]), min_true=0.5)
        tensor([2.0000, 0.5000])
    """
    if min_true is not None:
        return y.abs().clamp(min=min_true)
    if y.device.type == "cpu" and bool((y == 0).any()):
        raise DataError(
            f"a fractional loss divides by the target, and {int((y == 0).sum())} of {y.numel()} are zero; "
            "leave these events out, or set min_true= in the loss"
        )
    return y.abs()
