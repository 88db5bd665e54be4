"""What `lr_find` costs beside the epochs that it trains, at batch 256.

Data and network are those of `epoch.py`. Both train fresh models for two epochs on all folds but one, without
validation; the rates end where nothing diverges, so that no test ends early.
"""

from __future__ import annotations

import tempfile
from functools import partial
from pathlib import Path
from time import process_time

import common

common.one_thread()

from epoch import N_FOLDS, N_PER_FOLD

from lumin_core import FoldYielder, Model
from lumin_plugin_callbacks import lr_find

BS, EPOCHS, REPEATS, REPETITIONS, GOAL = 256, 2, 2, 11, 1.05


def found(path: Path) -> float:
    """Test the rates."""
    with FoldYielder(path) as fy:
        start = process_time()
        result = lr_find(
            fy, common.our_builder(seed=1), BS, EPOCHS, n_repeats=REPEATS, lr_bounds=(1e-6, 1e-2), seed=1,
            visible_bar=False,
        )  # fmt: skip
        seconds = process_time() - start
    if result.losses.shape != (REPEATS, EPOCHS * (N_FOLDS - 1) * (N_PER_FOLD // BS)):
        msg = f"a test ended early: {result}"
        raise RuntimeError(msg)
    return seconds


def fitted(path: Path) -> float:
    """Train as many epochs."""
    with FoldYielder(path) as fy:
        start = process_time()
        for i in range(REPEATS):
            trn_idxs = [j for j in range(N_FOLDS) if j != i]
            model = Model(common.our_builder(seed=1))
            model.fit(EPOCHS, fy, BS, trn_idxs=trn_idxs, visible_bar=False, seed=1)
        return process_time() - start


def main() -> None:
    """Measure, print, write."""
    with tempfile.TemporaryDirectory() as folder:
        path = common.write_fold_file(Path(folder) / "events.hdf5", N_FOLDS, N_PER_FOLD)
        ways = {"epochs": partial(fitted, path), f"lr_find (goal {GOAL})": partial(found, path)}
        results = common.ratios(common.alternate(ways, REPETITIONS), "epochs")
    rows = [[name, r["median_s"], r["spread_s"], r["ratio"]] for name, r in results.items()]
    common.show(
        f"{REPEATS} x {EPOCHS} epochs of 90,000 x 30, batch {BS}", ["", "median [s]", "spread [s]", "ratio"], rows
    )
    common.keep("lr_find", results)


if __name__ == "__main__":
    main()
