"""Install and test the plugins in examples/ as strangers do theirs: from a copy of each folder, beside our wheels.

    python .ci/outside.py

What they ask for beyond our distributions, which are installed already, comes from PyPI: lgatr, PyYAML, pytest. One
process tests both, by the settings that the scaffold wrote, since each spends seconds on importing torch.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from shutil import copytree, ignore_patterns
from tempfile import TemporaryDirectory

ROOT = Path(__file__).resolve().parents[1]
LEFTOVERS = ignore_patterns("__pycache__", "*.egg-info", "build", "lumin-checks.json")


def run(*arguments: str | Path) -> None:
    """Run a module of this Python, and end with its exit code if that is not 0."""
    done = subprocess.run([sys.executable, "-m", *map(str, arguments)], check=False)  # noqa: S603
    if done.returncode:
        sys.exit(done.returncode)


def main() -> None:
    """Copy, install, test."""
    with TemporaryDirectory() as folder:
        projects = [Path(folder) / path.parent.name for path in sorted(ROOT.glob("examples/*/pyproject.toml"))]
        for project in projects:
            copytree(ROOT / "examples" / project.name, project, ignore=LEFTOVERS)
        options = ["--quiet", "--no-compile", "--no-build-isolation", "-c", ROOT / "constraints.txt"]
        run("pip", "install", *options, "pytest", *projects)
        run("pytest", "-q", "--durations=5", "-c", projects[-1] / "pyproject.toml", "--rootdir", folder, *projects)


if __name__ == "__main__":
    main()
