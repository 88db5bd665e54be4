"""Checks of presets: plain values that train, the same for the same data."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from lumin_core.checks import is_positive
from lumin_core.errors import ConfigError
from lumin_core.runs.preset import preset_keys
from lumin_core.testing import samples
from lumin_core.testing.outcome import CheckFailed, NotApplicable
from lumin_core.testing.promises import Check

if TYPE_CHECKING:
    from lumin_core.testing.subject import Subject

_OBJECTIVES = {"classification": 1, "regression": 1, "multiclass": 3}


def check_preset_version(subject: Subject) -> None:
    """`version` is the number of its answer, from 1."""
    version = getattr(subject.target, "version", None)
    if isinstance(version, bool) or not is_positive(version):
        raise CheckFailed(f"expected version = 1 or higher, got {version!r}; raise it with any change of the answer")


def check_preset_arguments(subject: Subject) -> None:
    """It gives arguments of `ModelBuilder` and `train_models`, as plain values."""
    for objective, answer in _answers(subject).items():
        if not isinstance(answer, dict) or (wrong := [key for key in answer if key not in preset_keys()]):
            wrong = wrong if isinstance(answer, dict) else [type(answer).__name__]
            raise CheckFailed(f"expected a dict of keys of a preset, got {wrong} for {objective}; see preset_keys()")
        try:
            json.dumps(answer)
        except TypeError as error:
            raise CheckFailed(
                f"expected plain values for {objective}, got {error}; give components by name or as a dict with one"
            ) from error


def check_preset_repeated(subject: Subject) -> None:
    """It gives the same for the same data."""
    if (one := _answers(subject)) != (other := _answers(subject)):
        raise CheckFailed(f"expected one answer for the same data, got {one} and {other}; draw nothing at random")


def _answers(subject: Subject) -> dict[str, Any]:
    """Return what it gives for data of each objective that it is for."""
    found: dict[str, Any] = {}
    refusals: list[str] = []
    for objective, n_targ in _OBJECTIVES.items():
        with samples.fold_yielder(objective, n_targ) as fy:
            try:
                found[objective] = subject.make().arguments(fy, objective, None)
            except ConfigError as error:
                refusals.append(str(error))
    if not found:
        raise NotApplicable(f"it is not for such data: {refusals[0]}")
    return found


CHECKS = (Check(check_preset_version), Check(check_preset_arguments), Check(check_preset_repeated))
