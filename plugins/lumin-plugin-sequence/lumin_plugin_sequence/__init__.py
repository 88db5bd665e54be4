"""Recurrent and convolutional networks on sequences of objects."""

from __future__ import annotations

from lumin_core import lazy

_HOMES = {
    "conv_blocks": ["Conv", "ConvLayer", "Res", "Resnext"],
    "conv_head": ["Conv1dHead"],
    "pooling": ["AdaptiveAvgMaxConcatPool1d", "AdaptiveAvgMaxConcatPool2d", "AdaptiveAvgMaxConcatPool3d", "AvgMaxPool"],
    "recurrent": ["RecurrentHead"],
    "squeeze": ["SEBlock1d", "SEBlock2d", "SEBlock3d", "SqueezeExcitation"],
}
__getattr__, __dir__, __all__ = lazy.attach(__name__, _HOMES)
