"""An activation: a layer that changes each value by itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import nn

if TYPE_CHECKING:
    from torch import Tensor


class ExampleActivation(nn.Module):
    r"""Grows ever more slowly, up to a limit on either side.

    .. math:: y = x / (1 + |x| / s)

    Args:
        scale: The value :math:`s` that it never reaches.

    Example:
        >>> from lumin_core import Model, ModelBuilder
        >>> body = {"name": "fully_connected", "act": {"name": "example_activation", "scale": 2.0}}
        >>> model = Model(ModelBuilder("regression", n_out=1, cont_feats=["pt", "eta"], body=body))
        >>> model.n_out
        1
    """

    def __init__(self, scale: float = 1.0) -> None:
        super().__init__()
        self.scale = scale

    def forward(self, x: Tensor) -> Tensor:
        """Turn ``(*)`` into the same shape."""
        return x / (1 + x.abs() / self.scale)
