"""Ten models with two workers, against the same ten one after the other.

`train_models` with ten models of ten epochs over nine folds of 10,000 events, batch 256, one thread each: long enough
that the start of the workers hardly counts. Needs two cores that do nothing else.
"""

from __future__ import annotations

import contextlib
import io
import tempfile
from functools import partial
from pathlib import Path
from time import perf_counter

import common

common.one_thread()

from lumin_core import FoldYielder, train_models

N_FOLDS, N_PER_FOLD = 10, 10_000
N_MODELS, EPOCHS, BS, REPETITIONS = 10, 10, 256, 2
WORKERS, GOAL = 2, 0.58


def train(path: Path, executor: dict[str, object] | None) -> float:
    """Train all models."""
    with (
        FoldYielder(path) as fy,
        tempfile.TemporaryDirectory() as folder,
        contextlib.redirect_stderr(io.StringIO()),
    ):
        start = perf_counter()
        train_models(
            fy, N_MODELS, BS, common.our_builder(seed=1), EPOCHS, savepath=f"{folder}/run", seed=1, executor=executor
        )
        return perf_counter() - start


def main() -> None:
    """Measure, print, write."""
    ways = {"one by one": None, f"{WORKERS} workers": {"name": "processes", "max_workers": WORKERS}}
    with tempfile.TemporaryDirectory() as folder:
        path = common.write_fold_file(Path(folder) / "events.hdf5", N_FOLDS, N_PER_FOLD)
        seconds = common.alternate({name: partial(train, path, way) for name, way in ways.items()}, REPETITIONS)
    results = common.ratios(seconds, "one by one")
    rows = [[name, r["median_s"], r["spread_s"], r["ratio"]] for name, r in results.items()]
    common.show(f"{N_MODELS} models of {EPOCHS} epochs (goal {GOAL})", ["", "median [s]", "spread [s]", "ratio"], rows)
    common.keep("many_models", results)


if __name__ == "__main__":
    main()
