"""Bands are true: how often those of the sample cover what is known, as `benchmarks/plot_bands.py` has it at length."""

import importlib.util
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "plot_bands.py"
GOALS = {"": 0.07, "95": 0.04}


@pytest.fixture(scope="module")
def script():
    pytest.importorskip("scipy")
    spec = importlib.util.spec_from_file_location("plot_bands", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    sys.modules["plot_bands"] = module
    spec.loader.exec_module(module)
    return module


ROC, CALIBRATION = "ROC curve: rejection", "calibration: rate of signal"
SIGNAL, BACKGROUND = (f"efficiency of {kind} at a cut" for kind in ("signal", "background"))


@pytest.mark.parametrize(
    ("weights", "n_events", "figures"),
    [("one", 400, [ROC, SIGNAL, CALIBRATION]), ("12 % negative", 900, [ROC, BACKGROUND, CALIBRATION])],
)
def test_bands_cover_what_is_true(script, weights, n_events, figures):
    table = script.coverage(weights, n_toys=400, n_events=n_events, figures=figures)
    assert all(rows[-1]["points"] for rows in table.values())
    assert script.misses(table, GOALS) == []


def test_bands_that_are_too_narrow_or_too_wide_are_found(script):
    def rows(narrow, wide):
        return [{"events": events, "points": 9, "": narrow, "95": wide} for events in ("20 to 100", "more", "all")]

    assert script.misses({"ROC": rows(0.68, 0.95)}, GOALS) == []
    assert len(script.misses({"ROC": rows(0.60, 0.90)}, GOALS)) == 4
    assert len(script.misses({"ROC": rows(0.74, 0.99)}, script.GOALS)) == 2
