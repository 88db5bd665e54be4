"""Tell boosted tops from QCD jets: four networks, from ROOT files of jets and their constituents, every block by name.

Run it with ``python demo.py`` in this folder, or with ``tox run -e demo``. It writes into a temporary folder.
"""

import tempfile
import time
from functools import partial
from pathlib import Path

import numpy as np

from lumin_core import FoldYielder, Model, ModelBuilder, train_models
from lumin_core.statistics import bootstrap
from lumin_plugin_io import Recipe
from lumin_plugin_metrics import background_rejection, roc_auc_score
from lumin_plugin_plots import write_comparison

SEED = 2026
folder = Path(tempfile.mkdtemp(prefix="jets_"))
print("Boosted tops among QCD jets: four networks, the first of whole jets, the others of their constituents.")
print("This takes a few minutes on a laptop, most of them for the last two networks.", flush=True)

# 1. From ROOT files to fold files, as recipe.toml says: what is known of each jet as a whole, scaled to mean 0 and
#    spread 1, and a matrix in which each of the 30 leading constituents is a row, NaN where there are fewer. A third of
#    the jets is held back, to be looked at when all is done.
files = Recipe.load(Path(__file__).with_name("recipe.toml")).convert(folder / "train.hdf5")
train_file, test_file = files["train"], files["test"]
whole_jet = ["jet_pt", "jet_eta", "jet_mass", "jet_nconst"]

# 2. The networks. The first sees the whole jet alone. The others see the constituents alone: their directions from the
#    jet's axis and logarithms of their momenta, from which extractors compute features of each constituent, and a
#    collapser those of the jet. Epochs and learning rates were chosen by folds of the training file.
FLAT, OBJECTS = {"yield_matrix": False}, {"ignore_feats": whole_jet}
deep_sets = {"name": "deep_sets", "preset": "lite", "act": "swish"}
interaction_net = {"name": "interaction_net", "act": "swish"}
transformer = {"name": "particle_transformer", "preset": "lite"}
sum_of_all = {"name": "graph_collapser", "agg_methods": "sum"}
mean_and_maximum = {"name": "graph_collapser", "agg_methods": ["mean", "max"]}


def graph(extractor: dict, collapser: str | dict) -> dict:
    """Give a head whose inputs are the constituents as they are seen from the jet."""
    return {"name": "gnn_head", "extractor": ["constituent_features", extractor], "collapser": collapser}


networks = {  # what is read, head, epochs, learning rate
    "flat": (FLAT, "cat_emb_head", 15, 1e-2),
    "deep_sets": (OBJECTS, graph(deep_sets, sum_of_all), 30, 6e-3),
    "interaction_net": (OBJECTS, graph(interaction_net, mean_and_maximum), 10, 3e-3),
    "particle_transformer": (OBJECTS, graph(transformer, "class_attention"), 6, 1e-3),
}

# 3. Each is a run of one model, which is trained under one cycle of the learning rate, and ends with its best epoch, by
#    the loss on the first fold. Predictions become columns of the test file.
parameters, seconds = {}, {}
for name, (what_is_read, head, n_epochs, lr) in networks.items():
    fy = FoldYielder(train_file, **what_is_read)
    builder = ModelBuilder.from_fy(
        fy,
        "classification",
        head=head,
        body={"name": "fully_connected", "depth": 2, "width": 64, "act": "swish"},
        opt_args={"opt": "adamw", "lr": lr},
        seed=SEED,
    )
    cycle = {"name": "one_cycle", "lengths": (0.3 * n_epochs, 0.7 * n_epochs), "lr_range": (lr / 20, lr)}
    print(f"{name}: {n_epochs} epochs", flush=True)
    began = time.perf_counter()
    results = train_models(
        fy, 1, bs=100, model_builder=builder, n_epochs=n_epochs, cb_partials=cycle, savepath=folder / name, seed=SEED,
    )  # fmt: skip
    model = Model.from_save(results[0]["path"])
    seconds[name], parameters[name] = time.perf_counter() - began, model.get_param_count()
    model.predict(FoldYielder(test_file, **what_is_read), pred_name=name)

# 4. On the jets held back: ROC AUC, and one QCD jet in how many passes a cut that half, or 30 %, of the tops pass.
#    Uncertainties come from bootstraps, for rejections half of the central 68 %.
test_fy = FoldYielder(test_file)
target = test_fy.get_column("targets")
statistics = {
    "ROC AUC": (roc_auc_score, 4),
    "1/eff_b, 50 %": (partial(background_rejection, signal_efficiency=0.5), 0),
    "1/eff_b, 30 %": (partial(background_rejection, signal_efficiency=0.3), 0),
}
print(f"\n{'':21}" + "".join(f"{title:>15}" for title in statistics) + f"{'weights':>8}{'[s]':>6}")
for name in networks:
    pred, row = test_fy.get_column(name), ""
    for statistic, digits in statistics.values():
        resampled = bootstrap(statistic, pred, target, n=100, seed=SEED)
        low, high = np.percentile(resampled, [16, 84], method="nearest")
        row += f"{statistic(pred, target):.{digits}f} ± {(high - low) / 2:.{digits}f}".rjust(15)
    print(f"{name:21}{row}{parameters[name]:>8,}{seconds[name]:>6.0f}", flush=True)
print("\nOf QCD jets one in 1/eff_b passes; 'flat' shows how much mass and number of constituents tell by themselves.")

# 5. All that can be seen of the four: what differs, how they learned, and their curves, on one page.
page = write_comparison([folder / name for name in networks], folder / "compare.html").path
print(f"Fold files and runs lie in {folder}; next: lumin report {folder / 'deep_sets'}")
print(f"The four networks on one page: {page}")
