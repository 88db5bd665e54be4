r"""Response, resolution and pull of a regression against the truth.

In bins of a column, the truth unless another is named, with :math:`\hat y` the prediction and
:math:`y` the truth,

.. math:: r = \frac{\hat y}{y}, \qquad
    m = \frac{\sum w \, r}{\sum w}, \qquad
    \sigma^2 = \frac{\sum w \, (r - m)^2}{\sum w}, \qquad
    g = \frac{\hat y - y}{\delta}

the mean :math:`m` is the response, :math:`\sigma` the resolution, with errors as
`lumin_core.statistics.get_moments` has them, and half the width of the central 68 % is a
resolution that tails do not reach. The pull has in :math:`\delta` the uncertainty that the model
gives with each prediction; its mean should be 0 and its standard deviation 1. Without such a
column, it is the bias in units of the resolution: the mean of :math:`\hat y - y` over its standard
deviation in the bin.

Where the truth may be zero or of either sign, residuals take the place of ratios,
:math:`r = \hat y - y`, in the unit of the truth.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from lumin_core.arguments import explained
from lumin_core.checks import check_flags
from lumin_core.errors import DataError
from lumin_core.statistics import get_moments
from lumin_plugin_plots import axes as shared
from lumin_plugin_plots.bin_points import draw_points, empty_note, outside_note
from lumin_plugin_plots.binning import into_bins
from lumin_plugin_plots.events import Events, classifiers
from lumin_plugin_plots.numbers import Numbers
from lumin_plugin_plots.plot import drawn
from lumin_plugin_plots.weighted import quantile

if TYPE_CHECKING:
    from collections.abc import Mapping

    from matplotlib.figure import Figure

    from lumin_plugin_plots.bin_edges import Bins
    from lumin_plugin_plots.binning import Binned
    from lumin_plugin_plots.events import Data, Mask
    from lumin_plugin_plots.plot import Plot
    from lumin_plugin_plots.settings import PlotSettings

_MOMENTS = ("mean", "mean_error", "sigma", "sigma_error")
_CENTRAL = np.array([0.16, 0.84])


@explained
def plot_response(
    data: Data,
    pred_name: str | Mapping[str, str] = "pred",
    *,
    targ_name: str = "gen_target",
    by: str | None = None,
    uncert_name: str | Mapping[str, str] | None = None,
    relative: bool = True,
    wgt_name: str | None = "gen_weight",
    mask: Mask = None,
    bins: Bins = 10,
    settings: PlotSettings | None = None,
) -> Plot:
    """Plot response, resolution and pull against the truth, or another column.

    Args:
        data: A frame, a mapping of arrays, or a fold file.
        pred_name: A column of predictions, or several by label.
        targ_name: The column of the truth.
        by: The column at x; by default the truth.
        uncert_name: The column of the uncertainty that the model gives to its prediction, in the
            unit of the truth, or one by label; ``None`` where there is none.
        relative: Whether the response is the ratio of prediction and truth; else the residual.
        wgt_name: The column of event weights, of either sign.
        mask: Which events are taken.
        bins: Edges, or the number of bins of one width over the central 99 % of the events.
        settings: The look; by default with the units that a fold file says.

    Returns:
        The figure. Its numbers have a curve per prediction, with a row per bin: ``low``, ``high``,
        ``n``, ``response``, ``resolution``, ``central`` (half the width of the central 68 %),
        ``pull`` and, with uncertainties, ``pull_width``; each but ``central`` with its error,
        ``response_error``.

    Raises:
        DataError: If a column is missing or does not fit, or the truth is zero where it is divided
            by.

    Example:
        >>> from lumin_plugin_plots import plot_response
        >>> data = {"pred": [9.0, 11.0, 22.0, 18.0], "gen_target": [10.0, 10.0, 20.0, 20.0]}
        >>> plot = plot_response(data, bins=[5, 15, 25])
        >>> plot.numbers.curves["pred"]["resolution"].round(3).tolist()
        [0.1, 0.1]
    """
    check_flags(relative=relative)
    events = Events(data, mask)
    truth, weights = events.targets(targ_name), events.weights(wgt_name)
    if relative and not truth.all():
        raise DataError(
            f"{targ_name!r} is zero in {int((truth == 0).sum())} events, and the response is relative to it; leave "
            "them out with mask=, or take residuals with relative=False"
        )
    where = into_bins(truth if by is None else events.numbers(by), bins)
    curves = {}
    for label, [column] in classifiers(pred_name).items():
        uncert = _uncertainties(events, uncert_name, label)
        curves[label] = response_curve(events.numbers(column, finite=True), truth, uncert, weights, where, relative)
    about = {
        "by": targ_name if by is None else by,
        "target": targ_name,
        "relative": relative,
        "of_uncertainty": uncert_name is not None,
        "outside": where.outside(),
        "empty": {label: int(np.isnan(curve["resolution"]).sum()) for label, curve in curves.items()},
    }
    return drawn(Numbers(figure="response", curves=curves, about=about), events.settings(settings))


def response_curve(
    pred: np.ndarray, truth: np.ndarray, uncert: np.ndarray | None, weights: np.ndarray, bins: Binned, relative: bool
) -> dict[str, np.ndarray]:
    """Compute response, resolution and pull in all bins; see the module.

    Args:
        pred: Shape ``(n,)``.
        truth: Likewise.
        uncert: Uncertainties of the predictions, likewise, or ``None``.
        weights: Of either sign, likewise.
        bins: In which bin each event is.
        relative: Whether the response is a ratio.

    Returns:
        Columns as `plot_response` has them, each ``(n_bins,)``; NaN where the weights have no
        positive sum, or make a variance negative.
    """
    residual = pred - truth
    response = pred / truth if relative else residual
    moments = moments_in_bins(response, weights, bins)
    curve = {"low": bins.edges[:-1], "high": bins.edges[1:], "n": bins.sums(np.ones(len(pred)))}
    curve |= {"response": moments["mean"], "response_error": moments["mean_error"]}
    curve |= {"resolution": moments["sigma"], "resolution_error": moments["sigma_error"]}
    curve["central"] = _central_widths(response, weights, bins)
    if uncert is not None:
        pulls = moments_in_bins(residual / uncert, weights, bins)
        names = ("pull", "pull_error", "pull_width", "pull_width_error")
        return curve | {name: pulls[key] for name, key in zip(names, _MOMENTS, strict=True)}
    bias = moments_in_bins(residual, weights, bins)
    width = np.where(bias["sigma"] > 0, bias["sigma"], np.nan)
    return curve | {"pull": bias["mean"] / width, "pull_error": bias["mean_error"] / width}


def moments_in_bins(values: np.ndarray, weights: np.ndarray, bins: Binned) -> dict[str, np.ndarray]:
    """Compute mean and standard deviation in all bins, and their errors.

    Args:
        values: Shape ``(n,)``.
        weights: Of either sign, likewise.
        bins: In which bin each event is.

    Returns:
        ``mean``, ``mean_error``, ``sigma``, ``sigma_error``, each ``(n_bins,)``; NaN where the
        weights have no positive sum, or make the variance negative.

    Example:
        >>> import numpy as np
        >>> from lumin_plugin_plots.binning import into_bins
        >>> from lumin_plugin_plots.response import moments_in_bins
        >>> bins = into_bins(np.array([0.5, 0.5, 1.5]), [0, 1, 2])
        >>> moments_in_bins(np.array([1.0, 3.0, 5.0]), np.array([1.0, 1.0, -1.0]), bins)["mean"]
        array([ 2., nan])
    """
    rows = np.full((bins.n_bins, len(_MOMENTS)), np.nan)
    totals = bins.sums(weights)
    means = np.divide(bins.sums(weights * values), totals, out=np.zeros_like(totals), where=totals > 0)
    squares = bins.sums(weights * (values - means[bins.index]) ** 2)
    for i in np.flatnonzero((totals > 0) & (squares >= 0)):
        inside = bins.index == i
        rows[i] = get_moments(values[inside], weights[inside])
    return dict(zip(_MOMENTS, rows.T, strict=True))


def draw(numbers: Numbers, settings: PlotSettings) -> Figure:
    """Draw the figure; see `plot_response`."""
    about = numbers.about
    figure, panels = shared.panels(settings, (0.55, 0.55, 0.55))
    names = ("response", "resolution", "pull")
    for number, (label, curve) in enumerate(numbers.curves.items()):
        for panel, name in zip(panels, names, strict=True):
            draw_points(panel, curve, name, settings, number, label)
        edges = np.append(curve["low"], curve["high"][-1:])
        panels[1].stairs(curve["central"], edges, baseline=None, **shared.line(settings, number), linewidth=1.0)
        if about["of_uncertainty"]:
            look = shared.points(settings, number) | {"markerfacecolor": "white"}
            middle = (curve["low"] + curve["high"]) / 2
            panels[2].errorbar(middle, curve["pull_width"], yerr=curve["pull_width_error"], **look)
    for panel, text in zip(panels, _labels(about, settings), strict=True):
        panel.set_ylabel(text)
    panels[0].axhline(1.0 if about["relative"] else 0.0, color="0.5", linewidth=1, linestyle=":", zorder=0)
    for height in (0.0, 1.0) if about["of_uncertainty"] else (0.0,):
        panels[2].axhline(height, color="0.5", linewidth=1, linestyle=":", zorder=0)
    panels[1].set_ylim(bottom=0.0)
    panels[-1].set_xlabel(settings.axis(about["by"]))
    panels[-1].set_xlim(float(curve["low"][0]), float(curve["high"][-1]))
    figure.align_ylabels(panels)
    return shared.finish(figure, panels[0], settings, notes=_notes(about, settings))


def _labels(about: Mapping[str, Any], settings: PlotSettings) -> tuple[str, str, str]:
    unit = settings.units.get(str(about["target"]), "")
    unit = f" [{unit}]" if unit and not about["relative"] else ""
    pull = "Pull" if about["of_uncertainty"] else "Bias / resolution"
    return (("Response" if about["relative"] else "Bias") + unit, f"Resolution{unit}", pull)


def _notes(about: Mapping[str, Any], settings: PlotSettings) -> list[str]:
    response = "predicted / true" if about["relative"] else "predicted - true"
    notes = [
        f"Mean and standard deviation of {response}; lines: half the width of its central 68 %",
        *(
            ["Pull: mean, filled, and standard deviation, open, of residual / uncertainty"]
            * bool(about["of_uncertainty"])
        ),
    ]
    outside = outside_note(about["outside"], settings.name(str(about["by"])))
    return [*notes, *outside, *empty_note(about["empty"], "with weights that give no resolution")]


def _central_widths(values: np.ndarray, weights: np.ndarray, bins: Binned) -> np.ndarray:
    """Return half the width of the central 68 % in all bins; NaN without a positive sum."""
    widths = np.full(bins.n_bins, np.nan)
    for i in np.flatnonzero(bins.sums(weights) > 0):
        inside = bins.index == i
        low, high = quantile(values[inside], weights[inside], _CENTRAL)
        widths[i] = (high - low) / 2
    return widths


def _uncertainties(events: Events, uncert_name: str | Mapping[str, str] | None, label: str) -> np.ndarray | None:
    if uncert_name is None:
        return None
    column = uncert_name if isinstance(uncert_name, str) else uncert_name[label]
    uncert = events.numbers(column, finite=True)
    if not (uncert > 0).all():
        raise DataError(f"uncertainties, {column!r}, must be positive, got {uncert.min():.4g}")
    return uncert
