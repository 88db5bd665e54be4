"""One version's side of `versions.py`: does the task that each line of its input names, and prints its seconds."""

from __future__ import annotations

import contextlib
import io
import sys
import tempfile
from pathlib import Path
from time import perf_counter

import common

common.one_thread()

from lumin_core import FoldYielder, Model, train_models

N_FOLDS, N_PER_FOLD, VALID = 10, 10_000, 9
SIX_CALLBACKS = [
    "metric_logger",
    {"name": "one_cycle", "lengths": (1, 1), "lr_range": (1e-4, 1e-2)},
    {"name": "grad_clip", "clip": 1.0},
    {"name": "swa", "start_epoch": 1, "renewal_period": 1},
    {"name": "early_stopping", "patience": 5},
    "save_best",
]


def epoch(path: Path, bs: str) -> None:
    """Fit for two epochs."""
    with FoldYielder(path) as fy:
        Model(common.our_builder(seed=1), device="cpu").fit(2, fy, bs=int(bs), val_idx=VALID, visible_bar=False, seed=1)


def callbacks(path: Path) -> None:
    """Fit for two epochs with six callbacks."""
    with FoldYielder(path) as fy, tempfile.TemporaryDirectory() as folder:
        model = Model(common.our_builder(seed=1), device="cpu")
        model.fit(2, fy, bs=256, val_idx=VALID, cbs=SIX_CALLBACKS, visible_bar=False, seed=1, cb_savepath=folder)


def predict(path: Path) -> None:
    """Predict a whole file ten times over."""
    model = Model(common.our_builder(seed=1), device="cpu")
    with FoldYielder(path) as fy:
        for _ in range(10):
            model.predict(fy)


def many_models(path: Path) -> None:
    """Train four models with two workers."""
    executor = {"name": "processes", "max_workers": 2}
    with FoldYielder(path) as fy, tempfile.TemporaryDirectory() as folder:
        train_models(fy, 4, 256, common.our_builder(seed=1), 2, savepath=f"{folder}/run", seed=1, executor=executor)


def main() -> None:
    """Answer until the input ends."""
    tasks = {"epoch": epoch, "callbacks": callbacks, "predict": predict, "many_models": many_models}
    path = common.write_fold_file(Path(sys.argv[1]).with_suffix(".hdf5"), N_FOLDS, N_PER_FOLD)
    for line in sys.stdin:
        name, *arguments = line.split()
        start = perf_counter()
        with contextlib.redirect_stderr(io.StringIO()):
            tasks[name](path, *arguments)
        print(perf_counter() - start, flush=True)


if __name__ == "__main__":
    main()
