"""A collapser that learns what to look at: a token that attends to all objects.

References:
    Touvron et al. (CaiT), https://arxiv.org/abs/2103.17239; as used by Qu, Li and Qian,
    https://arxiv.org/abs/2202.03772
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from lumin_core.checks import check_positive
from lumin_plugin_gnn.blocks import Collapser
from lumin_plugin_gnn.transformer_block import TransformerBlock, absent_bias


class ClassAttention(Collapser):
    """Returns what a learned token has become in several attention blocks.

    It attends to itself and all objects.

    Args:
        n_v: Number of objects.
        n_fpv: Number of features of an object, and columns of the output.
        depth: Number of blocks.
        n_heads: Number of attention heads, a divisor of ``n_fpv``; by default the largest up to 8.
        ffn_ratio: Width between the dense layers of a block, by ``n_fpv``.
        do: Dropout rate.

    Raises:
        ConfigError: If there is no block, or the heads do not divide ``n_fpv``.

    Example:
        >>> import torch
        >>> from lumin_plugin_gnn import ClassAttention
        >>> ClassAttention(n_v=5, n_fpv=16)(
        ...     torch.rand(2, 5, 16), torch.ones(2, 5, dtype=torch.bool)
        ... ).shape
        torch.Size([2, 16])

    References:
        Touvron et al., https://arxiv.org/abs/2103.17239
    """

    def __init__(
        self, n_v: int, n_fpv: int, depth: int = 2, n_heads: int | None = None, ffn_ratio: int = 4, do: float = 0
    ) -> None:
        super().__init__(n_v, n_fpv)
        check_positive(depth=depth)
        heads = max(i for i in range(1, 9) if n_fpv % i == 0) if n_heads is None else n_heads
        self.token = nn.Parameter(torch.empty(1, 1, n_fpv))
        nn.init.trunc_normal_(self.token, std=0.02)
        self.blocks = nn.ModuleList(TransformerBlock(n_fpv, heads, ffn_ratio, do) for _ in range(depth))
        self.norm = nn.LayerNorm(n_fpv)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """Turn features ``(B, N, n_fpv)`` with mask ``(B, N)`` into ``(B, n_fpv)``."""
        token = self.token.expand(x.shape[0], -1, -1)
        bias = absent_bias(torch.cat((mask.new_ones(x.shape[0], 1), mask), dim=1), x.dtype)
        for block in self.blocks:
            token = block(token, torch.cat((token, x), dim=1), bias)
        normed: Tensor = self.norm(token.squeeze(1))
        return normed

    def get_out_size(self) -> int:
        """Give ``n_fpv``."""
        return self.n_fpv
