"""A collapser: the features of an event from those of its objects."""

from __future__ import annotations

import torch
from torch import Tensor

from lumin_plugin_gnn import Collapser


class ExampleGraphCollapser(Collapser):
    """The sum over the objects, and how many there are.

    Args:
        n_v: Number of objects, absent ones too.
        n_fpv: Number of features of an object.

    Example:
        >>> from lumin_core import build
        >>> matrix = {"vecs": ["a", "b", "c"], "feats_per_vec": ["px", "py", "pz"]}
        >>> parts = {"extractor": "interaction_net", "collapser": "example_graph_collapser"}
        >>> head = build("head", {"name": "gnn_head", **parts, **matrix}, cont_feats=[])
        >>> head.get_out_size() > 1
        True
    """

    def __init__(self, n_v: int, n_fpv: int) -> None:
        super().__init__(n_v, n_fpv)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """Turn features ``(B, N, n_fpv)``, absent objects 0, and mask into ``(B, n_fpv + 1)``."""
        return torch.cat([x.sum(1), mask.sum(1, keepdim=True).to(x)], dim=1)

    def get_out_size(self) -> int:
        """Return the number of columns."""
        return self.n_fpv + 1
