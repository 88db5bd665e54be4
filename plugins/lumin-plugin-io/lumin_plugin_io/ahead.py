"""The next in a thread while this one is used: decompressing and writing leave Python to others."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterator

_Item = TypeVar("_Item")


def ahead(items: Iterator[_Item]) -> Iterator[_Item]:
    """Go through items, of which the next is made while one is used.

    Args:
        items: They are made in a thread, one after the other.

    Yields:
        The same items; what making one raises is raised where it is asked for.

    Example:
        >>> from lumin_plugin_io.ahead import ahead
        >>> list(ahead(n**2 for n in range(4)))
        [0, 1, 4, 9]
    """
    with ThreadPoolExecutor(1) as thread:
        waiting = thread.submit(_next, items)
        while made := waiting.result():
            waiting = thread.submit(_next, items)
            yield made[0]


def _next(items: Iterator[_Item]) -> tuple[_Item] | None:
    """Return the next item in a tuple, or ``None`` where there is no more."""
    for item in items:
        return (item,)
    return None
