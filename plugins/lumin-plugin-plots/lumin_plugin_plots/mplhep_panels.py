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

from lumin_plugin_plots.histograms import without_empty

if TYPE_CHECKING:
    from collections.abc import Sequence

    import hist
    from matplotlib.axes import Axes

    from lumin_plugin_plots.settings import PlotSettings

    Histogram = hist.Hist[Any]

_HATCHES = ("", "///", "\\\\\\", "...", "xxx", "---", "+++", "ooo")
LINES = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)), (0, (8, 2)))
"""Styles of lines, in order of use, by which curves are told apart in grey."""


def experiment_label(ax: Axes, settings: PlotSettings, fontsize: float = 11) -> None:
    """Write experiment, label, luminosity and energy above a panel; nothing where there are none.

    Args:
        ax: The panel.
        settings: What to write.
        fontsize: Of the label [pt].
    """
    if not (settings.experiment or settings.label or settings.lumi is not None or settings.energy is not None):
        return
    mh.label.exp_label(
        exp=settings.experiment,
        llabel=settings.label,
        lumi=settings.lumi,
        com=settings.energy,
        ax=ax,
        fontsize=fontsize,
        scilocator_adjust=False,
    )


def stacked(ax: Axes, histograms: Sequence[Histogram], labels: Sequence[str], colours: Sequence[str]) -> None:
    """Draw histograms upon each other, the first one lowest; in grey hatches tell them apart.

    Args:
        ax: The panel.
        histograms: Of one axis. Bins without a positive sum are left empty.
        labels: Of the legend.
        colours: Of the areas.
    """
    mh.histplot(
        [without_empty(each, 0.0) for each in histograms],
        ax=ax,
        stack=True,
        histtype="fill",
        yerr=False,
        label=list(labels),
        facecolor=list(colours),
        hatch=[_HATCHES[i % len(_HATCHES)] for i in range(len(histograms))],
        edgecolor="white",
        linewidth=0.6,
        flow="none",
    )


def stepped(
    ax: Axes, histogram: Histogram, label: str, colour: str, line: Any = "-", *, errors: bool = True, filled: bool = False
) -> None:
    """Draw a histogram as steps, with its errors.

    Args:
        ax: The panel.
        histogram: What is drawn; bins without a positive sum are left empty.
        label: Of the legend.
        colour: Of the line.
        line: Its style, of `LINES`.
        errors: Whether error bars are drawn.
        filled: Whether the area below is filled, lightly.
    """
    shown = without_empty(histogram)
    if filled:
        mh.histplot(shown, ax=ax, histtype="fill", yerr=False, color=colour, alpha=0.25, flow="none")
    mh.histplot(
        shown,
        ax=ax,
        histtype="step",
        yerr=None if errors else False,
        w2method="sqrt",
        label=label,
        color=colour,
        linestyle=line,
        linewidth=1.4,
        edges=False,
        flow="none",
    )


def points(ax: Axes, histogram: Histogram, label: str, colour: str = "black", *, counted: bool, marker: str = "o") -> None:
    """Draw a histogram as points with errors.

    Args:
        ax: The panel.
        histogram: What is drawn; bins without a positive sum are left empty.
        label: Of the legend.
        colour: Of the points.
        counted: Whether these are counts, with Garwood intervals, rather than sums of weights.
        marker: Of the points.
    """
    mh.histplot(
        without_empty(histogram),
        ax=ax,
        histtype="errorbar",
        w2method="poisson" if counted else "sqrt",
        label=label,
        color=colour,
        marker=marker,
        markersize=4,
        flow="none",
    )


def uncertainty(ax: Axes, histogram: Histogram, label: str) -> None:
    """Hatch the band of a histogram's errors.

    Args:
        ax: The panel.
        histogram: Whose errors are drawn, about its sums.
        label: Of the legend.
    """
    mh.histplot(
        without_empty(histogram),
        ax=ax,
        histtype="band",
        w2method="sqrt",
        label=label,
        facecolor="none",
        edgecolor="#444444",
        hatch="//////",
        alpha=0.7,
        linewidth=0,
        flow="none",
    )


def ratio(ax: Axes, above: Histogram, below: Histogram, labels: tuple[str, str], *, counted: bool) -> None:
    """Draw the ratio of two histograms in a panel of its own, the errors of both apart.

    Points carry the errors of the numerator, a hatched band about one those of the denominator.

    Args:
        ax: The panel.
        above: The numerator.
        below: The denominator; where it is not positive the panel is empty.
        labels: Of both, for the axis.
        counted: Whether the numerator holds counts.
    """
    _compared(ax, above, below, "split_ratio", f"{labels[0]} / {labels[1]}", counted=counted, markersize=4, marker="o")


def pull(ax: Axes, above: Histogram, below: Histogram, labels: tuple[str, str], *, counted: bool) -> None:
    """Draw the difference of two histograms in units of its error, in a panel of its own.

    Args:
        ax: The panel.
        above: What is compared.
        below: What it is compared to.
        labels: Of both, for the axis.
        counted: Whether the former holds counts.
    """
    _compared(ax, above, below, "pull", f"({labels[0]} - {labels[1]}) / σ", counted=counted, color="#717581")


def _compared(
    ax: Axes, above: Histogram, below: Histogram, comparison: str, ylabel: str, *, counted: bool, **how: Any
) -> None:
    xlabel = ax.get_xlabel()
    with np.errstate(divide="ignore", invalid="ignore"):
        mh.comp.comparison(
            without_empty(above),
            without_empty(below),
            ax,
            xlabel=xlabel,
            comparison=comparison,
            comparison_ylabel=ylabel,
            h1_w2method="poisson" if counted else "sqrt",
            flow="none",
            **how,
        )
