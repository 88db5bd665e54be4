"""Training from a fold file against training from folds that are held in memory: is reading hidden?

The same fit, by the same code, of 30 features through four layers of 100 at batch 256, one thread of torch: with a
`FoldYielder`, and with one that keeps its folds once they were read. It is measured with two cores, where a thread
reads the next fold on the second one, and pinned to one; plain and compressed. The page cache is warm. The ratio is
that of the rates, that from memory being 1; the goals, of plain files, are 0.97 with two cores and 0.90 with one.

As an option `--folds N --events M`, by default 20 of 50,000 events.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import tempfile
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING

import common

common.one_thread()

from lumin_core import FoldYielder, Model

if TYPE_CHECKING:
    from lumin_core.data import Fold

BATCH_SIZE, REPETITIONS, EPOCHS = 256, 7, 2
GOALS = {2: 0.97, 1: 0.90}


class Held(FoldYielder):
    """Keeps the folds that were read."""

    def _stored(self, idx: int) -> Fold:
        kept = self.__dict__.setdefault("kept", {})
        if idx not in kept:
            kept[idx] = super()._stored(idx)
        return kept[idx]


def fit(yielder: FoldYielder, cores: set[int]) -> float:
    """Fit with some cores."""
    os.sched_setaffinity(0, cores)
    model = Model(common.our_builder(seed=1), device="cpu")
    with contextlib.redirect_stderr(io.StringIO()):
        start = perf_counter()
        model.fit(EPOCHS, yielder, bs=BATCH_SIZE, val_idx=0, visible_bar=False, seed=1)
        return perf_counter() - start


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folds", type=int, default=20)
    parser.add_argument("--events", type=int, default=50_000)
    given = parser.parse_args()
    all_cores, results, rows = sorted(os.sched_getaffinity(0)), {}, []
    with tempfile.TemporaryDirectory() as folder:
        for compression in (None, "lzf", "gzip"):
            path = common.write_fold_file(Path(folder) / "events.hdf5", given.folds, given.events, compression)
            held, read = Held(path), FoldYielder(path)
            for n_cores in (n for n in GOALS if n <= len(all_cores)):
                cores = set(all_cores[:n_cores])
                ways = {"memory": partial(fit, held, cores), "disk": partial(fit, read, cores)}
                found = common.ratios(common.alternate(ways, REPETITIONS), "disk")
                results[f"{compression}, {n_cores} cores"] = found
                medians = [found[way]["median_s"] for way in ways]
                rows.append([str(compression), n_cores, *medians, found["memory"]["ratio"], GOALS[n_cores]])
    os.sched_setaffinity(0, all_cores)
    title = f"a fit over {given.folds} folds of {given.events:,} x 30, batch {BATCH_SIZE}"
    common.show(title, ["compression", "cores", "memory [s]", "disk [s]", "ratio", "goal"], rows)
    common.keep("from_disk", results)


if __name__ == "__main__":
    main()
