"""How far the metric `ams` may be trusted: its scatter over five validation folds, against what statistics say.

A toy, of which the significance of every cut is known: one signal and two backgrounds of other weights, their scores
drawn from beta distributions. For each seed five folds are drawn, and a held-back sample of the size of all of them.
The scatter of the metric over the folds is compared with what the folds' own numbers of events give, by propagation
of errors at the best cut, and its mean with the largest significance of all cuts that leave ten events of a fold.

With ``ditau`` the same on the events of examples/ditau, where nothing is known but the held-back third: a small
network is trained for each fold and seed.

    python benchmarks/ams_metric.py [toy | ditau] [seeds]
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import common

common.one_thread()

import numpy as np
from scipy.stats import beta

from lumin_core import FoldYielder, Model, ModelBuilder, df2foldfile
from lumin_plugin_hep import AMS, ams_scan, calc_ams
from lumin_plugin_io import Recipe
from lumin_plugin_tabular import fit_input_pipe, proc_cats

if TYPE_CHECKING:
    import pandas as pd

N_FOLDS, N_SEEDS = 5, 20
BR, SYST = 10.0, 0.05
EXAMPLE = Path(__file__).parents[1] / "examples" / "ditau" / "recipe.toml"


class Process(NamedTuple):
    """What is drawn: the shape of its scores, its yield, its number of events."""

    is_signal: bool
    shape: tuple[float, float]
    expected: float
    n: int


TOY = (Process(True, (3, 1.2), 60, 3000), Process(False, (1.2, 3), 1000, 9000), Process(False, (1, 3), 2000, 9000))


def example() -> tuple[pd.DataFrame, list[str], list[str]]:
    """Read the example's events with their weights, none held back, and name the continuous and categorical inputs."""
    recipe = Recipe.load(EXAMPLE, {"split": {"parts": {"all": 1.0}}, "scaling": ""})
    with tempfile.TemporaryDirectory() as folder:
        fy = FoldYielder(recipe.convert(Path(folder) / "all.hdf5")["all"])
        return fy.get_df(inc_inputs=True, inc_misc=True), fy.cont_feats, fy.cat_feats


