"""Tell boosted tops from QCD jets: four networks, from one table of jets and their constituents, every block by name.

Run it with ``python demo.py`` in this folder, or with ``tox run -e demo``. It writes into a temporary folder.
"""

import tempfile
import time
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from lumin_core import FoldYielder, Model, ModelBuilder, df2foldfile
from lumin_core.statistics import bootstrap
from lumin_plugin_metrics import background_rejection, roc_auc_score
from lumin_plugin_tabular import fit_input_pipe

SEED = 2026
folder = Path(tempfile.mkdtemp(prefix="jets_"))

# 1. The jets: what is known of each as a whole, and the momenta of its 30 leading constituents, missing where there are
#    fewer. What begins with gen_ is truth, and no input.
jets = pd.read_csv(Path(__file__).with_name("jets.csv.gz"))
whole_jet = ["jet_pt", "jet_eta", "jet_mass", "jet_nconst"]
vecs, feats = [f"const{i}" for i in range(30)], ["px", "py", "pz", "E"]

# 2. A third is held back, to be looked at when all is done.
held_back = np.random.default_rng(SEED).random(len(jets)) < 1 / 3
train, test = jets[~held_back].copy(), jets[held_back].copy()

# 3. What is known of the whole jet gets mean 0 and spread 1; momenta stay in GeV, for networks compute with them.
pipe = fit_input_pipe(train, whole_jet)
train[whole_jet], test[whole_jet] = pipe.transform(train[whole_jet]), pipe.transform(test[whole_jet])

# 4. Two fold files, which hold both: a row of features, and a matrix in which each constituent is a row, NaN if absent.
common = {
    "cont_feats": whole_jet, "cat_feats": [], "targ_feats": "is_signal", "targ_type": "int", "strat_key": "is_signal",
    "matrix_vecs": vecs, "matrix_feats_per_vec": feats, "matrix_row_wise": True, "preprocessing": pipe, "seed": SEED,
}  # fmt: skip
files = {"train": df2foldfile(train, 8, savename=folder / "train", **common)}
files["test"] = df2foldfile(test, 4, savename=folder / "test", **common)

# 5. The networks. The first sees the whole jet alone, the others the constituents alone: their directions in the frame
#    of the jet, and logarithms of their momenta. From these extractors compute features of each constituent, and a
#    collapser those of the jet.
graph = {"name": "gnn_head"}
networks = {
    "flat": "cat_emb_head",
    "deep_sets": graph
    | {
        "extractor": ["constituent_features", {"name": "deep_sets", "preset": "lite"}],
        "collapser": {"name": "graph_collapser", "agg_methods": "sum"},
    },
    "interaction_net": graph | {"extractor": ["constituent_features", "interaction_net"]},
    "particle_transformer": graph
    | {
        "extractor": ["constituent_features", {"name": "particle_transformer", "preset": "lite"}],
        "collapser": "class_attention",
    },
}
