"""What the benchmarks share: data, medians, a table, and a file of the results."""

from __future__ import annotations

import json
import os
import platform
import statistics
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

RESULTS = Path(os.environ.get("BENCHMARK_RESULTS", Path(__file__).parent / "results"))
N_FEATURES = 30
WIDTH, DEPTH = 100, 4


def one_thread() -> None:
    """Let torch and BLAS use one thread; to be called before torch is imported."""
    os.environ["OMP_NUM_THREADS"] = "1"
    import torch

    torch.set_num_threads(1)


def write_fold_file(path: Path, n_folds: int, n_per_fold: int, compression: str | None = None) -> Path:
    """Write events of 30 Gaussian features, of which a smooth function decides the class."""
    import numpy as np

    from lumin_core import FoldFileWriter

    rng = np.random.default_rng(1)
    axis = rng.normal(size=(N_FEATURES, 2)) / np.sqrt(N_FEATURES)
    with FoldFileWriter(
        path, cont_feats=features(), targ_feats="is_signal", compression=compression, overwrite=True
    ) as file:
        for fold in range(n_folds):
            inputs = rng.normal(size=(n_per_fold, N_FEATURES)).astype("float32")
            line, bend = (inputs @ axis).T
            file.append(
                fold, inputs=inputs, targets=(line + bend**2 + rng.normal(size=n_per_fold) > 1).astype("float32")
            )
    return path


def features() -> list[str]:
    """Name the features."""
    return [f"f{i}" for i in range(N_FEATURES)]


def plain_network(seed: int) -> Any:
    """Build the network as one does by hand: four layers of 100, relu, sigmoid."""
    import torch
    from torch import nn

    torch.manual_seed(seed)
    layers: list[nn.Module] = []
    for n_in in [N_FEATURES] + [WIDTH] * (DEPTH - 1):
        layers += [nn.Linear(n_in, WIDTH), nn.ReLU()]
    return nn.Sequential(*layers, nn.Linear(WIDTH, 1), nn.Sigmoid())


def our_builder(seed: int) -> Any:
    """Build the same by name."""
    from lumin_core import ModelBuilder

    return ModelBuilder(
        "classification",
        n_out=1,
        cont_feats=features(),
        model_args={"body": {"depth": DEPTH, "width": WIDTH, "act": "relu"}},
        opt_args={"opt": "adam", "lr": 1e-3},
        seed=seed,
    )


def alternate(ways: Mapping[str, Callable[[], float]], repetitions: int) -> dict[str, list[float]]:
    """Measure several ways in turns, each turn in the reverse order of the last, after one unmeasured turn."""
    for way in ways.values():
        way()
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for turn in range(repetitions):
        for name in list(ways) if turn % 2 else reversed(list(ways)):
            seconds[name].append(ways[name]())
    return seconds


def ratios(seconds: Mapping[str, Sequence[float]], reference: str) -> dict[str, dict[str, float]]:
    """Give for each way the median, its spread (half the distance of the quartiles), and its ratio to the reference."""
    medians = {name: statistics.median(values) for name, values in seconds.items()}
    return {
        name: {
            "median_s": medians[name],
            "spread_s": _half_quartiles(values),
            "ratio": medians[name] / medians[reference],
        }
        for name, values in seconds.items()
    }


def _half_quartiles(values: Sequence[float]) -> float:
    lower, _, upper = statistics.quantiles(values, n=4)
    return (upper - lower) / 2


class Worker:
    """A process that stays, and measures when it is asked.

    Args:
        python: The Python that it runs in, for LUMIN 0.9.1 that of the environment variable LUMIN_PYTHON.
        script: Name of the script in this folder that it runs; it prints seconds for every line that it is given.
        arguments: Of the script.
        folder: Where it runs, for LUMIN writes files there.
    """

    def __init__(self, python: str, script: str, *arguments: object, folder: Path) -> None:
        path = Path(__file__).with_name(script)
        command = [python, "-W", "ignore", str(path), *map(str, arguments)]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=folder)

    def seconds(self, what: str) -> float:
        """Give the seconds of what a line of the script's input stands for."""
        if self._process.stdin is None or self._process.stdout is None:
            sys.exit("the process has no pipes")
        self._process.stdin.write(f"{what}\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        if not answer:
            sys.exit(f"{self._process.args} failed; its message is above")
        return float(answer)

    def close(self) -> None:
        """End it."""
        self._process.communicate()


def show(title: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """Print a table."""
    cells = [[f"{cell:.4g}" if isinstance(cell, float) else str(cell) for cell in row] for row in [columns, *rows]]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    print(f"\n{title}")
    for row in cells:
        first, *others = zip(row, widths, strict=True)
        print("  ".join([f"{first[0]:<{first[1]}}", *(f"{cell:>{width}}" for cell, width in others)]), flush=True)


def keep(name: str, results: Any) -> None:
    """Write results as JSON, with the machine they were taken on."""
    import torch

    RESULTS.mkdir(parents=True, exist_ok=True)
    machine = {"python": platform.python_version(), "torch": torch.__version__, "processor": platform.machine()}
    path = RESULTS / f"{name}.json"
    path.write_text(json.dumps({"machine": machine, "results": results}, indent=2) + "\n", encoding="utf-8")
    print(f"written to {path}")
