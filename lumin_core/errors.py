"""The tree of exceptions.

Everything that this project raises on purpose is a `LuminError`, and also the built-in that fits, so that
``except ValueError`` keeps working. A message says what was expected, what came, and the way out.

::

    LuminError
    ├── UnknownComponent    (KeyError)      no component of that kind and name
    ├── AmbiguousComponent  (LookupError)   a bare name that several distributions have
    ├── BrokenPlugin        (ImportError)   a plugin that cannot be imported, or is no component of its kind
    ├── IncompatiblePlugin  (ImportError)   a plugin that asks for another version of the core
    ├── HookError           (TypeError)     a callback whose points or signatures are wrong
    ├── FoldFileError       (OSError)       a fold file that cannot be read or written
    ├── ShapeError          (ValueError)    an array or tensor of the wrong shape
    ├── DataError           (ValueError)    values that cannot be trained on
    ├── ConfigError         (ValueError)    an option that is unknown, contradictory or out of range
    ├── SavedModelError     (ValueError)    a saved model that cannot be read or does not match
    └── TrainingFailed      (RuntimeError)  models of a run that could not be trained, the others being finished
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


class LuminError(Exception):
    """The root of all errors of lumin-core and its plugins.

    Example:
        >>> from lumin_core.errors import LuminError, UnknownComponent
        >>> try:
        ...     raise UnknownComponent("there is no head 'cat_emb_haed'")
        ... except LuminError as error:
        ...     print(error)
        there is no head 'cat_emb_haed'
    """

    def __str__(self) -> str:
        """Give the message plainly: `KeyError` would print its representation, in quotes."""
        return str(self.args[0]) if self.args else ""


class UnknownComponent(LuminError, KeyError):
    """No component of that kind has that name."""


class AmbiguousComponent(LuminError, LookupError):
    """A bare name belongs to several distributions; the message lists the qualified names."""


class BrokenPlugin(LuminError, ImportError):
    """A plugin cannot be imported, or what it names is no component of its kind."""


class IncompatiblePlugin(LuminError, ImportError):
    """A plugin's ``Requires-Dist`` asks for another version of lumin-core."""


class HookError(LuminError, TypeError):
    """A callback has a point that does not exist, or one with another signature."""


class FoldFileError(LuminError, OSError):
    """A fold file cannot be read, written, or is none."""


class ShapeError(LuminError, ValueError):
    """An array or tensor has the wrong shape."""


class DataError(LuminError, ValueError):
    """Values that cannot be trained on: NaN targets, infinite inputs, text in a numeric column."""


class ConfigError(LuminError, ValueError):
    """An option is unknown, given twice, contradictory or out of range."""


class SavedModelError(LuminError, ValueError):
    """A saved model or ensemble cannot be read, or does not match what it is loaded into."""


class TrainingFailed(LuminError, RuntimeError):
    """Models of a run could not be trained, or the process that trained one died."""


def nearest(name: object, known: Iterable[str]) -> list[str]:
    """Give the known names that are nearest to one that is not known, two at most, the nearest first.

    Args:
        name: The name that came.
        known: The names that there are. Case, ``-`` and ``_`` do not matter.

    Example:
        >>> from lumin_core.errors import nearest
        >>> nearest("widht", ["depth", "width"])
        ['width']
    """
    import difflib

    by_key = {_plain(candidate): candidate for candidate in map(str, known)}
    return [by_key[key] for key in difflib.get_close_matches(_plain(str(name)), by_key, n=2, cutoff=0.6)]


def did_you_mean(name: object, known: Iterable[str]) -> str:
    """Give the end of a message about a name that is not known: the nearest names, else those that there are.

    Args:
        name: The name that came.
        known: The names that there are.

    Example:
        >>> from lumin_core.errors import did_you_mean
        >>> did_you_mean("widht", ["depth", "width"])
        "; did you mean 'width'?"
        >>> did_you_mean("x", ["depth", "width"]), did_you_mean("x", [])
        ('; known are depth, width', '')
    """
    names = list(map(str, known))
    if near := nearest(name, names):
        return f"; did you mean {' or '.join(map(repr, near))}?"
    return f"; known are {listed(names, 20)}" if names else ""


def listed(names: Iterable[object], most: int = 5) -> str:
    """Give names for a message: the first of them, and how many more there are.

    Args:
        names: The names.
        most: How many are given.

    Example:
        >>> from lumin_core.errors import listed
        >>> listed(["pt", "eta", "phi"], 2), listed([])
        ('pt, eta and 1 more', 'none')
    """
    all_names = list(map(str, names))
    more = f" and {len(all_names) - most} more" if len(all_names) > most else ""
    return ", ".join(all_names[:most]) + more or "none"


def _plain(name: str) -> str:
    return name.lower().replace("-", "").replace("_", "")
