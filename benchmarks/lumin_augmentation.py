"""LUMIN's side of `augmentation.py`: run by a Python that has lumin 0.9.1.

Run as ``python lumin_augmentation.py FOLDFILE CALLS``; for every line of input, ``train`` or ``test``, it prints the
seconds of one call.
"""

from __future__ import annotations

import contextlib
import io
import os
import sys
from pathlib import Path
from time import perf_counter

os.environ["OMP_NUM_THREADS"] = "1"

with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
    from lumin.nn.data.fold_yielder import HEPAugFoldYielder


def main() -> None:
    """Measure when asked."""
    with contextlib.redirect_stdout(io.StringIO()):
        fy = HEPAugFoldYielder(Path(sys.argv[1]))
    calls = int(sys.argv[2])
    for line in sys.stdin:
        start = perf_counter()
        for _ in range(calls):
            fy.get_fold(0) if line.strip() == "train" else fy.get_test_fold(0, 7)
        print((perf_counter() - start) / calls, flush=True)


if __name__ == "__main__":
    main()
