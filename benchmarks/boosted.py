"""The rivals of the networks: boosted trees of scikit-learn and LightGBM, early-stopped, the best of 20 seeded draws.

Hyperparameters are drawn from the ranges of `_draw`; a validation sample stops each fit by its loss and chooses among
the draws by its area under the ROC curve, all weighted. `tuned` is what other benchmarks use; run as a script this
measures both libraries on Adult income and on simulated H -> tautau, one split each, areas with bootstrap errors;
as `boosted.py negative` what becomes of weights of which 12 % are negative, of random sign.

The sets are looked for beside the repository, in ../shared/data; LightGBM is a rival of benchmarks alone. What is not
there is left out, with a message.
"""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import common

common.one_thread()

import numpy as np
import pandas as pd
from sklearn.ensemble import HistGradientBoostingClassifier

from lumin_core.statistics import bootstrap
from lumin_plugin_metrics import roc_auc_score

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    Predict = Callable[[np.ndarray], np.ndarray]
    Library = Literal["scikit-learn", "lightgbm"]

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
LIBRARIES: tuple[Library, ...] = ("scikit-learn", "lightgbm")
N_DRAWS, MOST_TREES, PATIENCE, N_BOOTSTRAP = 20, 2000, 50, 200
NEVER_INPUTS = ("gen_", "process", "event_number")  # truth, weights and labels of the di-tau events


class Choice(NamedTuple):
    """What was chosen: the hyperparameters, trees, area on the validation sample, and seconds of all draws."""

    options: dict[str, float]
    n_trees: int
    validation_auc: float
    seconds: float


class Sample(NamedTuple):
    """Inputs ``(n, F)`` with NaN where missing, classes 0 and 1, and weights, each of length n."""

    x: np.ndarray
    y: np.ndarray
    w: np.ndarray


def has(library: Library) -> bool:
    """Tell whether a library is installed."""
    return library == "scikit-learn" or importlib.util.find_spec(library) is not None


def tuned(
    x: np.ndarray,
    y: np.ndarray,
    w: np.ndarray | None,
    x_val: np.ndarray,
    y_val: np.ndarray,
    w_val: np.ndarray | None,
    n_draws: int = N_DRAWS,
    seed: int = 1,
    *,
    library: Library = "scikit-learn",
    categorical: Sequence[int] = (),
) -> tuple[Predict, Choice]:
    """Fit trees with drawn hyperparameters, and keep those that rank the validation sample best.

    Args:
        x: Inputs, shape ``(n, F)``, NaN where missing; categories as codes from 0.
        y: Classes, 0 or 1, shape ``(n,)``.
        w: Weights of the training, shape ``(n,)``; rescale classes before. ``None`` for one each.
        x_val: Inputs that stop and choose; the test sample is never among them.
        y_val: Their classes.
        w_val: Their weights.
        n_draws: Draws; the first one is the library's default, hardly tuned.
        seed: Of draws and fits.
        library: Whose trees.
        categorical: Columns that hold categories.

    Returns:
        A function from inputs to the probability of class 1, shape ``(n,)``, and what was chosen.
    """
    start = perf_counter()
    fit = _fit_sklearn if library == "scikit-learn" else fit_lightgbm
    rng = np.random.default_rng(seed)
    best: tuple[Predict, Choice] | None = None
    train, valid = Sample(x, y, _ones(w, y)), Sample(x_val, y_val, _ones(w_val, y_val))
    for i in range(n_draws):
        options = _draw(rng) if i else {}
        predict, n_trees = fit(train, valid, options, list(categorical), seed)
        area = float(roc_auc_score(predict(x_val), y_val, valid.w))
        if best is None or area > best[1].validation_auc:
            best = predict, Choice(options, n_trees, area, 0.0)
    if best is None:
        raise ValueError(f"n_draws must be at least 1, got {n_draws}")
    return best[0], best[1]._replace(seconds=perf_counter() - start)


def _ones(w: np.ndarray | None, y: np.ndarray) -> np.ndarray:
    return np.ones(len(y)) if w is None else np.asarray(w, dtype=np.float64).reshape(-1)


def _draw(rng: np.random.Generator) -> dict[str, float]:
    """Draw hyperparameters, by names of ours."""
    return {
        "learning_rate": float(np.exp(rng.uniform(np.log(0.02), np.log(0.3)))),
        "leaves": int(np.exp(rng.uniform(np.log(6), np.log(128)))),
        "events_in_leaf": int(np.exp(rng.uniform(np.log(5), np.log(300)))),
        "l2": float(np.exp(rng.uniform(np.log(1e-3), np.log(100)))),
        "features": float(rng.uniform(0.3, 1.0)),
        "events": float(rng.uniform(0.5, 1.0)),  # of LightGBM alone
    }


