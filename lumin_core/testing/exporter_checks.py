"""Checks of exporters: one file, whole, with the ending that is said; the models stay as they are."""

from __future__ import annotations

import inspect
from functools import lru_cache
from typing import TYPE_CHECKING

import torch
from attrs import frozen

from lumin_core.errors import LuminError
from lumin_core.testing import samples
from lumin_core.testing.outcome import CheckFailed
from lumin_core.testing.promises import Check
from lumin_core.testing.small_fits import small_model

if TYPE_CHECKING:
    from pathlib import Path

    from lumin_core.testing.subject import Subject
    from lumin_core.training.model import Model

_OLD = b"an older file"


def check_exporter_suffix(subject: Subject) -> None:
    """`suffix` is the ending of its files, with the dot."""
    suffix = getattr(subject.make(), "suffix", None)
    if not isinstance(suffix, str) or not suffix.startswith(".") or len(suffix) < 2:
        raise CheckFailed(f"expected suffix = '.its_ending', got {suffix!r}; set it in the class")


def check_exporter_raw(subject: Subject) -> None:
    """`write` takes raw by keyword: whether the recorded preprocessing is inside."""
    parameter = inspect.signature(subject.make().write).parameters.get("raw")
    if parameter is None or parameter.kind is inspect.Parameter.POSITIONAL_ONLY:
        raise CheckFailed(
            "expected write(self, models, weights, path, *, raw), got no raw; add it, and refuse what cannot be"
        )


def check_exporter_file(subject: Subject) -> None:
    """It writes one file, adds the suffix where it is missing, and returns its path."""
    path, given = _exported(subject).path, _exported(subject).given
    if path != given.with_suffix(subject.make().suffix) or not path.is_file() or not path.stat().st_size:
        raise CheckFailed(
            f"expected {given.name} with the suffix, and its path back, got {path}; return path.with_suffix(self.suffix)"
        )
    if others := sorted(found.name for found in path.parent.iterdir() if found != path):
        raise CheckFailed(f"expected one file, got {', '.join(others)} beside it; write it by lumin_core.files.Staged")


def check_exporter_replaces(subject: Subject) -> None:
    """A file that is there is replaced as a whole."""
    if _OLD in _exported(subject).path.read_bytes():
        raise CheckFailed("expected the old file replaced, but its content is still there; use lumin_core.files.Staged")


def check_exporter_models_unchanged(subject: Subject) -> None:
    """Weights and mode of the models stay as they are, and so do torch's random numbers."""
    if changed := _exported(subject).changed:
        raise CheckFailed(
            f"expected the model as it was, but {changed} changed; work on copy.deepcopy(model.model).eval()"
        )


def check_exporter_failed_file(subject: Subject) -> None:
    """Where the file cannot be written, the error is one of ours."""
    path = samples.folder() / "missing" / f"model{subject.make().suffix}"
    try:
        subject.make().write([_model()], None, path, raw=False)
    except LuminError:
        return
    except Exception as error:
        raise CheckFailed(
            f"expected an error of lumin_core.errors for a folder that is not there, got {type(error).__name__}: "
            f"{error}; raise SavedModelError, as lumin_core.files.Staged does"
        ) from error
    if not path.is_file():
        raise CheckFailed("expected an error for a folder that is not there, got none; see lumin_core.files.Staged")


def check_exporter_several(subject: Subject) -> None:
    """Several models with weights are one file, or refused with a message."""
    models = [_model(), _model(seed=2)]
    try:
        path = subject.make().write(models, [0.25, 0.75], samples.folder() / "models", raw=False)
    except LuminError:
        return
    if not path.is_file():
        raise CheckFailed("expected one file of the weighted mean of the models, or a ConfigError that refuses several")


def _model(seed: int = 1) -> Model:
    with samples.fold_yielder() as fy:
        return small_model(fy, seed=seed)


@frozen
class _Exported:
    """What came of an export: where it was to be and is, and what changed of the model."""

    given: Path
    path: Path
    changed: str


@lru_cache(maxsize=1)
def _exported(subject: Subject) -> _Exported:
    """Export a model over an old file, once for all checks: it takes long."""
    model, given = _model(), samples.folder() / "model"
    given.with_suffix(subject.make().suffix).write_bytes(_OLD * 10**5)
    model.model.train()
    weights = {name: value.clone() for name, value in model.get_weights().items()}
    state = torch.get_rng_state()
    path = subject.make().write([model], None, given, raw=False)
    changed = [name for name, value in model.get_weights().items() if not torch.equal(value, weights[name])]
    changed += [] if model.model.training else ["the mode"]
    changed += [] if torch.equal(state, torch.get_rng_state()) else ["torch's random numbers"]
    return _Exported(given, path, ", ".join(changed))


CHECKS = (
    Check(check_exporter_suffix),
    Check(check_exporter_raw),
    Check(check_exporter_file, is_slow=True),
    Check(check_exporter_replaces, is_slow=True),
    Check(check_exporter_models_unchanged, is_slow=True),
    Check(check_exporter_failed_file, is_slow=True),
    Check(check_exporter_several, is_slow=True),
)
