"""Quality of networks beside boosted trees: areas under the ROC curve on Adult income and simulated H -> tautau.

Recipes and hyperparameters were fixed on validation events before the test part was read; each figure has its
bootstrap error, and differences are those of the same resampled events. Networks are those of `train_models` on ten
folds of the training part, each with a seed of its own and validated on another fold; the inputs are raw, but for the
default net, for which they are scaled. Single networks are the first three, an ensemble is of the first five.

    python benchmarks/quality.py [adult] [ditau] [trees] [default] [num_emb] [tabm] [strong] [symmetric] [table]

Every way leaves its scores of the test events in results/quality/, so that the others need not run again, and its run,
so that it goes on where it was stopped; the table is of what is there. The sets are looked for beside the repository,
in ../shared/data.
"""

from __future__ import annotations

import json
import sys
import tempfile
from functools import partial
from pathlib import Path
from time import process_time
from typing import TYPE_CHECKING, Any

import boosted
import common

common.one_thread()

import numpy as np
import pandas as pd

from lumin_core import Ensemble, FoldFileWriter, FoldYielder, Model, ModelBuilder, train_models
from lumin_core.statistics import bootstrap
from lumin_plugin_metrics import roc_auc_score
from lumin_plugin_tabular import fit_input_pipe, strong

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from boosted import Sample

SEED, N_SINGLE, N_ENSEMBLE, N_FOLDS, N_BOOTSTRAP = 1, 3, 5, 10, 200
FOLDER = common.RESULTS / "quality"
SETS = {"adult": boosted.read_adult, "ditau": boosted.read_ditau}


class Data:
    """One of the sets: training and test part, names of features, and which are categories."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.train, self.test, self.categorical = SETS[name]()
        self.is_weighted = bool((self.train.w != 1).any())
        self.cont = [i for i in range(self.train.x.shape[1]) if i not in self.categorical]

    def inputs(self, sample: Sample, scaled_by: object = None) -> np.ndarray:
        """Return continuous features, scaled where asked for, and categories behind them, as codes."""
        cont = sample.x[:, self.cont]
        cont = cont if scaled_by is None else scaled_by.transform(cont)
        return np.hstack([cont, self._codes(sample)]).astype("float32")

    def _codes(self, sample: Sample) -> np.ndarray:
        """Number the categories from 0, as the values of the training part are ordered."""
        levels = [np.unique(self.train.x[:, i]) for i in self.categorical]
        return np.column_stack(
            [np.searchsorted(found, sample.x[:, i]) for i, found in zip(self.categorical, levels, strict=True)]
        )

    def scaler(self) -> object:
        """Fit the scales of the continuous features."""
        frame = pd.DataFrame(self.train.x[:, self.cont], columns=[f"c{i}" for i in self.cont])
        return fit_input_pipe(frame, list(frame.columns))

    def folds(self) -> list[np.ndarray]:
        """Cut the training part at random: the events of each fold."""
        return np.array_split(np.random.default_rng(1).permutation(len(self.train.y)), N_FOLDS)

    def write(self, path: Path, scaled_by: object = None, named: Sequence[str] = ()) -> FoldYielder:
        """Write the training part as ten folds, at random; columns may have the names of the sample's."""
        inputs = self.inputs(self.train, scaled_by)
        names = [f"c{i}" for i in self.cont], [f"k{i}" for i in self.categorical]
        if named:
            names = [named[i] for i in self.cont], [named[i] for i in self.categorical]
        maps = {
            name: {int(code): str(code) for code in range(int(column.max()) + 1)}
            for name, column in zip(names[1], inputs[:, len(self.cont) :].T, strict=True)
        }
        weight = "weight" if self.is_weighted else None
        with FoldFileWriter(
            path, cont_feats=names[0], cat_feats=names[1], cat_maps=maps, targ_feats="target", wgt_feat=weight
        ) as file:
            for fold, rows in enumerate(self.folds()):
                weights = self.train.w[rows] if self.is_weighted else None
                file.append(fold, inputs=inputs[rows], targets=self.train.y[rows], weights=weights)
        return FoldYielder(path)


