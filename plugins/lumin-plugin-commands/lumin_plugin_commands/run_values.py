"""From a run file to values: every key known, of its type, with its default; paths absolute."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from lumin_core.checks import check_keys
from lumin_core.errors import BrokenPlugin, ConfigError
from lumin_core.files import read_toml
from lumin_core.runs import preset_keys
from lumin_plugin_commands.run_keys import is_text
from lumin_plugin_commands.run_tables import FLAT, Table, flat_keys, table_class, table_key

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Mapping, Sequence

    from lumin_plugin_commands.run_keys import Key

_CALL = ("resume", "overwrite")
_OF_THE_RUN = ("savepath", "seed")  # known before any table is asked


def read_values(path: Path, changes: Mapping[str, object]) -> tuple[Table, frozenset[str]]:
    """Read a run file, and check its keys and their types; arguments as for `RunFile.load`.

    Returns:
        Every key with its value or default, and further tables by name; paths absolute. And the
        keys that the file or a change has, which a preset leaves as they are.

    Raises:
        ConfigError: If it cannot be read, is no TOML, lacks keys, or a key is unknown, of the
            wrong type, or given twice.
        BrokenPlugin: If another plugin's table is broken.
    """
    given = _flattened(read_toml(path, "run file", "TOML"), str(path))
    split = [_split(name) for name in changes]
    known = {**flat_keys(), **_tables(given, f"{path}:"), **_tables([top for top, _ in split], f"{path}, changed:")}
    values: Table = {name: None if key.is_required else key.default for name, key in known.items()}
    values = _with_paths({**values, **given}, known, path.parent)
    for (top, inner), value in zip(split, changes.values(), strict=True):
        values[top] = _changed(values[top], inner, value, f"{path}: {top}")
    values = _with_paths(values, known, Path())
    written = frozenset([*given, *(top for top, _ in split)])
    provided = _provided(values, written, str(path))
    _check(values, known, str(path), provided if values["preset"] is None else {*provided, *preset_keys()})
    return values, written


def _flattened(given: Table, path: str) -> Table:
    """Move the keys of ``[data]``, ``[model]`` and ``[train]`` to the top level."""
    found = {name: value for name, value in given.items() if name not in FLAT}
    for name in [name for name in FLAT if name in given]:
        table = given[name]
        if not isinstance(table, dict):
            raise ConfigError(f"{path}: {name} must be a table, got {table!r}")
        check_keys(table, FLAT[name].get_keys(), f"{path}, [{name}]")
        if twice := [key for key in table if key in found]:
            raise ConfigError(f"{path}: {twice[0]} comes twice, in [{name}] and at the top level; leave one out")
        found |= table
    return found


def _split(name: str) -> tuple[str, list[str]]:
    """Split the name of a change: the top-level key, and those inside of it."""
    top, *inner = name.split(".")
    return (inner[0], inner[1:]) if top in FLAT and inner else (top, inner)


def _tables(names: Iterable[str], place: str) -> dict[str, Key]:
    """Find the tables of other plugins among names; those that are unknown are refused."""
    found = {}
    for name in names:
        if name in _CALL:
            raise ConfigError(f"{place} {name} is no key, but an option of the call: lumin train --{name}")
        if name not in flat_keys():
            found[name] = table_key(name, place)
    return found


def _provided(values: Table, given: Container[str], place: str) -> set[str]:
    """Return the keys that tables give values for."""
    provided: set[str] = set()
    for table in further_tables(values):
        for key in table_class(table).gives:
            if key not in flat_keys() or key in _OF_THE_RUN:
                raise BrokenPlugin(f"{place}: [{table}] gives {key!r}, which tables cannot; report it to its authors")
            if key in given or key in provided:
                raise ConfigError(f"{place}: {key} comes twice, one of them from [{table}]; leave one out")
            provided.add(key)
    return provided


def further_tables(values: Table) -> list[str]:
    """List the tables of other plugins among the values of a run file.

    Example:
        >>> from lumin_plugin_commands.run_values import further_tables
        >>> further_tables({"bs": 64, "ensemble": {"size": 2}})
        []
    """
    return [name for name, value in values.items() if name not in flat_keys() and value is not None]


def _check(values: Table, known: Mapping[str, Key], place: str, provided: Container[str] = ()) -> None:
    """Check the keys of a table, and of those in it: known, of their types, and all there."""
    check_keys(values, known, place)
    for name, key in known.items():
        if (value := values.get(name)) is not None:
            key.check(value, place)
            if key.inner is not None:
                _check(value, key.inner, f"{place}, [{name}]")
    required = [name for name, key in known.items() if key.is_required and name not in provided]
    if missing := [name for name in required if values.get(name) is None]:
        raise ConfigError(f"{place} needs {', '.join(missing)}")


def _with_paths(values: Table, known: Mapping[str, Key], folder: Path) -> Table:
    """Make paths absolute that are relative to a folder.

    Text alone: other types are refused later.
    """
    found = dict(values)
    for name, value in values.items():
        key = known.get(name)
        if key is None:
            continue
        if key.inner is not None and isinstance(value, dict):
            found[name] = _with_paths(value, key.inner, folder)
        elif key.is_path and is_text(value):
            found[name] = str((folder / Path(value).expanduser()).resolve())
    return found


def _changed(value: object, names: Sequence[str], new: object, place: str) -> object:
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
