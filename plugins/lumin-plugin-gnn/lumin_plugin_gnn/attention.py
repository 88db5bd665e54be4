r"""Attention between the objects of an event, as layers that add to the features of every object.

With queries, keys and values of the present objects, all linear in their features,

.. math::
    \text{self:} \quad a_{ij} = \mathrm{softmax}_j \left(q_i \cdot k_j / \sqrt{n_a}\right), \quad
    y_i = x_i + \mathrm{out}\left(\sum_j a_{ij} v_j\right) \\
    \text{offset:} \quad b_{ij} = \mathrm{softmax}_i \left(q_i \cdot k_j\right), \quad
    a_{ij} = b_{ij} / \sum_j b_{ij}, \quad
    y_i = x_i + \mathrm{out}\left(x_i - \sum_j a_{ij} v_j\right)

References:
    Vaswani et al., https://arxiv.org/abs/1706.03762; Guo et al. (offset),
    https://arxiv.org/abs/2012.09688
"""

from __future__ import annotations

from math import sqrt
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from lumin_core.checks import check_positive
from lumin_core.model import lookup_act, normal_initialiser
from lumin_plugin_gnn.blocks import Extractor
from lumin_plugin_gnn.layers import ObjectDense, only_present

if TYPE_CHECKING:
    from lumin_core.model import LookupAct, LookupInit, NormSpec, Spec


class SelfAttention(Extractor):
    """Adds to every object what it attends to among all, itself included.

    Args:
        n_fpv: Number of features of an object; as many come out.
        n_a: Width of queries and keys; by default a quarter of ``n_fpv``, at least 1.
        do: Dropout rate behind the last layer.
        bn: Whether to normalise behind the last layer.
        act: Activation of the last layer.
        bn_class: The norm.
        lookup_init: Gives the initialiser of the weights for an activation.
        lookup_act: Gives the activation layer by its name.

    Raises:
        ConfigError: If ``n_a`` is not positive.

    Example:
        >>> import torch
        >>> from lumin_plugin_gnn import SelfAttention
        >>> x = torch.rand(2, 5, 8)
        >>> mask = torch.tensor([[True] * 5, [True, True, False, False, False]])
        >>> x = x.masked_fill(~mask.unsqueeze(-1), 0)
        >>> SelfAttention(n_fpv=8)(x, mask, x).shape
        torch.Size([2, 5, 8])

    References:
        Vaswani et al., https://arxiv.org/abs/1706.03762
    """

    def __init__(
        self,
        n_fpv: int,
        n_a: int | None = None,
        do: float = 0,
        bn: bool = False,
        act: Spec = "core/relu",
        bn_class: NormSpec = "core/batch_norm1d",
        lookup_init: LookupInit = normal_initialiser,
        lookup_act: LookupAct = lookup_act,
    ) -> None:
        super().__init__(n_fpv)
        self.n_a = max(1, n_fpv // 4) if n_a is None else n_a
        check_positive(n_a=self.n_a)
        self.q = _linear(n_fpv, self.n_a, lookup_init)
        self.k = _linear(n_fpv, self.n_a, lookup_init)
        self.v = _linear(n_fpv, n_fpv, lookup_init)
        given = {"lookup_init": lookup_init, "lookup_act": lookup_act}
        self.out = ObjectDense([n_fpv, n_fpv], act=act, do=do, bn=bn, bn_class=bn_class, **given)

    def forward(self, x: Tensor, mask: Tensor, matrix: Tensor) -> Tensor:
        """Turn features ``(*, N, n_fpv)`` with mask ``(*, N)`` into such, 0 for absent objects."""
        return only_present(x + self.out(self._attend(x, mask), mask), mask)

    def get_out_size(self) -> int:
        """Give ``n_fpv``."""
        return self.n_fpv

    def _attend(self, x: Tensor, mask: Tensor) -> Tensor:
        logits = self.q(x) @ self.k(x).transpose(-1, -2) / sqrt(self.n_a)
        value: Tensor = self.v(x)
        return _softmax(logits, mask.unsqueeze(-2), -1) @ value


class OffsetSelfAttention(SelfAttention):
    """Adds to every object a function of how it differs from what it attends to.

    Args:
        n_fpv: Number of features of an object; as many come out.
        n_a: Width of queries and keys; by default a quarter of ``n_fpv``, at least 1.
        do: Dropout rate behind the last layer.
        bn: Whether to normalise behind the last layer.
        act: Activation of the last layer.
        bn_class: The norm.
        lookup_init: Gives the initialiser of the weights for an activation.
        lookup_act: Gives the activation layer by its name.

    Raises:
        ConfigError: If ``n_a`` is not positive.

    Example:
        >>> import torch
        >>> from lumin_plugin_gnn import OffsetSelfAttention
        >>> x, mask = torch.rand(2, 5, 8), torch.ones(2, 5, dtype=torch.bool)
        >>> OffsetSelfAttention(n_fpv=8)(x, mask, x).shape
        torch.Size([2, 5, 8])

    References:
        Guo et al., https://arxiv.org/abs/2012.09688
    """

    def _attend(self, x: Tensor, mask: Tensor) -> Tensor:
        logits = self.q(x) @ self.k(x).transpose(-1, -2)
        logits = logits.to(torch.promote_types(logits.dtype, torch.float32))  # 16 bits lose shares, and their sums
        by_receiver = _softmax(logits, mask.unsqueeze(-1), -2) * mask.unsqueeze(-2)  # without absent senders
        sums = by_receiver.sum(-1, keepdim=True).masked_fill(~mask.unsqueeze(-1), 1)  # an absent receiver has none
        value: Tensor = self.v(x)
        return x - (by_receiver / sums.clamp_min(torch.finfo(sums.dtype).eps ** 2)).to(value.dtype) @ value


def _linear(n_in: int, n_out: int, lookup_init: LookupInit) -> nn.Linear:
    linear = nn.Linear(n_in, n_out)
    lookup_init("linear", n_in, n_out)(linear.weight)
    nn.init.zeros_(linear.bias)
    return linear


def _softmax(logits: Tensor, counts: Tensor, dim: int) -> Tensor:
    """Return the softmax over those that count.

    Over none of them it is uniform, and of no concern.
    """
    return logits.masked_fill(~counts, torch.finfo(logits.dtype).min).softmax(dim)
