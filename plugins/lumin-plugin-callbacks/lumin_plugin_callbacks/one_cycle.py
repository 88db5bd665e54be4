r"""One cycle of the learning rate, up and then down, and of the momentum against it.

In the first stage the learning rate goes from its initial value to its highest and the momentum
from its highest to its lowest; in the second the learning rate goes down to its final value and the
momentum back up.

References:
    L. Smith, "A disciplined approach to neural network hyper-parameters: Part 1",
    https://arxiv.org/abs/1803.09820. Cosine interpolation and a second stage that ends below the
    initial value are fastai's, https://arxiv.org/abs/2002.04688; torch's ``OneCycleLR`` of one step
    more is the same, batch by batch.
"""

from __future__ import annotations

import logging
import math
from typing import TYPE_CHECKING, ClassVar

from lumin_core.errors import ConfigError
from lumin_plugin_callbacks.schedule import (
    INTERPOLATIONS,
    Schedule,
    blend,
    check_length,
    check_numbers,
    check_range,
    to_batches,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from lumin_core import FitParams

_log = logging.getLogger(__name__)


class SingleCycle(Schedule):
    """Base of `OneCycle` and `CycleStep`: the cycle itself; arguments as there.

    Example:
        >>> from lumin_plugin_callbacks import OneCycle
        >>> from lumin_plugin_callbacks.one_cycle import SingleCycle
        >>> isinstance(OneCycle((1, 1), (0.1, 1.0)), SingleCycle)
        True
    """

    repeats = False

    def __init__(
        self, lengths: Sequence[float], lr_range: Sequence[float], mom_range: Sequence[float] | None, interp: str
    ) -> None:
        super().__init__(("lr",) if mom_range is None else ("lr", "mom"), interp)
        self.lengths = _check_lengths(lengths)
        self.lr_range = _check_lr_range(lr_range)
        self.mom_range = None if mom_range is None else check_range(mom_range, "mom_range", below=1)

    def values_at(self, batch: int, n_batches: int) -> dict[str, float]:
        """Give what a batch is trained at; see `Schedule`."""
        n_up, n_down = to_batches(self.lengths[0], n_batches), to_batches(self.lengths[1], n_batches)
        initial, highest, final = self.lr_range
        rises = batch < n_up
        done = batch / n_up if rises else min(1.0, (batch - n_up) / n_down)
        share = INTERPOLATIONS[self.interp](done)
        values = {"lr": blend(initial, highest, share) if rises else blend(highest, final, share)}
        if self.mom_range is not None:
            low, high = self.mom_range
            values["mom"] = blend(high, low, share) if rises else blend(low, high, share)
        return values

    def n_batches_whole(self, n_batches: int) -> int:
        """Give the number of batches of the cycle."""
        return sum(to_batches(length, n_batches) for length in self.lengths)

    def n_cycles_after(self, batch: int, n_batches: int) -> int:
        """Give 1 when the cycle has ended, else 0."""
        return int(batch >= self.n_batches_whole(n_batches))

    def on_train_begin(self, fit_params: FitParams) -> None:
        """Begin anew; say so where the fit is too short for the cycle."""
        super().on_train_begin(fit_params)
        if fit_params.n_epochs < sum(self.lengths):
            _log.warning(
                "%s takes %g epochs, but the fit has %s: its learning rate will not come down",
                type(self).__name__,
                sum(self.lengths),
                fit_params.n_epochs,
            )

    def delays_stopping(self) -> bool:
        """Tell whether the cycle goes on."""
        return self.cycle_count == 0


class OneCycle(SingleCycle):
    """One cycle of learning rate and momentum, at the end of which the training ends.

    Args:
        lengths: Lengths of the two stages, in epochs.
        lr_range: Initial and highest learning rate, and the final one (0 where it is left out).
        mom_range: Lowest and highest momentum (of Adam: its first beta), below 1; ``None``
            leaves it alone.
        interp: ``"cosine"`` or ``"linear"``.
        cycle_ends_training: Whether the training ends with the cycle; else it goes on at
            the final values.

    Attributes:
        cycle_count: 1 once the cycle has ended.
        cycle_end: Whether it ended in the epoch that has just closed.

    Raises:
        ConfigError: If an option is out of range; when the fit begins, if the optimiser
            has no momentum.

    Example:
        >>> from lumin_plugin_callbacks import OneCycle
        >>> values = OneCycle((1, 2), (0.1, 1.0, 0.01)).values(n_batches=2)
        >>> values["lr"].round(3).tolist()
        [0.1, 0.55, 1.0, 0.855, 0.505, 0.155]
        >>> values["mom"].round(3).tolist()
        [0.95, 0.9, 0.85, 0.865, 0.9, 0.935]
    """

    example_options: ClassVar[Mapping[str, object]] = {"lengths": [1, 2], "lr_range": [1e-4, 1e-2]}

    def __init__(
        self,
        lengths: Sequence[float],
        lr_range: Sequence[float],
        mom_range: Sequence[float] | None = (0.85, 0.95),
        interp: str = "cosine",
        cycle_ends_training: bool = True,
    ) -> None:
        super().__init__(lengths, lr_range, mom_range, interp)
        self.cycle_ends_training = bool(cycle_ends_training)

    def spans(self, n_epochs: int) -> bool:
        """Tell whether the cycle was laid over a whole fit of so many epochs."""
        return math.isclose(sum(self.lengths), n_epochs)

    def on_fold_end(self, fit_params: FitParams) -> None:
        """Count the cycle, and end the training with it."""
        super().on_fold_end(fit_params)
        if self.cycle_count and self.cycle_ends_training:
            fit_params.stop = True


def _check_lengths(lengths: Sequence[float]) -> tuple[float, float]:
    numbers = check_numbers(lengths, "lengths", "(epochs of the first stage, of the second)")
    if len(numbers) != 2:
        raise ConfigError(f"lengths must be (epochs of the first stage, of the second), got {lengths!r}")
    return check_length(numbers[0], "lengths[0]"), check_length(numbers[1], "lengths[1]")


def _check_lr_range(lr_range: Sequence[float]) -> tuple[float, float, float]:
    meaning = "(initial, highest) or (initial, highest, final)"
    numbers = check_numbers(lr_range, "lr_range", meaning)
    if len(numbers) not in (2, 3) or max(numbers) > numbers[1]:
        raise ConfigError(f"lr_range must be {meaning}, the highest in the middle, got {lr_range!r}")
    return numbers[0], numbers[1], numbers[2] if len(numbers) == 3 else 0.0