def asked_for(words: Sequence[str]) -> Iterator[Data]:
    """Read the sets that are named, or both; say which is not there."""
    for name in [word for word in words if word in SETS] or list(SETS):
        if (boosted.DATA / {"adult": "adult", "ditau": "ditau_dev.root"}[name]).exists():
            yield Data(name)
        else:
            print(f"skipped: {name} is not in {boosted.DATA}")


def keep(data: Data, way: str, scores: np.ndarray, **facts: Any) -> None:
    """Keep the scores of the test events and what is to be told of them."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    np.save(FOLDER / f"{data.name}-{way}.npy", scores)
    (FOLDER / f"{data.name}-{way}.json").write_text(json.dumps(facts))


def trees(data: Data) -> None:
    """Tune the trees of both libraries, 20 draws each, on a tenth of the training part."""
    valid = np.random.default_rng(2).random(len(data.train.y)) < 0.1
    x, y, w = data.train.x, data.train.y, boosted.balanced(data.train.w, data.train.y)
    for library in filter(boosted.has, boosted.LIBRARIES):
        parts = (x[~valid], y[~valid], w[~valid], x[valid], y[valid], w[valid])
        predict, choice = boosted.tuned(*parts, library=library, categorical=data.categorical)
        keep(data, library, predict(data.test.x), n_parameters=0, **choice._asdict())


def default(data: Data, folder: Path) -> None:
    """Train the default net on scaled inputs, ten epochs in batches of 64."""
    scaler = data.scaler()
    fy = data.write(folder / "scaled.hdf5", scaler)
    builder = ModelBuilder.from_fy(fy, "classification")
    _networks(data, fy, "default", data.inputs(data.test, scaler), N_SINGLE, model_builder=builder, **_plain(data))


def num_emb(data: Data, folder: Path) -> None:
    """Train the default body behind embeddings of numbers, otherwise as the default net."""
    fy = data.write(folder / "raw.hdf5")
    builder = ModelBuilder.from_fy(fy, "classification", head="num_emb_head")
    _networks(data, fy, "num_emb", data.inputs(data.test), N_SINGLE, model_builder=builder, **_plain(data))


def tabm(data: Data, folder: Path) -> None:
    """Train the recipe with TabM-mini of eight members in place of its body, with less decay, one network."""
    fy = data.write(folder / "raw.hdf5")
    body = {"name": "tabm", "k": 8, "depth": 3, "width": 128}
    arguments = strong(fy, "classification", body=body, opt_args={"lr": 1e-3, "weight_decay": 0.01})
    _networks(data, fy, "tabm", data.inputs(data.test), 1, **arguments)


def recipe(data: Data, folder: Path) -> None:
    """Train the strong recipe, and make an ensemble of it."""
    fy = data.write(folder / "raw.hdf5")
    _networks(data, fy, "strong", data.inputs(data.test), N_ENSEMBLE, **strong(fy, "classification"))


def symmetric(data: Data, folder: Path) -> None:
    """Train the recipe on events that are turned and mirrored, and ask about views of each; of di-tau events alone."""
    if data.name != "ditau":
        return
    import uproot

    with uproot.open(boosted.DATA / "ditau_dev.root") as file:
        named = boosted.ditau_inputs(file["Events"].keys())
    data.write(folder / "named.hdf5", named=named).close()
    views = ["phi_rotation", {"name": "axis_reflection", "axes": ["y", "z"]}]
    fy = FoldYielder(folder / "named.hdf5", augmentations=views)
    _networks(data, fy, "symmetric", data.inputs(data.test), N_ENSEMBLE, augment=True, **strong(fy, "classification"))


def _plain(data: Data) -> dict[str, Any]:
    return {"bs": 64, "n_epochs": 10, "cb_partials": ["balance_classes"] if data.is_weighted else None}


def _networks(
    data: Data, fy: FoldYielder, way: str, x: np.ndarray, n_models: int, *, augment: bool = False, **how: Any
) -> None:
    """Train networks, and keep the scores of the first three and of the ensemble of five."""
    folder = FOLDER / f"{data.name}-{way}"
    start = process_time()
    results = train_models(fy, n_models=n_models, seed=SEED, savepath=folder, resume=True, visible_bar=False, **how)
    seconds = (process_time() - start) / n_models
    for number, result in enumerate(results[:N_SINGLE]):
        model = Model.from_save(result["path"])
        n_parameters = model.get_param_count(trainable=False)
        scores = model.predict(x, augment=augment)[:, 0]
        keep(data, f"{way}-{number}", scores, n_parameters=n_parameters, seconds=seconds)
    if n_models == N_ENSEMBLE:
        ensemble = Ensemble.from_results(results, size=n_models, weighting="uniform")
        facts = {"n_parameters": n_models * n_parameters, "seconds": n_models * seconds}
        keep(data, f"{way}_ensemble", ensemble.predict(x, augment=augment)[:, 0], **facts)


# What was found


def table(data: Data) -> list[dict[str, Any]]:
    """Measure all that was kept: area, its error, and the difference to the better tree."""
    found: dict[str, list[np.ndarray]] = {}
    for path in sorted(FOLDER.glob(f"{data.name}-*.npy")):
        found.setdefault(_way(path), []).append(np.load(path))
    trees = {name: found[name][0] for name in boosted.LIBRARIES if name in found}
    if not trees:
        return [_row(data, name, scores, None) for name, scores in found.items()]
    tree = max(trees.values(), key=lambda scores: roc_auc_score(scores, data.test.y, data.test.w))
    for name in [name for name in found if name.startswith(("strong", "symmetric"))]:
        found[f"{name} and tree"] = [(scores + tree) / 2 for scores in found[name]]
    return [_row(data, name, scores, tree) for name, scores in found.items()]


def _way(path: Path) -> str:
    """Return which way the scores in a file are of, without the set and the network's number."""
    name = path.stem.split("-", 1)[1]
    return name[:-2] if name[-2] == "-" and name[-1].isdigit() else name


