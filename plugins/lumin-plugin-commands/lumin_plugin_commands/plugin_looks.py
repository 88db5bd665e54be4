"""The looks at a plugin: its metadata, what is installed of it, its import, its promises.

Each look says what is well in a line, or gives findings: what is wrong, and the way out.
"""

from __future__ import annotations

import os
import re
import sys
import tomllib
from contextlib import contextmanager, redirect_stdout, suppress
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from lumin_core import __version__, registry
from lumin_core.checks import did_you_mean, listed
from lumin_core.display import count
from lumin_core.errors import ConfigError, IncompatiblePlugin
from lumin_core.registry import SEAMS, canonical, check_apart, for_authors
from lumin_plugin_commands.plugin_needs import is_installed_from, needs_of, undeclared

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from lumin_core.registry import Component
    from lumin_core.testing import Report

_NAME = re.compile(r"[a-z][a-z0-9_]*")
_PREFIX = "lumin."
_CORE = re.compile(r"lumin[-_.]+core(?![\w.-])", re.IGNORECASE)
KEYWORD = "lumin-plugin"
"""The keyword by which plugins are found on an index."""


class Finding(NamedTuple):
    """Something that is wrong.

    Attributes:
        what: What is wrong.
        way_out: What to do.
        is_error: Whether the plugin fails for it; else it is advice.
    """

    what: str
    way_out: str
    is_error: bool = True


class Plugin(NamedTuple):
    """A plugin that is looked at.

    Attributes:
        name: Its distribution.
        folder: Its project, where that was given.
        project: The table ``[project]`` of it.
    """

    name: str
    folder: Path | None = None
    project: Mapping[str, Any] | None = None

    @property
    def installed(self) -> metadata.Distribution | None:
        """What is installed of it."""
        try:
            return metadata.distribution(self.name)
        except metadata.PackageNotFoundError:
            return None

    @property
    def components(self) -> list[Component]:
        """Its components, declarations of kinds and what cannot be read among them."""
        return [found for found in registry.components() if found.distribution == canonical(self.name)]


def read_plugin(given: str) -> Plugin:
    """Take a folder with a project, or the name of a distribution.

    Args:
        given: The one or the other.

    Raises:
        ConfigError: If it is neither.

    Example:
        >>> from lumin_plugin_commands.plugin_looks import read_plugin
        >>> read_plugin("Lumin_Plugin.Losses").name
        'lumin-plugin-losses'
    """
    folder = Path(given).expanduser()
    if folder.is_dir():
        return _read_project(folder)
    if Plugin(given).installed is None:
        known = sorted({found.distribution for found in registry.components()} - {"session"})
        hint = did_you_mean(canonical(given), known)
        raise ConfigError(f"there is neither a folder {given} nor an installed distribution of that name{hint}")
    return Plugin(canonical(given))


def _read_project(folder: Path) -> Plugin:
    file = folder / "pyproject.toml"
    try:
        project = tomllib.loads(file.read_text(encoding="utf-8")).get("project", {})
    except (OSError, ValueError) as error:
        raise ConfigError(f"{file} cannot be read: {error}; give the folder of a plugin, or its name") from error
    if not isinstance(project, dict) or not isinstance(project.get("name"), str):
        raise ConfigError(f"{file} has no [project] with a name; `lumin new-plugin` writes one that has")
    return Plugin(canonical(project["name"]), folder, project)


def look_at_metadata(plugin: Plugin) -> Iterator[Finding | str]:
    """Look at what the project says of itself, with validate-pyproject where it is installed."""
    if plugin.folder is None or plugin.project is None:
        yield f"of {plugin.name} as it is installed"
        return
    problem = _problem_of_pyproject(plugin.folder / "pyproject.toml")
    if problem is not None:
        yield Finding(f"pyproject.toml: {problem}", "mend it there")
    else:
        yield "pyproject.toml can be read"
    if KEYWORD not in plugin.project.get("keywords", ()):
        yield Finding(f"its keywords lack {KEYWORD!r}, by which plugins are found", "add it to [project]", False)
    yield from _unsaid(plugin)
    if not list(plugin.folder.glob("**/py.typed")):
        yield Finding("it has no py.typed, so that its types are not seen", "add the empty file to the package", False)


