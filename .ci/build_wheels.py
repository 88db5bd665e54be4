"""Build the wheel and the source distribution of each distribution into an empty folder, with lists of them.

    python .ci/build_wheels.py FOLDER

Each is built from a copy: setuptools works in the folder of the sources, where leftovers of earlier builds would get
in, and builds that run at the same time would remove each other's files. Each wheel is built from its own source
distribution, so that it has no files that this lacks. Beside them `plugins.txt` names the distributions of the plugins,
with the extras that `lumin-core[all]` has, for pip's `-r`, `light.txt` those without what is slow to install,
`packages.txt` the packages of all, for pytest's `@`.
Needs `setuptools`, which is not installed anew for each: one process a distribution asks it for both, which the command
`build` does in five.
"""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path
from shutil import copy, copytree, ignore_patterns, rmtree
from tempfile import TemporaryDirectory

ROOT = Path(__file__).resolve().parents[1]
HEAVY = "onnx>="  # slow to install, and for export alone
BUILD = """
import os, sys, tarfile, tempfile
from setuptools import build_meta

target = sys.argv[1]
source = build_meta.build_sdist(target)
with tempfile.TemporaryDirectory() as folder:
    with tarfile.open(os.path.join(target, source)) as archive:
        archive.extractall(folder, filter="data")
    os.chdir(os.path.join(folder, source.removesuffix(".tar.gz")))
    build_meta.build_wheel(target)
    os.chdir(target)
"""


def copy_sources(project: Path, target: Path) -> None:
    """Copy what a distribution is built from."""
    for name in ("LICENSE", "README.md", "pyproject.toml"):
        copy(project / name, target)
    for package in project.glob("lumin_*/__init__.py"):
        copytree(package.parent, target / package.parent.name, ignore=ignore_patterns("__pycache__"))


def main() -> None:
    """Build them."""
    target = Path(sys.argv[1]).resolve()
    rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    for project in [ROOT, *sorted(path.parent for path in ROOT.glob("plugins/*/pyproject.toml"))]:
        command = [sys.executable, "-c", BUILD, str(target)]
        with TemporaryDirectory() as folder:
            copy_sources(project, Path(folder))
            done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)  # noqa: S603
        if done.returncode:
            sys.exit(f"the wheel of {project.name} cannot be built:\n{done.stdout}{done.stderr}")
        print("built", project.name)
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    plugins = {requirement.partition("[")[0]: requirement for requirement in extras["all"]}
    projects = {name: (ROOT / "plugins" / name / "pyproject.toml").read_text(encoding="utf-8") for name in plugins}
    lists = {
        "plugins.txt": plugins.values(),
        "light.txt": [requirement for name, requirement in plugins.items() if HEAVY not in projects[name]],
        "packages.txt": ["lumin_core", *(name.replace("-", "_") for name in plugins)],
    }
    for name, lines in lists.items():
        (target / name).write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
