"""Networks on plain 4-momenta, ours against LUMIN 0.9.1's: tops against QCD jets, `jets_dev.root`, 20 constituents.

Momenta are turned to the jet's azimuth and divided by its transverse momentum, each component gets mean 0 and spread 1.
Two thirds of the jets train, a third is held back; three seeds decide over split, network and order. Six epochs of
batches of 256, Adam under one cycle of the learning rate, the body three layers of 100, one thread; each side trains
with the same settings, in turns. Printed are means over the seeds: ROC AUC, seconds of training, and their ratio to
LUMIN's; the goals are those for ours. The settings of the cycle were chosen for our interaction network by a fold of
the training jets, all of which train here, test figures being seen beside; at a constant rate of 0.005 the interaction
networks of both sides learn nothing in one seed of three.

The sample is looked for beside the repository, in ../shared/data/jets_dev.root, and read with uproot; without them
nothing is done. LUMIN is measured where the environment variable LUMIN_PYTHON names a Python that has it.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import statistics
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import common

common.one_thread()

import jets_data
import numpy as np

from lumin_core import FoldYielder, Model, ModelBuilder
from lumin_plugin_callbacks import OneCycle
from lumin_plugin_metrics import roc_auc_score

if TYPE_CHECKING:
    from collections.abc import Callable

N_OBJECTS, SEEDS = 20, (1, 2, 3)
GOALS = {"flat": 0.885, "interaction_net": 0.905, "grav_net": 0.895}
GOAL_TIME = 0.7
ROW_WISE = {"flat": None, "interaction_net": False, "grav_net": True}  # as LUMIN's take their matrices
SETTINGS: dict[str, Any] = {
    "networks": {
        "flat": {},
        "interaction_net": {"intfunc_outs": [32, 16], "outfunc_outs": [32, 16], "act": "swish"},
        "grav_net": {
            "cat_means": True, "f_slr_depth": 1, "n_s": 4, "n_lr": 16, "k": 8, "f_out_depth": 1, "n_out": [32, 16],
            "act": "swish",
        },
    },
    "agg_methods": ["mean", "max"],
    "body": {"depth": 3, "width": 100, "act": "swish"},
    "n_epochs": 6, "bs": 256, "betas": [0.9, 0.99], "cycle": {"lengths": [3, 3], "lr_range": [1e-3, 2e-2]},
}  # fmt: skip

Way = tuple["Callable[[Path, int], float]", "Callable[[Path], float]"]


def ours(network: str) -> Way:
    """Give what trains our network and tells the seconds, and what tells the ROC AUC of it."""
    options, kept = SETTINGS["networks"][network], {}
    collapser = {"name": "graph_collapser", "agg_methods": SETTINGS["agg_methods"]}
    head = {"name": "gnn_head", "extractor": {"name": network, **options}, "collapser": collapser}

    def fit(train: Path, seed: int) -> float:
        with FoldYielder(train) as fy, contextlib.redirect_stderr(io.StringIO()):
            builder = ModelBuilder.from_fy(
                fy,
                "classification",
                head="cat_emb_head" if network == "flat" else head,
                model_args={"body": SETTINGS["body"]},
                opt_args={"opt": "adam", "betas": SETTINGS["betas"]},
                seed=seed,
            )
            kept["model"] = Model(builder)
            start = time.perf_counter()
            kept["model"].fit(
                SETTINGS["n_epochs"],
                fy,
                SETTINGS["bs"],
                cbs=OneCycle(**SETTINGS["cycle"]),
                seed=seed,
                visible_bar=False,
            )
            return time.perf_counter() - start

    def auc(test: Path) -> float:
        with FoldYielder(test) as fy, contextlib.redirect_stderr(io.StringIO()):
            kept["model"].predict(fy)
            return float(roc_auc_score(fy.get_column("pred"), fy.get_column("targets")))

    return fit, auc


def lumins(network: str, worker: common.Worker) -> Way:
    """Give the same of LUMIN's, in its process."""
    return (
        lambda train, seed: worker.seconds(f"fit {network} {train} {seed}"),
        lambda test: worker.seconds(f"auc {network} {test}"),
    )


def study(ways: dict[str, dict[str, Way]]) -> dict[str, dict[str, list[tuple[float, float]]]]:
    """Train each network on each side with each seed; give ROC AUC and seconds."""
    momenta, axis, is_signal = jets_data.read(N_OBJECTS)
    momenta = jets_data.along_the_jet(momenta, axis)
    found: dict[str, dict[str, list[tuple[float, float]]]] = {name: {side: [] for side in ways[name]} for name in ways}
    for seed in SEEDS:
        with tempfile.TemporaryDirectory() as folder:
            for network, sides in ways.items():
                for side in sorted(sides, reverse=seed % 2 == 0):
                    place = Path(folder) / network / side  # LUMIN locks its files, and trains on no NaN
                    kept = np.nan_to_num(momenta) if side == "lumin" else momenta
                    train, test = jets_data.write(kept, is_signal, seed, place, row_wise=ROW_WISE[network])
                    fit, auc = sides[side]
                    seconds = fit(train, seed)
                    found[network][side].append((auc(test), seconds))
    return found


def main() -> None:
    """Measure, print, write."""
    if reason := jets_data.missing():
        print(reason)
        return
    lumin = os.environ.get("LUMIN_PYTHON")
    ways: dict[str, dict[str, Way]] = {network: {"ours": ours(network)} for network in SETTINGS["networks"]}
    with tempfile.TemporaryDirectory() as folder:
        if lumin:
            worker = common.Worker(lumin, "lumin_jets.py", json.dumps(SETTINGS), folder=Path(folder))
            ways = {network: {**sides, "lumin": lumins(network, worker)} for network, sides in ways.items()}
        else:
            print("LUMIN_PYTHON names no Python that has LUMIN 0.9.1: ours is measured alone")
        found = study(ways)
        if lumin:
            worker.close()
    rows: list[list[object]] = []
    for network, sides in found.items():
        reference = statistics.median(seconds for _, seconds in sides[list(sides)[-1]])
        for side, runs in sides.items():
            aucs, seconds = zip(*runs, strict=True)
            ratio = statistics.median(seconds) / reference
            rows.append([network, side, statistics.mean(aucs), GOALS[network], statistics.median(seconds), ratio])
    title = f"tops against QCD jets, 20 momenta, means of {len(SEEDS)} seeds (goal {GOAL_TIME} of LUMIN's time)"
    common.show(title, ["", "", "AUC", "goal for ours", "train [s]", "time ratio"], rows)
    common.keep("jets_momenta", found)


if __name__ == "__main__":
    main()
