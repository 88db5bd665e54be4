r"""Dynamic edge convolutions, as in ParticleNet.

A block finds the :math:`k` nearest neighbours of every object, in given coordinates or in the
features that the last block computed, and gives

.. math::
    y_i = \mathrm{relu}\left(\mathrm{norm}(W x_i) + \frac{1}{k_i} \sum_j h(x_i, x_j - x_i)\right)

with :math:`h` three layers of linear, norm, activation. The first of them is
:math:`(A - B) x_i + B x_j`: its two parts are computed for objects, and only their results
gathered for pairs.

References:
    Wang et al., https://arxiv.org/abs/1801.07829; Qu and Gouskos (ParticleNet),
    https://arxiv.org/abs/1902.08570
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Literal

from torch import Tensor, nn

from lumin_core.checks import check_positive
from lumin_core.errors import ConfigError
from lumin_core.model import LCBatchNorm1d, by_bare_name, lookup_act, normal_initialiser
from lumin_plugin_gnn.blocks import Extractor
from lumin_plugin_gnn.layers import column_list, layer_widths, norm_rows, only_present, preset_of
from lumin_plugin_gnn.neighbours import edges, gather_neighbours, nearest, squared_distances, without_ties

if TYPE_CHECKING:
    from collections.abc import Callable

    from lumin_core.model import LookupAct, LookupInit, NormSpec, Spec

PRESETS: dict[str, dict[str, Any]] = {
    "paper": {"k": 16, "widths": [[64, 64, 64], [128, 128, 128], [256, 256, 256]]},
    "lite": {"k": 7, "widths": [[32, 32, 32], [64, 64, 64]]},
}


class EdgeConv(Extractor):
    """Computes features of every object from those of its nearest neighbours, several times.

    Args:
        n_fpv: Number of features of an object.
        k: Number of neighbours, the object itself not counted; by default that of the preset.
        widths: For each block the widths of its layers; by default those of the preset.
        preset: ``"paper"`` (ParticleNet: 16 neighbours, three blocks up to 256) or ``"lite"``
            (ParticleNet-Lite: 7 neighbours, two blocks up to 64).
        coords: Columns of the coordinates in which the first block looks for neighbours;
            ``constituent_features`` gives the differences of pseudorapidity and azimuth first.
            Later blocks look in all of their features.
        bn: Whether to normalise in front of each activation.
        act: Activation.
        bn_class: The norm.
        lookup_init: Gives the initialiser of the weights for an activation.
        lookup_act: Gives the activation layer by its name.

    Raises:
        ConfigError: If the preset is unknown, ``k`` or a width is not positive, or a
            coordinate is no column.

    Example:
        >>> import torch
        >>> from lumin_plugin_gnn import EdgeConv
        >>> x, mask = torch.rand(2, 10, 7), torch.ones(2, 10, dtype=torch.bool)
        >>> EdgeConv(7, preset="lite")(x, mask, x).shape
        torch.Size([2, 10, 64])

    References:
        Qu and Gouskos, https://arxiv.org/abs/1902.08570
    """

    def __init__(
        self,
        n_fpv: int,
        k: int | None = None,
        widths: Sequence[Sequence[int]] | None = None,
        preset: Literal["paper", "lite"] = "paper",
        coords: Sequence[int] = (0, 1),
        bn: bool = True,
        act: Spec = "core/relu",
        bn_class: NormSpec = "core/batch_norm1d",
        lookup_init: LookupInit = normal_initialiser,
        lookup_act: LookupAct = lookup_act,
    ) -> None:
        super().__init__(n_fpv)
        settings = preset_of(preset, PRESETS)
        k = settings["k"] if k is None else k
        widths = settings["widths"] if widths is None else widths
        check_positive(k=k)
        if not widths or not all(isinstance(block, Sequence) for block in widths):
            raise ConfigError(f"edge_conv needs a list of widths for each block, as in [[32, 32], [64]]; got {widths}")
        self.coords = column_list(coords, n_fpv)
        options: dict[str, Any] = {
            "bn": bn,
            "act": act,
            "bn_class": bn_class,
            "lookup_init": lookup_init,
            "lookup_act": lookup_act,
        }
        self.blocks = nn.ModuleList()
        for block in (layer_widths(block, "a block of edge_conv") for block in widths):
            self.blocks.append(_Block(n_fpv, block, k, **options))
            n_fpv = block[-1]
        self.n_out = n_fpv

    def forward(self, x: Tensor, mask: Tensor, matrix: Tensor) -> Tensor:
        """Turn features ``(B, N, n_fpv)`` into ``(B, N, width)``, 0 for absent objects."""
        coords = x[..., self.coords]
        for block in self.blocks:
            x = coords = block(x, mask, coords)
        return x

    def get_out_size(self) -> int:
        """Give the width of the last block."""
        return self.n_out


class _Block(nn.Module):
    """One edge convolution.

    It takes ``(B, N, F)``, mask ``(B, N)`` and coordinates ``(B, N, D)`` to ``(B, N, F')``.
    """

    def __init__(
        self,
        n_in: int,
        widths: Sequence[int],
        k: int,
        *,
        bn: bool,
        act: Spec,
        bn_class: NormSpec,
        lookup_init: LookupInit,
        lookup_act: LookupAct,
    ) -> None:
        super().__init__()
        self.k = k
        self.bn = bn
        self.n_out = widths[-1]
        lookup_init, lookup_act = by_bare_name(lookup_init), by_bare_name(lookup_act)
        self.own = self._linear(n_in, widths[0], lookup_init(act, 2 * n_in, widths[0]))
        self.other = self._linear(n_in, widths[0], lookup_init(act, 2 * n_in, widths[0]), bias=False)
        later = pairwise(widths)
        self.linears = nn.ModuleList(self._linear(a, b, lookup_init(act, a, b)) for a, b in later)
        self.shortcut = self._linear(n_in, self.n_out, lookup_init("linear", n_in, self.n_out))
        n_norms = [*widths, self.n_out] if bn else []
        self.norms = nn.ModuleList(LCBatchNorm1d(bn_class, width) for width in n_norms)
        self.act = lookup_act(act)

    def forward(self, x: Tensor, mask: Tensor, coords: Tensor) -> Tensor:
        distances = without_ties(squared_distances(coords, mask), x)
        index, valid = nearest(distances, mask, self.k, include_self=False)
        other = self.other(x)
        summed = self._sum_over_neighbours(self.own(x) - other, other, index, valid)
        mean = summed / valid.sum(0).clamp_min(1).unsqueeze(-1)
        shortcut = self.shortcut(x)
        shortcut = self.norms[-1](shortcut, mask) if self.bn else shortcut
        return only_present(self.act(shortcut + mean), mask)

    def _sum_over_neighbours(self, own: Tensor, other: Tensor, index: Tensor, valid: Tensor) -> Tensor:
        """Sum what the layers make of every edge.

        In training these are only the edges that count, for the norms' statistics.
        """
        if not self.training:
            return only_present(self._layers(gather_neighbours(other, index) + own), valid).sum(0)
        senders, receivers = edges(index, valid)
        rows = own.flatten(0, 1).index_select(0, receivers) + other.flatten(0, 1).index_select(0, senders)
        summed = rows.new_zeros(own.shape[0] * own.shape[1], self.n_out).index_add(0, receivers, self._layers(rows))
        return summed.view(*own.shape[:2], self.n_out)

    def _layers(self, rows: Tensor) -> Tensor:
        """Apply norm and activation, then the further layers.

        They go on what the first gave for edges, ``(*, F)``.
        """
        for i, linear in enumerate([nn.Identity(), *self.linears]):
            rows = linear(rows)
            rows = self.act(norm_rows(self.norms[i], rows) if self.bn else rows)
        return rows

    def _linear(self, n_in: int, n_out: int, init: Callable[[Tensor], object], *, bias: bool = True) -> nn.Linear:
        """Give a layer, whose bias a norm behind it would take away again."""
        linear = nn.Linear(n_in, n_out, bias=bias and not self.bn)
        init(linear.weight)
        if linear.bias is not None:
            nn.init.zeros_(linear.bias)
        return linear
