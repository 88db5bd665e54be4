"""A body that does nothing, for heads that do all the work."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lumin_core.model import Body

if TYPE_CHECKING:
    from torch import Tensor


class IdentBody(Body):
    """Hands on what the head gives, ``(B, n_in)``.

    Args:
        n_in: Number of columns of the head's output.
        feat_map: Input feature to columns of the head's output.

    Example:
        >>> import torch
        >>> from lumin_plugin_tabular import IdentBody
        >>> IdentBody(2, {"pt": [0], "eta": [1]})(torch.tensor([[3.0, 4.0]]))
        tensor([[3., 4.]])
    """

    def forward(self, x: Tensor) -> Tensor:
        """Give ``x``, ``(B, n_in)``, itself."""
        return x

    def get_out_size(self) -> int:
        """Give ``n_in``."""
        return self.n_in
