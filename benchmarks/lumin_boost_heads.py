"""The heads of `boost_heads.py` in LUMIN 0.9.1: run by a Python that has it, for every line of input prints seconds.

Run as ``python lumin_boost_heads.py MOMENTA_NPY SETTINGS_JSON``; a line is the name of a head and how often to repeat.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import sys
from time import perf_counter

os.environ["OMP_NUM_THREADS"] = "1"

import numpy as np
import torch

with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
    from lumin.nn.models.blocks.head import AutoExtractLorentzBoostNet, LorentzBoostNet

torch.set_num_threads(1)
HEADS = {"lorentz_boost_net": LorentzBoostNet, "auto_extract_lorentz_boost_net": AutoExtractLorentzBoostNet}


def main() -> None:
    """Measure on demand."""
    x, settings = torch.from_numpy(np.load(sys.argv[1])), json.loads(sys.argv[2])
    heads = {name: HEADS[name](**options).train() for name, options in settings.items()}
    for line in sys.stdin:
        name, n = line.split()
        head = heads[name]
        start = perf_counter()
        for _ in range(int(n)):
            head.zero_grad()
            head(x).sum().backward()
        print((perf_counter() - start) / int(n), flush=True)


if __name__ == "__main__":
    main()