def _fit_sklearn(
    train: Sample, valid: Sample, options: Mapping[str, float], categorical: Sequence[int], seed: int
) -> tuple[Predict, int]:
    names = {
        "learning_rate": "learning_rate",
        "leaves": "max_leaf_nodes",
        "events_in_leaf": "min_samples_leaf",
        "l2": "l2_regularization",
        "features": "max_features",
    }
    settings: dict[str, Any] = {names[name]: value for name, value in options.items() if name in names}
    settings |= {"categorical_features": categorical or None, "random_state": seed}
    model = HistGradientBoostingClassifier(
        max_iter=MOST_TREES, early_stopping=True, n_iter_no_change=PATIENCE, tol=0.0, **settings
    )
    model.fit(train.x, train.y, train.w, X_val=valid.x, y_val=valid.y, sample_weight_val=valid.w)
    n_trees = max(int(np.argmax(model.validation_score_)), 1)  # the first score is of no tree
    model = HistGradientBoostingClassifier(max_iter=n_trees, early_stopping=False, **settings)
    model.fit(train.x, train.y, train.w)  # the same trees, without those after the best
    return lambda x: np.asarray(model.predict_proba(x)[:, 1]), n_trees


def fit_lightgbm(
    train: Sample, valid: Sample, options: Mapping[str, float], categorical: Sequence[int], seed: int
) -> tuple[Predict, int]:
    """Fit LightGBM's trees, stopped early, with hyperparameters by names of ours; return scores and their number."""
    import lightgbm

    names = {
        "learning_rate": "learning_rate",
        "leaves": "num_leaves",
        "events_in_leaf": "min_data_in_leaf",
        "l2": "lambda_l2",
        "features": "feature_fraction",
        "events": "bagging_fraction",
    }
    settings: dict[str, Any] = {names[name]: value for name, value in options.items()}
    settings |= {"objective": "binary", "metric": "binary_logloss", "verbosity": -1, "num_threads": 1, "seed": seed}
    settings |= {"deterministic": True, "bagging_freq": 1 if options else 0}
    data = lightgbm.Dataset(train.x, train.y, weight=train.w, categorical_feature=list(categorical))
    held = lightgbm.Dataset(valid.x, valid.y, weight=valid.w, reference=data)
    stop = lightgbm.early_stopping(PATIENCE, verbose=False)
    model = lightgbm.train(settings, data, num_boost_round=MOST_TREES, valid_sets=[held], callbacks=[stop])
    return lambda x: np.asarray(model.predict(x, num_iteration=model.best_iteration)), model.best_iteration


# The two sets


def balanced(weights: np.ndarray, classes: np.ndarray) -> np.ndarray:
    """Rescale weights so that every class has the same sum, and the mean is 1."""
    sums = np.bincount(classes.astype(int), weights=weights)
    return weights * (len(weights) / (len(sums) * sums))[classes.astype(int)]


def read_adult() -> tuple[Sample, Sample, list[int]]:
    """Read training and test file of Adult income, categories as codes, and the columns that hold them."""
    import adult

    train, test = adult.read(adult.FOLDER / "adult.data", 0), adult.read(adult.FOLDER / "adult.test", 1)
    both = pd.concat([train, test], keys=["train", "test"])
    for feat in adult.CAT:
        both[feat] = pd.factorize(both[feat], sort=True)[0]
    feats = [*adult.CONT, *adult.CAT]
    samples = [
        Sample(df[feats].to_numpy(float), df["target"].to_numpy(), np.ones(len(df)))
        for df in (both.loc["train"], both.loc["test"])
    ]
    return samples[0], samples[1], list(range(len(adult.CONT), len(feats)))


def ditau_inputs(columns: Iterable[str]) -> list[str]:
    """Return the columns of the di-tau events that may be inputs, in their order."""
    return [name for name in columns if not name.startswith(NEVER_INPUTS)]


