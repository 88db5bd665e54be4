"""A callback: stops a training after a number of batches."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lumin_core import Callback

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lumin_core import FitParams


class ExampleCallback(Callback):
    """Counts the batches that a model was trained on.

    Attributes:
        n_batches: How many there were.

    Args:
        at_most: After how many the training stops, at the end of an epoch; ``None`` for never.

    Example:
        >>> from lumin_core import build
        >>> build("callback", {"name": "example_callback", "at_most": 1000}).n_batches
        0
    """

    def __init__(self, at_most: int | None = None) -> None:
        self.at_most = at_most
        self.n_batches = 0

    def on_train_begin(self) -> None:
        """Begin to count."""
        self.n_batches = 0

    def on_batch_end(self, fit_params: FitParams) -> None:
        """Count a batch of the training."""
        self.n_batches += fit_params.state == "train"

    def on_epoch_end(self, fit_params: FitParams) -> None:
        """Stop when there were enough."""
        if self.at_most is not None and self.n_batches >= self.at_most:
            fit_params.stop = True

    def state_dict(self) -> dict[str, int]:
        """Return what a training that is resumed has to know."""
        return {"n_batches": self.n_batches}

    def load_state_dict(self, state: Mapping[str, int]) -> None:
        """Go on from there."""
        self.n_batches = state["n_batches"]
