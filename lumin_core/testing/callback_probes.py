"""Callbacks that look on: what a training came to, and what another callback touches."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from lumin_core.testing.layer_checks import streams
from lumin_core.training.hookspecs import POINTS

if TYPE_CHECKING:
    from collections.abc import Callable

    from lumin_core.training.fit_params import FitParams


class Recorder:
    """Writes down weights, rates and losses at the end of each epoch, to be compared bit for bit.

    Attributes:
        epochs: Number of an epoch to what was at its end.
    """

    def __init__(self) -> None:
        self.epochs: dict[int, dict[str, Any]] = {}

    def on_epoch_end(self, fit_params: FitParams) -> None:
        """Write down the state; that of validation replaces that of training."""
        model = fit_params.model
        self.epochs[fit_params.epoch] = {
            "learning rate": model.get_lr(),
            "momentum": model.get_mom(),
            "training loss": list(fit_params.history["train"]["loss"]),
            "validation loss": list(fit_params.history["valid"]["loss"]),
            **{f"weight {name}": value.clone() for name, value in model.get_weights().items()},
        }


def difference(one: dict[str, Any], other: dict[str, Any]) -> str | None:
    """Name what differs between what two recorders wrote down of an epoch, or None."""
    for name, value in one.items():
        if not _same(value, other.get(name)):
            return name
    return None


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, torch.Tensor):
        return isinstance(other, torch.Tensor) and torch.equal(one.nan_to_num(), other.nan_to_num())
    return bool(np.array_equal(np.asarray(one, dtype=float), np.asarray(other, dtype=float), equal_nan=True))


def sandwich(callback: object, look: Callable[[FitParams], dict[str, object]]) -> tuple[list[object], set[str]]:
    """Put a callback between two that look, before and after it, at every point.

    Args:
        callback: The callback.
        look: What is looked at, by name.

    Returns:
        The callbacks for a fit, and the names of what the callback changed, as ``"torch in
        on_batch_begin"``; they are there when the fit is over.
    """
    changed: set[str] = set()
    before = _probe(lambda probe, point, fit_params: vars(probe).__setitem__("seen", look(fit_params)))
    after = _probe(lambda _, point, fit_params: changed.update(_changes(vars(before)["seen"], look(fit_params), point)))
    return [before, callback, after], changed


def _changes(before: dict[str, object], now: dict[str, object], point: str) -> set[str]:
    return {f"{name} in {point}" for name, value in before.items() if now[name] != value}


def _probe(look: Callable[[Any, str, FitParams], None]) -> object:
    """Make a callback that looks at every point."""

    def at(point: str) -> Callable[[object, FitParams], None]:
        def hook(self: object, fit_params: FitParams) -> None:
            look(self, point, fit_params)

        return hook

    return type("Probe", (), {point: at(point) for point in POINTS})()


def random_states(_: FitParams) -> dict[str, object]:
    """Return the states of the global generators: torch's, numpy's and random's."""
    return {"torch": torch.get_rng_state().numpy().tobytes(), **streams()}


def modes(fit_params: FitParams) -> dict[str, object]:
    """Return which modules are in training mode, and whether gradients are computed."""
    training = tuple(module.training for module in fit_params.model.model.modules())
    return {"the model's mode": training, "torch.is_grad_enabled()": torch.is_grad_enabled()}


def weights(fit_params: FitParams) -> dict[str, object]:
    """Return the model's own weights."""
    state = fit_params.model.model.state_dict()
    return {"the model's weights": b"".join(value.cpu().numpy().tobytes() for value in state.values())}
