"""What symmetries of collisions are worth: H -> tautau against Z -> tautau and ttbar, on Cartesian momenta alone.

Two thirds of the events train, a third is held back; five seeds decide over split, network and order. The same training
is done on events as they are stored, and on events turned in phi and mirrored in y and z, with predictions averaged
over the eight views. Weights are those of 139/fb, balanced between the classes in training.

The sample is looked for beside the repository, in ../shared/data/ditau_dev.root, and read with uproot; without them
nothing is done.
"""

from __future__ import annotations

import contextlib
import importlib.util
import io
import statistics
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import common

common.one_thread()

import numpy as np

from lumin_core import FoldYielder, Model, ModelBuilder, df2foldfile
from lumin_plugin_hep import ams_scan
from lumin_plugin_metrics import roc_auc_score
from lumin_plugin_tabular import fit_input_pipe

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

SAMPLE = Path(__file__).resolve().parents[2] / "shared" / "data" / "ditau_dev.root"
OBJECTS = ("tau0", "tau1", "jet0", "jet1")
FEATS = [*(f"{vec}_{x}" for vec in OBJECTS for x in ("px", "py", "pz", "E")), "met_px", "met_py"]
SEEDS, EPOCHS, BS, N_FOLDS = (1, 2, 3, 4, 5), 15, 256, 10
WAYS = {"as stored": [], "turned and mirrored": ["phi_rotation", "axis_reflection"]}


def read() -> pd.DataFrame:
    """Read momenta, process, class and weight."""
    import uproot

    with uproot.open(SAMPLE) as file:
        return file["Events"].arrays([*FEATS, "process", "gen_target", "gen_weight"], library="pd")


def split(events: pd.DataFrame, seed: int, folder: Path) -> tuple[Path, Path]:
    """Write the two fold files, weights scaled to stand for all events of their process."""
    held_back = np.random.default_rng(seed).random(len(events)) < 1 / 3
    total = events.groupby("process")["gen_weight"].sum()
    parts = []
    for part in (events[~held_back], events[held_back]):
        factor = total / part.groupby("process")["gen_weight"].sum()
        parts.append(part.assign(weight=part["gen_weight"] * part["process"].map(factor)))
    pipe = fit_input_pipe(parts[0], FEATS)
    for part in parts:
        part[FEATS] = pipe.transform(part[FEATS])
    class_sum = parts[0].groupby("gen_target")["weight"].transform("sum")
    parts[0]["weight"] *= len(parts[0]) / 2 / class_sum
    train, test = (
        df2foldfile(
            part, N_FOLDS, FEATS, [], "gen_target", folder / name, "int", strat_key="process", wgt_feat="weight",
            preprocessing=pipe, seed=seed,
        )
        for name, part in zip(("train", "test"), parts, strict=True)
    )  # fmt: skip
    return train, test


def trained(train: Path, test: Path, augmentations: Sequence[str], seed: int) -> tuple[float, float]:
    """Train and keep the best epoch; give AUC and AMS of the events held back."""
    with (
        FoldYielder(train, augmentations=augmentations) as fy,
        FoldYielder(test, augmentations=augmentations) as test_fy,
        tempfile.TemporaryDirectory() as folder,
        contextlib.redirect_stderr(io.StringIO()),
    ):
        body = {"name": "fully_connected", "depth": 3, "width": 100, "act": "swish"}
        model = Model(ModelBuilder.from_fy(fy, "classification", body=body, opt_args={"lr": 1e-3}, seed=seed))
        model.fit(EPOCHS, fy, BS, val_idx=0, cbs="save_best", cb_savepath=folder, seed=seed, visible_bar=False)
        model.predict(test_fy)
        pred, target, weight = (test_fy.get_column(name) for name in ("pred", "targets", "weights"))
    columns = {"pred": pred, "gen_target": target, "gen_weight": weight}
    ams, _ = ams_scan(columns, br=10, syst_unc_b=0.05, use_stat_unc=True, min_events=10)
    return float(roc_auc_score(pred, target, weight)), ams


def mean(values: Sequence[float]) -> list[float]:
    """Give the mean and its standard error."""
    return [statistics.mean(values), statistics.stdev(values) / len(values) ** 0.5]


def main() -> None:
    """Train, print, write."""
    if not SAMPLE.exists() or importlib.util.find_spec("uproot") is None:
        print(f"skipped: this needs {SAMPLE} and uproot")
        return
    events = read()
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in WAYS}
    for seed in SEEDS:
        with tempfile.TemporaryDirectory() as folder:
            files = split(events, seed, Path(folder))
            for name, augmentations in WAYS.items():
                found[name].append(trained(*files, augmentations, seed))
    auc, ams = ({name: [pair[i] for pair in pairs] for name, pairs in found.items()} for i in (0, 1))
    rows = [[name, *mean(auc[name]), *mean(ams[name])] for name in WAYS]
    gains = [[b - a for a, b in zip(*values.values(), strict=True)] for values in (auc, ams)]
    rows.append(["gain, seed by seed", *mean(gains[0]), *mean(gains[1])])
    title = f"weighted ROC AUC, and AMS for 139/fb (b_reg 10, 5% and statistics on b); means of {len(SEEDS)} seeds"
    common.show(title, ["", "AUC", "error", "AMS", "error"], rows)
    common.keep("symmetries", {"auc": auc, "ams": ams})


if __name__ == "__main__":
    main()
