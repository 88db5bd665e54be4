"""Start-up: whole processes that list the plugins or import the core, against a Python that does nothing.

Also a listing where 400 more distributions are installed, of five components each.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path
from time import perf_counter

import common

REPETITIONS = 15
GOAL_S, GOAL_OF_MANY_S = 0.1, 0.3
N_DISTRIBUTIONS, N_COMPONENTS = 400, 5


def whole_process(command: list[str], site: str = "") -> float:
    """Run a command to its end, with what is installed in a further folder."""
    start = perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env={**os.environ, "PYTHONPATH": site})
    return perf_counter() - start


def install_many(site: Path) -> None:
    """Write the metadata of many distributions, none of which has a module."""
    for i in range(N_DISTRIBUTIONS):
        folder = site / f"blocks_{i}-1.0.dist-info"
        folder.mkdir()
        headers = f"Metadata-Version: 2.1\nName: blocks-{i}\nVersion: 1.0\nRequires-Dist: lumin-core>=0.2,<99\n"
        (folder / "METADATA").write_text(headers, encoding="utf-8")
        names = [f"part_{i}_{j} = blocks_{i}:Part{j}" for j in range(N_COMPONENTS)]
        (folder / "entry_points.txt").write_text("\n".join(["[lumin.callbacks]", *names]), encoding="utf-8")


def main() -> None:
    """Measure, print, write."""
    lumin = shutil.which("lumin", path=str(Path(sys.executable).parent))
    if lumin is None:
        sys.exit(f"expected the command lumin beside {sys.executable}; install lumin-core there")
    commands = {
        "python -c pass": [sys.executable, "-c", "pass"],
        "import lumin_core": [sys.executable, "-c", "import lumin_core"],
        "lumin --help": [lumin, "--help"],
        "lumin list-plugins": [lumin, "list-plugins"],
    }
    ways = {name: partial(whole_process, command) for name, command in commands.items()}
    with tempfile.TemporaryDirectory() as site:
        install_many(Path(site))
        ways |= {f"with {N_DISTRIBUTIONS} more": partial(whole_process, commands["lumin list-plugins"], site)}
        results = common.ratios(common.alternate(ways, REPETITIONS), "python -c pass")
    rows = [[name, r["median_s"], r["spread_s"]] for name, r in results.items()]
    goals = f"goal {GOAL_S} s, with {N_DISTRIBUTIONS} distributions more {GOAL_OF_MANY_S} s"
    common.show(f"start-up ({goals})", ["", "median [s]", "spread [s]"], rows)
    common.keep("startup", results)


if __name__ == "__main__":
    main()
