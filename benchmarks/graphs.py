"""Layers on pairs and neighbours: ours against LUMIN 0.9.1's, forward and backward, one thread, 64 events.

At equal widths, side by side: each runs in a process of its own, one waiting while the other works. Ours connects all
pairs of objects where LUMIN's interaction network connects a ring of them. Memory is the rise of the process's peak in
one pass. LUMIN is measured where the environment variable LUMIN_PYTHON names a Python that has it; ours also for 20 to
160 objects, where the time of four times as many pairs is at best four times as long.
"""

from __future__ import annotations

import os
import statistics
import sys
import tempfile
from pathlib import Path

import common

LAYERS = ("interaction_net", "interaction_net_swish", "grav_net")
N_OBJECTS, NUMBERS = 60, (20, 40, 80, 160)
REPETITIONS, PER_TURN = 21, 3
GOALS = {"time": 0.5, "memory": 0.333}


def pythons() -> dict[str, str]:
    """Give the Python of each side that there is."""
    lumin = os.environ.get("LUMIN_PYTHON")
    return {"ours": sys.executable, **({"lumin": lumin} if lumin else {})}


def memory(side: str, layer: str, folder: Path) -> float:
    """Measure the memory of one pass in a fresh process, in MB; the median of three."""
    found = []
    for _ in range(3):
        worker = common.Worker(pythons()[side], "graphs_process.py", side, folder=folder)
        found.append(worker.seconds(f"memory {layer} {N_OBJECTS}"))
        worker.close()
    return statistics.median(found)


def compare(layer: str, workers: dict[str, common.Worker], folder: Path) -> list[list[object]]:
    """Measure time and memory of a layer on all sides."""
    ways = {
        side: lambda worker=worker: worker.seconds(f"time {layer} {N_OBJECTS} {PER_TURN}")
        for side, worker in workers.items()
    }
    seconds = common.alternate(ways, REPETITIONS)
    peaks = {side: memory(side, layer, folder) for side in workers}
    rows: list[list[object]] = []
    for side in workers:
        row = [side, statistics.median(seconds[side]) * 1e3, peaks[side]]
        reference = [statistics.median(seconds["lumin"]) * 1e3, peaks["lumin"]] if "lumin" in workers else row[1:]
        rows.append([*row, row[1] / reference[0], row[2] / reference[1]])
    return rows


def grow(layer: str, worker: common.Worker) -> list[list[object]]:
    """Measure ours for growing numbers of objects."""
    ways = {n: lambda n=n: worker.seconds(f"time {layer} {n} 1") for n in NUMBERS}
    seconds = common.alternate({str(n): way for n, way in ways.items()}, 9)
    medians = [statistics.median(seconds[str(n)]) * 1e3 for n in NUMBERS]
    return [[n, t, t / last] for n, t, last in zip(NUMBERS, medians, [medians[0], *medians], strict=False)]


def main() -> None:
    """Measure, print, write."""
    if "LUMIN_PYTHON" not in os.environ:
        print("LUMIN_PYTHON names no Python that has LUMIN 0.9.1: ours is measured alone")
    results = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        workers = {
            side: common.Worker(python, "graphs_process.py", side, folder=folder) for side, python in pythons().items()
        }
        for layer in LAYERS:
            rows, growth = compare(layer, workers, folder), grow(layer, workers["ours"])
            title = f"{layer}, {N_OBJECTS} objects (goals: {GOALS['time']} of the time, a third of the memory)"
            common.show(title, ["", "median [ms]", "extra memory [MB]", "time ratio", "memory ratio"], rows)
            common.show(f"{layer}, ours", ["objects", "median [ms]", "of the one before"], growth)
            results[layer] = {"compared": rows, "growing": growth}
        for worker in workers.values():
            worker.close()
    common.keep("graphs", results)


if __name__ == "__main__":
    main()
