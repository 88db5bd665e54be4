"""A conversion within a hard limit of memory, by a process that knows nothing of torch."""

import subprocess
import sys

import pytest

pytest.importorskip("uproot")
resource = pytest.importorskip("resource", reason="no limits on this system")

CODE = """if True:
    import pathlib, re, resource, sys
    import numpy as np, uproot
    from lumin_plugin_io import Recipe

    N, STEP, NAMES = 500_000, 25_000, [f"x{i}" for i in range(40)]
    folder, allowed = pathlib.Path(sys.argv[1]), int(sys.argv[2]) * 10**6

    def make(name, n):
        values = np.arange(STEP, dtype="f4")
        with uproot.recreate(folder / name, compression=None) as file:
            tree = file.mktree("t", dict.fromkeys(NAMES, "f4"))
            for _ in range(0, n, STEP):
                tree.extend(dict.fromkeys(NAMES, values))

    def convert(files, name):
        recipe = Recipe(sample={"a": {"files": files}}, variables={x: x for x in NAMES}, n_folds=20, folder=folder)
        recipe.convert(folder / name, memory=30)

    make("small.root", STEP)
    make("large.root", N)
    convert("small.root", "small")
    data = int(re.search(r"VmData:\\s+(\\d+) kB", pathlib.Path("/proc/self/status").read_text())[1]) * 1024
    resource.setrlimit(resource.RLIMIT_DATA, (data + allowed, data + allowed))
    convert("large.root", "large")
    print("torch" in sys.modules)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="RLIMIT_DATA counts what is mapped on Linux alone")
@pytest.mark.parametrize("megabytes", [50])
def test_a_conversion_keeps_to_its_memory_and_imports_no_torch(tmp_path, megabytes):
    """What is converted is 80 MB, and twice that between reading and writing."""
    command = [sys.executable, "-W", "error", "-c", CODE, str(tmp_path), str(megabytes)]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=100)
    assert done.stdout == "False\n", done.stderr
