"""Find H -> tautau among Z -> tautau and ttbar: from a table of collisions to an ensemble, every block chosen by name.

Run it with ``python demo.py`` in this folder, or with ``tox run -e demo``. It writes into a temporary folder.
"""

import tempfile
from pathlib import Path

from lumin_core import Ensemble, FoldYielder, Model, ModelBuilder, train_models
from lumin_core.statistics import bootstrap
from lumin_plugin_hep import ams_scan
from lumin_plugin_io import Recipe
from lumin_plugin_metrics import roc_auc_score
from lumin_plugin_plots import write_report

SEED = 2026
here, folder = Path(__file__).parent, Path(tempfile.mkdtemp(prefix="ditau_"))
print(
    "H -> tautau among Z -> tautau and ttbar: three networks and their ensemble, from 20,000 collisions in ROOT files."
)
print("This takes a few minutes on a laptop; the epochs are shown as they end.", flush=True)

# 1. From ROOT files to fold files, as recipe.toml says: which columns are inputs (those that begin with gen_ are truth,
#    and are none), what an event counts, which third of the events is held back. Continuous features get mean 0 and
#    spread 1, and categories codes, by what the training events say.
recipe = Recipe.load(here / "recipe.toml")
print("The events are read, cut into folds, and written as two fold files ...", flush=True)
files = recipe.convert(folder / "train.hdf5")

# 2. Collisions look alike however they are turned about the beam, or mirrored: each epoch sees the momenta turned anew,
#    and predictions are means over eight views of each event.
turned = {"augmentations": ["phi_rotation", "axis_reflection"]}
train_fy, test_fy = FoldYielder(files["train"], **turned), FoldYielder(files["test"], **turned)

# 3. Three trainings, each validated on a fold of its own, and the ensemble of them. In the losses signal and background
#    count the same, whatever their cross-sections; metrics stay in yields.
builder = ModelBuilder.from_fy(
    train_fy,
    "classification",
    head="cat_emb_head",
    body={"name": "fully_connected", "depth": 3, "width": 64, "act": "swish", "do": 0.1},
    tail="class_reg_multi",
    opt_args={"opt": "adamw", "lr": 1e-3},
)
results = train_models(
    train_fy,
    n_models=3,
    bs=64,
    model_builder=builder,
    n_epochs=15,
    patience=4,
    cb_partials="balance_classes",
    metric_partials="roc_auc_score",
    savepath=folder / "run",
    seed=SEED,
)
ensemble = Ensemble.from_results(results, size=3)
ensemble.save(folder / "ensemble")

# 4. Predictions become columns of the test file.
print("Predictions for the events held back, of eight views each ...", flush=True)
for i, result in enumerate(results):
    Model.from_save(result["path"]).predict(test_fy, pred_name=f"model_{i}")
ensemble.predict(test_fy, pred_name="ensemble")

# 5. On the events held back, which stand for all in 139/fb: ROC AUC, its uncertainty from bootstraps, and the
#    significance of the best cut that leaves ten background events, the background being known to 5% and as well as
#    they tell.
target, weight = test_fy.get_column("targets"), test_fy.get_column("weights") / recipe.split.parts["test"]
print("Uncertainties, each from 100 bootstraps ...", flush=True)
print(f"\n{'':>10} {'valid. loss':>12} {'test ROC AUC, weighted':>24} {'test AMS':>9} {'at cut':>7}")
for name in ("model_0", "model_1", "model_2", "ensemble"):
    pred = test_fy.get_column(name)
    auc = roc_auc_score(pred, target, weight)
    error = bootstrap(roc_auc_score, pred, target, weight, n=100, seed=SEED).std()
    columns = {"pred": pred, "gen_target": target, "gen_weight": weight}
    ams, cut = ams_scan(columns, br=10, syst_unc_b=0.05, use_stat_unc=True, min_events=10)
    loss = f"{results[int(name[-1])]['loss']:.4f}" if name != "ensemble" else ""
    print(f"{name:>10} {loss:>12} {auc:>14.4f} ± {error:.4f} {ams:>9.2f} {cut:>7.3f}", flush=True)
print("\nROC AUC tells how well signal and background are told apart, AMS the significance of the best cut, in sigma.")

# 6. All that can be seen of the run, on one page.
page = write_report(folder / "run").path
print(f"Fold files, run and ensemble lie in {folder}; next: lumin info {folder / 'run'}")
print(f"The run on one page, with its figures: {page}")
