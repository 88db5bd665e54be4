"""One cycle, then steps: the learning rate falls whenever the validation no longer gets better.

The cycle is that of `OneCycle`. After it the best model so far is put back, with its optimiser and
rates, and the learning rate is multiplied by a factor after every so many epochs without
improvement, counted anew from each step.
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any, ClassVar

from lumin_core import is_better, monitored
from lumin_core.checks import positive
from lumin_core.errors import ConfigError
from lumin_plugin_callbacks.one_cycle import SingleCycle

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from lumin_core import FitParams


class CycleStep(SingleCycle):
    """One cycle of learning rate and momentum, then steps of the learning rate.

    The steps start from the best model. What is best is told by the main metric, else the loss.
    `values` gives the cycle alone: the steps depend on the validation. A final learning rate near 0
    leaves nothing to step down from.

    Args:
        frac_reduction: By what the learning rate is multiplied in each step, between 0 and 1.
        patience: Epochs without improvement after which a step is made.
        lengths: Lengths of the two stages of the cycle, in epochs.
        lr_range: Initial and highest learning rate, and the final one (0 where it is left out).
        mom_range: Lowest and highest momentum (of Adam: its first beta), below 1; ``None`` leaves
            it alone. Steps are made at the highest.
        interp: ``"cosine"`` or ``"linear"``.

    Attributes:
        stepping: Whether the cycle is over and the best model was put back.
        cycle_count: 1 once the cycle has ended.
        cycle_end: Whether it ended in the epoch that has just closed.

    Raises:
        ConfigError: If an option is out of range; when the fit begins, if there is no validation
            fold, or the optimiser has no momentum.

    Example:
        >>> from lumin_plugin_callbacks import CycleStep
        >>> schedule = CycleStep(
        ...     0.5, patience=2, lengths=(1, 1), lr_range=(0.1, 1.0, 0.2), interp="linear"
        ... )
        >>> schedule.values(n_batches=2)["lr"].round(3).tolist()
        [0.1, 0.55, 1.0, 0.6]
    """

    example_options: ClassVar[Mapping[str, object]] = {
        "frac_reduction": 0.5,
        "patience": 1,
        "lengths": [1, 1],
        "lr_range": [1e-4, 1e-2],
    }

    stepping: bool
    _best: float | None
    _n_worse: int
    _kept: Mapping[str, object] | None

    def __init__(
        self,
        frac_reduction: float,
        patience: int,
        lengths: Sequence[float],
        lr_range: Sequence[float],
        mom_range: Sequence[float] | None = (0.85, 0.95),
        interp: str = "cosine",
    ) -> None:
        super().__init__(lengths, lr_range, mom_range, interp)
        if not hasattr(frac_reduction, "__float__") or not 0 < float(frac_reduction) < 1:
            raise ConfigError(f"frac_reduction must be between 0 and 1, got {frac_reduction!r}")
        self.frac_reduction = float(frac_reduction)
        self.patience = positive(patience, "patience")

    def check_fit(self, fit_params: FitParams) -> None:
        """Refuse a fit without validation."""
        super().check_fit(fit_params)
        if fit_params.val_idx is None:
            raise ConfigError("cycle_step reads the validation loss: give val_idx, or take one_cycle")

    def on_epoch_begin(self, fit_params: FitParams) -> None:
        """Put the best model back when the cycle is over."""
        super().on_epoch_begin(fit_params)
        if fit_params.state == "train" and self.cycle_count and not self.stepping:
            self.stepping = True
            if self._kept is not None:
                fit_params.model.load_training_state(self._kept)
                self._kept = None

    def on_batch_begin(self, fit_params: FitParams) -> None:
        """Set the values of the batch; while stepping they stay as they are."""
        if not self.stepping:
            super().on_batch_begin(fit_params)

    def on_epoch_end(self, fit_params: FitParams) -> None:
        """Keep the best model of the cycle, and after it count the epochs without improvement."""
        super().on_epoch_end(fit_params)
        if fit_params.state != "valid":
            return
        value, better = monitored(fit_params)
        if is_better(value, self._best, better):
            self._best = value
            self._n_worse = 0
            self._kept = None if self.stepping else copy.deepcopy(fit_params.model.training_state())
        elif self.stepping:
            self._n_worse += 1
            if self._n_worse >= self.patience:
                self._step(fit_params)

    def delays_stopping(self) -> bool:
        """Tell whether the cycle goes on, or the first epoch after it is still to come."""
        return not self.stepping

    def state_dict(self) -> dict[str, object]:
        """Give what a resumed fit goes on from."""
        own = {"best": self._best, "n_worse": self._n_worse, "stepping": self.stepping, "kept": self._kept}
        return {**super().state_dict(), **own}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from what `state_dict` gave."""
        super().load_state_dict(state)
        self._best = state["best"]
        self._n_worse = state["n_worse"]
        self.stepping = state["stepping"]
        self._kept = state["kept"]

    def _step(self, fit_params: FitParams) -> None:
        self._n_worse = 0
        fit_params.model.set_lr(fit_params.model.get_lr() * self.frac_reduction)
        if self.mom_range is not None:
            fit_params.model.set_mom(self.mom_range[1])

    def _reset(self) -> None:
        super()._reset()
        self._best = None
        self._n_worse = 0
        self.stepping = False
        self._kept = None
