r"""Average and maximum of each channel, side by side.

References:
    Howard and Gugger (fastai), https://arxiv.org/abs/2002.04688
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from lumin_core.errors import ConfigError
from lumin_plugin_sequence.conv_blocks import ConvLayer


class AvgMaxPool(ConvLayer):
    """Gives the largest and the mean value of each channel, over the present objects of ``sz`` parts of the sequence.

    Parts are those of torch's adaptive pooling. A part without objects gives 0.

    Args:
        in_c: Number of channels.
        length: Length of the sequence.
        sz: Number of parts.

    Raises:
        ConfigError: If there are no parts, or more than the sequence is long.

    Example:
        >>> import torch
        >>> from lumin_plugin_sequence import AvgMaxPool
        >>> x, mask = torch.tensor([[[1.0, 3.0, 0.0]]]), torch.tensor([[True, True, False]])
        >>> AvgMaxPool(in_c=1, length=3)(x, mask)[0].flatten()
        tensor([3., 2.])
    """

    def __init__(self, in_c: int, length: int, sz: int = 1) -> None:
        super().__init__(in_c, length)
        if not 1 <= sz <= length:
            raise ConfigError(f"sz, the number of parts, must be between 1 and the length {length}, got {sz}")
        self.sz = sz
        begins = [i * length // sz for i in range(sz)]
        ends = [-(-(i + 1) * length // sz) for i in range(sz)]
        self._parts = list(zip(begins, ends, strict=True))

    def forward(self, x: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Turn ``(B, C, N)`` with mask ``(B, N)`` into ``(B, 2C, sz)``, maxima first, and its mask."""
        pooled = [_pool(x[..., a:b], mask[:, a:b]) for a, b in self._parts]
        return torch.stack(pooled, dim=-1), torch.stack([mask[:, a:b].any(1) for a, b in self._parts], dim=1)

    def get_out_size(self) -> tuple[int, int]:
        """Give the number of channels and the length of the output."""
        return 2 * self.in_c, self.sz


def _pool(x: Tensor, mask: Tensor) -> Tensor:
    """Turn ``(B, C, n)`` with mask ``(B, n)`` into maxima and means, ``(B, 2C)``."""
    absent = ~mask.unsqueeze(1)
    largest = x.masked_fill(absent, -torch.inf).amax(-1).masked_fill(~mask.any(1, keepdim=True), 0)
    mean = x.masked_fill(absent, 0).sum(-1) / mask.sum(1, keepdim=True).clamp_min(1)
    return torch.cat((largest, mean), dim=1)


class _AvgMaxConcatPool(nn.Module):
    """Reduces each channel to a size by maximum and by average: ``(B, C, *)`` to ``(B, 2C, *sz)``, maxima first."""

    _average: type[nn.Module]
    _maximum: type[nn.Module]

    def __init__(self, sz: int | tuple[int, ...] = 1) -> None:
        super().__init__()
        self.average, self.maximum = self._average(sz), self._maximum(sz)

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat((self.maximum(x), self.average(x)), dim=1)


class AdaptiveAvgMaxConcatPool1d(_AvgMaxConcatPool):
    """Reduces each channel by maximum and by average: ``(B, C, N)`` to ``(B, 2C, sz)``, maxima first.

    Args:
        sz: Length of the output.

    Example:
        >>> import torch
        >>> from lumin_plugin_sequence import AdaptiveAvgMaxConcatPool1d
        >>> AdaptiveAvgMaxConcatPool1d()(torch.tensor([[[1.0, 3.0]]])).flatten()
        tensor([3., 2.])
    """

    _average, _maximum = nn.AdaptiveAvgPool1d, nn.AdaptiveMaxPool1d


class AdaptiveAvgMaxConcatPool2d(_AvgMaxConcatPool):
    """Reduces each channel by maximum and by average: ``(B, C, H, W)`` to ``(B, 2C, *sz)``, maxima first.

    Args:
        sz: Height and width of the output; one number for both.

    Example:
        >>> import torch
        >>> from lumin_plugin_sequence import AdaptiveAvgMaxConcatPool2d
        >>> AdaptiveAvgMaxConcatPool2d(2)(torch.rand(1, 3, 8, 8)).shape
        torch.Size([1, 6, 2, 2])
    """

    _average, _maximum = nn.AdaptiveAvgPool2d, nn.AdaptiveMaxPool2d


class AdaptiveAvgMaxConcatPool3d(_AvgMaxConcatPool):
    """Reduces each channel by maximum and by average: ``(B, C, D, H, W)`` to ``(B, 2C, *sz)``, maxima first.

    Args:
        sz: Depth, height and width of the output; one number for all.

    Example:
        >>> import torch
        >>> from lumin_plugin_sequence import AdaptiveAvgMaxConcatPool3d
        >>> AdaptiveAvgMaxConcatPool3d()(torch.rand(1, 3, 8, 8, 8)).shape
        torch.Size([1, 6, 1, 1, 1])
    """

    _average, _maximum = nn.AdaptiveAvgPool3d, nn.AdaptiveMaxPool3d
