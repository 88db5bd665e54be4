r"""Energy and particle flow networks: what an event tells is a sum over its objects.

.. math::
    \text{particle flow:} \quad F\left(\sum_i \Phi(x_i)\right), \qquad
    \text{energy flow:} \quad F\left(\sum_i z_i\, \Phi(\Delta\eta_i, \Delta\phi_i)\right), \quad
    z_i = p_{T,i} / \sum_j p_{T,j}

:math:`\Phi` is computed here for every object; the sum is the collapser's, and :math:`F` the body.

References:
    Zaheer et al., https://arxiv.org/abs/1703.06114; Komiske, Metodiev and Thaler,
    https://arxiv.org/abs/1810.05165
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import torch
from torch import Tensor

from lumin_core.model import lookup_act, normal_initialiser
from lumin_plugin_gnn.blocks import Extractor
from lumin_plugin_gnn.constituent_features import momentum_columns, pt_eta_phi
from lumin_plugin_gnn.layers import ObjectDense, column_list, layer_widths, only_present, preset_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lumin_core.model import LookupAct, LookupInit, NormSpec, Spec

PRESETS = {"paper": {"widths": [100, 100, 256]}, "lite": {"widths": [64, 64, 64]}}


class DeepSets(Extractor):
    r"""Computes features of every object from its own alone: particle and energy flow networks.

    Use it with ``collapser={"name": "graph_collapser", "agg_methods": "sum"}``. Energy flow
    networks are infrared and collinear safe: neither a soft object nor the splitting of one into
    two of the same direction changes the sum. They want :math:`\Delta\eta, \Delta\phi` with respect
    to the jet, as ``constituent_features`` gives them.

    Args:
        n_fpv: Number of features of an object.
        feats_per_vec: Names of the features that the head was given; energy flow needs
            ``px, py, pz, E`` among them.
        widths: Widths of the layers; by default those of the preset.
        preset: ``"paper"`` (100, 100, 256) or ``"lite"`` (64, 64, 64).
        energy_weighted: Whether the network sees the coordinates alone, and is weighted by the
            share of momentum.
        coords: Columns of the two coordinates, for energy flow.
        do: Dropout rate.
        bn: Whether to normalise behind each activation.
        act: Activation.
        bn_class: The norm.
        lookup_init: Gives the initialiser of the weights for an activation.
        lookup_act: Gives the activation layer by its name.

    Raises:
        ConfigError: If the preset is unknown, there is no width, a coordinate is no column, or
            momenta are missing.

    Example:
        >>> import torch
        >>> from lumin_plugin_gnn import DeepSets
        >>> x, mask = torch.rand(2, 5, 7), torch.ones(2, 5, dtype=torch.bool)
        >>> DeepSets(7, widths=[32, 16])(x, mask, x).shape
        torch.Size([2, 5, 16])

    References:
        Komiske, Metodiev and Thaler, https://arxiv.org/abs/1810.05165
    """

    def __init__(
        self,
        n_fpv: int,
        feats_per_vec: Sequence[str] = (),
        widths: Sequence[int] | None = None,
        preset: Literal["paper", "lite"] = "paper",
        energy_weighted: bool = False,
        coords: Sequence[int] = (0, 1),
        do: float = 0,
        bn: bool = False,
        act: Spec = "core/relu",
        bn_class: NormSpec = "core/batch_norm1d",
        lookup_init: LookupInit = normal_initialiser,
        lookup_act: LookupAct = lookup_act,
    ) -> None:
        super().__init__(n_fpv)
        widths = layer_widths(preset_of(preset, PRESETS)["widths"] if widths is None else widths, "deep_sets")
        self.energy_weighted = energy_weighted
        self.n_out = widths[-1]
        self.coords = column_list(coords, n_fpv) if energy_weighted else []
        self._momenta = momentum_columns(feats_per_vec, "an energy-weighted deep_sets") if energy_weighted else []
        given = {"lookup_init": lookup_init, "lookup_act": lookup_act}
        n_in = len(self.coords) if energy_weighted else n_fpv
        self.phi = ObjectDense([n_in, *widths], act=act, do=do, bn=bn, bn_class=bn_class, **given)

    def forward(self, x: Tensor, mask: Tensor, matrix: Tensor) -> Tensor:
        """Turn features ``(B, N, n_fpv)`` into ``(B, N, widths[-1])``, 0 for absent objects."""
        if not self.energy_weighted:
            return only_present(self.phi(x, mask), mask)
        return only_present(self.phi(x[..., self.coords], mask) * self._shares(matrix, mask), mask)

    def get_out_size(self) -> int:
        """Give the width of the last layer."""
        return self.n_out

    def _shares(self, matrix: Tensor, mask: Tensor) -> Tensor:
        """Give every object's share of the sum of transverse momenta, ``(B, N, 1)``."""
        pt = only_present(pt_eta_phi(matrix[..., self._momenta])[0].unsqueeze(-1), mask)
        return pt / pt.sum(1, keepdim=True).clamp_min(torch.finfo(pt.dtype).tiny)
