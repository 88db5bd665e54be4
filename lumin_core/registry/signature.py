"""What a constructor takes by name, also by ``**options`` that it hands on to its bases."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_OF_MODULES = "torch.nn.modules.module"
_NUMBERS = {"int", "float", "bool", "None"}


class Signature(NamedTuple):
    """What a constructor takes.

    Attributes:
        names: What may be given by name.
        required: Which of these have no default.
        by_position: What must be given by position.
        is_open: Whether any other name may be given, too.
    """

    names: Sequence[str]
    required: Sequence[str] = ()
    by_position: Sequence[str] = ()
    is_open: bool = False


def signature_of(constructor: Callable[..., object]) -> Signature:
    """Return what a constructor takes; anything, where Python does not know it.

    It does not for some functions written in C.

    Example:
        >>> from lumin_core.registry.signature import signature_of
        >>> class Base:
        ...     def __init__(self, n_in, width=3): ...
        >>> class Derived(Base):
        ...     def __init__(self, act, **options): ...
        >>> signature_of(Derived)
        Signature(names=['act', 'n_in', 'width'], required=['act'], by_position=[], is_open=False)
    """
    if getattr(getattr(constructor, "__init__", None), "__module__", None) == _OF_MODULES:
        return Signature([])  # torch's own constructor of modules says (*args, **kwargs), and takes none
    try:
        parameters = list(inspect.signature(constructor).parameters.values())
    except ValueError:
        return Signature([], is_open=True)
    names, is_open = _named(parameters), _is_open(parameters)
    required = [p.name for p in parameters if p.name in names and p.default is p.empty]
    by_position = [p.name for p in parameters if p.kind is p.POSITIONAL_ONLY and p.default is p.empty]
    handed_on = _handed_on(constructor) if is_open and isinstance(constructor, type) else None
    if handed_on is not None:
        names, is_open = list(dict.fromkeys([*names, *handed_on])), False
    return Signature(names, required, by_position, is_open)


def _handed_on(cls: type) -> list[str] | None:
    """List what bases take where a constructor hands its ``**options`` on; ``None`` for anything.

    It may give them some itself, so that none of these is required.
    """
    names: list[str] = []
    for base in [base for base in cls.__mro__ if "__init__" in vars(base)][1:]:
        if base is object or base.__module__ == _OF_MODULES:
            break
        _, *theirs = inspect.signature(vars(base)["__init__"]).parameters.values()
        names += _named(theirs)
        if not _is_open(theirs):
            return names
    return None


def _named(parameters: Sequence[inspect.Parameter]) -> list[str]:
    return [p.name for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)]


def _is_open(parameters: Sequence[inspect.Parameter]) -> bool:
    return any(p.kind is p.VAR_KEYWORD for p in parameters)


def numbers_of(constructor: Callable[..., object]) -> list[str]:
    """Return the arguments that are numbers and nothing else, by their annotations.

    Example:
        >>> from lumin_core.registry.signature import numbers_of
        >>> class Mine:
        ...     def __init__(self, depth: int, do: "float | None", act: str, bn: "bool | str"): ...
        >>> numbers_of(Mine)
        ['depth', 'do']
    """
    try:
        parameters = inspect.signature(constructor).parameters.values()
    except ValueError:
        return []
    return [
        p.name for p in parameters if set(inspect.formatannotation(p.annotation).strip("'\"").split(" | ")) <= _NUMBERS
    ]


def as_called(constructor: Callable[..., object]) -> str:
    """Return the signature without annotations, as one would call it.

    Example:
        >>> from lumin_core.registry.signature import as_called
        >>> def make(width: int = 3) -> object: ...
        >>> as_called(make)
        'make(width=3)'
    """
    full = inspect.signature(constructor)
    bare = [parameter.replace(annotation=parameter.empty) for parameter in full.parameters.values()]
    return f"{called(constructor)}{full.replace(parameters=bare, return_annotation=full.empty)}"


def called(constructor: object) -> str:
    """Return what a constructor is called in a message.

    Example:
        >>> from lumin_core.registry.signature import called
        >>> called(dict), called(3)
        ('dict', '3')
    """
    return str(getattr(constructor, "__qualname__", None) or repr(constructor))
