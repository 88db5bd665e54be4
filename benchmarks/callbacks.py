"""What ten callbacks at once cost beyond their own arithmetic, at batch 256; `grad_clip` apart.

Logger, save best, early stopping, one cycle, SWA, EMA, label smoothing, bootstrap, epoch saver, and one of your own on
every point. Data, network and loop are those of `epoch.py`. The arithmetic of the callbacks is written into that loop
by hand: rates for every batch, averages over weights, smoothed labels, resampled events, two more validations, saved
files. A clock runs while callbacks run, and while that arithmetic does; what ours take longer is what the machinery
costs, and is given as a share of an epoch of ours without callbacks. (Whole epochs are shown too; the difference of
their differences says the same, but on a shared machine with an uncertainty that is larger than what is asked for.)
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
from time import perf_counter
from typing import TYPE_CHECKING, Any
from unittest import mock

import common

common.one_thread()

import h5py
import numpy as np
import torch
from epoch import N_FOLDS, N_PER_FOLD, VALID, read_fold, validate
from safetensors.torch import save_file

from lumin_core import FoldYielder, Model
from lumin_core.training import fitting
from lumin_core.training.hook_plan import HookPlan
from lumin_core.training.hookspecs import POINTS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import Tensor, nn

    from lumin_core import FitParams

BS, EPOCHS, REPETITIONS, GOAL = 256, 4, 11, 0.03
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


class Clock:
    """Sums up the time of what is done while it runs."""

    def __init__(self) -> None:
        self.seconds = 0.0

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        """Run."""
        start = perf_counter()
        yield
        self.seconds += perf_counter() - start


CLOCK = Clock()


class TimedPlan(HookPlan):
    """Callbacks' plan, its calls inside the clock: all of a point at once, those that the loop makes."""

    def __init__(self, callbacks: list[object]) -> None:
        super().__init__(callbacks)
        self.calls = {point: [timed(calls)] if calls else calls for point, calls in self.calls.items()}


def timed(calls: tuple[Any, ...]) -> Any:
    """Run a point's calls inside the clock."""

    def call(fit_params: FitParams) -> None:
        with CLOCK.running():
            for one in calls:
                one(fit_params)

    return call


def inside(path: Path, cbs: list[object]) -> float:
    """Give the time that callbacks take of an epoch."""
    CLOCK.seconds = 0.0
    with mock.patch.object(fitting, "HookPlan", TimedPlan):
        ours(path, cbs)
    return CLOCK.seconds / EPOCHS


def inside_by_hand(path: Path, **what: bool) -> float:
    """Give the time that their arithmetic takes of an epoch."""
    CLOCK.seconds = 0.0
    by_hand(path, **what)
    return CLOCK.seconds / EPOCHS


def ours(path: Path, cbs: list[object]) -> float:
    """Fit by names."""
    model = Model(common.our_builder(seed=1), device="cpu")
    with (
        FoldYielder(path) as fy,
        tempfile.TemporaryDirectory() as folder,
        contextlib.redirect_stderr(io.StringIO()),
    ):
        own = [cb() if isinstance(cb, type) else cb for cb in cbs]
        start = perf_counter()
        model.fit(EPOCHS, fy, bs=BS, val_idx=VALID, cbs=own, cb_savepath=folder, visible_bar=False, seed=1)
        return (perf_counter() - start) / EPOCHS


