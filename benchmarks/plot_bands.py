"""Whether bands of figures are true: how often those of the sample cover what is known, in toys of the test sample.

A fixed classifier scores signal and background, normally distributed at 1.5 and 0; a column falls exponentially;
probabilities p are uniform, of which p² are signal. Each toy is another sample, of a Poisson number of events of mean
1,400: of weight one, and of exponentially distributed weights of which 12 % are negative. Coverage is averaged over the
points of a figure that have more than 20 effective events, in the mean of the toys.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

from concurrent.futures import ProcessPoolExecutor
from functools import partial
from itertools import product
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from scipy.stats import norm

from lumin_plugin_plots.bands import sample_band
from lumin_plugin_plots.binning import equal_bins, into_bins
from lumin_plugin_plots.calibration import Scored, rates_in_replicas
from lumin_plugin_plots.roc import roc_curves
from lumin_plugin_plots.taggers import Tagger
from lumin_plugin_plots.tagging import Tagged, curve_at_cut, curve_at_efficiency
from lumin_plugin_plots.weighted import effective

N_TOYS, N_EVENTS = 4000, 1400
LEVELS = {"": 0.68, "95": 0.95}
GOALS = {"": 0.03, "95": 0.015}
MOST_OVER, LEAST_EVENTS, MANY_EVENTS = 0.06, 20, 100
WEIGHTS = ("one", "12 % negative")
EFFICIENCIES = np.linspace(0.05, 0.95, 19)
EDGES = np.array([0.0, 0.4, 1.0, 5.0])
DISTANCE, CUT, SHARE = 1.5, 0.9, 0.9

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

Points = dict[str, np.ndarray]
"""Of a figure's points: ends of the bands by their names, ``true``, and ``effective`` numbers of events."""
Table = dict[str, list[dict[str, Any]]]
"""By figure: rows of points with few effective events, with many, and all."""


class Sample(NamedTuple):
    """A toy: events that are cut on, in bins of a column, and events with probabilities."""

    tagged: Tagged
    probabilities: np.ndarray
    is_true: np.ndarray
    seed: int


def toy(number: int, weights: str, n_events: int) -> Sample:
    """Draw a sample."""
    rng = np.random.default_rng([number, WEIGHTS.index(weights)])
    n = rng.poisson(n_events)
    w = np.ones(n) if weights == "one" else rng.exponential(size=n) * rng.choice([1, -1], size=n, p=[0.88, 0.12])
    signal, probabilities = rng.random(n) < 0.5, rng.random(n)
    tagged = Tagged(rng.normal(DISTANCE * signal), signal, w, into_bins(rng.exponential(size=n), EDGES))
    return Sample(tagged, probabilities, rng.random(n) < probabilities**2, number)


def of_roc(sample: Sample) -> Points:
    """Return the rejections of `plot_roc`; the effective number is that of the background that passes."""
    of = sample.tagged
    tagger = Tagger({}, of.scores[None], of.signal, np.ones(len(of.scores), bool))
    curve = roc_curves({"toy": tagger}, of.weights, EFFICIENCIES, seed=sample.seed)["toy"]
    true = 1 / norm.sf(norm.isf(EFFICIENCIES) + DISTANCE)
    return sample_band(curve.of_replicas) | {"true": true, "effective": curve.effective_background}


def of_cut(sample: Sample, of: str) -> Points:
    """Return the efficiencies of `plot_efficiency` at a cut; the effective number is that of the bin."""
    true = norm.sf(CUT - DISTANCE * (of == "signal"))
    is_meant = sample.tagged.signal == (of == "signal")
    return _points(curve_at_cut([sample.tagged], CUT, sample.seed), of, true, sample.tagged, is_meant)


def of_efficiency(sample: Sample) -> Points:
    """Return the rejections of `plot_efficiency` per bin; the effective number is of the background that passes."""
    tagged = sample.tagged
    curve = curve_at_efficiency([tagged], SHARE, sample.seed)
    passes = tagged.scores >= curve["cut"][tagged.bins.index]
    return _points(curve, "rejection", 1 / norm.sf(norm.isf(SHARE) + DISTANCE), tagged, ~tagged.signal & passes)


def of_calibration(sample: Sample) -> Points:
    """Return the rates of `plot_calibration`; the effective number is that of the bin."""
    w = sample.tagged.weights
    bins = equal_bins(sample.probabilities, w, 10)
    low, high = bins.edges[:-1], bins.edges[1:]
    rates = rates_in_replicas(Scored(sample.probabilities, sample.is_true, w, bins), seed=sample.seed)
    return sample_band(rates) | {
        "true": (high**3 - low**3) / (3 * (high - low)),
        "effective": effective(bins.sums(w), bins.sums(w**2)),
    }


