"""Start-up: whole processes that list the plugins or import the core, against a Python that does nothing."""

from __future__ import annotations

import shutil
import subprocess
import sys
from functools import partial
from pathlib import Path
from time import perf_counter

import common

REPETITIONS = 15
GOAL_S = 0.1


def whole_process(command: list[str]) -> float:
    """Run a command to its end."""
    start = perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return perf_counter() - start


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
    results = common.ratios(common.alternate(ways, REPETITIONS), "python -c pass")
    rows = [[name, r["median_s"], r["spread_s"]] for name, r in results.items()]
    common.show(f"start-up (goal {GOAL_S} s)", ["", "median [s]", "spread [s]"], rows)
    common.keep("startup", results)


if __name__ == "__main__":
    main()
