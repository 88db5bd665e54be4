"""A head that convolves along a sequence of objects."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import torch
from torch import Tensor, nn

from lumin_core.errors import ConfigError, ShapeError
from lumin_core.model import MatrixHead, lookup_act, normal_initialiser
from lumin_core.registry import build, resolve

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from lumin_core.model import Inputs, LookupAct, LookupInit, NormSpec, Spec
    from lumin_plugin_sequence.conv_blocks import ConvLayer

LAYERS = (
    {"name": "sequence/conv", "out_c": 16},
    {"name": "sequence/res", "out_c": 16},
    {"name": "sequence/res", "out_c": 32, "stride": 2},
    "sequence/avg_max_pool",
)
"""A small residual network."""


class Conv1dHead(MatrixHead):
    """Convolves along the objects, in their order, by a list of layers.

    What the last gives is put side by side. Every object keeps its place: between others, an absent
    one is a gap of zeros; behind the last, absent ones change nothing. A subclass may give another
    list by `get_layers`, for instance one that depends on the number of objects.

    Args:
        cont_feats: Those elements ``{vec}_{feat}`` of the matrix that exist, in the order of the
            columns of flat inputs; empty if the data always come as a matrix.
        vecs: Names of the objects.
        feats_per_vec: Names of the features of an object: the channels.
        layers: Components of the kind ``conv_layers``, by name, dict, class or partial, in a list
            one behind the other.
        act: Activation of the layers that do not name their own.
        bn: Whether the layers that do not say otherwise normalise.
        row_wise: Whether matrices come as ``(B, N, F)``, an object a row, or as ``(B, F, N)``.
        bn_class: The norm of the layers that do not name their own.
        lookup_init: Gives the initialiser of the weights for an activation.
        lookup_act: Gives the activation layer by its name.
        freeze: Whether the parameters stay as they are.

    Raises:
        ConfigError: If there are no layers, or an option is none of a layer's.

    Example:
        >>> import torch
        >>> from lumin_plugin_sequence import Conv1dHead
        >>> layers = [
        ...     {"name": "conv", "out_c": 8},
        ...     {"name": "res", "out_c": 16, "stride": 2},
        ...     "avg_max_pool",
        ... ]
        >>> head = Conv1dHead(
        ...     [], ["jet0", "jet1", "jet2"], ["pt", "eta"], layers=layers, act="swish", bn=True
        ... )
        >>> head(torch.rand(4, 3, 2)).shape
        torch.Size([4, 32])
        >>> class Wide(Conv1dHead):
        ...     def get_layers(self):
        ...         return [{"name": "conv", "out_c": 8, "kernel_sz": self.n_v}]
        >>> Wide([], ["jet0", "jet1", "jet2"], ["pt", "eta"]).get_out_size()
        24
    """

    def __init__(
        self,
        cont_feats: Sequence[str],
        vecs: Sequence[str],
        feats_per_vec: Sequence[str],
        layers: object = LAYERS,
        act: Spec = "core/relu",
        bn: bool = False,
        row_wise: bool = True,
        bn_class: NormSpec = "core/batch_norm1d",
        lookup_init: LookupInit = normal_initialiser,
        lookup_act: LookupAct = lookup_act,
        freeze: bool = False,
    ) -> None:
        super().__init__(cont_feats, vecs, feats_per_vec, row_wise)
        self._specs = layers
        given = {"act": act, "bn": bn, "bn_class": bn_class, "lookup_init": lookup_init, "lookup_act": lookup_act}
        self.layers = nn.ModuleList(self._build_layers(given))
        self.feat_map = self._map_through_layers()
        if freeze:
            self.freeze_layers()

    def get_layers(self) -> object:
        """Return the layers to build, as specifications.

        They are the constructor's unless a subclass gives others. The number of objects,
        ``self.n_v``, and of their features, ``self.n_fpv``, are known when this is called.
        """
        return self._specs

    def forward(self, x: Inputs) -> Tensor:
        """Turn a matrix, flat inputs or both into ``(B, get_out_size())``.

        A matrix comes alone or behind flat inputs; flat inputs alone hold it.

        Raises:
            ShapeError: If the inputs have another shape, or a layer gives what its
                ``get_out_size`` does not say.
        """
        matrix, mask = self.get_matrix(x)
        sequence = matrix.masked_fill(~mask.unsqueeze(-1), 0).transpose(1, 2)
        layer: Any
        for layer in self.layers:
            sequence, mask = layer(sequence, mask)
            if sequence.shape[1:] != (size := layer.get_out_size()):
                given = tuple(sequence.shape[1:])
                raise ShapeError(
                    f"{type(layer).__name__} gave channels and places {given}, its get_out_size says {size}"
                )
        return sequence.flatten(1)

    def get_out_size(self) -> int:
        """Give the number of columns of the output: channels times length."""
        return self.n_out

    def _build_layers(self, given: dict[str, Any]) -> list[ConvLayer]:
        """Build each layer for what the one before gives.

        Its own options prevail over the head's.
        """
        layers: list[ConvLayer] = []
        size = (self.n_fpv, self.n_v)
        for spec in _as_list(self.get_layers()):
            own = resolve("conv_layer", spec).keywords
            left = {name: value for name, value in given.items() if name not in own}
            layers.append(build("conv_layer", spec, in_c=size[0], length=size[1], **left))
            size = layers[-1].get_out_size()
        if not layers:
            raise ConfigError('layers must name at least one, as in [{"name": "conv", "out_c": 16}, "avg_max_pool"]')
        self.n_out = size[0] * size[1]
        return layers

    def _map_through_layers(self) -> dict[str, list[int]]:
        """Map every element to the columns that it reaches through the layers.

        The statistics of norms are left aside.
        """
        places, channels = torch.eye(self.n_v, dtype=torch.bool), torch.eye(self.n_fpv, dtype=torch.bool)
        for layer in cast("Iterable[ConvLayer]", self.layers):
            places, channels = layer.trace(places, channels)
        known = set(self.matrix_feats)
        return {
            f"{vec}_{feat}": torch.outer(channels[f], places[i]).flatten().nonzero().flatten().tolist()
            for i, vec in enumerate(self.vecs)
            for f, feat in enumerate(self.feats_per_vec)
            if f"{vec}_{feat}" in known
        }


def _as_list(layers: object) -> list[object]:
    """Take a single layer for a list of one."""
    return list(layers) if isinstance(layers, list | tuple) else [layers]
