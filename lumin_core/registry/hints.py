"""What to say about a name that is unknown. Nothing is imported but difflib and json."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lumin_core.checks import listed, nearest, with_article
from lumin_core.errors import UnknownComponent
from lumin_core.registry.known_plugins import declared_kinds, install_of, known_plugins, owners
from lumin_core.registry.names import (
    CORE,
    FIRST_PARTY,
    FIRST_PARTY_PREFIX,
    SESSION,
    canonical,
    is_valid,
    moved_to,
    normalise,
    short,
    singular,
)
from lumin_core.registry.scan import UNREADABLE, known, scanned

if TYPE_CHECKING:
    from collections.abc import Iterable

_LISTED = 12


def suggestion(name: str, names: Iterable[str], listing: str, kind: str | None = None) -> str:
    """Return the end of a message: the names nearest to an unknown one, and those that there are.

    Args:
        name: The name that came.
        names: The names that there are.
        listing: What is said of them.
        kind: Suggest what plugins that are not installed have of this kind, too.

    Example:
        >>> from lumin_core.registry.hints import suggestion
        >>> suggestion("widht", ["depth", "width"], "options are depth, width")
        "; did you mean 'width'? options are depth, width"
        >>> suggestion("x", ["depth", "width"], "options are depth, width")
        '; options are depth, width'
    """
    near = _near(name, names, kind)
    return "; " + " ".join([*near, listing])


def _near(name: str, names: Iterable[str], kind: str | None) -> list[str]:
    """Suggest near names.

    Those of known plugins that are not installed come with the way to have them.
    """
    shown = {other: f"{other!r} ({install_of(plugin)})" for plugin, _, other in (missing(kind) if kind else ())}
    shown |= {known_name: repr(known_name) for known_name in names}
    near = [shown[found] for found in nearest(name, shown)]
    return [f"did you mean {' or '.join(near)}?"] if near else []


def unknown_kind(kind: object) -> UnknownComponent:
    """Make the error for a kind that does not exist.

    Example:
        >>> from lumin_core.registry.hints import unknown_kind
        >>> str(unknown_kind("haeds")).partition("?")[0]
        "there is no kind 'haeds'; did you mean 'heads'"
    """
    key = normalise(str(kind))
    for plural, plugin in declared_kinds().items():
        if key in (normalise(plural), normalise(singular(plural))):
            return UnknownComponent(f"the kind {plural!r} is declared by {plugin}: {install_of(plugin)}")
    plurals = [found.plural for found in scanned().kinds]
    names = plurals if nearest(kind, plurals) else [found.singular for found in scanned().kinds]
    end = suggestion(str(kind), names, f"kinds are {', '.join(plurals)}")
    return UnknownComponent(f"there is no kind {kind!r}{end}")


def unknown(kind: str, name: str) -> UnknownComponent:
    """Make the error for a name that no component of a kind has.

    Example:
        >>> from lumin_core.registry.hints import unknown
        >>> str(unknown("optimiser", "adamm")).partition(";")[0]
        "there is no optimiser 'adamm'"
    """
    now = moved_to(kind, name)
    origin, _, bare = (now or name).rpartition("/")
    parts = [f"there is no {kind} {name!r}", *([f"it is {now!r} now"] if now else ())]
    names = sorted({component.name for component in known(kind) if is_valid(component.name)})
    parts += elsewhere(kind, now or name) or _near(bare, names, kind)
    parts += [*_misplaced(normalise(bare), origin), *_other_kinds(kind, normalise(bare)), *_origin(origin)]
    return UnknownComponent("; ".join([*parts, _known(kind, names)]).replace("?; ", "? "))


def known_distributions() -> set[str]:
    """Return the names of known plugins, and of what is installed, registered or switched off.

    Example:
        >>> from lumin_core.registry.hints import known_distributions
        >>> "lumin-plugin-gnn" in known_distributions()
        True
    """
    return {component.distribution for component in (*known(), *scanned().disabled)} | set(known_plugins())


def is_installed(distribution: str) -> bool:
    """Tell whether a plugin is there, switched off or broken though it may be.

    Example:
        >>> from lumin_core.registry.hints import is_installed
        >>> is_installed("no-such-plugin")
        False
    """
    return any(found.distribution == distribution for found in (*scanned().components, *scanned().disabled))


def missing(kind: str | None = None) -> list[tuple[str, str, str]]:
    """List what known plugins that are not installed have, as ``(plugin, kind, name)``.

    Args:
        kind: Only of this kind, in the singular.

    Example:
        >>> from lumin_core.registry.hints import missing
        >>> missing("no_such_kind")
        []
    """
    return [
        (plugin, its_kind, name)
        for plugin, theirs in known_plugins().items()
        if not is_installed(plugin)
        for its_kind, names in theirs["components"].items()
        if kind in (None, its_kind)
        for name in names
    ]


def elsewhere(kind: str, name: str) -> list[str]:
    """Say who has a name: plugins that are switched off, and known ones that are not installed.

    Example:
        >>> from lumin_core.registry.hints import elsewhere
        >>> elsewhere("head", "no_such_head")
        []
    """
    key = normalise(name.rpartition("/")[2])
    disabled = [found for found in scanned().disabled if found.key == key and singular(found.kind) == kind]
    hints = [f"{found.distribution} has it, but LUMIN_DISABLE_PLUGINS switches that off" for found in disabled]
    return hints + not_installed(kind, name)


def not_installed(kind: str, name: str) -> list[str]:
    """Say which of the known plugins has a name, of those that are not installed.

    Example:
        >>> from lumin_core.registry import not_installed
        >>> not_installed("head", "no_such_head")
        []
    """
    origin, _, bare = name.rpartition("/")
    return [
        f"{plugin} has it: {install_of(plugin)}"
        for plugin, _ in owners(kind, normalise(bare))
        if not is_installed(plugin) and (not origin or short(plugin) == short(origin))
    ]


def _other_kinds(kind: str, key: str) -> list[str]:
    others = {component.kind for component in known() if component.key == key} - {kind, UNREADABLE}
    return [f"there is {with_article(other)} of that name" for other in sorted(others)]


def _misplaced(key: str, origin: str) -> list[str]:
    """Say that a plugin has a name in a group that there is not, or cannot be read at all."""
    entries = [found for found in known(UNREADABLE) if found.value and found.key == key]
    whole = [found for found in known(UNREADABLE) if not found.value and short(found.distribution) == short(origin)]
    hints = [f"{found.distribution} has it, but {found.problem}" for found in entries]
    return hints + [f"{found.distribution} cannot be used: {found.problem}" for found in whole]


def _origin(origin: str) -> list[str]:
    """Say that a qualified name's distribution is not there."""
    there = {CORE, SESSION, *(short(component.distribution) for component in scanned().components)}
    if not origin or short(origin) in there:
        return []
    plugin = FIRST_PARTY_PREFIX + short(origin) if short(origin) in FIRST_PARTY else canonical(origin)
    return [f"no distribution {plugin!r} with components is installed and switched on"]


def _known(kind: str, names: list[str]) -> str:
    if not names:
        return f"no {kind} is installed"
    plural = next(found.plural for found in scanned().kinds if found.singular == kind)
    return f"known {plural}: {listed(names, _LISTED)} (lumin list-plugins --kind {plural})"
