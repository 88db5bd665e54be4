"""The scan: every entry point of the groups ``lumin.*``.

They are read from the metadata of what is installed. Nothing is imported, and no distribution can
spoil the listing of another: what is wrong with one becomes the `problem` of its components. Only
headers of the metadata are read, and requirements of the plain form that our plugins have are
compared here: Python's mail parser and `packaging` would cost a quarter of the start-up of
``lumin list-plugins``.
"""

from __future__ import annotations

import operator
import os
import re
from collections import Counter
from dataclasses import replace
from importlib import metadata
from typing import TYPE_CHECKING, NamedTuple

from lumin_core import __version__
from lumin_core.errors import BrokenPlugin, IncompatiblePlugin, LuminError
from lumin_core.registry.component import Component, session
from lumin_core.registry.kind_table import CORE_KINDS, Kind
from lumin_core.registry.names import (
    FIRST_PARTY,
    canonical,
    declared_kinds,
    declarer,
    is_reserved,
    is_valid,
    normalise,
    short,
    singular,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

KIND_DECLARATION = "kind"
UNREADABLE = "plugin"
_RESERVED = {"kind", "kinds", "plugin", "plugins"}
_NO_GROUPS = {"lumin.kind", "lumin.plugin"}  # whose endings stand for something else here

_VALUE = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_][\w.]*")
_PLAIN_CLAUSE = re.compile(r"(>=|<=|==|<|>)\s*(\d+(?:\.\d+)*)")
_COMPARE = {">=": operator.ge, "<=": operator.le, "==": operator.eq, "<": operator.lt, ">": operator.gt}
_GROUP = re.compile(r"^[ \t]*\[\s*lumin([-_.]?core)?([-_.]?plugins?)?[-_.:](?P<kind>\w+)\s*\]", re.I | re.M)
_LEFT_OVER = (
    "another version of it is installed in the same folder; uninstall it until none is left, and install it again"
)
_REQUIREMENT = re.compile(r"lumin[-_.]+core(?![\w.-])", re.IGNORECASE)


class Scan(NamedTuple):
    """What one scan found.

    Attributes:
        components: All of them, sorted by kind, name and origin; broken ones too.
        disabled: Components of plugins that ``LUMIN_DISABLE_PLUGINS`` switches off.
        kinds: The core's kinds, then those that plugins declare.

    Example:
        >>> from lumin_core.registry.scan import scan
        >>> scan().kinds[0].singular
        'head'
    """

    components: tuple[Component, ...]
    disabled: tuple[Component, ...]
    kinds: tuple[Kind, ...]


def scan() -> Scan:
    """Read the metadata of all installed distributions.

    Raises:
        BrokenPlugin: With ``LUMIN_STRICT_PLUGINS=1``, if something is wrong with a plugin.
        IncompatiblePlugin: With ``LUMIN_STRICT_PLUGINS=1``, if a plugin asks for another version
            of lumin-core.

    Example:
        >>> from lumin_core.registry.scan import scan
        >>> any(component.name == "adam" for component in scan().components)
        True
    """
    found = [component for distribution in _distributions() for component in _components_of(*distribution)]
    off = {name.strip() for name in os.environ.get("LUMIN_DISABLE_PLUGINS", "").split(",") if name.strip()}
    _warn_of_strangers(off, {short(component.distribution) for component in found})
    names = {short(name) for name in off} - {"core"}
    disabled = [component for component in found if short(component.distribution) in names]
    active, kinds = _declare([component for component in found if component not in disabled])
    active = _check_groups(active, kinds)
    if os.environ.get("LUMIN_STRICT_PLUGINS", "0") not in ("", "0"):
        _raise_first_problem(active)
    return Scan(tuple(sorted(active, key=_order)), tuple(sorted(disabled, key=_order)), kinds)


def _warn_of_strangers(off: Iterable[str], installed: set[str]) -> None:
    """Say that something is to be switched off that is not there, and is no plugin of ours."""
    if unknown := [name for name in sorted(off) if short(name) not in {*installed, *FIRST_PARTY}]:
        import logging  # slow to import, and seldom needed

        from lumin_core.checks import did_you_mean

        for name in unknown:
            hint = did_you_mean(short(name), sorted({*installed, *FIRST_PARTY}))
            logging.getLogger(__name__).warning("LUMIN_DISABLE_PLUGINS names %r, which is no plugin%s", name, hint)


_scanned: list[Scan] = []


def scanned() -> Scan:
    """Return the one scan of this process, made at the first look-up.

    Example:
        >>> from lumin_core.registry.scan import scanned
        >>> scanned() is scanned()
        True
    """
    if not _scanned:
        _scanned[:] = [scan()]
    return _scanned[0]


def refresh() -> None:
    """Forget the scan, so that the next look-up makes it anew.

    It sees what has been installed since, and the environment variables anew.

    Example:
        >>> from lumin_core.registry import refresh
        >>> refresh()
    """
    _scanned.clear()


