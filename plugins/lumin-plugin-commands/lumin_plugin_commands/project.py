"""The files of a new plugin: a folder that installs, passes its tests, and can be published."""

from __future__ import annotations

import ast
import sys
from datetime import date
from importlib import metadata
from textwrap import indent
from typing import TYPE_CHECKING

from lumin_core import __version__, registry
from lumin_core.display import wrapped
from lumin_core.registry import canonical
from lumin_plugin_commands import project_texts as texts
from lumin_plugin_commands.plugin_needs import names_of, needs_of, packages_in

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lumin_plugin_commands.template import Part

_LINE = 100


def files_of(name: str, parts: Sequence[Part]) -> dict[str, str]:
    """Return the files of a plugin by their path in its folder.

    Args:
        name: Its distribution.
        parts: Its components.

    Example:
        >>> from lumin_core.registry import find_kind
        >>> from lumin_plugin_commands.project import files_of
        >>> from lumin_plugin_commands.template import template_of
        >>> files = files_of("maxout", [template_of(find_kind("body"), "maxout")])
        >>> [path for path in files if path.startswith("src/")]
        ['src/maxout/__init__.py', 'src/maxout/py.typed', 'src/maxout/body.py']
    """
    package, summary = package_of(name), _summary(parts)
    given = {"name": name, "package": package, "summary": summary, "year": date.today().year}
    return {
        "pyproject.toml": texts.PYPROJECT.format(
            **given,
            core=bound(),
            dependencies="".join(f'    "{line}",\n' for line in _dependencies(parts)),
            test="".join(f'    "{line}",\n' for line in _for_tests(parts)),
            entry_points=_entry_points(package, parts),
        ),
        "README.md": texts.README.format(**given, use="\n\n".join(map(_use, parts))),
        "LICENSE": texts.LICENSE.format(**given),
        ".gitignore": texts.GITIGNORE,
        ".pre-commit-config.yaml": texts.PRE_COMMIT,
        ".github/dependabot.yml": texts.DEPENDABOT,
        ".github/workflows/ci.yml": texts.WORKFLOW.format(**given),
        f"src/{package}/__init__.py": f'"""{summary}"""\n\n__version__ = "0.1.0"\n',
        f"src/{package}/py.typed": "",
        **{f"src/{package}/{part.module}.py": part.source for part in parts},
        "tests/test_conformance.py": texts.CONFORMANCE.format(**given),
        "tests/test_use.py": _tests(name, parts),
    }


def package_of(name: str) -> str:
    """Return the package of a distribution.

    Example:
        >>> from lumin_plugin_commands.project import package_of
        >>> package_of("Maxout-blocks")
        'maxout_blocks'
    """
    return canonical(name).replace("-", "_")


def bound() -> str:
    """Return the versions of the core whose interfaces a plugin of today knows.

    Example:
        >>> from lumin_plugin_commands.project import bound
        >>> bound().startswith(">=")
        True
    """
    major, minor, *_ = map(int, __version__.split(".")[:2])
    return f">={major}.{minor},<{major + 1}" if major else f">=0.{minor},<0.{minor + 1}"


def _summary(parts: Sequence[Part]) -> str:
    """Say in a sentence what a plugin has: what its component does, or the kinds."""
    if len(parts) == 1:
        return parts[0].summary
    return f"{len(parts)} components for lumin-core: {', '.join(part.name for part in parts[:3])}, ..."


def _entry_points(package: str, parts: Sequence[Part]) -> str:
    plurals = dict.fromkeys(part.kind.plural for part in parts)
    groups = {plural: [part for part in parts if part.kind.plural == plural] for plural in plurals}
    return "\n".join(
        f'[project.entry-points."lumin.{plural}"]\n'
        + "".join(f'{part.name} = "{package}.{part.module}:{part.attribute}"\n' for part in members)
        for plural, members in groups.items()
    )


def _dependencies(parts: Sequence[Part]) -> list[str]:
    """List what the modules import beyond what comes with the core."""
    found = {requirement for part in parts for requirement in imported_by(part.source)}
    return sorted(found - {*names_of(needs_of("lumin-core")), "lumin-core"})


