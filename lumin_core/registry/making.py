"""Making an object, and saying so where its constructor forgets that of its base class.

What that would have set is missing, which shows much later and elsewhere, as an `AttributeError`
about a name that its author never wrote.
"""

from __future__ import annotations

import dis
from functools import cache
from traceback import walk_tb
from types import FunctionType
from typing import TYPE_CHECKING

from lumin_core.errors import BrokenPlugin

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


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
        BrokenPlugin: If it is a class whose ``__init__`` does not call that of its base class.

    Example:
        >>> from lumin_core.registry.making import make
        >>> make(dict, {"a": 1}, "metric 'mine'")
        {'a': 1}
    """
    try:
        obj = constructor(**options)
    except AttributeError as error:
        if (unfinished := _being_made(constructor, error)) is not None:
            check_made(unfinished, label, base)
        raise
    check_made(obj, label, base)
    return obj


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
    is_bare = any(map(_is_torchs_module, type(obj).__mro__)) and "_modules" not in vars(obj)
    names = _set_by(base) if base is not None and isinstance(obj, base) else frozenset()
    if is_bare or (names and not any(hasattr(obj, name) for name in names)):
        raise BrokenPlugin(
            f"the {label}: {type(obj).__name__}.__init__ does not call super().__init__() of its base class, which "
            "sets what all of its kind have; let it begin with that call, with the arguments that the base class takes"
        )


def _is_torchs_module(cls: type) -> bool:
    """Tell it by name: components without torch are built without it."""
    return (cls.__module__, cls.__qualname__) == ("torch.nn.modules.module", "Module")


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