def _unsaid(plugin: Plugin) -> Iterator[Finding]:
    """Look whether the README says the names of the components, also after one was renamed."""
    seams = {f"{_PREFIX}{seam}" for seam in ("kinds", *SEAMS)}
    names = sorted({name for group, name in _entry_points(plugin) if group not in seams})
    for file in sorted(plugin.folder.glob("README*")) if plugin.folder else ():
        text = file.read_text(encoding="utf-8", errors="replace")
        if left := [name for name in names if not re.search(rf"\b{re.escape(name)}\b", text)]:
            yield Finding(f"{file.name} does not name {listed(left)}", "show there how it is used", is_error=False)


def _problem_of_pyproject(path: Path) -> str | None:
    """Return what validate-pyproject says, without the net; None where it says nothing."""
    try:
        from validate_pyproject import api, errors
    except ImportError:
        return None
    with _environment(VALIDATE_PYPROJECT_NO_NETWORK="1"):
        try:
            api.Validator()(tomllib.loads(path.read_text(encoding="utf-8")))
        except errors.ValidationError as error:
            return str(error.message).replace("\n", " ")
    return None


@contextmanager
def _environment(**variables: str) -> Iterator[None]:
    before = dict(os.environ)
    os.environ.update(variables)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def look_at_entry_points(plugin: Plugin) -> Iterator[Finding | str]:
    """Look at groups and names, as the project says them, else as they are installed."""
    entries = _entry_points(plugin)
    groups = {f"{_PREFIX}{name}" for name in ("kinds", *SEAMS, *(kind.plural for kind in registry.kinds()))}
    groups |= {f"{_PREFIX}{name}" for group, name in entries if group == f"{_PREFIX}kinds"}
    for group, name in entries:
        if group not in groups:
            hint = did_you_mean(group, groups)
            yield Finding(f"the group {group!r} is none of a kind{hint}", "rename it, and install again")
        if group != f"{_PREFIX}checks" and _NAME.fullmatch(name) is None:
            yield Finding(f"the name {name!r} in {group!r} should be a-z, 0-9 and '_'", "write it in snake case")
    if not entries:
        yield Finding("it has no entry point in a group of ours", 'such as [project.entry-points."lumin.heads"]')
    else:
        yield f"{count(len(entries), 'name')} in {listed(sorted({group for group, _ in entries}))}"


def _entry_points(plugin: Plugin) -> dict[tuple[str, str], str]:
    if plugin.project is not None:
        groups: Mapping[str, Mapping[str, str]] = plugin.project.get("entry-points", {})
        ours = {group: members for group, members in groups.items() if group.startswith("lumin")}
        return {(group, name): value for group, members in ours.items() for name, value in members.items()}
    return _installed_entry_points(plugin)


def _installed_entry_points(plugin: Plugin) -> dict[tuple[str, str], str]:
    found = plugin.installed
    return {(e.group, e.name): e.value for e in found.entry_points if e.group.startswith("lumin")} if found else {}


def look_at_bounds(plugin: Plugin) -> Iterator[Finding | str]:
    """Look at which versions of the core it asks for."""
    way_out = f'"lumin-core{_bound()}" among its dependencies is what it knows'
    lines = needs_of(plugin.name) if plugin.project is None else plugin.project.get("dependencies", [])
    found = [_asked(line, way_out) for line in lines if _CORE.match(line)]
    yield from found or [Finding("it does not say which lumin-core it needs", way_out)]


def _asked(line: str, way_out: str) -> Finding | str:
    """Say whether a requirement allows this core, and none that nobody knows."""
    from packaging.requirements import InvalidRequirement, Requirement

    try:
        asked = Requirement(line).specifier
    except InvalidRequirement as error:
        return Finding(f"{line!r} cannot be read: {error}", way_out)
    if not asked.contains(__version__, prereleases=True):
        return Finding(f"it asks for {line}, but this is lumin-core {__version__}", way_out)
    if not any(bound.operator in ("<", "<=", "==", "~=") for bound in asked):
        return Finding(f"it asks for {line}, any later version too", way_out, is_error=False)
    return f"{line} allows {__version__}"


def _bound() -> str:
    from lumin_plugin_commands.project import bound

    return bound()


