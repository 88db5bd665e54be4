"""Cut the demo's samples, `ggh.root`, `vbf.root`, `ztautau.root` and `ttbar.root`, from the full one.

The full sample, a ROOT file of 60,000 events, is not part of the repository; by default it is looked for beside it.

    python examples/ditau/make_sample.py [../shared/data/ditau_dev.root]
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import uproot

HERE = Path(__file__).resolve().parent
FULL_SAMPLE = HERE.parents[2] / "shared" / "data" / "ditau_dev.root"
N_EVENTS = 20_000
SEED = 20_000
LUMI = 139_000
"""In inverse picobarns."""
CROSS_SECTIONS = {"ggh": 3.047, "vbf": 0.2372, "ztautau": 1950.0, "ttbar": 88.28}
"""In picobarns, branching ratios included, in the order of the full sample's column `process`."""
TRUTH_KEPT = ["gen_ditau_mass"]
BITS = 16
"""Of the mantissa, which is about five significant digits."""

Columns = dict[str, np.ndarray]


def thin(process: np.ndarray) -> np.ndarray:
    """Choose events at random, in the proportions of the processes; they stay in their order, which is shuffled."""
    rng = np.random.default_rng(SEED)
    chosen = []
    for number in range(len(CROSS_SECTIONS)):
        events = np.flatnonzero(process == number)
        n_kept = round(len(events) * N_EVENTS / len(process))
        chosen.append(rng.choice(events, n_kept, replace=False))
    return np.sort(np.concatenate(chosen))


def rounded(values: np.ndarray) -> np.ndarray:
    """Round floats to some bits of their mantissa, so that they can be packed."""
    if values.dtype.kind != "f":
        return values
    cut = 23 - BITS
    bits = values.astype("f4").view("u4").astype("u8")
    near = ((bits + (1 << (cut - 1))) >> cut << cut).astype("u4").view("f4")
    return np.where(np.isnan(values), np.float32(np.nan), near)


def write(events: Columns, path: Path, *, sum_of_weights: float) -> None:
    """Write a process: its events, and the sum of the weights of all that were generated."""
    with uproot.recreate(path, compression=uproot.LZMA(9)) as file:
        file.mktree("Events", {name: values.dtype for name, values in events.items()}).extend(events)
        runs = {"genEventSumw": np.array([sum_of_weights])}
        file.mktree("Runs", {name: values.dtype for name, values in runs.items()}).extend(runs)
    print(f"{path}: {len(events['process'])} events, {path.stat().st_size / 1e6:.2f} MB")


def main() -> None:
    """Read the full sample and write those of the demo."""
    source = Path(sys.argv[1]) if len(sys.argv) > 1 else FULL_SAMPLE
    if not source.is_file():
        sys.exit(f"expected the full sample, a ROOT file with a tree 'Events', at {source}; name another as argument")
    with uproot.open(source) as file:
        full = file["Events"].arrays(library="np")
    kept = thin(full["process"])
    for number, (name, cross_section) in enumerate(CROSS_SECTIONS.items()):
        of_process = full["process"] == number
        expected = full["gen_weight"][of_process].astype(float).sum()
        events = kept[of_process[kept]]
        columns = {
            column: rounded(values[events])
            for column, values in full.items()
            if not column.startswith("gen_") or column in TRUTH_KEPT
        }
        signs = np.sign(full["gen_weight_nlo"][events]).astype("f4")  # as of a generator at next-to-leading order
        write(
            {**columns, "gen_weight": signs},
            HERE / f"{name}.root",
            sum_of_weights=cross_section * LUMI * float(signs.sum()) / expected,
        )


if __name__ == "__main__":
    main()
