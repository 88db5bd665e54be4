"""Stop a training that no longer gets better."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from lumin_core import Callback, CyclicCallback, best_offer, is_better
from lumin_core.checks import is_positive
from lumin_core.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lumin_core import FitParams


class EarlyStopping(Callback):
    """Stops after some validation epochs in a row without improvement.

    What counts is the main metric, else the loss. What other callbacks offer (an average over
    weights, say) counts: the best of these and the model is compared. While a cyclic callback asks
    for a delay (in the middle of a cycle, say), epochs are counted but nothing stops.

    Args:
        patience: How many epochs without improvement are borne.
        min_change: By how much a value must be better to count.

    Raises:
        ConfigError: If `patience` is not a positive integer, or `min_change` is negative.

    Example:
        >>> from lumin_plugin_callbacks import EarlyStopping
        >>> EarlyStopping(patience=3).stopped
        False
    """

    example_options: ClassVar[Mapping[str, object]] = {"patience": 1}

    _best: float | None

    def __init__(self, patience: int, min_change: float = 0) -> None:
        if isinstance(patience, bool) or not is_positive(patience):
            raise ConfigError(f"patience must be a positive number of epochs, got {patience!r}")
        if not hasattr(min_change, "__float__") or not min_change >= 0:
            raise ConfigError(f"min_change must be at least 0, got {min_change!r}")
        self.patience = int(patience)
        self.min_change = min_change
        self._reset()

    def on_train_begin(self, fit_params: FitParams) -> None:
        """Begin anew; refuse a fit without validation."""
        self._reset()
        if fit_params.val_idx is None:
            raise ConfigError("early_stopping reads the validation loss: give val_idx, or leave it out")

    def on_epoch_end(self, fit_params: FitParams) -> None:
        """Count the epochs without improvement, after each validation."""
        if fit_params.state != "valid":
            return
        offer = best_offer(fit_params)
        if is_better(offer.value, self._best, offer.better, self.min_change):
            self._best = offer.value
            self._n_worse = 0
            return
        self._n_worse += 1
        delayed = any(cb.delays_stopping() for cb in fit_params.cbs if isinstance(cb, CyclicCallback))
        if self._n_worse >= self.patience and not delayed:
            self.stopped = fit_params.stop = True

    def state_dict(self) -> dict[str, object]:
        """Give what a checkpoint keeps."""
        return {"best": self._best, "n_worse": self._n_worse, "stopped": self.stopped}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take it back."""
        self._best = state["best"]
        self._n_worse = state["n_worse"]
        self.stopped = state["stopped"]

    def _reset(self) -> None:
        self._best = None
        self._n_worse = 0
        self.stopped = False
