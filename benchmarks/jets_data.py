"""The jets that the studies use: constituents of boosted tops and QCD jets, as arrays and as fold files.

The sample is looked for beside the repository, in ../shared/data/jets_dev.root, and read with uproot.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pandas as pd

from lumin_core import df2foldfile

SAMPLE = Path(__file__).resolve().parents[2] / "shared" / "data" / "jets_dev.root"
MOMENTUM = ("px", "py", "pz", "E")
N_FOLDS = 10


def missing() -> str:
    """Say what is missing for a study, or nothing."""
    here = SAMPLE.exists() and importlib.util.find_spec("uproot") is not None
    return "" if here else f"skipped: this needs {SAMPLE} and uproot"


def read(n_max: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Read the leading constituents.

    Returns:
        Momenta ``(n, n_max, 4)`` in GeV, NaN for absent constituents; the jets' transverse momentum and azimuth
        ``(n, 2)``; the class ``(n,)``, 1 for tops.
    """
    import awkward as ak
    import uproot

    with uproot.open(SAMPLE) as file:
        jets = file["Events"].arrays([*(f"const_{x}" for x in MOMENTUM), "jet_pt", "jet_phi", "is_signal"])
    columns = [ak.to_numpy(ak.fill_none(ak.pad_none(jets[f"const_{x}"], n_max, clip=True), np.nan)) for x in MOMENTUM]
    axis = np.stack((ak.to_numpy(jets["jet_pt"]), ak.to_numpy(jets["jet_phi"])), axis=1)
    return np.stack(columns, axis=-1).astype("float32"), axis, ak.to_numpy(jets["is_signal"])


def along_the_jet(momenta: np.ndarray, axis: np.ndarray) -> np.ndarray:
    """Turn momenta to the jet's azimuth, divide by its transverse momentum; give each component mean 0, spread 1."""
    pt, phi = axis[:, :1], axis[:, 1:]
    px, py, pz, energy = np.moveaxis(momenta, -1, 0)
    turned = (px * np.cos(phi) + py * np.sin(phi), py * np.cos(phi) - px * np.sin(phi), pz, energy)
    scaled = np.stack(turned, axis=-1) / pt[..., None]
    return ((scaled - np.nanmean(scaled, axis=(0, 1))) / np.nanstd(scaled, axis=(0, 1))).astype("float32")


def names(n_objects: int) -> list[str]:
    """Name the objects."""
    return [f"const{i}" for i in range(n_objects)]


def write(
    momenta: np.ndarray, is_signal: np.ndarray, seed: int, folder: Path, *, row_wise: bool | None = True
) -> tuple[Path, Path]:
    """Write two thirds of the jets, and the rest, as fold files with a matrix of objects, or flat (``None``)."""
    n_objects = momenta.shape[1]
    feats = [f"{vec}_{x}" for vec in names(n_objects) for x in MOMENTUM]
    jets = pd.DataFrame(momenta.reshape(len(momenta), -1), columns=feats).assign(is_signal=is_signal)
    held_back = np.random.default_rng(seed).permutation(len(jets)) < len(jets) // 3
    matrix = {"matrix_vecs": names(n_objects), "matrix_feats_per_vec": MOMENTUM, "matrix_row_wise": row_wise}
    train, test = (
        df2foldfile(
            part, N_FOLDS, feats if row_wise is None else [], [], "is_signal", folder / name, "int",
            strat_key="is_signal", seed=seed, **({} if row_wise is None else matrix),
        )
        for name, part in (("train", jets[~held_back]), ("test", jets[held_back]))
    )  # fmt: skip
    return train, test
