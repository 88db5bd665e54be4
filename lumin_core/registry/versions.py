"""The plugins that something was saved with, beside those that are installed."""

from __future__ import annotations

import re
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, NamedTuple

from lumin_core.registry.names import CORE, short

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_PLAIN = re.compile(r"[A-Za-z0-9][\w.+!-]*")  # what is shown of a file that may be a stranger's


class SavedPlugin(NamedTuple):
    """A plugin that something was saved with.

    Attributes:
        name: Its distribution.
        was: Its version then.
        now: Its version now; ``None`` where it is not installed.

    Example:
        >>> from lumin_core.registry import SavedPlugin
        >>> print(SavedPlugin("my-blocks", "1.0", "2.0"))
        my-blocks 1.0 (2.0 is installed)
        >>> print(SavedPlugin("my-blocks", "1.0", None))
        my-blocks 1.0 (not installed: pip install my-blocks==1.0)
        >>> print(SavedPlugin("my-blocks", "1.0", "1.0"))
        my-blocks 1.0
    """

    name: str
    was: str
    now: str | None

    @property
    def is_other(self) -> bool:
        """Whether it is missing, or another version."""
        return self.now != self.was

    def __str__(self) -> str:
        """Say what it was, and what there is."""
        saved = f"{self.name} {self.was}"
        if self.now is None:
            return f"{saved} (not installed: pip install {self.name}=={self.was})"
        return f"{saved} ({self.now} is installed)" if self.is_other else saved


def saved_plugins(components: Iterable[Mapping[str, str]]) -> list[SavedPlugin]:
    """List the plugins of components that a file names.

    Args:
        components: For each ``distribution`` and ``version``; those without, and the core's, are
            left out.

    Example:
        >>> from lumin_core.registry import saved_plugins
        >>> saved_plugins([{"distribution": "no-such-plugin", "version": "1.0"}])
        [SavedPlugin(name='no-such-plugin', was='1.0', now=None)]
    """
    saved = {(str(used.get("distribution")), str(used.get("version") or "")) for used in components}
    plain = sorted(pair for pair in saved if all(map(_PLAIN.fullmatch, pair)) and short(pair[0]) != CORE)
    return [SavedPlugin(name, was, _installed(name)) for name, was in plain]


def _installed(distribution: str) -> str | None:
    try:
        return version(distribution)
    except PackageNotFoundError:
        return None
