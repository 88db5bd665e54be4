"""Checks of callbacks: a state that is taken up again, and nothing touched of others."""

from __future__ import annotations

import math
from contextlib import suppress
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from lumin_core.errors import ConfigError, HookError, LuminError
from lumin_core.testing import samples
from lumin_core.testing.callback_probes import Recorder, difference, modes, random_states, sandwich, weights
from lumin_core.testing.outcome import CheckFailed, NotApplicable
from lumin_core.testing.promises import Check
from lumin_core.testing.small_fits import fit, small_model
from lumin_core.training.callback import CyclicCallback, LossCallback
from lumin_core.training.hook_plan import HookPlan
from lumin_core.training.metric import EvalMetric
from lumin_core.training.sameness import Spanning

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from lumin_core.testing.subject import Subject
    from lumin_core.training.fit_params import FitParams

_N_EPOCHS = 4
_CUT = 2
"""After so many epochs a fit is cut, and taken up again."""


def check_callback_points(subject: Subject) -> None:
    """It has points of a training, each of which takes (self) or (self, fit_params)."""
    try:
        HookPlan([subject.make()])
    except HookError as error:
        raise CheckFailed(f"expected on_* methods that are points of a training, got: {error}") from error


def check_callback_resume(subject: Subject) -> None:
    """4 epochs equal 2, a fresh callback and 2 more, bit for bit at the end of each."""
    whole, folder = _whole(subject), samples.folder()
    cut = _cut(subject, folder)
    resumed = _resumable(subject.make(), _N_EPOCHS, folder)
    for epoch, expected in whole.epochs.items():
        came = resumed.epochs.get(epoch) or cut.epochs.get(epoch)
        what = "that there is one" if came is None else difference(expected, came)
        if what is not None:
            raise CheckFailed(
                f"expected a fit of {_N_EPOCHS} epochs that was cut after {_CUT} to go on as if it had not been, but "
                f"in epoch {epoch} it differs: {what}; give what the callback remembers in state_dict() and take it "
                "back in load_state_dict(state), and draw from fit_params.rng alone"
            )


def check_callback_reuse(subject: Subject) -> None:
    """One instance in two fits does what two instances do: each fit begins anew."""
    used, fresh, again = subject.make(), Recorder(), Recorder()
    _fit([used], 1)
    _fit([subject.make(), fresh], _CUT)
    _fit([used, again], _CUT)
    for epoch, expected in fresh.epochs.items():
        if what := difference(expected, again.epochs.get(epoch, {})):
            raise CheckFailed(
                f"expected the second fit with one instance to be as the first, but in epoch {epoch} it differs: "
                f"{what}; set back in on_train_begin what the callback remembers"
            )


def check_callback_streams(subject: Subject) -> None:
    """It draws from `fit_params.rng` and `fit_params.generator` alone."""
    callbacks, changed = sandwich(subject.make(), random_states)
    _fit(callbacks, _CUT)
    if changed:
        raise CheckFailed(
            f"expected the global generators untouched, but it drew from {_listed(changed)}; draw from fit_params.rng "
            "(numpy's) or fit_params.generator (torch's), which the seed of the fit sets"
        )


def check_callback_mode(subject: Subject) -> None:
    """Training or evaluation mode of the model is after each point as it was before."""
    callbacks, changed = sandwich(subject.make(), modes)
    _fit(callbacks, _CUT)
    if changed:
        raise CheckFailed(
            f"expected the mode as it was before, but it changed {_listed(changed)}; ask the model in evaluation mode "
            "by lumin_core.validated or Model.evaluate, which restore it, or restore it yourself: in a finally:"
        )


def check_callback_without_validation(subject: Subject) -> None:
    """It works in a fit without validation fold, or refuses that before anything is trained."""
    recorder, callback = Recorder(), subject.make()
    try:
        _fit([callback, recorder], 1, val_idx=None)
    except ConfigError as error:
        if recorder.epochs:
            raise CheckFailed(
                f"expected a fit without validation fold to be refused before it trains, got this in the end: {error}; "
                "raise it in check_fit(fit_params), where fit_params.val_idx is None"
            ) from error
    except Exception as error:
        raise CheckFailed(
            f"expected it to work without validation fold, or a ConfigError, got {type(error).__name__}: {error}; "
            "look at fit_params.val_idx, and at fit_params.history['valid'] only where there is one"
        ) from error


def check_callback_prediction(subject: Subject) -> None:
    """It may be handed to `predict`, before and after a fit; finite numbers come of it."""
    callback = subject.make()
    x = samples.flat(5).numpy()
    with samples.fold_yielder() as fy:
        model = small_model(fy)
        for what in ("before a fit", "after one"):
            try:
                preds: Any = model.predict(x, cbs=[callback])
            except LuminError:
                raise
            except Exception as error:
                raise CheckFailed(
                    f"expected predictions with it {what}, got {type(error).__name__}: {error}; in prediction "
                    "fit_params.state is 'test', and y, w, loss_val and fy may be None"
                ) from error
            if preds.shape != (5, 1) or not np.isfinite(preds).all():
                raise CheckFailed(f"expected 5 finite predictions with it {what}, got shape {preds.shape}: {preds[:3]}")
            fit(model, fy, 1, [callback])


