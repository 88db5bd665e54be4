"""A head whose network is one of weaver-core's."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import torch
from torch import Tensor

from lumin_core.checks import check_positive, listed
from lumin_core.errors import ConfigError
from lumin_core.model import MatrixHead
from lumin_core.registry import build

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from lumin_core.model import Inputs, Spec
    from lumin_plugin_weaver.network import WeaverNetwork


class WeaverHead(MatrixHead):
    """Hands particles to a network of the kind ``weaver_networks``.

    `lumin_plugin_weaver.from_weaver` makes one with the weights of a checkpoint; by name it starts
    from new ones.

    Args:
        cont_feats: Those elements ``{vec}_{feat}`` of the matrix that exist, in the order of the
            columns of flat inputs; empty if the data always come as a matrix.
        vecs: Names of the particles.
        feats_per_vec: Names of the variables of a particle.
        network: The network, by name, dict, class or partial.
        inputs: Which variables the network reads, by role; by default ``points`` are the first two
            and ``features`` are all.
        length: How many particles it reads, the first ones; by default all.
        row_wise: Whether matrices come as ``(B, N, F)``, a particle a row, or as ``(B, F, N)``.
        freeze: Whether the parameters stay as they are.

    Raises:
        ConfigError: If inputs lack what the network reads, or name variables that are not there.

    Example:
        >>> import torch
        >>> from lumin_plugin_weaver import WeaverHead
        >>> net = {"name": "particle_net", "k": 3, "widths": [[8]], "dense": [16]}
        >>> feats = ["part_deta", "part_dphi", "part_pt_log"]
        >>> head = WeaverHead([], [f"part{i}" for i in range(20)], feats, network=net)
        >>> jets = torch.rand(8, 20, 3)
        >>> jets[:, 12:] = torch.nan  # absent
        >>> head(jets).shape
        torch.Size([8, 16])
    """

    example_options: ClassVar[Mapping[str, object]] = {
        "network": {"name": "lumin-plugin-weaver/particle_net", "k": 2, "widths": [[6, 6], [8]], "dense": [6]}
    }

    def __init__(
        self,
        cont_feats: Sequence[str],
        vecs: Sequence[str],
        feats_per_vec: Sequence[str],
        network: Spec = "lumin-plugin-weaver/particle_net",
        inputs: Mapping[str, Sequence[str]] | None = None,
        length: int | None = None,
        row_wise: bool = True,
        freeze: bool = False,
    ) -> None:
        super().__init__(cont_feats, vecs, feats_per_vec, row_wise)
        self.length = self.n_v if length is None else length
        check_positive(length=self.length)
        inputs = {"points": self.feats_per_vec[:2], "features": self.feats_per_vec} if inputs is None else inputs
        self.roles = list(inputs)
        self._use_columns(inputs)
        n_vars = {role: len(names) for role, names in inputs.items()}
        self.network: WeaverNetwork = build("weaver_network", network, n_vars=n_vars)
        self.feat_map = self.map_to_all()
        if freeze:
            self.freeze_layers()

    def forward(self, x: Inputs) -> Tensor:
        """Turn a matrix, flat inputs or both into ``(B, get_out_size())``."""
        matrix, mask = self.get_matrix(x)
        matrix, mask = matrix[:, : self.length], mask[:, : self.length]
        inputs = {role: matrix.index_select(-1, self.get_buffer(f"_{role}_columns")) for role in self.roles}
        result: Tensor = self.network(inputs, mask)
        return result

    def get_out_size(self) -> int:
        """Give the number of columns of the output."""
        return self.network.get_out_size()

    def _use_columns(self, inputs: Mapping[str, Sequence[str]]) -> None:
        for role, names in inputs.items():
            if unknown := [name for name in names if name not in self.feats_per_vec]:
                raise ConfigError(
                    f"inputs[{role!r}] names {listed(unknown)}, and particles have {listed(self.feats_per_vec, 20)}"
                )
            columns = torch.tensor([self.feats_per_vec.index(name) for name in names])
            self.register_buffer(f"_{role}_columns", columns, persistent=False)
