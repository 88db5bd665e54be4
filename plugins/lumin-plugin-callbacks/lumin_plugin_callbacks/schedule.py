r"""What schedules of the learning rate and the momentum share.

A schedule is a function of the number of batches done, so that it can be drawn before a training.
Its lengths are in epochs; :math:`e` epochs are :math:`e` times the batches of an epoch, rounded to
whole batches. The batch that begins after :math:`i` of the :math:`n` batches of a
stage is trained at

.. math:: v = (1 - g) \, v_\mathrm{start} + g \, v_\mathrm{end}, \qquad
    g = \begin{cases} i / n & \text{linear} \\ (1 - \cos(\pi i / n)) / 2 & \text{cosine} \end{cases}

so that :math:`v_\mathrm{end}` is reached by the batch after the stage. Past its end a schedule
stays where it ended.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, SupportsFloat, TypeGuard

import numpy as np

from lumin_core import Callback
from lumin_core.checks import did_you_mean, positive
from lumin_core.errors import ConfigError
from lumin_core.files import check_folder
from lumin_core.training import scheduled

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from lumin_core import FitParams
    from lumin_core.training import Network

INTERPOLATIONS: dict[str, Callable[[float], float]] = {
    "cosine": lambda done: (1 - math.cos(math.pi * done)) / 2,
    "linear": lambda done: done,
}
_QUANTITIES = {"lr": "the learning rate", "mom": "the momentum"}


class Scheduled(Protocol):
    """What counts as a schedule.

    Attributes:
        scheduled: What is set for every batch: ``"lr"``, ``"mom"`` or both.
    """

    @property
    def scheduled(self) -> Sequence[str]:
        """The quantities."""


class Schedule(Callback, ABC):
    """Base of callbacks that set learning rate, momentum or both for every batch.

    It is a `CyclicCallback`. Subclasses give `values_at`, `n_batches_whole` and `n_cycles_after`.

    Args:
        scheduled: What is set: ``"lr"``, ``"mom"`` or both. Any callback with this attribute counts
            as a schedule, and a fit takes one for each.
        interp: ``"cosine"`` or ``"linear"``.
        cycle_save: Whether the model is saved at the end of every cycle, as
            ``cycle_<k>.safetensors``.

    Attributes:
        cycle_count: Number of whole cycles finished.
        cycle_end: Whether a cycle ended in the epoch that has just closed.
        cycle_losses: Validation losses of the saved models.
        repeats: Whether another cycle follows: averages are then taken where cycles end.

    Example:
        >>> from lumin_plugin_callbacks import CycleLR
        >>> from lumin_plugin_callbacks.schedule import Schedule
        >>> isinstance(CycleLR((0, 0.1)), Schedule), CycleLR((0, 0.1)).scheduled
        (True, ('lr',))
    """

    cycle_count: int
    cycle_end: bool
    cycle_losses: list[float]
    _batch: int

    repeats: ClassVar[bool] = True

    def __init__(self, scheduled: Sequence[str], interp: str, *, cycle_save: bool = False) -> None:
        if interp not in list(INTERPOLATIONS):
            raise ConfigError(
                f"interp must be 'cosine' or 'linear', got {interp!r}{did_you_mean(interp, INTERPOLATIONS)}"
            )
        self.scheduled = tuple(scheduled)
        self.interp = interp
        self.cycle_save = bool(cycle_save)
        self._n_batches = 0
        self._reset()

    @abstractmethod
    def values_at(self, batch: int, n_batches: int) -> dict[str, float]:
        """Give what a batch is trained at.

        Args:
            batch: Number of batches done before it.
            n_batches: Number of batches of an epoch.

        Returns:
            The value of each of `scheduled`.
        """

    @abstractmethod
    def n_batches_whole(self, n_batches: int) -> int:
        """Give the number of batches of one whole schedule, for so many batches an epoch."""

    @abstractmethod
    def n_cycles_after(self, batch: int, n_batches: int) -> int:
        """Give the number of cycles that have ended when so many batches are done."""

    def values(self, n_batches: int, n_epochs: float | None = None) -> dict[str, np.ndarray]:
        """Compute the schedule, to be drawn before a training.

        Args:
            n_batches: Number of batches of an epoch.
            n_epochs: How much of it; by default one whole schedule.

        Returns:
            Under ``"lr"`` and ``"mom"`` the value at each batch, shape ``(n_epochs * n_batches,)``.

        Raises:
            ConfigError: If an argument is not positive.

        Example:
            >>> from lumin_plugin_callbacks import OneCycle
            >>> OneCycle((1, 1), (0.0, 1.0), interp="linear").values(n_batches=4)["lr"].tolist()
            [0.0, 0.25, 0.5, 0.75, 1.0, 0.75, 0.5, 0.25]
        """
        n_batches = positive(n_batches, "n_batches")
        total = self.n_batches_whole(n_batches)
        if n_epochs is not None:
            total = to_batches(check_length(n_epochs, "n_epochs"), n_batches)
        rows = [self.values_at(batch, n_batches) for batch in range(total)]
        return {name: np.array([row[name] for row in rows]) for name in self.scheduled}

    def on_train_begin(self, fit_params: FitParams) -> None:
        """Begin anew."""
        self._reset()
        self._n_batches = fit_params.batches_per_epoch

    def check_fit(self, fit_params: FitParams) -> None:
        """Refuse what would fail later."""
        if self.cycle_save:
            check_folder(fit_params.cb_savepath)
        check_alone(self, fit_params.cbs)
        if "mom" in self.scheduled:
            _check_momentum(fit_params.model)
        if self.cycle_save and fit_params.val_idx is None:
            raise ConfigError("cycle_save notes the validation loss of each saved model: give val_idx, or leave it out")

    def on_epoch_begin(self, fit_params: FitParams) -> None:
        """Forget the end of an earlier cycle."""
        if fit_params.state == "train":
            self.cycle_end = False

    def on_batch_begin(self, fit_params: FitParams) -> None:
        """Set the values of the batch."""
        if fit_params.state != "train":
            return
        values = self.values_at(self._batch, self._n_batches)
        if "lr" in values:
            fit_params.model.set_lr(values["lr"])
        if "mom" in values:
            fit_params.model.set_mom(values["mom"])
        self._batch += 1

    def on_fold_end(self, fit_params: FitParams) -> None:
        """Count the cycles that have ended, before anybody asks at the end of the epoch."""
        if fit_params.state == "train":
            finished = self.n_cycles_after(self._batch, self._n_batches)
            self.cycle_end = self.cycle_end or finished > self.cycle_count
            self.cycle_count = finished

    def on_epoch_end(self, fit_params: FitParams) -> None:
        """Save the model of a cycle that ended, once it is validated."""
        if fit_params.state == "valid" and self.cycle_save and self.cycle_end:
            self.cycle_losses.append(fit_params.history["valid"]["loss"][-1])
            fit_params.model.save(fit_params.cb_savepath / f"cycle_{len(self.cycle_losses)}")

    def delays_stopping(self) -> bool:
        """Tell whether the epoch ended in the middle of a cycle."""
        return not self.cycle_end

    def state_dict(self) -> dict[str, object]:
        """Give what a resumed fit goes on from."""
        return {"batch": self._batch, "cycle_count": self.cycle_count, "cycle_losses": list(self.cycle_losses)}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from what `state_dict` gave."""
        self._batch = state["batch"]
        self.cycle_count = state["cycle_count"]
        self.cycle_losses = list(state["cycle_losses"])

    def _reset(self) -> None:
        self._batch = 0
        self.cycle_count = 0
        self.cycle_end = False
        self.cycle_losses = []


