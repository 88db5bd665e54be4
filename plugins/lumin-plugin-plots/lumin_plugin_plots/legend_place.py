"""Where the legend of a panel stands: where it covers nothing that is drawn."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.legend import Legend
    from matplotlib.transforms import Bbox


def place_legend(axes: Axes, handles: list[Any], names: list[str], title: str | None) -> None:
    """Add a legend where it covers nothing, in two columns if it is long and they fit.

    Args:
        axes: The panel, drawn and laid out.
        handles: What the entries show.
        names: What they say.
        title: That of the legend.

    Example:
        >>> from lumin_plugin_plots import PlotSettings
        >>> from lumin_plugin_plots.axes import one_panel
        >>> from lumin_plugin_plots.legend_place import place_legend
        >>> figure, axes = one_panel(PlotSettings())
        >>> lines = axes.plot([0, 1], [1, 0], label="falls")
        >>> place_legend(axes, lines, ["falls"], None)
        >>> axes.get_legend().get_texts()[0].get_text()
        'falls'
    """
    legend = axes.legend(handles, names, ncols=_columns(axes, handles, names, title), title=title)
    for _ in range(15):
        for place in ("upper right", "upper left", "lower left", "lower right", "center right", "upper center"):
            legend.set_loc(place)
            if not _is_covering(axes, legend):
                return
        _heighten(axes)
    legend.set_loc("upper right")


def _columns(axes: Axes, handles: list[Any], names: list[str], title: str | None) -> int:
    if len(names) < 5:
        return 1
    width = axes.legend(handles, names, ncols=2, title=title).get_window_extent().width
    return 2 if width < axes.get_window_extent().width else 1


def _heighten(axes: Axes) -> None:
    """Make the y axis a tenth longer at its top."""
    transform = axes.yaxis.get_transform()
    low, high = transform.transform(np.array(axes.get_ylim()))
    axes.set_ylim(top=float(transform.inverted().transform(np.array([high + 0.1 * (high - low)]))[0]))


def _is_covering(axes: Axes, legend: Legend) -> bool:
    """Tell whether a legend covers anything that is drawn."""
    box = legend.get_window_extent().padded(2)
    return any(_meets(artist, box) for artist in _drawn(axes) if artist is not legend)


def _drawn(axes: Axes) -> list[Artist]:
    return [*axes.lines, *axes.collections, *axes.patches, *axes.texts]


def _meets(artist: Any, box: Bbox) -> bool:
    """Tell whether lines, areas, markers or text lie within a box, in pixels."""
    if not artist.get_visible():
        return False
    if hasattr(artist, "get_text"):
        return bool(artist.get_text()) and box.overlaps(artist.get_window_extent())
    if hasattr(artist, "get_paths"):
        paths, offsets = artist.get_paths(), artist.get_offset_transform().transform(artist.get_offsets())
        if hasattr(artist, "get_sizes") and len(artist.get_sizes()):
            return bool(box.count_contains(offsets))
        filled = len(artist.get_facecolor()) > 0
    else:
        paths, filled = [artist.get_path()], hasattr(artist, "get_fill") and artist.get_fill()
    transform = artist.get_transform()
    with np.errstate(invalid="ignore"):
        return any(
            len(path.vertices) > 0 and transform.transform_path(path).cleaned().intersects_bbox(box, filled)
            for path in paths
        )
