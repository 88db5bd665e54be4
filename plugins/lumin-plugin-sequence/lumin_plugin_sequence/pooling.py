r"""Average and maximum of each channel, side by side.

References:
    Howard and Gugger (fastai), https://arxiv.org/abs/2002.04688
"""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn

from lumin_core.checks import check_positive
from lumin_core.errors import ConfigError
from lumin_plugin_sequence.checks import check_axes
from lumin_plugin_sequence.conv_blocks import ConvLayer


class AvgMaxPool(ConvLayer):
    r"""Returns the largest and the mean value of each channel, over ``sz`` parts.

    The parts are of the present objects. Parts are those of torch's adaptive pooling of the
    sequence without its absent objects, wherever these are: part :math:`i` of :math:`n` objects
    runs from :math:`\lfloor in/sz \rfloor` up to :math:`\lceil (i+1)n/sz \rceil`. No
    objects give 0.

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
        check_positive(sz=sz)
        if sz > length:
            raise ConfigError(f"sz, the number of parts, must be between 1 and the length {length}, got {sz}")
        self.sz = sz

    def forward(self, x: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Turn ``(B, C, N)`` and mask ``(B, N)`` to ``(B, 2C, sz)``, maxima first, and its mask."""
        place, n = mask.cumsum(1) - 1, mask.sum(1, keepdim=True)  # places among the present objects
        parts = []
        for i in range(self.sz):
            begin, end = i * n // self.sz, -(-(i + 1) * n // self.sz)
            parts.append(mask & (begin <= place) & (place < end))
        return torch.stack([_pool(x, part) for part in parts], dim=-1), (n > 0).expand(-1, self.sz)

    def get_out_size(self) -> tuple[int, int]:
        """Give the number of channels and the length of the output."""
        return 2 * self.in_c, self.sz

    def trace(self, places: Tensor, channels: Tensor) -> tuple[Tensor, Tensor]:
        """Follow the channels, which do not mix, to any part; see `ConvLayer.trace`."""
        return places.any(1, keepdim=True).expand(-1, self.sz), channels.repeat(1, 2)


def _pool(x: Tensor, mask: Tensor) -> Tensor:
    """Turn ``(B, C, n)`` with mask ``(B, n)`` into maxima and means, ``(B, 2C)``."""
    absent = ~mask.unsqueeze(1)
    largest = x.masked_fill(absent, -torch.inf).amax(-1).masked_fill(~mask.any(1, keepdim=True), 0)
    mean = x.masked_fill(absent, 0).sum(-1) / mask.sum(1, keepdim=True).clamp_min(1)
    return torch.cat((largest, mean), dim=1)


class _AvgMaxConcatPool(nn.Module):
    """Reduces each channel to a size by maximum and by average, maxima first.

    ``(B, C, *)`` becomes ``(B, 2C, *sz)``.
    """

    n_axes: ClassVar[int]
    _average: type[nn.Module]
    _maximum: type[nn.Module]

    def __init__(self, sz: int | tuple[int, ...] = 1) -> None:
        super().__init__()
        sizes = sz if isinstance(sz, tuple | list) else (sz,) * self.n_axes
        if len(sizes) != self.n_axes:
            raise ConfigError(f"sz must be one number or {self.n_axes}, one for each axis, got {sz!r}")
        check_positive(**{f"sz[{i}]": size for i, size in enumerate(sizes)})
        self.average = self._average(tuple(sizes))
        self.maximum = self._maximum(tuple(sizes))

    def forward(self, x: Tensor) -> Tensor:
        """Pool ``(B, C, *)``.

        Raises:
            ShapeError: If there are more or fewer axes.
        """
        check_axes(x, self.n_axes)
        return torch.cat((self.maximum(x), self.average(x)), dim=1)


class AdaptiveAvgMaxConcatPool1d(_AvgMaxConcatPool):
    """Reduces each channel by maximum and by average, maxima first.

    ``(B, C, N)`` becomes ``(B, 2C, sz)``.

    Args:
        sz: Length of the output.

    Raises:
        ConfigError: If a number is not positive, or there is not one for each axis.

    Example:
        >>> import torch
        >>> from lumin_plugin_sequence import AdaptiveAvgMaxConcatPool1d
        >>> AdaptiveAvgMaxConcatPool1d()(torch.tensor([[[1.0, 3.0]]])).flatten()
        tensor([3., 2.])
    """

    n_axes = 1
    _average, _maximum = nn.AdaptiveAvgPool1d, nn.AdaptiveMaxPool1d


class AdaptiveAvgMaxConcatPool2d(_AvgMaxConcatPool):
    """Reduces each channel by maximum and by average, maxima first.

    ``(B, C, H, W)`` becomes ``(B, 2C, *sz)``.

    Args:
        sz: Height and width of the output; one number for both.

    Raises:
        ConfigError: If a number is not positive, or there is not one for each axis.

    Example:
        >>> import torch
        >>> from lumin_plugin_sequence import AdaptiveAvgMaxConcatPool2d
        >>> AdaptiveAvgMaxConcatPool2d(2)(torch.rand(1, 3, 8, 8)).shape
        torch.Size([1, 6, 2, 2])
    """

    n_axes = 2
    _average, _maximum = nn.AdaptiveAvgPool2d, nn.AdaptiveMaxPool2d


class AdaptiveAvgMaxConcatPool3d(_AvgMaxConcatPool):
    """Reduces each channel by maximum and by average, maxima first.

    ``(B, C, D, H, W)`` becomes ``(B, 2C, *sz)``.

    Args:
        sz: Depth, height and width of the output; one number for all.

    Raises:
        ConfigError: If a number is not positive, or there is not one for each axis.

    Example:
        >>> import torch
        >>> from lumin_plugin_sequence import AdaptiveAvgMaxConcatPool3d
        >>> AdaptiveAvgMaxConcatPool3d()(torch.rand(1, 3, 8, 8, 8)).shape
        torch.Size([1, 6, 1, 1, 1])
    """

    n_axes = 3
    _average, _maximum = nn.AdaptiveAvgPool3d, nn.AdaptiveMaxPool3d
