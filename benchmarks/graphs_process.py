"""The layers of `graphs.py`, ours or LUMIN's, in a process of their own: prints a number for every line of input.

Run as ``python graphs_process.py ours`` or ``... lumin``. A line is ``time LAYER N_OBJECTS REPETITIONS``, answered by
the seconds of a forward and backward pass, or ``memory LAYER N_OBJECTS``, answered by the MB by which the peak of the
process rose in the first such pass after a small one.
"""

from __future__ import annotations

import contextlib
import io
import os
import resource
import sys
from functools import cache
from time import perf_counter
from typing import TYPE_CHECKING

os.environ["OMP_NUM_THREADS"] = "1"

import torch

if TYPE_CHECKING:
    from collections.abc import Callable

torch.set_num_threads(1)
N_EVENTS, N_FPV = 64, 4
SETTINGS = {
    "interaction_net": {"intfunc_outs": [32, 16], "outfunc_outs": [32, 16], "act": "relu"},
    "interaction_net_swish": {"intfunc_outs": [32, 16], "outfunc_outs": [32, 16], "act": "swish"},
    "grav_net": {
        "cat_means": True, "f_slr_depth": 1, "n_s": 4, "n_lr": 16, "k": 8, "f_out_depth": 1, "n_out": [32, 16],
        "act": "swish",
    },
}  # fmt: skip


def make_pass(side: str, layer: str, n_objects: int, n_events: int = N_EVENTS) -> Callable[[], None]:
    """Give a function that works forwards and backwards through a layer."""
    options, is_interaction = SETTINGS[layer], layer.startswith("interaction")
    x = torch.randn(n_events, n_objects, N_FPV, generator=torch.Generator().manual_seed(1))
    if side == "ours":
        from lumin_plugin_gnn import GravNet, InteractionNet

        net = (InteractionNet if is_interaction else GravNet)(N_FPV, **options)
        arguments = (x, torch.ones(n_events, n_objects, dtype=torch.bool), x)
    else:
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            from lumin.nn.models.blocks import gnn_blocks

        net = (gnn_blocks.InteractionNet if is_interaction else gnn_blocks.GravNet)(n_objects, N_FPV, **options)
        arguments = (x.transpose(1, 2).contiguous() if is_interaction else x,)

    def work() -> None:
        net.zero_grad()
        net(*arguments).sum().backward()

    return work


kept_pass = cache(make_pass)


def peak() -> float:
    """Give the largest memory that the process has had, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def answer(side: str, task: str, layer: str, n_objects: str, repetitions: str = "1") -> float:
    """Measure."""
    if task == "memory":
        make_pass(side, layer, 3, n_events=2)()
        work, before = make_pass(side, layer, int(n_objects)), peak()
        work()
        return peak() - before
    work = kept_pass(side, layer, int(n_objects))
    start = perf_counter()
    for _ in range(int(repetitions)):
        work()
    return (perf_counter() - start) / int(repetitions)


if __name__ == "__main__":
    for line in sys.stdin:
        print(answer(sys.argv[1], *line.split()), flush=True)
