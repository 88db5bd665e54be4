"""Registration for one session: a notebook, a test, a script."""

from __future__ import annotations

import inspect
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, TypeVar, overload

from lumin_core.checks import with_article
from lumin_core.errors import ConfigError
from lumin_core.registry.component import Component, session
from lumin_core.registry.lookup import find_kind
from lumin_core.registry.names import SESSION, is_valid, snake_case
from lumin_core.registry.scan import known

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from lumin_core.registry.kind_table import Kind

T = TypeVar("T")


@overload
def register(kind: str, name: str | None = None, *, override: bool = False) -> Callable[[T], T]: ...
@overload
def register(kind: str, name: str | None, obj: T, *, override: bool = False) -> T: ...
@overload
def register(kind: str, *, obj: T, override: bool = False) -> T: ...
def register(kind: str, name: str | None = None, obj: object = None, *, override: bool = False) -> object:
    """Register a class, function or partial by a name in this session.

    It is a decorator, or is called with the object. Running the same cell again replaces; so does
    any definition of the same name in the same module.

    Args:
        kind: The kind, ``"head"`` or ``"heads"``.
        name: The name; by default the object's own in snake case.
        obj: What the name stands for; without it a decorator is returned.
        override: Whether to take a name that is taken, by the session or by an installed plugin.

    Returns:
        The object itself, or the decorator.

    Raises:
        ConfigError: If the name is no name or taken, or the object is no component of the kind.
        UnknownComponent: If there is no such kind.

    Example:
        >>> from lumin_core.registry import build, register, temporary
        >>> with temporary():
        ...     @register("initialiser", "zeros")
        ...     def make_zeros():
        ...         return "zeros"
        ...     build("initialiser", "zeros")
        'zeros'
    """
    if obj is None:
        return lambda decorated: register(kind, name, decorated, override=override)
    found = find_kind(kind)
    target = obj.func if isinstance(obj, partial) else obj
    _check_object(found, obj, target)
    component = _component(found, name, obj, target)
    if not override:
        _check_free(component)
    session()[component.kind, component.key] = component
    return obj


@contextmanager
def temporary() -> Iterator[None]:
    """Undo, at the end of the block, what was registered inside.

    Example:
        >>> from lumin_core.registry import components, register, temporary
        >>> with temporary():
        ...     _ = register("callback", "shout", type("Shout", (), {}))
        >>> [component for component in components("callback") if component.name == "shout"]
        []
    """
    before = dict(session())
    try:
        yield
    finally:
        session().clear()
        session().update(before)


def _check_object(kind: Kind, obj: object, target: object) -> None:
    if not (isinstance(target, type) or inspect.isroutine(target)):
        raise ConfigError(f"register takes a class, a function or a partial as {kind.singular}, got {obj!r}")
    if wanted := kind.lacks(target):
        raise ConfigError(f"{with_article(kind.singular)} is {wanted}, got {target!r}")


def _component(kind: Kind, name: str | None, obj: object, target: object) -> Component:
    if name is not None and not isinstance(name, str):
        raise ConfigError(
            f"a name is text, got {name!r}; for the default name write register({kind.singular!r}, obj=...)"
        )
    own = getattr(target, "__qualname__", type(target).__qualname__)
    chosen = (name or snake_case(own.rpartition(".")[2])).replace("-", "_")
    if not is_valid(chosen):
        raise ConfigError(f"{chosen!r} is no name: letters, digits, '-' and '_', a letter first, and not 'name' itself")
    value = f"{getattr(target, '__module__', type(target).__module__)}:{own}"
    return Component(kind.singular, chosen, f"{SESSION}/{chosen}", SESSION, None, value, obj=obj)


def _check_free(component: Component) -> None:
    taken = [other for other in known(component.kind) if other.key == component.key]
    is_again = any((other.distribution, other.value) == (SESSION, component.value) for other in taken)
    if taken and not is_again:
        owners = ", ".join(f"{other.qualified} ({other.value})" for other in taken)
        raise ConfigError(
            f"the {component.kind} name {component.name!r} is taken by {owners}; choose another, or pass override=True"
        )
