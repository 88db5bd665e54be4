"""Build the wheels of all distributions of this repository into an empty folder.

    python .ci/build_wheels.py FOLDER

Each wheel is built from its own source distribution, so that neither files that a source distribution lacks nor
leftovers of earlier builds get into it. Needs `build` and `setuptools`, which are not installed anew for each.

Beside the wheels are lists of what there is, for pip and pytest: `plugins.txt`, `light.txt` (those that are quick to
install, for environments that export nothing) and `packages.txt`.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from shutil import rmtree

ROOT = Path(__file__).resolve().parents[1]
PLUGINS = sorted(path.parent for path in ROOT.glob("plugins/*/pyproject.toml"))
HEAVY = {"lumin-plugin-onnx"}  # onnx and onnxscript take their time to install


def main() -> None:
    """Build them."""
    target = Path(sys.argv[1]).resolve()
    rmtree(target, ignore_errors=True)
    for project in [ROOT, *PLUGINS]:
        command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(target), str(project)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
        if done.returncode:
            sys.exit(f"the wheel of {project.name} cannot be built:\n{done.stdout}{done.stderr}")
        print("built", project.name)
    for file, names in lists().items():
        (target / file).write_text("\n".join(names) + "\n", encoding="utf-8")


def lists() -> dict[str, list[str]]:
    """Return the lines of the lists by file."""
    plugins = [project.name for project in PLUGINS]
    packages = ["lumin_core", *(name.replace("-", "_") for name in plugins)]
    light = [name for name in plugins if name not in HEAVY]
    return {"plugins.txt": plugins, "light.txt": light, "packages.txt": packages}


if __name__ == "__main__":
    main()
