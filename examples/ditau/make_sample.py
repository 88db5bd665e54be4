"""Cut the demo's sample `ditau.csv.gz` from the full one, the same bytes each time.

The full sample, a ROOT file of 60,000 events, is not part of the repository; by default it is looked for beside it.
Needs uproot (`pip install uproot pandas`), which the demo itself does not:

    python examples/ditau/make_sample.py [../shared/data/ditau_dev.root]
"""

from __future__ import annotations

import gzip
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import uproot

HERE = Path(__file__).resolve().parent
FULL_SAMPLE = HERE.parents[2] / "shared" / "data" / "ditau_dev.root"
N_EVENTS = 20_000
SEED = 20_000
DIGITS = 5
TRUTH_KEPT = ["process", "gen_target", "gen_weight", "gen_weight_nlo", "gen_ditau_mass"]
WEIGHTS = ["gen_weight", "gen_weight_nlo"]


def thin(full: pd.DataFrame) -> pd.DataFrame:
    """Choose events at random, in the proportions of the processes; each process keeps its expected yield."""
    rng = np.random.default_rng(SEED)
    parts = []
    for _, events in full.groupby("process"):
        n_kept = round(len(events) * N_EVENTS / len(full))
        part = events.iloc[np.sort(rng.choice(len(events), n_kept, replace=False))].copy()
        for weight in WEIGHTS:
            expected = events[weight].astype(float).sum()
            part[weight] = part[weight].astype(float) * (expected / part[weight].astype(float).sum())
        parts.append(part)
    return pd.concat(parts).sort_index()  # the full sample's order, which is shuffled already


def select_columns(full: pd.DataFrame) -> list[str]:
    """Name the columns of the demo: all that is reconstructed, and the truth that it uses."""
    return [name for name in full.columns if not name.startswith("gen_") or name in TRUTH_KEPT]


def write(sample: pd.DataFrame, path: Path) -> None:
    """Write a CSV file, floats of five significant digits, with neither name nor time in the gzip header."""
    text = sample.to_csv(index=False, float_format=f"%.{DIGITS}g", lineterminator="\n")
    with path.open("wb") as raw, gzip.GzipFile("", "wb", compresslevel=9, fileobj=raw, mtime=0) as packed:
        packed.write(text.encode())


def main() -> None:
    """Read the full sample and write the demo's."""
    source = Path(sys.argv[1]) if len(sys.argv) > 1 else FULL_SAMPLE
    if not source.is_file():
        sys.exit(f"expected the full sample, a ROOT file with a tree 'Events', at {source}; name another as argument")
    with uproot.open(source) as file:
        full = file["Events"].arrays(library="pd")
    target = HERE / "ditau.csv.gz"
    write(thin(full)[select_columns(full)], target)
    print(f"{target}: {target.stat().st_size / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
