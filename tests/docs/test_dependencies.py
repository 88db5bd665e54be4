"""The lowest versions that are tested are those that are declared, and each dependency has its reason."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]
PROJECTS = [ROOT / "pyproject.toml", *sorted(ROOT.glob("plugins/*/pyproject.toml"))]
NOT_LOWEST = {"torch"}  # held by constraints.txt
UPPER = {"mplhep": "2"}  # whose interface changes with the first number; docs/dependencies.md says it


def requirements(path: Path) -> dict[str, Requirement]:
    declared = tomllib.loads(path.read_text(encoding="utf-8"))["project"].get("dependencies", [])
    found = {canonicalize_name(Requirement(text).name): Requirement(text) for text in declared}
    return {name: requirement for name, requirement in found.items() if not name.startswith("lumin-")}


def lower_bounds() -> dict[str, set[str]]:
    bounds: dict[str, set[str]] = {}
    for path in PROJECTS:
        for name, requirement in requirements(path).items():
            bounds.setdefault(name, set()).update(s.version for s in requirement.specifier if s.operator == ">=")
    return bounds


def test_lowest_versions_are_the_declared_ones():
    pinned = {}
    for line in (ROOT / "lowest.txt").read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            name, version = line.split("#")[0].strip().split("==")
            pinned[canonicalize_name(name)] = {version}
    declared = {name: versions for name, versions in lower_bounds().items() if name not in NOT_LOWEST}
    assert {name: pinned.get(name) for name in declared} == declared


@pytest.mark.parametrize("path", PROJECTS, ids=lambda path: path.parent.name)
def test_dependencies_have_a_lower_bound_and_no_upper_one(path):
    for name, requirement in requirements(path).items():
        bounds = {s.operator: s.version for s in requirement.specifier}
        assert bounds.keys() == {">=", *(["<"] if name in UPPER else [])}, requirement
        assert bounds.get("<") == UPPER.get(name), requirement


def test_each_dependency_has_its_reason():
    text = (ROOT / "docs" / "dependencies.md").read_text(encoding="utf-8")
    assert [name for name in lower_bounds() if f"| `{name}`" not in text] == []


@pytest.mark.parametrize("name", ["tox.ini", "CONTRIBUTING.md", ".ci/build_wheels.py", ".ci/run"])
def test_what_builds_and_tests_finds_plugins_by_their_folder(name):
    text = (ROOT / name).read_text(encoding="utf-8")
    assert [path.parent.name for path in PROJECTS[1:] if path.parent.name in text] == []


def test_the_readme_has_a_row_for_every_plugin():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert [path.parent.name for path in PROJECTS[1:] if f"(plugins/{path.parent.name}/README.md)" not in text] == []


def test_the_extra_all_has_every_plugin_and_standard_all_but_networks_on_objects_and_exporters():
    extras = tomllib.loads(PROJECTS[0].read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    plugins = [path.parent.name for path in PROJECTS[1:]]
    assert [Requirement(text).name for text in extras["all"]] == plugins
    special = ("lumin-plugin-gnn", "lumin-plugin-onnx", "lumin-plugin-sequence")
    assert [Requirement(text).name for text in extras["standard"]] == [name for name in plugins if name not in special]
    assert {"lumin-plugin-io[root]", "lumin-plugin-io[parquet,root]"} <= {*extras["standard"], *extras["all"]}
    assert extras["onnx"] == ["lumin-plugin-onnx"]
