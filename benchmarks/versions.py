"""Another installed version of lumin-core against this one: pairs in alternation, the ratios and their interval.

    OTHER_PYTHON=/path/to/python python benchmarks/versions.py [pairs]

The other Python has the other version and its plugins. Each version answers in a process of its own that stays, one
thread; a pair is the same task by both, right after each other, the first of them in turns. What is quoted is the
median of the pairs' ratios, this version over the other, and the sorted ratios between which it lies with 95 %.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
from functools import partial
from math import comb
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING

import common

if TYPE_CHECKING:
    from collections.abc import Callable

TASKS = ("epoch 256", "epoch 64", "predict", "callbacks", "many_models")
LIMIT = 1.02


def interval(ratios: list[float]) -> tuple[float, float]:
    """Give the order statistics between which the median lies with at least 95 %, by the binomial distribution."""
    ordered, n = sorted(ratios), len(ratios)
    k = 0
    while 2 * sum(comb(n, i) for i in range(k + 1)) / 2**n <= 0.05:
        k += 1
    k = max(k - 1, 0)
    return ordered[k], ordered[n - 1 - k]


def whole_process(python: str) -> float:
    """Time `lumin list-plugins` from its start to its end."""
    command = [str(Path(python).with_name("lumin")), "list-plugins"]
    start = perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return perf_counter() - start


def pairs(this: Callable[[], float], other: Callable[[], float], n: int) -> tuple[list[float], list[float]]:
    """Measure both in turns, the first of them in turns too; a first pair does not count."""
    mine, its = [], []
    for turn in range(n + 1):
        for way, seconds in ((this, mine), (other, its))[:: 1 if turn % 2 else -1]:
            seconds.append(way())
    return mine[1:], its[1:]


def main() -> None:
    """Measure, print, write."""
    pythons = [sys.executable, os.environ["OTHER_PYTHON"]]
    n_pairs = int(sys.argv[1]) if len(sys.argv) > 1 else 10
    results = {}
    with tempfile.TemporaryDirectory() as folder:
        workers = [
            common.Worker(python, "versions_process.py", Path(folder) / f"{i}", folder=Path(folder))
            for i, python in enumerate(pythons)
        ]
        ask = {task: [partial(worker.seconds, task) for worker in workers] for task in TASKS}
        for task, ways in {"list-plugins": [partial(whole_process, python) for python in pythons], **ask}.items():
            mine, its = pairs(*ways, n_pairs)
            ratios = [a / b for a, b in zip(mine, its, strict=True)]
            low, high = interval(ratios)
            results[task] = {
                "this_s": statistics.median(mine),
                "other_s": statistics.median(its),
                "ratio": statistics.median(ratios),
                "from": low,
                "to": high,
            }
            rows = [[task, *results[task].values(), "worse" if low > LIMIT else ""]]
            title = f"{n_pairs} pairs, this version over the other (worse: the interval lies above {LIMIT})"
            common.show(title, ["", "this [s]", "other [s]", "ratio", "from", "to", ""], rows)
        for worker in workers:
            worker.close()
    common.keep("versions", results)


if __name__ == "__main__":
    main()
