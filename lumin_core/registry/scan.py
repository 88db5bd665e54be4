"""The scan: every entry point of the groups ``lumin.*``.

They are read from the metadata of what is installed. Nothing is imported, and no distribution can
spoil the listing of another: what is wrong with one becomes the `problem` of its components.
Requirements of the plain form that our plugins have are compared here: `packaging` would cost a
part of the start-up of ``lumin list-plugins``.
"""

from __future__ import annotations

import operator
import os
import re
from collections import Counter
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

from lumin_core import __version__
from lumin_core.errors import BrokenPlugin, IncompatiblePlugin, LuminError
from lumin_core.registry import distributions
from lumin_core.registry.component import Component, session
from lumin_core.registry.distributions import GROUP, REQUIREMENT, headers, name_of
from lumin_core.registry.kind_table import CORE_KINDS, Kind
from lumin_core.registry.known_plugins import declared_kinds, declarer
from lumin_core.registry.names import (
    CORE,
    FIRST_PARTY,
    SEAMS,
    canonical,
    is_reserved,
    is_valid,
    normalise,
    short,
    singular,
)

if TYPE_CHECKING:
    from collections.abc import Iterable
    from importlib import metadata

KIND_DECLARATION = "kind"
UNREADABLE = "plugin"
_RESERVED = {"kind", "kinds", "plugin", "plugins", *(name for seam in SEAMS for name in (seam, singular(seam)))}

_VALUE = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_][\w.]*")
_ALIAS = re.compile(r"[A-Za-z0-9][\w.-]*[:/][A-Za-z][\w-]*")
_OF_AN_EXTRA = re.compile(r""";\s*extra\s*==\s*["'][\w.-]+["']\s*$""")
_PLAIN_CLAUSE = re.compile(r"(>=|<=|==|<|>)\s*(\d+(?:\.\d+)*)")
_COMPARE = {">=": operator.ge, "<=": operator.le, "==": operator.eq, "<": operator.lt, ">": operator.gt}


class Scan(NamedTuple):
    """What one scan found.

    Attributes:
        components: All of them, sorted by kind, name and origin; broken ones too.
        disabled: Components of plugins that ``LUMIN_DISABLE_PLUGINS`` switches off.
        kinds: The core's kinds, then those that plugins declare.
        beside: What stands in the groups of ours that hold no components, `SEAMS`, and is well
            written; its kind is the name of the group.

    Example:
        >>> from lumin_core.registry.scan import scan
        >>> scan().kinds[0].singular
        'head'
    """

    components: tuple[Component, ...]
    disabled: tuple[Component, ...]
    kinds: tuple[Kind, ...]
    beside: tuple[Component, ...]


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
    there = [component for distribution in distributions.found() for component in _components_of(*distribution)]
    off = {name.strip() for name in os.environ.get("LUMIN_DISABLE_PLUGINS", "").split(",") if name.strip()}
    _warn_of_strangers(off, {short(component.distribution) for component in there})
    names = {short(name) for name in off} - {CORE}
    disabled = [component for component in there if short(component.distribution) in names]
    enabled = [component for component in there if short(component.distribution) not in names]
    active, kinds = _by_kind([component for component in enabled if not _is_beside(component)])
    active = sorted(active, key=_order)
    is_strict = os.environ.get("LUMIN_STRICT_PLUGINS", "0") not in ("", "0")
    for component in active if is_strict else ():
        if component.problem is not None:
            component.load()  # which raises it
    return Scan(
        tuple(active),
        tuple(sorted(disabled, key=_order)),
        kinds,
        tuple(sorted(filter(_is_beside, enabled), key=_order)),
    )


def _warn_of_strangers(off: Iterable[str], installed: set[str]) -> None:
    """Say that something is to be switched off that is not there, and is no plugin of ours."""
    known_names = {*installed, *FIRST_PARTY}
    if unknown := [name for name in sorted(off) if short(name) not in known_names]:
        import logging  # slow to import, and seldom needed

        from lumin_core.checks import did_you_mean

        for name in unknown:
            hint = did_you_mean(short(name), sorted(known_names))
            logging.getLogger(__name__).warning("LUMIN_DISABLE_PLUGINS names %r, which is no plugin%s", name, hint)


