"""A head that convolves along a sequence of objects."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from torch import Tensor, nn

from lumin_core.errors import ConfigError
from lumin_core.model.blocks import MatrixHead
from lumin_core.model.lookups import lookup_act, normal_initialiser
from lumin_core.registry import build, resolve

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lumin_core.model.blocks import Inputs
    from lumin_core.model.layers import NormSpec
    from lumin_core.model.lookups import LookupAct, LookupInit

LAYERS = (
    {"name": "conv", "out_c": 16},
    {"name": "res", "out_c": 16},
    {"name": "res", "out_c": 32, "stride": 2},
    "avg_max_pool",
)
"""A small residual network."""


class Conv1dHead(MatrixHead):
    """Convolves along the objects, in their order, by a list of layers; what the last gives is put side by side.

    A subclass may give another list by `get_layers`, for instance one that depends on the number of objects.

    Args:
        cont_feats: Those elements ``{vec}_{feat}`` of the matrix that exist, in the order of the columns of flat
            inputs; empty if the data always come as a matrix.
        vecs: Names of the objects.
        feats_per_vec: Names of the features of an object: the channels.
        layers: Components of the kind ``conv_layers``, by name, dict, class or partial, one behind the other.
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
        >>> layers = [{"name": "conv", "out_c": 8}, {"name": "res", "out_c": 16, "stride": 2}, "avg_max_pool"]
        >>> head = Conv1dHead([], ["jet0", "jet1", "jet2"], ["pt", "eta"], layers=layers, act="swish", bn=True)
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
        layers: Sequence[Any] = LAYERS,
        act: str = "relu",
        bn: bool = False,
        row_wise: bool = True,
        bn_class: NormSpec = "batch_norm1d",
        lookup_init: LookupInit = normal_initialiser,
        lookup_act: LookupAct = lookup_act,
        freeze: bool = False,
    ) -> None:
        super().__init__(cont_feats, vecs, feats_per_vec, row_wise)
        self._specs = [layers] if isinstance(layers, str) else list(layers)
        defaults = {"act": act, "bn": bn, "bn_class": bn_class}
        size = (self.n_fpv, self.n_v)
        self.layers = nn.ModuleList()
        for spec in self.get_layers():
            left = {name: value for name, value in defaults.items() if name not in _options(spec)}
            given = {"in_c": size[0], "length": size[1], "lookup_init": lookup_init, "lookup_act": lookup_act, **left}
            self.layers.append(build("conv_layer", spec, **given))
            size = self.layers[-1].get_out_size()  # type: ignore[operator]
        if not self.layers:
            raise ConfigError('layers must name at least one, as in [{"name": "conv", "out_c": 16}, "avg_max_pool"]')
        self.n_out = size[0] * size[1]
        self.feat_map = self.map_to_all()
        if freeze:
            self.freeze_layers()

    def get_layers(self) -> Sequence[Any]:
        """Give the layers to build, as specifications; those of the constructor unless a subclass gives others."""
        return self._specs

    def forward(self, x: Inputs) -> Tensor:
        """Turn a matrix, alone or behind flat inputs, or flat inputs that hold it, into ``(B, get_out_size())``."""
        matrix, mask = self.get_matrix(x)
        sequence = matrix.masked_fill(~mask.unsqueeze(-1), 0).transpose(1, 2)
        for layer in self.layers:
            sequence, mask = layer(sequence, mask)
        return sequence.flatten(1)

    def get_out_size(self) -> int:
        """Give the number of columns of the output: channels times length."""
        return self.n_out


def _options(spec: Any) -> dict[str, Any]:
    """Give the options of a layer; refuse an instance, which several models would share."""
    return resolve("conv_layer", spec).keywords
