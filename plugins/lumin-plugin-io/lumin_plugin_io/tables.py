"""The tables of a recipe, parsed: every key known, every value of its type.

A message names the key as it stands in the file: ``[sample.ttbar] xsec must be a number, got "1"``.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any, TypeVar

import attrs

from lumin_core.checks import as_list, check_keys
from lumin_core.errors import ConfigError
from lumin_plugin_io import toml_values
from lumin_plugin_io.description import Category, Friends, MatrixTable, Sample, Split, TrainWeight, Variation

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_T = TypeVar("_T")
_ONE = 1e-6  # how far a sum of fractions may be from 1


def samples(table: object) -> tuple[Sample, ...]:
    """Parse ``[sample.<name>]``.

    Args:
        table: The tables by name.

    Raises:
        ConfigError: If a key is unknown, a value of another type, or there is no sample; likewise
            for the other functions.

    Example:
        >>> from lumin_plugin_io.tables import samples
        >>> samples({"ttbar": {"files": "tt_*.root", "target": 0}})[0].files
        ('tt_*.root',)
        >>> samples({"ttbar": {"file": "tt_*.root"}})
        Traceback (most recent call last):
        lumin_core.errors.ConfigError: [sample.ttbar] has no 'file'; did you mean 'files'?
    """
    given = toml_values.as_table(table, "[sample]")
    if not given:
        raise ConfigError("a recipe needs samples: [sample.<name>] with files = [...]")
    return tuple(_sample(name, entry) for name, entry in given.items())


def _sample(name: str, entry: object) -> Sample:
    place = f"[sample.{name}]"
    given = _keys(entry, Sample, place)
    friends = enumerate(as_list(given.get("friends")))
    return Sample(
        name=name,
        files=toml_values.as_texts(given.get("files"), f"{place} files"),
        tree=toml_values.as_texts(given.get("tree"), f"{place} tree"),
        target=_read(given, "target", toml_values.as_number, place),
        xsec=_read(given, "xsec", toml_values.as_number, place),
        sum_of_weights=_read(given, "sum_of_weights", _sum_of_weights, place),
        weights=_read(given, "weights", toml_values.as_expression, place),
        selection=_read(given, "selection", toml_values.as_expression, place),
        friends=tuple(_friends(table, f"{place} friends[{i}]") for i, table in friends),
    )


def _sum_of_weights(value: object, where: str) -> float | str:
    if not isinstance(value, str):
        return toml_values.as_number(value, where, positive=True)
    tree, _, column = value.strip().rpartition(":")
    if not tree or not column:
        raise ConfigError(f"{where} must be a number or a column of another tree, 'Runs:genEventSumw', got {value!r}")
    return value.strip()


def _friends(entry: object, place: str) -> Friends:
    given = _keys(entry, Friends, place)
    return Friends(
        files=toml_values.as_texts(given.get("files"), f"{place} files"),
        tree=_read(given, "tree", toml_values.as_text, place),
        by=toml_values.as_texts(given.get("by"), f"{place} by"),
    )


def categories(table: object) -> tuple[Category, ...]:
    """Parse ``[categories]``, whose entries are expressions, or tables with one and a map.

    Example:
        >>> from lumin_plugin_io.tables import categories
        >>> categories({"lepton": {"value": "abs(pdg)", "map": {"11": "e"}}})[0].map
        {'11': 'e'}
    """
    return tuple(_category(name, entry) for name, entry in toml_values.as_table(table, "[categories]").items())


def _category(name: str, entry: object) -> Category:
    where = f"[categories] {name}"
    if not isinstance(entry, dict):
        return Category(name=name, value=toml_values.as_expression(entry, where))
    given = _keys(entry, Category, where)
    _need(given, "value", where)
    names = {str(value): text for value, text in _mapping(given.get("map"), f"{where}.map").items()}
    return Category(
        name=name,
        value=toml_values.as_expression(given["value"], f"{where}.value"),
        map={value: toml_values.as_text(text, f"{where}.map.{value}") for value, text in names.items()},
        unknown=toml_values.as_flag(given.get("unknown", False), f"{where}.unknown"),
    )


def _mapping(value: object, where: str) -> dict[Any, Any]:
    """Return a map, whose keys may be whole numbers where it is not from a file."""
    if isinstance(value, dict) and not all(type(key) in (int, str) for key in value):
        raise ConfigError(f"{where} must go from whole numbers or text to names, got {value!r}")
    return dict(value) if isinstance(value, dict) else toml_values.as_table(value, where)


def matrix(table: object) -> tuple[MatrixTable, ...]:
    """Parse ``[matrix.<name>]``.

    Example:
        >>> from lumin_plugin_io.tables import matrix
        >>> matrix({"jets": {"fields": {"pt": "Jet_pt"}, "n": 6, "by": "eta"}})
        Traceback (most recent call last):
        lumin_core.errors.ConfigError: [matrix.jets] by: there is no field 'eta'; known are pt
    """
    return tuple(_objects(name, entry) for name, entry in toml_values.as_table(table, "[matrix]").items())


def _objects(name: str, entry: object) -> MatrixTable:
    place = f"[matrix.{name}]"
    given = _keys(entry, MatrixTable, place)
    for key in ("fields", "n"):
        _need(given, key, place)
    fields = toml_values.as_expressions(given["fields"], f"{place} fields.")
    if not fields:
        raise ConfigError(f"{place} fields must name what is known of an object: fields = {{ pt = 'Jet_pt' }}")
    by = _read(given, "by", toml_values.as_text, place)
    toml_values.check_known([by] if by else [], fields, f"{place} by", "field")
    return MatrixTable(
        name=name,
        fields=fields,
        n=toml_values.as_whole(given["n"], f"{place} n", least=1),
        by=by,
        unscaled=toml_values.as_flag(given.get("unscaled", False), f"{place} unscaled"),
    )


def variations(table: object) -> tuple[Variation, ...]:
    """Parse ``[variations.<name>]``.

    Example:
        >>> from lumin_plugin_io.tables import variations
        >>> variations({"jes": {"up": {"jet_pt": "1.02 * jet_pt"}}})[0].down
        {}
    """
    return tuple(_variation(name, entry) for name, entry in toml_values.as_table(table, "[variations]").items())


def _variation(name: str, entry: object) -> Variation:
    place = f"[variations.{name}]"
    given = _keys(entry, Variation, place)
    up, down = (toml_values.as_expressions(given.get(key), f"{place} {key}.") for key in ("up", "down"))
    if not up and not down:
        raise ConfigError(f"{place} must say what changes: up = {{ variable = 'expression' }}, down likewise")
    return Variation(name=name, up=up, down=down)


def split(table: object) -> Split:
    """Parse ``[split]``.

    Example:
        >>> from lumin_plugin_io.tables import split
        >>> split({"parts": {"train": 0.5, "test": 0.4}})
        Traceback (most recent call last):
        lumin_core.errors.ConfigError: [split] parts must sum to 1, got 0.5 + 0.4 = 0.9
    """
    given = _keys(table, Split, "[split]")
    parts = toml_values.as_table(given.pop("parts", {"train": 1.0}), "[split] parts")
    for name in parts:
        if set('/\\\0*?"<>|:') & set(name) or name.startswith("."):
            raise ConfigError(
                f"[split] parts.{name}: a part's name is one of a file, without {name!r}'s odd characters"
            )
    fractions = {name: toml_values.as_number(f, f"[split] parts.{name}", positive=True) for name, f in parts.items()}
    if abs(sum(fractions.values()) - 1) > _ONE:
        terms = " + ".join(f"{fraction:g}" for fraction in fractions.values())
        raise ConfigError(f"[split] parts must sum to 1, got {terms or 'none'} = {sum(fractions.values()):g}")
    by = tuple(toml_values.as_expression(text, "[split] by") for text in as_list(given.get("by")))
    return Split(parts=fractions, by=by, salt=toml_values.as_whole(given.get("salt", 0), "[split] salt"))


def train_weight(table: object) -> TrainWeight | None:
    """Parse ``[train_weight]``.

    Example:
        >>> from lumin_plugin_io.tables import train_weight
        >>> train_weight({"flat": {"mass": [0, 50, 100]}}).flat
        {'mass': (0.0, 50.0, 100.0)}
    """
    if table is None:
        return None
    given = _keys(table, TrainWeight, "[train_weight]")
    bins = toml_values.as_table(given.get("flat"), "[train_weight] flat")
    balance, to = (_read(given, key, toml_values.as_text, "[train_weight]") for key in ("balance", "to"))
    if to is not None and not bins:
        raise ConfigError("[train_weight] to needs bins: flat = { mass = [0, 50, 100, 200] }")
    if balance is None and not bins:
        raise ConfigError("[train_weight] must have balance = 'target', flat = { variable = [edges] }, or both")
    flat = {name: _edges(edges, f"[train_weight] flat.{name}") for name, edges in bins.items()}
    return TrainWeight(balance=balance, flat=flat, to=to)


def _edges(value: object, where: str) -> tuple[float, ...]:
    edges = tuple(toml_values.as_number(edge, where) for edge in as_list(value))
    if len(edges) < 2 or any(low >= high for low, high in pairwise(edges)):
        raise ConfigError(f"{where} must be the edges of bins, ascending, got {value!r}")
    return edges


def _keys(entry: object, description: type[attrs.AttrsInstance], place: str) -> dict[str, Any]:
    """Return the entries of a table that are given; unknown ones are refused."""
    given = toml_values.as_table(entry, place)
    check_keys(given, [field.name for field in attrs.fields(description) if field.name != "name"], place)
    return {key: value for key, value in given.items() if value is not None}


def _need(given: Mapping[str, object], key: str, place: str) -> None:
    if key not in given:
        raise ConfigError(f"{place} needs {key}")


def _read(given: Mapping[str, object], key: str, read: Callable[[object, str], _T], place: str) -> _T | None:
    """Read the value of a key that may be left out."""
    return read(given[key], f"{place} {key}") if key in given else None
