"""Presets: what a training needs, chosen for one's data by somebody who tried it out.

A preset gives arguments of `ModelBuilder.from_fy` and of `train_models`, and what the user gives
wins. It has a version, with which its answer changes, so that what a version gave can be told.
"""

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar

from lumin_core import registry
from lumin_core.arguments import expect
from lumin_core.checks import check_keys, is_positive
from lumin_core.data.fold_yielder import FoldYielder
from lumin_core.errors import BrokenPlugin
from lumin_core.model.builder import ModelBuilder
from lumin_core.model.config import PARTS
from lumin_core.model.options import with_options
from lumin_core.runs.train import train_models

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

OFFERED = ("n_epochs", "bs", "opt_args")
"""What a preset's constructor may name, to be told what the user gives: ``None`` where nothing."""

_OF_THE_RUN = ("n_models", "savepath", "seed", "resume", "overwrite", "retry_failed")
_OF_THE_MACHINE = ("executor", "device", "visible_bar")
_OF_THE_DATA = ("fy", "model_builder", "objective", "n_out", "cont_feats", "cat_embedder")
_NOT_GIVEN = {*_OF_THE_RUN, *_OF_THE_MACHINE, *_OF_THE_DATA, "lookup_act", "model_args"}


class Preset(ABC):
    """Base of the presets (kind ``presets``); its options are arguments of the constructor.

    A constructor that names ``n_epochs``, ``bs`` or ``opt_args`` is told what the user gives, or
    ``None``, so that a schedule fits.

    Attributes:
        version: Number of its answer: another one for any change of what `arguments` returns.

    Example:
        >>> from lumin_core.runs import Preset
        >>> class Small(Preset):
        ...     '''Two layers, and batches that give a hundred steps an epoch.'''
        ...     version = 1
        ...     def __init__(self, width: int = 32) -> None:
        ...         self.width = width
        ...     def arguments(self, fy, objective, n_out=None):
        ...         body = {"name": "tabular/fully_connected", "depth": 2, "width": self.width}
        ...         return {"body": body, "bs": max(32, sum(fy.fld_szs) // 100), "n_epochs": 20}
    """

    kind: ClassVar[str] = "preset"
    version: ClassVar[int]

    @abstractmethod
    def arguments(self, fy: FoldYielder, objective: str, n_out: int | None = None) -> dict[str, Any]:
        """Return keys of a run file with their values, for these data.

        Args:
            fy: The training data.
            objective: As for `ModelBuilder`.
            n_out: Number of outputs, where the user gave it.

        Returns:
            Arguments of `ModelBuilder.from_fy` (``head, body, tail, opt_args, loss, ...``) and of
            `train_models` (``bs, n_epochs, patience, cb_partials, ...``), as plain values. Data,
            number of models, seed, folder and device are the caller's.
        """


def preset_keys() -> list[str]:
    """List the keys that a preset may give.

    Example:
        >>> from lumin_core.runs.preset import preset_keys
        >>> {"head", "bs"} <= set(preset_keys()), "seed" in preset_keys()
        (True, False)
    """
    return [name for name in {**_of(ModelBuilder), **_of(train_models)} if name not in _NOT_GIVEN]


def with_preset(
    preset: object, fy: FoldYielder, objective: str, given: Mapping[str, Any], n_out: int | None = None
) -> dict[str, Any]:
    """Join what a preset gives with what the user gives, which wins.

    A component that is given takes the place of the preset's, with all its options. Options alone
    (``opt_args`` without ``opt``, ``model_args``) change only those of their names.

    Args:
        preset: The preset, as name, dict, class or partial.
        fy: The training data.
        objective: As for `ModelBuilder`.
        given: What the user gives, by key.
        n_out: Number of outputs, where the user gives it.

    Returns:
        The values of all keys.

    Raises:
        ConfigError: If an option of the preset is unknown or out of range.
        UnknownComponent: If the preset is not registered.
        BrokenPlugin: If it gives keys that a preset cannot give.
    """
    found = registry.build("preset", preset, **{name: given.get(name) for name in OFFERED})
    if problem := problem_of(type(found)):
        raise BrokenPlugin(problem)
    answer = dict(found.arguments(fy, objective, n_out))
    if wrong := [key for key in answer if key not in preset_keys()]:
        raise BrokenPlugin(
            f"the preset {type(found).__name__} gives {wrong[0]!r}, which presets cannot; report it to its authors"
        )
    return _joined(answer, given)


