"""The scan of `ams_scan.py` in LUMIN 0.9.1: run by a Python that has it, prints seconds, significance and cut.

Run as ``python lumin_ams_scan.py COLUMNS_NPZ OPTIONS_JSON``, once; its exact scan is timed on the first events alone.
"""

from __future__ import annotations

import json
import os
import sys
from time import perf_counter

os.environ["OMP_NUM_THREADS"] = "1"

import numpy as np
import pandas as pd
from lumin.evaluation.ams import ams_scan_quick, ams_scan_slow

N_SLOW = 2000


def main() -> None:
    """Measure."""
    df, options = pd.DataFrame(dict(np.load(sys.argv[1]))), json.loads(sys.argv[2])
    results = {}
    for name, scan, events in (("quick", ams_scan_quick, df), ("slow", ams_scan_slow, df[:N_SLOW])):
        more = {"show_prog": False, "start_cut": 0} if name == "slow" else {}
        start = perf_counter()
        ams, cut = scan(events, **options, **more)
        results[name] = {"n": len(events), "seconds": perf_counter() - start, "ams": float(ams), "cut": float(cut)}
    print(json.dumps(results))


if __name__ == "__main__":
    main()
