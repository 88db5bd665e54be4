"""Recurrent and convolutional networks on sequences of objects."""

from __future__ import annotations

from importlib import import_module
from typing import Any

_PUBLIC = {
    "AdaptiveAvgMaxConcatPool1d": "pooling",
    "AdaptiveAvgMaxConcatPool2d": "pooling",
    "AdaptiveAvgMaxConcatPool3d": "pooling",
    "AvgMaxPool": "pooling",
    "Conv": "conv_blocks",
    "Conv1dHead": "conv_head",
    "ConvLayer": "conv_blocks",
    "RecurrentHead": "recurrent",
    "Res": "conv_blocks",
    "Resnext": "conv_blocks",
    "SEBlock1d": "squeeze",
    "SEBlock2d": "squeeze",
    "SEBlock3d": "squeeze",
    "SqueezeExcitation": "squeeze",
}
__all__ = list(_PUBLIC)


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        msg = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(msg)
    return getattr(import_module(f"{__name__}.{_PUBLIC[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_PUBLIC])
