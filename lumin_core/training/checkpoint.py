"""Checkpoints: the state of a fit at the end of an epoch, from which it goes on bit for bit.

A checkpoint is one file, ``checkpoint/epoch_<k>.safetensors`` in the fit's folder, written whole
before the one of the epoch before is removed. It holds weights, the optimiser's state, the history,
and what callbacks give as ``state_dict()``. Generators are no part of it: every epoch is seeded
from the fit's seed and its number.
"""

from __future__ import annotations

import re
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from lumin_core import registry, seeds
from lumin_core.errors import ConfigError, HookError, SavedModelError
from lumin_core.locks import locked
from lumin_core.model import tensor_file
from lumin_core.model.blocks import as_held
from lumin_core.training.packing import packed, unpacked
from lumin_core.training.sameness import (
    ABSENT,
    augmentation_configs,
    builder_config,
    check_longer,
    differences,
    recorded,
    spec_config,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from lumin_core.model.tensor_file import State
    from lumin_core.training.fit_params import FitParams, History

FOLDER = "checkpoint"
_NAME = re.compile(r"epoch_(\d+)\.safetensors")
_PROGRESS = ("epoch", "sub_epoch", "stop", "history")  # of `FitParams`


@runtime_checkable
class Stateful(Protocol):
    """What a callback has whose state matters to a fit that goes on from a checkpoint."""

    def state_dict(self) -> dict[str, Any]:
        """Return the state, as tensors, arrays and JSON values."""

    def load_state_dict(self, state: dict[str, Any], /) -> object:
        """Take it back."""


class Checkpoints:
    """The checkpoints of one fit.

    Args:
        fit: The state of the fit, as prepared.
        seed: The fit's seed; ``None`` takes the recorded one, or a fresh one.
        train_on_weights: Whether the weights of the fold file are used.
        cbs: The callbacks as they were given.
        metrics: The metrics as they were given.

    Attributes:
        seed: The fit's seed.

    Raises:
        ConfigError: If there is a checkpoint of another fit.
        SavedModelError: If it cannot be read.
        HookError: If a callback gives a state that it does not take back.
    """

    def __init__(
        self,
        fit: FitParams,
        seed: int | None,
        *,
        train_on_weights: bool,
        cbs: Sequence[object] = (),
        metrics: Sequence[object] = (),
    ) -> None:
        for callback in fit.cbs:
            if hasattr(callback, "state_dict") and not hasattr(callback, "load_state_dict"):
                raise HookError(f"{type(callback).__name__} has state_dict() but no load_state_dict(state); add it")
        self._folder = fit.cb_savepath / FOLDER
        self._settings = {
            **_settings(fit),
            "train_on_weights": bool(train_on_weights),
            "callbacks": [spec_config("callback", spec) for spec in cbs],
            "metrics": [spec_config("metric", spec) for spec in metrics],
        }
        self._path = newest(fit.cb_savepath)
        self._tensors: State = {}
        self._content: dict[str, Any] = {}
        if self._path is not None:
            self._tensors, self._content = tensor_file.read_tensors(self._path, "checkpoint")
        self.seed = seeds.check(self._content.get("seed") if seed is None else seed)
        self._check(fit)

    @contextmanager
    def held(self) -> Iterator[None]:
        """Keep other fits from this folder, inside the block.

        They would remove each other's checkpoints.

        Raises:
            ConfigError: If another fit has it, or it cannot be written to.
        """
        with ExitStack() as stack:
            try:
                self._folder.parent.mkdir(parents=True, exist_ok=True)
                stack.enter_context(locked(self._folder))
            except OSError as error:
                raise ConfigError(
                    f"another fit keeps its checkpoints in {self._folder}, or it cannot be written to; wait for "
                    f"that fit, or give another cb_savepath: {error}"
                ) from error
            yield

    def restore(self, fit: FitParams) -> None:
        """Put the state of the last checkpoint in place, where there is one.

        Args:
            fit: The state of the fit, callbacks begun.

        Raises:
            SavedModelError: If it does not fit the model.
        """
        if self._path is None:
            return
        model, content = fit.model, unpacked(self._content, self._tensors)
        model.load_training_state(content["model"], str(self._path))
        for name, parameter in model.model.named_parameters():
            parameter.requires_grad_(name not in content["frozen"])
        as_held(model.model)
        model.set_mode(training=True)
        model.set_input_mask(content["input_mask"])
        model.record.seeds.update(content["seeds"])
        for name in _PROGRESS:
            setattr(fit, name, content[name])
        for callback, state in zip(fit.cbs, content["callbacks"], strict=True):
            if state is not None and isinstance(callback, Stateful):
                callback.load_state_dict(state)
        self._tensors = {}
        self._content = {}

    def write(self, fit: FitParams) -> None:
        """Keep the state at the end of an epoch.

        Args:
            fit: The state of the fit.

        Raises:
            SavedModelError: If the file cannot be written.
            HookError: If the state of a callback holds what is no tensor, array or JSON value.
        """
        model = fit.model
        tensors: State = {}
        content = {
            "seed": self.seed,
            "settings": self._settings,
            **{name: getattr(fit, name) for name in _PROGRESS},
            "frozen": [name for name, parameter in model.model.named_parameters() if not parameter.requires_grad],
            "input_mask": None if model.input_mask is None else [int(i) for i in model.input_mask],
            "seeds": model.record.seeds,
            "model": model.training_state(),
            "callbacks": [callback.state_dict() if isinstance(callback, Stateful) else None for callback in fit.cbs],
        }
        content = {key: packed(value, tensors, key) for key, value in content.items()}
        tensor_file.write_tensors(self._folder / f"epoch_{fit.epoch}", "checkpoint", tensors, content)
        for epoch, path in _files(fit.cb_savepath).items():
            if epoch != fit.epoch:
                path.unlink(missing_ok=True)

    def _check(self, fit: FitParams) -> None:
        """Refuse a checkpoint of another fit."""
        if self._path is None:
            return
        try:
            was = {**unpacked(self._content["settings"], {}), "seed": self._content["seed"]}
            was.setdefault("n_epochs", self._content["epoch"])
            now = _comparable({**self._settings, "seed": self.seed}, was, fit)
        except (KeyError, TypeError, AttributeError) as error:
            raise SavedModelError(f"{self._path} is damaged: its header does not fit: {error}") from error
        found = [difference for key in now if key in was for difference in differences(was[key], now[key], key)]
        if differ := [f"{name} was {old!r}, is {new!r}" for name, old, new in found]:
            raise ConfigError(
                f"{self._path} is the checkpoint of another fit: {'; '.join(differ)}; give these as they were, "
                "or another cb_savepath, or remove that folder"
            )
        check_longer(fit.cbs, was["n_epochs"], fit.n_epochs)


def newest(folder: Path) -> Path | None:
    """Find the newest checkpoint of a fit.

    Args:
        folder: The fit's folder, ``cb_savepath``.

    Returns:
        The file, or ``None`` where there is none.

    Example:
        >>> import pathlib, tempfile
        >>> from lumin_core.training.checkpoint import newest
        >>> newest(pathlib.Path(tempfile.mkdtemp())) is None
        True
    """
    return _files(folder).get(last_epoch(folder))


def last_epoch(folder: Path) -> int:
    """Return the epoch of the newest checkpoint, 0 where there is none.

    Names alone are read.

    Args:
        folder: The fit's folder, ``cb_savepath``.
    """
    return max(_files(folder), default=0)


def history_of(folder: Path) -> History | None:
    """Read the history of a fit up to its last checkpoint, while it may be going on.

    Args:
        folder: The fit's folder, ``cb_savepath``.

    Returns:
        The history, or ``None`` where there is no checkpoint.

    Raises:
        SavedModelError: If it cannot be read.

    Example:
        >>> import pathlib, tempfile
        >>> from lumin_core.training.checkpoint import history_of
        >>> history_of(pathlib.Path(tempfile.mkdtemp())) is None
        True
    """
    while (path := newest(folder)) is not None:
        try:
            tensors, content = tensor_file.read_tensors(path, "checkpoint")
        except SavedModelError:
            if newest(folder) == path:
                raise
        else:
            history: History = unpacked(content["history"], tensors)
            return history
    return None


def remove(folder: Path) -> None:
    """Remove the checkpoints of a fit, and their folder unless something else is in it.

    Args:
        folder: The fit's folder, ``cb_savepath``.
    """
    own = folder / FOLDER
    for path in [*_files(folder).values(), *own.glob(".epoch_*.part*")]:
        path.unlink(missing_ok=True)
    if own.is_dir() and not any(own.iterdir()):
        own.rmdir()


def _files(folder: Path) -> dict[int, Path]:
    """Return the checkpoints of a fit by their epochs."""
    found = [(path, _NAME.fullmatch(path.name)) for path in (folder / FOLDER).glob("*")]
    return {int(match[1]): path for path, match in found if match}


def _settings(fit: FitParams) -> dict[str, Any]:
    """Return what must be the same for a fit to go on, of what its state tells."""
    network = fit.model
    with registry.pinned(network.record.pins()):  # what the model was built of
        builder = builder_config(network.model_builder)
    builder.pop("_arguments", None)  # which say the same again, in other words
    return {
        "model_builder": builder,
        "precision": network.precision,
        "compile": network.compile,
        "bs": fit.bs,
        "n_epochs": fit.n_epochs,
        "trn_idxs": list(fit.trn_idxs),
        "val_idx": fit.val_idx,
        "identity of the fold file": fit.fy.identity,
        "fold sizes": [int(fit.fy.get_data_count(i)) for i in range(len(fit.fy))],
        "clip": None if fit.fy.clip is None else float(fit.fy.clip),
        "yield_matrix": bool(fit.fy.yield_matrix),
        "batches": fit.fy.batch_yielder_type.__name__,
        "augmentations": augmentation_configs(fit.fy),
        **recorded(fit.fy),
    }


def _comparable(now: dict[str, Any], was: dict[str, Any], fit: FitParams) -> dict[str, Any]:
    """Return the settings of now as far as they must be those of a checkpoint."""
    if "model_builder" not in was:  # by an earlier version, which wrote down names alone
        now["callbacks"] = [type(callback).__name__ for callback in fit.cbs]
        now["metrics"] = [metric.label for metric in fit.metrics]
    elif fit.model.model_builder.seed is None:  # that of the checkpoint is taken
        now["model_builder"] = {**now["model_builder"], "seed": was["model_builder"].get("seed", ABSENT)}
    return {**now, "n_epochs": min(now["n_epochs"], was["n_epochs"])}
