"""Look-up by name, over the session's registrations and what is installed; and what pins a name."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from lumin_core.errors import AmbiguousComponent
from lumin_core.registry.component import session as session
from lumin_core.registry.hints import unknown, unknown_kind
from lumin_core.registry.names import SESSION, canonical, moved_to, normalise, short
from lumin_core.registry.record import Text
from lumin_core.registry.renaming import aliases, tell
from lumin_core.registry.scan import KIND_DECLARATION, UNREADABLE, known, scanned

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lumin_core.registry.component import Component
    from lumin_core.registry.kind_table import Kind

_pins: ContextVar[Mapping[tuple[str, str], str]] = ContextVar("pins", default={})  # noqa: B039  # never changed


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
    key = normalise(str(kind))
    for candidate in scanned().kinds:
        if key in candidate.keys:
            return candidate
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
    return known(kind if kind in (None, KIND_DECLARATION, UNREADABLE) else find_kind(kind).singular)


def beside(seam: str) -> list[Component]:
    """List what stands in a group that holds no components, as entry points of plugins.

    Args:
        seam: ``"aliases"``, ``"checks"`` or ``"templates"``.

    Example:
        >>> from lumin_core.registry import beside
        >>> [entry.name for entry in beside("no_such_group")]
        []
    """
    return [component for component in scanned().beside if component.kind == seam]


def find(kind: str, name: str) -> Component:
    """Find a component by name; nothing is imported.

    A bare name is the session's own registration, else the one installed plugin's that has it.

    Args:
        kind: The kind, ``"head"`` or ``"heads"``.
        name: ``"gnn_head"``, or qualified, ``"gnn/gnn_head"``; case, ``-`` and ``_`` do not matter.
            A qualified name that has moved to another plugin leads there, and one that a plugin
            has an alias for to what it is called now, with a warning.

    Raises:
        AmbiguousComponent: If several distributions have a bare name.
        UnknownComponent: If none has it.

    Example:
        >>> from lumin_core.registry import find
        >>> find("optimiser", "core/AdamW").qualified
        'core/adamw'
    """
    singular = find_kind(kind).singular
    wanted = name if "/" in name else _pins.get().get((singular, normalise(name)), name)
    matches = _matches(singular, wanted) or _matches(singular, moved_to(singular, wanted) or wanted)
    matches = matches or _renamed(singular, wanted)
    if not matches:
        raise unknown(singular, name)
    if len({component.distribution for component in matches}) > 1:
        names = " or ".join(sorted(repr(component.qualified) for component in matches))
        raise AmbiguousComponent(f"the {singular} {name!r} is in several distributions; write {names}")
    if isinstance(name, Text):
        name.asked = singular, matches[0].qualified
    return matches[0]


def _renamed(kind: str, name: str) -> list[Component]:
    """List what is called otherwise now, by the aliases of plugins."""
    found = {match.qualified: match for new in aliases(name) for match in _matches(kind, new)}
    for now in found if len(found) == 1 else ():
        tell(f"the {kind} {name!r} is called {now!r} now; write that")
    return list(found.values())


def _matches(kind: str, name: str) -> list[Component]:
    """List what a name may mean; a bare one that the session has means that."""
    origin, _, bare = name.rpartition("/")
    key = normalise(bare)
    if canonical(origin or SESSION) == SESSION and (kind, key) in session():
        return [session()[kind, key]]
    return [
        component
        for component in scanned().components
        if (component.kind, component.key) == (kind, key)
        if not origin or short(component.distribution) == short(origin)
    ]


def qualified(name: str) -> str:
    """Return a name as a config holds it.

    Args:
        name: Any text of a specification.

    Returns:
        Text that was looked up as the name of a component is the qualified name, that which is
        `pinned` first; all other text stays as it is.

    Example:
        >>> from lumin_core.registry import build, noting
        >>> from lumin_core.registry.lookup import qualified
        >>> name = noting("relu")
        >>> qualified(name), build("activation", name), qualified(name)
        ('relu', ReLU(), 'core/relu')
    """
    if not isinstance(name, Text) or name.asked is None:
        return str(name)
    kind, found = name.asked
    return _pins.get().get((kind, normalise(name)), found)


def written(value: Any) -> Any:
    """Copy a specification with all names of components in it as a config holds them.

    Args:
        value: What `noting` gave, and something was built from.

    Example:
        >>> from lumin_core.registry import build, noting, written
        >>> options = noting({"layers": ["relu", "relu"], "mode": "max"})
        >>> _ = [build("activation", name) for name in options["layers"]]
        >>> written(options)
        {'layers': ['core/relu', 'core/relu'], 'mode': 'max'}
    """
    if isinstance(value, str):
        return qualified(value)
    if isinstance(value, Mapping):
        return {key: written(entry) for key, entry in value.items()}
    return [written(entry) for entry in value] if isinstance(value, list | tuple) else value


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
    pins = {(find_kind(kind).singular, normalise(name)): qualified for (kind, name), qualified in names.items()}
    token = _pins.set({**_pins.get(), **pins})
    try:
        yield
    finally:
        _pins.reset(token)
