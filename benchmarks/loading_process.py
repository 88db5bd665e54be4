"""One loader of `loading.py`, in its own Python: for each line of the input an epoch, whose seconds are printed."""

from __future__ import annotations

import contextlib
import os
import sys
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING

os.environ["OMP_NUM_THREADS"] = "1"

if TYPE_CHECKING:
    from collections.abc import Callable

LOADER, FOLDER = sys.argv[1], Path(sys.argv[2])
BS, ENTRIES = 256, 51_200  # what others read at once: 200 batches
FEATURES = [f"f{i}" for i in range(30)]
ROOT_FILE = str(FOLDER / "events.root")


def ours() -> Callable[[], int]:
    """Go through a fold file as a fit does."""
    import numpy as np
    import torch

    from lumin_core import FoldYielder

    torch.set_num_threads(1)
    fy, rng = FoldYielder(FOLDER / "events.hdf5"), np.random.default_rng(1)

    def epoch() -> int:
        n = 0
        for _, fold in fy.training_folds(rng.permutation(len(fy)).tolist()):
            by = fy.batches(fold, BS, "classification", shuffle=True)
            del fold
            n += sum(len(x) for x, _, _ in by)
        return n

    return epoch


def root(*, eager: bool) -> Callable[[], int]:
    """Go through a tree by ROOT's own loader, which holds as many batches as the others read at once."""
    import ROOT

    frame = ROOT.RDataFrame("Events", ROOT_FILE)
    loader = ROOT.Experimental.ML.RDataLoader(
        frame, batch_size=BS, batches_in_memory=ENTRIES // BS, target="is_signal", load_eager=eager, set_seed=1
    )
    return lambda: sum(len(x) for x, _ in loader.as_numpy())


def weaver() -> Callable[[], int]:
    """Go through a tree by weaver-core's data set, in this process, as the others."""
    from torch.utils.data import DataLoader
    from weaver.utils.dataset import SimpleIterDataset

    config = FOLDER / "weaver.yaml"
    variables = "".join(f"      - [{name}, 0, 1]\n" for name in FEATURES)
    config.write_text(
        "treename: Events\ninputs:\n  feats:\n    length: 1\n    pad_mode: constant\n    vars:\n"
        f"{variables}labels:\n  type: custom\n  value:\n    label: is_signal\n",
        encoding="utf-8",
    )
    events = SimpleIterDataset({"all": [ROOT_FILE]}, str(config), for_training=True, fetch_step=0.1, name="train")
    loader = DataLoader(events, batch_size=BS, drop_last=True)
    return lambda: sum(len(y["label"]) for _, y, _ in loader)


def f9columnar() -> Callable[[], int]:
    """Go through a tree by f9columnar's loader, in this process, as the others."""
    from f9columnar.ml.collate import CollateConfig
    from f9columnar.pipeline.dataloader import get_chunk_dataloader
    from f9columnar.pipeline.readers import get_chunk_reader

    columns = [*FEATURES, "is_signal"]
    loader, _, _ = get_chunk_dataloader(
        "events",
        [ROOT_FILE],
        get_chunk_reader("root", fields=columns, key="Events"),
        step_size=ENTRIES,
        num_workers=0,
        collate_config=CollateConfig(modalities={"events": columns}),
        shuffle_chunks=True,
        shuffle_batch=True,
        batch_size=BS,
        drop_last=True,
        base_seed=1,
    )
    return lambda: BS * sum(1 for _ in loader)


def main() -> None:
    """Answer until the input ends; whatever the loaders print goes to where errors go."""
    loaders = {
        "lumin-core": ours,
        "ROOT, lazy": lambda: root(eager=False),
        "ROOT, eager": lambda: root(eager=True),
        "weaver-core": weaver,
        "f9columnar": f9columnar,
    }
    answers = sys.stdout
    with contextlib.redirect_stdout(sys.stderr):
        epoch = loaders[LOADER]()
        for _ in sys.stdin:
            start = perf_counter()
            n = epoch()
            answers.write(f"{perf_counter() - start}\n")
            answers.flush()
            if n < BS:
                sys.exit(f"{LOADER} gave {n} events")


if __name__ == "__main__":
    main()
