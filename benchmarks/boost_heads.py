"""Forward and backward of the Lorentz-boost heads: ours against LUMIN 0.9.1's, in training, with equal settings.

A batch of 256 events of ten objects, eight particles, one thread. LUMIN runs in a process of its own, of the Python
that the environment variable LUMIN_PYTHON names; the two are measured in turns, one waiting while the other works.
Without it ours is measured alone.
"""

from __future__ import annotations

import json
import os
import tempfile
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any

import common

common.one_thread()

import numpy as np
import torch

from lumin_core import build

if TYPE_CHECKING:
    from collections.abc import Callable

N_EVENTS, N_OBJECTS, N_PARTICLES = 256, 10, 8
PER_TURN, REPETITIONS = 50, 41
GOAL = 1.0
FEATS = ["px", "py", "pz", "E"]
VECS = [f"jet{i}" for i in range(N_OBJECTS)]
SHARED = {
    "cont_feats": [f"{vec}_{feat}" for vec in VECS for feat in FEATS],
    "vecs": VECS,
    "feats_per_vec": FEATS,
    "n_particles": N_PARTICLES,
}
SETTINGS: dict[str, dict[str, Any]] = {
    "lorentz_boost_net": SHARED,
    "auto_extract_lorentz_boost_net": {**SHARED, "depth": 3, "width": 20, "n_singles": 3, "n_pairs": 2},
}


def make_momenta() -> np.ndarray:
    """Make jets of exponential pT above 30 GeV and of 10 GeV mass, shape ``(B, N, 4)``; none is absent."""
    rng, shape = np.random.default_rng(1), (N_EVENTS, N_OBJECTS)
    pt, eta, phi = 30 + rng.exponential(50, shape), rng.normal(0, 1.5, shape), rng.uniform(-np.pi, np.pi, shape)
    vector = pt * np.stack((np.cos(phi), np.sin(phi), np.sinh(eta)))
    energy = np.sqrt((vector**2).sum(0) + 10**2)
    return np.stack((*vector, energy), axis=-1).astype("float32")


def ours(head: torch.nn.Module, x: torch.Tensor) -> float:
    """Give the seconds of one pass of ours."""
    start = perf_counter()
    for _ in range(PER_TURN):
        head.zero_grad()
        head(x).sum().backward()
    return (perf_counter() - start) / PER_TURN


def measure(x: torch.Tensor, lumin: common.Lumin | None) -> dict[str, Any]:
    """Measure both heads, print, and give the ratios."""
    results = {}
    for name, options in SETTINGS.items():
        head = build("head", {"name": name, **options})
        ways: dict[str, Callable[[], float]] = {"lumin-plugin-hep": partial(ours, head.train(), x)}
        if lumin is not None:
            ways["LUMIN 0.9.1"] = partial(lumin.seconds, f"{name} {PER_TURN}")
        results[name] = common.ratios(common.alternate(ways, REPETITIONS), list(ways)[-1])
        rows = [[way, 1e6 * r["median_s"], 1e6 * r["spread_s"], r["ratio"]] for way, r in results[name].items()]
        common.show(f"{name}, forward and backward (goal {GOAL})", ["", "median [us]", "spread [us]", "ratio"], rows)
    return results


def main() -> None:
    """Measure, print, write."""
    momenta, lumin = make_momenta(), None
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if "LUMIN_PYTHON" in os.environ:
            np.save(folder / "momenta.npy", momenta)
            lumin = common.Worker(
                os.environ["LUMIN_PYTHON"], "lumin_boost_heads.py", "momenta.npy", json.dumps(SETTINGS), folder=folder
            )
        else:
            print("LUMIN is not measured: LUMIN_PYTHON names no Python that has lumin 0.9.1")
        results = measure(torch.from_numpy(momenta), lumin)
        if lumin is not None:
            lumin.close()
    common.keep("boost_heads", results)


if __name__ == "__main__":
    main()
