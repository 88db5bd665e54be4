"""Weighted and robust losses for lumin-core.

Example:
    >>> import torch
    >>> from lumin_plugin_losses import WeightedMSE
    >>> WeightedMSE()(torch.tensor([[1.0], [3.0]]), torch.zeros(2, 1))
    tensor([[1.],
            [9.]])
"""

from __future__ import annotations

from lumin_core import lazy

_HOMES = {
    "binned_huber": ["WeightedBinnedHuber", "WeightedFractionalBinnedHuber"],
    "fractional": ["WeightedFractionalMSE"],
    "weighted": ["WeightedCCE", "WeightedMAE", "WeightedMSE"],
}
__getattr__, __dir__, __all__ = lazy.attach(__name__, _HOMES)
