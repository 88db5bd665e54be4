"""An epoch over 90,000 x 30 events from a fold file: ours with `metric_logger`, against a loop tuned by hand.

Ten folds of 10,000 events; nine are trained on, the tenth validates at the end of each epoch. Four layers of 100, Adam,
binary cross-entropy, one thread. All ways read the same file, run in one process in turns, and drop the same short
batch. What is measured is a whole fit of `EPOCHS` epochs, divided by their number, so that what a fit does once counts
too; networks and optimisers are built before. Ours is measured without a progress bar.

With the environment variable LUMIN_PYTHON (a Python that has lumin 0.9.1) LUMIN is measured too, in a process of its
own.
"""

from __future__ import annotations

import contextlib
import io
import os
import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING

import common

common.one_thread()

import h5py
import torch
from torch.utils.data import DataLoader, TensorDataset

from lumin_core import FoldYielder, Model

if TYPE_CHECKING:
    from torch import Tensor

N_FOLDS, N_PER_FOLD, VALID = 10, 10_000, 9
EPOCHS, REPETITIONS = 2, 9
BATCH_SIZES = (256, 64)
GOALS = {256: 1.05, 64: 1.15}


def ours(path: Path, bs: int) -> float:
    """Fit by names."""
    model = Model(common.our_builder(seed=1), device="cpu")
    with FoldYielder(path) as fy, contextlib.redirect_stderr(io.StringIO()):
        start = perf_counter()
        model.fit(EPOCHS, fy, bs=bs, val_idx=VALID, cbs=["metric_logger"], visible_bar=False, seed=1)
        return (perf_counter() - start) / EPOCHS


def read_fold(file: h5py.File, fold: int) -> tuple[Tensor, Tensor]:
    """Read a fold as tensors."""
    group = file[f"fold_{fold}"]
    return torch.from_numpy(group["inputs"][()]), torch.from_numpy(group["targets"][()])[:, None]


def by_hand(path: Path, bs: int) -> float:
    """Fit with permuted slices and fused Adam, and nothing else."""
    network, loss = common.plain_network(seed=1), torch.nn.BCELoss()
    optimiser = torch.optim.Adam(network.parameters(), lr=1e-3, fused=True)
    start = perf_counter()
    with h5py.File(path) as file:
        for _ in range(EPOCHS):
            network.train()
            for fold in torch.randperm(VALID).tolist():
                train_fold(network, loss, optimiser, read_fold(file, fold), bs)
            validate(network, loss, read_fold(file, VALID), bs)
    return (perf_counter() - start) / EPOCHS


def train_fold(network, loss, optimiser, fold, bs) -> None:  # noqa: ANN001
    """Train on one fold."""
    order = torch.randperm(N_PER_FOLD)
    used = N_PER_FOLD // bs * bs
    x, y = (column.index_select(0, order)[:used].split(bs) for column in fold)
    for x_batch, y_batch in zip(x, y, strict=True):
        objective = loss(network(x_batch), y_batch)
        optimiser.zero_grad(set_to_none=True)
        objective.backward()
        optimiser.step()


def validate(network, loss, fold, bs) -> float:  # noqa: ANN001
    """Compute the validation loss, in slices of the batch's size: larger ones leave the cache."""
    network.eval()
    with torch.no_grad():
        sums = [loss(network(x), y) * len(x) for x, y in zip(*(column.split(bs) for column in fold), strict=True)]
    return float(torch.stack(sums).sum()) / N_PER_FOLD


def data_loader(path: Path, bs: int) -> float:
    """Fit as most tutorials do: a `DataLoader`, and Adam as it comes."""
    network, loss = common.plain_network(seed=1), torch.nn.BCELoss()
    optimiser = torch.optim.Adam(network.parameters(), lr=1e-3)
    with h5py.File(path) as file:
        folds = [read_fold(file, fold) for fold in range(N_FOLDS)]
    train = TensorDataset(*(torch.cat(columns) for columns in zip(*folds[:VALID], strict=True)))
    start = perf_counter()
    for x, y in DataLoader(train, bs, shuffle=True, drop_last=True):
        optimiser.zero_grad()
        loss(network(x), y).backward()
        optimiser.step()
    with torch.no_grad():
        for x, y in DataLoader(TensorDataset(*folds[VALID]), bs):
            loss(network(x), y).item()
    return perf_counter() - start


def lumin(path: Path, bs: int) -> float:
    """Fit with LUMIN, in its own Python."""
    script = Path(__file__).with_name("lumin_epoch.py")
    command = [os.environ["LUMIN_PYTHON"], str(script), str(path), str(bs), str(VALID), str(EPOCHS)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=path.parent)
    if done.returncode:
        sys.exit(f"LUMIN failed:\n{done.stderr}")
    return float(done.stdout.split()[-1])


def main() -> None:
    """Measure, print, write."""
    ways = {"by hand": by_hand, "lumin-core": ours, "DataLoader": data_loader}
    if "LUMIN_PYTHON" in os.environ:
        ways["LUMIN 0.9.1"] = lumin
    results = {}
    with tempfile.TemporaryDirectory() as folder:
        path = common.write_fold_file(Path(folder) / "events.hdf5", N_FOLDS, N_PER_FOLD)
        for bs in BATCH_SIZES:
            seconds = common.alternate({name: partial(way, path, bs) for name, way in ways.items()}, REPETITIONS)
            results[bs] = common.ratios(seconds, "by hand")
            rows = [[name, r["median_s"], r["spread_s"], r["ratio"]] for name, r in results[bs].items()]
            title = f"epoch of 90,000 x 30 and validation on 10,000, batch {bs} (goal {GOALS[bs]})"
            common.show(title, ["", "median [s]", "spread [s]", "ratio"], rows)
    common.keep("epoch", results)


if __name__ == "__main__":
    main()