def blend(start: float, end: float, share: float) -> float:
    """Go from one value to another; both are exact at the shares 0 and 1.

    Example:
        >>> from lumin_plugin_callbacks.schedule import blend
        >>> blend(0.95, 0.85, 0), blend(0.95, 0.85, 1)
        (0.95, 0.85)
    """
    return start * (1 - share) + end * share


def to_batches(n_epochs: float, n_batches: int) -> int:
    """Turn epochs into whole batches, one at least.

    Example:
        >>> from lumin_plugin_callbacks.schedule import to_batches
        >>> to_batches(0.29, 100), to_batches(2, 7)
        (29, 14)
    """
    return max(1, round(n_epochs * n_batches))


def check_alone(callback: Scheduled, cbs: Iterable[object]) -> None:
    """Refuse a second callback that sets the same quantity, or that saves cycles too.

    Args:
        callback: One with the attributes `scheduled` and, maybe, `cycle_save`.
        cbs: All callbacks of the fit, of any class.

    Raises:
        ConfigError: Naming both.

    Example:
        >>> from lumin_plugin_callbacks import CycleLR, CycleMom
        >>> from lumin_plugin_callbacks.schedule import check_alone
        >>> check_alone(CycleLR((0, 0.1)), [CycleMom((0.8, 0.9))])
    """
    for other in cbs:
        if other is callback:
            continue
        names = f"{type(callback).__name__} and {type(other).__name__}"
        twice = [name for name in scheduled(callback) if name in scheduled(other)]
        if twice:
            raise ConfigError(f"{names} both set {' and '.join(_QUANTITIES[name] for name in twice)}; list one of them")
        if getattr(callback, "cycle_save", False) and getattr(other, "cycle_save", False):
            raise ConfigError(f"{names} both save cycles, under the same names; set cycle_save for one of them")


