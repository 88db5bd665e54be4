r"""Squeeze and excitation: every channel is scaled by what all channels say of it.

.. math:: y_c = x_c\, \sigma\left(W_2\, \mathrm{act}(W_1 \bar{x})\right)_c

References:
    Hu, Shen, Albanie, Sun and Wu, https://arxiv.org/abs/1709.01507
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from torch import Tensor, nn

from lumin_core.checks import check_positive
from lumin_core.model import dense_stack, lookup_act, normal_initialiser
from lumin_plugin_sequence.checks import check_axes
from lumin_plugin_sequence.conv_blocks import ConvLayer

if TYPE_CHECKING:
    from lumin_core.model import LookupAct, LookupInit, Spec


class SEBlock1d(nn.Module):
    """Scales the channels of ``(B, C, N)``.

    Args:
        n_in: Number of channels.
        r: By how much the layer between is narrower; it keeps at least two.
        act: Activation of that layer.
        lookup_init: Gives the initialiser of the weights for an activation.
        lookup_act: Gives the activation layer by its name.

    Raises:
        ConfigError: If a number is not positive.

    Example:
        >>> import torch
        >>> from lumin_plugin_sequence import SEBlock1d
        >>> SEBlock1d(16, r=4)(torch.rand(2, 16, 10)).shape
        torch.Size([2, 16, 10])

    References:
        Hu et al., https://arxiv.org/abs/1709.01507
    """

    n_axes: ClassVar[int] = 1

    def __init__(
        self,
        n_in: int,
        r: int = 16,
        act: Spec = "core/relu",
        lookup_init: LookupInit = normal_initialiser,
        lookup_act: LookupAct = lookup_act,
    ) -> None:
        super().__init__()
        check_positive(n_in=n_in, r=r)
        self.n_in = n_in
        given = {"lookup_init": lookup_init, "lookup_act": lookup_act}
        between = max(2, n_in // r)
        self.squeeze = dense_stack([n_in, between], act=act, **given)
        self.excite = dense_stack([between, n_in], act="core/sigmoid", **given)

    def forward(self, x: Tensor) -> Tensor:
        """Scale channels: ``(B, C, *)`` to the same shape.

        Raises:
            ShapeError: If there are other channels, or more or fewer axes.
        """
        check_axes(x, self.n_axes, self.n_in)
        return self.scale(x, x.flatten(2).mean(-1))

    def scale(self, x: Tensor, means: Tensor) -> Tensor:
        """Scale ``(B, C, *)`` by what the channels' means ``(B, C)`` say."""
        factors: Tensor = self.excite(self.squeeze(means))
        return x * factors.view(*factors.shape, *[1] * (x.dim() - 2))


class SEBlock2d(SEBlock1d):
    """Scales the channels of ``(B, C, H, W)``; arguments are those of `SEBlock1d`.

    Example:
        >>> import torch
        >>> from lumin_plugin_sequence import SEBlock2d
        >>> SEBlock2d(16)(torch.rand(2, 16, 5, 5)).shape
        torch.Size([2, 16, 5, 5])
    """

    n_axes = 2


class SEBlock3d(SEBlock1d):
    """Scales the channels of ``(B, C, D, H, W)``; arguments are those of `SEBlock1d`.

    Example:
        >>> import torch
        >>> from lumin_plugin_sequence import SEBlock3d
        >>> SEBlock3d(16)(torch.rand(2, 16, 3, 3, 3)).shape
        torch.Size([2, 16, 3, 3, 3])
    """

    n_axes = 3


class SqueezeExcitation(ConvLayer):
    """Scales the channels of a sequence by what their means over the present objects say.

    Args:
        in_c: Number of channels.
        length: Length of the sequence.
        r: By how much the layer between is narrower; it keeps at least two.
        act: Activation of that layer.
        lookup_init: Gives the initialiser of the weights for an activation.
        lookup_act: Gives the activation layer by its name.

    Raises:
        ConfigError: If a number is not positive.

    Example:
        >>> import torch
        >>> from lumin_plugin_sequence import SqueezeExcitation
        >>> x, mask = torch.rand(2, 16, 10), torch.ones(2, 10, dtype=torch.bool)
        >>> SqueezeExcitation(in_c=16, length=10)(x, mask)[0].shape
        torch.Size([2, 16, 10])

    References:
        Hu et al., https://arxiv.org/abs/1709.01507
    """

    def __init__(
        self,
        in_c: int,
        length: int,
        r: int = 16,
        act: Spec = "core/relu",
        lookup_init: LookupInit = normal_initialiser,
        lookup_act: LookupAct = lookup_act,
    ) -> None:
        super().__init__(in_c, length)
        self.block = SEBlock1d(in_c, r, act, lookup_init, lookup_act)

    def forward(self, x: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Scale ``(B, C, N)`` with mask ``(B, N)``."""
        means = x.masked_fill(~mask.unsqueeze(1), 0).sum(-1) / mask.sum(1, keepdim=True).clamp_min(1)
        return self.block.scale(x, means), mask

    def get_out_size(self) -> tuple[int, int]:
        """Give the number of channels and the length, which stay."""
        return self.in_c, self.length
