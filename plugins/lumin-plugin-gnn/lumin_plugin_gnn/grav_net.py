r"""GravNet: neighbours in a space that is learned, and features that they give by their distance.

A layer computes for every object coordinates :math:`s` and features :math:`f`, and from its
:math:`k` nearest, itself included,

.. math:: y_i = f_\mathrm{out}\left(x_i, \operatorname{agg}_j e^{-10 |s_i - s_j|^2} f_j\right)

The coordinates pass the activation, as in LUMIN, which with ``relu`` brings many objects to one
point; the paper has none there. Among equally near objects their features decide which count.

References:
    Qasim, Kieseler, Iiyama and Pierini, https://arxiv.org/abs/1902.07987
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import torch
from torch import Tensor, nn

from lumin_core.checks import check_positive
from lumin_core.model import lookup_act, normal_initialiser
from lumin_core.registry import build
from lumin_plugin_gnn.blocks import Extractor
from lumin_plugin_gnn.layers import AGGREGATIONS, ObjectDense, aggregation_names, layer_widths, mean, only_present
from lumin_plugin_gnn.neighbours import gather_neighbours, nearest, squared_distances, without_ties

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lumin_core.model import LookupAct, LookupInit, NormSpec, Spec


class GravNet(Extractor):
    """Computes features of every object from its neighbours in a learned space.

    There are one or several layers.

    Args:
        n_fpv: Number of features of an object.
        cat_means: Whether every object gets the means over all as further features, in front
            of each layer.
        f_slr_depth: Number of dense layers that compute coordinates and features to give.
        n_s: Number of coordinates.
        n_lr: Number of features to give.
        k: Number of neighbours, the object itself included.
        f_out_depth: Number of dense layers that compute the new features.
        n_out: Number of new features; of each layer, if several. The outputs of all layers are
            put side by side.
        agg_methods: One or several of ``"mean"``, ``"max"``, ``"absmax"``, ``"sum"``.
        use_sa: Whether the neighbours attend to each other in front of the aggregation.
        do: Dropout rate.
        bn: Whether to normalise behind each activation.
        act: Activation.
        bn_class: The norm.
        sa_class: The attention layer, a component of the kind ``graph_extractors``.
        lookup_init: Gives the initialiser of the weights for an activation.
        lookup_act: Gives the activation layer by its name.

    Raises:
        ConfigError: If a number or width is not positive, or an aggregation unknown.

    Example:
        >>> import torch
        >>> from lumin_plugin_gnn import GravNet
        >>> x, mask = torch.rand(2, 10, 4), torch.ones(2, 10, dtype=torch.bool)
        >>> GravNet(4, n_out=[32, 16])(x, mask, x).shape
        torch.Size([2, 10, 48])

    References:
        Qasim, Kieseler, Iiyama and Pierini, https://arxiv.org/abs/1902.07987
    """

    def __init__(
        self,
        n_fpv: int,
        cat_means: bool = True,
        f_slr_depth: int = 1,
        n_s: int = 4,
        n_lr: int = 22,
        k: int = 40,
        f_out_depth: int = 1,
        n_out: int | Sequence[int] = (48, 48, 48, 48),
        agg_methods: str | Sequence[str] = ("mean", "max"),
        use_sa: bool = False,
        do: float = 0,
        bn: bool = False,
        act: Spec = "core/relu",
        bn_class: NormSpec = "core/batch_norm1d",
        sa_class: object = "gnn/self_attention",
        lookup_init: LookupInit = normal_initialiser,
        lookup_act: LookupAct = lookup_act,
    ) -> None:
        super().__init__(n_fpv)
        outputs = layer_widths(n_out, "grav_net")
        check_positive(f_slr_depth=f_slr_depth, n_s=n_s, n_lr=n_lr, k=k, f_out_depth=f_out_depth)
        self.n_out = sum(outputs)
        self.layers = nn.ModuleList()
        for width in outputs:
            layer = GravNetLayer(
                n_fpv,
                width,
                n_s,
                n_lr,
                k,
                f_slr_depth,
                f_out_depth,
                agg_methods,
                sa_class if use_sa else None,
                cat_means=cat_means,
                do=do,
                bn=bn,
                act=act,
                bn_class=bn_class,
                lookup_init=lookup_init,
                lookup_act=lookup_act,
            )
            self.layers.append(layer)
            n_fpv = width

    def forward(self, x: Tensor, mask: Tensor, matrix: Tensor) -> Tensor:
        """Turn features ``(B, N, n_fpv)`` into those of all layers, ``(B, N, sum(n_out))``.

        Absent objects get 0.
        """
        outputs = []
        for layer in self.layers:
            x = layer(x, mask)
            outputs.append(x)
        return torch.cat(outputs, dim=-1)

    def get_out_size(self) -> int:
        """Give the number of features of all layers together."""
        return self.n_out


class GravNetLayer(nn.Module):
    """One layer of a `GravNet`, whose arguments it takes.

    Args:
        n_fpv: Number of features of an object.
        n_out: Number of new features.
        n_s: Number of coordinates.
        n_lr: Number of features to give.
        k: Number of neighbours.
        f_slr_depth: Number of layers for coordinates and features to give.
        f_out_depth: Number of layers for the new features.
        agg_methods: Aggregations over neighbours.
        sa_class: Attention among neighbours, or ``None``.
        cat_means: Whether the means over all objects are further features.
        **options: ``do, bn, act, bn_class, lookup_init, lookup_act``.

    Example:
        >>> import torch
        >>> from lumin_plugin_gnn.grav_net import GravNetLayer
        >>> layer = GravNetLayer(4, 16, 2, 8, 3, 1, 1, ["mean"], None, cat_means=False)
        >>> layer(torch.rand(2, 10, 4), torch.ones(2, 10, dtype=torch.bool)).shape
        torch.Size([2, 10, 16])
    """

    def __init__(
        self,
        n_fpv: int,
        n_out: int,
        n_s: int,
        n_lr: int,
        k: int,
        f_slr_depth: int,
        f_out_depth: int,
        agg_methods: str | Sequence[str],
        sa_class: object,
        *,
        cat_means: bool,
        **options: Any,
    ) -> None:
        super().__init__()
        self.n_s = n_s
        self.n_lr = n_lr
        self.k = k
        self.cat_means = cat_means
        self.agg_methods = aggregation_names(agg_methods)
        n_in = 2 * n_fpv if cat_means else n_fpv
        self.f_slr = _dense(n_in, n_s + n_lr, f_slr_depth, **options)
        n_gathered = n_in + len(self.agg_methods) * n_lr
        self.f_out = _dense(n_gathered, n_out, f_out_depth, **options)
        own = {key: value for key, value in options.items() if key in ("do", "act", "lookup_init", "lookup_act")}
        self.attention = None if sa_class is None else build("graph_extractor", sa_class, n_fpv=n_lr, **own)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """Turn features ``(B, N, n_fpv)`` into ``(B, N, n_out)``, 0 for absent objects."""
        own = x
        if self.cat_means:
            x = torch.cat((x, mean(x, mask).unsqueeze(1).expand_as(x)), dim=-1)
        coords, feats = self.f_slr(x, mask).split((self.n_s, self.n_lr), dim=-1)
        distances = without_ties(squared_distances(coords, mask), own)
        index, valid = nearest(distances, mask, self.k, include_self=True)
        weights = torch.exp(-10 * (gather_neighbours(coords, index) - coords).square().sum(-1))
        if self.attention is None:
            given = [_NEIGHBOURS[name](feats, weights, index, valid) for name in self.agg_methods]
        else:
            given = self._attended(feats, weights, index, valid)
        return only_present(self.f_out(torch.cat([x, *given], dim=-1), mask), mask)

    def _attended(self, feats: Tensor, weights: Tensor, index: Tensor, valid: Tensor) -> list[Tensor]:
        """Let neighbours attend to each other, then aggregate."""
        neighbours, present = _weighted(feats, weights, index).movedim(0, 2), valid.movedim(0, 2)
        neighbours = only_present(neighbours, present)
        neighbours = cast("nn.Module", self.attention)(neighbours, present, neighbours)
        return [AGGREGATIONS[name](neighbours, present) for name in self.agg_methods]


def _weighted(feats: Tensor, weights: Tensor, index: Tensor) -> Tensor:
    """Give the weighted features of neighbours, ``(k, B, N, F)``."""
    return gather_neighbours(feats, index) * weights.unsqueeze(-1)


def _total(feats: Tensor, weights: Tensor, index: Tensor, valid: Tensor) -> Tensor:
    """Sum the weighted features of neighbours.

    It is one product of matrices whose elements are 0 for all others.
    """
    b, n, _ = feats.shape
    counted = (weights * valid).movedim(0, 2)  # (B, N, k)
    return weights.new_zeros(b, n, n).scatter_add(2, index.movedim(0, 2), counted) @ feats


def _mean(feats: Tensor, weights: Tensor, index: Tensor, valid: Tensor) -> Tensor:
    return _total(feats, weights, index, valid) / valid.sum(0).clamp_min(1).unsqueeze(-1)


def _maximum(feats: Tensor, weights: Tensor, index: Tensor, valid: Tensor) -> Tensor:
    """Return the largest weighted features of neighbours.

    Only the one that wins is kept and differentiated. Where a neighbour is missing, ``index`` has
    the object itself, which is a neighbour anyway.
    """
    with torch.no_grad():
        given = _weighted(feats, weights, index)  # (k, B, N, F)
        numbers = torch.arange(1, len(index) + 1, dtype=torch.int32, device=index.device).view(-1, 1, 1, 1)
        best = ((given >= given.amax(0)) * numbers).amax(0).long().clamp_min(1) - 1  # several times as fast as argmax
        winner = index.movedim(0, 2).gather(2, best)
    return feats.gather(1, winner) * weights.movedim(0, 2).gather(2, best)


def _abs_maximum(feats: Tensor, weights: Tensor, index: Tensor, valid: Tensor) -> Tensor:
    return _maximum(feats.abs(), weights, index, valid)


_NEIGHBOURS = {"mean": _mean, "max": _maximum, "absmax": _abs_maximum, "sum": _total}
"""`AGGREGATIONS` of weighted neighbours; features of pairs are not kept for the backward pass."""


def _dense(n_in: int, n_out: int, depth: int, **options: Any) -> ObjectDense:
    """Give layers twice as wide as the last."""
    return ObjectDense([n_in, *[2 * n_out] * (depth - 1), n_out], **options)
