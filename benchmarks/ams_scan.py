"""`ams_scan` over 1,000,000 events: all cuts, exactly, on one thread, against the scans of LUMIN 0.9.1.

LUMIN runs in a process of its own, of the Python that the environment variable LUMIN_PYTHON names. Its quick scan, an
approximate one, is timed once over all events; its exact one on 2,000, as its time grows with their number squared.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import tempfile
from pathlib import Path
from time import perf_counter
from typing import Any

import common

common.one_thread()

import numpy as np
import pandas as pd

from lumin_plugin_hep.cut_scan import ams_scan

N_EVENTS, REPETITIONS, GOAL_S = 1_000_000, 11, 0.5
CASES: dict[str, dict[str, Any]] = {
    "no uncertainty": {},
    "br, systematic": {"br": 10, "syst_unc_b": 0.1},
    "br, systematic, statistical": {"br": 10, "syst_unc_b": 0.1, "use_stat_unc": True},
}


def make_events() -> dict[str, np.ndarray]:
    """Make predictions in single precision, nearly all different, labels and weights."""
    rng = np.random.default_rng(1)
    target = rng.integers(2, size=N_EVENTS)
    preds = rng.beta(1 + 2 * target, 3 - 2 * target).astype("float32")
    return {"pred": preds, "gen_target": target, "gen_weight": 1e-3 * rng.exponential(size=N_EVENTS)}


def ours(df: pd.DataFrame, options: dict[str, Any]) -> dict[str, float]:
    """Measure ours."""
    ams, cut = ams_scan(df, **options)
    seconds = []
    for _ in range(REPETITIONS):
        start = perf_counter()
        ams_scan(df, **options)
        seconds.append(perf_counter() - start)
    lower, _, upper = statistics.quantiles(seconds, n=4)
    return {"seconds": statistics.median(seconds), "spread": (upper - lower) / 2, "ams": ams, "cut": cut}


def lumin(columns: dict[str, np.ndarray], options: dict[str, Any]) -> dict[str, dict[str, float]]:
    """Measure LUMIN."""
    script = Path(__file__).with_name("lumin_ams_scan.py")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "events.npz"
        np.savez(path, **columns)
        command = [os.environ["LUMIN_PYTHON"], "-W", "ignore", script, path, json.dumps(options)]
        output = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, cwd=folder).stdout
    results: dict[str, dict[str, float]] = json.loads(output.splitlines()[-1])
    return results


def main() -> None:
    """Measure, print, write."""
    columns = make_events()
    df = pd.DataFrame(columns)
    results: dict[str, Any] = {name: ours(df, options) for name, options in CASES.items()}
    rows = [[name, N_EVENTS, r["seconds"], r["spread"], r["ams"], r["cut"]] for name, r in results.items()]
    if "LUMIN_PYTHON" in os.environ:
        results["LUMIN 0.9.1"] = lumin(columns, CASES["no uncertainty"])
        for name, r in results["LUMIN 0.9.1"].items():
            rows.append([f"LUMIN 0.9.1 {name}, no uncertainty", r["n"], r["seconds"], "", r["ams"], r["cut"]])
    else:
        print("LUMIN_PYTHON does not name an interpreter that has lumin==0.9.1: ours is measured alone")
    common.show(f"ams_scan (goal {GOAL_S} s)", ["", "events", "median [s]", "spread [s]", "AMS", "cut"], rows)
    common.keep("ams_scan", results)


if __name__ == "__main__":
    main()
