"""Checks of arguments: lists, names, keys, positive numbers; what to say of an unknown name."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from numbers import Real
from typing import TYPE_CHECKING, Any, SupportsIndex, TypeGuard

from lumin_core.errors import ConfigError
from lumin_core.synonyms import meant

if TYPE_CHECKING:
    from collections.abc import Container, Sequence


def nearest(name: object, known: Iterable[str]) -> list[str]:
    """Return the known names nearest to one that is not known.

    There are two at most, the nearest first; before them comes what others call so.

    Args:
        name: The name that came.
        known: The names that there are. Case, ``-`` and ``_`` do not matter.

    Example:
        >>> from lumin_core.checks import nearest
        >>> nearest("widht", ["depth", "width"]), nearest("hidden_size", ["depth", "width"])
        (['width'], ['width'])
    """
    import difflib

    by_key = {_plain(candidate): candidate for candidate in map(str, known)}
    if ours := meant(_plain(str(name)), by_key.values()):
        return ours[:2]
    return [by_key[key] for key in difflib.get_close_matches(_plain(str(name)), by_key, n=2, cutoff=0.6)]


def did_you_mean(name: object, known: Iterable[str]) -> str:
    """Return the end of a message about a name that is not known.

    It has the nearest names, else those that there are.

    Args:
        name: The name that came.
        known: The names that there are.

    Example:
        >>> did_you_mean("widht", ["depth", "width"])
        "; did you mean 'width'?"
        >>> did_you_mean("x", ["depth", "width"]), did_you_mean("x", [])
        ('; known are depth, width', '')
    """
    names = list(map(str, known))
    if near := nearest(name, names):
        return f"; did you mean {' or '.join(map(repr, near))}?"
    return f"; known are {listed(names, 20)}" if names else ""


def input_hint(name: object, columns: Iterable[object], truth: Container[str] = ()) -> str:
    """Return the end of a message about a feature that is not there, as `did_you_mean`.

    Truth is not suggested for an input: neither what begins with ``gen_`` nor targets.

    Args:
        name: The name that came.
        columns: The names of all columns.
        truth: Those that are no inputs, beside what begins with ``gen_``.

    Example:
        >>> from lumin_core.checks import input_hint
        >>> input_hint("mas", ["gen_mas", "mass", "mask"], ["mask"])
        "; did you mean 'mass'?"
    """
    names = [column for column in map(str, columns) if column not in truth]
    return did_you_mean(name, names if str(name).startswith("gen_") else [c for c in names if not c.startswith("gen_")])


def with_article(noun: str) -> str:
    """Return a noun with its article, for messages.

    Example:
        >>> from lumin_core.checks import with_article
        >>> with_article("head"), with_article("Ensemble")
        ('a head', 'an Ensemble')
    """
    return f"{'an' if noun[0] in 'AEIOUaeiou' else 'a'} {noun}"


def listed(names: Iterable[object], most: int = 5) -> str:
    """Give names for a message: the first of them, and how many more there are.

    Args:
        names: The names.
        most: How many are given.

    Example:
        >>> from lumin_core.checks import listed
        >>> listed(["pt", "eta", "phi"], 2), listed([])
        ('pt, eta and 1 more', 'none')
    """
    all_names = list(map(str, names))
    more = f" and {len(all_names) - most} more" if len(all_names) > most else ""
    return ", ".join(all_names[:most]) + more or "none"


def _plain(name: str) -> str:
    return name.lower().replace("-", "").replace("_", "")


def as_list(values: object) -> list[Any]:
    """Return a list of names, numbers or specifications.

    A single one is a list of one, ``None`` is empty.

    Args:
        values: One or several; text, dicts and classes are single ones.

    Example:
        >>> from lumin_core.checks import as_list
        >>> (
        ...     as_list("pt"),
        ...     as_list(("pt", "eta")),
        ...     as_list({"name": "adam"}),
        ...     as_list(3),
        ...     as_list(None),
        ... )
        (['pt'], ['pt', 'eta'], [{'name': 'adam'}], [3], [])
    """
    if values is None:
        return []
    if isinstance(values, str | type | Mapping) or not isinstance(values, Iterable):
        return [values]
    return list(values)


def check_names(what: str, names: Sequence[object]) -> None:
    """Refuse names that are no text or come twice.

    Args:
        what: What they are, for the message: the name of the argument.
        names: The names.

    Raises:
        ConfigError: If there are such.

    Example:
        >>> from lumin_core.checks import check_names
        >>> check_names("cont_feats", ["pt", "pt"])
        Traceback (most recent call last):
        ...
        lumin_core.errors.ConfigError: cont_feats names 'pt' twice; name every feature once
    """
    for name in names:
        if not isinstance(name, str) or not name:
            raise ConfigError(f"{what} must be a list of names (text), got {name!r} in it")
    if twice := [repr(name) for name, n in Counter(names).items() if n > 1]:
        raise ConfigError(f"{what} names {', '.join(twice)} twice; name every feature once")


def check_keys(given: Iterable[str], known: Iterable[str], place: str) -> None:
    """Refuse keys that are not known.

    Args:
        given: The keys that came.
        known: The keys that there are.
        place: Where they were given, for the message.

    Raises:
        ConfigError: With did-you-mean, and the known keys.

    Example:
        >>> from lumin_core.checks import check_keys
        >>> check_keys(["haed"], ["head", "body", "tail"], "model_args")
        Traceback (most recent call last):
        lumin_core.errors.ConfigError: model_args has no 'haed'; did you mean 'head'?
    """
    known = list(known)
    for key in given:
        if key not in known:
            raise ConfigError(f"{place} has no {key!r}{did_you_mean(key, known)}")


def check_flags(**flags: object) -> None:
    """Refuse what is neither true nor false, as the text ``"false"``, which would count as true.

    Args:
        **flags: The values by the names of the options.

    Raises:
        ConfigError: With names and values.

    Example:
        >>> from lumin_core.checks import check_flags
        >>> check_flags(resume=True, overwrite="false")
        Traceback (most recent call last):
        lumin_core.errors.ConfigError: True or False is needed, got overwrite='false'
    """
    kinds = ("bool", "bool_")  # numpy's, too
    if wrong := [f"{name}={flag!r}" for name, flag in flags.items() if type(flag).__name__ not in kinds]:
        raise ConfigError(f"True or False is needed, got {', '.join(wrong)}")


def check_tables(**tables: object) -> None:
    """Refuse what is neither a dict of options nor ``None``.

    Args:
        **tables: The values by the names of the arguments.

    Raises:
        ConfigError: With name and value.

    Example:
        >>> from lumin_core.checks import check_tables
        >>> check_tables(opt_args="adam")
        Traceback (most recent call last):
        lumin_core.errors.ConfigError: opt_args must be a dict of options by name, got 'adam'
    """
    for name, table in tables.items():
        if table is not None and not isinstance(table, Mapping):
            raise ConfigError(f"{name} must be a dict of options by name, got {table!r}")


def check_positive(**numbers: object) -> None:
    """Refuse what is no positive whole number.

    Args:
        **numbers: The numbers by the names of the options.

    Raises:
        ConfigError: With names and values.

    Example:
        >>> from lumin_core.checks import check_positive
        >>> check_positive(depth=4, width=0)
        Traceback (most recent call last):
        lumin_core.errors.ConfigError: positive whole numbers are needed, got width=0
    """
    if wrong := [f"{name}={n!r}" for name, n in numbers.items() if not is_positive(n)]:
        raise ConfigError(f"positive whole numbers are needed, got {', '.join(wrong)}")


def is_positive(number: object) -> TypeGuard[SupportsIndex]:
    """Tell whether something is a positive whole number.

    Args:
        number: Anything. Booleans are not numbers; numpy's and torch's integers are.

    Example:
        >>> from lumin_core.checks import is_positive
        >>> is_positive(4), is_positive(0), is_positive(2.5), is_positive("4"), is_positive(True)
        (True, False, False, False, False)
    """
    if isinstance(number, bool) or not isinstance(number, SupportsIndex):
        return False
    try:
        return number.__index__() >= 1
    except TypeError:  # an array or a tensor of several numbers, or of fractions
        return False


def check_numbers(**numbers: object) -> None:
    """Refuse options that are no numbers.

    Args:
        **numbers: The numbers by the names of the options.

    Raises:
        ConfigError: With name and value.

    Example:
        >>> from lumin_core.checks import check_numbers
        >>> check_numbers(br=10, min_events="2")
        Traceback (most recent call last):
        ...
        lumin_core.errors.ConfigError: min_events must be a number, got '2'
    """
    for name, number in numbers.items():
        if not is_number(number):
            raise ConfigError(f"{name} must be a number, got {number!r}")


def is_number(number: object) -> bool:
    """Tell whether something is one real number.

    Args:
        number: Anything. Text, Booleans and NaN are not numbers; numpy's and torch's are.

    Example:
        >>> from lumin_core.checks import is_number
        >>> is_number(4), is_number(-2.5), is_number("4"), is_number(True), is_number(float("nan"))
        (True, True, False, False, False)
    """
    if getattr(number, "shape", None) == ():  # numpy's numbers, and what torch and numpy have without a dimension
        number = getattr(number, "item", lambda: None)()
    return not isinstance(number, bool) and isinstance(number, Real) and number == number


def positive(number: object, name: str) -> int:
    """Return a number as an integer.

    Args:
        number: The number.
        name: What it is called, for the message.

    Raises:
        ConfigError: If it is not a positive integer.

    Example:
        >>> from lumin_core.checks import positive
        >>> positive(64, "bs")
        64
    """
    if not is_positive(number):
        raise ConfigError(f"{name} must be a positive integer, got {number!r}")
    return number.__index__()
