"""Versions of the checks: a new check warns for one minor release before it fails.

That is for plugins whose metadata allow a lumin-core from before the check, ``lumin-core>=0.2``:
their authors have not seen it. Whoever asks for at least the release that brought it is held to it.
"""

from __future__ import annotations

from importlib import metadata

from packaging.requirements import Requirement
from packaging.version import Version

from lumin_core import __version__
from lumin_core.registry.distributions import REQUIREMENT

RELEASES = {1: (0, 2)}
"""The minor release of lumin-core that brought each version of the checks, `PLUGIN_API`."""

_LOWER = (">=", "==", "~=", ">")


def only_warns(since: int, distribution: str | None, version: str = __version__) -> bool:
    """Tell whether a check that fails is a warning for now.

    Args:
        since: The version of the checks that brought it.
        distribution: The distribution of the component, or None.
        version: The version of lumin-core.

    Example:
        >>> from lumin_core.testing.versions import only_warns
        >>> only_warns(1, "lumin-plugin-losses")
        False
    """
    if distribution is None or since == min(RELEASES) or RELEASES[since] != _minor(Version(version)):
        return False
    return any(minor < RELEASES[since] for minor in _lowest(distribution))


def _lowest(distribution: str) -> list[tuple[int, int]]:
    """Return the lowest minor release that a distribution allows, as often as it says one."""
    lines = [line for line in metadata.requires(distribution) or () if REQUIREMENT.match(line)]
    return [
        _minor(Version(bound.version))
        for line in lines
        for bound in Requirement(line).specifier
        if bound.operator in _LOWER
    ]


def _minor(version: Version) -> tuple[int, int]:
    return version.major, version.minor
