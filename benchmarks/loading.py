"""Loading alone: batches of 256 of 2,000,000 x 30 events, ours against the loaders of ROOT, weaver-core, f9columnar.

    ROOT_PYTHON=... WEAVER_PYTHON=... F9_PYTHON=... python benchmarks/loading.py [events]

Each of these names a Python that has the rival (`pip install root`, `weaver-core`, `f9columnar`); what is not named is
not measured, and said so. Every loader is a process that stays, one thread, and reads what it is meant to read: ours a
fold file, the others the ROOT file of the same events. The file is in the page cache, first epochs are not counted, and
epochs are taken in turns. What is given is events per second, by medians.
"""

from __future__ import annotations

import os
import statistics
import sys
import tempfile
from functools import partial
from pathlib import Path

import common

EPOCHS, N_FOLDS = 5, 10
LOADERS = {  # whose Python, and how many times its speed ours must be at least
    "ROOT, lazy": ("ROOT_PYTHON", 5.0),
    "ROOT, eager": ("ROOT_PYTHON", 0.5),
    "weaver-core": ("WEAVER_PYTHON", 5.0),
    "f9columnar": ("F9_PYTHON", 5.0),
}


def write_root_file(fold_file: Path, path: Path) -> None:
    """Write the events of a fold file as a TTree, compressed as ROOT does by default for speed (LZ4)."""
    import uproot

    from lumin_core import FoldYielder

    fy = FoldYielder(fold_file)
    with uproot.recreate(path, compression=uproot.LZ4(1)) as file:
        tree = file.mktree("Events", dict.fromkeys([*fy.input_feats, "is_signal"], "float32"))
        for fold in fy:
            columns = dict(zip(fy.input_feats, fold["inputs"].T, strict=True))
            tree.extend({**columns, "is_signal": fold["targets"][:, 0]})


def main() -> None:
    """Measure, print, write."""
    n_events = int(sys.argv[1]) if len(sys.argv) > 1 else 2_000_000
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        fold_file = common.write_fold_file(folder / "events.hdf5", N_FOLDS, n_events // N_FOLDS)
        write_root_file(fold_file, folder / "events.root")
        pythons = {"lumin-core": sys.executable}
        pythons |= {loader: os.environ[of] for loader, (of, _) in LOADERS.items() if of in os.environ}
        workers = {
            loader: common.Worker(python, "loading_process.py", loader, folder, folder=folder)
            for loader, python in pythons.items()
        }
        seconds = common.alternate({loader: partial(w.seconds, "epoch") for loader, w in workers.items()}, EPOCHS)
        for worker in workers.values():
            worker.close()
    speed = {loader: n_events / statistics.median(values) for loader, values in seconds.items()}
    rows = [["lumin-core", speed["lumin-core"] / 1e6, "", ""]]
    for loader, (of, goal) in LOADERS.items():
        measured = [speed[loader] / 1e6, speed["lumin-core"] / speed[loader]] if loader in speed else [f"no {of}", ""]
        rows.append([loader, *measured, goal])
    common.show(f"{n_events:,} x 30, batches of 256", ["", "million/s", "ours is times", "goal"], rows)
    common.keep("loading", {"events_per_second": speed, "seconds": seconds})


if __name__ == "__main__":
    main()
