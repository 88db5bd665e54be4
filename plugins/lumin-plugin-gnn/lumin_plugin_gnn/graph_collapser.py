"""The collapser of LUMIN: dense layers and attention on objects, then one vector.

It has means and maxima, or all objects side by side.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from lumin_core.errors import ConfigError
from lumin_core.model import lookup_act, normal_initialiser
from lumin_core.registry import build
from lumin_plugin_gnn.blocks import Collapser
from lumin_plugin_gnn.layers import AGGREGATIONS, ObjectDense, aggregation_names, layer_widths, mean, only_present

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lumin_core.model import LookupAct, LookupInit, NormSpec, Spec


class Reviser(nn.Module):
    """Revises the features of objects by dense and attention layers.

    Dense layers, attention layers whose outputs are put side by side, dense layers.

    Args:
        n_fpv: Number of features of an object.
        f_initial_outs: Widths of the dense layers in front of the attention.
        n_sa_layers: Number of attention layers, each of which works on what the last one gave.
        sa_width: Width of their queries and keys; by default what the layer chooses.
        f_final_outs: Widths of the dense layers behind the attention.
        global_feat_vec: Whether every object gets the means over all as further features in front
            of the first network: of the initial layers, or the final ones where there
            are no initial.
        sa_class: The attention layer, a component of the kind ``graph_extractors``.
        **options: ``do, bn, act, bn_class, lookup_init, lookup_act`` of the layers.

    Raises:
        ConfigError: If ``global_feat_vec`` has no network to go to.

    Example:
        >>> import torch
        >>> from lumin_plugin_gnn.graph_collapser import Reviser
        >>> reviser = Reviser(4, f_initial_outs=[8], n_sa_layers=2, f_final_outs=None)
        >>> reviser(torch.rand(2, 5, 4), torch.ones(2, 5, dtype=torch.bool)).shape
        torch.Size([2, 5, 16])
    """

    def __init__(
        self,
        n_fpv: int,
        f_initial_outs: int | Sequence[int] | None = None,
        n_sa_layers: int = 0,
        sa_width: int | None = None,
        f_final_outs: int | Sequence[int] | None = None,
        global_feat_vec: bool = False,
        sa_class: object = "gnn/self_attention",
        **options: Any,
    ) -> None:
        super().__init__()
        initial, final = _widths(f_initial_outs), _widths(f_final_outs)
        _check_n_layers(n_sa_layers)
        if global_feat_vec and not initial and not final:
            raise ConfigError(
                "global_feat_vec gives means to a network: name its widths in f_initial_outs or f_final_outs"
            )
        self.means_first = global_feat_vec and bool(initial)
        self.means_last = global_feat_vec and not initial
        self.initial = _dense(n_fpv, initial, means=self.means_first, **options)
        width = initial[-1] if initial else n_fpv
        given = {"n_fpv": width, **({} if sa_width is None else {"n_a": sa_width}), **options}
        self.attention = nn.ModuleList(build("graph_extractor", sa_class, **given) for _ in range(n_sa_layers))
        width *= max(n_sa_layers, 1)
        self.final = _dense(width, final, means=self.means_last, **options)
        self.n_out = final[-1] if final else width

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """Turn features ``(B, N, n_fpv)`` with mask ``(B, N)`` into ``(B, N, n_out)``.

        Absent objects get 0.
        """
        x = self._dense(self.initial, x, mask, means=self.means_first)
        if self.attention:
            outputs = [x]
            for layer in self.attention:
                outputs.append(layer(outputs[-1], mask, x))
            x = torch.cat(outputs[1:], dim=-1)
        return self._dense(self.final, x, mask, means=self.means_last)

    def _dense(self, dense: nn.Module | None, x: Tensor, mask: Tensor, *, means: bool) -> Tensor:
        if dense is None:
            return x
        if means:
            x = torch.cat((x, mean(x, mask).unsqueeze(1).expand_as(x)), dim=-1)
        return only_present(dense(x, mask), mask)


class GraphCollapser(Collapser):
    """Aggregates the features of the objects, or puts them side by side.

    Dense and attention layers come first.

    Args:
        n_v: Number of objects.
        n_fpv: Number of features of an object.
        flatten: Whether to put objects side by side, which assumes that their order means
            something, instead of aggregating.
        f_initial_outs: Widths of dense layers on every object, in front of the attention.
        n_sa_layers: Number of attention layers, each of which works on what the last one gave; all
            outputs are kept.
        sa_width: Width of their queries and keys; by default a quarter of the features.
        f_final_outs: Widths of dense layers on every object, behind the attention.
        global_feat_vec: Whether every object gets the means over all objects as further features in
            front of the first of these networks.
        agg_methods: One or several of ``"mean"``, ``"max"``, ``"absmax"``, ``"sum"``.
        do: Dropout rate.
        bn: Whether to normalise behind each activation.
        act: Activation.
        bn_class: The norm.
        sa_class: The attention layer: ``"self_attention"``, ``"offset_self_attention"``, or another
            of the kind ``graph_extractors``.
        lookup_init: Gives the initialiser of the weights for an activation.
        lookup_act: Gives the activation layer by its name.

    Raises:
        ConfigError: If an aggregation is unknown, or ``global_feat_vec`` has no network to go to.

    Example:
        >>> import torch
        >>> from lumin_plugin_gnn import GraphCollapser
        >>> collapser = GraphCollapser(n_v=3, n_fpv=1, agg_methods=["mean", "max", "sum"])
        >>> mask = torch.tensor([[True, True, False]])
        >>> collapser(torch.tensor([[[1.0], [3.0], [0.0]]]), mask)
        tensor([[2., 3., 4.]])

    References:
        Strong, https://github.com/GilesStrong/lumin
    """

    def __init__(
        self,
        n_v: int,
        n_fpv: int,
        flatten: bool = False,
        f_initial_outs: int | Sequence[int] | None = None,
        n_sa_layers: int = 0,
        sa_width: int | None = None,
        f_final_outs: int | Sequence[int] | None = None,
        global_feat_vec: bool = False,
        agg_methods: str | Sequence[str] = ("mean", "max"),
        do: float = 0,
        bn: bool = False,
        act: Spec = "core/relu",
        bn_class: NormSpec = "core/batch_norm1d",
        sa_class: object = "gnn/self_attention",
        lookup_init: LookupInit = normal_initialiser,
        lookup_act: LookupAct = lookup_act,
    ) -> None:
        super().__init__(n_v, n_fpv)
        self.flatten = flatten
        self.aggregations = [AGGREGATIONS[name] for name in aggregation_names(agg_methods)]
        self.revise = Reviser(
            n_fpv,
            f_initial_outs,
            n_sa_layers,
            sa_width,
            f_final_outs,
            global_feat_vec,
            sa_class,
            do=do,
            bn=bn,
            act=act,
            bn_class=bn_class,
            lookup_init=lookup_init,
            lookup_act=lookup_act,
        )

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """Turn features ``(B, N, n_fpv)`` with mask ``(B, N)`` into ``(B, get_out_size())``."""
        x = self.revise(x, mask)
        if self.flatten:
            return x.flatten(1)
        return torch.cat([aggregate(x, mask) for aggregate in self.aggregations], dim=-1)

    def get_out_size(self) -> int:
        """Give the number of columns of the output."""
        return self.revise.n_out * (self.n_v if self.flatten else len(self.aggregations))


def _widths(outs: int | Sequence[int] | None) -> list[int]:
    return [] if outs is None or outs == [] else layer_widths(outs, "f_initial_outs or f_final_outs")


def _check_n_layers(number: object) -> None:
    if not isinstance(number, int) or number < 0:
        raise ConfigError(f"n_sa_layers must be a number of layers, 0 for none, got {number!r}")


def _dense(n_in: int, outs: list[int], *, means: bool, **options: Any) -> ObjectDense | None:
    return ObjectDense([2 * n_in if means else n_in, *outs], **options) if outs else None
