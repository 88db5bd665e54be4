"""Layers that several blocks are made of.

These are dense layers, and batch norm over the objects of a matrix.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from lumin_core.checks import is_positive
from lumin_core.errors import ConfigError
from lumin_core.model.initialisers import normal_initialiser
from lumin_core.model.lookups import (
    LookupAct,
    LookupInit,
    act_by_bare_name,
    by_bare_name,
    canonical_act,
    lookup_act,
)
from lumin_core.model.options import Spec
from lumin_core.registry import build

if TYPE_CHECKING:
    from collections.abc import Sequence

NormSpec = Spec
"""A norm by name, ``{"name": ...}``, class or partial; its constructor takes ``num_features``."""


def dense_layer(
    n_in: int,
    n_out: int,
    *,
    act: Spec = "core/relu",
    do: float = 0,
    bn: bool = False,
    bn_class: NormSpec = "core/batch_norm1d",
    lookup_init: LookupInit = normal_initialiser,
    lookup_act: LookupAct = lookup_act,
) -> nn.Sequential:
    """Give one dense layer: linear, activation, batch norm, dropout, in this order.

    Args:
        n_in: Columns of the input.
        n_out: Columns of the output.
        act: The activation, by name, dict, class or partial; ``"linear"`` adds no module. Functions
            of the user are handed its name without the distribution's.
        do: Dropout rate, in [0, 1); alpha dropout behind selu.
        bn: Whether to normalise.
        bn_class: The norm.
        lookup_init: Gives the initialiser of the weights for an activation; biases start at zero.
        lookup_act: Gives the activation layer.

    Returns:
        Module from ``(*, n_in)`` to ``(*, n_out)`` (with a norm, the shapes that it takes).

    Raises:
        ConfigError: If a width is not positive, or the dropout rate is out of range.

    Example:
        >>> from lumin_core.model.layers import dense_layer
        >>> dense_layer(10, 20, act="selu", do=0.1)
        Sequential(
          (0): Linear(in_features=10, out_features=20, bias=True)
          (1): SELU()
          (2): AlphaDropout(p=0.1, inplace=False)
        )
    """
    if not (is_positive(n_in) and is_positive(n_out)) or not 0 <= do < 1:
        raise ConfigError(
            f"a dense layer needs positive widths and a dropout rate in [0, 1), got {n_in}, {n_out} and {do}"
        )
    linear = nn.Linear(n_in, n_out)
    by_bare_name(lookup_init)(act, n_in, n_out)(linear.weight)
    nn.init.zeros_(linear.bias)
    layers: list[nn.Module] = [linear]
    if canonical_act(act) != "linear":
        layers.append(act_by_bare_name(lookup_act)(act))
    if bn:
        layers.append(build("norm", bn_class, num_features=n_out))
    if do > 0:
        layers.append(nn.AlphaDropout(do) if canonical_act(act) == "selu" else nn.Dropout(do))
    return nn.Sequential(*layers)


def dense_stack(widths: Sequence[int], **options: Any) -> nn.Sequential:
    """Give dense layers one behind the other.

    Args:
        widths: Columns of the input and of the output of every layer.
        **options: Those of `dense_layer`, the same for all layers.

    Returns:
        Module from ``(*, widths[0])`` to ``(*, widths[-1])``.

    Raises:
        ConfigError: As `dense_layer`.

    Example:
        >>> import torch
        >>> from lumin_core.model.layers import dense_stack
        >>> dense_stack([3, 10, 10, 2], act="swish")(torch.ones(5, 3)).shape
        torch.Size([5, 2])
    """
    return nn.Sequential(*(dense_layer(n_in, n_out, **options) for n_in, n_out in pairwise(widths)))


class LCBatchNorm1d(nn.Module):
    """Batch norm over data of shape length times channel, such as the objects of an event.

    Every channel is normalised over the events and all axes between; with a mask, over the objects
    that are present.

    Args:
        bn: The norm for ``(B, F)``: a module, or its name, class or partial.
        num_features: Number of channels, if ``bn`` is not a module yet.

    Raises:
        ConfigError: If ``num_features`` is missing, or given beside a module.

    Example:
        >>> import torch
        >>> from lumin_core.model.layers import LCBatchNorm1d
        >>> x = torch.arange(12.0).reshape(2, 3, 2)
        >>> LCBatchNorm1d(num_features=2)(x).mean((0, 1)).abs().max().item() < 1e-6
        True
    """

    def __init__(self, bn: nn.Module | NormSpec = "core/batch_norm1d", num_features: int | None = None) -> None:
        super().__init__()
        if isinstance(bn, nn.Module) is (num_features is not None):
            raise ConfigError(
                "LCBatchNorm1d takes a norm module, or num_features for a new one, "
                f"got bn={bn!r} and num_features={num_features}"
            )
        self.bn = bn if isinstance(bn, nn.Module) else build("norm", bn, num_features=num_features)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """Normalise over all axes but the last.

        Args:
            x: Shape ``(B, *, C)``.
            mask: Shape ``(B, *)``, true for the rows that count; others become 0 and enter no
                statistics. Fewer than two rows have none of their own, and are normalised as
                in evaluation.
        """
        rows = x.reshape(-1, x.shape[-1])
        normed: Tensor = self.bn(rows) if mask is None else self._of_some(rows, mask.reshape(-1, 1))
        return normed.view(x.shape)

    def _of_some(self, rows: Tensor, counts: Tensor) -> Tensor:
        if not self.bn.training:
            evaluated: Tensor = self.bn(rows)
            return evaluated.masked_fill(~counts, 0)
        index = counts.squeeze(1).nonzero().squeeze(1)
        chosen = rows.index_select(0, index)
        self.bn.train(len(index) > 1)
        normed = self.bn(chosen)
        self.bn.train()
        return torch.zeros_like(rows).index_copy(0, index, normed.to(rows.dtype))