def known(kind: str | None = None) -> list[Component]:
    """List what is installed or registered, sorted by kind and name.

    Args:
        kind: Only of this kind, in the singular.

    Example:
        >>> from lumin_core.registry.scan import known
        >>> known("optimiser")[0].qualified
        'core/adadelta'
    """
    found = sorted((*scanned().components, *session().values()), key=_order)
    return [component for component in found if kind in (None, component.kind)]


def _order(component: Component) -> tuple[str, str, str]:
    return component.kind, component.name, component.qualified


def _raise_first_problem(components: Iterable[Component]) -> None:
    for component in sorted(components, key=_order):
        if component.problem is not None:
            component.load()


def _distributions() -> Iterator[tuple[metadata.Distribution, str | None]]:
    """Give the distributions with entry points of ours, and what is wrong with the place of one.

    There is one for each name: the first on ``sys.path``, as for imports. The name is the folder's,
    so that what one says of itself never hides another.
    """
    candidates: dict[str, list[metadata.Distribution]] = {}
    for candidate in metadata.distributions():
        if _concerns_us(candidate) and not _folder(candidate).startswith("~"):  # which is what pip could not remove
            candidates.setdefault(_name(candidate), []).append(candidate)
    for name, same in candidates.items():
        first = _first(name) or same[0]
        if _concerns_us(first):
            yield first, None
            yield from ((other, _LEFT_OVER) for other in _beside(first, same))


def _beside(first: metadata.Distribution, same: Iterable[metadata.Distribution]) -> list[metadata.Distribution]:
    """List other versions in the folder of the first, where none of them comes first."""
    found = {getattr(distribution, "_path", None): distribution for distribution in same}
    path = getattr(first, "_path", None)
    return [other for at, other in found.items() if at and path and at != path and at.parent == path.parent]


def _concerns_us(distribution: metadata.Distribution) -> bool:
    """Tell whether it has entry points of ours; where they cannot be read, asks for lumin-core."""
    try:
        return _GROUP.search(distribution.read_text("entry_points.txt") or "") is not None
    except (OSError, ValueError):
        return any(_REQUIREMENT.match(line) for line in _headers(distribution, "Requires-Dist"))


def _first(name: str) -> metadata.Distribution | None:
    try:
        return metadata.distribution(name)
    except (metadata.PackageNotFoundError, ValueError):
        return None


def _headers(distribution: metadata.Distribution, header: str) -> list[str]:
    try:
        text = distribution.read_text("METADATA") or distribution.read_text("PKG-INFO") or ""
    except (OSError, ValueError):
        return []
    return re.findall(rf"^{header}:[ \t]*(.*?)[ \t]*$", text.replace("\r", "").partition("\n\n")[0], re.MULTILINE)


def _folder(distribution: metadata.Distribution) -> str:
    return str(getattr(getattr(distribution, "_path", None), "name", ""))


def _name(distribution: metadata.Distribution) -> str:
    """Give the name: the folder's, which does not depend on what can be read."""
    names = _headers(distribution, "Name")
    folder = re.sub(r"\.(dist|egg)-info$", "", _folder(distribution)).partition("-")[0]
    return canonical(folder or (names[0] if names else "unknown"))


def _components_of(distribution: metadata.Distribution, problem: str | None) -> list[Component]:
    """List a distribution's components; their kinds are still the names of the groups."""
    name = _name(distribution)
    version = next(iter(_headers(distribution, "Version")), None)
    said = [canonical(said) for said in _headers(distribution, "Name") if said]
    if problem is None and said and said[0] != name:
        problem = f"its METADATA says that it is {said[0]!r}; install the distribution again"
    try:
        entries = [entry for entry in distribution.entry_points if _GROUP.fullmatch(f"[{entry.group}]")]
    except Exception as error:  # noqa: BLE001  # whatever is wrong with one distribution is its own problem
        problem = problem or f"its entry points cannot be read: {type(error).__name__}: {error}"
    if problem is not None:
        return [Component(UNREADABLE, name, f"{short(name)}/{name}", name, version, "", problem)]
    problem, kind_of_error = _problem_of(name, version, distribution)
    made = [_component(entry, name, version, problem, kind_of_error) for entry in entries]
    counts = Counter((component.kind, component.key) for component in made)
    return [_with_problem(c, "its distribution names it twice") if counts[c.kind, c.key] > 1 else c for c in made]


def _component(
    entry: metadata.EntryPoint, distribution: str, version: str | None, problem: str | None, error: type[LuminError]
) -> Component:
    name = entry.name.replace("-", "_")
    made = Component(
        kind=entry.group if entry.group in _NO_GROUPS else entry.group.removeprefix("lumin."),
        name=name,
        qualified=f"{short(distribution)}/{name}",
        distribution=distribution,
        version=version,
        value=entry.value.replace(" ", ""),
        problem=problem,
        error=error,
    )
    if not is_valid(name):
        return _with_problem(made, f"{entry.name!r} is no name: letters, digits, '-' and '_', and not 'name' itself")
    if _VALUE.fullmatch(made.value) is None:
        return _with_problem(made, f"its entry point should be 'module:attribute', got {entry.value!r}")
    return made


