"""Which components were used, and what the names inside of specifications were asked for as.

An option may be the name of another component: ``{"name": "fully_connected", "act": "relu"}``. That
this is one, and of which kind, is known only by who builds it. So a specification that is to be
written down holds `Text`, which notes what it was looked up as.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from functools import partial
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

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


class Text(str):
    """Text of a specification: as all text, and it knows which component it was the name of.

    Attributes:
        asked: Kind and qualified name of the component that was found by it; ``None`` where none
            was looked for.

    Example:
        >>> from lumin_core.registry import build
        >>> from lumin_core.registry.record import Text
        >>> name = Text("relu")
        >>> _ = build("activation", name)
        >>> name, name.asked
        ('relu', ('activation', 'core/relu'))
    """

    def __init__(self, text: str) -> None:
        self.asked: tuple[str, str] | None = getattr(text, "asked", None)


def noting(value: Any) -> Any:
    """Copy a specification with all text in it as `Text`, at every depth.

    Args:
        value: A specification, or options. Lists, tuples, dicts and the keywords of partials are
            copied; what else they hold is not.

    Example:
        >>> from lumin_core.registry import build, noting
        >>> spec = noting({"name": "prelu", "init": 0.1})
        >>> _ = build("activation", spec)
        >>> spec["name"].asked
        ('activation', 'core/prelu')
    """
    return changed(value, lambda entry: Text(entry) if isinstance(entry, str) else entry)


def changed(value: Any, change: Callable[[Any], Any]) -> Any:
    """Copy the containers of a specification at every depth, and change what they hold.

    Args:
        value: A specification, or options. Lists, tuples, dicts and the keywords of partials are
            copied.
        change: What becomes of anything else.

    Example:
        >>> from lumin_core.registry.record import changed
        >>> changed({"widths": [3, (4, 5)]}, str)
        {'widths': ['3', ('4', '5')]}
    """
    if isinstance(value, Mapping):
        return {key: changed(entry, change) for key, entry in value.items()}
    if isinstance(value, list):
        return [changed(entry, change) for entry in value]
    if type(value) is tuple:  # a named one is not a container of options
        return tuple(changed(entry, change) for entry in value)
    if type(value) is partial:
        return partial(value.func, *value.args, **changed(value.keywords, change))
    return change(value)