def look_at_install(plugin: Plugin) -> Iterator[Finding | str]:
    """Look whether what is installed is what the project says: an editable install goes stale."""
    from lumin_core.testing import is_of_these_sources

    again = f"pip install -e {plugin.folder}" if plugin.folder else f"pip install --force-reinstall {plugin.name}"
    found = plugin.installed
    if found is None:
        yield Finding(f"{plugin.name} is not installed here", again)
        return
    if plugin.project is not None:
        said = {pair: value.replace(" ", "") for pair, value in _entry_points(plugin).items()}
        there = {pair: value.replace(" ", "") for pair, value in _installed_entry_points(plugin).items()}
        differ = sorted(name for (_, name) in dict(said.items() ^ there.items()))
        if differ:
            yield Finding(f"the install is older than pyproject.toml: {listed(differ)} differ", again)
        if _plainly(plugin.project.get("dependencies", [])) != _plainly(needs_of(plugin.name)):
            yield Finding("the install is older than pyproject.toml: it asks for other dependencies", again)
        elif plugin.folder is not None and not is_installed_from(plugin.name, plugin.folder):
            yield Finding("what is installed, and looked at here, is another source than the folder's", again)
        version = plugin.project.get("version", found.version)
        if version != found.version:
            yield Finding(f"{found.version} is installed, pyproject.toml says {version}", again, False)
    for component in plugin.components:
        if component.problem is not None and component.error is not IncompatiblePlugin:  # which the bounds say
            yield Finding(f"{component.kind} {component.qualified}: {component.problem}", "mend it, and install again")
    if plugin.folder is None and not is_of_these_sources(plugin.name):
        what = "its lumin-checks.json is of other sources than those that are installed"
        yield Finding(what, "run `lumin check-plugin .` in its folder before it is built", is_error=False)
    yield f"{plugin.name} {found.version}, {count(len(plugin.components), 'component')}"


def _plainly(lines: Iterable[str]) -> set[str]:
    """Return requirements in one spelling, as far as they can be read."""
    from packaging.requirements import InvalidRequirement, Requirement

    plain = set()
    for line in lines:
        with suppress(InvalidRequirement):
            asked = Requirement(line)
            asked.name = canonical(asked.name)
            plain.add(str(asked))
    return plain


def look_at_needs(plugin: Plugin) -> Iterator[Finding | str]:
    """Look whether what its modules import is among its dependencies."""
    lines = metadata.requires(plugin.name) or []
    if plugin.project is not None:
        extras: Mapping[str, list[str]] = plugin.project.get("optional-dependencies", {})
        lines = [*plugin.project.get("dependencies", []), *(line for asked in extras.values() for line in asked)]
    found = undeclared(plugin.name, lines)
    for distribution, files in found.items():
        names = listed(dict.fromkeys(file.name for file in files))
        yield Finding(f"{names} imports {distribution}, which it does not ask for", "add it to its dependencies")
    if not found:
        yield "it asks for what it imports, as far as that is installed here"


def look_at_import(plugin: Plugin, seconds: float) -> Iterator[Finding | str]:
    """Import everything in a process of its own."""
    looked = [component for component in plugin.components if component.problem is None]
    problems = check_apart(looked, seconds)
    for component, problem in zip(looked, problems, strict=True):
        if problem is not None:
            what, way_out = for_authors(problem)
            yield Finding(f"{component.kind} {component.qualified}: {what}", way_out or "mend it in the module")
    if looked and not any(problems):
        yield f"{count(len(looked), 'component')}, in a process that does nothing else"


def look_at_promises(plugin: Plugin, *, full: bool | None, reports: list[Report]) -> Iterator[Finding | str]:
    """Run the checks of `lumin_core.testing`; what components print goes to the standard error."""
    from lumin_core.testing import check_distribution

    with redirect_stdout(sys.stderr):
        report = check_distribution(plugin.name, full=full)
    reports.append(report)
    for outcome in report.outcomes:
        if outcome.state in ("failed", "warned"):
            what = f"{outcome.kind} {outcome.name}, {outcome.check}: {outcome.message}"
            yield Finding(what, f"lumin describe {outcome.kind} says what it promises", outcome.state == "failed")
    yield repr(report).splitlines()[0]
