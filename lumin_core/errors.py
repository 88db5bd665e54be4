"""The tree of exceptions.

Everything that this project raises on purpose is a `LuminError`, and also the built-in that fits,
so that ``except ValueError`` keeps working. A message says what was expected, what came,
and the way out.

::

    LuminError
    ├── UnknownComponent    (KeyError)      no component of that kind and name
    ├── AmbiguousComponent  (LookupError)   a bare name that several distributions have
    ├── BrokenPlugin        (ImportError)   a plugin that cannot be imported or is not of its kind
    ├── IncompatiblePlugin  (ImportError)   a plugin that asks for another version of the core
    ├── HookError           (TypeError)     a callback whose points or signatures are wrong
    ├── FileError           (OSError)       a file that cannot be written, or is being written
    ├── FoldFileError       (OSError)       a fold file that cannot be read or written
    │   └── DataReplaced    (OSError)       one in whose place there are other data
    ├── ShapeError          (ValueError)    an array or tensor of the wrong shape
    ├── DataError           (ValueError)    values that cannot be trained on
    │   └── Diverged        (ValueError)    losses, weights or outputs that are not finite
    ├── ConfigError         (ValueError)    an option that is unknown, contradictory or out of range
    │   └── ArgumentError   (TypeError)     an argument that is unknown, missing or of another sort
    ├── SavedModelError     (ValueError)    a saved model that cannot be read or does not match
    └── TrainingFailed      (RuntimeError)  models of a run that failed; the others are finished
"""

from __future__ import annotations

from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_AS_FLAGS: ContextVar[bool] = ContextVar("as_flags", default=False)


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


class FileError(LuminError, OSError):
    """A file cannot be written, or another process is writing it."""


class FoldFileError(FileError):
    """A fold file cannot be read, written, or is none."""


class DataReplaced(FoldFileError, ValueError):
    """A fold file was replaced by one with other data while it was in use."""


class ShapeError(LuminError, ValueError):
    """An array or tensor has the wrong shape."""


class DataError(LuminError, ValueError):
    """Values that cannot be trained on: NaN targets, infinite inputs, text in a numeric column."""


class Diverged(DataError):
    """A training has diverged: its losses, or the network's weights or outputs, are not finite."""


class ConfigError(LuminError, ValueError):
    """An option is unknown, given twice, contradictory or out of range."""


class ArgumentError(ConfigError, TypeError):
    """An argument of a call is unknown, missing, or of another sort than it has to be."""


class SavedModelError(LuminError, ValueError):
    """A saved model or ensemble cannot be read, or does not match what it is loaded into."""


class TrainingFailed(LuminError, RuntimeError):
    """Models of a run could not be trained, or the process that trained one died."""


def option(name: str, *, on: bool = True) -> str:
    """Return how the caller switches an option on or off, for a message that names the way out.

    Args:
        name: The option, an argument of the function that was called.
        on: Whether it is switched on.

    Example:
        >>> from lumin_core.errors import option
        >>> option("resume"), option("augment", on=False)
        ('resume=True', 'augment=False')
    """
    return f"--{'' if on else 'no-'}{name.replace('_', '-')}" if _AS_FLAGS.get() else f"{name}={on}"


@contextmanager
def options_as_flags() -> Iterator[None]:
    """Let messages name options as the command line does, inside the block.

    Example:
        >>> from lumin_core.errors import option, options_as_flags
        >>> with options_as_flags():
        ...     option("resume")
        '--resume'
    """
    token = _AS_FLAGS.set(True)
    try:
        yield
    finally:
        _AS_FLAGS.reset(token)
