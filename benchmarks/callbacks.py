"""What ten callbacks at once cost beyond their own arithmetic, at batch 256; `grad_clip` apart.

Logger, save best, early stopping, one cycle, SWA, EMA, label smoothing, bootstrap, epoch saver, and one of your own on
every point. Data, network and loop are those of `epoch.py`. The arithmetic of the callbacks is written into the loop
by hand as well: rates for every batch, averages over weights, smoothed labels, resampled events, two more validations,
saved files. What ours with callbacks takes more than ours without, less what the loop by hand with the arithmetic takes
more than without, is what the machinery costs; it is given as a share of an epoch of ours without callbacks.

That is a small difference of large times. So the processor's time is taken, which for one thread is the wall clock of a
machine at rest, the difference is taken within each turn, and its median over the turns comes with its uncertainty.
"""

from __future__ import annotations

import contextlib
import copy
import io
import math
import os
import statistics
import tempfile
from functools import partial
from pathlib import Path
from time import process_time
from typing import TYPE_CHECKING

import common

common.one_thread()

import h5py
import numpy as np
import torch
from epoch import N_FOLDS, N_PER_FOLD, VALID, read_fold, validate
from safetensors.torch import save_file

from lumin_core import FoldYielder, Model
from lumin_core.training.hookspecs import POINTS

if TYPE_CHECKING:
    from torch import Tensor, nn

BS, EPOCHS, REPETITIONS, GOAL = 256, 4, 21, 0.03
SMOOTH, LR_RANGE, MOM_RANGE = 0.01, (1e-4, 1e-2), (0.85, 0.95)

OnEveryPoint = type("OnEveryPoint", (), {point: lambda self, fit_params: None for point in POINTS})

TEN = [
    {"name": "one_cycle", "lengths": (1, EPOCHS - 1), "lr_range": LR_RANGE, "mom_range": MOM_RANGE},
    {"name": "swa", "start_epoch": 1},
    "ema",
    {"name": "binary_label_smooth", "coefs": SMOOTH},
    "bootstrap_resample",
    "epoch_saver",
    OnEveryPoint,
    "metric_logger",
    {"name": "early_stopping", "patience": EPOCHS},
    "save_best",
]
CLIP = [{"name": "grad_clip", "clip": 1.0}]


def ours(path: Path, cbs: list[object]) -> float:
    """Fit by names."""
    model = Model(common.our_builder(seed=1), device="cpu")
    with (
        FoldYielder(path) as fy,
        tempfile.TemporaryDirectory() as folder,
        contextlib.redirect_stderr(io.StringIO()),
    ):
        own = [cb() if isinstance(cb, type) else cb for cb in cbs]
        start = process_time()
        model.fit(EPOCHS, fy, bs=BS, val_idx=VALID, cbs=own, cb_savepath=folder, visible_bar=False, seed=1)
        return (process_time() - start) / EPOCHS


