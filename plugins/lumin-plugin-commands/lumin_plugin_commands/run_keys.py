"""The keys of run files: arguments of the functions that do the work, read from their signatures.

No list of keys, types or defaults stands here that would have to be kept in step with those.
"""

from __future__ import annotations

import collections.abc
import inspect
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from attrs import define

from lumin_core.data import Step
from lumin_core.errors import BrokenPlugin, ConfigError

_ANYTHING = frozenset({Any, object})

Check = tuple[str, Callable[[object], bool]]
"""What a value must be, and whether it is."""


@define(frozen=True)
class Key:
    """One key of a run file, as the signature that it belongs to has it.

    Attributes:
        name: The key.
        types: The alternatives of its type, ``(int, NoneType)``.
        default: Its default, or ``inspect.Parameter.empty`` where it must be given.
        inner: Where it is a table of arguments, their keys; else ``None``.

    Example:
        >>> from lumin_core import train_models
        >>> from lumin_plugin_commands import keys_of
        >>> keys = keys_of(train_models)
        >>> keys["bs"].types, keys["save_best"].default
        ((<class 'int'>,), True)
    """

    name: str
    types: tuple[object, ...]
    default: object = inspect.Parameter.empty
    inner: Mapping[str, Key] | None = None

    @classmethod
    def of_table(cls, name: str, inner: Mapping[str, Key]) -> Key:
        """Make the key of a table, which may be missing.

        Args:
            name: The table.
            inner: Its keys.
        """
        return cls(name, (Mapping, types.NoneType), None, inner)

    @property
    def is_required(self) -> bool:
        """Whether it has no default."""
        return self.default is inspect.Parameter.empty

    @property
    def is_path(self) -> bool:
        """Whether it names a file or a folder."""
        return Path in self.types

    def check(self, value: object, place: str) -> None:
        """Refuse a value of another type.

        What may be of any type is checked by the component that it is for.

        Args:
            value: The value.
            place: Where it stands, for the message.

        Raises:
            ConfigError: Naming key, place and type.
        """
        checks = [check for kind in self.types if (check := check_of(kind)) is not None]
        if _ANYTHING.isdisjoint(self.types) and checks and not any(fits(value) for _, fits in checks):
            expected = " or ".join(dict.fromkeys(name for name, _ in checks))
            raise ConfigError(f"{place}: {self.name} must be {expected}, got {value!r}")


def is_text(value: object) -> bool:
    """Tell whether a value is text, or a path.

    Example:
        >>> from lumin_plugin_commands.run_keys import is_text
        >>> is_text("run"), is_text(3)
        (True, False)
    """
    return isinstance(value, str | Path)


def _is_int(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_list_of(fits: Callable[[object], bool]) -> Callable[[object], bool]:
    return lambda value: isinstance(value, list | tuple) and all(map(fits, value))


_CHECKS: dict[object, Check] = {
    bool: ("true or false", lambda value: isinstance(value, bool)),
    int: ("an integer", _is_int),
    float: ("a number", lambda value: _is_int(value) or isinstance(value, float)),
    str: ("text", is_text),
    Path: ("text", is_text),
    Sequence[int]: ("a list of integers", _is_list_of(_is_int)),
    Sequence[str]: ("a list of text", _is_list_of(is_text)),
    Sequence[Step]: ("a list", lambda value: isinstance(value, list | tuple)),
    Mapping: ("a table", lambda value: isinstance(value, dict)),
}


def check_of(kind: object) -> Check | None:
    """Return how values of a type are checked, or ``None`` where the file says nothing of it.

    Args:
        kind: One alternative of an annotation.

    Example:
        >>> from collections.abc import Mapping
        >>> from lumin_plugin_commands.run_keys import check_of
        >>> check_of(Mapping[str, int])[0], check_of(bytes)
        ('a table', None)
    """
    return _CHECKS.get(kind) or _CHECKS.get(typing.get_origin(kind))


def keys_of(function: Callable[..., object], leave_out: Sequence[str] = ()) -> dict[str, Key]:
    """Return the keys that are arguments of a function or of a class's constructor.

    Args:
        function: What the arguments are for.
        leave_out: Arguments that no file could hold, or that come from elsewhere.

    Raises:
        BrokenPlugin: If its annotations name what cannot be found.

    Example:
        >>> from lumin_plugin_commands import keys_of
        >>> def convert(source: str, tree: str = "events") -> str: ...
        >>> [(key.name, key.is_required) for key in keys_of(convert).values()]
        [('source', True), ('tree', False)]
    """
    hints = _hints(function)
    return {
        p.name: Key(p.name, _alternatives(hints.get(p.name, Any)), p.default)
        for p in inspect.signature(function).parameters.values()
        if p.name not in leave_out and p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)
    }


def _hints(function: Callable[..., object]) -> dict[str, object]:
    annotated: Any = inspect.getattr_static(function, "__init__") if isinstance(function, type) else function
    try:
        return typing.get_type_hints(annotated, {**_names(), **getattr(inspect.unwrap(annotated), "__globals__", {})})
    except NameError as error:
        raise BrokenPlugin(
            f"the types of the arguments of {function.__qualname__} cannot be read: {error}; import what its "
            "annotations name outside of `if TYPE_CHECKING`"
        ) from error


@cache
def _names() -> dict[str, object]:
    """Collect what annotations of the core name, and its modules import for type checkers alone."""
    import h5py
    import torch

    from lumin_core import data, model, runs, training

    faces: tuple[types.ModuleType, ...] = (data, model, training, runs)
    ours = {name: getattr(face, name) for face in faces for name in face.__all__}
    return {
        **vars(collections.abc),
        **ours,
        "Path": Path,
        "h5py": h5py,
        "torch": torch,
        "Tensor": torch.Tensor,
        "nn": torch.nn,
    }


def _alternatives(hint: object) -> tuple[object, ...]:
    """Return the alternatives of a hint; a component's specification is checked by its kind."""
    is_union = typing.get_origin(hint) in (typing.Union, types.UnionType)
    alternatives = typing.get_args(hint) if is_union else (hint,)
    return (Any,) if any(typing.get_origin(kind) is type for kind in alternatives) else alternatives