def check_callback_matrix(subject: Subject) -> None:
    """It works where the inputs are a pair of flat features and a matrix."""
    callback = subject.make()
    with samples.fold_yielder(has_matrix=True) as fy:
        try:
            fit(small_model(fy), fy, 1, [callback])
        except LuminError:
            raise
        except Exception as error:
            raise CheckFailed(
                f"expected it to work with a matrix, got {type(error).__name__}: {error}; fit_params.x is (flat, "
                "matrix) then"
            ) from error


def check_callback_cyclic(subject: Subject) -> None:
    """A cyclic one has its attributes from construction on, and its count never falls."""
    callback: Any = subject.make()
    if not isinstance(callback, CyclicCallback):
        raise NotApplicable("it has no cycle: see lumin_core.CyclicCallback")
    counts, losses, delays = [callback.cycle_count], type(callback.cycle_losses), type(callback.delays_stopping())
    counter = type("Counter", (), {"on_epoch_end": lambda self, fit_params: counts.append(callback.cycle_count)})()
    _fit([callback, counter], _N_EPOCHS)
    if counts != sorted(counts) or (losses, delays) != (list, bool):
        raise CheckFailed(
            f"expected cycle_count to rise, cycle_losses to be a list and delays_stopping() a bool, got {counts}, "
            f"{losses.__name__} and {delays.__name__}; count whole cycles that have ended"
        )


def check_callback_offer(subject: Subject) -> None:
    """A loss callback offers nothing yet (None), or a finite loss and every metric by its label."""
    callback = subject.make()
    if not isinstance(callback, LossCallback):
        raise NotApplicable("it offers no other model: see lumin_core.LossCallback")
    found: list[tuple[int, Mapping[str, float] | None]] = []
    metric = _Mean()

    def look(self: object, fit_params: FitParams) -> None:
        if fit_params.state == "valid":
            found.append((fit_params.epoch, callback.get_values()))

    _fit([callback, type("Look", (), {"on_epoch_end": look})()], _N_EPOCHS, metrics=[metric])
    for epoch, values in found:
        lacks = [] if values is None else [name for name in ("loss", metric.label) if not _is_finite(values.get(name))]
        if lacks:
            raise CheckFailed(
                f"expected None or a finite value for 'loss' and each metric from get_values(), got "
                f"{dict(values or {})} in epoch {epoch}, without "
                f"{', '.join(lacks)}; lumin_core.validated(fit_params, module) gives them"
            )
    if all(values is None for _, values in found):
        raise NotApplicable(f"it offered nothing in {_N_EPOCHS} epochs")


def check_callback_own_weights(subject: Subject) -> None:
    """A loss callback leaves the model's own weights as they are."""
    callback = subject.make()
    if not isinstance(callback, LossCallback):
        raise NotApplicable("it offers no other model: see lumin_core.LossCallback")
    callbacks, changed = sandwich(callback, weights)
    _fit(callbacks, _N_EPOCHS)
    if changed:
        raise CheckFailed(
            f"expected the model's own weights unchanged, but it changed {_listed(changed)}; keep the other ones in a "
            "copy of the module, and offer that by get_module()"
        )


class _Mean(EvalMetric):
    """The mean prediction: a number without a plugin."""

    better = "zero"

    def evaluate(
        self, preds: np.ndarray, targets: np.ndarray, weights: np.ndarray | None, columns: Mapping[str, np.ndarray]
    ) -> float:
        return float(np.average(preds, weights=weights, axis=0).mean())


class _Killer:
    """Ends a fit behind the epoch of the cut, where it is armed, as a power cut would."""

    def __init__(self, *, is_armed: bool) -> None:
        self.is_armed = is_armed

    def on_epoch_begin(self, fit_params: FitParams) -> None:
        if self.is_armed and fit_params.epoch > _CUT:
            raise _Killed


class _Killed(Exception):
    """The end of a fit that is cut."""


@lru_cache(maxsize=2)
def _whole(subject: Subject) -> Recorder:
    """Return what was written down of a fit that was not cut."""
    return _resumable(subject.make(), _N_EPOCHS, samples.folder())


def _cut(subject: Subject, folder: Path) -> Recorder:
    """Train the epochs before the cut; where they cannot be all of a fit, it is killed there."""
    callback: Any = subject.make()
    is_killed = isinstance(callback, Spanning) and callback.spans(_CUT)
    return _resumable(callback, _N_EPOCHS if is_killed else _CUT, folder, is_killed=is_killed)


def _resumable(callback: object, n_epochs: int, folder: Path, *, is_killed: bool = False) -> Recorder:
    """Train with checkpoints in a folder, from the last of them on."""
    recorder = Recorder()
    with suppress(_Killed):
        _fit([callback, _Killer(is_armed=is_killed), recorder], n_epochs, resume=True, cb_savepath=folder)
    return recorder


def _fit(callbacks: list[object], n_epochs: int, **options: Any) -> None:
    with samples.fold_yielder() as fy:
        fit(small_model(fy), fy, n_epochs, callbacks, **options)


def _listed(names: set[str]) -> str:
    return ", ".join(sorted(names)[:4])


def _is_finite(value: object) -> bool:
    return isinstance(value, float | int) and math.isfinite(value)


CHECKS = tuple(
    Check(function)
    for function in (
        check_callback_points,
        check_callback_resume,
        check_callback_reuse,
        check_callback_streams,
        check_callback_mode,
        check_callback_without_validation,
        check_callback_prediction,
        check_callback_matrix,
        check_callback_cyclic,
        check_callback_offer,
        check_callback_own_weights,
    )
)
