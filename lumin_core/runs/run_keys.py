"""The keys of run files: arguments of the functions that do the work, read from their signatures.

No list of keys, types or defaults stands here that would have to be kept in step with those.
"""

from __future__ import annotations

import inspect
import tomllib
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from attrs import define

from lumin_core.checks import check_keys
from lumin_core.data.fold_yielder import FoldYielder
from lumin_core.errors import ConfigError
from lumin_core.model.builder import ModelBuilder
from lumin_core.model.embedding import CatEmbedder
from lumin_core.runs.ensemble import Ensemble
from lumin_core.runs.train import train_models

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence


TABLES: dict[str, Callable[..., Any]] = {"cat_embedder": CatEmbedder.from_fy, "ensemble": Ensemble.from_results}
"""Keys whose tables hold the arguments of another function."""


_LEFT_OUT: dict[Callable[..., Any], tuple[str, ...]] = {  # of other arguments, or nothing that TOML could hold
    FoldYielder: ("input_pipe", "output_pipe", "matrix_pipe", "batch_yielder_type", "seed"),
    ModelBuilder: ("cont_feats", "lookup_act", "seed"),  # its features are those of the fold file
    train_models: ("fy", "model_builder", "resume", "overwrite"),
    CatEmbedder.from_fy: ("fy",),
    Ensemble.from_results: ("results", "model_builder"),
}


_CALL = ("resume", "overwrite")


Table = dict[str, Any]


@define(frozen=True)
class Key:
    """One key of a run file, as the signature that it belongs to has it.

    Attributes:
        name: The key.
        types: Its annotation's alternatives, ``("int", "None")``.
        default: Its default, or ``inspect.Parameter.empty`` where it must be given.

    Example:
        >>> from lumin_core.runs.run_keys import keys
        >>> keys()["bs"].types, keys()["save_best"].default
        (('int',), True)
    """

    name: str
    types: tuple[str, ...]
    default: Any

    @property
    def is_required(self) -> bool:
        """Whether it has no default."""
        return self.default is inspect.Parameter.empty

    @property
    def is_path(self) -> bool:
        """Whether it names a file or a folder."""
        return "Path" in self.types

    def check(self, value: Any, place: str) -> None:
        """Refuse a value of another type.

        What may be of any type is checked by the component that it is for.

        Raises:
            ConfigError: Naming key, file and type.
        """
        kinds = [_TYPES[kind] for kind in self.types if kind in _TYPES]
        if "Any" not in self.types and kinds and not any(fits(value) for _, fits in kinds):
            expected = " or ".join(dict.fromkeys(name for name, _ in kinds))
            raise ConfigError(f"{place}: {self.name} must be {expected}, got {value!r}")