def _with_problem(component: Component, problem: str) -> Component:
    return component if component.problem else replace(component, problem=problem, error=BrokenPlugin)


def _problem_of(
    name: str, version: str | None, distribution: metadata.Distribution
) -> tuple[str | None, type[LuminError]]:
    """Say what is wrong with a whole distribution, and the error that this is."""
    if is_reserved(name):
        return f"the name {name!r} of its distribution is reserved for qualified names of ours", BrokenPlugin
    if version is None:
        return "its metadata cannot be read; install the distribution again", BrokenPlugin
    if short(name) == "core":
        return None, BrokenPlugin
    try:
        return _incompatibility(_headers(distribution, "Requires-Dist")), IncompatiblePlugin
    except ValueError as error:
        return f"its Requires-Dist cannot be read: {error}", BrokenPlugin


def _incompatibility(requirements: Iterable[str]) -> str | None:
    for line in requirements:
        if _REQUIREMENT.match(line) and not _allows(line, __version__):
            return f"it asks for {line}, but this is lumin-core {__version__}; upgrade the one or the other"
    return None


def _allows(requirement: str, version: str) -> bool:
    """Tell whether a requirement holds for a version.

    One that does not apply here (markers, extras) holds.
    """
    clauses = [_PLAIN_CLAUSE.fullmatch(clause.strip()) for clause in _REQUIREMENT.sub("", requirement, 1).split(",")]
    if re.fullmatch(r"\d+(\.\d+)*", version) and all(clauses):
        return all(_COMPARE[match[1]](_release(version), _release(match[2])) for match in clauses if match)
    from packaging.requirements import Requirement

    parsed = Requirement(requirement)
    if parsed.marker is not None and not parsed.marker.evaluate({"extra": ""}):
        return True
    return parsed.specifier.contains(version, prereleases=True)


def _release(version: str) -> tuple[int, ...]:
    """Give a plain version's numbers less trailing zeros, so that 0.1 is 0.1.0."""
    numbers = [int(part) for part in version.split(".")]
    while numbers and numbers[-1] == 0:
        numbers.pop()
    return tuple(numbers)


def _declare(components: list[Component]) -> tuple[list[Component], tuple[Kind, ...]]:
    """Take up the kinds that plugins declare.

    One that is declared already is that declaration's problem.
    """
    kinds = {kind.plural: kind for kind in CORE_KINDS}
    taken = {normalise(name) for kind in CORE_KINDS for name in (kind.singular, kind.plural)} | _RESERVED
    checked = []
    for component in sorted(components, key=_order):
        if component.kind == "kinds":
            component = replace(component, kind=KIND_DECLARATION)
            kind = Kind(singular(component.name), component.name, component.value)
            names = {normalise(kind.singular), normalise(kind.plural)}
            if component.problem is None and names & taken:
                component = _with_problem(component, f"the kind {component.name!r} is declared already")
            elif component.problem is None:
                kinds[component.name] = kind
                taken |= names
        checked.append(component)
    return checked, tuple(kinds.values())


def _check_groups(components: Iterable[Component], kinds: tuple[Kind, ...]) -> list[Component]:
    """Put each component into its kind; those of our plugins that are not installed sleep."""
    singulars = {kind.plural: kind.singular for kind in kinds}
    checked = []
    for component in components:
        if component.kind in singulars:
            checked.append(replace(component, kind=singulars[component.kind]))
        elif component.kind in (KIND_DECLARATION, UNREADABLE):
            checked.append(component)
        elif declarer(component.kind) is None:
            problem = _problem_of_group(component.kind, kinds)
            checked.append(_with_problem(replace(component, kind=UNREADABLE), problem))
    return checked


def _problem_of_group(group: str, kinds: tuple[Kind, ...]) -> str:
    """Say which group was meant: by the singular, in another spelling, or nearly."""
    from lumin_core.checks import nearest

    asked = match["kind"] if (match := _GROUP.fullmatch(f"[{group}]")) else group
    names = {normalise(name): kind.plural for kind in kinds for name in (kind.singular, kind.plural)}
    names |= {normalise(name): plural for plural in declared_kinds() for name in (singular(plural), plural)}
    names |= {"kind": "kinds", "kinds": "kinds"}
    meant = [names[key] for key in (normalise(asked), *nearest(asked, names)) if key in names][:1]
    hint = f"; did you mean the group 'lumin.{meant[0]}'?" if meant else ""
    if asked != group:
        return f"its group {group!r} is none of ours{hint or '; ours are lumin.heads, lumin.bodies, ...'}"
    return f"no installed plugin declares the kind {group!r}{hint}"
