"""A step of TabM-mini, sixteen members of 3 x 100, against one of a plain network of 3 x 100.

Ratios to the plain step at three batch sizes, at one thread; beside ours the same network of the authors' package in a
loop by hand. Times are those of the thread: other processes count little.
"""

from __future__ import annotations

import statistics
from time import thread_time
from typing import TYPE_CHECKING, Any

import common

common.one_thread()

import torch
from tabm import TabM
from torch.nn import functional

from lumin_core import Model, ModelBuilder
from lumin_core.model import loss_of_members, weighted_loss

if TYPE_CHECKING:
    from collections.abc import Callable

K, DEPTH, WIDTH = 16, 3, 100
REPETITIONS = {64: 200, 256: 80, 1024: 40}
GOALS = {64: 6, 256: 13, 1024: 18}


def ours(body: dict[str, Any]) -> Callable[[Any, Any], None]:
    """Make a step of one of our models, as the loop has it."""
    options = {"body": {**body, "depth": DEPTH, "width": WIDTH}, "seed": 1}
    model = Model(ModelBuilder("classification", 1, common.features(), **options))
    model.set_mode(training=True)
    loss = weighted_loss if model.members == 1 else loss_of_members

    def step(x: Any, y: Any) -> None:
        value = loss(model.loss, model.outputs(x), y, None)
        model.opt.zero_grad()
        value.backward()
        model.opt.step()

    return step


def theirs() -> Callable[[Any, Any], None]:
    """Make a step of the authors' network."""
    options = {"arch_type": "tabm-mini", "start_scaling_init": "random-signs", "activation": "ReLU", "dropout": 0.0}
    network = TabM(n_num_features=common.N_FEATURES, d_out=1, n_blocks=DEPTH, d_block=WIDTH, k=K, **options)
    optimiser = torch.optim.Adam(network.parameters(), 2e-3, fused=True)

    def step(x: Any, y: Any) -> None:
        outputs = network(x).sigmoid().flatten(0, 1)
        optimiser.zero_grad()
        functional.binary_cross_entropy(outputs, y.repeat_interleave(K, 0)).backward()
        optimiser.step()

    return step


def measure(bs: int, steps: dict[str, Callable[[Any, Any], None]]) -> dict[str, float]:
    """Return the median seconds of each step, by turns."""
    x, y = torch.randn(bs, common.N_FEATURES), torch.randint(2, (bs, 1)).float()
    seconds: dict[str, list[float]] = {name: [] for name in steps}
    for _ in range(REPETITIONS[bs]):
        for name, step in steps.items():
            step(x, y)  # brings its own data into the cache
            start = thread_time()
            step(x, y)
            seconds[name].append(thread_time() - start)
    return {name: statistics.median(values) for name, values in seconds.items()}


def main() -> None:
    """Measure, print, write."""
    steps = {"plain": ours({"name": "fully_connected"}), "PyPI": theirs()}
    steps |= {arch: ours({"name": "tabm", "k": K, "arch": arch}) for arch in ("mini", "batch", "packed")}
    results: dict[str, Any] = {}
    for bs, goal in GOALS.items():
        median = measure(bs, steps)
        results[str(bs)] = {"ms": 1e3 * median["plain"], "goal": goal}
        results[str(bs)] |= {name: value / median["plain"] for name, value in median.items()}
    names = list(steps)[1:]
    rows = [[bs, r["ms"], *(r[name] for name in names), r["goal"]] for bs, r in results.items()]
    common.show("a step in units of the plain one", ["batch", "plain [ms]", *names, "goal of mini"], rows)
    common.keep("members", results)


if __name__ == "__main__":
    main()
