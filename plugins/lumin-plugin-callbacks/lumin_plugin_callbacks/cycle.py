r"""Cycles of the learning rate or the momentum, one after the other.

A cosine cycle goes once from one end of the range to the other, then the next begins anew (a warm
restart): with :math:`i` of the :math:`T_k` batches of cycle :math:`k` done, and a decreasing
learning rate,

.. math::
    \eta = \eta_\mathrm{min}
    + (\eta_\mathrm{max} - \eta_\mathrm{min}) \, (1 + \cos(\pi i / T_k)) / 2, \qquad
    T_k = T_0 \, T_\mathrm{mult}^k

A linear cycle is a triangle, there and back.

References:
    I. Loshchilov and F. Hutter, "SGDR: Stochastic Gradient Descent with Warm Restarts",
    https://arxiv.org/abs/1608.03983, eq. 5 (our ``scale`` is :math:`T_0`, ``cycle_mult``
    :math:`T_\mathrm{mult}`).

    L. Smith, "Cyclical Learning Rates for Training Neural Networks",
    https://arxiv.org/abs/1506.01186, sect. 3.1 (our cycle is two of its step sizes).

    G. Huang et al., "Snapshot Ensembles: Train 1, get M for free", https://arxiv.org/abs/1704.00109
    (``cycle_save``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from lumin_core.checks import positive
from lumin_core.errors import ConfigError
from lumin_plugin_callbacks.schedule import INTERPOLATIONS, Schedule, blend, check_length, check_range, to_batches

if TYPE_CHECKING:
    from collections.abc import Mapping


class Cycle(Schedule):
    """Base of `CycleLR` and `CycleMom`; arguments as there.

    Example:
        >>> from lumin_plugin_callbacks import CycleMom
        >>> from lumin_plugin_callbacks.cycle import Cycle
        >>> isinstance(CycleMom((0.85, 0.95)), Cycle)
        True
    """

    def __init__(
        self,
        quantity: str,
        limits: tuple[float, float],
        interp: str,
        cycle_mult: int,
        decrease_param: bool,
        scale: float,
        cycle_save: bool,
    ) -> None:
        super().__init__([quantity], interp, cycle_save=cycle_save)
        self.cycle_mult = positive(cycle_mult, "cycle_mult")
        self.scale = check_length(scale, "scale")
        if self.cycle_save and not isinstance(self.scale, int):
            raise ConfigError(f"cycle_save saves at the end of epochs: scale must be a whole number, got {scale!r}")
        self.decrease_param = decrease_param
        low, high = limits
        self._first = high if decrease_param else low
        self._second = low if decrease_param else high

    def values_at(self, batch: int, n_batches: int) -> dict[str, float]:
        """Give what a batch is trained at; see `Schedule`."""
        _, begun, length = self._cycle(batch, n_batches)
        done = begun / length
        share = INTERPOLATIONS[self.interp](done if self.interp == "cosine" else 1 - abs(2 * done - 1))
        return {self.scheduled[0]: blend(self._first, self._second, share)}

    def n_batches_whole(self, n_batches: int) -> int:
        """Give the number of batches of the first cycle."""
        return to_batches(self.scale, n_batches)

    def n_cycles_after(self, batch: int, n_batches: int) -> int:
        """Give the number of cycles that have ended when so many batches are done."""
        return self._cycle(batch, n_batches)[0]

    def _cycle(self, batch: int, n_batches: int) -> tuple[int, int, int]:
        """Return the number of the cycle of a batch, the batches done in it, and its length."""
        length, number = self.n_batches_whole(n_batches), 0
        if self.cycle_mult == 1:
            return *divmod(batch, length), length
        while batch >= length:
            batch, length, number = batch - length, length * self.cycle_mult, number + 1
        return number, batch, length


class CycleLR(Cycle):
    """Cycles the learning rate.

    Args:
        lr_range: Lowest and highest learning rate.
        interp: ``"cosine"``: half a cosine a cycle, with restarts (SGDR); ``"linear"``: a
            triangle a cycle.
        cycle_mult: By what the length of a cycle is multiplied from one to the next.
        decrease_param: Whether a cycle begins by decreasing; ``"auto"``: yes for cosine,
            no for linear.
        scale: Length of the first cycle, in epochs.
        cycle_save: Whether the model is saved at the end of every cycle, as
            ``cycle_<k>.safetensors`` in ``cb_savepath``, for snapshot ensembles; `scale` is then a
            whole number of epochs.

    Attributes:
        cycle_count: Number of whole cycles finished.
        cycle_end: Whether a cycle ended in the epoch that has just closed.
        cycle_losses: Validation losses of the saved models.

    Raises:
        ConfigError: If an option is out of range.

    Example:
        >>> from lumin_plugin_callbacks import CycleLR
        >>> CycleLR((0.0, 1.0), scale=2).values(n_batches=2)["lr"].round(3).tolist()
        [1.0, 0.854, 0.5, 0.146]
        >>> CycleLR((0.0, 1.0), "linear").values(n_batches=4, n_epochs=2)["lr"].tolist()
        [0.0, 0.5, 1.0, 0.5, 0.0, 0.5, 1.0, 0.5]
    """

    example_options: ClassVar[Mapping[str, object]] = {"lr_range": [1e-4, 1e-2]}

    def __init__(
        self,
        lr_range: tuple[float, float],
        interp: str = "cosine",
        cycle_mult: int = 1,
        decrease_param: bool | Literal["auto"] = "auto",
        scale: float = 1,
        cycle_save: bool = False,
    ) -> None:
        self.lr_range = check_range(lr_range, "lr_range")
        decreases = _decreases(decrease_param, auto=interp == "cosine")
        super().__init__("lr", self.lr_range, interp, cycle_mult, decreases, scale, cycle_save)


class CycleMom(Cycle):
    """Cycles the momentum (of Adam: its first beta).

    It goes against the learning rate of a `CycleLR` with the same options.

    Args:
        mom_range: Lowest and highest momentum, below 1.
        interp: ``"cosine"``: half a cosine a cycle, with restarts; ``"linear"``: a
            triangle a cycle.
        cycle_mult: By what the length of a cycle is multiplied from one to the next.
        decrease_param: Whether a cycle begins by decreasing; ``"auto"``: no for cosine,
            yes for linear.
        scale: Length of the first cycle, in epochs.
        cycle_save: As in `CycleLR`; one of the two saves.

    Attributes:
        cycle_count: Number of whole cycles finished.
        cycle_end: Whether a cycle ended in the epoch that has just closed.
        cycle_losses: Validation losses of the saved models.

    Raises:
        ConfigError: If an option is out of range; when the fit begins, if the optimiser
            has no momentum.

    Example:
        >>> from lumin_plugin_callbacks import CycleMom
        >>> CycleMom((0.85, 0.95), "linear").values(n_batches=4)["mom"].round(3).tolist()
        [0.95, 0.9, 0.85, 0.9]
    """

    example_options: ClassVar[Mapping[str, object]] = {"mom_range": [0.8, 0.9]}

    def __init__(
        self,
        mom_range: tuple[float, float],
        interp: str = "cosine",
        cycle_mult: int = 1,
        decrease_param: bool | Literal["auto"] = "auto",
        scale: float = 1,
        cycle_save: bool = False,
    ) -> None:
        self.mom_range = check_range(mom_range, "mom_range", below=1)
        decreases = _decreases(decrease_param, auto=interp != "cosine")
        super().__init__("mom", self.mom_range, interp, cycle_mult, decreases, scale, cycle_save)


def _decreases(decrease_param: bool | str, *, auto: bool) -> bool:
    if decrease_param == "auto":
        return auto
    if not isinstance(decrease_param, bool):
        raise ConfigError(f"decrease_param must be True, False or 'auto', got {decrease_param!r}")
    return decrease_param
