"""A layer that works along a sequence of objects."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import Tensor, nn

from lumin_core import normal_initialiser
from lumin_plugin_sequence import ConvLayer

if TYPE_CHECKING:
    from lumin_core.model import LookupInit


class ExampleConvLayer(ConvLayer):
    """A linear layer of each object's channels, the same for all of them, and a rectifier.

    Absent objects are 0 in what comes out.

    Args:
        in_c: Number of channels that come in.
        length: Length of the sequence.
        out_c: Number of channels that come out.
        lookup_init: Function from an activation to an initialiser of weights.

    Example:
        >>> from lumin_core import build
        >>> matrix = {"vecs": ["a", "b", "c"], "feats_per_vec": ["px", "py", "pz"]}
        >>> layers = [{"name": "example_conv_layer", "out_c": 4}]
        >>> head = build("head", {"name": "conv1d_head", "layers": layers, **matrix}, cont_feats=[])
        >>> head.get_out_size() > 0
        True
    """

    def __init__(self, in_c: int, length: int, out_c: int = 16, lookup_init: LookupInit = normal_initialiser) -> None:
        super().__init__(in_c, length)
        self.out_c = out_c
        self.layer = nn.Linear(in_c, out_c)
        lookup_init("relu", in_c, out_c)(self.layer.weight)

    def forward(self, x: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Turn ``(B, C, N)`` and mask ``(B, N)`` into ``(B, out_c, N)`` and the same mask."""
        new = self.layer(x.transpose(1, 2)).transpose(1, 2).relu()
        return new.masked_fill(~mask.unsqueeze(1), 0), mask

    def get_out_size(self) -> tuple[int, int]:
        """Return the number of channels and the length."""
        return self.out_c, self.length
