"""Figures as parts of a page: small ones as SVG, others as PNG."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from lumin_core.errors import LuminError
from lumin_core.runs import Figure, Text
from lumin_plugin_plots.settings import PlotSettings

if TYPE_CHECKING:
    from collections.abc import Callable

    from lumin_core.runs import Part, Run
    from lumin_plugin_plots.plot import Plot

LARGEST_SVG = 60_000
"""Bytes, up to which a figure is put on a page as SVG."""

_SVG_OF = 350  # points of lines and areas, above which it is not tried: it would be larger


def picture(title: str, draw: Callable[[], Plot], caption: str = "") -> Part:
    """Return a figure as a part of a page, or why it cannot be drawn.

    Args:
        title: Its title.
        draw: Draws it.
        caption: What is to be known of it.

    Example:
        >>> from lumin_plugin_plots import plot_calibration
        >>> from lumin_plugin_plots.pictures import picture
        >>> picture("Calibration", lambda: plot_calibration({"pred": [0.5], "gen_target": [2]}))
        Text(title='Calibration', text="This is not shown: 'gen_target' must be 0 ...
    """
    try:
        plot = draw()
    except LuminError as error:
        return Text(title=title, text=f"This is not shown: {error}")
    if _n_points(plot) <= _SVG_OF and len(image := slim(plot.picture("svg"))) <= LARGEST_SVG:
        return Figure(title=title, image=image, format="svg", caption=caption)
    return Figure(title=title, image=plot.picture("png"), format="png", caption=caption)


def settings_of(run: Run) -> PlotSettings:
    """Return how figures of the new events of a run look: with the units of their file.

    Args:
        run: The run, as `picture` draws it.
    """
    return PlotSettings.of(run.fy if run.held_back is None else run.held_back)


def slim(svg: bytes) -> bytes:
    r"""Return a picture of matplotlib in fewer bytes: without comments, to a hundredth of a point.

    Args:
        svg: The picture.

    Example:
        >>> from lumin_plugin_plots.pictures import slim
        >>> slim(b'<!-- a --><g>\n  <path d="M 1.23456 7"/>\n</g>')
        b'<g>\n<path d="M 1.23 7"/>\n</g>'
    """
    text = re.sub(r"<!--.*?-->|<metadata>.*?</metadata>", "", svg.decode(), flags=re.DOTALL)
    text = re.sub(r' d="[^"]*"', lambda path: re.sub(r"(\.\d\d)\d+", r"\1", path[0]), text)
    return re.sub(r"\n\s+", "\n", text).encode()


def _n_points(plot: Plot) -> int:
    """Count the points that a figure is drawn of, as far as that is quickly told."""
    artists = [artist for axes in plot.figure.axes for artist in (*axes.lines, *axes.collections, *axes.patches)]
    return sum(len(path.vertices) for artist in artists for path in _paths(artist))


def _paths(artist: Any) -> list[Any]:
    return list(artist.get_paths()) if hasattr(artist, "get_paths") else [artist.get_path()]
