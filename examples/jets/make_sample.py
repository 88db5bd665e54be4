"""Cut the demo's sample `jets.csv.gz` from the full one, the same bytes each time.

The full sample, a ROOT file of 30,000 jets, is not part of the repository; by default it is looked for beside it.
Needs uproot and awkward (`pip install uproot awkward pandas`), which the demo itself does not:

    python examples/jets/make_sample.py [../shared/data/jets_dev.root]
"""

from __future__ import annotations

import gzip
import sys
from pathlib import Path

import awkward as ak
import numpy as np
import pandas as pd
import uproot

HERE = Path(__file__).resolve().parent
FULL_SAMPLE = HERE.parents[2] / "shared" / "data" / "jets_dev.root"
N_JETS, N_CONSTITUENTS = 6_000, 30
SEED = 6_000
JET = ["event_number", "jet_pt", "jet_eta", "jet_phi", "jet_mass", "jet_nconst", "is_signal"]
TRUTH_KEPT = ["gen_top_pt", "gen_top_dr", "gen_top_merged"]
MOMENTUM = ["px", "py", "pz", "E"]
DECIMALS, MOMENTUM_DECIMALS = 4, 3
SOFTEST = 1e-3
"""In GeV; constituents of less transverse momentum would be rounded to nothing, and count as absent."""


def choose(is_signal: np.ndarray) -> np.ndarray:
    """Choose half of the jets from tops, half from QCD, at random and in the full sample's order, which is shuffled."""
    rng = np.random.default_rng(SEED)
    chosen = [rng.choice(np.flatnonzero(is_signal == label), N_JETS // 2, replace=False) for label in (0, 1)]
    return np.sort(np.concatenate(chosen))


def leading(jets: ak.Array) -> pd.DataFrame:
    """Give the momenta of the leading constituents, a column for each component, NaN for absent constituents."""
    padded = [ak.pad_none(jets[f"const_{x}"], N_CONSTITUENTS, clip=True) for x in MOMENTUM]
    momenta = np.stack([ak.to_numpy(ak.fill_none(x, np.nan)) for x in padded], axis=-1).astype(float)
    momenta[np.hypot(momenta[..., 0], momenta[..., 1]) < SOFTEST] = np.nan
    rounded = momenta.round(MOMENTUM_DECIMALS) + 0.0  # no -0.0
    names = [f"const{i}_{x}" for i in range(N_CONSTITUENTS) for x in MOMENTUM]
    return pd.DataFrame(rounded.reshape(len(jets), -1), columns=names)


def scalars(jets: ak.Array) -> pd.DataFrame:
    """Give what is known of each jet as a whole, and of its top."""
    columns = {name: ak.to_numpy(jets[name]) for name in JET + TRUTH_KEPT}
    rounded = {
        name: values.astype(float).round(DECIMALS) if values.dtype.kind == "f" else values
        for name, values in columns.items()
    }
    return pd.DataFrame(rounded)


def write(sample: pd.DataFrame, path: Path) -> None:
    """Write a CSV file, with neither name nor time in the gzip header."""
    text = sample.to_csv(index=False, lineterminator="\n")
    with path.open("wb") as raw, gzip.GzipFile("", "wb", compresslevel=9, fileobj=raw, mtime=0) as packed:
        packed.write(text.encode())


def main() -> None:
    """Read the full sample and write the demo's."""
    source = Path(sys.argv[1]) if len(sys.argv) > 1 else FULL_SAMPLE
    if not source.is_file():
        sys.exit(f"expected the full sample, a ROOT file with a tree 'Events', at {source}; name another as argument")
    with uproot.open(source) as file:
        full = file["Events"].arrays([*JET, *TRUTH_KEPT, *(f"const_{x}" for x in MOMENTUM)])
    jets = full[choose(ak.to_numpy(full["is_signal"]))]
    target = HERE / "jets.csv.gz"
    write(pd.concat((scalars(jets), leading(jets)), axis=1), target)
    print(f"{target}: {target.stat().st_size / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
