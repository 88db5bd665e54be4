"""Look-up by name, over the session's registrations and what is installed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lumin_core.errors import AmbiguousComponent
from lumin_core.registry.names import SESSION, canonical, normalise, short
from lumin_core.registry.record import pin
from lumin_core.registry.scan import KIND_DECLARATION, UNREADABLE, Scan, scan

if TYPE_CHECKING:
    from lumin_core.registry.component import Component
    from lumin_core.registry.kind_table import Kind

_scanned: list[Scan] = []
_session: dict[tuple[str, str], Component] = {}


def scanned() -> Scan:
    """Give the one scan of this process, made at the first look-up.

    Example:
        >>> from lumin_core.registry.lookup import scanned
        >>> scanned() is scanned()
        True
    """
    if not _scanned:
        _scanned[:] = [scan()]
    return _scanned[0]


def session() -> dict[tuple[str, str], Component]:
    """Give the session's registrations by kind and compared name.

    Example:
        >>> from lumin_core.registry.lookup import session
        >>> ("head", "nosuchhead") in session()
        False
    """
    return _session


def refresh() -> None:
    """Forget the scan, so that the next look-up makes it anew.

    It sees what has been installed since, and the environment variables anew.

    Example:
        >>> from lumin_core.registry import refresh
        >>> refresh()
    """
    _scanned.clear()


def kinds() -> list[Kind]:
    """List the kinds: the core's, then those that plugins declare.

    Example:
        >>> from lumin_core.registry import kinds
        >>> [kind.plural for kind in kinds()][:3]
        ['heads', 'bodies', 'tails']
    """
    return list(scanned().kinds)


def find_kind(kind: str) -> Kind:
    """Find a kind by its singular or plural.

    Raises:
        UnknownComponent: If there is none; with did-you-mean.

    Example:
        >>> from lumin_core.registry import find_kind
        >>> find_kind("heads").singular
        'head'
    """
    key = normalise(kind) if isinstance(kind, str) else kind
    for known in scanned().kinds:
        if key in (normalise(known.singular), normalise(known.plural)):
            return known
    from lumin_core.registry.hints import unknown_kind

    raise unknown_kind(kind)


def components(kind: str | None = None) -> list[Component]:
    """List everything that is installed or registered, sorted by kind and name.

    Broken ones have a `problem`.

    Args:
        kind: Only of this kind; None for all, with plugins' declarations of kinds and unreadable
            distributions.

    Raises:
        UnknownComponent: If there is no such kind.

    Example:
        >>> from lumin_core.registry import components
        >>> "core/adam" in [component.qualified for component in components("optimisers")]
        True
    """
    known = sorted((*scanned().components, *_session.values()), key=lambda c: (c.kind, c.name, c.qualified))
    if kind is None:
        return known
    wanted = kind if kind in (KIND_DECLARATION, UNREADABLE) else find_kind(kind).singular
    return [component for component in known if component.kind == wanted]


def find(kind: str, name: str) -> Component:
    """Find a component by name; nothing is imported.

    A bare name is the session's own registration, else the one installed plugin's that has it.

    Args:
        kind: The kind, ``"head"`` or ``"heads"``.
        name: ``"gnn_head"``, or qualified, ``"gnn/gnn_head"``; case, ``-`` and ``_`` do not matter.

    Raises:
        AmbiguousComponent: If several distributions have a bare name.
        UnknownComponent: If none has it.

    Example:
        >>> from lumin_core.registry import find
        >>> find("optimiser", "core/AdamW").qualified
        'core/adamw'
    """
    singular = find_kind(kind).singular
    origin, _, bare = (name if "/" in name else pin(singular, normalise(name)) or name).rpartition("/")
    key = normalise(bare)
    if not origin and (singular, key) in _session:
        return _session[singular, key]
    matches = _matches(singular, key, origin)
    if len({component.distribution for component in matches}) > 1:
        names = " or ".join(sorted(repr(component.qualified) for component in matches))
        raise AmbiguousComponent(f"the {singular} {name!r} is in several distributions; write {names}")
    if not matches:
        from lumin_core.registry.hints import unknown

        raise unknown(singular, name)
    return matches[0]


def _matches(kind: str, key: str, origin: str) -> list[Component]:
    known = _session.values() if canonical(origin) == SESSION else scanned().components
    found = [component for component in known if component.kind == kind and component.key == key]
    return [component for component in found if not origin or short(component.distribution) == short(origin)]
