"""Weighted and robust losses for lumin-core.

Example:
    >>> import torch
    >>> from lumin_plugin_losses import WeightedMSE
    >>> WeightedMSE()(torch.tensor([[1.0], [3.0]]), torch.zeros(2, 1))
    tensor([[1.],
            [9.]])
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

_PUBLIC = {
    "WeightedBinnedHuber": "binned_huber",
    "WeightedCCE": "weighted",
    "WeightedFractionalBinnedHuber": "binned_huber",
    "WeightedFractionalMSE": "fractional",
    "WeightedMAE": "weighted",
    "WeightedMSE": "weighted",
}
__all__ = list(_PUBLIC)


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        msg = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(msg)
    return getattr(import_module(f"{__name__}.{_PUBLIC[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_PUBLIC])
