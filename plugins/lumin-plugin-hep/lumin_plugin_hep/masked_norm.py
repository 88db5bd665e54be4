r"""Batch norm whose statistics leave out events.

.. math::
    \mu = \frac{\sum_b m_b x_b}{n}, \quad
    \sigma^2 = \frac{\sum_b m_b (x_b - \mu)^2}{n}, \quad n = \sum_b m_b, \quad
    y_b = \gamma\,\frac{x_b - \mu}{\sqrt{\sigma^2 + \epsilon}} + \beta

with :math:`m_b` 1 for events that count and 0 for others, which are normalised all the same.

References:
    Ioffe and Szegedy, https://arxiv.org/abs/1502.03167. Ours has the mask.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


class MaskedBatchNorm1d(nn.Module):
    """Normalises every channel by the events that count; where all do, as `torch.nn.BatchNorm1d`.

    A batch in which fewer than two rows count leaves the running statistics as they are.

    Args:
        num_features: Number of channels, ``C``.
        eps: Added to the variance.
        momentum: Weight of a new batch in the running statistics.

    Example:
        >>> import torch
        >>> from lumin_plugin_hep.masked_norm import MaskedBatchNorm1d
        >>> norm = MaskedBatchNorm1d(1)
        >>> x, present = torch.tensor([[1.0], [3.0], [0.0]]), torch.tensor([True, True, False])
        >>> norm(x, present).flatten().tolist()[:2], norm.running_mean
        ([-0.9999949932098389, 0.9999949932098389], tensor([0.2000]))
    """

    def __init__(self, num_features: int, eps: float = 1e-5, momentum: float = 0.1) -> None:
        super().__init__()
        self.num_features = num_features
        self.eps = eps
        self.momentum = momentum
        self.weight = nn.Parameter(torch.ones(num_features))
        self.bias = nn.Parameter(torch.zeros(num_features))
        self.running_mean: Tensor
        self.running_var: Tensor
        self.register_buffer("running_mean", torch.zeros(num_features))
        self.register_buffer("running_var", torch.ones(num_features))

    def forward(self, x: Tensor, present: Tensor) -> Tensor:
        """Normalise ``x`` of shape ``(B, *, C)`` over all axes but the last.

        Args:
            x: The values; finite for all events.
            present: Shape ``(B,)``, true for the events that count; of no concern in evaluation.
        """
        with torch.autocast(x.device.type, enabled=False):  # mixed precision is too coarse for moments
            rows = x.reshape(-1, self.num_features).to(self.weight.dtype)
            normed = self._train(rows, _spread(present, rows)) if self.training else self._evaluate(rows)
        return normed.to(x.dtype).view(x.shape)

    def _evaluate(self, rows: Tensor) -> Tensor:
        return self._scaled(rows - self.running_mean, self.running_var)

    def _train(self, rows: Tensor, weights: Tensor) -> Tensor:
        n = weights.sum()
        weights = weights / n.clamp_min(1)
        near = (weights @ rows).detach()  # rounded as large numbers are
        deviations = rows - near
        rest = weights @ deviations
        deviations = deviations - rest
        variance = weights @ deviations.square()
        self._update(near + rest, variance, n)
        return self._scaled(deviations, variance)

    def _scaled(self, deviations: Tensor, variance: Tensor) -> Tensor:
        return deviations * (self.weight * (variance + self.eps).rsqrt()) + self.bias

    @torch.no_grad()
    def _update(self, mean: Tensor, variance: Tensor, n: Tensor) -> None:
        """Take a batch into the running statistics, without waiting for a GPU.

        The variance is that of a sample.
        """
        momentum = self.momentum * (n > 1)
        self.running_mean.lerp_(mean, momentum)
        self.running_var.lerp_(variance * (n / (n - 1).clamp_min(1)), momentum)


def _spread(present: Tensor, rows: Tensor) -> Tensor:
    """Give each row 1 or 0, as its event counts or not."""
    per_event = len(rows) // max(len(present), 1)
    return present.to(rows.dtype).unsqueeze(1).expand(-1, per_event).reshape(-1)
