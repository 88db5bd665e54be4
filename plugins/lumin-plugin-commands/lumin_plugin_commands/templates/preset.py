"""A preset: what a training needs, chosen for the data."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lumin_core.runs import Preset

if TYPE_CHECKING:
    from lumin_core import FoldYielder


class ExamplePreset(Preset):
    """Two layers, and batches of which an epoch has about a hundred.

    Args:
        width: Width of the layers.

    Example:
        >>> from lumin_core import build
        >>> build("preset", {"name": "example_preset", "width": 16}).version
        1
    """

    version = 1

    def __init__(self, width: int = 32) -> None:
        self.width = width

    def arguments(self, fy: FoldYielder, objective: str, n_out: int | None = None) -> dict[str, Any]:
        """Return arguments of `ModelBuilder.from_fy` and `train_models`, for these data."""
        body = {"name": "tabular/fully_connected", "depth": 2, "width": self.width}
        return {"body": body, "bs": max(32, sum(fy.fld_szs) // 100), "n_epochs": 20}
