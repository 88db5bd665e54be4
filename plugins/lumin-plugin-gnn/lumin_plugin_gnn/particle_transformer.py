r"""The particle transformer: attention among particles that knows about pairs of them.

To the logits of every attention block is added an embedding of the pairs'
:math:`\ln\Delta, \ln k_T, \ln z, \ln m^2`. What comes out are features of particles; with the
collapser ``class_attention`` it is the network of the paper.

References:
    Qu, Li and Qian, https://arxiv.org/abs/2202.03772
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any, Literal

from torch import Tensor, nn

from lumin_core.checks import check_positive
from lumin_core.model import LCBatchNorm1d, by_bare_name, lookup_act, normal_initialiser
from lumin_plugin_gnn.blocks import Extractor
from lumin_plugin_gnn.constituent_features import momentum_columns
from lumin_plugin_gnn.layers import layer_widths, only_present, preset_of
from lumin_plugin_gnn.pair_features import PairEmbedding
from lumin_plugin_gnn.transformer_block import TransformerBlock, absent_bias

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lumin_core.model import LookupAct, LookupInit, NormSpec

PRESETS: dict[str, dict[str, Any]] = {
    "paper": {"embed": [128, 512, 128], "pair_embed": [64, 64, 64], "n_layers": 8, "n_heads": 8},
    "lite": {"embed": [64, 64], "pair_embed": [16, 16], "n_layers": 3, "n_heads": 4},
}


class ParticleTransformer(Extractor):
    """Lets particles attend to each other, with their pairs' features as a bias.

    Use it with ``collapser="class_attention"``, behind ``"constituent_features"``.

    Args:
        n_fpv: Number of features of a particle.
        feats_per_vec: Names of the features that the head was given; ``px, py, pz, E`` in GeV
            are among them.
        preset: ``"paper"`` (embedding 128, 512, 128; pairs 64, 64, 64; 8 layers of 8 heads) or
            ``"lite"`` (64, 64; 16, 16; 3 layers of 4 heads), for what is ``None`` below.
        embed: Widths of the embedding of particles; the last is that of the transformer.
        pair_embed: Widths of the embedding of pairs, in front of the layer that gives a
            number per head.
        n_layers: Number of attention blocks.
        n_heads: Number of attention heads, a divisor of the width.
        ffn_ratio: Width between the dense layers of a block, by that of the transformer.
        do: Dropout rate.
        pair_features: Whether pairs' features enter; without them no momenta are needed.
        bn_class: The norm of the inputs.
        lookup_init: Gives the initialiser of the embeddings' weights for an activation.
        lookup_act: Gives the activation layer by its name.

    Raises:
        ConfigError: If the preset is unknown, a width not positive, the heads do not divide the
            width, or momenta are missing.

    Example:
        >>> import torch
        >>> from lumin_plugin_gnn import ParticleTransformer
        >>> momenta = torch.rand(2, 5, 4) + torch.tensor([0, 0, 0, 2.0])
        >>> mask = torch.ones(2, 5, dtype=torch.bool)
        >>> ParticleTransformer(4, ["px", "py", "pz", "E"], preset="lite")(
        ...     momenta, mask, momenta
        ... ).shape
        torch.Size([2, 5, 64])

    References:
        Qu, Li and Qian, https://arxiv.org/abs/2202.03772
    """

    def __init__(
        self,
        n_fpv: int,
        feats_per_vec: Sequence[str] = (),
        preset: Literal["paper", "lite"] = "paper",
        embed: Sequence[int] | None = None,
        pair_embed: Sequence[int] | None = None,
        n_layers: int | None = None,
        n_heads: int | None = None,
        ffn_ratio: int = 4,
        do: float = 0.1,
        pair_features: bool = True,
        bn_class: NormSpec = "core/batch_norm1d",
        lookup_init: LookupInit = normal_initialiser,
        lookup_act: LookupAct = lookup_act,
    ) -> None:
        super().__init__(n_fpv)
        settings = preset_of(preset, PRESETS)
        widths = layer_widths(settings["embed"] if embed is None else embed, "particle_transformer")
        heads = settings["n_heads"] if n_heads is None else n_heads
        self.width = widths[-1]
        self.embedding = _Embedding([n_fpv, *widths], bn_class, lookup_init, lookup_act)
        self.pairs: PairEmbedding | None = None
        self._momenta: list[int] = []
        if pair_features:
            self._momenta = momentum_columns(feats_per_vec, "particle_transformer with pair_features=True")
            inner = layer_widths(settings["pair_embed"] if pair_embed is None else pair_embed, "pair_embed")
            self.pairs = PairEmbedding([*inner, heads], "core/gelu", bn_class, lookup_init, lookup_act)
        depth = settings["n_layers"] if n_layers is None else n_layers
        check_positive(n_layers=depth)
        self.blocks = nn.ModuleList(TransformerBlock(self.width, heads, ffn_ratio, do) for _ in range(depth))

    def forward(self, x: Tensor, mask: Tensor, matrix: Tensor) -> Tensor:
        """Turn features ``(B, N, n_fpv)`` into ``(B, N, width)``, 0 for absent particles."""
        x = only_present(self.embedding(x, mask), mask)
        bias = absent_bias(mask, x.dtype)
        if self.pairs is not None:
            bias = bias + self.pairs(matrix[..., self._momenta], mask)
        for block in self.blocks:
            x = block(x, x, bias)
        return only_present(x, mask)

    def get_out_size(self) -> int:
        """Give the width of the transformer."""
        return self.width


class _Embedding(nn.Module):
    """A norm over all particles, then layers of norm over features, linear, gelu."""

    def __init__(
        self, widths: Sequence[int], bn_class: NormSpec, lookup_init: LookupInit, lookup_act: LookupAct
    ) -> None:
        super().__init__()
        self.norm = LCBatchNorm1d(bn_class, widths[0])
        layers: list[nn.Module] = []
        for n_in, n_out in pairwise(widths):
            linear = nn.Linear(n_in, n_out)
            lookup_init("gelu", n_in, n_out)(linear.weight)
            nn.init.zeros_(linear.bias)
            layers += [nn.LayerNorm(n_in), linear, by_bare_name(lookup_act)("core/gelu")]
        self.layers = nn.Sequential(*layers)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        embedded: Tensor = self.layers(self.norm(x, mask))
        return embedded
