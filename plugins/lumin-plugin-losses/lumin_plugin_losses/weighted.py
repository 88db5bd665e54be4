r"""Squared, absolute and cross-entropy loss, one value per event.

The names are those that LUMIN's users know. "Weighted" is what the training makes of them: the
losses here neither take nor need event weights, because the core takes
:math:`\frac{1}{B} \sum_i w_i l_i` in one place, for any loss.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from lumin_core.errors import ConfigError, DataError, ShapeError

if TYPE_CHECKING:
    from collections.abc import Sequence


class WeightedMSE(nn.Module):
    r"""Squared error, :math:`l = (\hat y - y)^2`.

    The event weights are applied by the core.

    Example:
        >>> import torch
        >>> from lumin_plugin_losses import WeightedMSE
        >>> WeightedMSE()(torch.tensor([[1.0], [3.0]]), torch.zeros(2, 1))
        tensor([[1.],
                [9.]])
    """

    def forward(self, y_pred: Tensor, y: Tensor) -> Tensor:
        """Compute the loss of each event and target.

        Args:
            y_pred: Predictions, shape ``(B, n_targ)``.
            y: Targets, shape ``(B, n_targ)``.

        Returns:
            Shape ``(B, n_targ)``, in the unit of the targets squared.

        Raises:
            ShapeError: If the shapes differ.
        """
        require_same_shape(y_pred, y)
        return (y_pred - y).square()


class WeightedMAE(nn.Module):
    r"""Absolute error, :math:`l = |\hat y - y|`.

    The event weights are applied by the core.

    Example:
        >>> import torch
        >>> from lumin_plugin_losses import WeightedMAE
        >>> WeightedMAE()(torch.tensor([[1.0], [-3.0]]), torch.zeros(2, 1))
        tensor([[1.],
                [3.]])
    """

    def forward(self, y_pred: Tensor, y: Tensor) -> Tensor:
        """Compute the loss of each event and target.

        Args:
            y_pred: Predictions, shape ``(B, n_targ)``.
            y: Targets, shape ``(B, n_targ)``.

        Returns:
            Shape ``(B, n_targ)``, in the unit of the targets.

        Raises:
            ShapeError: If the shapes differ.
        """
        require_same_shape(y_pred, y)
        return (y_pred - y).abs()


class WeightedCCE(nn.Module):
    r"""Categorical cross-entropy of log-probabilities, :math:`l = -c_y \log p_y`.

    It goes with objective ``multiclass``, whose tail ends in a log-softmax. The event weights are
    applied by the core; the weights :math:`c` of the classes, if given, only scale: nothing is
    divided by their sum.

    Args:
        class_weights: A factor for each class, shape ``(K,)``; default 1.

    Raises:
        ConfigError: If the class weights are no list of finite numbers.

    Example:
        >>> import torch
        >>> from lumin_plugin_losses import WeightedCCE
        >>> log_p = torch.tensor([[0.5, 0.5], [0.2, 0.8]]).log()
        >>> WeightedCCE(class_weights=[1, 2])(log_p, torch.tensor([0, 1]))
        tensor([0.6931, 0.4463])
    """

    class_weights: Tensor | None

    def __init__(self, class_weights: Sequence[float] | Tensor | None = None) -> None:
        super().__init__()
        weights = None if class_weights is None else torch.as_tensor(class_weights, dtype=torch.get_default_dtype())
        if weights is not None and (weights.dim() != 1 or not weights.isfinite().all()):
            raise ConfigError(f"class_weights must be a finite number for each class, got {class_weights!r}")
        self.register_buffer("class_weights", weights)

    def forward(self, y_pred: Tensor, y: Tensor) -> Tensor:
        """Compute the loss of each event.

        Args:
            y_pred: Log-probabilities, shape ``(B, K)``.
            y: Numbers of the true classes, from 0, integers of shape ``(B,)``.

        Returns:
            Shape ``(B,)``.

        Raises:
            ShapeError: If the shapes are others, or the number of class weights is not that
                of the classes.
            DataError: If the targets are no integers.
        """
        if y_pred.dim() != 2 or y.shape != y_pred.shape[:1]:
            raise ShapeError(
                f"weighted_cce takes log-probabilities (B, K) and class numbers (B,), got {tuple(y_pred.shape)} and "
                f"{tuple(y.shape)}; use objective='multiclass'"
            )
        if y.is_floating_point():
            raise DataError(f"class numbers must be integers, got {y.dtype}; use objective='multiclass'")
        index = y.long()
        values = -y_pred.gather(1, index[:, None]).squeeze(1)
        if self.class_weights is None:
            return values
        if len(self.class_weights) != y_pred.shape[1]:
            raise ShapeError(f"class_weights must be one a class, got {len(self.class_weights)} for {y_pred.shape[1]}")
        return values * self.class_weights[index]


def require_same_shape(y_pred: Tensor, y: Tensor) -> None:
    """Refuse predictions and targets that would only be broadcast against each other.

    Raises:
        ShapeError: If the shapes differ.

    Example:
        >>> import torch
        >>> from lumin_plugin_losses.weighted import require_same_shape
        >>> require_same_shape(torch.ones(3, 1), torch.ones(3, 1))
    """
    if y_pred.shape != y.shape:
        raise ShapeError(
            f"predictions and targets must have one shape, got {tuple(y_pred.shape)} and {tuple(y.shape)}; "
            "set n_out to the number of targets"
        )
