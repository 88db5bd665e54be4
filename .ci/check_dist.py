"""Examine what `build_wheels.py` has built: is it what the repository holds, all of it, and nothing else?

    python .ci/check_dist.py FOLDER

Every distribution has a wheel and a source distribution, of one version. A wheel holds its package, byte for byte, and
the licence; a source distribution holds the same, and what a wheel is built with. No two wheels have a file in common:
they can be installed one by one, in any order.
"""

from __future__ import annotations

import sys
import tarfile
import tomllib
from itertools import combinations
from pathlib import Path, PurePosixPath
from typing import NamedTuple
from zipfile import ZipFile

ROOT = Path(__file__).resolve().parents[1]
LICENCE = (ROOT / "LICENSE").read_bytes()
METADATA = {"License-Expression: Apache-2.0", "License-File: LICENSE", "Description-Content-Type: text/markdown"}
GENERATED = {
    *("METADATA", "RECORD", "WHEEL", "entry_points.txt", "top_level.txt"),  # of a wheel
    *("PKG-INFO", "SOURCES.txt", "dependency_links.txt", "requires.txt", "setup.cfg"),  # of a source distribution
}

Files = dict[str, bytes]


class Project(NamedTuple):
    """A distribution: its folder, the name of its package, and how the names of its files begin."""

    folder: Path
    package: str
    stem: str

    @property
    def wheel(self) -> str:
        """The name of its wheel."""
        return f"{self.stem}-py3-none-any.whl"

    @property
    def sdist(self) -> str:
        """The name of its source distribution."""
        return f"{self.stem}.tar.gz"

    def sources(self) -> Files:
        """Return the files of its package."""
        paths = [path for path in (self.folder / self.package).rglob("*") if path.is_file()]
        return {
            path.relative_to(self.folder).as_posix(): path.read_bytes()
            for path in paths
            if "__pycache__" not in path.parts
        }


def find_projects() -> list[Project]:
    """Return all distributions of this repository."""
    metadata = {
        path.parent: tomllib.loads(path.read_text(encoding="utf-8"))["project"]
        for path in [ROOT / "pyproject.toml", *sorted(ROOT.glob("plugins/*/pyproject.toml"))]
    }
    version = metadata[ROOT]["version"]
    packages = {folder: project["name"].replace("-", "_") for folder, project in metadata.items()}
    return [Project(folder, package, f"{package}-{version}") for folder, package in packages.items()]


def in_wheel(path: Path) -> Files:
    """Return the files of a wheel."""
    with ZipFile(path) as wheel:
        return {name: wheel.read(name) for name in wheel.namelist()}


def in_sdist(path: Path) -> Files:
    """Return the files of a source distribution, by their names below its one folder."""
    with tarfile.open(path) as archive:
        files = {member.name.partition("/")[2]: archive.extractfile(member) for member in archive if member.isfile()}
        return {name: file.read() for name, file in files.items() if file}


def problems_of(project: Project, wheel: Files, sdist: Files) -> list[str]:
    """Say what is wrong with the two files of a distribution."""
    info = f"{project.stem}.dist-info"
    sources = project.sources()
    roots = {name: (project.folder / name).read_bytes() for name in ("README.md", "pyproject.toml")}
    lines = wheel[f"{info}/METADATA"].decode().splitlines()
    return [
        *differences(project.wheel, {**sources, f"{info}/licenses/LICENSE": LICENCE}, wheel),
        *differences(project.sdist, {**sources, **roots, "LICENSE": LICENCE}, sdist),
        *(f"the metadata of {project.wheel} lack {line!r}" for line in sorted(METADATA.difference(lines))),
    ]


def differences(where: str, expected: Files, found: Files) -> list[str]:
    """Say in what two sets of files differ, but for those that are generated."""
    more = {name for name in found.keys() - expected.keys() if PurePosixPath(name).name not in GENERATED}
    others = {name for name in found.keys() & expected.keys() if found[name] != expected[name]}
    return [
        *(f"{where} lacks {name}" for name in sorted(expected.keys() - found.keys())),
        *(f"{where} has {name}, which does not belong to it" for name in sorted(more)),
        *(f"{where} has another {name}" for name in sorted(others)),
    ]


def problems_in(folder: Path) -> list[str]:
    """Say what is wrong with the files of all distributions."""
    projects = find_projects()
    expected = {name for project in projects for name in (project.wheel, project.sdist)}
    found = {path.name for pattern in ("*.whl", "*.tar.gz") for path in folder.glob(pattern)}
    if found != expected:
        return [f"{name} is {'not there' if name in expected else 'not asked for'}" for name in found ^ expected]
    wheels = {project: in_wheel(folder / project.wheel) for project in projects}
    problems = []
    for project, wheel in wheels.items():
        problems += problems_of(project, wheel, in_sdist(folder / project.sdist))
    for (one, files), (other, others) in combinations(wheels.items(), 2):
        problems += [f"{one.wheel} and {other.wheel} both have {name}" for name in files.keys() & others.keys()]
    return problems


def main() -> None:
    """Examine them."""
    problems = problems_in(Path(sys.argv[1]))
    if problems:
        sys.exit("\n".join(problems))
    print("wheels and source distributions hold what they have to hold")


if __name__ == "__main__":
    main()
