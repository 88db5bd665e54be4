"""What a plugin imports and does not ask for: its author has it installed, and a user may not."""

from __future__ import annotations

import ast
import re
import sys
from importlib import metadata
from typing import TYPE_CHECKING

from lumin_core.registry import canonical, modules_of, sources_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

_NAME = re.compile(r"[A-Za-z0-9][\w.-]*")


def undeclared(plugin: str, requirements: Iterable[str]) -> dict[str, list[Path]]:
    """Find the distributions that a plugin imports and does not ask for; nothing is imported.

    What lumin-core brings need not be asked for, nor what is imported for types alone or inside of
    a ``try`` that goes on without it.

    Args:
        plugin: Its distribution, which is installed.
        requirements: What it asks for, as ``pyproject.toml`` says it, extras included.

    Returns:
        Name of the distribution to the files that import it.

    Example:
        >>> from lumin_plugin_commands.plugin_needs import undeclared
        >>> list(undeclared("lumin-plugin-commands", []))
        []
    """
    asked = {plugin, "lumin-core", *names_of(requirements), *names_of(needs_of("lumin-core"))}
    brought_by = {
        module: {canonical(name) for name in names} for module, names in metadata.packages_distributions().items()
    }
    own = modules_of(plugin)
    found: dict[str, list[Path]] = {}
    for path in [path for module in own for path in sources_of(module)]:
        for name in sorted(_imported(path) - {*own} - sys.stdlib_module_names):
            distributions = brought_by.get(name, set())
            if distributions and not distributions & asked:
                found.setdefault(min(distributions), []).append(path)
    return dict(sorted(found.items()))


def is_installed_from(plugin: str, folder: Path) -> bool:
    """Tell whether the modules that are installed are those of a project, or the same.

    So it is where the project has no such module, or none is installed.

    Args:
        plugin: Its distribution, which is installed.
        folder: The folder of the project.

    Example:
        >>> import pathlib, tempfile
        >>> from lumin_plugin_commands.plugin_needs import is_installed_from
        >>> is_installed_from("lumin-plugin-commands", pathlib.Path(tempfile.mkdtemp()))
        True
    """
    return all(_is_alike(sources_of(module), folder, module) for module in modules_of(plugin))


def _is_alike(installed: list[Path], folder: Path, module: str) -> bool:
    """Compare what is installed of a module with that of a project, where both are there."""
    for place in (folder / "src", folder):
        is_package = (place / module).is_dir()
        here = sorted((place / module).rglob("*.py") if is_package else place.glob(f"{module}.py"))
        if here and installed:
            root = min(installed, key=lambda path: len(path.parts)).parent
            return _texts(installed, root) == _texts(here, place / module if is_package else place)
    return True


def _texts(files: Iterable[Path], root: Path) -> dict[Path, str]:
    return {path.relative_to(root): path.read_text(encoding="utf-8", errors="replace") for path in files}


def needs_of(distribution: str) -> list[str]:
    """Return what an installed distribution asks for without an extra.

    Args:
        distribution: The distribution.

    Example:
        >>> from lumin_plugin_commands.plugin_needs import needs_of
        >>> any(line.startswith("click") for line in needs_of("lumin-core"))
        True
    """
    return [line for line in metadata.requires(distribution) or [] if "extra ==" not in line]


def names_of(requirements: Iterable[str]) -> list[str]:
    """Return the distributions that requirements are of.

    Args:
        requirements: As metadata write them.

    Example:
        >>> from lumin_plugin_commands.plugin_needs import names_of
        >>> names_of(["Scikit_Learn>=1.4", "tqdm[notebook]; extra == 'bar'"])
        ['scikit-learn', 'tqdm']
    """
    return [canonical(match[0]) for line in requirements if (match := _NAME.match(line))]


def _imported(path: Path) -> set[str]:
    """Return the first names of what a file imports; none of one that cannot be read."""
    try:
        tree = ast.parse(path.read_bytes())
    except (OSError, SyntaxError, ValueError):  # which the look at imports says
        return set()
    return set(_needed(tree))


def packages_in(node: ast.AST) -> list[str]:
    """Return the first names of what a statement imports, relative imports left out.

    Args:
        node: The statement; what is none that imports has none.

    Example:
        >>> import ast
        >>> from lumin_plugin_commands.plugin_needs import packages_in
        >>> packages_in(ast.parse("import torch.nn, numpy as np").body[0])
        ['torch', 'numpy']
    """
    if isinstance(node, ast.ImportFrom):
        return [] if node.level else [str(node.module).partition(".")[0]]
    return [alias.name.partition(".")[0] for alias in node.names] if isinstance(node, ast.Import) else []


def _needed(tree: ast.AST) -> Iterator[str]:
    for node in ast.iter_child_nodes(tree):
        yield from packages_in(node)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            yield from (name for other in node.orelse for name in _needed(ast.Module([other], [])))
        elif not (isinstance(node, ast.Try) and any(map(_goes_on_without, node.handlers))):
            yield from _needed(node)


def _goes_on_without(handler: ast.ExceptHandler) -> bool:
    return handler.type is None or "ImportError" in (said := ast.unparse(handler.type)) or "ModuleNotFound" in said
