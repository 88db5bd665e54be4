"""What the strong recipe was chosen by: rates and weight decays out of fold, on the training parts alone.

Each of the first six of ten folds is predicted by the network that was not trained on it; the area under the ROC curve
is the mean over the folds, differences to LightGBM, tuned and on the same folds, have the error of resampled events.
The test parts are not read.

    python benchmarks/recipe.py [adult] [ditau] [RATE:DECAY[:EPOCHS] ...]

as `python benchmarks/recipe.py ditau 1e-3:0.01 4e-3:1 4e-3:1:18`; by default what the recipe takes. The sets are looked
for beside the repository, in ../shared/data.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Any

import boosted
import common

common.one_thread()

import numpy as np
from quality import N_BOOTSTRAP, N_FOLDS, SEED, Data, asked_for

from lumin_core import Model, train_models
from lumin_core.statistics import bootstrap
from lumin_plugin_metrics import roc_auc_score
from lumin_plugin_tabular import strong
from lumin_plugin_tabular.recipe import LR, WEIGHT_DECAY

N_ASKED = 6


def events(data: Data) -> dict[str, np.ndarray]:
    """Return the training part in the order of its folds, those that are asked about."""
    folds = data.folds()
    order, fold = np.concatenate(folds), np.repeat(np.arange(N_FOLDS), list(map(len, folds)))
    names = {"raw": data.train.x, "x": data.inputs(data.train), "y": data.train.y, "w": data.train.w}
    return {"fold": fold} | {name: column[order] for name, column in names.items()}


def tree(data: Data, at: dict[str, np.ndarray]) -> np.ndarray:
    """Score each fold by LightGBM that learnt the others: hyperparameters are tuned once, on a fold not asked about."""
    w, scores, held = boosted.balanced(at["w"], at["y"]), np.full(len(at["y"]), np.nan), at["fold"] == N_FOLDS - 1
    parts = (at["raw"][~held], at["y"][~held], w[~held], at["raw"][held], at["y"][held], w[held])
    _, choice = boosted.tuned(*parts, library="lightgbm", categorical=data.categorical)
    for number in range(N_ASKED):
        out = at["fold"] == number
        learnt, stops = (boosted.Sample(at["raw"][rows], at["y"][rows], w[rows]) for rows in (~out, out))
        predict, _ = boosted.fit_lightgbm(learnt, stops, choice.options, data.categorical, SEED)
        scores[out] = predict(at["raw"][out])
    return scores


def networks(data: Data, at: dict[str, np.ndarray], rate: float, decay: float, n_epochs: int | None) -> np.ndarray:
    """Score each fold by the recipe's network that learnt the others."""
    given: dict[str, Any] = {"opt_args": {"lr": rate, "weight_decay": decay}}
    given |= {} if n_epochs is None else {"n_epochs": n_epochs}
    scores = np.full(len(at["y"]), np.nan)
    with tempfile.TemporaryDirectory() as folder:
        fy = data.write(Path(folder) / "raw.hdf5")
        how = strong(fy, "classification", **given)
        results = train_models(fy, n_models=N_ASKED, seed=11, savepath=Path(folder) / "run", visible_bar=False, **how)
        for number, result in enumerate(results):
            out = at["fold"] == number
            scores[out] = Model.from_save(result["path"]).predict(at["x"][out])[:, 0]
    return scores


def area(y: np.ndarray, w: np.ndarray, fold: np.ndarray, scores: np.ndarray) -> float:
    """Average the area over the folds: networks are not calibrated alike."""
    return float(np.mean([roc_auc_score(scores[fold == i], y[fold == i], w[fold == i]) for i in np.unique(fold)]))


def difference(y: np.ndarray, w: np.ndarray, fold: np.ndarray, scores: np.ndarray, beside: np.ndarray) -> float:
    """Return how much larger the area is than that of other scores."""
    return area(y, w, fold, scores) - area(y, w, fold, beside)


def main() -> None:
    """Ask what is asked for, and show it beside the tree."""
    asked = [text for text in sys.argv[1:] if ":" in text] or [f"{LR}:{WEIGHT_DECAY}"]
    rows = []
    for data in asked_for(sys.argv[1:]):
        at = events(data)
        some = at["fold"] < N_ASKED
        y, w, fold = (at[key][some] for key in ("y", "w", "fold"))
        beside = tree(data, at)[some] if boosted.has("lightgbm") else None
        for text in asked:
            rate, decay, *epochs = text.split(":")
            scores = networks(data, at, float(rate), float(decay), int(epochs[0]) if epochs else None)[some]
            row = [f"{data.name}, {text}", f"{area(y, w, fold, scores):.4f}", ""]
            if beside is not None:
                error = bootstrap(difference, y, w, fold, scores, beside, n=N_BOOTSTRAP, seed=1).std()
                row[2] = f"{difference(y, w, fold, scores, beside):+.4f} ± {error:.4f}"
            rows.append(row)
    common.show("The strong recipe out of fold", ["", "ROC AUC", "to LightGBM"], rows)
    common.keep("recipe", rows)


if __name__ == "__main__":
    main()
