"""Callbacks: objects whose ``on_*`` methods the loop calls at the points of `hookspecs`."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, ClassVar, Protocol, runtime_checkable

import torch
from attrs import define

from lumin_core.errors import ConfigError, DataError
from lumin_core.training.metric import is_better

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    from torch import Tensor, nn

    from lumin_core.training.fit_params import FitParams
    from lumin_core.training.metric import Direction
    from lumin_core.training.network import Network


class Callback:
    """Optional base of callbacks (kind ``callbacks``).

    Any object with ``on_*`` methods of the signature ``(self)`` or ``(self, fit_params)`` is a
    callback. The base class defines no points: it keeps the model that the callback works for.

    Attributes:
        model: The model, from the start of a fit or a prediction on.

    Example:
        >>> from lumin_core import Callback
        >>> class CountEpochs(Callback):
        ...     n = 0
        ...     def on_epoch_end(self, fit_params):
        ...         self.n += fit_params.state == "train"
    """

    kind: ClassVar[str] = "callback"
    model: Network | None = None

    def set_model(self, model: Network) -> None:
        """Keep the model; called before the first point.

        Args:
            model: The model that is fitted or asked.
        """
        self.model = model

    def check_fit(self, fit_params: FitParams) -> None:
        """Refuse a fit that this callback could not follow; called before anything is written.

        By default there is nothing to refuse. In a run of many models it is asked for each before
        the first is trained, by callbacks that are made anew for their training.

        Args:
            fit_params: The state of the fit, before it begins; not to be changed.
        """


@runtime_checkable
class CyclicCallback(Protocol):
    """What a callback with a cycle (a schedule of the learning rate, say) tells the others.

    It has all of these. What it sets and whether its cycles come again it may say besides, see
    `scheduled` and `repeats`.

    Attributes:
        cycle_count: Number of whole cycles finished.
        cycle_end: Whether a cycle ended in the epoch that just closed.
        cycle_save: Whether it saves the model at the end of every cycle, as
            ``cycle_<k>.safetensors``, from 1.
        cycle_losses: The validation losses of those.

    Example:
        >>> from lumin_core import CyclicCallback
        >>> class Warmup:
        ...     cycle_count, cycle_end, cycle_save, cycle_losses = 0, False, False, []
        ...     def on_epoch_begin(self, fit_params): ...
        ...     def delays_stopping(self):
        ...         return self.cycle_count == 0
        >>> isinstance(Warmup(), CyclicCallback)
        True
    """

    cycle_count: int
    cycle_end: bool
    cycle_save: bool
    cycle_losses: list[float]

    def delays_stopping(self) -> bool:
        """Tell whether the training should not be stopped early now."""


def scheduled(callback: object) -> tuple[str, ...]:
    """Return what a callback sets while it trains: its attribute ``scheduled``.

    It is ``"lr"``, ``"mom"``, both or, where the callback says nothing, neither.

    Example:
        >>> from lumin_core.training.callback import scheduled
        >>> class Warmup:
        ...     scheduled = ("lr",)
        >>> scheduled(Warmup()), scheduled(object())
        (('lr',), ())
    """
    return tuple(getattr(callback, "scheduled", ()))


def repeats(callback: object) -> bool:
    """Tell whether another cycle of a callback follows the first: its attribute ``repeats``.

    Where the callback says nothing, it does.
    """
    return bool(getattr(callback, "repeats", True))


@runtime_checkable
class LossCallback(Protocol):
    """What a callback that offers another model (an average over weights, say) tells the others.

    Attributes:
        label: What the offered model is called in tables.

    Example:
        >>> from lumin_core import LossCallback
        >>> class Average:
        ...     label = "average"
        ...     def on_epoch_end(self, fit_params): ...
        ...     def get_values(self): ...
        ...     def get_module(self): ...
        >>> isinstance(Average(), LossCallback)
        True
    """

    label: str

    def get_values(self) -> Mapping[str, float] | None:
        """Return validation loss (``"loss"``) and metrics (by label) of the offered model.

        It is ``None`` if there is none yet. `lumin_core.validated` computes them.
        """

    def get_module(self) -> nn.Module | None:
        """Return the offered model's module, or ``None`` where there is none yet."""