def check_length(number: object, name: str) -> float:
    """Give a number of epochs as it is, integers staying integers.

    Raises:
        ConfigError: If it is not a positive, finite number.

    Example:
        >>> from lumin_plugin_callbacks.schedule import check_length
        >>> check_length(2, "scale")
        2
    """
    if not _is_number(number) or not 0 < float(number) < math.inf:
        raise ConfigError(f"{name} must be a positive number of epochs, got {number!r}")
    return int(float(number)) if float(number).is_integer() else float(number)


def check_numbers(values: object, name: str, meaning: str) -> tuple[float, ...]:
    """Give several values as floats.

    Args:
        values: Numbers that are finite and at least 0.
        name: The argument's name, for the message.
        meaning: What it should be, for the message.

    Raises:
        ConfigError: If they are not such numbers.

    Example:
        >>> from lumin_plugin_callbacks.schedule import check_numbers
        >>> check_numbers([0, 1], "lr_range", "(lowest, highest)")
        (0.0, 1.0)
    """
    numbers = tuple(values) if isinstance(values, list | tuple | np.ndarray) else ()
    if not numbers or not all(_is_number(value) and 0 <= float(value) < math.inf for value in numbers):
        raise ConfigError(f"{name} must be {meaning}, finite and not negative, got {values!r}")
    return tuple(map(float, numbers))


def check_range(values: object, name: str, below: float = math.inf) -> tuple[float, float]:
    """Give ``(lowest, highest)`` as floats.

    Args:
        values: Two numbers, in this order.
        name: The argument's name, for the message.
        below: What the highest must be below, as 1 for a momentum.

    Raises:
        ConfigError: If they are no such range.

    Example:
        >>> from lumin_plugin_callbacks.schedule import check_range
        >>> check_range((0.85, 0.95), "mom_range", below=1)
        (0.85, 0.95)
    """
    numbers = check_numbers(values, name, "(lowest, highest)")
    if len(numbers) != 2 or numbers[0] > numbers[1] or numbers[1] >= below:
        limit = "" if below == math.inf else f", below {below:g}"
        raise ConfigError(f"{name} must be (lowest, highest){limit}, got {values!r}")
    return numbers[0], numbers[1]


def _is_number(value: object) -> TypeGuard[SupportsFloat]:
    return isinstance(value, SupportsFloat) and not isinstance(value, bool)


def _check_momentum(model: Network) -> None:
    try:
        model.get_mom()
    except ConfigError as error:
        raise ConfigError(
            f"{error} that a schedule could set; mom_range=None turns it off in one_cycle and cycle_step, "
            "or choose another optimiser, say adam or sgd"
        ) from error