def by_hand(path: Path, *, ten: bool = False, clip: bool = False) -> float:
    """Fit with permuted slices and fused Adam, and the arithmetic of the callbacks where asked for."""
    network, loss = common.plain_network(seed=1), torch.nn.BCELoss()
    optimiser = torch.optim.Adam(network.parameters(), lr=1e-3, fused=True)
    with h5py.File(path) as file, tempfile.TemporaryDirectory() as folder:
        start = process_time()
        averages = [copy.deepcopy(network), copy.deepcopy(network)]
        weights = [list(module.parameters()) for module in [network, *averages]]
        batch = 0
        for epoch in range(EPOCHS):
            network.train()
            for fold in torch.randperm(VALID).tolist():
                x, y = resampled(*read_fold(file, fold)) if ten else read_fold(file, fold)
                order = torch.randperm(N_PER_FOLD)
                used = N_PER_FOLD // BS * BS
                batches = zip(*(column.index_select(0, order)[:used].split(BS) for column in (x, y)), strict=True)
                for x_batch, y_batch in batches:
                    if ten:
                        set_rates(optimiser, batch / (used // BS * VALID))
                    objective = loss(network(x_batch), y_batch)
                    optimiser.zero_grad(set_to_none=True)
                    objective.backward()
                    if clip:
                        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
                    optimiser.step()
                    batch += 1
                    if ten:
                        average(weights[1], weights[0], 0.001)
            values = [validate(network, loss, read_fold(file, VALID), BS)]
            if ten:
                average(weights[2], weights[0], 1 / (epoch + 1))
                values += [validate(module, loss, read_fold(file, VALID), BS) for module in averages]
                for name in (f"epoch_{epoch}", "best"):
                    save(network, Path(folder) / name)
        return (process_time() - start) / EPOCHS


def resampled(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """Draw events with replacement, each class by itself and smooth the labels."""
    rng, targets = np.random.default_rng(1), y.numpy()[:, 0]
    drawn = np.concatenate([rng.choice(np.flatnonzero(targets == c), int((targets == c).sum())) for c in (0, 1)])
    rows = torch.from_numpy(drawn)
    return x.index_select(0, rows), y.index_select(0, rows) * (1 - 2 * SMOOTH) + SMOOTH


def set_rates(optimiser: torch.optim.Optimizer, epochs: float) -> None:
    """Set rate and momentum of a batch, as one cycle does."""
    share = epochs if epochs < 1 else (epochs - 1) / (EPOCHS - 1)
    gain = (1 - math.cos(math.pi * share)) / 2
    gain = gain if epochs < 1 else 1 - gain
    for group in optimiser.param_groups:
        group["lr"] = LR_RANGE[0] + (LR_RANGE[1] - LR_RANGE[0]) * gain
        group["betas"] = (MOM_RANGE[1] - (MOM_RANGE[1] - MOM_RANGE[0]) * gain, 0.999)


@torch.no_grad()
def average(means: list[nn.Parameter], weights: list[nn.Parameter], share: float) -> None:
    """Let weights enter their average."""
    torch._foreach_lerp_(means, weights, share)


def save(network: nn.Module, path: Path) -> None:
    """Save weights so that a file is whole or not there."""
    save_file(network.state_dict(), path.with_suffix(".part"))
    descriptor = os.open(path.with_suffix(".part"), os.O_RDWR)
    os.fsync(descriptor)
    os.close(descriptor)
    path.with_suffix(".part").replace(path)


def main() -> None:
    """Measure, print, write."""
    ways = {
        "by hand": by_hand,
        "by hand, arithmetic of ten": partial(by_hand, ten=True),
        "by hand, clipped": partial(by_hand, clip=True),
        "lumin-core": partial(ours, cbs=[]),
        "lumin-core, ten callbacks": partial(ours, cbs=TEN),
        "lumin-core, grad_clip": partial(ours, cbs=CLIP),
    }
    with tempfile.TemporaryDirectory() as folder:
        path = common.write_fold_file(Path(folder) / "events.hdf5", N_FOLDS, N_PER_FOLD)
        seconds = common.alternate({name: partial(way, path) for name, way in ways.items()}, REPETITIONS)
    results = common.ratios(seconds, "lumin-core")
    rows = [[name, r["median_s"], r["spread_s"], r["ratio"]] for name, r in results.items()]
    common.show("epoch of 90,000 x 30, batch 256", ["", "median [s]", "spread [s]", "ratio"], rows)
    overheads = {
        f"ten callbacks (goal {GOAL})": beyond(seconds, "lumin-core, ten callbacks", "by hand, arithmetic of ten"),
        "grad_clip": beyond(seconds, "lumin-core, grad_clip", "by hand, clipped"),
    }
    rows = [[what, *share] for what, share in overheads.items()]
    common.show("beyond the arithmetic, as a share of an epoch", ["", "median", "uncertainty", "of medians"], rows)
    common.keep("callbacks", {"ways": results, "overheads": overheads})


def beyond(seconds: dict[str, list[float]], ours_with: str, hand_with: str) -> tuple[float, float, float]:
    """Give the share turn by turn, as its median and the uncertainty of that, and from the medians of the times."""

    def share(with_it: float, without: float, hand: float, plain: float) -> float:
        return ((with_it - without) - (hand - plain)) / without

    times = [seconds[name] for name in (ours_with, "lumin-core", hand_with, "by hand")]
    turns = [share(*turn) for turn in zip(*times, strict=True)]
    lower, median, upper = statistics.quantiles(turns, n=4)
    # a Gaussian's half distance of the quartiles is 0.67 sigma; a median is 1.25 times less certain than a mean
    return median, (upper - lower) / 2 / 0.67 * 1.25 / len(turns) ** 0.5, share(*map(statistics.median, times))


if __name__ == "__main__":
    main()