def by_hand(path: Path, *, ten: bool = False, clip: bool = False) -> float:  # noqa: C901  (flat, as such loops are)
    """Fit with permuted slices and fused Adam, and the arithmetic of the callbacks where asked for."""
    network, loss = common.plain_network(seed=1), torch.nn.BCELoss()
    optimiser = torch.optim.Adam(network.parameters(), lr=1e-3, fused=True)
    with h5py.File(path) as file, tempfile.TemporaryDirectory() as folder:
        start = perf_counter()
        averages = [copy.deepcopy(network), copy.deepcopy(network)]
        weights = [list(module.parameters()) for module in [network, *averages]]
        batch = 0
        for epoch in range(EPOCHS):
            network.train()
            for fold in torch.randperm(VALID).tolist():
                x, y = read_fold(file, fold)
                if ten:
                    with CLOCK.running():
                        x, y = resampled(x, y)
                order = torch.randperm(N_PER_FOLD)
                used = N_PER_FOLD // BS * BS
                batches = zip(*(column.index_select(0, order)[:used].split(BS) for column in (x, y)), strict=True)
                for x_batch, y_batch in batches:
                    if ten:
                        with CLOCK.running():
                            set_rates(optimiser, batch / (used // BS * VALID))
                    objective = loss(network(x_batch), y_batch)
                    optimiser.zero_grad(set_to_none=True)
                    objective.backward()
                    if clip:
                        with CLOCK.running():
                            torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
                    optimiser.step()
                    batch += 1
                    if ten:
                        with CLOCK.running():
                            average(weights[1], weights[0], 0.001)
            valid = read_fold(file, VALID)
            validate(network, loss, valid, BS)
            if ten:
                with CLOCK.running():
                    average(weights[2], weights[0], 1 / (epoch + 1))
                    for module in averages:
                        validate(module, loss, valid, BS)
                    for name in (f"epoch_{epoch}", "best"):
                        save(network, Path(folder) / name)
        return (perf_counter() - start) / EPOCHS


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
    epochs = {
        "by hand": by_hand,
        "by hand, arithmetic of ten": partial(by_hand, ten=True),
        "by hand, clipped": partial(by_hand, clip=True),
        "lumin-core": partial(ours, cbs=[]),
        "lumin-core, ten callbacks": partial(ours, cbs=TEN),
        "lumin-core, grad_clip": partial(ours, cbs=CLIP),
    }
    parts = {
        "arithmetic of ten, by hand": partial(inside_by_hand, ten=True),
        "ten callbacks": partial(inside, cbs=TEN),
        "clipping, by hand": partial(inside_by_hand, clip=True),
        "grad_clip": partial(inside, cbs=CLIP),
    }
    with tempfile.TemporaryDirectory() as folder:
        path = common.write_fold_file(Path(folder) / "events.hdf5", N_FOLDS, N_PER_FOLD)
        ways = {name: partial(way, path) for name, way in {**epochs, **parts}.items()}
        seconds = common.alternate(ways, REPETITIONS)
    results = common.ratios(seconds, "lumin-core")
    for title, names in ((f"epoch of 90,000 x 30, batch {BS}", epochs), ("of it inside callbacks", parts)):
        rows = [[name, *(results[name][key] for key in ("median_s", "spread_s", "ratio"))] for name in names]
        common.show(title, ["", "median [s]", "spread [s]", "ratio"], rows)
    overheads = {
        f"ten callbacks (goal {GOAL})": beyond(seconds, "ten callbacks", "arithmetic of ten, by hand"),
        "grad_clip": beyond(seconds, "grad_clip", "clipping, by hand"),
    }
    rows = [[what, *share] for what, share in overheads.items()]
    common.show("beyond the arithmetic, as a share of an epoch", ["", "median", "uncertainty"], rows)
    common.keep("callbacks", {"ways": results, "overheads": overheads})


def beyond(seconds: dict[str, list[float]], ours: str, by_hand: str) -> tuple[float, float]:
    """Give the share as its median over the turns, and the uncertainty of that."""
    epoch = statistics.median(seconds["lumin-core"])
    turns = [(more - less) / epoch for more, less in zip(seconds[ours], seconds[by_hand], strict=True)]
    lower, median, upper = statistics.quantiles(turns, n=4)
    # a Gaussian's half distance of the quartiles is 0.67 sigma; a median is 1.25 times less certain than a mean
    return median, (upper - lower) / 2 / 0.67 * 1.25 / len(turns) ** 0.5


if __name__ == "__main__":
    main()