def _row(data: Data, name: str, scores: list[np.ndarray], tree: np.ndarray | None) -> dict[str, Any]:
    """Measure one way, averaged over its networks; the error is that of the mean, from the same resampled events."""

    def area(y: np.ndarray, w: np.ndarray, *columns: np.ndarray) -> float:
        return float(np.mean([roc_auc_score(column, y, w) for column in columns]))

    def difference(y: np.ndarray, w: np.ndarray, beside: np.ndarray, *columns: np.ndarray) -> float:
        return area(y, w, *columns) - area(y, w, beside)

    y, w = data.test.y, data.test.w
    resampled = partial(bootstrap, n=N_BOOTSTRAP, seed=1)
    row: dict[str, Any] = {"set": data.name, "way": name, "networks": len(scores)}
    row |= {"auc": area(y, w, *scores), "error": float(resampled(area, y, w, *scores).std())}
    if tree is not None:
        row |= {
            "to_tree": difference(y, w, tree, *scores),
            "to_tree_error": float(resampled(difference, y, w, tree, *scores).std()),
        }
    files = [path for path in FOLDER.glob(f"{data.name}-*.json") if _way(path) == name]
    told = [json.loads(path.read_text()) for path in files]
    return row | {
        key: float(np.mean([one.get(key, np.nan) for one in told])) for key in ("n_parameters", "seconds") if told
    }


WAYS = {"default": default, "num_emb": num_emb, "tabm": tabm, "strong": recipe, "symmetric": symmetric}


def main() -> None:
    """Train what is asked for, and show what is there."""
    asked = sys.argv[1:]
    ways = [name for name in asked if name in {*WAYS, "trees", "table"}] or ["trees", *WAYS, "table"]
    rows: list[dict[str, Any]] = []
    for data in asked_for(asked):
        if "trees" in ways:
            trees(data)
        for way in [way for way in WAYS if way in ways]:
            with tempfile.TemporaryDirectory() as folder:
                WAYS[way](data, Path(folder))
        rows += table(data) if "table" in ways else []
    if rows:
        _show(rows)


def _show(rows: list[dict[str, Any]]) -> None:
    cells = [
        [
            f"{row['set']}, {row['way']}",
            f"{row['auc']:.4f} ± {row['error']:.4f}",
            f"{row['to_tree']:+.4f} ± {row['to_tree_error']:.4f}" if "to_tree" in row else "",
            row["networks"],
            round(row.get("n_parameters", 0)),
            row.get("seconds", ""),
        ]
        for row in rows
    ]
    common.show("Networks and trees", ["", "ROC AUC", "to the better tree", "networks", "parameters", "CPU s"], cells)
    common.keep("quality", rows)


if __name__ == "__main__":
    main()
