"""From an idea to a checked plugin: `lumin new-plugin` in an empty folder, an install, `pytest`, and a listing.

The plugin is installed into an environment of its own that sees the packages of this one, so that nothing stays behind.
What is ours of the time is `new-plugin` and the listing; the rest is pip, pytest, torch and the checks.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import venv
from pathlib import Path
from time import perf_counter

import common

GOALS_S = {"one kind": 12.0, "every kind": 45.0}
GOAL_OF_OURS_S = 3.0


def timed(command: list[str], folder: Path) -> float:
    """Run a command to its end, which must be a good one."""
    start = perf_counter()
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{' '.join(command)} failed:\n{done.stdout}\n{done.stderr}")
    return perf_counter() - start


def environment(folder: Path) -> Path:
    """Make an environment that sees what is installed in this one, and return its folder of programs."""
    venv.create(folder, with_pip=False)
    (site,) = folder.glob("lib/python*/site-packages")
    seen = [path for path in sys.path if path.endswith("site-packages")]
    lines = [f"import site; site.addsitedir({path!r})\n" for path in seen]
    (site / "here.pth").write_text("".join(lines), encoding="utf-8")
    return folder / "bin"


def steps(kinds: list[str]) -> dict[str, float]:
    """Go through the steps in an empty folder, and return the seconds of each."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        python = str(environment(folder / "environment") / "python")
        lumin = [python, "-c", "from lumin_core.cli import main; raise SystemExit(main())"]
        pip = [sys.executable, "-m", "pip", f"--python={python}", "install", "--quiet"]
        options = [word for kind in kinds for word in ("--kind", kind)]
        return {
            "new-plugin": timed([*lumin, "new-plugin", "bench-plugin", *options], folder),
            "install": timed([*pip, "--no-deps", "--no-build-isolation", "-e", "bench-plugin"], folder),
            "pytest": timed([python, "-m", "pytest", "-q"], folder / "bench-plugin"),
            "list-plugins": timed([*lumin, "list-plugins", "--package", "bench-plugin"], folder),
        }


def main() -> None:
    """Measure, print, write."""
    from lumin_core import registry

    os.environ.pop("CI", None)  # which would run slow checks
    os.environ["OMP_NUM_THREADS"] = "1"
    every = [kind.singular for kind in registry.kinds()]
    results = {name: steps(kinds) for name, kinds in {"one kind": ["body"], "every kind": every}.items()}
    for seconds in results.values():
        seconds |= {"all": sum(seconds.values()), "ours": seconds["new-plugin"] + seconds["list-plugins"]}
    rows = [[name, *seconds.values(), GOALS_S[name]] for name, seconds in results.items()]
    titles = ["[s]", *next(iter(results.values())), "goal"]
    common.show(f"a new plugin (ours: goal {GOAL_OF_OURS_S:g} s)", titles, rows)
    common.keep("new_plugin", results)


if __name__ == "__main__":
    main()
