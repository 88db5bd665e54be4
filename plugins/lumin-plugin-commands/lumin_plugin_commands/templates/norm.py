"""A norm: brings each row to one size."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class ExampleNorm(nn.Module):
    r"""Each row over the root of its mean square, times a scale that is learned.

    .. math:: y_j = \gamma_j \, x_j / \sqrt{\tfrac{1}{F} \sum_k x_k^2 + \epsilon}

    Args:
        num_features: Number :math:`F` of columns.
        eps: Keeps a row of zeros from dividing by zero.

    Example:
        >>> from lumin_core import Model, ModelBuilder
        >>> body = {"name": "fully_connected", "bn": True, "bn_class": "example_norm"}
        >>> model = Model(ModelBuilder("regression", n_out=1, cont_feats=["pt", "eta"], body=body))
        >>> model.n_out
        1

    References:
        Zhang and Sennrich, "Root mean square layer normalization", https://arxiv.org/abs/1910.07467
    """

    def __init__(self, num_features: int, eps: float = 1e-6) -> None:
        super().__init__()
        self.eps = eps
        self.scale = nn.Parameter(torch.ones(num_features))

    def forward(self, x: Tensor) -> Tensor:
        """Turn ``(B, num_features)`` into the same shape."""
        return self.scale * x * (x.square().mean(-1, keepdim=True) + self.eps).rsqrt()
