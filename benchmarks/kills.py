"""Conversions, and predictions into a file, that are killed with SIGKILL at random moments and begun again.

``python benchmarks/kills.py [kills [seed]]``: so many of each. A conversion is resumed, by one process and by two in
turns, and must end with the same bytes; a fold file that is predicted into must keep all its columns and open, whatever
the moment. The script says so, or exits with 1. The tests run a shortened form.
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


def digest(path: Path) -> str:
    """Return the SHA-256 of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def main(kills: int, seed: int) -> int:
    """Kill both."""
    rng = random.Random(seed)  # noqa: S311  (moments, no secrets)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        n_conversions, wrong = damage_of_conversions(folder, kills, rng)
        n_predictions, others = damage_of_predictions(folder / "whole.hdf5", kills, rng)
    for line in [*wrong, *others]:
        print(line)
    print("WRONG" if wrong or others else "no file was damaged, no column lost, all bytes are the same")
    return 0 if n_conversions and n_predictions and not wrong and not others else 1


DO: dict[str, Callable[..., None]] = {
    "--convert": lambda folder, name, workers: convert(Path(folder), name, int(workers)),
    "--predict": lambda foldfile: predict(Path(foldfile)),
}

if __name__ == "__main__":
    if sys.argv[1:2] and sys.argv[1] in DO:
        DO[sys.argv[1]](*sys.argv[2:])
    else:
        given = [int(value) for value in sys.argv[1:]]
        sys.exit(main(*(given + [KILLS, SEED][len(given) :])))
