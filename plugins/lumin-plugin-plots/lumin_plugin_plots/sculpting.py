"""Sculpting: how a cut on the score changes the distribution of a column, such as a mass.

Of the background, by default: a cut that makes a peak there out of nothing is not a cut on the
process alone. The change is the Jensen-Shannon divergence, with its p-value, see `divergence`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from lumin_core.arguments import explained
from lumin_core.checks import as_list, is_number
from lumin_core.errors import ConfigError, DataError
from lumin_plugin_plots.axes import LINES, MARKERS, finish, two_panels
from lumin_plugin_plots.binning import into_bins
from lumin_plugin_plots.divergence import divergence_test
from lumin_plugin_plots.events import Events
from lumin_plugin_plots.histograms import density_label, filled, not_shown, notes_of, scaled
from lumin_plugin_plots.mplhep_panels import area, ratio, steps
from lumin_plugin_plots.numbers import Numbers
from lumin_plugin_plots.plot import Plot, drawn
from lumin_plugin_plots.two_samples import N_PERMUTATIONS, p_text
from lumin_plugin_plots.weighted import share

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.figure import Figure

    from lumin_plugin_plots.events import Data, Mask
    from lumin_plugin_plots.settings import PlotSettings


@explained
def plot_sculpting(
    data: Data,
    column: str,
    cut: float | Sequence[float],
    pred_name: str = "pred",
    *,
    targ_name: str | None = "gen_target",
    wgt_name: str | None = "gen_weight",
    mask: Mask = None,
    bins: int | Sequence[float] = 30,
    seed: int = 0,
    settings: PlotSettings | None = None,
) -> Plot:
    """Show a column of the background before and after a cut on the score.

    Args:
        data: A data frame, a mapping of arrays, or a fold file.
        column: What is shown, such as ``"mass"``; events that lack it are left out, and said.
        cut: Events of this score or a higher one pass; or several cuts.
        pred_name: The column of the score.
        targ_name: The column of the truth, of 0 (background) and 1; ``None`` takes all events.
        wgt_name: The column of event weights, of either sign; ``None`` for one each.
        mask: Which events are taken: a column of Booleans, or an array.
        bins: Their edges, or how many, over the central 99 % of the events.
        seed: Of the thousand permutations.
        settings: The look; by default with the units that a fold file says.

    Returns:
        The figure, whose numbers are the histograms ``"before"`` and, for each cut, ``"pred ≥
        0.5"``; in ``about["cuts"]`` stand efficiencies, divergences and p-values.

    Raises:
        ConfigError: If a cut is not a number.
        DataError: If a column is missing, or no event passes.

    Example:
        >>> import numpy as np
        >>> from lumin_plugin_plots import plot_sculpting
        >>> mass = np.tile([100.0, 120.0, 140.0, 160.0], 50)
        >>> df = {"mass": mass, "pred": mass / 200, "gen_target": np.zeros(200)}
        >>> found = plot_sculpting(df, "mass", 0.65, bins=[90, 110, 130, 150, 170]).numbers.about
        >>> found["cuts"]["pred ≥ 0.65"]["efficiency"]
        0.5
    """
    cuts = as_list(cut)
    if not cuts or not all(map(is_number, cuts)):
        raise ConfigError(f"cut must be a number, or several, got {cut!r}")
    events = Events(data, mask)
    values, scores, weights = _background(events, column, pred_name, targ_name, wgt_name)
    places = into_bins(values, bins)
    histograms = {"before": filled(places.edges, values, weights, column)}
    found: dict[str, dict[str, Any]] = {}
    for each in cuts:
        label, passing = f"{pred_name} ≥ {each:g}", scores >= each
        if not passing.any():
            raise DataError(f"no event has {label}: the highest score is {scores.max():.4g}; give a lower cut")
        histograms[label] = filled(places.edges, values[passing], weights[passing], column)
        efficiency = float(share(weights[passing].sum(), weights.sum()))
        of = divergence_test(places.index, places.n_bins, weights, passing, seed=seed)
        found[label] = {"cut": float(each), "efficiency": efficiency, **of._asdict()}
    about: dict[str, Any] = {"column": column, "score": pred_name, "cuts": found, "seed": seed}
    about |= {"missing": places.missing, "of": "background" if targ_name else "all events"}
    about["not_shown"] = not_shown(histograms)
    return drawn(Numbers(figure="sculpting", histograms=histograms, about=about), events.settings(settings))


def draw(numbers: Numbers, settings: PlotSettings) -> Figure:
    """Draw the figure from its numbers."""
    about = numbers.about
    before = scaled(numbers.histograms["before"])
    figure, main, below = two_panels(settings)
    below.set_ylabel("after / before")
    area(main, before, "0.5")
    steps(main, before, f"{about['of']}, before", errors=False, color="0.35")
    for i, (label, of) in enumerate(about["cuts"].items()):
        after = scaled(numbers.histograms[label])
        steps(main, after, _label(label, of), color=settings.colour(i), linestyle=LINES[i % len(LINES)])
        ratio(below, after, before, color=settings.colour(i), marker=MARKERS[i % len(MARKERS)])
    edges = before.axes[0].edges
    main.set_xlim(edges[0], edges[-1])
    main.set_ylim(bottom=0)
    main.set_ylabel(density_label(settings.units.get(about["column"], "")))
    below.set_xlabel(settings.axis(about["column"]))
    return finish(figure, main, settings, notes=_notes(about))


def _background(
    events: Events, column: str, pred_name: str, targ_name: str | None, wgt_name: str | None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    is_taken = np.ones(len(events), dtype=bool) if targ_name is None else ~events.is_signal(targ_name)
    if not is_taken.any():
        raise DataError(f"there is no background: no event has 0 in {targ_name!r}; targ_name=None takes all events")
    columns = (events.numbers(column), events.numbers(pred_name, finite=True), events.weights(wgt_name))
    values, scores, weights = (each[is_taken] for each in columns)
    return values, scores, weights


def _label(label: str, of: dict[str, Any]) -> str:
    if of["divergence"] is None or np.isnan(of["divergence"]):
        return f"{label} (weights have no positive sum)"
    efficiency = np.nan if of["efficiency"] is None else of["efficiency"]
    return f"{label} (ε = {efficiency:.2g}): JSD = {of['divergence']:.2g}, {p_text(of['p_value'])}"


def _notes(about: dict[str, Any]) -> list[str]:
    notes = [f"JSD: Jensen-Shannon divergence [bit]; p of {N_PERMUTATIONS:,} permutations."]
    merged = {label: of["merged"] for label, of in about["cuts"].items() if of["merged"]}
    if merged:
        counts = "; ".join(f"{label}: {count}" for label, count in merged.items())
        notes.append(f"Bins merged with a neighbour for the JSD, not positive: {counts}.")
    if about["missing"]:
        notes.append(f"Missing: {about['missing']:,} events.")
    return [*notes, *notes_of(about["not_shown"])]
