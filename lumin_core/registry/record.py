"""Which components were used: what makes bare names in nested configs safe to keep."""

from __future__ import annotations

from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lumin_core.registry.component import Component

_recorders: ContextVar[tuple[list[Component], ...]] = ContextVar("recorders", default=())


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