@define(frozen=True)
class Offer:
    """A model that a training could end with.

    Attributes:
        values: Its validation loss (``"loss"``) and metrics (by label).
        value: What decides: the main metric, else the loss.
        better: Its direction, ``"lower"``, ``"higher"`` or ``"zero"``.
        module: The network, or ``None`` for the model's own.

    Example:
        >>> from lumin_core import Offer
        >>> Offer(values={"loss": 0.3}, value=0.3, better="lower", module=None).value
        0.3
    """

    values: Mapping[str, float]
    value: float
    better: Direction
    module: nn.Module | None


def deciding(fit_params: FitParams) -> tuple[str, Direction]:
    """Return the name of the value that decides which model is best, and its direction.

    It is the main metric, else the loss.

    Args:
        fit_params: The state of the fit.

    Returns:
        The metric's label or ``"loss"``, and ``"lower"``, ``"higher"`` or ``"zero"``.

    Example:
        >>> from lumin_core import Callback
        >>> from lumin_core.training.callback import deciding
        >>> class Compare(Callback):
        ...     def on_epoch_end(self, fit_params):
        ...         label, better = deciding(fit_params)
    """
    return next(
        ((metric.label, metric.better) for metric in fit_params.metrics if metric.main_metric), ("loss", "lower")
    )


def best_offer(fit_params: FitParams) -> Offer:
    """Give the best of the model as it is and what `LossCallback` callbacks offer.

    Args:
        fit_params: The state of the fit, after a validation.

    Returns:
        The best by the main metric, else the loss; the model itself where none is better.

    Raises:
        ConfigError: If the fit has no validation fold.

    Example:
        >>> from lumin_core import Callback, best_offer
        >>> class Shout(Callback):
        ...     def on_epoch_end(self, fit_params):
        ...         if fit_params.state == "valid" and best_offer(fit_params).module is not None:
        ...             print("an average is better than the model")
    """
    value, better = monitored(fit_params)
    best = Offer({name: values[-1] for name, values in fit_params.history["valid"].items()}, value, better, None)
    label, _ = deciding(fit_params)
    for callback in fit_params.cbs:
        if not isinstance(callback, LossCallback):
            continue
        values = callback.get_values()
        if values is not None and is_better(values[label], best.value if math.isfinite(best.value) else None, better):
            best = Offer(values, values[label], better, callback.get_module())
    return best


def monitored(fit_params: FitParams) -> tuple[float, Direction]:
    """Return the newest value that decides which model is best, and its direction.

    It is the main metric's, else the loss.

    Args:
        fit_params: The state of the fit, after a validation.

    Returns:
        The value, and ``"lower"``, ``"higher"`` or ``"zero"``.

    Raises:
        ConfigError: If the fit has no validation fold.

    Example:
        >>> from lumin_core import Callback, monitored
        >>> class Shout(Callback):
        ...     def on_epoch_end(self, fit_params):
        ...         if fit_params.state == "valid":
        ...             value, better = monitored(fit_params)
    """
    if fit_params.val_idx is None:
        raise ConfigError("early_stopping and save_best read the validation loss: give val_idx, or leave them out")
    label, better = deciding(fit_params)
    return fit_params.history["valid"][label][-1], better


class PredHandler(Callback):
    """The default prediction callback.

    It keeps the predictions of every batch and joins them at the end.

    Example:
        >>> from lumin_core import PredHandler
        >>> PredHandler().get_preds()
        Traceback (most recent call last):
        lumin_core.errors.DataError: there are no predictions yet: hand this callback to ...
    """

    def __init__(self) -> None:
        self._batches: list[Tensor] = []
        self._preds: np.ndarray | None = None

    def on_pred_begin(self) -> None:
        """Forget what an earlier prediction left."""
        self._batches = []
        self._preds = None

    def on_forwards_end(self, fit_params: FitParams) -> None:
        """Keep the predictions of the batch, in prediction only."""
        if fit_params.state == "test" and fit_params.y_pred is not None:
            self._batches.append(fit_params.y_pred.detach())

    def on_pred_end(self, fit_params: FitParams) -> None:
        """Join the batches; without an event they are ``(0, n_out)``."""
        batches = self._batches or [torch.empty(0, fit_params.model.n_out)]
        self._preds = torch.cat(batches).float().cpu().numpy()
        self._batches = []

    def get_preds(self) -> np.ndarray:
        """Give the predictions, shape ``(n, n_out)``.

        Raises:
            DataError: If nothing was predicted yet.
        """
        if self._preds is None:
            raise DataError("there are no predictions yet: hand this callback to Model.predict as pred_cb")
        return self._preds
