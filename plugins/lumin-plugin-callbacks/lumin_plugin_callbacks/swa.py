"""Stochastic weight averaging: the mean over the weights at the ends of epochs, or of cycles.

References:
    Izmailov et al., "Averaging Weights Leads to Wider Optima and Better Generalization",
    https://arxiv.org/abs/1803.05407. The second average, which saves choosing the start
    well, is LUMIN's.
"""

from __future__ import annotations

import logging
import math
from typing import TYPE_CHECKING, Any, ClassVar

from lumin_core import CyclicCallback, is_better, validated
from lumin_core.checks import positive
from lumin_core.errors import ConfigError
from lumin_core.training import deciding, repeats
from lumin_plugin_callbacks.averaging import Average, Averaging

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lumin_core import FitParams

_log = logging.getLogger(__name__)


class SWA(Averaging):
    """Averages the weights at the ends of epochs, or of the cycles of a cyclic callback.

    With `renewal_period`, a second average is begun once the first holds that many sets of weights.
    When it holds as many itself, it replaces the first if it is better on the validation fold (by
    the main metric, else the loss); if not, it is begun anew, and given one period more than the
    last time. So a start that was too early is forgotten.

    The paper averages at the low points of a cyclic learning rate, or at a constant one; it keeps
    the optimiser's steps as they are, and so does this. Running means and variances are averaged
    too, see `lumin_plugin_callbacks.averaging`.

    With a validation fold, loss and metrics of the average are computed after every epoch, and
    `save_best` keeps the average where it is better than the model. Without one it averages all the
    same: see `get_module`.

    Args:
        start_epoch: First epoch that may enter, from 1. (In LUMIN the number of epochs, or
            cycles, that do not.)
        renewal_period: Number of sets of weights after which a second average is begun; ``None``
            for no second one.
        update_on_cycle_end: Whether only epochs enter in which a cycle of a cyclic callback ends.
            ``None`` is yes where the fit has such a callback whose cycles repeat (`cycle_lr`, not
            `one_cycle`, which ends once).

    Attributes:
        n_averaged: Number of sets of weights in the average.

    Raises:
        ConfigError: If an option is out of range, or asks for cycles or a validation fold that the
            fit does not have.

    Example:
        >>> from lumin_plugin_callbacks import SWA
        >>> callbacks = [
        ...     SWA(start_epoch=10),
        ...     {"name": "swa", "start_epoch": 5, "renewal_period": 3},
        ... ]
    """

    example_options: ClassVar[Mapping[str, object]] = {"start_epoch": 2}

    label = "swa"
    _second: Average | None
    _n_kept: int

    def __init__(
        self, start_epoch: int, renewal_period: int | None = None, update_on_cycle_end: bool | None = None
    ) -> None:
        self.start_epoch = positive(start_epoch, "start_epoch")
        self.renewal_period = None if renewal_period is None else positive(renewal_period, "renewal_period")
        if not (update_on_cycle_end is None or isinstance(update_on_cycle_end, bool)):
            raise ConfigError(f"update_on_cycle_end must be True, False or None, got {update_on_cycle_end!r}")
        self.update_on_cycle_end = update_on_cycle_end

    @property
    def n_averaged(self) -> int:
        """Number of sets of weights in the average."""
        return 0 if self.get_module() is None else round(self._average.n)

    def on_train_begin(self, fit_params: FitParams) -> None:
        """Begin anew."""
        super().on_train_begin(fit_params)
        self._second = Average(fit_params.model.model) if self.renewal_period else None
        self._n_kept = 0

    def check_fit(self, fit_params: FitParams) -> None:
        """Refuse options that the fit cannot follow."""
        if self.update_on_cycle_end and not _cyclic(fit_params):
            raise ConfigError(
                "update_on_cycle_end=True needs a cyclic callback: add one, cycle_lr say, or leave it out"
            )
        if self.renewal_period and fit_params.val_idx is None:
            raise ConfigError(
                "renewal_period compares two averages on the validation fold: give val_idx, or leave it out"
            )

    def on_epoch_end(self, fit_params: FitParams) -> None:
        """Let the weights enter after training, judge the average after validation."""
        if fit_params.state == "train":
            self._values = None
            if self._is_due(fit_params):
                self._update()
        elif self._average.n > 0:
            self._values = validated(fit_params, self._average.module)
            self._renew(fit_params)

    def on_train_end(self) -> None:
        """Tell where there was nothing to average."""
        if self.n_averaged < 2:
            _log.warning(
                "swa averaged %d sets of weights: begin before epoch %d, train longer, or set "
                "update_on_cycle_end=False where cycles are long",
                self.n_averaged,
                self.start_epoch,
            )

    def state_dict(self) -> dict[str, object]:
        """Give what a checkpoint keeps."""
        second = None if self._second is None else self._second.state_dict()
        return {**super().state_dict(), "second": second, "n_kept": self._n_kept}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take it back."""
        super().load_state_dict(state)
        self._n_kept = state["n_kept"]
        if self._second is not None:
            self._second.load_state_dict(state["second"])

    def _is_due(self, fit_params: FitParams) -> bool:
        cyclic = _cyclic(fit_params)
        any_repeats = any(repeats(callback) for callback in cyclic)
        is_locked = any_repeats if self.update_on_cycle_end is None else self.update_on_cycle_end
        return fit_params.epoch >= self.start_epoch and (not is_locked or any(cb.cycle_end for cb in cyclic))

    def _update(self) -> None:
        if self._second is not None and self._is_full(self._average):
            self._second.update()
        self._average.update()

    def _is_full(self, average: Average, n_periods: int = 1) -> bool:
        return average.n >= n_periods * (self.renewal_period or 0)

    def _renew(self, fit_params: FitParams) -> None:
        """Compare the averages where the second has had its time, and begin another second one."""
        if self._second is None or not self._is_full(self._second, self._n_kept + 1):
            return
        values = validated(fit_params, self._second.module)
        if _is_better(values, self._values or {}, fit_params):
            self._average, self._second = self._second, self._average
            self._values = values
            self._n_kept = 0
        else:
            self._n_kept += 1
        self._second.restart()


def _cyclic(fit_params: FitParams) -> list[CyclicCallback]:
    return [callback for callback in fit_params.cbs if isinstance(callback, CyclicCallback)]


def _is_better(values: Mapping[str, float], others: Mapping[str, float], fit_params: FitParams) -> bool:
    label, better = deciding(fit_params)
    other = others[label] if math.isfinite(others[label]) else None
    return is_better(values[label], other, better)
