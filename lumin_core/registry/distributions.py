"""The distributions that are installed and have entry points of ours, whatever their metadata say.

Only headers of the metadata are read: Python's mail parser would cost a quarter of the start-up of
``lumin list-plugins``.
"""

from __future__ import annotations

import re
from functools import lru_cache
from importlib import metadata
from typing import TYPE_CHECKING, NamedTuple

from lumin_core.registry.names import CORE, canonical, short

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

GROUP = re.compile(
    r"^[ \t]*\[\s*lum+i+n+([-_.]?core)?([-_.]?plugins?)?([-_.:](?P<kind>\w+))?\s*\]", re.IGNORECASE | re.MULTILINE
)
"""A group of ours in ``entry_points.txt``, also one that is nearly so."""

_ASTRAY = re.compile(r"\A\s*[^\[\s#;]|^[ \t]*\[[^\]\n]*$", re.MULTILINE)  # before any group, or in one without its end

REQUIREMENT = re.compile(r"lumin[-_.]+core(?![\w.-])", re.IGNORECASE)
"""A requirement of the core."""

_SHOWABLE = re.compile(r"[A-Za-z0-9][\w.+!-]*")  # what is shown of a file that may be a stranger's

_LEFT_OVER = (
    "another version of it is installed in the same folder; uninstall it until none is left, and install it again"
)


def found() -> Iterator[tuple[metadata.Distribution, str | None]]:
    """Give the distributions with entry points of ours, and what is wrong with the place of one.

    There is one for each name: the first on ``sys.path``, as for imports. The name is the folder's,
    so that what one says of itself never hides another.

    Example:
        >>> from lumin_core.registry.distributions import found, name_of
        >>> "lumin-core" in [name_of(distribution) for distribution, _ in found()]
        True
    """
    firsts: dict[str, metadata.Distribution] = {}  # in the order of sys.path: to ask for each would list it anew
    candidates: dict[str, list[metadata.Distribution]] = {}
    for candidate in metadata.distributions():
        if not _folder(candidate).startswith("~"):  # which is what pip could not remove
            firsts.setdefault(name_of(candidate), candidate)
            if _concerns_us(candidate):
                candidates.setdefault(name_of(candidate), []).append(candidate)
    for name, same in candidates.items():
        if firsts[name] is same[0]:
            yield same[0], None
            yield from ((other, _LEFT_OVER) for other in _beside(same[0], same))


def _beside(first: metadata.Distribution, same: Iterable[metadata.Distribution]) -> list[metadata.Distribution]:
    """List other versions in the folder of the first, where none of them comes first."""
    by_place = {getattr(distribution, "_path", None): distribution for distribution in same}
    path = getattr(first, "_path", None)
    return [other for at, other in by_place.items() if at and path and at != path and at.parent == path.parent]


def _concerns_us(distribution: metadata.Distribution) -> bool:
    """Tell whether it has entry points of ours; where some cannot be read, asks for lumin-core."""
    try:
        text = distribution.read_text("entry_points.txt") or ""
        if GROUP.search(text) or not _ASTRAY.search(text):
            return GROUP.search(text) is not None
    except (OSError, ValueError):
        pass
    return any(REQUIREMENT.match(line) for line in headers(distribution, "Requires-Dist"))


def _first(name: str) -> metadata.Distribution | None:
    try:
        return metadata.distribution(name)
    except (metadata.PackageNotFoundError, ValueError):
        return None


def headers(distribution: metadata.Distribution, header: str) -> list[str]:
    """Read one header of the metadata, as often as it is there; none where they cannot be read.

    Example:
        >>> from importlib.metadata import distribution
        >>> from lumin_core.registry.distributions import headers
        >>> headers(distribution("lumin-core"), "Name")
        ['lumin-core']
    """
    return re.findall(rf"^{header}:[ \t]*(.*?)[ \t]*$", _head_of(distribution), re.MULTILINE)


@lru_cache(maxsize=1)  # one is asked for several headers, then the next
def _head_of(distribution: metadata.Distribution) -> str:
    try:
        text = distribution.read_text("METADATA") or distribution.read_text("PKG-INFO") or ""
    except (OSError, ValueError):
        return ""
    return text.replace("\r", "").partition("\n\n")[0]


def _folder(distribution: metadata.Distribution) -> str:
    return str(getattr(getattr(distribution, "_path", None), "name", ""))


def name_of(distribution: metadata.Distribution) -> str:
    """Give the name: the folder's, which does not depend on what can be read.

    Example:
        >>> from importlib.metadata import distribution
        >>> from lumin_core.registry.distributions import name_of
        >>> name_of(distribution("lumin-core"))
        'lumin-core'
    """
    folder = re.sub(r"\.(dist|egg)-info$", "", _folder(distribution)).partition("-")[0]
    return canonical(folder or next(iter(headers(distribution, "Name")), "unknown"))


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
    plain = sorted(pair for pair in saved if all(map(_SHOWABLE.fullmatch, pair)) and short(pair[0]) != CORE)
    return [SavedPlugin(name, was, _version(name)) for name, was in plain]


def _version(name: str) -> str | None:
    installed = _first(name)
    return None if installed is None else installed.version