def preset_arguments(
    preset: object, fy: FoldYielder, objective: str, n_out: int | None = None, **given: Any
) -> dict[str, Any]:
    """Return the arguments of `train_models` that a preset gives for some data.

    Args:
        preset: The preset, as name, dict, class or partial.
        fy: The training data.
        objective: As for `ModelBuilder`.
        n_out: Number of outputs; by default as for `ModelBuilder.from_fy`.
        **given: Arguments of `ModelBuilder.from_fy` and of `train_models`, which take the place of
            the preset's, see `with_preset`.

    Returns:
        ``model_builder``, ``bs``, ``n_epochs`` and so on; all but `fy` that the preset knows.

    Raises:
        ConfigError: If a key or an option is unknown or out of range.
        UnknownComponent: If the preset is not registered.

    Example:
        >>> import numpy as np, tempfile
        >>> from lumin_core import FoldFileWriter, FoldYielder
        >>> from lumin_core.runs import Preset, preset_arguments
        >>> class Small(Preset):
        ...     version = 1
        ...     def arguments(self, fy, objective, n_out=None):
        ...         return {"body": {"name": "tabular/fully_connected", "depth": 2}, "bs": 64}
        >>> path = tempfile.mkdtemp() + "/train"
        >>> with FoldFileWriter(path, cont_feats=["pt"], targ_feats="y") as file:
        ...     file.append(0, inputs=np.zeros((4, 1)), targets=np.zeros(4))
        >>> found = preset_arguments(Small, FoldYielder(path + ".hdf5"), "classification", bs=32)
        >>> list(found), found["bs"]
        (['bs', 'model_builder'], 32)
    """
    expect(fy, FoldYielder, "fy")
    of_run = {key for key in _of(train_models) if key not in ("fy", "model_builder")}
    check_keys(given, [*_of(ModelBuilder), *of_run], "preset_arguments")
    values = with_preset(preset, fy, objective, given, n_out)
    training = {key: value for key, value in values.items() if key in of_run}
    options = {key: value for key, value in values.items() if key not in of_run}
    return {**training, "model_builder": ModelBuilder.from_fy(fy, objective, n_out, **options)}


def problem_of(preset: object) -> str | None:
    """Say why a class cannot be a preset, or None.

    Args:
        preset: The class.

    Example:
        >>> from lumin_core.runs.preset import Preset, problem_of
        >>> problem_of(type("Small", (Preset,), {}))
        'Small has no version; say version = 1, and another number for any change of what it gives'
    """
    if is_positive(getattr(preset, "version", None)):
        return None
    name = getattr(preset, "__name__", "it")
    return f"{name} has no version; say version = 1, and another number for any change of what it gives"


def _joined(answer: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """Let what is given win: whole components, and options alone one by one."""
    values = {**answer, **given}
    optimiser = given.get("opt_args") or {}
    if "opt" not in optimiser:
        values["opt_args"] = {**answer.get("opt_args", {}), **optimiser}
    options = {str(part).lower(): changes for part, changes in (given.get("model_args") or {}).items()}
    for part in [part for part in PARTS if part in options and part in answer and part not in given]:
        values[part] = with_options(answer[part], options.pop(part))
    return {**values, "model_args": options or None}


def _of(function: Callable[..., object]) -> dict[str, inspect.Parameter]:
    return dict(inspect.signature(function).parameters)
