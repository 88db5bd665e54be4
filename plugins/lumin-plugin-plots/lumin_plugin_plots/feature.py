"""A column by class or by cut, with moments, and one column in several samples."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from lumin_core.arguments import expect, explained
from lumin_core.checks import did_you_mean, listed
from lumin_core.errors import ConfigError, DataError
from lumin_core.statistics import get_moments, uncert_round
from lumin_plugin_plots.axes import LINES, MARKERS, finish, one_panel, scale_counts, two_panels
from lumin_plugin_plots.bin_edges import edges_of
from lumin_plugin_plots.events import Events
from lumin_plugin_plots.groups import groups
from lumin_plugin_plots.histograms import density_label, events_label, filled, not_shown, notes_of, scaled
from lumin_plugin_plots.mplhep_panels import area, ratio, steps
from lumin_plugin_plots.numbers import Numbers
from lumin_plugin_plots.plot import Plot, drawn
from lumin_plugin_plots.two_samples import distance_test, p_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.figure import Figure

    from lumin_plugin_plots.events import Data, Mask
    from lumin_plugin_plots.groups import By
    from lumin_plugin_plots.settings import PlotSettings

    Parts = dict[str, tuple[np.ndarray, np.ndarray]]
    """Values and weights, by label."""

_MOST_LONG = 4  # groups whose entries in the legend have several lines


@explained
def plot_feat(
    data: Data,
    feat: str,
    by: By = "gen_target",
    *,
    wgt_name: str | None = "gen_weight",
    mask: Mask = None,
    bins: int | Sequence[float] = 50,
    density: bool = True,
    log: bool = False,
    settings: PlotSettings | None = None,
) -> Plot:
    """Show a column by class or by cut, with mean and standard deviation of each.

    Args:
        data: A data frame, a mapping of arrays, or a fold file.
        feat: The column; events that lack it are left out, and said.
        by: What is compared: a column, such as the class or the process; or cuts by label, each a
            column of Booleans or an array. ``None`` shows all events.
        wgt_name: The column of event weights, of either sign; ``None`` for one each.
        mask: Which events are taken: a column of Booleans, or an array.
        bins: Their edges, or how many, over the central 99 % of the events. Whole numbers of few
            different values have a bin each.
        density: Whether each is divided by its sum of weights and the bins' widths.
        log: Whether the axis of events is logarithmic.
        settings: The look; by default with the units that a fold file says.

    Returns:
        The figure, whose numbers are histograms of sums of weights, by label; ``about["moments"]``
        has mean, its error, standard deviation and its error, NaN where weights give none.

    Raises:
        DataError: If a column is missing, there are more than twenty groups, or a cut is empty.

    Example:
        >>> from lumin_plugin_plots import plot_feat
        >>> df = {"mass": [90.0, 92.0, 125.0], "gen_target": [0, 0, 1]}
        >>> about = plot_feat(df, "mass").numbers.about
        >>> about["moments"]["background"][:3]
        [91.0, 1.0, 1.0]
    """
    events = Events(data, mask)
    values, weights = events.numbers(feat), events.weights(wgt_name)
    parts = {label: (values[of], weights[of]) for label, of in groups(events, by).items()}
    histograms, about = _counted(feat, parts, bins)
    about |= {"density": density, "log": log, "baseline": None}
    return drawn(Numbers(figure="feat", histograms=histograms, about=about), events.settings(settings))


@explained
def plot_samples(
    samples: Mapping[str, Data],
    feat: str,
    *,
    baseline: str | None = None,
    wgt_name: str | None = "gen_weight",
    mask: str | None = None,
    bins: int | Sequence[float] = 50,
    log: bool = False,
    seed: int = 0,
    settings: PlotSettings | None = None,
) -> Plot:
    """Compare samples in a column, such as two generators: shapes, ratios, largest distances.

    Args:
        samples: Data by label: data frames, mappings of arrays, or fold files.
        feat: The column; events that lack it are left out, and said.
        baseline: The sample that the others are divided by; the first one by default.
        wgt_name: The column of event weights, of either sign; ``None`` for one each.
        mask: Which events are taken: a column of Booleans of all samples.
        bins: Their edges, or how many, over the central 99 % of the events. Whole numbers of few
            different values have a bin each.
        log: Whether the axis of events is logarithmic.
        seed: Of the thousand permutations.
        settings: The look; by default with the units of the first that is a fold file.

    Returns:
        The figure, whose numbers are histograms of sums of weights, by label; ``about`` has the
        moments, and in ``"distances"`` the distance from the baseline and its p-value, see
        `two_samples`.

    Raises:
        ConfigError: If there are fewer than two samples, or none has the baseline's label.
        DataError: If a column is missing.

    Example:
        >>> from lumin_plugin_plots import plot_samples
        >>> old, new = {"pt": [10.0, 20.0, 30.0]}, {"pt": [12.0, 22.0, 33.0]}
        >>> plot = plot_samples({"old": old, "new": new}, "pt", bins=[0, 15, 35])
        >>> round(plot.numbers.about["distances"]["new"]["distance"], 3)
        0.333
    """
    expect(samples, Mapping, "samples")
    if len(samples) < 2:
        raise ConfigError(f"samples must be data by label, two or more, got {listed(samples) or 'none'}")
    baseline = next(iter(samples)) if baseline is None else baseline
    if baseline not in samples:
        raise ConfigError(f"baseline must be one of the samples, got {baseline!r}{did_you_mean(baseline, samples)}")
    parts = {}
    for label, data in samples.items():
        events = Events(data, mask)
        settings = events.settings(settings)
        parts[label] = (events.numbers(feat), events.weights(wgt_name))
    histograms, about = _counted(feat, parts, bins)
    distances = {label: _distance(parts[baseline], of, seed) for label, of in parts.items() if label != baseline}
    about |= {"density": True, "log": log, "baseline": baseline, "distances": distances, "seed": seed}
    return drawn(Numbers(figure="feat", histograms=histograms, about=about), settings)


def draw(numbers: Numbers, settings: PlotSettings) -> Figure:
    """Draw the figure from its numbers."""
    about, baseline = numbers.about, numbers.about["baseline"]
    shown = {label: scaled(of) if about["density"] else of for label, of in numbers.histograms.items()}
    figure, main, *rest = one_panel(settings) if baseline is None else two_panels(settings)
    for i, (label, histogram) in enumerate(shown.items()):
        colour = settings.colour(i)
        if i == 0:
            area(main, histogram, colour)
        steps(main, histogram, _label(label, about, settings), color=colour, linestyle=LINES[i % len(LINES)])
        if rest and label != baseline:
            ratio(rest[0], histogram, shown[baseline], color=colour, marker=MARKERS[i % len(MARKERS)])
    bottom, unit = rest[0] if rest else main, settings.units.get(about["feat"], "")
    edges = next(iter(shown.values())).axes[0].edges
    main.set_xlim(edges[0], edges[-1])
    scale_counts(main, np.concatenate([of.values() for of in shown.values()]), log=about["log"])
    main.set_ylabel(density_label(unit) if about["density"] else events_label(edges, unit))
    bottom.set_xlabel(settings.axis(about["feat"]))
    if rest:
        rest[0].set_ylabel(f"to {baseline}")
    return finish(figure, main, settings, notes=_notes(about))


def _counted(feat: str, parts: Parts, bins: int | Sequence[float]) -> tuple[dict[str, Any], dict[str, Any]]:
    edges = edges_of(np.concatenate([values for values, _ in parts.values()]), bins)
    histograms = {label: filled(edges, values, weights, feat) for label, (values, weights) in parts.items()}
    missing = {label: int(np.isnan(values).sum()) for label, (values, _) in parts.items() if np.isnan(values).any()}
    moments = {label: _moments(values, weights) for label, (values, weights) in parts.items()}
    about = {"feat": feat, "moments": moments, "missing": missing, "not_shown": not_shown(histograms)}
    return histograms, about


def _moments(values: np.ndarray, weights: np.ndarray) -> list[float]:
    finite = np.isfinite(values)
    try:
        return [float(value) for value in get_moments(values[finite], weights[finite])]
    except DataError:  # there are no events, or negative weights leave no mean or no variance
        return [float("nan")] * 4


def _distance(baseline: tuple[np.ndarray, np.ndarray], other: tuple[np.ndarray, np.ndarray], seed: int) -> Any:
    values, weights = (np.concatenate(columns) for columns in zip(baseline, other, strict=True))
    is_other = np.arange(len(values)) >= len(baseline[0])
    known = ~np.isnan(values)
    return distance_test(values[known], weights[known], is_other[known], seed=seed)._asdict()


def _label(label: str, about: Mapping[str, Any], settings: PlotSettings) -> str:
    mean, mean_error, sigma, sigma_error = (np.nan if each is None else each for each in about["moments"][label])
    unit = settings.units.get(about["feat"], "")
    moments = f"mean {_rounded(mean, mean_error, unit)}, σ {_rounded(sigma, sigma_error, unit)}"
    if len(about["moments"]) > _MOST_LONG:
        return f"{label}: {moments}"
    lines = [label, moments]
    of = about.get("distances", {}).get(label)
    if of and of["distance"] is not None and np.isfinite(of["distance"]):
        lines.append(f"D = {of['distance']:.3f}, {p_text(of['p_value'])}")
    return "\n".join(lines)


def _rounded(value: float, error: float, unit: str) -> str:
    if not np.isfinite(value):
        return "not defined"
    if not (np.isfinite(error) and error > 0):
        return f"{value:.4g} {unit}".strip()
    value, error = uncert_round(value, error)
    decimals = max(0, -int(f"{error:.0e}".partition("e")[2]))
    return f"{value:.{decimals}f} ± {error:.{decimals}f} {unit}".strip()


def _notes(about: Mapping[str, Any]) -> list[str]:
    notes = notes_of(about["not_shown"])
    if about["missing"]:
        notes.append("Missing: " + "; ".join(f"{label}: {n:,} events" for label, n in about["missing"].items()) + ".")
    return notes
