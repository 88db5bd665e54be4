"""The epoch of `epoch.py` in LUMIN 0.9.1: run by a Python that has it, prints seconds an epoch.

Run as ``python lumin_epoch.py FOLDFILE BATCH_SIZE VALIDATION_FOLD EPOCHS``.
"""

from __future__ import annotations

import contextlib
import io
import os
import sys
from pathlib import Path
from time import perf_counter

os.environ["OMP_NUM_THREADS"] = "1"

import torch
from lumin.nn.callbacks.monitors import MetricLogger
from lumin.nn.data.fold_yielder import FoldYielder
from lumin.nn.models.model import Model
from lumin.nn.models.model_builder import ModelBuilder

torch.set_num_threads(1)


def main() -> None:
    """Fit and print."""
    path, bs, valid, n_epochs = Path(sys.argv[1]), *map(int, sys.argv[2:])
    fy = FoldYielder(path)
    builder = ModelBuilder(
        "classification",
        n_out=1,
        cont_feats=fy.cont_feats,
        model_args={"body": {"depth": 4, "width": 100, "act": "relu"}},
        opt_args={"opt": "adam", "eps": 1e-8},
    )
    builder.set_lr(1e-3)
    model = Model(builder)
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        model.fit(1, fy, bs=bs, val_idx=valid, cbs=[MetricLogger(show_plots=False)], visible_bar=False)
        start = perf_counter()
        model.fit(n_epochs, fy, bs=bs, val_idx=valid, cbs=[MetricLogger(show_plots=False)], visible_bar=False)
    print((perf_counter() - start) / n_epochs)


if __name__ == "__main__":
    main()
