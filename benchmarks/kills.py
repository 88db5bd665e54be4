"""Conversions, and predictions into a file, that are killed with SIGKILL at random moments and begun again.

``python benchmarks/kills.py [kills [seed]]``: so many of each. A conversion is resumed, by one process and by two in
turns, and must end with the same bytes; a fold file that is predicted into must keep all its columns and open, whatever
the moment; a ROOT file of scores is the one from before (in turns there is none), or whole, and what was begun is gone
after the next. The script says so, or exits with 1. The tests run a shortened form.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

os.environ["OMP_NUM_THREADS"] = "1"

import convert as conversions

if TYPE_CHECKING:
    from collections.abc import Callable

KILLS, SEED, EVENTS, FILES = 50, 1, 400_000, 8


def convert(folder: Path, name: str, workers: int) -> None:
    """Begin a conversion, or go on with it."""
    from lumin_plugin_io.conversion import convert as begin

    recipe = conversions.recipe_of(folder, 4)
    print("begun", flush=True)
    begin(recipe, folder / name, workers=workers, resume=True, step=10_000)


def predict(foldfile: Path) -> None:
    """Predict into a fold file."""
    from lumin_core import FoldYielder, Model, ModelBuilder

    fy = FoldYielder(foldfile)
    model = Model(ModelBuilder.from_fy(fy, "classification", seed=1))
    print("begun", flush=True)
    model.predict(fy)


def score(foldfile: Path, events: Path, output: Path) -> None:
    """Predict the events of a ROOT file into another one."""
    from lumin_core import FoldYielder, Model, ModelBuilder
    from lumin_core.runs import score_files

    with FoldYielder(foldfile) as fy:
        model = Model(ModelBuilder.from_fy(fy, "classification", seed=1))
        model.fit(1, fy, 5000, trn_idxs=[0], visible_bar=False, seed=1)  # which records the recipe
    print("begun", flush=True)
    score_files(model, events, output=output, overwrite=True)


def start(*arguments: object) -> subprocess.Popen[bytes]:
    """Do something in a process of its own, and come back once it begins."""
    command = [sys.executable, __file__, *map(str, arguments)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    if process.stdout:
        process.stdout.readline()
    return process


def finish(process: subprocess.Popen[bytes]) -> float:
    """Wait for the end, and return how many seconds that took."""
    begun = time.perf_counter()
    _, errors = process.communicate()
    if process.returncode:
        sys.exit(f"it failed:\n{errors.decode()}")
    return time.perf_counter() - begun


def killed(process: subprocess.Popen[bytes], moment: float) -> bool:
    """Kill it at a moment, unless it has ended."""
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(timeout=moment)
        return False
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    return True


def damage_of_conversions(folder: Path, kills: int, rng: random.Random) -> tuple[int, list[str]]:
    """Kill conversions; return how many kills came in time, and what was wrong."""
    conversions.make_files(folder, EVENTS, FILES)
    seconds = finish(start("--convert", folder, "whole.hdf5", 1))
    whole = digest(folder / "whole.hdf5")
    path, n_killed, n_done, wrong = folder / "killed.hdf5", 0, 0, []
    for number in range(kills):
        workers = 1 + number % 2
        n_killed += killed(start("--convert", folder, path.name, workers), rng.uniform(0, 0.6) * seconds)
        if path.exists():
            if digest(path) != whole:
                wrong.append(f"after kill {number} the file has other bytes")
            n_done += 1
            path.unlink()
    finish(start("--convert", folder, path.name, 1))
    if digest(path) != whole:
        wrong.append("the resumed conversion ends with other bytes")
    print(f"conversions: {n_killed} killed in {seconds:.1f} s each, {n_done} ended in spite of that")
    return n_killed, wrong


def damage_of_predictions(foldfile: Path, kills: int, rng: random.Random) -> tuple[int, list[str]]:
    """Kill predictions into a file; return how many kills came in time, and what was wrong."""
    from lumin_core import FoldYielder

    columns = [*FoldYielder(foldfile).columns()]
    seconds = finish(start("--predict", foldfile))
    n_killed, wrong = 0, []
    for number in range(kills):
        n_killed += killed(start("--predict", foldfile), rng.uniform(0, 1) * seconds)
        try:
            with FoldYielder(foldfile) as fy:
                fy.verify()
                if missing := set(columns) - {*fy.columns()}:
                    wrong.append(f"after kill {number} columns are lost: {sorted(missing)}")
        except OSError as error:
            wrong.append(f"after kill {number}: {error}")
    print(f"predictions: {n_killed} killed in {seconds:.1f} s each")
    return n_killed, wrong


def damage_of_scores(foldfile: Path, kills: int, rng: random.Random) -> tuple[int, list[str]]:
    """Kill predictions of a ROOT file into another; return how many kills came in time, and what was wrong."""
    import numpy as np

    arguments = "--score", foldfile, foldfile.with_name("events_0.root"), foldfile.with_name("scores.root")
    output, n_killed, n_done, wrong = arguments[-1], 0, 0, []
    seconds = finish(start(*arguments))
    old, whole = output.read_bytes(), scores_of(output)
    for number in range(kills):
        output.unlink(missing_ok=True)
        if number % 2:
            output.write_bytes(old)
        n_killed += killed(start(*arguments), rng.uniform(0, 1) * seconds)
        if output.exists() and output.read_bytes() != old:
            n_done += 1
            if not np.array_equal(scores_of(output), whole):
                wrong.append(f"after kill {number} there are other scores")
        elif output.exists() != bool(number % 2):
            wrong.append(f"after kill {number} the file from before is gone, or back")
    finish(start(*arguments))
    if not np.array_equal(scores_of(output), whole):
        wrong.append("the last call gives other scores")
    if left := [path.name for path in output.parent.iterdir() if ".part" in path.suffixes and path.suffix != ".lock"]:
        wrong.append(f"after the last call there is left: {', '.join(left)}")
    print(f"scores: {n_killed} killed in {seconds:.1f} s each, {n_done} files complete in spite of that")
    return n_killed, wrong


def scores_of(path: Path) -> object:
    """Read a file of scores to its end."""
    import uproot

    with uproot.open(path) as file:
        return file["Events_pred"]["pred"].array(library="np")


def digest(path: Path) -> str:
    """Return the SHA-256 of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def main(kills: int, seed: int) -> int:
    """Kill all three."""
    rng = random.Random(seed)  # noqa: S311  (moments, no secrets)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        n_conversions, wrong = damage_of_conversions(folder, kills, rng)
        n_predictions, others = damage_of_predictions(folder / "whole.hdf5", kills, rng)
        n_scores, of_scores = damage_of_scores(folder / "whole.hdf5", kills, rng)
    wrong += [*others, *of_scores]
    for line in wrong:
        print(line)
    print("WRONG" if wrong else "no file was damaged, no column lost, all bytes are the same")
    return 0 if n_conversions and n_predictions and n_scores and not wrong else 1


DO: dict[str, Callable[..., None]] = {
    "--convert": lambda folder, name, workers: convert(Path(folder), name, int(workers)),
    "--predict": lambda foldfile: predict(Path(foldfile)),
    "--score": lambda *paths: score(*map(Path, paths)),
}

if __name__ == "__main__":
    if sys.argv[1:2] and sys.argv[1] in DO:
        DO[sys.argv[1]](*sys.argv[2:])
    else:
        given = [int(value) for value in sys.argv[1:]]
        sys.exit(main(*(given + [KILLS, SEED][len(given) :])))
