"""Keep gradients from growing too large.

References:
    Pascanu, Mikolov and Bengio, "On the difficulty of training recurrent neural networks",
    https://arxiv.org/abs/1211.5063
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from torch import nn

from lumin_core import Callback
from lumin_core.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lumin_core import FitParams


class GradClip(Callback):
    """Clips gradients before every step of the optimiser.

    Args:
        clip: Largest norm, or largest absolute value.
        clip_norm: Whether the norm of all gradients together is limited, or each value by itself.

    Raises:
        ConfigError: If `clip` is not positive.

    Example:
        >>> from lumin_plugin_callbacks import GradClip
        >>> callbacks = [GradClip(1.0), {"name": "grad_clip", "clip": 0.5, "clip_norm": False}]
    """

    example_options: ClassVar[Mapping[str, object]] = {"clip": 0.1}

    def __init__(self, clip: float, clip_norm: bool = True) -> None:
        if not hasattr(clip, "__float__") or not clip > 0:
            raise ConfigError(f"clip must be positive, got {clip!r}")
        self.clip = clip
        self.clip_norm = clip_norm

    def on_backwards_end(self, fit_params: FitParams) -> None:
        """Clip the gradients."""
        clip = nn.utils.clip_grad_norm_ if self.clip_norm else nn.utils.clip_grad_value_
        clip(fit_params.model.model.parameters(), self.clip)
