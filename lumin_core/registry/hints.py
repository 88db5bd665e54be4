"""What to say about a name that is unknown. Nothing is imported but difflib."""

from __future__ import annotations

from lumin_core.checks import nearest
from lumin_core.errors import UnknownComponent
from lumin_core.registry.first_party import FIRST_PARTY_COMPONENTS, FIRST_PARTY_KINDS, owners
from lumin_core.registry.lookup import components, kinds, scanned
from lumin_core.registry.names import (
    CORE,
    FIRST_PARTY,
    FIRST_PARTY_PREFIX,
    SESSION,
    canonical,
    normalise,
    short,
    singular,
    with_article,
)

_LISTED = 12


def near_hint(name: str, known: list[str]) -> str:
    """Give ``"; did you mean 'x'?"`` with the nearest of the known names, or nothing.

    Example:
        >>> from lumin_core.registry.hints import near_hint
        >>> near_hint("widht", ["depth", "width"])
        "; did you mean 'width'?"
    """
    near = " or ".join(map(repr, nearest(name, known)))
    return f"; did you mean {near}?" if near else ""


def unknown_kind(kind: object) -> UnknownComponent:
    """Make the error for a kind that does not exist.

    Example:
        >>> from lumin_core.registry.hints import unknown_kind
        >>> str(unknown_kind("haeds")).partition("?")[0]
        "there is no kind 'haeds'; did you mean 'heads'"
    """
    plurals = [known.plural for known in kinds()]
    for plural, plugin in FIRST_PARTY_KINDS.items():
        if isinstance(kind, str) and normalise(kind) in (normalise(plural), normalise(singular(plural))):
            return UnknownComponent(f"the kind {plural!r} is declared by {plugin}: pip install {plugin}")
    hint = near_hint(kind, plurals) if isinstance(kind, str) else ""
    return UnknownComponent(f"there is no kind {kind!r}{hint or ';'} kinds are {', '.join(plurals)}")


def unknown(kind: str, name: str) -> UnknownComponent:
    """Make the error for a name that no component of a kind has.

    Example:
        >>> from lumin_core.registry.hints import unknown
        >>> str(unknown("optimiser", "adamm")).partition(";")[0]
        "there is no optimiser 'adamm'"
    """
    origin, _, bare = name.rpartition("/")
    key = normalise(bare)
    hints = [*_disabled(kind, key), *(not_installed(kind, name) or _near(kind, bare))]
    hints += [*_other_kinds(kind, key), *_origin(origin)]
    return UnknownComponent("; ".join([f"there is no {kind} {name!r}", *hints, _known(kind)]).replace("?; ", "? "))


def _disabled(kind: str, key: str) -> list[str]:
    return [
        f"{component.distribution} has it, but LUMIN_DISABLE_PLUGINS switches that off"
        for component in scanned().disabled
        if component.key == key and component.kind in (kind, _plural(kind))
    ]


def _plural(kind: str) -> str:
    return next((known.plural for known in kinds() if known.singular == kind), kind)


def known_distributions() -> set[str]:
    """Give the names of our own plugins, and of what is installed, registered or switched off.

    Example:
        >>> from lumin_core.registry.hints import known_distributions
        >>> "lumin-plugin-gnn" in known_distributions()
        True
    """
    known = (*components(), *scanned().disabled)
    return {component.distribution for component in known} | set(FIRST_PARTY_COMPONENTS)


def is_installed(distribution: str) -> bool:
    """Tell whether a plugin is there, switched off or broken though it may be.

    Example:
        >>> from lumin_core.registry.hints import is_installed
        >>> is_installed("no-such-plugin")
        False
    """
    return any(known.distribution == distribution for known in (*scanned().components, *scanned().disabled))


def not_installed(kind: str, name: str) -> list[str]:
    """Say which of our plugins has a name, of those that are not installed.

    Example:
        >>> from lumin_core.registry.hints import not_installed
        >>> not_installed("head", "no_such_head")
        []
    """
    origin, _, bare = name.rpartition("/")
    return [
        f"{plugin} has it: pip install {plugin}"
        for plugin, _ in owners(kind, normalise(bare))
        if not is_installed(plugin) and (not origin or short(plugin) == short(origin))
    ]


def _near(kind: str, bare: str) -> list[str]:
    """Suggest near names.

    Those of our plugins that are not installed come with the way to have them.
    """
    names = [component.name for component in components(kind)]
    missing = {
        name: plugin
        for plugin, theirs in FIRST_PARTY_COMPONENTS.items()
        for name in theirs.get(kind, ())
        if name not in names and not is_installed(plugin)
    }
    near = nearest(bare, [*names, *missing])
    shown = [f"{name!r} (pip install {missing[name]})" if name in missing else repr(name) for name in near]
    return [f"did you mean {' or '.join(shown)}?"] if shown else []


def _other_kinds(kind: str, key: str) -> list[str]:
    others = sorted({component.kind for component in components() if component.key == key and component.kind != kind})
    return [f"there is {with_article(other)} of that name" for other in others]


def _origin(origin: str) -> list[str]:
    """Say that a qualified name's distribution is not there."""
    if not origin or short(origin) in (CORE, SESSION):
        return []
    if any(short(component.distribution) == short(origin) for component in scanned().components):
        return []
    plugin = FIRST_PARTY_PREFIX + short(origin) if short(origin) in FIRST_PARTY else canonical(origin)
    return [f"no distribution {plugin!r} with components is installed and switched on"]


def _known(kind: str) -> str:
    names = sorted({component.name for component in components(kind)})
    if not names:
        return f"no {kind} is installed"
    more = f" and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
    plural = _plural(kind)
    return f"known {plural}: {', '.join(names[:_LISTED])}{more} (lumin list-plugins --kind {plural})"
