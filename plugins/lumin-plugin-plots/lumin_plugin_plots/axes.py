"""What all figures share: panels, lines that are told apart, the legend's place, what is left out.

A figure belongs to no window, and no setting of the user's matplotlib changes it: `look` holds all
settings of matplotlib for as long as a figure is drawn or written. They are the process's, so one
thread draws at a time.
"""

from __future__ import annotations

import textwrap
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from lumin_plugin_plots.legend_place import place_legend
from lumin_plugin_plots.mplhep_panels import add_label

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from matplotlib.artist import Artist
    from matplotlib.axes import Axes

    from lumin_plugin_plots.settings import PlotSettings

LINES: tuple[Any, ...] = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)), (0, (8, 2)))
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">", "*")
HATCHES = ("", "///", "\\\\\\", "...", "xxx", "+++", "---", "ooo")

_LABEL = 13  # font size of the experiment's label
_NOTE = 15  # characters per inch, of notes
_BELOW = 0.38  # height of the panel below, of that of the main one
_LOCK = threading.RLock()
_KEEP = {"backend", "backend_fallback", "interactive", "toolbar", "timezone", "webagg.port"}  # not of the look
_LOOK: dict[str, Any] = {
    "figure.constrained_layout.h_pad": 0.04,
    "figure.constrained_layout.w_pad": 0.06,
    "axes.formatter.useoffset": False,
    "axes.labelsize": 12,
    "axes.linewidth": 0.9,
    "axes.xmargin": 0.0,
    "figure.facecolor": "white",
    "font.size": 11,
    "hatch.linewidth": 0.5,
    "legend.fontsize": 9.5,
    "legend.frameon": False,
    "legend.handlelength": 2.4,
    "lines.linewidth": 1.6,
    "lines.markersize": 4.5,
    "svg.hashsalt": "lumin",
    "xtick.direction": "in",
    "xtick.minor.visible": True,
    "xtick.top": True,
    "ytick.direction": "in",
    "ytick.minor.visible": True,
    "ytick.right": True,
}


@contextmanager
def look() -> Iterator[None]:
    """Hold the settings of matplotlib that figures are drawn and written with.

    Example:
        >>> import matplotlib as mpl
        >>> from lumin_plugin_plots.axes import look
        >>> with look():
        ...     mpl.rcParams["xtick.direction"]
        'in'
    """
    params: Any = {key: value for key, value in mpl.rcParamsDefault.items() if key not in _KEEP} | _LOOK
    with _LOCK, mpl.rc_context(params):
        yield


def one_panel(settings: PlotSettings) -> tuple[Figure, Axes]:
    """Make a figure with one panel.

    Args:
        settings: Whose size it has.

    Example:
        >>> from lumin_plugin_plots import PlotSettings
        >>> from lumin_plugin_plots.axes import one_panel
        >>> figure, axes = one_panel(PlotSettings(size=(4, 3)))
        >>> figure.get_size_inches().tolist()
        [4.0, 3.0]
    """
    figure = _figure(*settings.size, settings)
    return figure, figure.add_subplot()


def two_panels(settings: PlotSettings) -> tuple[Figure, Axes, Axes]:
    """Make a figure with a main panel and a lower one below it, of ratios or pulls.

    Args:
        settings: Whose size the main panel has; the lower one adds to the height.

    Returns:
        The figure, the main panel, whose labels at x are hidden, and the lower one.

    Example:
        >>> from lumin_plugin_plots import PlotSettings
        >>> from lumin_plugin_plots.axes import two_panels
        >>> figure, main, below = two_panels(PlotSettings())
        >>> main.get_shared_x_axes().joined(main, below)
        True
    """
    width, height = settings.size
    figure = _figure(width, height * (1 + 0.8 * _BELOW), settings)
    grid = figure.add_gridspec(2, 1, height_ratios=(1, _BELOW), hspace=0.0)
    main = figure.add_subplot(grid[0])
    below = figure.add_subplot(grid[1], sharex=main)
    main.tick_params(axis="x", which="both", labelbottom=False)
    return figure, main, below


