r"""Dense layers: plain, with residual connections, or densely connected.

With layers :math:`f_d` the output is

.. math::
    x_{d+1} = \begin{cases}
        f_d(x_d) & \text{plain} \\
        \mathrm{BN}(f_{d,2}(f_{d,1}(x_d)) + x_d) & \text{residual, behind a first plain layer} \\
        (f_d(x_d), x_d) & \text{dense, and } f_d(x_d) \text{ at the last layer}
    \end{cases}

References:
    He et al. (residual), https://arxiv.org/abs/1512.03385; Huang et al. (dense),
    https://arxiv.org/abs/1608.06993
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from lumin_core.errors import ConfigError
from lumin_core.model import Body, dense_layer, lookup_act, normal_initialiser
from lumin_core.registry import build

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from lumin_core.model import LookupAct, LookupInit, NormSpec, Spec


class FullyConnected(Body):
    """Fully connected hidden layers, each linear, activation, batch norm, dropout, in this order.

    Args:
        n_in: Number of columns of the head's output.
        feat_map: Input feature to columns of the head's output.
        depth: Number of dense layers; with ``res`` one more if it is even.
        width: Columns of the first layer's output.
        do: Dropout rate, in [0, 1).
        bn: Whether to normalise; with ``res`` behind each addition too, instead of behind the
            layer before it.
        act: The activation: its name, a dict with options, a class or a partial.
        res: Whether to skip every two layers, and add.
        dense: Whether every layer is given the inputs and the outputs of all before it.
        growth_rate: Layer ``d`` is ``width + int(width * d * growth_rate)`` wide, at least 1;
            not with ``res``.
        bn_class: The norm, by name, class or partial; it is given ``num_features``.
        lookup_init: Gives the initialiser of the weights for an activation.
        lookup_act: Gives the activation layer by its name.
        freeze: Whether the parameters stay as they are.

    Raises:
        ConfigError: If a size is not positive, a rate is out of range, or ``res`` comes with
            ``dense`` or ``growth_rate``.

    Example:
        >>> import torch
        >>> from lumin_plugin_tabular import FullyConnected
        >>> body = FullyConnected(
        ...     3, {"pt": [0], "eta": [1], "phi": [2]}, depth=2, width=10, growth_rate=0.5
        ... )
        >>> body(torch.ones(4, 3)).shape
        torch.Size([4, 15])
    """

    def __init__(
        self,
        n_in: int,
        feat_map: Mapping[str, Sequence[int]],
        depth: int = 4,
        width: int = 100,
        do: float = 0,
        bn: bool = False,
        act: Spec = "core/relu",
        res: bool = False,
        dense: bool = False,
        growth_rate: float = 0,
        bn_class: NormSpec = "core/batch_norm1d",
        lookup_init: LookupInit = normal_initialiser,
        lookup_act: LookupAct = lookup_act,
        freeze: bool = False,
    ) -> None:
        super().__init__(n_in, feat_map)
        _check(depth, width, res, dense, growth_rate)
        self.res = res
        self.dense = dense
        layer = partial(dense_layer, act=act, do=do, lookup_init=lookup_init, lookup_act=lookup_act, bn_class=bn_class)

        def width_of(d: int) -> int:
            return max(1, width + int(width * d * growth_rate))

        if res:
            self.layers: nn.Module = _residual_layers(n_in, depth, width, partial(layer, bn=bn), layer)
            norms = [build("norm", bn_class, num_features=width) if bn else nn.Identity() for _ in range(depth // 2)]
            self.res_bns = nn.ModuleList(norms)
        else:
            self.layers = nn.Sequential()
            for d in range(depth):
                self.layers.append(layer(n_in, width_of(d), bn=bn))
                n_in = n_in + width_of(d) if dense else width_of(d)
        self.n_out = width_of(depth - 1)
        if freeze:
            self.freeze_layers()

    def forward(self, x: Tensor) -> Tensor:
        """Pass ``(B, n_in)`` through the layers, to ``(B, get_out_size())``."""
        if self.res:
            return self._add(x)
        if self.dense:
            return self._concatenate(x)
        layers: Any = self.layers
        for layer in layers:
            for step in layer:  # not layer(x): calling a nested Sequential costs as much as a small matrix product
                x = step(x)
        return x

    def get_out_size(self) -> int:
        """Give the width of the last layer."""
        return self.n_out

    def _add(self, x: Tensor) -> Tensor:
        first, *pairs = self.layers.children()
        x = first(x)
        for pair, norm in zip(pairs, self.res_bns, strict=True):
            x = norm(pair(x) + x)
        return x

    def _concatenate(self, x: Tensor) -> Tensor:
        *layers, last = self.layers.children()
        for layer in layers:
            x = torch.cat((layer(x), x), dim=-1)
        out: Tensor = last(x)
        return out


def _residual_layers(
    n_in: int, depth: int, width: int, normed: Callable[..., nn.Sequential], plain: Callable[..., nn.Sequential]
) -> nn.ModuleList:
    """Return a layer to the width, then pairs.

    Their second half is normalised behind the addition only.
    """
    pairs = [nn.Sequential(*normed(width, width), *plain(width, width)) for _ in range(depth // 2)]
    return nn.ModuleList([normed(n_in, width), *pairs])


def _check(depth: int, width: int, res: bool, dense: bool, growth_rate: float) -> None:
    if depth < 1 or width < 1:
        msg = f"fully_connected needs a depth and a width of at least 1, got depth={depth} and width={width}"
        raise ConfigError(msg)
    if res and (dense or growth_rate):
        msg = "fully_connected with res=True adds layers of one width: leave out dense and growth_rate, "
        msg += f"got dense={dense} and growth_rate={growth_rate}"
        raise ConfigError(msg)
