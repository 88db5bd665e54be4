r"""What mplhep draws for us: stacks, steps, points, ratios, pulls and the experiment's label.

This is the one module that knows mplhep. Histograms are `hist` objects that hold the sums of w and
of w²; the error of a bin is :math:`\sqrt{\sum w^2}`. mplhep would take bins of weights ±1 for
counts, and give Garwood intervals to their net counts: here only what was counted, data, has these.

References:
    A. Novak et al., mplhep, https://doi.org/10.5281/zenodo.3766157
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import mplhep as mh
import numpy as np

from lumin_plugin_plots.histograms import contents, without_empty

if TYPE_CHECKING:
    from collections.abc import Sequence

    import hist
    from matplotlib.axes import Axes

    from lumin_plugin_plots.settings import PlotSettings

    Histogram = hist.Hist[Any]
    Range = tuple[float, float] | None

_LEAST, _MOST = 0.1, 0.99  # that a panel of ratios reaches above and below one


def add_label(axes: Axes, settings: PlotSettings, fontsize: float = 13) -> None:
    """Write the experiment's label above a panel: its name, what stands behind it, luminosity.

    Args:
        axes: The panel, in its final place.
        settings: What is written; without any of it there is no label.
        fontsize: Of the experiment's name.
    """
    lumi = "" if settings.lumi is None else f"{settings.lumi:g} fb$^{{-1}}$"
    energy = "" if settings.energy is None else f"{settings.energy:g} TeV"
    right = f"{lumi} ({energy})" if lumi and energy else lumi or energy
    if settings.experiment or settings.label or right:
        mh.label.exp_label(
            exp=settings.experiment, text=settings.label, data=True, rlabel=right, loc=0, fontsize=fontsize, ax=axes
        )


def stacked(
    axes: Axes, histograms: Sequence[Histogram], labels: Sequence[str], colours: Sequence[str], hatches: Sequence[str]
) -> None:
    """Draw histograms upon each other, the first one lowest.

    Args:
        axes: The panel.
        histograms: Of one axis. Bins without a positive sum are left empty.
        labels: Of the legend.
        colours: Of the areas.
        hatches: By which they are told apart in grey.
    """
    _draw(
        axes,
        [without_empty(each, 0.0) for each in histograms],
        stack=True,
        histtype="fill",
        yerr=False,
        label=list(labels),
        facecolor=list(colours),
        hatch=list(hatches),
        edgecolor="white",
        linewidth=0.6,
    )


def steps(axes: Axes, histogram: Histogram, label: str, *, errors: bool = True, **look: Any) -> None:
    """Draw a histogram as steps, with its errors.

    Args:
        axes: The panel.
        histogram: What is drawn; bins without a positive sum are left empty.
        label: Of the legend.
        errors: Whether error bars are drawn.
        look: Of the line: ``color``, ``linestyle``.
    """
    yerr = None if errors else False
    shown = without_empty(histogram)
    _draw(axes, shown, histtype="step", yerr=yerr, w2method="sqrt", label=label, linewidth=1.4, edges=False, **look)


def area(axes: Axes, histogram: Histogram, colour: str) -> None:
    """Fill the area below a histogram, lightly.

    Args:
        axes: The panel.
        histogram: What is drawn; bins without a positive sum are left empty.
        colour: Of the area.
    """
    _draw(axes, without_empty(histogram), histtype="fill", yerr=False, color=colour, alpha=0.2, linewidth=0)


def points(
    axes: Axes, histogram: Histogram, label: str, *, counted: bool = False, blind: Range = None, **look: Any
) -> None:
    """Draw a histogram as points with errors.

    Args:
        axes: The panel.
        histogram: What is drawn; bins without a positive sum of weights are left empty.
        label: Of the legend.
        counted: Whether these are counts, with Garwood intervals; there zero is a number as others.
        blind: A range in which nothing is drawn.
        look: Of the points: ``color``, ``marker``.
    """
    method = "poisson" if counted else "sqrt"
    shown = _shown(histogram, counted)
    _draw(axes, shown, histtype="errorbar", w2method=method, label=label, blind=blind, **look)


def uncertainty(axes: Axes, histogram: Histogram, label: str) -> None:
    """Hatch the band of a histogram's errors.

    Args:
        axes: The panel.
        histogram: Whose errors are drawn, about its sums.
        label: Of the legend.
    """
    look = {"facecolor": "none", "edgecolor": "#444444", "hatch": "//////", "alpha": 0.7, "linewidth": 0}
    _draw(axes, without_empty(histogram), histtype="band", w2method="sqrt", label=label, **look)


def ratio(
    axes: Axes, above: Histogram, below: Histogram, *, counted: bool = False, blind: Range = None, **look: Any
) -> None:
    """Draw the ratio of two histograms in a panel of its own, the errors of both apart.

    Points carry the errors of the numerator, a hatched band about one those of the denominator.
    Those beyond the panel, which reaches from 0 to 2 at most, are marked at its edge.

    Args:
        axes: The panel.
        above: The numerator.
        below: The denominator; where it is not positive the panel is empty.
        counted: Whether the numerator holds counts.
        blind: A range in which nothing is drawn.
        look: Of the points: ``color``, ``marker``.
    """
    half = axes.get_ylim()[1] - 1 if axes.has_data() else _LEAST  # of the panel's height, before
    shown, exact = _shown(above, counted), without_empty(below)
    band = exact.copy()
    contents(band).variance = exact.variances() / np.square(exact.values())
    contents(band).value = np.where(exact.values() > 0, 1.0, np.nan)
    contents(exact).variance = 0.0
    _compare(axes, shown, exact, "ratio", counted=counted, blind=blind, markersize=4, linewidth=1, **look)
    uncertainty(axes, band, "")
    ratios = np.where(_is_hidden(above, blind), np.nan, shown.values() / exact.values())
    _fit(axes, exact.axes[0].centers, ratios, half, look["color"])


def pull(
    axes: Axes, above: Histogram, below: Histogram, *, counted: bool = False, blind: Range = None, **look: Any
) -> None:
    """Draw the difference of two histograms in units of its error, in a panel of its own.

    Args:
        axes: The panel.
        above: What is compared.
        below: What it is compared to; where it is not positive the panel is empty.
        counted: Whether the former holds counts.
        blind: A range in which nothing is drawn.
        look: Of the bars: ``color``.
    """
    shown, other = _shown(above, counted), without_empty(below)
    _compare(axes, shown, other, "pull", counted=counted, blind=blind, **look)
    with np.errstate(divide="ignore", invalid="ignore"):
        pulls = mh.comp.get_pull(shown, other, "poisson" if counted else "sqrt")[0]
    furthest = float(np.max(np.abs(pulls[np.isfinite(pulls) & ~_is_hidden(above, blind)]), initial=3.0))
    axes.set_ylim(-1.15 * furthest, 1.15 * furthest)


def _shown(histogram: Histogram, counted: bool) -> Histogram:
    return histogram if counted else without_empty(histogram)


def _is_hidden(histogram: Histogram, blind: Range) -> np.ndarray:
    edges = histogram.axes[0].edges
    low, high = blind or (np.inf, -np.inf)
    hidden: np.ndarray = (edges[:-1] < high) & (edges[1:] > low)
    return hidden


def _draw(axes: Axes, histograms: Histogram | list[Histogram], **how: Any) -> None:
    label = axes.get_xlabel()
    mh.histplot(histograms, ax=axes, flow="none", **how)
    axes.set_xlabel(label)  # mplhep writes "Axis 0" where there is none


def _compare(axes: Axes, above: Histogram, below: Histogram, comparison: str, *, counted: bool, **how: Any) -> None:
    method = "poisson" if counted else "sqrt"
    labels = {"xlabel": axes.get_xlabel(), "comparison_ylabel": axes.get_ylabel()}
    with np.errstate(divide="ignore", invalid="ignore"):
        mh.comp.comparison(above, below, axes, comparison=comparison, h1_w2method=method, flow="none", **labels, **how)


def _fit(axes: Axes, centers: np.ndarray, ratios: np.ndarray, half: float, colour: str) -> None:
    """Let a panel of ratios reach as far as these do, from 0 to 2 at most."""
    known = np.isfinite(ratios)
    furthest = 1.25 * float(np.max(np.abs(ratios[known] - 1), initial=0.0))
    half = min(_MOST, max(half, furthest))
    axes.set_ylim(1 - half, 1 + half)
    for beyond, place, marker in ((ratios > 1 + half, 1 + half, "^"), (ratios < 1 - half, 1 - half, "v")):
        if (known & beyond).any():
            x = centers[known & beyond]
            axes.plot(x, np.full(len(x), place), marker, color=colour, clip_on=False, markersize=5)
