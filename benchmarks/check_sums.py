"""What check sums cost of writing a fold file: a data frame of 500,000 x 30, and the same as arrays.

Processor time is shown, too: it depends less on what else the machine does.
"""

from __future__ import annotations

import tempfile
from functools import partial
from pathlib import Path
from time import perf_counter, process_time
from typing import TYPE_CHECKING
from unittest import mock

import common

common.one_thread()

import numpy as np
import pandas as pd

from lumin_core import FoldFileWriter, df2foldfile
from lumin_core.data import check_sums

if TYPE_CHECKING:
    from collections.abc import Callable

N_EVENTS, N_FOLDS, REPETITIONS, GOAL = 500_000, 10, 11, 1.03


def write_frame(df: pd.DataFrame, path: Path) -> None:
    """Write a data frame."""
    df2foldfile(df, N_FOLDS, common.features(), [], "is_signal", path, "float32", seed=1, overwrite=True)


def write_arrays(inputs: np.ndarray, targets: np.ndarray, path: Path) -> None:
    """Write arrays, fold by fold."""
    with FoldFileWriter(path, cont_feats=common.features(), targ_feats="is_signal", overwrite=True) as file:
        for fold, events in enumerate(np.array_split(np.arange(N_EVENTS), N_FOLDS)):
            part = slice(events[0], events[-1] + 1)
            file.append(fold, inputs=inputs[part], targets=targets[part])


def seconds(write: Callable[[], None], clock: Callable[[], float], *, sums: bool) -> float:
    """Measure writing, with check sums or without."""
    real = check_sums.crc32
    with mock.patch.object(check_sums, "crc32", real if sums else lambda *_: 0):
        start = clock()
        write()
        return clock() - start


def main() -> None:
    """Measure, print, write."""
    rng = np.random.default_rng(1)
    inputs = rng.normal(size=(N_EVENTS, common.N_FEATURES)).astype("float32")
    targets = rng.integers(0, 2, N_EVENTS).astype("float32")
    df = pd.DataFrame(inputs, columns=common.features()).assign(is_signal=targets)
    results = {}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "events.hdf5"
        for what, write in (
            ("frame", partial(write_frame, df, path)),
            ("arrays", partial(write_arrays, inputs, targets, path)),
        ):
            for name, clock in (("wall", perf_counter), ("processor", process_time)):
                ways = {
                    f"{what}, {name}, {'with' if sums else 'without'} sums": partial(seconds, write, clock, sums=sums)
                    for sums in (False, True)
                }
                results |= common.ratios(common.alternate(ways, REPETITIONS), f"{what}, {name}, without sums")
    rows = [[name, r["median_s"], r["spread_s"], r["ratio"]] for name, r in results.items()]
    common.show(
        f"Writing 60 MB in {N_FOLDS} folds (goal {GOAL} of a frame's wall time)",
        ["", "median [s]", "spread [s]", "ratio"],
        rows,
    )
    common.keep("check_sums", results)


if __name__ == "__main__":
    main()