def read_ditau() -> tuple[Sample, Sample, list[int]]:
    """Read the di-tau events, one third held back at random, weights in yields, and the columns of categories."""
    import uproot

    with uproot.open(DATA / "ditau_dev.root") as file:
        events = file["Events"].arrays(library="pd")
    feats = ditau_inputs(events.columns)
    held_back = np.random.default_rng(1).random(len(events)) < 1 / 3
    samples = [
        Sample(df[feats].to_numpy(float), df["gen_target"].to_numpy(), df["gen_weight"].to_numpy(float))
        for df in (events[~held_back], events[held_back])
    ]
    return samples[0], samples[1], [feats.index(name) for name in ("n_jets", "tau1_type", "tau0_n_prong")]


def measure(name: str, train: Sample, test: Sample, categorical: Sequence[int]) -> list[dict[str, Any]]:
    """Tune on nine tenths of the training events and a tenth for validation; ask the test events once."""
    valid = np.random.default_rng(2).random(len(train.y)) < 0.1
    weights = balanced(train.w, train.y)
    found = []
    for library in filter(has, LIBRARIES):
        parts = (train.x[~valid], train.y[~valid], weights[~valid], train.x[valid], train.y[valid], weights[valid])
        predict, choice = tuned(*parts, library=library, categorical=categorical)
        scores = predict(test.x)
        area = float(roc_auc_score(scores, test.y, test.w))
        error = float(bootstrap(roc_auc_score, scores, test.y, test.w, n=N_BOOTSTRAP, seed=1).std())
        found.append({"set": name, "library": library, "auc": area, "error": error, **choice._asdict()})
    return found


def negative_weights() -> None:
    """Measure what scikit-learn makes of negative weights: as they are, plainly and in ours, and otherwise."""
    import uproot

    from lumin_plugin_tabular.tree_fit import Sample as Learnt
    from lumin_plugin_tabular.tree_fit import fit_tree

    train, test, categorical = read_ditau()
    with uproot.open(DATA / "ditau_dev.root") as file:
        signed = file["Events"]["gen_weight_nlo"].array(library="np").astype(float)
    signed = signed[np.random.default_rng(1).random(len(signed)) >= 1 / 3]  # as read_ditau splits them
    stops = np.random.default_rng(2).random(len(train.y)) < 0.1
    ways = {
        "without signs": train.w,
        "as they are, plainly": signed,
        "as they are": signed,
        "drop": np.clip(signed, 0, None),
        "abs": np.abs(signed),
    }
    rows = []
    for way, weights in ways.items():
        w = balanced(weights, train.y)
        parts = [Learnt(train.x[mask], train.y[mask], w[mask]) for mask in (~stops, stops)]
        if way == "as they are, plainly":
            model = HistGradientBoostingClassifier(
                max_iter=1000, early_stopping=True, n_iter_no_change=20, categorical_features=categorical
            )
            learnt, held = parts
            model.fit(
                learnt.inputs,
                learnt.targets,
                learnt.weights,
                X_val=held.inputs,
                y_val=held.targets,
                sample_weight_val=held.weights,
            )
        else:
            options = {"max_iter": 1000, "n_iter_no_change": 20}
            model = fit_tree(*parts, is_class=True, options=options, categorical=categorical, seed=1)
        scores = model.predict_proba(test.x)[:, 1]
        error = float(bootstrap(roc_auc_score, scores, test.y, test.w, n=N_BOOTSTRAP, seed=1).std())
        rows.append([way, float(roc_auc_score(scores, test.y, test.w)), error, model.n_iter_])
    common.show("Negative weights", ["", "ROC AUC", "error", "trees"], rows)
    common.keep("boosted_negative", rows)


def main() -> None:
    """Tune, measure, print, write."""
    if sys.argv[1:] == ["negative"]:
        negative_weights()
        return
    found: list[dict[str, Any]] = []
    if (DATA / "adult").is_dir():
        found += measure("Adult", *read_adult())
    if (DATA / "ditau_dev.root").exists() and importlib.util.find_spec("uproot") is not None:
        found += measure("di-tau", *read_ditau())
    for library in LIBRARIES:
        if not has(library):
            print(f"left out: {library} is not installed")
    if not found:
        print(f"skipped: this needs the sets of {DATA}, and uproot")
        return
    rows = [
        [
            f"{row['set']}, {row['library']}",
            f"{row['auc']:.4f} ± {row['error']:.4f}",
            row["validation_auc"],
            row["n_trees"],
            row["seconds"],
        ]
        for row in found
    ]
    common.show("Boosted trees, the best of 20 draws", ["", "ROC AUC", "validation", "trees", "seconds"], rows)
    common.keep("boosted", found)


if __name__ == "__main__":
    main()
