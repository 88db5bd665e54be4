"""A loss: one value per event, which is neither weighted nor averaged here."""

from __future__ import annotations

import math

from torch import Tensor, nn
from torch.nn import functional


class ExampleLoss(nn.Module):
    r"""Logarithm of the hyperbolic cosine of the error.

    .. math:: l = \log\cosh((\hat y - y) / s)

    Small errors count as squares, large ones by their size. Event weights are applied by the core.

    Args:
        scale: The error :math:`s` from which on it grows linearly, in the unit of the targets.

    Example:
        >>> import torch
        >>> from lumin_core import build
        >>> loss = build("loss", {"name": "example_loss", "scale": 2.0})
        >>> loss(torch.zeros(4, 1), torch.zeros(4, 1)).tolist()
        [[0.0], [0.0], [0.0], [0.0]]
    """

    def __init__(self, scale: float = 1.0) -> None:
        super().__init__()
        self.scale = scale

    def forward(self, y_pred: Tensor, y: Tensor) -> Tensor:
        """Compute the loss of each event: predictions and targets ``(B, n)`` to ``(B, n)``."""
        error = ((y_pred - y.reshape(y_pred.shape)) / self.scale).abs()
        return error + functional.softplus(-2 * error) - math.log(2)  # which does not overflow
