r"""A classifier's score by class and process, stacked, with data beside it.

Bins are sums of weights, with errors :math:`\sqrt{\sum w^2}`, which is the spread of samples in
which each event comes a Poisson number of times; data are counts, with Garwood's
intervals. A lower panel has their ratio to the sum of what is stacked, or the difference in units
of its error. Data of a blinded range are left out of the histogram, so that no file holds them.

References:
    F. Garwood, Fiducial limits for the Poisson distribution, Biometrika 28 (1936) 437.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from lumin_core.arguments import explained
from lumin_core.checks import as_list, is_number, listed
from lumin_core.errors import ConfigError, DataError
from lumin_plugin_plots.axes import HATCHES, finish, one_panel, scale_counts, two_panels
from lumin_plugin_plots.bin_edges import edges_of
from lumin_plugin_plots.events import Events, classifiers
from lumin_plugin_plots.groups import classes, processes
from lumin_plugin_plots.histograms import added, averaged, events_label, filled, not_shown, notes_of
from lumin_plugin_plots.mplhep_panels import points, pull, ratio, stacked, uncertainty
from lumin_plugin_plots.numbers import Numbers
from lumin_plugin_plots.plot import Plot, drawn

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import hist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from lumin_plugin_plots.events import Data, Mask
    from lumin_plugin_plots.mplhep_panels import Range
    from lumin_plugin_plots.settings import PlotSettings

PANELS = ("ratio", "pull")


@explained
def plot_score(
    data: Data,
    pred_name: str | Sequence[str] = "pred",
    *,
    observed: Data | None = None,
    blind: tuple[float, float] | None = None,
    targ_name: str = "gen_target",
    wgt_name: str | None = "gen_weight",
    by: str | None = None,
    mask: Mask = None,
    bins: int | Sequence[float] = 25,
    panel: str = "ratio",
    log: bool = False,
    class_names: Mapping[int, str] | None = None,
    settings: PlotSettings | None = None,
) -> Plot:
    """Show a score by class and process, stacked, and data on top of it.

    Args:
        data: Simulated events: a data frame, a mapping of arrays, or a fold file.
        pred_name: The column of the score; of several classes that of one, such as ``"pred_2"``.
            Or those of several models: their mean is shown, and their spread as a band.
        observed: Data, with the same column of the score, which is one; each event counts one.
        blind: A range of the score in which data are not shown, such as ``(0.6, 1)``: no bin that
            it touches.
        targ_name: The column of classes, which are stacked in rising order.
        wgt_name: The column of event weights, of either sign; ``None`` for one each.
        by: A column of processes, such as ``"gen_sample"``, which divides the classes further.
        mask: Which simulated events are taken: a column of Booleans, or an array.
        bins: Their edges, or how many; over 0 to 1 where all scores lie there.
        panel: What the lower panel has, where there are data: ``"ratio"`` or ``"pull"``.
        log: Whether the axis of events is logarithmic; then the smallest sum is at the bottom,
            where it can be seen.
        class_names: Names of classes; 0 and 1 are background and signal.
        settings: The look; by default with the units that a fold file says.

    Returns:
        The figure, whose numbers are the histograms of what is stacked, by label, and ``"data"``;
        of several models also the curve ``"models"``, with ``low`` and ``high`` of the sum of each
        bin, mean and standard deviation of the models apart.

    Raises:
        ConfigError: If ``panel`` or ``blind`` is something else, or data are given to several
            models.
        DataError: If a column is missing, a score is not finite, or there are too many groups.

    Example:
        >>> from lumin_plugin_plots import plot_score
        >>> df = {"pred": [0.1, 0.3, 0.8], "gen_target": [0, 0, 1], "gen_weight": [1.0, -0.5, 2.0]}
        >>> histograms = plot_score(df, bins=2).numbers.histograms
        >>> {label: of.values().tolist() for label, of in histograms.items()}
        {'background': [0.5, 0.0], 'signal': [0.0, 2.0]}
    """
    if panel not in PANELS:
        raise ConfigError(f"panel must be 'ratio' or 'pull', got {panel!r}")
    ((name, columns),) = classifiers(as_list(pred_name)).items()
    events = Events(data, mask)
    groups = classes(events, targ_name, class_names)
    groups = groups if by is None else processes(events, by, groups)
    scores, weights = [events.numbers(column, finite=True) for column in columns], events.weights(wgt_name)
    edges = score_edges(np.concatenate(scores), bins)
    models = [
        {label: filled(edges, of_model[of], weights[of], name) for label, of in groups.items()} for of_model in scores
    ]
    histograms = {label: averaged([of_model[label] for of_model in models]) for label in groups}
    stack = sorted(groups, key=lambda label: float(histograms[label].values().sum())) if log else [*groups]
    about: dict[str, Any] = {"score": name, "stack": stack, "panel": panel, "log": log}
    if observed is not None:
        if len(columns) > 1:
            raise ConfigError(f"observed data are compared to one model, got {listed(columns)}; give one pred_name")
        if "data" in groups:
            raise DataError("a process is called 'data': give its events as observed=, and mask= those of simulation")
        seen = Events(observed).numbers(name, finite=True)
        hidden, about["blind"] = _hidden(edges, blind)
        is_shown = ~hidden[np.clip(np.searchsorted(edges, seen, side="right") - 1, 0, len(hidden) - 1)]
        histograms["data"] = filled(edges, seen[is_shown], np.ones(int(is_shown.sum())), name)
    about["not_shown"] = not_shown(histograms)
    curves = {"models": _spread([added([*of_model.values()]) for of_model in models])} if len(columns) > 1 else {}
    return drawn(Numbers(figure="score", histograms=histograms, curves=curves, about=about), events.settings(settings))


def score_edges(scores: np.ndarray, bins: int | Sequence[float]) -> np.ndarray:
    """Return edges of bins of a score: over 0 to 1 where all lie there.

    Args:
        scores: Shape ``(n,)``.
        bins: The edges, or how many.
    """
    return edges_of(scores, bins, limits=(0.0, 1.0) if scores.min() >= 0 and scores.max() <= 1 else None)


def score_label(column: str, settings: PlotSettings) -> str:
    """Return what is written at an axis of scores."""
    return settings.axis(column) if column in settings.names else f"score ({column})"


def draw(numbers: Numbers, settings: PlotSettings) -> Figure:
    """Draw the figure from its numbers."""
    about, histograms = numbers.about, numbers.histograms
    stack, data = [histograms[label] for label in about["stack"]], histograms.get("data")
    figure, *panels = one_panel(settings) if data is None else two_panels(settings)
    main, total = panels[0], added(stack)
    colours = [settings.colour(i) for i in range(len(stack))]
    stacked(main, stack, about["stack"], colours, [HATCHES[i % len(HATCHES)] for i in range(len(stack))])
    uncertainty(main, total, "sample (± 1 σ)")
    if models := numbers.curves.get("models"):
        look: dict[str, Any] = {"facecolor": "none", "edgecolor": "black", "hatch": HATCHES[2], "linewidth": 0}
        look |= {"baseline": models["low"], "fill": True, "label": "models (± 1 σ)"}
        main.stairs(models["high"], total.axes[0].edges, **look)
    if data is not None:
        blind = tuple(about["blind"]) if about["blind"] else None
        points(main, data, "data", counted=True, blind=blind, color="black", marker="o")
        _compare(panels[1], data, total, about["panel"], blind)
    scale_counts(main, total.values(), log=about["log"])
    edges = total.axes[0].edges
    main.set_xlim(edges[0], edges[-1])
    main.set_ylabel(events_label(edges))
    panels[-1].set_xlabel(score_label(about["score"], settings))
    notes = notes_of(about["not_shown"])
    if about.get("blind"):
        low, high = about["blind"]
        notes.append(f"Data from {low:g} to {high:g} are blinded.")
    return finish(figure, main, settings, notes=notes)


def _spread(totals: Sequence[hist.Hist[Any]]) -> dict[str, np.ndarray]:
    """Return the mean of several models, less and plus their standard deviation."""
    sums = np.stack([total.values() for total in totals])
    mean, spread = sums.mean(axis=0), sums.std(axis=0, ddof=1)
    return {"low": mean - spread, "high": mean + spread}


def _hidden(edges: np.ndarray, blind: tuple[float, float] | None) -> tuple[np.ndarray, list[float] | None]:
    """Return which bins a blinded range touches, and the range of these."""
    if blind is None:
        return np.zeros(len(edges) - 1, dtype=bool), None
    if len(as_list(blind)) != 2 or not all(map(is_number, as_list(blind))) or not blind[0] < blind[1]:
        raise ConfigError(f"blind must be a range of the score, such as (0.6, 1), got {blind!r}")
    hidden = (edges[:-1] < blind[1]) & (edges[1:] > blind[0])
    if not hidden.any():
        raise ConfigError(f"blind must be a range within {edges[0]:g} to {edges[-1]:g}, got {blind!r}")
    return hidden, [float(edges[:-1][hidden][0]), float(edges[1:][hidden][-1])]


def _compare(below: Axes, data: hist.Hist[Any], total: hist.Hist[Any], panel: str, blind: Range) -> None:
    if panel == "ratio":
        below.set_ylabel("data / sim.")
        ratio(below, data, total, counted=True, blind=blind, color="black", marker="o")
    else:
        below.set_ylabel("(data - sim.) / σ")
        pull(below, data, total, counted=True, blind=blind, color="#717581")
    if blind:
        below.axvspan(*blind, color="0.9", linewidth=0, zorder=0)
        box = {"facecolor": "0.9", "edgecolor": "none", "pad": 1.5}
        place = below.get_xaxis_transform()
        below.text(sum(blind) / 2, 0.5, "blinded", transform=place, ha="center", va="center", bbox=box)
