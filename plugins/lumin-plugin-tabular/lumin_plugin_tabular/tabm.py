r"""TabM: k networks in one, which share most of their weights and are trained side by side.

Every member :math:`m` is a network of dense layers of its own,

.. math:: x_m \to \mathrm{act}(W_m x_m + b_m), \qquad W_m = \begin{cases}
    W \, \mathrm{diag}(r_m) \text{ in the first layer, } W \text{ behind it} & \text{mini} \\
    \mathrm{diag}(s_m) \, W \, \mathrm{diag}(r_m) & \text{batch} \\
    \text{its own} & \text{packed}
    \end{cases}

with a bias that is shared in ``mini`` alone. The members start apart by the scales :math:`r_m` of
the first layer, which are drawn at random and alike for all columns of a feature; all others start
at 1. In `class_reg_multi` each member has a layer of its own.

The layers are those of the authors' package, put together here; the first one of ``mini`` scales
the weights, not the inputs of k networks, which is the same and quicker. Weights start as
`lookup_init` says, whose variance holds for scales of 1 and -1, and biases at 0, as in
`fully_connected`; the authors draw both from torch's uniform distribution.

References:
    Gorishniy et al., https://arxiv.org/abs/2410.24210; Wen et al. (scales),
    https://arxiv.org/abs/2002.06715
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import torch
from tabm import ElementwiseAffine, LinearEnsemble, init_scaling_
from torch import Tensor, nn
from torch.nn import functional

from lumin_core.checks import positive
from lumin_core.errors import ConfigError
from lumin_core.model import Body, by_bare_name, dense_layer, lookup_act, normal_initialiser

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from lumin_core.model import LookupAct, LookupInit, Spec

ARCHS = ("mini", "batch", "packed")
STARTS = ("random-signs", "normal")


class Tabm(Body):
    """Dense layers of ``k`` members, each linear, activation, dropout, in this order.

    It needs a tail that takes members, such as `class_reg_multi`. Each member learns by its own
    loss; predictions are the mean over members, and ``predict(spread=True)`` gives their spread.

    Args:
        n_in: Number of columns of the head's output.
        feat_map: Input feature to columns of the head's output.
        k: Number of members.
        arch: What they share: ``"mini"`` all but the scales of the first layer, ``"batch"`` all but
            scales and biases of every layer, ``"packed"`` nothing.
        depth: Number of dense layers.
        width: Columns of each layer's output, for each member.
        do: Dropout rate, in [0, 1).
        act: The activation: its name, a dict with options, a class or a partial.
        start: How the scales of the first layer are drawn: ``"random-signs"`` (1 or -1), or
            ``"normal"``, which the authors take behind embeddings of continuous features.
        lookup_init: Gives the initialiser of the weights for an activation.
        lookup_act: Gives the activation layer by its name.
        freeze: Whether the parameters stay as they are.

    Raises:
        ConfigError: If a size is not positive, a rate is out of range, or there is no such ``arch``
            or ``start``.

    Example:
        >>> import torch
        >>> from lumin_plugin_tabular import Tabm
        >>> body = Tabm(3, {"pt": [0], "eta": [1], "phi": [2]}, k=4, depth=2, width=10)
        >>> body(torch.ones(5, 3)).shape, body.members
        (torch.Size([5, 40]), 4)
    """

    def __init__(
        self,
        n_in: int,
        feat_map: Mapping[str, Sequence[int]],
        k: int = 16,
        arch: str = "mini",
        depth: int = 3,
        width: int = 100,
        do: float = 0,
        act: Spec = "core/relu",
        start: str = "random-signs",
        lookup_init: LookupInit = normal_initialiser,
        lookup_act: LookupAct = lookup_act,
        freeze: bool = False,
    ) -> None:
        super().__init__(n_in, feat_map)
        if arch not in ARCHS or start not in STARTS:
            msg = f"tabm has arch {', '.join(map(repr, ARCHS))} and start {', '.join(map(repr, STARTS))}, "
            msg += f"got arch={arch!r} and start={start!r}"
            raise ConfigError(msg)
        self.members = positive(k, "k")
        self.arch = arch
        self.n_out = self.members * positive(width, "width")
        layer = partial(dense_layer, n_out=width, act=act, do=do, lookup_init=lookup_init, lookup_act=lookup_act)
        widths = [n_in] + [width] * (positive(depth, "depth") - 1)
        self.layers = nn.ModuleList(map(layer, widths))
        layers: Any = self.layers
        for dense in layers:
            if arch == "packed":
                dense[0] = _own(dense[0], self.members, by_bare_name(lookup_init)(act, dense[0].in_features, width))
            elif arch == "batch":
                dense[0] = _scaled(dense[0], self.members)
            elif dense is layers[0]:
                dense[0] = _ScaledLinear(dense[0], self.members)
        if arch != "packed":
            first = next(module for module in self.modules() if isinstance(module, ElementwiseAffine))
            drawn = init_scaling_(first.weight.new_empty(self.members, n_in), start)
            with torch.no_grad():
                first.weight.copy_(drawn[:, _alike(n_in, self.feat_map)])
        if freeze:
            self.freeze_layers()

    def forward(self, x: Tensor) -> Tensor:
        """Pass ``(B, n_in)`` through the layers, to ``(B, members * width)``, member by member."""
        if self.arch != "mini":
            x = x.unsqueeze(1).expand(-1, self.members, -1)
        layers: Any = self.layers
        for layer in layers:
            for step in layer:
                x = step(x)
        return x.reshape(-1, self.n_out)

    def get_out_size(self) -> int:
        """Give the width of the last layer of all members together."""
        return self.n_out


class _Shift(nn.Module):
    """Adds a bias to the columns of each member, ``(B, k, n)``."""

    def __init__(self, k: int, n: int) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(k, n))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.bias


class _ScaledLinear(nn.Linear):
    """The first layer of ``mini``: ``(B, n_in)`` to ``(B * k, width)``, event by event."""

    def __init__(self, dense: nn.Linear, k: int) -> None:
        super().__init__(dense.in_features, dense.out_features)
        self.weight = dense.weight
        self.bias = dense.bias
        self.scale: ElementwiseAffine = _scale(k, dense.in_features)

    def forward(self, x: Tensor) -> Tensor:
        weight = self.weight * self.scale.weight.unsqueeze(1)  # (k, width, n_in)
        bias = self.bias.repeat(len(weight))
        return functional.linear(x, weight.flatten(0, 1), bias).view(-1, self.out_features)


def _scale(k: int, n: int, *, bias: bool = False) -> ElementwiseAffine:
    """Return what scales the columns of each member, ``(B, k, n)``, and adds a bias."""
    scale = ElementwiseAffine((k, n), bias=bias, scaling_init="ones")
    scale.no_decay = True
    return scale


def _scaled(dense: nn.Linear, k: int) -> nn.Sequential:
    """Return a layer of ``batch``: ``(B, k, n_in)`` to ``(B, k, width)``."""
    dense.register_parameter("bias", None)
    return nn.Sequential(_scale(k, dense.in_features), dense, _scale(k, dense.out_features, bias=True))


def _own(dense: nn.Linear, k: int, initialise: Callable[[Tensor], object]) -> nn.Sequential:
    """Return a layer of ``packed``: ``(B, k, n_in)`` to ``(B, k, width)``."""
    layers = LinearEnsemble(dense.in_features, dense.out_features, bias=False, k=k)
    for weight in layers.weight.detach():  # (n_in, width)
        initialise(weight.T)
    return nn.Sequential(layers, _Shift(k, dense.out_features))


def _alike(n_in: int, feat_map: Mapping[str, Sequence[int]]) -> list[int]:
    """Return for each column the first that depends on the same feature, if it is on that alone."""
    features: dict[int, list[str]] = {column: [] for column in range(n_in)}
    for feat, columns in feat_map.items():
        for column in columns:
            features[column].append(feat)
    return [feat_map[feats[0]][0] if len(feats) == 1 else column for column, feats in features.items()]
