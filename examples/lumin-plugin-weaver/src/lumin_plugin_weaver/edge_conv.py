r"""Edge convolutions as weaver-core computes them.

Of the :math:`k` nearest neighbours :math:`j` of a particle :math:`i`,

.. math:: y_i = \mathrm{relu}\left(s(x_i) + \frac{1}{k} \sum_j h(x_i, x_j - x_i)\right)

with :math:`h` layers of linear, norm, relu, and :math:`s` a linear layer with a norm, or nothing
where the widths agree. It differs from ``edge_conv`` of lumin-plugin-gnn, which takes the mean over
the neighbours that there are: a particle with fewer than :math:`k` is given absent ones, whose
features are 0. Checkpoints were trained so.

References:
    Qu and Gouskos (ParticleNet), https://arxiv.org/abs/1902.08570
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from lumin_core.model import LCBatchNorm1d

if TYPE_CHECKING:
    from collections.abc import Sequence

FAR = 1e9
"""Each coordinate of an absent particle."""


@torch.no_grad()
def nearest(points: Tensor, mask: Tensor, k: int) -> Tensor:
    """Find the nearest neighbours of every particle, itself left out.

    Squared distances are differences of squares in single precision, in weaver's order of
    operations: who is whose neighbour must not differ by rounding.

    Args:
        points: Coordinates, shape ``(B, N, D)``.
        mask: Shape ``(B, N)``, true = present.
        k: Number of neighbours, less than ``N``.

    Returns:
        Their numbers, shape ``(B, N, k)``; absent ones where there are no others.

    Example:
        >>> import torch
        >>> from lumin_plugin_weaver.edge_conv import nearest
        >>> nearest(torch.tensor([[[0.0], [1.0], [3.0]]]), torch.ones(1, 3).bool(), 1).flatten()
        tensor([1, 0, 1])
    """
    with torch.autocast(points.device.type, enabled=False):  # 16 bits hold no FAR
        points = points.to(torch.promote_types(points.dtype, torch.float32))
        points = points.masked_fill(~mask.unsqueeze(-1), FAR)
        squares = points.square().sum(-1)
        products = -2 * points @ points.transpose(1, 2)
        distances = (squares.unsqueeze(2) + products + squares.unsqueeze(1)).clamp_min(0)
    return distances.topk(k + 1, dim=-1, largest=False, sorted=True).indices[..., 1:]


def gather(x: Tensor, index: Tensor) -> Tensor:
    """Return the features of neighbours: ``(B, N, F)`` and ``(B, N, k)`` give ``(B, N, k, F)``.

    Example:
        >>> import torch
        >>> from lumin_plugin_weaver.edge_conv import gather
        >>> gather(torch.tensor([[[5.0], [6.0]]]), torch.tensor([[[1], [0]]])).flatten()
        tensor([6., 5.])
    """
    rows = index.flatten(1).unsqueeze(-1).expand(-1, -1, x.shape[-1])
    return x.gather(1, rows).view(*index.shape, x.shape[-1])


class EdgeConvBlock(nn.Module):
    """One edge convolution.

    Norms take their statistics, in training, from the edges of particles that are present.

    Args:
        n_in: Number of features of a particle.
        widths: Those of the layers.
        k: Number of neighbours.

    Example:
        >>> import torch
        >>> from lumin_plugin_weaver.edge_conv import EdgeConvBlock
        >>> x, mask = torch.rand(2, 5, 3), torch.ones(2, 5).bool()
        >>> EdgeConvBlock(3, [8, 8], k=2)(x[..., :2], x, mask).shape
        torch.Size([2, 5, 8])
    """

    def __init__(self, n_in: int, widths: Sequence[int], k: int) -> None:
        super().__init__()
        self.k = k
        steps = list(pairwise([2 * n_in, *widths]))
        self.linears = nn.ModuleList(nn.Linear(a, b, bias=False) for a, b in steps)
        self.norms = nn.ModuleList(LCBatchNorm1d(num_features=width) for width in widths)
        is_same = n_in == widths[-1]
        self.shortcut = None if is_same else nn.Linear(n_in, widths[-1], bias=False)
        self.shortcut_norm = None if is_same else LCBatchNorm1d(num_features=widths[-1])

    def forward(self, points: Tensor, x: Tensor, mask: Tensor) -> Tensor:
        """Turn coordinates ``(B, N, D)`` and features ``(B, N, n_in)`` into ``(B, N, width)``.

        Features of absent particles, 0 in ``x``, are 0.
        """
        neighbours = gather(x, nearest(points, mask, self.k))
        own = x.unsqueeze(2).expand_as(neighbours)
        edges, counts = torch.cat((own, neighbours - own), dim=-1), mask.unsqueeze(-1).expand(neighbours.shape[:-1])
        for linear, norm in zip(self.linears, self.norms, strict=True):
            edges = norm(linear(edges), counts).relu()
        shortcut = x
        if self.shortcut is not None and self.shortcut_norm is not None:
            shortcut = self.shortcut_norm(self.shortcut(x), mask)
        return (shortcut + edges.mean(2)).relu()
