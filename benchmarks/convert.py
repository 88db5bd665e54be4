"""Conversion from ROOT: time against reading and writing alone, and peak memory of a conversion larger than it.

``python benchmarks/convert.py [time [events [files]] | memory [gigabytes [folds]]]``; both by default.

*Time.* A recipe of 30 plain variables, with and without scaling, strata and check sums, by one process and by two,
against reading the same branches in the same steps with uproot (``library="np"``) and writing them with h5py. All read
from a warm cache, in turns. Before each, and not timed, ``os.sync`` writes to the disk what others left in memory: none
pays for the pages of another. One process is this one; the start of others counts, with their imports.

*Memory.* A file of so many gigabytes, in 40 folds, in a process of its own: the most memory of its own that it takes,
above that after the imports (Linux).
"""

from __future__ import annotations

import json
import os
import re
import resource
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

os.environ["OMP_NUM_THREADS"] = "1"

import common
import numpy as np

EVENTS, FILES, REPETITIONS = 8_000_000, 4, 3
GIGABYTES, FOLDS = 4.0, 40
N_FEATURES = 30
STEP = 100_000
MEGABYTE = 10**6


def make_files(folder: Path, n_events: int, n_files: int) -> list[Path]:
    """Write files of 30 Gaussian columns, a class, a weight and a number."""
    import uproot

    paths = []
    for number in range(n_files):
        rng = np.random.default_rng(number)
        path = folder / f"events_{number}.root"
        with uproot.recreate(path) as file:
            types = {**dict.fromkeys(features(), "f4"), "label": "i4", "gen_weight": "f4", "event": "i8"}
            tree, n = file.mktree("Events", types), n_events // n_files
            for begin in range(0, n, STEP):
                m = min(STEP, n - begin)
                columns = {name: rng.normal(size=m).astype("f4") for name in features()}
                columns |= {"label": rng.integers(0, 2, m).astype("i4"), "gen_weight": rng.normal(1, 0.5, m)}
                tree.extend(columns | {"event": np.arange(begin, begin + m)})
        paths.append(path)
    return paths


def features() -> list[str]:
    """Name the columns."""
    return [f"f{i}" for i in range(N_FEATURES)]


def recipe_of(folder: Path, n_folds: int, *, plain: bool = False) -> Any:
    """Make the recipe of all files of a folder."""
    from lumin_plugin_io import Recipe

    return Recipe(
        sample={"events": {"files": "events_*.root"}},
        variables={name: name for name in features()},
        targets={"label": "label"},
        weights="gen_weight",
        misc={"event": "event"},
        strata=["sample"] if plain else ["label"],
        scaling="" if plain else "tabular/standard_scaler",
        n_folds=n_folds,
        folder=folder,
    )


def by_hand(folder: Path) -> float:
    """Read with uproot and write with h5py, and return the seconds."""
    import h5py
    import uproot

    os.sync()
    begun = time.perf_counter()
    names = [*features(), "label", "gen_weight", "event"]
    with h5py.File(folder / "by_hand.hdf5", "w") as file:
        number = 0
        for path in sorted(folder.glob("events_*.root")):
            for chunk in uproot.open(f"{path}:Events").iterate(names, step_size=STEP, library="np"):
                group = file.create_group(f"fold_{number}")
                group["inputs"] = np.stack([chunk[name] for name in features()], axis=1)
                for name in ("label", "gen_weight", "event"):
                    group[name] = chunk[name]
                number += 1
    return time.perf_counter() - begun


def ours(folder: Path, workers: int = 1, *, plain: bool = False) -> float:
    """Convert, and return the seconds."""
    from lumin_plugin_io.conversion import convert

    os.sync()
    begun = time.perf_counter()
    convert(recipe_of(folder, 10, plain=plain), folder / "ours.hdf5", overwrite=True, workers=workers, step=STEP)
    return time.perf_counter() - begun


def measure_time(n_events: int, n_files: int) -> None:
    """Compare the ways."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_files(folder, n_events, n_files)
        ways = {
            "uproot and h5py": lambda: by_hand(folder),
            "without scaling and strata": lambda: ours(folder, plain=True),
            "with them": lambda: ours(folder),
            "with them, two workers": lambda: ours(folder, workers=2),
        }
        found = common.ratios(common.alternate(ways, REPETITIONS), "uproot and h5py")
    rows = [[way, entry["median_s"], entry["spread_s"], entry["ratio"]] for way, entry in found.items()]
    common.show(f"conversion of {n_events} events x {N_FEATURES}", ["way", "s", "spread", "ratio"], rows)
    common.keep("convert_time", found)


def measure_memory(gigabytes: float, n_folds: int) -> None:
    """Convert in a process of its own."""
    n_events = int(gigabytes * 1e9 / (4 * (N_FEATURES + 2) + 8))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_files(folder, n_events, max(1, round(gigabytes)))
        command = [sys.executable, __file__, "--convert", str(folder), str(n_folds)]
        found = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
    fold = n_events / n_folds * (4 * (N_FEATURES + 2) + 8 + 12) / MEGABYTE
    found |= {"gigabytes": gigabytes, "folds": n_folds, "fold_mb": fold, "allowed_mb": 150 + 2 * fold}
    common.show("memory of a conversion", ["what", ""], list(found.items()))
    common.keep("convert_memory", found)


def convert_here(folder: Path, n_folds: int) -> None:
    """Convert and print the peak of memory, and how much of it the imports are."""
    from lumin_plugin_io.conversion import convert

    warm = folder / "warm"
    warm.mkdir()
    make_files(warm, 1000, 1)
    convert(recipe_of(warm, 2), warm / "out.hdf5")  # imports all that there is to import
    imports, with_files, begun = own_memory(), peak(), time.perf_counter()
    with Watch() as watch:
        convert(recipe_of(folder, n_folds), folder / "out.hdf5")
    found = {
        "imports_mb": imports,
        "above_mb": watch.most - imports,
        "above_with_mapped_files_mb": peak() - with_files,
        "seconds": time.perf_counter() - begun,
    }
    print(json.dumps(found))


class Watch(threading.Thread):
    """Looks at the memory of this process every few milliseconds, and keeps the most."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.most = 0.0
        self._is_over = threading.Event()

    def run(self) -> None:
        """Look until it is over."""
        while not self._is_over.wait(0.005):
            self.most = max(self.most, own_memory())

    def __enter__(self) -> Watch:
        """Begin."""
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        """End."""
        self._is_over.set()
        self.join()


def own_memory() -> float:
    """Return the memory that is this process's own in megabytes: without pages of mapped files, which the system drops.

    Files are read through such pages, and as long as nobody else needs the memory all that was read stays there.
    """
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(re.search(r"RssAnon:\s+(\d+) kB", status).group(1)) * 1024 / MEGABYTE


def peak() -> float:
    """Return the peak of memory in megabytes, pages of mapped files included."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / MEGABYTE


if __name__ == "__main__":
    what, given = (sys.argv[1:2] or [""])[0], sys.argv[2:]
    if what == "--convert":
        convert_here(Path(given[0]), int(given[1]))
    if what in ("", "time"):
        measure_time(*[*map(int, given), EVENTS, FILES][:2] if len(given) < 2 else map(int, given))
    if what in ("", "memory"):
        measure_memory(float(given[0]) if given else GIGABYTES, int(given[1]) if len(given) > 1 else FOLDS)
