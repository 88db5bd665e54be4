"""A transform: a step of a preprocessing, and the way back."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lumin_core import Transform

if TYPE_CHECKING:
    from typing import Self


class ExampleTransform(Transform):
    r"""Compresses large values, of either sign.

    .. math:: y = \mathrm{arsinh}(x / s)

    Args:
        scale: The typical size :math:`s` of each column; by default the median of absolute values,
            learned from data.

    Example:
        >>> import numpy as np
        >>> from lumin_core import build
        >>> step = build("transform", "example_transform").fit(np.array([[1.0], [3.0], [-5.0]]))
        >>> step.to_config()
        {'scale': [3.0]}
    """

    def __init__(self, scale: list[float] | None = None) -> None:
        self.scale = scale

    def fit(self, x: np.ndarray) -> Self:
        """Learn the typical size of each column of ``(n, F)``; NaN is left out."""
        typical = np.nanmedian(np.abs(x), axis=0)
        self.scale = np.where(typical > 0, typical, 1.0).astype(float).tolist()
        return self

    def transform(self, x: np.ndarray) -> np.ndarray:
        """Compress ``(n, F)``."""
        compressed: np.ndarray = np.arcsinh(x / np.asarray(self.scale))
        return compressed

    def inverse_transform(self, x: np.ndarray) -> np.ndarray:
        """Undo it."""
        restored: np.ndarray = np.sinh(x) * np.asarray(self.scale)
        return restored

    def to_config(self) -> dict[str, list[float] | None]:
        """Return what was learned."""
        return {"scale": self.scale}
