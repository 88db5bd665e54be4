"""Every face is typed for mypy and for pyright.

Both are asked about the files of this folder, and about one that uses every public name there is. They look at the
packages that are installed, in tox those of the wheels.
"""

import ast
import importlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
FACES = sorted(
    ".".join(stub.parent.relative_to(base).parts)
    for base in (ROOT, *ROOT.glob("plugins/*"))
    for stub in [*base.glob("lumin_*/__init__.pyi"), *base.glob("lumin_*/*/__init__.pyi")]
)
IS_NOT_ANY = "# type: ignore[assignment]"  # as Any could be assigned, the comment would be one too many


def modules():
    """Modules of the core that are public themselves."""
    import lumin_core

    return [f"lumin_core.{name}" for name in lumin_core.__all__ if (ROOT / "lumin_core" / f"{name}.py").is_file()]


def names_of(face):
    module = importlib.import_module(face)
    if face in FACES:
        return [name for name in module.__all__ if not name.startswith("__")]
    body = ast.parse(Path(module.__file__).read_text(encoding="utf-8")).body
    return [node.name for node in body if isinstance(node, ast.FunctionDef | ast.ClassDef) if node.name[0] != "_"]


def every_name():
    """Code that uses every public name, and that does not type-check where one is `Any`."""
    lines = ["class Nothing: ...\n"]
    for i, face in enumerate([*FACES, *modules()]):
        lines.append(f"import {face} as face_{i}")
        lines += [f"name_{i}_{name}: Nothing = face_{i}.{name}  {IS_NOT_ANY}" for name in names_of(face)]
    return "\n".join(lines) + "\n"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder of nothing but the files to check, so that packages are those that are installed."""
    folder = tmp_path_factory.mktemp("typing")
    for path in HERE.glob("*.py"):
        if not path.name.startswith("test_"):
            (folder / path.name).write_bytes(path.read_bytes())
    (folder / "every_name.py").write_text(every_name(), encoding="utf-8")
    return folder


def sources():
    """Where packages are, if they are installed as the checkout that they are in."""
    import lumin_core

    is_installed = "site-packages" in Path(lumin_core.__file__).parts
    return [] if is_installed else [str(ROOT), *map(str, sorted(ROOT.glob("plugins/*")))]


def run(folder, *command):
    env = {**os.environ, "MYPYPATH": os.pathsep.join(sources())}
    done = subprocess.run(
        [sys.executable, "-m", *command], cwd=folder, env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_faces_are_those_of_core_and_plugins():
    plugins = [path.parent.name.replace("-", "_") for path in ROOT.glob("plugins/*/pyproject.toml")]
    assert set(plugins) <= set(FACES)
    assert {"lumin_core", "lumin_core.data", "lumin_core.training"} <= set(FACES)
    assert "lumin_core.checks" in modules()


def test_mypy_knows_every_name(folder):
    pytest.importorskip("mypy")
    run(folder, "mypy", "--config-file=", "--strict", "--ignore-missing-imports", ".")


def test_pyright_knows_every_name(folder):
    pytest.importorskip("pyright")
    config = {"extraPaths": sources(), "reportUnnecessaryTypeIgnoreComment": "error", "pythonVersion": "3.11"}
    (folder / "pyrightconfig.json").write_text(json.dumps(config), encoding="utf-8")
    run(folder, "pyright", "--pythonpath", sys.executable, ".")