def panels(settings: PlotSettings, heights: Sequence[float]) -> tuple[Figure, list[Axes]]:
    """Make a figure with several panels one below the other, which share x.

    Args:
        settings: Whose size a panel of height 1 has.
        heights: Of the panels.

    Returns:
        The figure and the panels, of which the last has labels at x.

    Example:
        >>> from lumin_plugin_plots import PlotSettings
        >>> from lumin_plugin_plots.axes import panels
        >>> figure, axes = panels(PlotSettings(size=(6, 4)), (1, 0.5))
        >>> len(axes), figure.get_size_inches().tolist()
        (2, [6.0, 6.0])
    """
    width, height = settings.size
    figure = _figure(width, height * sum(heights), settings)
    rows = list(figure.subplots(len(heights), sharex=True, squeeze=False, height_ratios=heights)[:, 0])
    for each in rows[:-1]:
        each.tick_params(axis="x", which="both", labelbottom=False)
    return figure, rows


def side_by_side(settings: PlotSettings) -> tuple[Figure, list[Axes]]:
    """Make a figure with two panels beside each other, which share nothing.

    Args:
        settings: Whose size it has, but for the width: the panels are nearly square.

    Example:
        >>> from lumin_plugin_plots import PlotSettings
        >>> from lumin_plugin_plots.axes import side_by_side
        >>> figure, (left, right) = side_by_side(PlotSettings(size=(5, 4)))
        >>> figure.get_size_inches().tolist()
        [8.0, 4.0]
    """
    width, height = settings.size
    figure = _figure(1.6 * width, height, settings)
    return figure, list(figure.subplots(1, 2))


def mosaic(
    settings: PlotSettings, names: Sequence[Sequence[str]], heights: Sequence[float]
) -> tuple[Figure, dict[str, Axes]]:
    """Make a figure with panels in rows and columns, of which a panel may take several.

    Args:
        settings: Whose size a panel of height 1 has.
        names: Of the panels, in rows.
        heights: Of the rows.

    Returns:
        The figure, and the panels by name.

    Example:
        >>> from lumin_plugin_plots import PlotSettings
        >>> from lumin_plugin_plots.axes import mosaic
        >>> figure, axes = mosaic(PlotSettings(size=(6, 4)), [["a", "b"], ["a", "c"]], (1, 0.5))
        >>> list(axes), figure.get_size_inches().tolist()
        (['a', 'b', 'c'], [12.0, 6.0])
    """
    width, height = settings.size
    heights = heights[: len(names)]
    figure = _figure(width * len(names[0]), height * sum(heights), settings)
    return figure, figure.subplot_mosaic([list(row) for row in names], height_ratios=heights)


def line(settings: PlotSettings, number: int) -> dict[str, Any]:
    """Return colour and dashes of a line by its number, which are told apart in grey too."""
    return {"color": settings.colour(number), "linestyle": LINES[number % len(LINES)]}


def points(settings: PlotSettings, number: int) -> dict[str, Any]:
    """Return colour and marker of points by their number, for ``axes.errorbar`` and ``plot``."""
    return {"color": settings.colour(number), "marker": MARKERS[number % len(MARKERS)], "linestyle": "none"}


