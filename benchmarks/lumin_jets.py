"""The trainings of `jets_momenta.py` in LUMIN 0.9.1: run by a Python that has it, prints a number for every line.

Run as ``python lumin_jets.py SETTINGS_JSON``. A line is ``fit NETWORK TRAIN SEED``, answered by the seconds of a
training, or ``auc NETWORK TEST``, answered by the ROC AUC of the network trained last.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import random
import sys
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import Any

os.environ["OMP_NUM_THREADS"] = "1"

import numpy as np
import torch

with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
    from lumin.nn.callbacks.cyclic_callbacks import OneCycle
    from lumin.nn.data.fold_yielder import FoldYielder
    from lumin.nn.models.blocks import gnn_blocks
    from lumin.nn.models.blocks.head import CatEmbHead, GNNHead
    from lumin.nn.models.model import Model
    from lumin.nn.models.model_builder import ModelBuilder
from sklearn.metrics import roc_auc_score

torch.set_num_threads(1)
EXTRACTORS = {"interaction_net": gnn_blocks.InteractionNet, "grav_net": gnn_blocks.GravNet}


def build(network: str, fy: Any, settings: dict[str, Any]) -> Any:
    """Build a model."""
    head, feats, head_args = CatEmbHead, fy.cont_feats, {}
    if network in EXTRACTORS:
        entry = fy.matrix_feats
        head, feats = GNNHead, entry["present_feats"]
        extractor = partial(EXTRACTORS[network], **settings["networks"][network])
        collapser = partial(gnn_blocks.GraphCollapser, flatten=False, agg_methods=settings["agg_methods"])
        parts = {"extractor": extractor, "collapser": collapser}
        head_args = {"vecs": entry["vecs"], "feats_per_vec": entry["feats_per_vec"], **parts}
    builder = ModelBuilder(
        "classification",
        n_out=1,
        cont_feats=list(feats),
        model_args={"head": head_args, "body": settings["body"]},
        opt_args={"opt": "adam", "eps": 1e-8, "betas": settings["betas"]},
        head=head,
    )
    return Model(builder)


def main() -> None:
    """Train and tell on demand."""
    settings, model = json.loads(sys.argv[1]), None
    for line in sys.stdin:
        task, network, path, *seed = line.split()
        fy = FoldYielder(Path(path))
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            if task == "fit":
                torch.manual_seed(int(seed[0]))
                np.random.seed(int(seed[0]))
                random.seed(int(seed[0]))
                model, cycle = build(network, fy, settings), OneCycle(**settings["cycle"])
                start = perf_counter()
                model.fit(settings["n_epochs"], fy, bs=settings["bs"], cbs=cycle, visible_bar=False)
                answer = perf_counter() - start
            else:
                model.predict(fy)
                answer = roc_auc_score(fy.get_column("targets"), fy.get_column("pred"))
        print(answer, flush=True)


if __name__ == "__main__":
    main()
