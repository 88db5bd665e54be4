"""Efficiency and rejection against a column, at a cut or at one signal efficiency in each bin.

What is computed stands in `lumin_plugin_plots.tagging`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from lumin_core.arguments import explained
from lumin_core.checks import is_number
from lumin_core.errors import ConfigError
from lumin_plugin_plots import axes as shared
from lumin_plugin_plots.bin_points import draw_points, empty_note, outside_note
from lumin_plugin_plots.binning import into_bins
from lumin_plugin_plots.events import Events, classifiers
from lumin_plugin_plots.numbers import Numbers
from lumin_plugin_plots.plot import drawn
from lumin_plugin_plots.tagging import Tagged, curve_at_cut, curve_at_efficiency

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from lumin_plugin_plots.bin_edges import Bins
    from lumin_plugin_plots.events import Data, Mask, PredName
    from lumin_plugin_plots.plot import Plot
    from lumin_plugin_plots.settings import PlotSettings

_WIDE = 20  # a range of rejections that takes a logarithmic axis


@explained
def plot_efficiency(
    data: Data,
    by: str,
    pred_name: PredName = "pred",
    *,
    cut: float | Mapping[str, float] | None = None,
    efficiency: float | None = None,
    targ_name: str = "gen_target",
    wgt_name: str | None = "gen_weight",
    mask: Mask = None,
    bins: Bins = 10,
    seed: int = 0,
    settings: PlotSettings | None = None,
) -> Plot:
    """Plot efficiency and rejection against a column, at a cut or at a signal efficiency.

    At a cut, the efficiency of signal and the rejection of background, 1 / efficiency, are shown;
    at an efficiency, the rejection and the cut that each bin needs for it.

    Args:
        data: A frame, a mapping of arrays, or a fold file.
        by: The column at x.
        pred_name: A column of scores that rise with the probability of signal; a list of columns,
            one per model, whose mean and spread are shown; or either by label.
        cut: Events of at least this score pass; one for all classifiers, or by label.
        efficiency: Instead of a cut: how much of its signal each bin keeps at least.
        targ_name: The column of the truth, 0 (background) or 1 (signal).
        wgt_name: The column of event weights, of either sign.
        mask: Which events are taken.
        bins: Edges, or the number of bins of one width over the central 99 % of the events.
        seed: Of the replicas.
        settings: The look; by default with the units that a fold file says.

    Returns:
        The figure. Its numbers have a curve per classifier, with a row per bin: ``low``, ``high``,
        ``cut``; ``signal`` and ``background``, the efficiencies, and ``rejection``; of each the
        error (``signal_error``), the band of the sample (``signal_sample_low``, ``..._high``,
        ``..._low95``, ``..._high95``) and, of several models, theirs (``signal_models_low``).

    Raises:
        ConfigError: If not just one of cut and efficiency is given.
        DataError: If a column is missing, or does not fit.

    Example:
        >>> from lumin_plugin_plots import plot_efficiency
        >>> data = {"pt": [1, 1, 2, 2], "pred": [0.9, 0.2, 0.7, 0.1], "gen_target": [1, 0, 1, 1]}
        >>> plot = plot_efficiency(data, "pt", cut=0.5)
        >>> plot.numbers.curves["pred"]["signal"].tolist()
        [1.0, 0.5]
    """
    events = Events(data, mask)
    of_columns = classifiers(pred_name)
    cuts = _cuts(cut, efficiency, list(of_columns))
    values, signal, weights = events.numbers(by), events.is_signal(targ_name), events.weights(wgt_name)
    where = into_bins(values, bins)
    curves = {}
    for label, columns in of_columns.items():
        models = [Tagged(events.numbers(column, finite=True), signal, weights, where) for column in columns]
        if efficiency is None:
            curves[label] = curve_at_cut(models, cuts[label], seed)
        else:
            curves[label] = curve_at_efficiency(models, efficiency, seed)
    about = {"by": by, "efficiency": efficiency, "cut": cuts, "seed": seed, "outside": where.outside()}
    numbers = Numbers(figure="efficiency", curves=curves, about={**about, **_empty(curves)})
    return drawn(numbers, events.settings(settings))


def draw(numbers: Numbers, settings: PlotSettings) -> Figure:
    """Draw the figure; see `plot_efficiency`."""
    about = numbers.about
    at = about["efficiency"]
    shown = ("signal", "rejection") if at is None else ("rejection", "cut")
    figure, panels = shared.panels(settings, (0.75, 0.6))
    bands: set[str] = set()
    for i, (label, curve) in enumerate(numbers.curves.items()):
        for panel, name in zip(panels, shown, strict=True):
            bands |= draw_points(panel, curve, name, settings, i, _entry(label, about["cut"]))
    names = {"signal": "Signal efficiency", "rejection": "Background rejection", "cut": "Cut on the score"}
    for panel, name in zip(panels, shown, strict=True):
        panel.set_ylabel(names[name])
        _limit(panel, name)
    panels[-1].set_xlabel(settings.axis(about["by"]))
    panels[-1].set_xlim(*_ends(numbers))
    notes = [
        *([] if at is None else [f"At a signal efficiency of {at:g} in each bin"]),
        *outside_note(about["outside"], settings.name(about["by"])),
        *empty_note(about["without_sum"]),
        *empty_note(about["unbounded"], "the rejection, as no background is left"),
    ]
    return shared.finish(figure, panels[0], settings, notes=notes, bands=sorted(bands))


def _cuts(cut: float | Mapping[str, float] | None, at: float | None, labels: list[str]) -> dict[str, float]:
    """Return the cut of each classifier; nothing where the efficiency is given."""
    if (cut is None) == (at is None):
        raise ConfigError("give either cut, the score from which events pass, or efficiency, that of each bin's signal")
    if at is not None:
        if not is_number(at) or not 0 < at <= 1:
            raise ConfigError(f"efficiency must be a share, above 0 and up to 1, got {at!r}")
        return {}
    cuts: Mapping[str, Any] = cut if isinstance(cut, Mapping) else dict.fromkeys(labels, cut)
    if missing := [label for label in labels if not is_number(cuts.get(label))]:
        raise ConfigError(f"cut must be a number, or one for each of {', '.join(labels)}; {missing[0]!r} has none")
    return {label: float(cuts[label]) for label in labels}


def _empty(curves: Mapping[str, Mapping[str, np.ndarray]]) -> dict[str, dict[str, int]]:
    """Count the bins in which there is no efficiency, and those whose rejection is infinite."""
    return {
        "without_sum": {
            label: int(np.isnan(curve["signal"] + curve["background"]).sum()) for label, curve in curves.items()
        },
        "unbounded": {label: int(np.isinf(curve["rejection"]).sum()) for label, curve in curves.items()},
    }


def _entry(label: str, cuts: Mapping[str, float]) -> str:
    return f"{label} ≥ {cuts[label]:g}" if cuts else label


def _limit(panel: Any, name: str) -> None:
    low, high = panel.dataLim.intervaly
    if not np.isfinite([low, high]).all() or low > high:
        return
    if name == "signal":
        panel.set_ylim(0, max(1.0, high) * 1.05)
    elif name == "rejection" and high > _WIDE * max(low, 1.0):
        panel.set(yscale="log", ylim=(0.5 * max(low, 1.0), 2 * high))
    elif name == "rejection":
        panel.set_ylim(0, 1.1 * high)


def _ends(numbers: Numbers) -> tuple[float, float]:
    curve = next(iter(numbers.curves.values()))
    return float(curve["low"][0]), float(curve["high"][-1])