@cache
def scanned() -> Scan:
    """Return the one scan of this process, made at the first look-up.

    Example:
        >>> from lumin_core.registry.scan import scanned
        >>> scanned() is scanned()
        True
    """
    return scan()


def refresh() -> None:
    """Forget the scan, so that the next look-up makes it anew.

    It sees what has been installed since, and the environment variables anew.

    Example:
        >>> from lumin_core.registry import refresh
        >>> refresh()
    """
    scanned.cache_clear()


def known(kind: str | None = None) -> list[Component]:
    """List what is installed or registered, sorted by kind and name.

    Args:
        kind: Only of this kind, in the singular.

    Example:
        >>> from lumin_core.registry.scan import known
        >>> known("optimiser")[0].qualified
        'core/adadelta'
    """
    listed = sorted((*scanned().components, *session().values()), key=_order)
    return [component for component in listed if kind in (None, component.kind)]


def _is_beside(component: Component) -> bool:
    """Tell whether an entry stands in a group that holds no components, and is well written."""
    return component.kind in SEAMS and component.problem is None


def _order(component: Component) -> tuple[str, str, str]:
    return component.kind, component.name, component.qualified


def _components_of(distribution: metadata.Distribution, problem: str | None) -> list[Component]:
    """List a distribution's components; their kinds are still the names of the groups."""
    name = name_of(distribution)
    version = next(iter(headers(distribution, "Version")), None)
    said = [canonical(said) for said in headers(distribution, "Name") if said]
    if problem is None and said and said[0] != name:
        problem = f"its METADATA says that it is {said[0]!r}; install the distribution again"
    try:
        entries = [entry for entry in distribution.entry_points if GROUP.fullmatch(f"[{entry.group}]")]
    except Exception as error:  # noqa: BLE001  # whatever is wrong with one distribution is its own problem
        problem = problem or f"its entry points cannot be read: {type(error).__name__}: {error}"
    if problem is None and not entries:
        problem = "its entry_points.txt has no entry in a group of ours, such as [lumin.heads], that is well written"
    whole = Component(UNREADABLE, name, f"{short(name)}/{name}", name, version, "", problem)
    if problem is not None:
        return [whole]
    whole = _checked(whole, headers(distribution, "Requires-Dist"))
    made = [_component(entry, whole) for entry in entries]
    counts = Counter((component.kind, component.key) for component in made)
    return [_with_problem(c, "its distribution names it twice") if counts[c.kind, c.key] > 1 else c for c in made]


def _component(entry: metadata.EntryPoint, whole: Component) -> Component:
    """Make a component of a distribution, which has the problem of the whole one."""
    name, value = entry.name.replace("-", "_"), entry.value.replace(" ", "")
    kind, qualified = entry.group.removeprefix("lumin."), f"{short(whole.distribution)}/{name}"
    origin = whole.distribution, whole.version
    made = Component(kind, name, qualified, *origin, value, whole.problem, whole.error)
    if not is_valid(name):
        return _with_problem(made, f"{entry.name!r} is no name: letters, digits, '-' and '_', and not 'name' itself")
    pattern, form = (_ALIAS, "distribution:new_name") if kind == "aliases" else (_VALUE, "module:attribute")
    if pattern.fullmatch(value) is None:
        return _with_problem(made, f"its entry point should be {form!r}, got {entry.value!r}")
    return made


def _with_problem(component: Component, problem: str, error: type[LuminError] = BrokenPlugin) -> Component:
    """Say what is wrong with a component, unless that is known already."""
    return component if component.problem else replace(component, problem=problem, error=error)


def _checked(whole: Component, requirements: Iterable[str]) -> Component:
    """Say what is wrong with a whole distribution."""
    if is_reserved(whole.name):
        return _with_problem(
            whole, f"the name {whole.name!r} of its distribution is reserved for qualified names of ours"
        )
    if whole.version is None:
        return _with_problem(whole, "its metadata cannot be read; install the distribution again")
    for line in requirements if short(whole.name) != CORE else ():
        try:
            fits = not REQUIREMENT.match(line) or _allows(line, __version__)
        except ValueError as error:
            return _with_problem(whole, f"its Requires-Dist cannot be read: {error}")
        if not fits:
            problem = f"it asks for {line}, but this is lumin-core {__version__}; upgrade the one or the other"
            return _with_problem(whole, problem, IncompatiblePlugin)
    return whole


