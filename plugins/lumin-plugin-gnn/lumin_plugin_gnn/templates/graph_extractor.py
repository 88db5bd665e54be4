"""An extractor: new features of each object from those of all."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from lumin_core import normal_initialiser
from lumin_plugin_gnn import Extractor

if TYPE_CHECKING:
    from lumin_core.model import LookupInit


class ExampleGraphExtractor(Extractor):
    """A dense layer of each object's features and of what these are beyond the mean over all.

    Absent objects enter no mean, and are 0 in what comes out.

    Args:
        n_fpv: Number of features of an object that come in.
        width: Number of features of an object that come out.
        lookup_init: Function from an activation to an initialiser of weights.

    Example:
        >>> from lumin_core import build
        >>> matrix = {"vecs": ["a", "b", "c"], "feats_per_vec": ["px", "py", "pz"]}
        >>> extractor = {"name": "example_graph_extractor", "width": 4}
        >>> spec = {"name": "gnn_head", "extractor": extractor, **matrix}
        >>> build("head", spec, cont_feats=[]).get_out_size() > 0
        True
    """

    def __init__(self, n_fpv: int, width: int = 16, lookup_init: LookupInit = normal_initialiser) -> None:
        super().__init__(n_fpv)
        self.width = width
        self.layer = nn.Linear(2 * n_fpv, width)
        lookup_init("relu", 2 * n_fpv, width)(self.layer.weight)

    def forward(self, x: Tensor, mask: Tensor, matrix: Tensor) -> Tensor:
        """Turn features ``(B, N, n_fpv)`` and mask ``(B, N)`` into ``(B, N, width)``."""
        mean = x.sum(1, keepdim=True) / mask.sum(1).clamp_min(1).view(-1, 1, 1)
        new = torch.relu(self.layer(torch.cat([x, x - mean], dim=-1)))
        return new.masked_fill(~mask.unsqueeze(-1), 0)

    def get_out_size(self) -> int:
        """Return the number of features of an object that come out."""
        return self.width
