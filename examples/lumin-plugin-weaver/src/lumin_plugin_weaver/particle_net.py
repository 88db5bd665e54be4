"""ParticleNet, with the weights of weaver-core.

::

    features -> norm -> edge convolutions [-> all of them, fused] -> mean over particles -> dense

The neighbours of the first convolution are those in ``points``, of later ones those in the features
that came out of the one before.

References:
    Qu and Gouskos, https://arxiv.org/abs/1902.08570; the names of weights, not the code:
    weaver-core 0.5.3, https://pypi.org/project/weaver-core/
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar, Self

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from lumin_core.checks import check_positive, listed
from lumin_core.errors import ConfigError, SavedModelError
from lumin_core.model import LCBatchNorm1d
from lumin_plugin_weaver.edge_conv import EdgeConvBlock
from lumin_plugin_weaver.network import Converted, WeaverNetwork

if TYPE_CHECKING:
    from lumin_plugin_weaver.network import State

PAPER = ((64, 64, 64), (128, 128, 128), (256, 256, 256))
NAMES = {
    r"bn_fts": "input_norm.bn",
    r"edge_convs\.(\d+)\.convs\.(\d+)": r"blocks.\1.linears.\2",
    r"edge_convs\.(\d+)\.bns\.(\d+)": r"blocks.\1.norms.\2.bn",
    r"edge_convs\.(\d+)\.sc": r"blocks.\1.shortcut",
    r"edge_convs\.(\d+)\.sc_bn": r"blocks.\1.shortcut_norm.bn",
    r"fusion_block\.0": "fusion",
    r"fusion_block\.1": "fusion_norm.bn",
    r"fc\.(\d+)\.0": r"dense.\1.0",
    r"fc\.(\d+)": "last",
    r"fc_out": "last",
}
"""Names of weaver's layers, and of ours; ``fc_out`` is the last one of its networks for fine-tuning."""