@cache  # of many plugins it is the same
def _allows(requirement: str, version: str) -> bool:
    """Tell whether a requirement holds for a version.

    One that does not apply here (markers, extras) holds. ``packaging`` is slow to import, and asked
    about unusual ones alone.
    """
    if _OF_AN_EXTRA.search(requirement):
        return True
    bounds = re.sub(r"^\s*\[[\w\s,.-]*\]", "", REQUIREMENT.sub("", requirement, 1))
    clauses = [_PLAIN_CLAUSE.fullmatch(clause.strip()) for clause in bounds.split(",")]
    if re.fullmatch(r"\d+(\.\d+)*", version) and all(clauses):
        return all(_COMPARE[match[1]](_release(version), _release(match[2])) for match in clauses if match)
    from packaging.requirements import Requirement

    parsed = Requirement(requirement)
    if parsed.marker is not None and not parsed.marker.evaluate({"extra": ""}):
        return True
    return parsed.specifier.contains(version, prereleases=True)


def _release(version: str) -> tuple[int, ...]:
    """Give a plain version's numbers less trailing zeros, so that 0.1 is 0.1.0."""
    return tuple(int(part) for part in re.sub(r"(\.0+)+$", "", version).split("."))


def _by_kind(components: list[Component]) -> tuple[list[Component], tuple[Kind, ...]]:
    """Take up the kinds that plugins declare, and put each component into its kind.

    A kind that is declared already is that declaration's problem. Components of the kinds that
    known plugins declare sleep until these are installed.
    """
    kinds = {kind.plural: kind for kind in CORE_KINDS}
    taken = _RESERVED.union(*(kind.keys for kind in CORE_KINDS))
    declared = []
    for component in sorted((component for component in components if component.kind == "kinds"), key=_order):
        kind = Kind(singular(component.name), component.name, component.value)
        if kind.keys & taken:
            component = _with_problem(component, f"the kind {kind.plural!r} is declared already")
        if component.problem is None:
            kinds[kind.plural] = kind
            taken |= kind.keys
        declared.append(_of_kind(component, KIND_DECLARATION))
    sorted_in = []
    for component in components:
        if component.kind in kinds:
            sorted_in.append(_of_kind(component, kinds[component.kind].singular))
        elif component.kind == UNREADABLE and not component.value:
            sorted_in.append(component)
        elif component.kind in SEAMS:
            sorted_in.append(_of_kind(component, UNREADABLE))
        elif component.kind != "kinds" and declarer(component.kind) is None:
            problem = _problem_of_group(component.kind, kinds.values())
            sorted_in.append(_with_problem(_of_kind(component, UNREADABLE), problem))
    return declared + sorted_in, tuple(kinds.values())


def _of_kind(component: Component, kind: str) -> Component:
    """Put a component into another kind: of thousands, `dataclasses.replace` would be slow."""
    c = component
    return Component(kind, c.name, c.qualified, c.distribution, c.version, c.value, c.problem, c.error, c.obj)


def _problem_of_group(group: str, kinds: Iterable[Kind]) -> str:
    """Say which group was meant: by the singular, in another spelling, or nearly."""
    from lumin_core.checks import nearest

    match = GROUP.fullmatch(f"[{group}]")
    asked = (match["kind"] or "") if match else group
    names = {key: kind.plural for kind in kinds for key in kind.keys}
    names |= {normalise(name): plural for plural in declared_kinds() for name in (singular(plural), plural)}
    names |= {"kind": "kinds", "kinds": "kinds"}
    meant = [names[key] for key in (normalise(asked), *nearest(asked, names)) if key in names][:1]
    hint = f"; did you mean the group 'lumin.{meant[0]}'?" if meant else ""
    if match:
        return f"its group {group!r} is none of ours{hint or '; ours are lumin.heads, lumin.bodies, ...'}"
    return f"no installed plugin declares the kind {group!r}{hint}"
