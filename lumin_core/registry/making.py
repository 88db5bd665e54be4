"""Making an object, and saying whose fault it is where that fails.

A constructor may forget that of its base class. What that would have set is missing, which shows
much later and elsewhere, as an `AttributeError` about a name that its author never wrote.
"""

from __future__ import annotations

import dis
from contextlib import contextmanager
from functools import cache
from traceback import walk_tb
from types import FunctionType
from typing import TYPE_CHECKING

from lumin_core.errors import BrokenPlugin, LuminError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping


_NOTE = "raised by "


def make(
    constructor: Callable[..., object], options: Mapping[str, object], label: str, base: type | None = None
) -> object:
    """Call a constructor.

    Args:
        constructor: A class, or a function.
        options: Its keywords.
        label: What it is, for the message.
        base: The base class of its kind, if it has one.

    Returns:
        What it made.

    Raises:
        BrokenPlugin: If it is a class whose ``__init__`` does not call that of its base class, or
            if it would end the process.
        Exception: Whatever it raises, with a note that says who did.

    Example:
        >>> from lumin_core.registry.making import make
        >>> make(dict, {"a": 1}, "metric 'mine'")
        {'a': 1}
    """
    try:
        with blamed(f"the constructor of the {label}"):
            obj = constructor(**options)
    except AttributeError as error:
        if (unfinished := _being_made(constructor, error)) is not None:
            check_made(unfinished, label, base)
        raise
    check_made(obj, label, base)
    return obj


@contextmanager
def blamed(what: str) -> Iterator[None]:
    """Say who is to blame for an error of somebody else's code in the block: the innermost.

    Errors of ours say so themselves.

    Args:
        what: Whose code it is.

    Raises:
        BrokenPlugin: If it would end the process.
        Exception: Whatever it raises, with a note.

    Example:
        >>> from lumin_core.registry.making import blamed
        >>> try:
        ...     with blamed("the head 'mine'"):
        ...         raise KeyError("pt")
        ... except KeyError as error:
        ...     print(error.__notes__)
        ["raised by the head 'mine'"]
    """
    try:
        yield
    except SystemExit as error:
        code = "" if error.code is None else repr(error.code)
        raise BrokenPlugin(f"{what} calls sys.exit({code}); let it raise an error that says what is wrong") from error
    except Exception as error:
        if not isinstance(error, LuminError) and not any(map(_is_ours, getattr(error, "__notes__", ()))):
            error.add_note(f"{_NOTE}{what}")
        raise


def _is_ours(note: str) -> bool:
    return note.startswith(_NOTE)


def check_made(obj: object, label: str, base: type | None = None) -> None:
    """Refuse an object whose constructor did not call that of its base class.

    Args:
        obj: The object.
        label: What it is, for the message.
        base: The base class of its kind, if it has one.

    Raises:
        BrokenPlugin: If it did not.

    Example:
        >>> from torch import nn
        >>> from lumin_core.registry.making import check_made
        >>> class Mine(nn.Module):
        ...     def __init__(self): ...
        >>> check_made(Mine(), "loss 'mine'")
        Traceback (most recent call last):
        ...
        lumin_core.errors.BrokenPlugin: the loss 'mine': Mine.__init__ does not call ...
    """
    is_bare = is_module(obj) and "_modules" not in vars(obj)
    names = _set_by(base) if base is not None and isinstance(obj, base) else frozenset()
    if is_bare or (names and not any(_has(obj, name) for name in names)):
        raise BrokenPlugin(
            f"the {label}: {type(obj).__name__}.__init__ does not call super().__init__() of its base class, which "
            "sets what all of its kind have; let it begin with that call, with the arguments that the base class takes"
        )


def _has(obj: object, name: str) -> bool:
    """Tell whether an object has an attribute: a property that raises is one."""
    try:
        return hasattr(obj, name)
    except Exception:  # noqa: BLE001  (a property runs what its author wrote)
        return True


def is_module(obj: object) -> bool:
    """Tell whether an object is a module of torch, by name: it may not be installed.

    Example:
        >>> from lumin_core.registry.making import is_module
        >>> is_module({})
        False
    """
    names = [(cls.__module__, cls.__qualname__) for cls in type(obj).__mro__]
    return ("torch.nn.modules.module", "Module") in names


def _being_made(constructor: object, error: AttributeError) -> object:
    """Return the object that a constructor written in Python was at work on when it raised."""
    init: FunctionType | None = getattr(constructor, "__init__", None)
    code = getattr(init, "__code__", None)
    frames = (frame for frame, _ in walk_tb(error.__traceback__) if code is not None and frame.f_code is code)
    return next((frame.f_locals.get(frame.f_code.co_varnames[0]) for frame in frames), None)


@cache
def _set_by(base: type) -> frozenset[str]:
    """List the attributes that the constructor of a base class sets."""
    init = vars(base).get("__init__")
    if not isinstance(init, FunctionType):
        return frozenset()
    return frozenset(step.argval for step in dis.get_instructions(init) if step.opname == "STORE_ATTR")
