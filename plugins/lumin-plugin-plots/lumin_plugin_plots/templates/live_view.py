"""A live view: is told of each epoch of a training when it is over."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lumin_core.training import LiveView, say

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lumin_core import FitParams
    from lumin_core.training import EpochRow


class ExampleLiveView(LiveView):
    """Says a line for each epoch that is the best so far.

    Example:
        >>> from lumin_core import build
        >>> from lumin_core.training import LiveView
        >>> isinstance(build("live_view", "example_live_view"), LiveView)
        True
    """

    def begin(self, fit_params: FitParams, columns: Sequence[str]) -> None:
        """Remember what the rows hold."""
        self.columns = list(columns)

    def update(self, fit_params: FitParams, row: EpochRow) -> None:
        """Say a line."""
        if row.is_best:
            pairs = zip(self.columns, row.values, strict=True)
            values = ", ".join(f"{title} {value:.4g}" for title, value in pairs if value is not None)
            say(f"epoch {row.epoch}: {values}")
