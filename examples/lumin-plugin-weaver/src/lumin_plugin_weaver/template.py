"""A network that weaver-core trains, with how its checkpoints are read."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from lumin_core.errors import SavedModelError
from lumin_plugin_weaver import Converted, WeaverNetwork

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


class ExampleWeaverNetwork(WeaverNetwork):
    """Sums over the particles of a jet what dense layers make of each.

    Args:
        n_vars: Number of variables by role; ``features`` are read.
        widths: Those of the dense layers.

    Example:
        >>> from lumin_core import build
        >>> spec = {"name": "example_weaver_network", "widths": [8, 4]}
        >>> build("weaver_network", spec, n_vars={"features": 7}).get_out_size()
        4
    """

    roles = ("features",)

    def __init__(self, n_vars: Mapping[str, int], widths: Sequence[int] = (64, 64)) -> None:
        super().__init__(n_vars)
        steps = zip([n_vars["features"], *widths], widths, strict=False)
        self.phi = nn.ModuleList(nn.Linear(n_in, n_out) for n_in, n_out in steps)
        self.width = widths[-1]

    def forward(self, inputs: Mapping[str, Tensor], mask: Tensor) -> Tensor:
        """Turn ``features`` of particles into ``(B, get_out_size())``."""
        x = inputs["features"]
        for layer in self.phi:
            x = torch.tanh(layer(x))
        return x.masked_fill(~mask.unsqueeze(-1), 0).sum(1)

    def get_out_size(self) -> int:
        """Give the width of the last layer."""
        return self.width

    @classmethod
    def convert(cls, state: Mapping[str, Tensor]) -> Converted:
        """Read ``mod.phi.<i>.weight`` and ``bias``, and the last layer, ``mod.fc``."""
        own = {name.removeprefix("mod."): tensor for name, tensor in state.items()}
        try:
            last = own.pop("fc.weight"), own.pop("fc.bias")
        except KeyError as error:
            raise SavedModelError(f"the state_dict has no {error} under mod: it is of another network") from error
        return Converted({"widths": [len(tensor) for name, tensor in own.items() if name.endswith("bias")]}, own, last)
