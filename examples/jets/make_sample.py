"""Cut the demo's samples, `top.root` and `qcd.root`, from the full one.

The full sample, a ROOT file of 30,000 jets, is not part of the repository; by default it is looked for beside it.

    python examples/jets/make_sample.py [../shared/data/jets_dev.root]
"""

from __future__ import annotations

import sys
from pathlib import Path

import awkward as ak
import numpy as np
import uproot

HERE = Path(__file__).resolve().parent
FULL_SAMPLE = HERE.parents[2] / "shared" / "data" / "jets_dev.root"
N_JETS, N_CONSTITUENTS = 6_000, 30
SEED = 6_000
SAMPLES = {"qcd": 0, "top": 1}
JET = ["event_number", "jet_pt", "jet_eta", "jet_phi", "jet_mass", "jet_nconst"]
TRUTH_KEPT = ["gen_top_pt", "gen_top_dr", "gen_top_merged"]
MOMENTUM = ["px", "py", "pz", "E"]
BITS = 16
"""Of the mantissa, which is about five significant digits."""
SOFTEST = 1e-3
"""In GeV, of transverse momentum."""


def rounded(values: np.ndarray) -> np.ndarray:
    """Round floats to some bits of their mantissa, so that they can be packed."""
    if values.dtype.kind != "f":
        return values
    cut = 23 - BITS
    bits = values.astype("f4").view("u4").astype("u8")
    near = ((bits + (1 << (cut - 1))) >> cut << cut).astype("u4").view("f4")
    return np.where(np.isnan(values), np.float32(np.nan), near)


def constituents(jets: ak.Array) -> dict[str, ak.Array]:
    """Give the momenta of the leading constituents, as many as there are."""
    momenta = {x: jets[f"const_{x}"][:, :N_CONSTITUENTS] for x in MOMENTUM}
    hard = np.hypot(momenta["px"], momenta["py"]) >= SOFTEST
    n_of_each = ak.num(momenta["px"][hard])
    flat = {x: rounded(ak.to_numpy(ak.flatten(values[hard]))) for x, values in momenta.items()}
    return {f"const_{x}": ak.unflatten(values, n_of_each) for x, values in flat.items()}


def write(jets: ak.Array, path: Path) -> None:
    """Write jets and their constituents."""
    columns = {name: rounded(ak.to_numpy(jets[name])) for name in JET + TRUTH_KEPT}
    types = {name: values.dtype for name, values in columns.items()}
    with uproot.recreate(path, compression=uproot.LZMA(9)) as file:
        tree = file.mktree("Events", {**types, **{f"const_{x}": "var * float32" for x in MOMENTUM}})
        tree.extend({**columns, **constituents(jets)})
    print(f"{path}: {len(jets)} jets, {path.stat().st_size / 1e6:.2f} MB")


def main() -> None:
    """Read the full sample and write those of the demo, the jets of each in their order, which is shuffled."""
    source = Path(sys.argv[1]) if len(sys.argv) > 1 else FULL_SAMPLE
    if not source.is_file():
        sys.exit(f"expected the full sample, a ROOT file with a tree 'Events', at {source}; name another as argument")
    with uproot.open(source) as file:
        full = file["Events"].arrays([*JET, *TRUTH_KEPT, "is_signal", *(f"const_{x}" for x in MOMENTUM)])
    rng = np.random.default_rng(SEED)
    for name, label in SAMPLES.items():
        of_label = np.flatnonzero(ak.to_numpy(full["is_signal"]) == label)
        write(full[np.sort(rng.choice(of_label, N_JETS // 2, replace=False))], HERE / f"{name}.root")


if __name__ == "__main__":
    main()
