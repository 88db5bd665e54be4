"""The stub beside a package says of its public names what the package does."""

import ast
import importlib
import inspect
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
STUBS = [
    *sorted((ROOT / "lumin_core").rglob("__init__.pyi")),
    *sorted(ROOT.glob("plugins/*/lumin_plugin_*/__init__.pyi")),
]


def package_of(stub):
    base = stub.parents[1] if "plugins" in stub.relative_to(ROOT).parts else ROOT
    return ".".join(stub.parent.relative_to(base).parts)


def test_every_package_with_lazy_names_has_a_stub():
    packages = [*(ROOT / "lumin_core").rglob("__init__.py"), *ROOT.glob("plugins/*/lumin_plugin_*/__init__.py")]
    lazy = [path for path in packages if "lazy.attach" in path.read_text(encoding="utf-8")]
    assert len(lazy) > 12
    assert sorted(path.with_suffix(".pyi") for path in lazy) == sorted(STUBS)


@pytest.mark.parametrize("stub", STUBS, ids=package_of)
def test_stub_and_package_have_the_same_names_from_the_same_modules(stub):
    package = importlib.import_module(package_of(stub))
    said, written = {}, set()
    for node in ast.parse(stub.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.ImportFrom):
            said |= {alias.asname: node.module for alias in node.names if alias.asname}
        elif isinstance(node, ast.FunctionDef):
            written.add(node.name)
        elif isinstance(node, ast.AnnAssign):
            written.add(node.target.id)
    assert sorted({*said, *written}) == sorted(package.__all__)
    for name, home in said.items():
        real = getattr(package, name)
        assert real is getattr(importlib.import_module(home), name, None) or inspect.ismodule(real)
        assert getattr(real, "__module__", home) in (
            home,
            "typing",
            "types",
            "builtins",
            "collections.abc",
        ) or not isinstance(real, type)


@pytest.mark.parametrize("stub", STUBS, ids=package_of)
def test_functions_that_a_stub_writes_out_have_the_parameters_of_the_real_ones(stub):
    package = importlib.import_module(package_of(stub))
    for node in ast.parse(stub.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.FunctionDef):
            real = inspect.signature(getattr(package, node.name)).parameters.values()
            said = inspect.signature(without_annotations(node)).parameters.values()
            assert [(p.name, p.kind, p.default) for p in said] == [(p.name, p.kind, p.default) for p in real], node.name


def without_annotations(node):
    """Make the function that a stub writes out, with its defaults."""
    for argument in ast.walk(node.args):
        if isinstance(argument, ast.arg):
            argument.annotation = None
    bare = ast.FunctionDef("made", node.args, [ast.Pass()], [], lineno=1)
    scope = {}
    exec(compile(ast.fix_missing_locations(ast.Module([bare], [])), "stub", "exec"), scope)
    return scope["made"]