def draw(share: float, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Draw a share of the toy's events; weights are those of all."""
    counts = [rng.poisson(share * process.n) for process in TOY]
    return {
        "pred": np.concatenate([rng.beta(*process.shape, n) for process, n in zip(TOY, counts, strict=True)]),
        "gen_target": np.repeat([int(process.is_signal) for process in TOY], counts),
        "gen_weight": np.repeat([process.expected / process.n for process in TOY], counts),
    }


def truth() -> tuple[float, float]:
    """Compute the significance of the best cut for a fold's statistics, and its scatter.

    The numbers of events that a cut leaves of each process are Poisson's; what they change is yields and their
    uncertainty together.
    """
    cuts, share = np.linspace(0, 1, 10_001)[:-1], 1 / N_FOLDS
    counts = [process.n * share * beta.sf(cuts, *process.shape) for process in TOY]
    weights = [process.expected / (process.n * share) for process in TOY]

    def z(counts: list[np.ndarray]) -> np.ndarray:
        s, b, var = np.zeros_like(cuts), np.zeros_like(cuts), np.zeros_like(cuts)
        for process, n, w in zip(TOY, counts, weights, strict=True):
            s, b, var = (s + w * n, b, var) if process.is_signal else (s, b + w * n, var + w**2 * n)
        return np.asarray(calc_ams(s, b, BR, np.sqrt(SYST**2 + var / (b + BR) ** 2)))

    n_background = sum(n for process, n in zip(TOY, counts, strict=True) if not process.is_signal)
    best = int(np.where(n_background >= 10, z(counts), 0).argmax())
    variance = 0.0
    for k, n in enumerate(counts):
        changed = [n + 1e-3 if i == k else other for i, other in enumerate(counts)]
        variance += float(((z(changed) - z(counts))[best] / 1e-3) ** 2 * n[best])
    return float(z(counts)[best]), variance**0.5


def report(values: np.ndarray, held_back: np.ndarray) -> None:
    """Print the values of each seed, shape ``(n_seeds, n_folds)``, and what they come to."""
    print(f"{'seed':>4}  {'five folds':<36} {'mean':>7} {'scatter':>8} {'held back':>10}")
    for seed, (row, other) in enumerate(zip(values, held_back, strict=True)):
        folds = " ".join(f"{value:6.3f}" for value in row)
        print(f"{seed:>4}  {folds:<36} {row.mean():7.3f} {row.std(ddof=1):8.3f} {other:10.3f}")
    scatter = np.sqrt(values.var(axis=1, ddof=1).mean())
    print(f" all  mean {values.mean():.3f}, scatter {scatter:.3f}, held back {held_back.mean():.3f}")


def toy(n_seeds: int) -> None:
    """Compare with what is known."""
    metric = AMS(sum(process.n for process in TOY), br=BR, syst_unc_b=SYST)
    values, held_back = [], []
    for seed in range(n_seeds):
        rng = np.random.default_rng(seed)
        folds = [draw(1 / N_FOLDS, rng) for _ in range(N_FOLDS)]
        values.append([metric(fold["pred"], fold["gen_target"], fold["gen_weight"]) for fold in folds])
        cautious = {"use_stat_unc": True, "min_events": 10}
        held_back.append(ams_scan(draw(1, rng), br=BR, syst_unc_b=SYST, **cautious)[0])
    report(np.array(values), np.array(held_back))
    z, scatter = truth()
    print(f"known for a fold: {z:.3f} at the best cut, scatter {scatter:.3f} by propagation of errors")


def ditau(n_seeds: int) -> None:
    """Train for each fold and seed, and compare with the events held back."""
    events, conts, cats = example()
    held = np.random.default_rng(1).random(len(events)) < 1 / 3
    train, test = events[~held].copy(), events[held].copy()
    coded = proc_cats(train, cats, test_df=test)
    train, test = coded.train_df, coded.test_df
    pipe = fit_input_pipe(train, conts)
    train[conts], test[conts] = pipe.transform(train[conts]), pipe.transform(test[conts])
    sums = train.groupby("gen_target")["gen_weight"].transform("sum")
    train["weight"], test["weight"] = train["gen_weight"] / sums * len(train) / 2, test["gen_weight"]
    values, held_back = [], []
    with tempfile.TemporaryDirectory() as folder:
        options = {
            "cont_feats": conts,
            "cat_feats": cats,
            "targ_feats": "gen_target",
            "wgt_feat": "weight",
            "misc_feats": ["gen_weight"],
            "targ_type": "int",
            "cat_maps": coded.cat_maps,
            "preprocessing": pipe,
            "strat_key": "process",
            "seed": 1,
        }
        fy = FoldYielder(df2foldfile(train, N_FOLDS, savename=f"{folder}/train", **options))
        test_fy = FoldYielder(df2foldfile(test, 1, savename=f"{folder}/test", **options))
        others = {"gen_target": test_fy.get_column("targets"), "gen_weight": test_fy.get_column("gen_weight")}
        metric = {"name": "ams", "n_total": len(events), "wgt_name": "gen_weight"}
        for seed in range(n_seeds):
            row, preds = [], []
            for fold in range(N_FOLDS):
                builder = ModelBuilder.from_fy(
                    fy, "classification", body={"name": "fully_connected", "depth": 2, "width": 32}, seed=seed
                )
                model = Model(builder)
                saved = f"{folder}/{seed}_{fold}"
                model.fit(4, fy, 64, val_idx=fold, metrics=metric, seed=seed, visible_bar=False, cb_savepath=saved)
                row.append(model.fit_params.history["valid"]["ams"][-1])
                preds.append(model.predict(test_fy.get_fold(0)["inputs"])[:, 0])
            values.append(row)
            columns = {"pred": np.mean(preds, axis=0), **others}
            factor = len(events) / len(test)
            held_back.append(ams_scan(columns, factor, use_stat_unc=True, min_events=10)[0])
    report(np.array(values), np.array(held_back))


if __name__ == "__main__":
    what, seeds = (sys.argv[1:2] or ["toy"])[0], int((sys.argv[2:3] or [N_SEEDS])[0])
    {"toy": toy, "ditau": ditau}[what](seeds)
