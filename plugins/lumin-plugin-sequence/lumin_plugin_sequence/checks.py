"""Checks of paddings and shapes that several layers share."""

from __future__ import annotations

from numbers import Integral
from typing import TYPE_CHECKING

from lumin_core.errors import ConfigError, ShapeError

if TYPE_CHECKING:
    from torch import Tensor

_AXES = {1: "(B, C, N)", 2: "(B, C, H, W)", 3: "(B, C, D, H, W)"}


def check_padding(padding: object) -> None:
    """Refuse what is neither ``"auto"`` nor a number of zeros.

    Raises:
        ConfigError: With the value.
    """
    if padding != "auto" and (not isinstance(padding, Integral) or padding < 0):
        raise ConfigError(f"padding must be 'auto' or a number of zeros, got {padding!r}")


def check_axes(x: Tensor, n_axes: int, n_channels: int | None = None) -> None:
    """Refuse a tensor of another number of axes or channels.

    ``n_axes`` axes must stand behind events and channels.

    Raises:
        ShapeError: With the shape.
    """
    if x.dim() != n_axes + 2 or (n_channels is not None and x.shape[1] != n_channels):
        channels = "" if n_channels is None else f" with C = {n_channels}"
        raise ShapeError(f"expected shape {_AXES[n_axes]}{channels}, got {tuple(x.shape)}")