class ParticleNet(WeaverNetwork):
    """Computes the features of jets as weaver-core's ParticleNet does, up to its last dense layer.

    Neighbours that are at equal distances are taken as they come, as in weaver: there, the order of
    particles counts.

    Args:
        n_vars: Number of variables by role; ``points`` and ``features`` are read.
        k: Number of neighbours, of all convolutions or of each. No checkpoint tells it: it stands in
            weaver's network file, 16 in the published ones, 7 in ParticleNet-Lite.
        widths: For each convolution the widths of its layers.
        fusion: Width of the layer that fuses the outputs of all convolutions; ``None`` for the last
            convolution's output alone.
        dense: Widths of the dense layers behind the mean.
        dropout: Dropout rate behind each of these.
        keep_statistics: Whether norms keep the statistics that they have in training, too. Those of
            a checkpoint were taken over padding; kept, a fine-tuning starts from the very network.

    Raises:
        ConfigError: If a width or a number of neighbours is not positive.

    Example:
        >>> import torch
        >>> from lumin_plugin_weaver import ParticleNet
        >>> net = ParticleNet({"points": 2, "features": 5}, k=3, widths=[[8, 8], [16]], dense=[12])
        >>> jets = {"points": torch.rand(4, 10, 2), "features": torch.rand(4, 10, 5)}
        >>> net(jets, torch.ones(4, 10).bool()).shape
        torch.Size([4, 12])

    References:
        Qu and Gouskos, https://arxiv.org/abs/1902.08570
    """

    untold: ClassVar[tuple[str, ...]] = ("k",)
    example_options: ClassVar[Mapping[str, object]] = {"k": 2, "widths": [[6, 6], [8]], "dense": [6]}

    def __init__(
        self,
        n_vars: Mapping[str, int],
        k: int | Sequence[int] = 16,
        widths: Sequence[Sequence[int]] = PAPER,
        fusion: int | None = None,
        dense: Sequence[int] = (256,),
        dropout: float = 0.1,
        keep_statistics: bool = False,
    ) -> None:
        super().__init__(n_vars)
        ks = _checked(k, widths, fusion, dense)
        self.k = max(ks)
        self.keep_statistics = keep_statistics
        ins = [n_vars["features"], *(block[-1] for block in widths)]
        self.input_norm = LCBatchNorm1d(num_features=ins[0])
        self.blocks = nn.ModuleList(
            EdgeConvBlock(n_in, block, k_of) for n_in, block, k_of in zip(ins, widths, ks, strict=False)
        )
        self.fusion = None if fusion is None else nn.Linear(sum(ins[1:]), fusion, bias=False)
        self.fusion_norm = None if fusion is None else LCBatchNorm1d(num_features=fusion)
        steps = zip([fusion or ins[-1], *dense], dense, strict=False)
        self.dense = nn.Sequential(*(nn.Sequential(nn.Linear(a, b), nn.ReLU(), nn.Dropout(dropout)) for a, b in steps))
        self.n_out = [fusion or ins[-1], *dense][-1]

    def forward(self, inputs: Mapping[str, Tensor], mask: Tensor) -> Tensor:
        """Turn ``points`` and ``features`` of particles into ``(B, get_out_size())``."""
        short = max(self.k + 1 - mask.shape[1], 0)  # absent particles, so that there are k others
        points, x = (pad(inputs[role], (0, 0, 0, short)) for role in ("points", "features"))
        mask = pad(mask, (0, short))
        x = self.input_norm(x, mask)
        found = []
        for block in self.blocks:
            x = points = block(points, x, mask)
            found.append(x)
        if self.fusion is not None and self.fusion_norm is not None:
            x = self.fusion_norm(self.fusion(torch.cat(found, dim=-1)), mask).relu()
        mean = x.sum(1) / mask.sum(1, keepdim=True).clamp_min(1)
        result: Tensor = self.dense(mean)
        return result

    def get_out_size(self) -> int:
        """Give the width of the last dense layer but one of weaver's."""
        return self.n_out

    def train(self, mode: bool = True) -> Self:
        """Set the mode; statistics that are kept stay as in evaluation."""
        super().train(mode)
        if self.keep_statistics:
            for module in self.modules():
                if isinstance(module, LCBatchNorm1d):
                    module.eval()
        return self

    @classmethod
    def convert(cls, state: State) -> Converted:
        """Read a ``state_dict`` of weaver's ParticleNet, see `WeaverNetwork.convert`."""
        own = _renamed(state)
        try:
            last = own.pop("last.weight"), own.pop("last.bias")
        except KeyError as error:
            raise SavedModelError(
                f"this is not a ParticleNet of weaver's: it has no last dense layer, {error}"
            ) from error
        widths: dict[int, list[int]] = {}
        for name in own:
            if found := re.fullmatch(r"blocks\.(\d+)\.linears\.\d+\.weight", name):
                widths.setdefault(int(found[1]), []).append(len(own[name]))
        dense = [len(own[name]) for name in own if re.fullmatch(r"dense\.\d+\.0\.weight", name)]
        fusion = len(own["fusion.weight"]) if "fusion.weight" in own else None
        told: dict[str, object] = {
            "widths": list(widths.values()),
            "fusion": fusion,
            "dense": dense,
            "keep_statistics": True,
        }
        return Converted(told, own, last)


def _checked(
    k: int | Sequence[int], widths: Sequence[Sequence[int]], fusion: int | None, dense: Sequence[int]
) -> list[int]:
    """Return the numbers of neighbours of each convolution."""
    blocks: Sequence[object] = widths
    if not blocks or not all(isinstance(block, Sequence) and block for block in blocks):
        raise ConfigError(f"widths must be a list of widths for each convolution, as in [[32, 32], [64]]; got {widths}")
    ks = list(k) if isinstance(k, Sequence) else [k] * len(widths)
    if len(ks) != len(widths):
        raise ConfigError(f"k must be one number or one for each of {len(widths)} convolutions, got {k}")
    inner = [width for block in widths for width in block]
    for number in [*ks, *inner, *dense, *([] if fusion is None else [fusion])]:
        check_positive(**{"k or a width": number})
    return ks


def _renamed(state: State) -> dict[str, Tensor]:
    """Give weights under our names, kernels of size 1 as the matrices that they are.

    Whatever wraps the network puts a prefix in front of its names.
    """
    mark = "edge_convs.0.convs.0.weight"
    prefix = next((name.removesuffix(mark) for name in state if name.endswith(mark)), None)
    if prefix is None:
        raise SavedModelError(f"this is not a ParticleNet of weaver's: there is no {mark} among {listed(state)}")
    own = {}
    for name, tensor in state.items():
        layer, _, weight = name.removeprefix(prefix).rpartition(".")
        ours = next(
            (re.sub(theirs, ours, layer) for theirs, ours in NAMES.items() if re.fullmatch(theirs, layer)), None
        )
        if ours is None:
            raise SavedModelError(f"this is not a ParticleNet that can be read: {name} is not known")
        own[f"{ours}.{weight}"] = tensor.flatten(2).squeeze(2) if tensor.dim() > 2 else tensor
    return own