def _for_tests(parts: Sequence[Part]) -> list[str]:
    """List the plugins that declare the kinds, where the modules do not import them anyway."""
    declarers = {component.name: component.distribution for component in _declarations()}
    needed = {declarers[part.kind.plural] for part in parts if part.kind.plural in declarers}
    return sorted(needed - set(_dependencies(parts)))


def _declarations() -> list[registry.Component]:
    return registry.components("kind")


def imported_by(source: str) -> set[str]:
    r"""Return the distributions that a module imports, Python's own modules left out.

    Args:
        source: The module.

    Example:
        >>> from lumin_plugin_commands.project import imported_by
        >>> sorted(imported_by("import json, numpy as np\nfrom lumin_core import Head"))
        ['lumin-core', 'numpy']
    """
    packages = {package for node in ast.walk(ast.parse(source)) for package in packages_in(node)}
    return {_distribution(package) for package in packages - sys.stdlib_module_names}


def _distribution(package: str) -> str:
    """Return the distribution that has a package: mostly it is called so."""
    try:
        return canonical(metadata.distribution(package).name)
    except metadata.PackageNotFoundError:
        return canonical(metadata.packages_distributions().get(package, [package])[0])


def _use(part: Part) -> str:
    """Show in the README how a component is used."""
    statements = [source for source, _ in part.use() if not _is_import(source)]
    code = [*(source for source, _ in part.use() if _is_import(source)), "", *statements]
    code = (
        code
        if statements
        else ["from lumin_core.registry import find", "", f'find("{part.kind.singular}", "{part.name}")']
    )
    lines = wrapped(part.summary, _LINE, rest="")
    return "\n".join([f"### `{part.name}`, of the kind {part.kind.plural}", "", *lines, "", "```python", *code, "```"])


def _tests(name: str, parts: Sequence[Part]) -> str:
    tests = "\n\n".join(_test(name, part) for part in parts)
    return texts.TEST_OF_USE.format(imports=_imports(parts), tests=tests)


def _test(name: str, part: Part) -> str:
    """Write the example of a component as a test."""
    lines = [
        f"def test_{part.name}_is_used_by_name() -> None:",
        f'    assert find("{part.kind.singular}", "{part.name}").distribution == "{canonical(name)}"',
    ]
    lines += [indent(_statement(*pair), "    ") for pair in part.use() if not _is_import(pair[0])]
    return "\n".join(lines) + "\n"


def _is_import(source: str) -> bool:
    return source.startswith(("import ", "from "))


def _imports(parts: Sequence[Part]) -> str:
    """Write the imports of all examples together: Python's own, others', the core's."""
    nodes = [ast.parse(source).body[0] for part in parts for source, _ in part.use() if _is_import(source)]
    plain = {alias for node in nodes if isinstance(node, ast.Import) for alias in map(ast.unparse, node.names)}
    names: dict[str, set[str]] = {"lumin_core.registry": {"find"}}
    for node in nodes:
        if isinstance(node, ast.ImportFrom):
            names.setdefault(str(node.module), set()).update(map(ast.unparse, node.names))
    lines = [(alias, f"import {alias}") for alias in plain]
    lines += [(module, f"from {module} import {', '.join(sorted(named))}") for module, named in names.items()]
    blocks: dict[int, list[str]] = {0: [], 1: [], 2: []}
    for module, line in sorted(lines, key=lambda pair: (pair[1].startswith("from"), pair[0])):
        top = module.partition(".")[0]
        blocks[0 if top in sys.stdlib_module_names else 2 if top.startswith("lumin_") else 1].append(line)
    return "\n\n".join("\n".join(block) for block in blocks.values() if block)


def _statement(source: str, want: str) -> str:
    """Write a statement of an example, with what it shows as an assertion."""
    if not want:
        return source
    try:
        ast.literal_eval(want)
    except (ValueError, SyntaxError):
        return f"assert repr({source}) == {want!r}"
    if want in ("True", "False"):
        return f"assert {source}" if want == "True" else f"assert not {source}"
    return f"assert {source} == {want}".replace("'", '"')
