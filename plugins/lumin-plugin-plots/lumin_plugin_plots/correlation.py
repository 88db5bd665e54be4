"""The correlations of columns as a matrix, and beside it the tree of which go together."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from lumin_core.arguments import explained
from lumin_core.checks import check_names, is_number
from lumin_core.errors import ConfigError
from lumin_plugin_plots.axes import finish
from lumin_plugin_plots.correlations import groups_of, matrix, order_of, tree
from lumin_plugin_plots.events import Events
from lumin_plugin_plots.numbers import Numbers
from lumin_plugin_plots.plot import Plot, drawn

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from lumin_plugin_plots.events import Data, Mask
    from lumin_plugin_plots.settings import PlotSettings

METHODS = ("spearman", "pearson")
_MOST_WRITTEN = 20  # columns up to which coefficients are written into the cells
_TREE = ("left", "right", "distance", "n")


@explained
def plot_correlation(
    data: Data,
    feats: Sequence[str],
    *,
    method: str = "spearman",
    threshold: float = 0.8,
    wgt_name: str | None = "gen_weight",
    mask: Mask = None,
    settings: PlotSettings | None = None,
) -> Plot:
    """Show the correlations of columns, in the order of the tree that joins them.

    Args:
        data: A data frame, a mapping of arrays, or a fold file.
        feats: The columns, two or more. Of a pair those events count that lack neither.
        method: ``"spearman"``, of ranks, or ``"pearson"``.
        threshold: The mean absolute correlation from which on columns are said to be a group.
        wgt_name: The column of event weights, of either sign; ``None`` for one each.
        mask: Which events are taken: a column of Booleans, or an array.
        settings: The look; by default with the units that a fold file says.

    Returns:
        The figure, whose numbers are the curves ``"matrix"``, with a column ``"feat"`` and one
        for each feature, and ``"tree"``; ``about["groups"]`` are those above the threshold, and
        ``about["empty"]`` counts pairs without a coefficient.

    Raises:
        ConfigError: If the method is another, the threshold is not from 0 to 1, or there are fewer
            than two columns.
        DataError: If a column is missing.

    Example:
        >>> from lumin_plugin_plots import plot_correlation
        >>> df = {"pt": [1, 2, 3, 4], "energy": [2, 3, 5, 9], "phi": [1, -1, -1, 1]}
        >>> plot_correlation(df, ["pt", "energy", "phi"]).numbers.about["groups"]
        [['pt', 'energy']]

    References:
        See `correlations` for the formulas.
    """
    check_names("feats", feats)
    if method not in METHODS:
        raise ConfigError(f"method must be 'spearman' or 'pearson', got {method!r}")
    if not (is_number(threshold) and 0 <= threshold <= 1):
        raise ConfigError(f"threshold must be from 0 to 1, got {threshold!r}")
    if len(feats) < 2:
        raise ConfigError(f"feats must be two columns or more, got {feats!r}")
    events = Events(data, mask)
    columns = np.stack([events.numbers(name) for name in feats], axis=1)
    found = matrix(columns, events.weights(wgt_name), method)
    joined = tree(found)
    curves = {
        "matrix": {"feat": np.array(feats, dtype=object), **dict(zip(feats, found.T, strict=True))},
        "tree": dict(zip(_TREE, joined.T, strict=True)),
    }
    about = {
        "method": method,
        "threshold": float(threshold),
        "order": [feats[i] for i in order_of(joined)],
        "groups": [[feats[i] for i in group] for group in groups_of(joined, threshold)],
        "empty": int(np.isnan(found[np.tril_indices(len(feats), -1)]).sum()),
    }
    return drawn(Numbers(figure="correlation", curves=curves, about=about), events.settings(settings))


def draw(numbers: Numbers, settings: PlotSettings) -> Figure:
    """Draw the figure from its numbers."""
    about, table = numbers.about, numbers.curves["matrix"]
    rows = {str(name): i for i, name in enumerate(table["feat"])}
    order = about["order"]
    found = np.stack([table[name] for name in order], axis=1)[[rows[name] for name in order]].astype(float)
    figure, cells, branches = _panels(len(order), settings)
    image = cells.imshow(found, cmap="RdBu_r", vmin=-1, vmax=1, aspect="auto", interpolation="nearest")
    cells.set_facecolor("0.85")
    _write(cells, found)
    names = [settings.name(name) for name in order]
    cells.set_xticks(range(len(order)), names, rotation=90 if max(map(len, names)) > 3 else 0)
    cells.set_yticks(range(len(order)), names)
    cells.tick_params(which="both", length=0)
    cells.minorticks_off()
    _branch(branches, numbers, about)
    bar = figure.colorbar(image, ax=[branches], location="right", fraction=0.12, pad=0.06)
    bar.set_label(f"{about['method'].capitalize()}'s {'ρ' if about['method'] == 'spearman' else 'r'}")
    notes = [f"{about['empty']} pairs have no coefficient."] if about["empty"] else []
    return finish(figure, cells, settings, notes=notes, legend=False)


def _panels(n: int, settings: PlotSettings) -> tuple[Figure, Axes, Axes]:
    """Make a panel of cells, large enough for the names, and one of branches to the right of it."""
    from lumin_plugin_plots.axes import one_panel

    figure, cells = one_panel(settings)
    height = max(settings.size[1], 0.28 * n + 1.2)
    figure.set_size_inches(1.45 * height, height)
    figure.delaxes(cells)
    grid = figure.add_gridspec(1, 2, width_ratios=(1, 0.36), wspace=0.0)
    cells = figure.add_subplot(grid[0])
    return figure, cells, figure.add_subplot(grid[1])


def _write(cells: Axes, found: np.ndarray) -> None:
    """Write coefficients into cells; of many columns a minus alone, as grey does not tell signs."""
    n = len(found)
    for (i, j), value in np.ndenumerate(found):
        dark = abs(value) > 0.6
        text = (
            ("" if value > -0.05 else "−")
            if n > _MOST_WRITTEN
            else f"{value:.2f}".replace("-0.00", "0.00").replace("-", "−")
        )
        if np.isfinite(value) and text:
            size = min(9.0, (90 if n <= _MOST_WRITTEN else 250) / n)
            cells.text(j, i, text, ha="center", va="center", fontsize=size, color="white" if dark else "black")


def _branch(branches: Axes, numbers: Numbers, about: Mapping[str, Any]) -> None:
    """Draw the tree: its leaves stand at the rows of the matrix, its joints at their distances."""
    joined = numbers.curves["tree"]
    n = len(about["order"])
    feats = [str(name) for name in numbers.curves["matrix"]["feat"]]
    place = {i: (0.0, float(about["order"].index(name))) for i, name in enumerate(feats)}
    for k, (left, right, distance, _) in enumerate(zip(*(joined[name] for name in _TREE), strict=True)):
        (x0, y0), (x1, y1) = place[int(left)], place[int(right)]
        branches.plot([x0, distance, distance, x1], [y0, y0, y1, y1], color="0.2", linewidth=1.2)
        place[n + k] = (float(distance), (y0 + y1) / 2)
    branches.axvline(1 - about["threshold"], color="0.5", linestyle="--", linewidth=1)
    branches.set_ylim(n - 0.5, -0.5)
    branches.set_xlim(0, 1.02)
    branches.set_yticks([])
    branches.tick_params(which="both", right=False, top=False)
    branches.set_xlabel("1 − |ρ|" if about["method"] == "spearman" else "1 − |r|")