FIGURES: dict[str, Callable[[Sample], Points]] = {
    "ROC curve: rejection": of_roc,
    "efficiency of signal at a cut": partial(of_cut, of="signal"),
    "efficiency of background at a cut": partial(of_cut, of="background"),
    "rejection at an efficiency of 0.9 per bin": of_efficiency,
    "calibration: rate of signal": of_calibration,
}


def _points(curve: Points, name: str, true: float, tagged: Tagged, counted: np.ndarray) -> Points:
    ends = {key.removeprefix(f"{name}_"): of for key, of in curve.items() if key.startswith(f"{name}_sample_")}
    w, bins = np.where(counted, tagged.weights, 0.0), tagged.bins
    return ends | {"true": np.full(bins.n_bins, true), "effective": effective(bins.sums(w), bins.sums(w**2))}


def _covered(number: int, weights: str, n_events: int, figures: Sequence[str]) -> list[np.ndarray]:
    """Return for each figure rows of its points: whether bands cover, by level, and effective numbers."""
    sample, found = toy(number, weights, n_events), []
    for of in (FIGURES[name](sample) for name in figures):
        ends = [(of[f"sample_low{level}"], of[f"sample_high{level}"]) for level in LEVELS]
        found.append(np.stack([*((low <= of["true"]) & (of["true"] <= high) for low, high in ends), of["effective"]]))
    return found


def coverage(
    weights: str,
    n_toys: int = N_TOYS,
    n_events: int = N_EVENTS,
    figures: Sequence[str] = tuple(FIGURES),
    cores: int = 1,
) -> Table:
    """Return for each figure a row for points of few events, of many, and of both: number and coverage."""
    one = partial(_covered, weights=weights, n_events=n_events, figures=figures)
    if cores == 1:
        toys = [one(number) for number in range(n_toys)]
    else:
        with ProcessPoolExecutor(cores) as pool:
            toys = list(pool.map(one, range(n_toys), chunksize=20))
    return {
        name: _rows(np.mean(of_toys, axis=0)) for name, of_toys in zip(figures, zip(*toys, strict=True), strict=True)
    }


def _rows(means: np.ndarray) -> list[dict[str, Any]]:
    *covers, counts = means
    groups = {
        "20 to 100": (counts > LEAST_EVENTS) & (counts <= MANY_EVENTS),
        "more": counts > MANY_EVENTS,
        "all": counts > LEAST_EVENTS,
    }
    rows = []
    for name, which in groups.items():
        of_levels = [float(cover[which].mean()) if which.any() else np.nan for cover in covers]
        rows.append({"events": name, "points": int(which.sum())} | dict(zip(LEVELS, of_levels, strict=True)))
    return rows


def misses(table: Table, goals: dict[str, float]) -> list[str]:
    """Name what is not covered as it should be; where there are few events it may be covered more often."""
    found = []
    for name, (few, many, both) in table.items():
        for row, (level, aim) in product((few, both), LEVELS.items()):
            is_of_few = row is few or not many["points"]
            over = max(goals[level], MOST_OVER) if is_of_few else goals[level]
            if row["points"] and not aim - goals[level] <= row[level] <= aim + over:
                found.append(f"{name}, {row['events']}: {row[level]:.3f} of {aim}")
    return found


def main(n_toys: int = N_TOYS) -> int:
    """Print the table as Markdown, write it, and tell whether the goals are kept."""
    results = {weights: coverage(weights, n_toys, cores=os.cpu_count() or 1) for weights in WEIGHTS}
    print("| weights | quantity | effective events | points | 68 % | 95 % |\n| --- | --- | --- | --- | --- | --- |")
    for weights, table in results.items():
        for name, rows in table.items():
            for row in (row for row in rows if row["points"]):
                values = " | ".join(f"{100 * row[level]:.1f}" for level in LEVELS)
                print(f"| {weights} | {name} | {row['events']} | {row['points']} | {values} |")
    wrong = [f"{weights}: {miss}" for weights, table in results.items() for miss in misses(table, GOALS)]
    sys.path.insert(0, str(Path(__file__).parent))
    from common import keep  # which tests, that load this file by its path, do without

    keep("plot_bands", {"n_toys": n_toys, "n_events": N_EVENTS, "coverage": results, "misses": wrong})
    print(*wrong, sep="\n")
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main(*map(int, sys.argv[1:])))
