r"""The block of particle transformers: attention and two dense layers.

Norms stand in front of and behind each.

.. math::
    x' = x + \mathrm{LN}(\mathrm{attention}(\mathrm{LN}(x))), \qquad
    y = x' + W_2\, \mathrm{LN}(\mathrm{gelu}(W_1 \mathrm{LN}(x')))

with a learned factor for every attention head, and for every feature of the second residual.

References:
    Shleifer, Weston and Ott (NormFormer), https://arxiv.org/abs/2110.09456; as used by Qu, Li and
    Qian, https://arxiv.org/abs/2202.03772
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention

from lumin_core.checks import check_positive
from lumin_core.errors import ConfigError


class TransformerBlock(nn.Module):
    """Attention of queries to keys, then two dense layers.

    Args:
        width: Number of features.
        n_heads: Number of attention heads, a divisor of the width.
        ffn_ratio: Width between the dense layers, by that of the features.
        do: Dropout rate of attention, and of both residuals.

    Raises:
        ConfigError: If the heads do not divide the width, or a number is out of range.

    Example:
        >>> import torch
        >>> from lumin_plugin_gnn.transformer_block import TransformerBlock
        >>> x, bias = torch.rand(2, 5, 16), torch.zeros(2, 4, 5, 5)
        >>> TransformerBlock(16, n_heads=4)(x, x, bias).shape
        torch.Size([2, 5, 16])

    References:
        Shleifer, Weston and Ott, https://arxiv.org/abs/2110.09456
    """

    def __init__(self, width: int, n_heads: int, ffn_ratio: int = 4, do: float = 0) -> None:
        super().__init__()
        check_positive(n_heads=n_heads, ffn_ratio=ffn_ratio)
        if not 0 <= do < 1:
            raise ConfigError(f"a dropout rate is in [0, 1), got {do}")
        if width % n_heads:
            raise ConfigError(f"n_heads must divide the width, got {n_heads} heads for {width} features")
        self.n_heads = n_heads
        self.do = do
        self.norm_in = nn.LayerNorm(width)
        self.norm_attended = nn.LayerNorm(width)
        self.queries = nn.Linear(width, width)
        self.keys_values = nn.Linear(width, 2 * width)
        self.out = nn.Linear(width, width)
        self.head_scale = nn.Parameter(torch.ones(n_heads))
        self.norm_dense = nn.LayerNorm(width)
        self.norm_inner = nn.LayerNorm(ffn_ratio * width)
        self.inner = nn.Linear(width, ffn_ratio * width)
        self.outer = nn.Linear(ffn_ratio * width, width)
        self.residual_scale = nn.Parameter(torch.ones(width))
        self.act = nn.GELU()
        self.dropout = nn.Dropout(do)
        for linear in (self.queries, self.keys_values, self.out, self.inner, self.outer):
            nn.init.xavier_uniform_(linear.weight)
            nn.init.zeros_(linear.bias)

    def forward(self, x: Tensor, keys: Tensor, bias: Tensor) -> Tensor:
        """Let ``x`` attend.

        Args:
            x: Queries ``(B, N, width)``.
            keys: What they attend to, ``(B, M, width)``; the same tensor as ``x`` for attention
                among particles.
            bias: Added to the logits, shape ``(B, heads or 1, N or 1, M)``; lowest number for
                what is absent.

        Returns:
            Shape ``(B, N, width)``.
        """
        normed = self.norm_in(x if keys is x else keys)
        attended = self._attend(normed if keys is x else x, normed, bias)
        x = x + self.dropout(self.norm_attended(attended))
        inner = self.dropout(self.act(self.inner(self.norm_dense(x))))
        outer: Tensor = self.dropout(self.outer(self.norm_inner(inner)))
        return self.residual_scale * x + outer

    def _attend(self, x: Tensor, keys: Tensor, bias: Tensor) -> Tensor:
        key, value = self.keys_values(keys).chunk(2, dim=-1)
        query, key, value = (t.unflatten(-1, (self.n_heads, -1)).transpose(1, 2) for t in (self.queries(x), key, value))
        dropout = self.do if self.training else 0.0
        heads = scaled_dot_product_attention(query, key, value, attn_mask=bias.to(query.dtype), dropout_p=dropout)
        heads = heads * self.head_scale.view(-1, 1, 1)
        out: Tensor = self.out(torch.cat(heads.unbind(1), dim=-1))  # a view would need strides that ONNX does not keep
        return out


def absent_bias(mask: Tensor, dtype: torch.dtype) -> Tensor:
    """Give the bias that lets no query see absent keys: mask ``(B, M)`` to ``(B, 1, 1, M)``.

    Example:
        >>> import torch
        >>> from lumin_plugin_gnn.transformer_block import absent_bias
        >>> absent_bias(torch.tensor([[True, False]]), torch.float32).flatten() < 0
        tensor([False,  True])
    """
    lowest = torch.finfo(dtype).min / 2  # half of it, so that adding a finite bias cannot overflow
    return torch.zeros(mask.shape, dtype=dtype, device=mask.device).masked_fill(~mask, lowest)[:, None, None]
