"""`predict` on a fold file of 1,000,000 x 30, against the bare forward pass plus reading and writing as safely.

Safely means: the file is copied, the predictions are added to the copy, it is synced and renamed. One thread. The file
is brought back to how it was before each measurement.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from functools import partial
from pathlib import Path
from time import perf_counter

import common

common.one_thread()

import h5py
import torch

from lumin_core import FoldYielder, Model

N_FOLDS, N_PER_FOLD = 10, 100_000
REPETITIONS = 7
SLICE = 2048  # the fastest of 256 to 100,000 on the machine where this was written
GOAL = 1.15


def ours(path: Path) -> float:
    """Predict by one call."""
    model, fy = Model(common.our_builder(seed=1), device="cpu"), FoldYielder(path)
    start = perf_counter()
    model.predict(fy)
    return perf_counter() - start


def by_hand(path: Path) -> float:
    """Read, run the network, and write to a copy that replaces the file."""
    network = common.plain_network(seed=1).eval()
    start = perf_counter()
    with h5py.File(path) as file, torch.inference_mode():
        preds = [forward(network, torch.from_numpy(file[f"fold_{i}/inputs"][()])) for i in range(N_FOLDS)]
    part = path.with_suffix(".part")
    shutil.copyfile(path, part)
    with h5py.File(part, "r+") as file:
        for i, pred in enumerate(preds):
            file.create_dataset(f"fold_{i}/pred", data=pred.numpy())
    sync(part)
    part.replace(path)
    sync(path.parent)
    return perf_counter() - start


def forward(network: torch.nn.Module, inputs: torch.Tensor) -> torch.Tensor:
    """Run the network in slices that stay in the cache."""
    return torch.cat([network(x) for x in inputs.split(SLICE)])[:, 0]


def sync(path: Path) -> None:
    """Wait until a file or folder is on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    os.fsync(descriptor)
    os.close(descriptor)


def fresh(way, stored: Path, path: Path) -> float:  # noqa: ANN001
    """Measure on a fresh copy that is on the disk."""
    shutil.copyfile(stored, path)
    sync(path)
    return way(path)


def main() -> None:
    """Measure, print, write."""
    with tempfile.TemporaryDirectory() as folder:
        stored = common.write_fold_file(Path(folder) / "stored.hdf5", N_FOLDS, N_PER_FOLD)
        path = Path(folder) / "events.hdf5"
        ways = {"by hand": partial(fresh, by_hand, stored, path), "lumin-core": partial(fresh, ours, stored, path)}
        results = common.ratios(common.alternate(ways, REPETITIONS), "by hand")
    rows = [[name, r["median_s"], r["spread_s"], r["ratio"]] for name, r in results.items()]
    common.show(f"predict on 1,000,000 x 30 (goal {GOAL})", ["", "median [s]", "spread [s]", "ratio"], rows)
    common.keep("predict", results)


if __name__ == "__main__":
    main()
