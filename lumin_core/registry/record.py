"""Which components were used, and which a saved config means.

This makes bare names in nested configs safe to keep.
"""

from __future__ import annotations

from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING

from lumin_core.registry.names import normalise

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from lumin_core.registry.component import Component

_recorders: ContextVar[tuple[list[Component], ...]] = ContextVar("recorders", default=())
_pins: ContextVar[Mapping[tuple[str, str], str]] = ContextVar("pins", default={})  # noqa: B039  # never changed


@contextmanager
def recording() -> Iterator[list[Component]]:
    """Collect every component that is built or resolved inside the block.

    Nested ones count too; each comes once, in order.

    Example:
        >>> from lumin_core.registry import recording, resolve
        >>> with recording() as used:
        ...     optimiser = resolve("optimiser", "adam")
        >>> [component.qualified for component in used]
        ['core/adam']
    """
    used: list[Component] = []
    token = _recorders.set((*_recorders.get(), used))
    try:
        yield used
    finally:
        _recorders.reset(token)


@contextmanager
def pinned(names: Mapping[tuple[str, str], str]) -> Iterator[None]:
    """Make bare names mean the given components inside the block.

    What else is installed or registered does not matter.

    Args:
        names: ``{(kind, name): qualified name}``; blocks may be nested, the inner one wins.

    Example:
        >>> from lumin_core.registry import find, pinned
        >>> with pinned({("optimiser", "adam"): "core/adam"}):
        ...     find("optimiser", "adam").qualified
        'core/adam'
    """
    from lumin_core.registry.lookup import find_kind

    pins = {(find_kind(kind).singular, normalise(name)): qualified for (kind, name), qualified in names.items()}
    token = _pins.set({**_pins.get(), **pins})
    try:
        yield
    finally:
        _pins.reset(token)


def record(component: Component) -> None:
    """Note a component with all recordings that are running.

    Example:
        >>> from lumin_core.registry import find, recording
        >>> from lumin_core.registry.record import record
        >>> with recording() as used:
        ...     record(find("optimiser", "adam"))
        >>> len(used)
        1
    """
    for used in _recorders.get():
        if component not in used:
            used.append(component)


def pin(kind: str, key: str) -> str | None:
    """Give the qualified name that a bare one is pinned to.

    Example:
        >>> from lumin_core.registry.record import pin
        >>> pin("optimiser", "adam") is None
        True
    """
    return _pins.get().get((kind, key))
