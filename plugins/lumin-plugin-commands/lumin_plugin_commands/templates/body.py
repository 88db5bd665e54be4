"""A body: a linear layer, and another that opens it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from lumin_core import Body

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from lumin_core.model import LookupInit


class ExampleBody(Body):
    r"""Opens a linear layer by another one.

    .. math:: y = A x \cdot \sigma(B x)

    Args:
        n_in: Number of columns of the head's output.
        feat_map: Input feature to columns of the head's output.
        lookup_init: Function from an activation to an initialiser of weights.
        width: Number of columns of the output.
        freeze: Whether nothing of it is trained.

    Example:
        >>> from lumin_core import Model, ModelBuilder
        >>> body = {"name": "example_body", "width": 8}
        >>> model = Model(ModelBuilder("regression", n_out=1, cont_feats=["pt", "eta"], body=body))
        >>> model.body.get_out_size()
        8
    """

    def __init__(
        self,
        n_in: int,
        feat_map: Mapping[str, Sequence[int]],
        lookup_init: LookupInit,
        width: int = 32,
        freeze: bool = False,
    ) -> None:
        super().__init__(n_in, feat_map)
        self.value = nn.Linear(n_in, width)
        self.gate = nn.Linear(n_in, width)
        lookup_init("linear", n_in, width)(self.value.weight)
        lookup_init("sigmoid", n_in, width)(self.gate.weight)
        if freeze:
            self.freeze_layers()

    def forward(self, x: Tensor) -> Tensor:
        """Turn ``(B, n_in)`` into ``(B, width)``."""
        opened: Tensor = self.value(x) * torch.sigmoid(self.gate(x))
        return opened

    def get_out_size(self) -> int:
        """Return the width."""
        return self.value.out_features
