"""Checks of exporters: one file, whole, with the ending that is said; the models stay as they are."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING

import torch

from lumin_core.errors import LuminError
from lumin_core.testing import samples
from lumin_core.testing.outcome import CheckFailed
from lumin_core.testing.promises import Check
from lumin_core.testing.small_fits import small_model

if TYPE_CHECKING:
    from pathlib import Path

    from lumin_core.testing.subject import Subject
    from lumin_core.training.model import Model


def check_exporter_suffix(subject: Subject) -> None:
    """`suffix` is the ending of its files, with the dot."""
    suffix = getattr(subject.make(), "suffix", None)
    if not isinstance(suffix, str) or not suffix.startswith(".") or len(suffix) < 2:
        raise CheckFailed(f"expected suffix = '.its_ending', got {suffix!r}; set it in the class")


def check_exporter_raw(subject: Subject) -> None:
    """`write` takes raw by keyword: whether the recorded preprocessing is inside."""
    parameter = inspect.signature(subject.make().write).parameters.get("raw")
    if parameter is None or parameter.kind is inspect.Parameter.POSITIONAL_ONLY:
        raise CheckFailed("expected write(self, models, weights, path, *, raw), got no raw; add it, and refuse what cannot be")


def check_exporter_file(subject: Subject) -> None:
    """It writes one file, adds the suffix where it is missing, and returns its path."""
    folder, suffix = samples.folder(), subject.make().suffix
    for name in ("model", f"again{suffix}"):
        path = _written(subject, [_model()], folder / name)
        expected = (folder / name).with_suffix(suffix)
        if path != expected or not path.is_file() or not path.stat().st_size:
            raise CheckFailed(f"expected the file {expected.name} and its path back, got {path}; return path.with_suffix(...)")
    others = sorted(found.name for found in folder.iterdir() if found.suffix != suffix)
    if others:
        raise CheckFailed(f"expected one file, got {', '.join(others)} beside it; write under another name and rename: Staged")


def check_exporter_replaces(subject: Subject) -> None:
    """A file that is there is replaced as a whole."""
    path = (samples.folder() / "model").with_suffix(subject.make().suffix)
    path.write_bytes(b"old" * 10**6)
    path = _written(subject, [_model()], path)
    if b"oldold" in path.read_bytes():
        raise CheckFailed("expected the old file replaced, but its content is still there; open it by 'wb', or use Staged")


def check_exporter_failed_file(subject: Subject) -> None:
    """Where it fails, no half-written file is left, and an old one stays."""
    path = (samples.folder() / "missing" / "model").with_suffix(subject.make().suffix)
    try:
        _written(subject, [_model()], path)
    except LuminError:
        return
    except Exception as error:
        raise CheckFailed(
            f"expected an error of lumin_core.errors for a folder that is not there, got {type(error).__name__}: "
            f"{error}; raise SavedModelError, as lumin_core.files.Staged does"
        ) from error
    if not path.is_file():
        raise CheckFailed("expected an error for a folder that is not there, got none; see lumin_core.files.Staged")


def check_exporter_models_unchanged(subject: Subject) -> None:
    """Weights and mode of the models stay as they are, and so do torch's random numbers."""
    model = _model()
    model.model.train()
    before = {name: value.clone() for name, value in model.get_weights().items()}
    states = torch.get_rng_state()
    _written(subject, [model], samples.folder() / "model")
    changed = [name for name, value in model.get_weights().items() if not torch.equal(value, before[name])]
    if changed or not model.model.training or not torch.equal(states, torch.get_rng_state()):
        what = ", ".join(changed) or ("the mode" if not model.model.training else "torch's random numbers")
        raise CheckFailed(f"expected the model as it was, but {what} changed; work on copy.deepcopy(model.model).eval()")


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


def _written(subject: Subject, models: list[Model], path: Path) -> Path:
    written: Path = subject.make().write(models, None, path, raw=False)
    return written


CHECKS = (
    Check(check_exporter_suffix),
    Check(check_exporter_raw),
    Check(check_exporter_file, is_slow=True),
    Check(check_exporter_replaces, is_slow=True),
    Check(check_exporter_failed_file, is_slow=True),
    Check(check_exporter_models_unchanged, is_slow=True),
    Check(check_exporter_several, is_slow=True),
)
