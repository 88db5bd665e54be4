"""What networks on constituents tell of boosted tops against QCD jets: `jets_dev.root`, 60 constituents a jet.

Two thirds of the jets train, a third is held back; three seeds decide over split, network and order. Each network is
trained with AdamW under one cycle of the learning rate, and keeps its best epoch of a validation fold. Printed are
means over the seeds and their spread: ROC AUC, background rejection at signal efficiencies of 0.5 and 0.3, parameters,
and the time of training on one thread; then the learning curves: the validation fold's ROC AUC after every epoch.
``python benchmarks/jets.py deep_sets`` takes one network.

The sample is looked for beside the repository, in ../shared/data/jets_dev.root, and read with uproot; without them
nothing is done.
"""

from __future__ import annotations

import contextlib
import io
import statistics
import sys
import tempfile
import time
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, Any

import common

common.one_thread()

import jets_data

from lumin_core import FoldYielder, Model, ModelBuilder
from lumin_plugin_callbacks import OneCycle
from lumin_plugin_metrics import background_rejection, roc_auc_score

if TYPE_CHECKING:
    from collections.abc import Sequence

N_OBJECTS, SEEDS, BS = 60, (1, 2, 3), 128
SUM = {"name": "graph_collapser", "agg_methods": "sum"}
MEAN = {"name": "graph_collapser", "agg_methods": "mean"}
BODY = {"name": "fully_connected", "depth": 2, "width": 100, "act": "relu"}
SEEN_FROM_JET = "constituent_features"
NETWORKS: dict[str, dict[str, Any]] = {
    "deep_sets": {"extractor": [SEEN_FROM_JET, "deep_sets"], "collapser": SUM, "epochs": 12, "lr": 2e-3},
    "edge_conv": {
        "extractor": [SEEN_FROM_JET, {"name": "edge_conv", "preset": "lite"}],
        "collapser": MEAN,
        "epochs": 12,
        "lr": 3e-3,
    },
    "particle_transformer": {
        "extractor": [SEEN_FROM_JET, {"name": "particle_transformer", "preset": "lite"}],
        "collapser": "class_attention",
        "epochs": 12,
        "lr": 2e-3,
    },
    "lorentz_net": {"extractor": {"name": "lorentz_net", "preset": "lite"}, "collapser": MEAN, "epochs": 6, "lr": 2e-3},
}


def trained(network: dict[str, Any], train: Path, test: Path, seed: int) -> dict[str, Any]:
    """Train one network; give its figures on the jets held back."""
    head = {"name": "gnn_head", "extractor": network["extractor"], "collapser": network["collapser"]}
    with (
        FoldYielder(train) as fy,
        FoldYielder(test) as test_fy,
        tempfile.TemporaryDirectory() as folder,
        contextlib.redirect_stderr(io.StringIO()),
    ):
        optimiser = {"opt": "adamw", "lr": network["lr"], "weight_decay": 1e-2}
        builder = ModelBuilder.from_fy(fy, "classification", head=head, body=BODY, opt_args=optimiser, seed=seed)
        model = Model(builder)
        epochs = network["epochs"]
        cycle = OneCycle(lengths=(0.3 * epochs, 0.7 * epochs), lr_range=(network["lr"] / 20, network["lr"]))
        began = time.perf_counter()
        model.fit(
            epochs, fy, BS, val_idx=0, cbs=["save_best", cycle], metrics=["roc_auc_score"], cb_savepath=folder,
            seed=seed, visible_bar=False,
        )  # fmt: skip
        seconds = time.perf_counter() - began
        history = model.fit_params.history
        model.predict(test_fy)
        pred, target = test_fy.get_column("pred"), test_fy.get_column("targets")
    return {
        "auc": float(roc_auc_score(pred, target)),
        "rejection at 0.5": float(background_rejection(pred, target, signal_efficiency=0.5)),
        "rejection at 0.3": float(background_rejection(pred, target, signal_efficiency=0.3)),
        "parameters": model.get_param_count(),
        "seconds": seconds,
        "history": history,
    }


def study(names: Sequence[str], seeds: Sequence[int]) -> dict[str, list[dict[str, Any]]]:
    """Train each network with each seed."""
    momenta, _, is_signal = jets_data.read(N_OBJECTS)
    found: dict[str, list[dict[str, Any]]] = {name: [] for name in names}
    for seed in seeds:
        with tempfile.TemporaryDirectory() as folder:
            files = jets_data.write(momenta, is_signal, seed, Path(folder))
            for name in names:
                found[name].append(trained(NETWORKS[name], *files, seed))
                print(f"seed {seed}, {name}: AUC {found[name][-1]['auc']:.4f}", flush=True)
    return found


def learning_curve(runs: Sequence[dict[str, Any]]) -> list[float]:
    """Give the ROC AUC of the validation fold after each epoch, averaged over the seeds."""
    curves = [run["history"]["valid"]["roc_auc_score"] for run in runs]
    return [statistics.mean(aucs) for aucs in zip(*curves, strict=True)]


def main() -> None:
    """Train, print, write."""
    if reason := jets_data.missing():
        print(reason)
        return
    found = study(sys.argv[1:] or list(NETWORKS), SEEDS)
    columns = ["auc", "rejection at 0.5", "rejection at 0.3", "parameters", "seconds"]
    means = {name: [statistics.mean(run[c] for run in runs) for c in columns] for name, runs in found.items()}
    spread = {name: statistics.stdev(run["auc"] for run in runs) for name, runs in found.items()}
    rows = [[name, row[0], spread[name], *row[1:]] for name, row in means.items()]
    heads = ["", "AUC", "spread", "1/eff_b at 0.5", "at 0.3", "parameters", "train [s]"]
    common.show(f"tops against QCD jets, 10,000 held back, means of {len(SEEDS)} seeds", heads, rows)
    curves = [learning_curve(runs) for runs in found.values()]
    epochs = [[i, *aucs] for i, aucs in enumerate(zip_longest(*curves, fillvalue=""), start=1)]
    common.show("learning curves: validation AUC, means of the seeds", ["epoch", *found], epochs)
    common.keep("jets", found)


if __name__ == "__main__":
    main()