def draw_bands(
    axes: Axes, x: np.ndarray, curve: Mapping[str, np.ndarray], settings: PlotSettings, number: int, prefix: str = ""
) -> dict[str, Artist]:
    """Draw the bands that a curve has, without entries in the legend.

    Args:
        axes: The panel.
        x: Shape ``(n,)``.
        curve: With columns such as ``sample_low`` and ``sample_high`` (see `bands`).
        settings: The look.
        number: The curve's number, which gives the colour.
        prefix: Of the columns, such as ``"ratio_"``.

    Returns:
        What was drawn, by its name, ``"sample"`` or ``"models"``; see `band_entries`.
    """
    colour = settings.colour(number)
    looks: dict[str, dict[str, Any]] = {
        "sample": {"facecolor": colour, "alpha": 0.25, "linewidth": 0},
        "models": {"facecolor": "none", "edgecolor": colour, "hatch": HATCHES[1], "linewidth": 0},
    }
    drawn: dict[str, Artist] = {}
    for name, how in looks.items():
        if f"{prefix}{name}_low" in curve:
            low, high = (np.asarray(curve[f"{prefix}{name}_{side}"], float) for side in ("low", "high"))
            shown = np.isfinite(low) & ~np.isnan(high)
            end = np.where(np.isposinf(high), np.nanmax(high, where=np.isfinite(high), initial=0.0), high)
            drawn[name] = axes.fill_between(x, low, np.maximum(low, end), where=shown, **how)
    return drawn


def band_entries(names: Sequence[str]) -> list[Artist]:
    """Return entries of the legend for bands, in grey, as they are the same for all curves.

    Args:
        names: Of ``"sample"`` and ``"models"``.
    """
    from matplotlib.patches import Patch

    looks: dict[str, dict[str, Any]] = {
        "sample": {"facecolor": "0.5", "alpha": 0.35, "linewidth": 0, "label": "sample (68 %)"},
        "models": {"facecolor": "none", "edgecolor": "0.3", "hatch": HATCHES[1], "label": "models (± 1 σ)"},
    }
    return [Patch(**looks[name]) for name in looks if name in names]


def scale_counts(axes: Axes, contents: np.ndarray, *, log: bool) -> None:
    """Let the y axis of a histogram begin at zero, or be logarithmic, if anything is positive.

    Args:
        axes: The panel, with the histogram.
        contents: Of its bins.
        log: Whether it is logarithmic.
    """
    least = np.min(contents, where=contents > 0, initial=np.inf)
    if log and np.isfinite(least):
        axes.set_yscale("log")
        axes.set_ylim(bottom=0.3 * least)
    else:
        axes.set_ylim(bottom=0)


def finish(
    figure: Figure,
    main: Axes,
    settings: PlotSettings,
    *,
    notes: Sequence[str] = (),
    bands: Sequence[str] = (),
    legend: bool = True,
    title: str | None = None,
) -> Figure:
    """Add what every figure has: label of the experiment, legend, notes.

    The legend stands where it covers nothing; if there is no such place, the y axis is made longer.

    Args:
        figure: The figure, drawn.
        main: Its main panel, whose labelled artists the legend names.
        settings: The look.
        notes: What is not shown, and how numbers were made; below the figure.
        bands: Names of the bands, for the legend.
        legend: Whether there is one.
        title: That of the legend.

    Returns:
        The figure.
    """
    main.set_title(" ", fontsize=_LABEL)  # room for the label, which mplhep writes where panels are in the end
    if notes:
        wrapped = [textwrap.fill(note, int(_NOTE * figure.get_figwidth())) for note in notes]
        figure.supxlabel("\n".join(wrapped), fontsize=8, color="0.35", x=0.02, ha="left")
    handles, names = main.get_legend_handles_labels()
    entries = band_entries(bands)
    _lay_out(figure)
    if legend and (handles or entries):
        limits = main.get_ylim()
        names = [*names, *(str(each.get_label()) for each in entries)]
        place_legend(main, [*handles, *entries], names, title)
        if main.get_ylim() != limits:  # the numbers at the axis may be wider
            _lay_out(figure)
    figure.set_layout_engine("none")  # else it is laid out anew, slowly, whenever it is written
    main.set_title("")
    add_label(main, settings, _LABEL)
    return figure


def _figure(width: float, height: float, settings: PlotSettings) -> Figure:
    figure = Figure(figsize=(width, height), dpi=settings.dpi, layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def _lay_out(figure: Figure) -> None:
    if engine := figure.get_layout_engine():
        engine.execute(figure)
