"""Reading and augmenting a fold of 10,000 events with 10 vectors: `HEPAugFoldYielder`, ours and LUMIN's.

30 features, rotations about the beam and reflections in y and z, in training and in prediction. Both read the same data
and are measured in turns, each in a process of its own that stays between turns, one thread; LUMIN has a copy of the
file, since it opens files for writing. Ours is also measured where the inputs were standardised: it turns in GeV, LUMIN
does not. Reading alone, without augmentation, is measured beside them.

LUMIN is measured where the environment variable LUMIN_PYTHON names a Python that has lumin 0.9.1.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING

import common

common.one_thread()

import numpy as np

from lumin_core import FoldFileWriter, FoldYielder
from lumin_plugin_hep import HEPAugFoldYielder
from lumin_plugin_tabular import StandardScaler

if TYPE_CHECKING:
    from collections.abc import Callable

N_EVENTS, N_VECTORS = 10_000, 10
REPETITIONS, CALLS = 15, 10
GOAL = 0.1
FEATS = [f"vec{i}_{axis}" for i in range(N_VECTORS) for axis in ("px", "py", "pz")]
THEIRS = "LUMIN 0.9.1"


def write(path: Path, *, standardised: bool) -> Path:
    """Write one fold of events."""
    inputs = np.random.default_rng(1).normal(0, 40, (N_EVENTS, len(FEATS)))
    scaler = StandardScaler().fit(inputs)
    chain = [scaler] if standardised else []
    with FoldFileWriter(path, cont_feats=FEATS, targ_feats="y", preprocessing=chain) as file:
        values = scaler.transform(inputs) if standardised else inputs
        file.append(0, inputs=values.astype("float32"), targets=np.zeros(N_EVENTS))
    return path


def timed(get: Callable[[], object]) -> float:
    """Give the seconds of one call."""
    start = perf_counter()
    for _ in range(CALLS):
        get()
    return (perf_counter() - start) / CALLS


def main() -> None:
    """Measure, print, write."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        raw, scaled = (write(folder / f"{kind}.hdf5", standardised=kind == "scaled") for kind in ("raw", "scaled"))
        lumin = None
        if "LUMIN_PYTHON" in os.environ:
            copy = shutil.copy(raw, folder / "lumin.hdf5")
            lumin = common.Worker(os.environ["LUMIN_PYTHON"], "lumin_augmentation.py", copy, CALLS, folder=folder)
        plain, ours, in_gev = FoldYielder(raw), HEPAugFoldYielder(raw, seed=1), HEPAugFoldYielder(scaled, seed=1)
        results = {}
        for what in ("train", "test"):
            ways = {
                "lumin-core": lambda w=what: timed(lambda: get(ours, w)),
                "lumin-core, standardised inputs": lambda w=what: timed(lambda: get(in_gev, w)),
                "reading alone": lambda: timed(lambda: plain.get_fold(0)),
            }
            if lumin is not None:
                ways[THEIRS] = lambda w=what: lumin.seconds(w)
            results[what] = report(what, common.alternate(ways, REPETITIONS), against_lumin=lumin is not None)
        if lumin is None:
            print("LUMIN is not measured: LUMIN_PYTHON names no Python that has lumin 0.9.1")
        else:
            lumin.close()
    common.keep("augmentation", results)


def get(fy: FoldYielder, what: str) -> object:
    """Give a fold for training, or a variant that is rotated and reflected in both axes."""
    return fy.get_train_fold(0, 0) if what == "train" else fy.get_test_fold(0, 7)


def report(what: str, seconds: dict[str, list[float]], *, against_lumin: bool) -> dict[str, dict[str, float]]:
    """Print a table."""
    result = common.ratios(seconds, THEIRS if against_lumin else "lumin-core")
    rows = [[name, 1e3 * r["median_s"], 1e3 * r["spread_s"], r["ratio"]] for name, r in result.items()]
    title = f"augmenting 10,000 events of 10 vectors, {what} (goal {GOAL} of LUMIN)"
    common.show(title, ["", "median [ms]", "spread [ms]", "ratio"], rows)
    return result


if __name__ == "__main__":
    main()
