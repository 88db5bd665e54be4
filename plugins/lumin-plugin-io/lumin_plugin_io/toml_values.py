"""The values of a recipe's keys: each of its type, else a message with the key as it is there."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

from lumin_core.arguments import came
from lumin_core.checks import as_list, check_names, did_you_mean, is_number
from lumin_core.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence


def as_text(value: object, where: str) -> str:
    """Return text, without blanks around it.

    Args:
        value: What stands there.
        where: Its table and key, ``"[matrix.jets] by"``.

    Raises:
        ConfigError: If it is something else, or empty; as of all functions here.

    Example:
        >>> from lumin_plugin_io.toml_values import as_text
        >>> as_text(3, "[matrix.jets] by")
        Traceback (most recent call last):
        lumin_core.errors.ConfigError: [matrix.jets] by must be text, got 3
    """
    if not isinstance(value, str) or not value.strip():
        raise ConfigError(f"{where} must be text, got {came(value)}")
    return value.strip()


def as_expression(value: object, where: str) -> str:
    """Return the text of an expression; a number is one, too.

    Example:
        >>> from lumin_plugin_io.toml_values import as_expression
        >>> as_expression(1.5, "weights")
        '1.5'
    """
    return repr(value) if type(value) in (int, float) else as_text(value, where)


def as_expressions(value: object, prefix: str) -> dict[str, str]:
    """Return expressions by name.

    Args:
        value: What stands there; a list of branches names each after itself.
        prefix: What comes before a name in messages, ``"[variables] "`` or ``"targets."``.

    Example:
        >>> from lumin_plugin_io.toml_values import as_expressions
        >>> as_expressions({"pt": "Jet_pt[0]"}, "[variables] ")
        {'pt': 'Jet_pt[0]'}
        >>> as_expressions(["met"], "[variables] ")
        {'met': 'met'}
    """
    if isinstance(value, list | tuple):
        return {name: name for name in _branches(value, prefix)}
    table = as_table(value, prefix.rstrip(" ."))
    return {name: as_expression(text, f"{prefix}{name}") for name, text in table.items()}


def as_labels(value: object, where: str) -> dict[str, str]:
    """Return texts by name, sorted: their order says nothing.

    Example:
        >>> from lumin_plugin_io.toml_values import as_labels
        >>> as_labels({"pt": "GeV", "mass": "GeV"}, "[units]")
        {'mass': 'GeV', 'pt': 'GeV'}
    """
    return {name: as_text(text, f"{where} {name}") for name, text in sorted(as_table(value, where).items())}


def _branches(value: Sequence[object], prefix: str) -> list[str]:
    """Return the names of a list, which must be those of branches."""
    where = prefix.rstrip(" .")
    names = [as_text(name, where) for name in value]
    if computed := [name for name in names if not name.isidentifier()]:
        raise ConfigError(
            f"{where}: what is computed needs a name: {{ name = {computed[0]!r} }}, in a table; a branch of such a "
            f"name does, too: {{ name = {f'col({computed[0]!r})'!r} }}"
        )
    check_names(where, names)
    return names


def as_texts(value: object, where: str) -> tuple[str, ...]:
    """Return several texts, of which one alone needs no list.

    Example:
        >>> from lumin_plugin_io.toml_values import as_texts
        >>> as_texts("a.root", "[sample.data] files"), as_texts(None, "tree")
        (('a.root',), ())
    """
    given = [value] if isinstance(value, Mapping) else as_list(value)
    return tuple(as_text(entry, where) for entry in given)


def as_number(value: object, where: str, *, positive: bool = False) -> float:
    """Return a number.

    Args:
        value: What stands there.
        where: Its table and key.
        positive: Whether it must be above zero.

    Example:
        >>> from lumin_plugin_io.toml_values import as_number
        >>> as_number(139000, "lumi")
        139000.0
    """
    number = float(cast("float", value)) if is_number(value) else math.nan
    if not math.isfinite(number) or (positive and number <= 0):
        raise ConfigError(f"{where} must be a {'positive ' if positive else ''}number, got {came(value)}")
    return number


def as_whole(value: object, where: str, *, least: int = 0) -> int:
    """Return a whole number.

    Args:
        value: What stands there.
        where: Its table and key.
        least: The smallest that it may be.

    Example:
        >>> from lumin_plugin_io.toml_values import as_whole
        >>> as_whole(0, "n_folds", least=1)
        Traceback (most recent call last):
        lumin_core.errors.ConfigError: n_folds must be a whole number, at least 1, got 0
    """
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise ConfigError(f"{where} must be a whole number, at least {least}, got {came(value)}")
    return value


def as_flag(value: object, where: str) -> bool:
    """Return true or false.

    Example:
        >>> from lumin_plugin_io.toml_values import as_flag
        >>> as_flag(True, "[categories] lepton unknown")
        True
    """
    if not isinstance(value, bool):
        raise ConfigError(f"{where} must be true or false, got {came(value)}")
    return value


def as_table(value: object, where: str) -> dict[str, Any]:
    """Return a table, empty where there is none; its keys are names.

    Example:
        >>> from lumin_plugin_io.toml_values import as_table
        >>> as_table(["pt"], "[variables]")
        Traceback (most recent call last):
        lumin_core.errors.ConfigError: [variables] must be a table, got ['pt']
    """
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise ConfigError(f"{where} must be a table, got {came(value)}")
    for name in value:
        as_text(name, f"a name in {where}")
    return dict(value)


def check_known(names: Iterable[str], known: Collection[str], where: str, noun: str) -> None:
    """Refuse names of what is not there.

    Args:
        names: The names that came.
        known: Those that there are.
        where: Their table and key.
        noun: What they should name.

    Example:
        >>> from lumin_plugin_io.toml_values import check_known
        >>> check_known(["smaple"], ["sample", "target"], "strata", "stratum")
        Traceback (most recent call last):
        lumin_core.errors.ConfigError: strata: there is no stratum 'smaple'; did you mean 'sample'?
    """
    for name in names:
        if name not in known:
            raise ConfigError(f"{where}: there is no {noun} {name!r}{did_you_mean(name, known)}")
