"""A run that is killed with SIGKILL at ten random moments and resumed each time, against one that is never killed.

One cycle, SWA, save best, early stopping and dropout are on, on one thread. The weights must be equal bit for bit; the
script says so, or exits with 1. The tests run a shortened form.
``python benchmarks/resume.py [kills [seed [events]]]``.
"""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import common

common.one_thread()

from lumin_core import FoldYielder, ModelBuilder, train_models

KILLS, SEED, EVENTS = 10, 1, 4000
EPOCHS, N_MODELS = 12, 2


def train(foldfile: Path, folder: Path) -> None:
    """Begin the run, or go on with it."""
    fy = FoldYielder(foldfile)
    builder = ModelBuilder.from_fy(
        fy, "classification", body={"name": "fully_connected", "depth": 3, "width": 60, "do": 0.2, "bn": True}
    )
    print("begun", flush=True)
    callbacks = [{"name": "one_cycle", "lengths": (5, 7), "lr_range": (1e-4, 1e-2)}, {"name": "swa", "start_epoch": 4}]
    train_models(
        fy, N_MODELS, 64, builder, EPOCHS, patience=6, cb_partials=callbacks, savepath=folder, seed=3, resume=True
    )


def start(foldfile: Path, folder: Path) -> subprocess.Popen[bytes]:
    """Do so in a process of its own, and come back once the training begins: a start-up's length is no matter here."""
    command = [sys.executable, __file__, "--train", foldfile, folder]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    if process.stdout:
        process.stdout.readline()
    return process


def finish(process: subprocess.Popen[bytes]) -> None:
    """Wait for the end of a run."""
    _, errors = process.communicate()
    if process.returncode:
        sys.exit(f"the run failed:\n{errors.decode()}")


def killed(process: subprocess.Popen[bytes], moment: float) -> bool:
    """Kill a run at a moment, unless it has ended."""
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.communicate(timeout=moment)
        return False
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    return True


def weights(folder: Path) -> list[bytes]:
    """Read what a run ended with."""
    return [(folder / f"model_{i}" / "model.safetensors").read_bytes() for i in range(N_MODELS)]


def main(kills: int, seed: int, events: int) -> int:
    """Run both, compare."""
    rng = random.Random(seed)  # noqa: S311  (moments, no secrets)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        foldfile = common.write_fold_file(folder / "events.hdf5", 5, events)
        process, begun = start(foldfile, folder / "whole"), time.perf_counter()
        finish(process)
        seconds = time.perf_counter() - begun
        # together shorter than a whole run, so that there is something left to kill
        moments = [rng.uniform(0, 1 / kills) * seconds for _ in range(kills)]
        n_killed = sum(killed(start(foldfile, folder / "killed"), moment) for moment in moments)
        finish(start(foldfile, folder / "killed"))
        same = weights(folder / "whole") == weights(folder / "killed")
    when = ", ".join(f"{moment:.2f}" for moment in moments)
    print(f"killed {n_killed} times, {when} s after training began; a whole run takes {seconds:.2f} s")
    print(f"weights are {'equal, bit for bit' if same else 'DIFFERENT'}")
    return 0 if same and n_killed else 1


if __name__ == "__main__":
    if sys.argv[1:2] == ["--train"]:
        train(Path(sys.argv[2]), Path(sys.argv[3]))
    else:
        given = [int(value) for value in sys.argv[1:]]
        sys.exit(main(*(given + [KILLS, SEED, EVENTS][len(given) :])))
