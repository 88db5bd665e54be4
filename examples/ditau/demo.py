"""Find H -> tautau among Z -> tautau and ttbar: from a table of collisions to an ensemble, every block chosen by name.

Run it with ``python demo.py`` in this folder, or with ``tox run -e demo``. It writes into a temporary folder.
"""

import tempfile
from pathlib import Path

import numpy as np
import pandas as pd

from lumin_core import Ensemble, FoldYielder, Model, ModelBuilder, df2foldfile, train_models
from lumin_core.statistics import bootstrap
from lumin_plugin_hep import ams_scan
from lumin_plugin_metrics import roc_auc_score
from lumin_plugin_tabular import fit_input_pipe, proc_cats

SEED = 2026
folder = Path(tempfile.mkdtemp(prefix="ditau_"))
print("H -> tautau among Z -> tautau and ttbar: three networks and their ensemble, from a table of 20,000 collisions.")
print("This takes a few minutes on a laptop; the epochs are shown as they end.", flush=True)

# 1. The events: columns of numbers (missing where a jet is), three categories, a label, and a weight that makes each
#    process count as often as it comes in 139/fb. What begins with gen_ is truth, and no input.
events = pd.read_csv(Path(__file__).with_name("ditau.csv.gz"))
truth = [name for name in events if name.startswith("gen_")] + ["process", "event_number"]
cat_feats = ["n_jets", "tau1_type", "tau0_n_prong"]
cont_feats = [name for name in events if name not in truth + cat_feats]

# 2. A third is held back. What is left over then stands for all events of its process: the weight of an event is its
#    yield in 139/fb, in training as in the test.
held_back = np.random.default_rng(SEED).random(len(events)) < 1 / 3
of_all, of_part = (events.groupby(keys)["gen_weight"].transform("sum") for keys in ("process", ["process", held_back]))
events["weight"] = events["gen_weight"] * of_all / of_part
train, test = events[~held_back], events[held_back]

# 3. Categories become codes, continuous features get mean 0 and spread 1, by what the training events say.
cats = proc_cats(train, cat_feats, test_df=test)
train, test = cats.train_df, cats.test_df
pipe = fit_input_pipe(train, cont_feats)
train[cont_feats], test[cont_feats] = pipe.transform(train[cont_feats]), pipe.transform(test[cont_feats])

# 4. Two fold files. Collisions look alike however they are turned about the beam, or mirrored: each epoch sees the
#    momenta turned anew, and predictions are means over eight views of each event.
print("The events are cut into folds, and written as two fold files ...", flush=True)
common = {
    "cont_feats": cont_feats, "cat_feats": cat_feats, "targ_feats": "gen_target", "wgt_feat": "weight",
    "targ_type": "int", "cat_maps": cats.cat_maps, "preprocessing": pipe, "strat_key": "process", "seed": SEED,
}  # fmt: skip
turned = {"augmentations": ["phi_rotation", "axis_reflection"]}
train_fy = FoldYielder(df2foldfile(train, 10, savename=folder / "train", **common), **turned)
test_fy = FoldYielder(df2foldfile(test, 5, savename=folder / "test", misc_feats=["process"], **common), **turned)

# 5. Three trainings, each validated on a fold of its own, and the ensemble of them. In the losses signal and background
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

# 6. Predictions become columns of the test file.
print("Predictions for the events held back, of eight views each ...", flush=True)
for i, result in enumerate(results):
    Model.from_save(result["path"]).predict(test_fy, pred_name=f"model_{i}")
ensemble.predict(test_fy, pred_name="ensemble")

# 7. On the events held back, as they come in 139/fb: ROC AUC, its uncertainty from bootstraps, and the significance of
#    the best cut that leaves ten background events, the background being known to 5% and as well as they tell.
target, weight = test_fy.get_column("targets"), test_fy.get_column("weights")
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
print(f"Fold files, run and ensemble lie in {folder}; next: lumin info {folder / 'run'}")