def _is_int(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_text(value: Any) -> bool:
    return isinstance(value, str | Path)


def _is_list_of(fits: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, list | tuple) and all(map(fits, value))


_TYPES: dict[str, tuple[str, Callable[[Any], bool]]] = {
    "bool": ("true or false", lambda value: isinstance(value, bool)),
    "int": ("an integer", _is_int),
    "float": ("a number", lambda value: _is_int(value) or isinstance(value, float)),
    "str": ("text", _is_text),
    "Path": ("text", _is_text),
    "Sequence[int]": ("a list of integers", _is_list_of(_is_int)),
    "Sequence[str]": ("a list of text", _is_list_of(_is_text)),
    "Mapping": ("a table", lambda value: isinstance(value, dict)),
}


@cache
def keys() -> dict[str, Key]:
    """Give the keys of a run file, from the signatures of what they are arguments of.

    Example:
        >>> from lumin_core.runs.run_keys import keys
        >>> [key.name for key in keys().values() if key.is_required]
        ['foldfile', 'objective', 'n_models', 'bs', 'n_epochs']
    """
    found = {
        **keys_of(FoldYielder),
        **keys_of(ModelBuilder),
        "n_out": Key("n_out", ("int", "None"), None),  # ModelBuilder.from_fy finds it
        "cat_embedder": Key("cat_embedder", ("Mapping", "None"), None),
        **keys_of(train_models),
    }
    return {**found, "ensemble": Key("ensemble", ("Mapping", "None"), None)}


def keys_of(function: Callable[..., Any]) -> dict[str, Key]:
    """Return the keys that are arguments of one function.

    It is `FoldYielder`, say, or what a table is for.
    """
    parameters = [p for p in inspect.signature(function).parameters.values() if p.name not in _LEFT_OUT[function]]
    return {p.name: Key(p.name, _alternatives(str(p.annotation)), p.default) for p in parameters}


def _alternatives(annotation: str) -> tuple[str, ...]:
    types = annotation.split(" | ")
    return tuple("Mapping" if kind.startswith("Mapping[") else kind for kind in types)


def read_values(path: Path, changes: Mapping[str, Any]) -> Table:
    """Read a run file, and check its keys and their types; arguments as for `RunFile.load`.

    Returns:
        Every key with its value or default, paths absolute.

    Raises:
        ConfigError: If it cannot be read, is no TOML, lacks keys, or a key is unknown or of
            the wrong type.
    """
    given = read_toml(path)
    _check_known(given, keys(), f"{path}:")
    values: Table = {key.name: None if key.is_required else key.default for key in keys().values()}
    values = _with_paths({**values, **given}, keys(), path.parent)
    for name, value in changes.items():
        top, *inner = name.split(".")
        _check_known([top], keys(), f"{path}, changed:")
        values[top] = _changed(values[top], inner, value, f"{path}: {top}")
    _check_types(values, keys(), str(path))
    values = _with_paths(values, keys(), Path())
    _check_complete(values, keys(), str(path))
    for name, function in TABLES.items():
        if values[name] is not None:
            _check_table(values[name], keys_of(function), f"{path}, [{name}]")
    return values


def read_toml(path: Path) -> Table:
    """Read a TOML file.

    Raises:
        ConfigError: If it cannot be read, or is no TOML.
    """
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"cannot read the run file {path}: {error.strerror}; give a TOML file") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ConfigError(f"{path} is no TOML: {error}") from error


def _check_known(given: Iterable[str], known: Mapping[str, Key], place: str) -> None:
    for name in given:
        if name in _CALL:
            raise ConfigError(f"{place} {name} is no key, but an option of the call: lumin train --{name}")
    check_keys(given, known, f"{place} a run file")


def _check_types(values: Mapping[str, Any], known: Mapping[str, Key], place: str) -> None:
    for name, value in values.items():
        if value is not None:
            known[name].check(value, place)


def _check_complete(values: Mapping[str, Any], known: Mapping[str, Key], place: str) -> None:
    if missing := [key.name for key in known.values() if key.is_required and values.get(key.name) is None]:
        raise ConfigError(f"{place} needs {', '.join(missing)}")


def _check_table(table: Table, known: Mapping[str, Key], place: str) -> None:
    check_keys(table, known, place)
    _check_complete(table, known, place)
    _check_types(table, known, place)


def _with_paths(values: Table, known: Mapping[str, Key], folder: Path) -> Table:
    """Make paths absolute that are relative to a folder.

    Text alone: other types are refused later.
    """
    found = dict(values)
    for name, value in values.items():
        if name in TABLES and isinstance(value, dict):
            found[name] = _with_paths(value, keys_of(TABLES[name]), folder)
        elif name in known and known[name].is_path and _is_text(value):
            found[name] = str((folder / Path(value).expanduser()).resolve())
    return found


def _changed(value: Any, names: Sequence[str], new: Any, place: str) -> Any:
    """Return a value with one entry of it replaced, at any depth.

    The name of a component becomes a table for options.
    """
    if not names:
        return new
    name, inner = names[0], f"{place}.{names[0]}"
    if isinstance(value, list):
        if not name.isdecimal() or int(name) >= len(value):
            raise ConfigError(f"{place} has {len(value)} entries, counted from 0, got the number {name!r}")
        i = int(name)
        return [*value[:i], _changed(value[i], names[1:], new, inner), *value[i + 1 :]]
    table = {"name": value} if isinstance(value, str) else {} if value is None else value
    if not isinstance(table, dict):
        raise ConfigError(f"{place} is {value!r}, no table that could have {name!r}")
    return {**table, name: _changed(table.get(name), names[1:], new, inner)}
