"""The sources, read as text: these tests import as little as they can of what they look at."""

import ast
import importlib.util
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


class Module:
    """One source file: its dotted name and its syntax tree."""

    def __init__(self, path, package_root):
        self.path = path
        parts = path.relative_to(package_root).with_suffix("").parts
        self.is_package = parts[-1] == "__init__"
        self.name = ".".join(parts[:-1] if self.is_package else parts)
        self.tree = ast.parse(path.read_text(encoding="utf-8"), str(path))

    def imports(self):
        """Give (line, module, name or None) of every import, inside functions too; relative ones absolute."""
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import):
                yield from ((node.lineno, alias.name, None) for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                yield from ((node.lineno, self._absolute(node), alias.name) for alias in node.names)

    def _absolute(self, node):
        if not node.level:
            return node.module
        parts = self.name.split(".")
        parts = parts[: len(parts) - node.level + self.is_package]
        return ".".join([*parts, *([node.module] if node.module else [])])


def modules_of(package, package_root):
    return [Module(path, package_root) for path in sorted((package_root / package).rglob("*.py"))]


def read_toml(path):
    return tomllib.loads(path.read_text(encoding="utf-8"))


@pytest.fixture(scope="session")
def root():
    return ROOT


@pytest.fixture(scope="session")
def load_script():
    """Give a function that loads a script of CI as a module."""

    def load(name):
        spec = importlib.util.spec_from_file_location(name, ROOT / ".ci" / f"{name}.py")
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module

    return load


@pytest.fixture(scope="session")
def core_modules():
    found = modules_of("lumin_core", ROOT)
    assert len(found) > 20
    return found


@pytest.fixture(scope="session")
def plugins():
    """Give the folders of the plugins by their distribution's name."""
    found = {path.parent.name: path.parent for path in sorted((ROOT / "plugins").glob("*/pyproject.toml"))}
    in_all = read_toml(ROOT / "pyproject.toml")["project"]["optional-dependencies"]["all"]
    assert list(found) == [requirement.partition("[")[0] for requirement in in_all]
    return found


@pytest.fixture(scope="session")
def plugin_modules(plugins):
    return {name: modules_of(name.replace("-", "_"), folder) for name, folder in plugins.items()}


@pytest.fixture(scope="session")
def projects(plugins):
    """Give the pyproject.toml of every distribution by its name."""
    return {
        "lumin-core": read_toml(ROOT / "pyproject.toml"),
        **{name: read_toml(folder / "pyproject.toml") for name, folder in plugins.items()},
    }
