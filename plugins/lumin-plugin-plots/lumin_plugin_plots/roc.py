r"""ROC curves: the background's rejection against the signal's efficiency.

At a signal efficiency :math:`x` the rejection is :math:`1/\epsilon_b`, of the best cut that keeps
at least so much signal (see `weighted`). Ratios are to a named curve at the same efficiency; their
band is of the same replicas of the events, so that what both curves share cancels.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs
import numpy as np

from lumin_core.arguments import explained
from lumin_core.checks import positive
from lumin_core.errors import DataError
from lumin_core.statistics import value_as_text
from lumin_plugin_plots import axes, weighted
from lumin_plugin_plots.bands import N_REPLICAS, models_band, replicas, sample_band
from lumin_plugin_plots.events import Data, Events, Mask, PredName
from lumin_plugin_plots.numbers import Numbers
from lumin_plugin_plots.plot import Plot, drawn
from lumin_plugin_plots.taggers import Against, Tagger, baselines, labels, taggers

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from lumin_plugin_plots.settings import PlotSettings

EFFICIENCIES = np.linspace(0.01, 1, 100)
"""Signal efficiencies at which rejections are given."""


@explained
def plot_roc(
    data: Data,
    pred_name: PredName = "pred",
    *,
    targ_name: str = "gen_target",
    wgt_name: str | None = "gen_weight",
    by: str | None = None,
    mask: Mask = None,
    baseline: str | None = None,
    signal: int | None = None,
    against: Against = "rest",
    n_replicas: int = N_REPLICAS,
    seed: int = 0,
    settings: PlotSettings | None = None,
) -> Plot:
    """Draw the background's rejection against the signal's efficiency, with areas under the curve.

    Args:
        data: A data frame, a mapping of arrays, or a fold file.
        pred_name: The column of predictions, of several classes ``<name>_0``, ``<name>_1``, ...; a
            list of columns, one per model, for their mean and spread; or either by label, to
            compare classifiers.
        targ_name: The truth: 0 (background) or 1 (signal); of several classes their numbers.
        wgt_name: Event weights of either sign; ``None`` for one each.
        by: A column of few different values, each of which has a curve of its own.
        mask: Which events are taken: a column of Booleans, or an array.
        baseline: The label of the curve to which the panel below gives ratios.
        signal: The class that is the signal, of several; ``None`` for each in turn.
        against: Of several classes ``"rest"``, all others, or ``"one"``, every other.
        n_replicas: Number of replicas of the sample's band.
        seed: Of the replicas.
        settings: The look; by default with the units that a fold file says.

    Returns:
        The figure. Its numbers have a curve per label, with the columns ``efficiency``,
        ``background_efficiency``, ``rejection`` (the mean of several models),
        ``effective_background`` (effective number of background events that pass), ``cut`` (of a
        single model); the bands
        ``sample_low``, ``sample_high``, ``sample_low95``, ``sample_high95``, of several models
        ``models_low``, ``models_high``; with a baseline ``ratio`` and the same bands as
        ``ratio_sample_low`` and so on. ``about["areas"]`` has the area under each curve,
        ``about["area_errors"]`` its standard error, of the sample, ``about["area_spreads"]`` the
        standard deviation over models, ``about["not_shown"]`` the number of efficiencies at which
        no background is left.

    Raises:
        DataError: If a column is missing, or a class has no events or no positive sum of weights.
        ConfigError: If an option is another.

    Example:
        >>> import numpy as np
        >>> from lumin_plugin_plots import plot_roc
        >>> truth = np.arange(200) % 2
        >>> score = np.random.default_rng(1).normal(truth)
        >>> plot = plot_roc({"pred": score, "gen_target": truth})
        >>> round(plot.numbers.about["areas"]["pred"], 3)
        0.784
        >>> curve = plot.numbers.curves["pred"]
        >>> round(float(curve["efficiency"][49]), 2), round(float(curve["rejection"][49]), 2)
        (0.5, 11.11)

    References:
        T. Fawcett, An introduction to ROC analysis, https://doi.org/10.1016/j.patrec.2005.10.010
    """
    events = Events(data, mask)
    found = labels(taggers(events, pred_name, targ_name, by=by, signal=signal, against=against))
    rocs = roc_curves(found, events.weights(wgt_name), EFFICIENCIES, n_replicas=n_replicas, seed=seed)
    about = {
        "areas": {name: roc.area for name, roc in rocs.items()},
        "area_errors": {name: roc.area_error for name, roc in rocs.items()},
        "area_spreads": {name: roc.area_spread for name, roc in rocs.items()},
        "baseline": baseline,
        "not_shown": {name: int((~np.isfinite(roc.rejection)).sum()) for name, roc in rocs.items()},
        "n_events": len(events),
        "n_replicas": n_replicas,
        "seed": seed,
    }
    base_of = {} if baseline is None else baselines(found, baseline)
    curves = {name: _columns(rocs, name, base_of.get(name)) for name in rocs}
    return drawn(Numbers(figure="roc", curves=curves, about=about), events.settings(settings))


@attrs.frozen(eq=False)
class RocCurve:
    """Rejections of a classifier at given signal efficiencies, shape ``(P,)``, and its area.

    Attributes:
        of_models: Rejections of each model, shape ``(M, P)``.
        areas_of_models: Shape ``(M,)``.
        cuts: Of each model, shape ``(M, P)``.
        effective_background: Effective number of background events that pass, the least of the
            models, shape ``(P,)``.
        of_replicas: Rejections, the mean of the models, of the sample's replicas,
            ``(n_replicas, P)``.
        areas_of_replicas: Shape ``(n_replicas,)``.
    """

    of_models: np.ndarray
    areas_of_models: np.ndarray
    cuts: np.ndarray
    effective_background: np.ndarray
    of_replicas: np.ndarray
    areas_of_replicas: np.ndarray

    @property
    def rejection(self) -> np.ndarray:
        """The mean of the models, shape ``(P,)``."""
        return np.asarray(self.of_models.mean(axis=0))

    @property
    def spread(self) -> np.ndarray:
        """The standard deviation over models, shape ``(P,)``; NaN for one."""
        return np.asarray(_spread(self.of_models))

    @property
    def area(self) -> float:
        """The area under the curve, the mean of the models."""
        return float(self.areas_of_models.mean())

    @property
    def area_error(self) -> float:
        """Its standard error, of the sample."""
        error = float(np.nanstd(self.areas_of_replicas))
        return error if error > weighted.ROUNDING else 0.0

    @property
    def area_spread(self) -> float:
        """Its standard deviation over models; NaN for one."""
        return float(_spread(self.areas_of_models))


def roc_curves(
    found: dict[str, Tagger], weights: np.ndarray, at: np.ndarray, *, n_replicas: int = N_REPLICAS, seed: int = 0
) -> dict[str, RocCurve]:
    """Compute the rejections of classifiers, on the same replicas of the events.

    Args:
        found: Classifiers by label.
        weights: Of either sign, shape ``(n,)``.
        at: Signal efficiencies, shape ``(P,)``.
        n_replicas: Number of replicas.
        seed: Of the replicas.

    Raises:
        DataError: If a class has no events or no positive sum of weights.
    """
    n_replicas = positive(n_replicas, "n_replicas")
    for name, tagger in found.items():
        _check_classes(tagger, weights, name)
    sorted_once = {name: [weighted.Cuts.of(score[each.used]) for score in each.scores] for name, each in found.items()}
    thinned = {name: [each.thinned() for each in cuts] for name, cuts in sorted_once.items()}
    columns = replicas(
        lambda w: np.stack([_mean_roc(thinned[name], each, w, at) for name, each in found.items()], axis=1),
        weights,
        n_replicas,
        seed=seed,
    )  # (n_replicas, curves, P + 1)
    return {
        name: _curve(sorted_once[name], each, weights, at, columns[:, i])
        for i, (name, each) in enumerate(found.items())
    }


def _mean_roc(cuts: list[weighted.Cuts], tagger: Tagger, weights: np.ndarray, at: np.ndarray) -> np.ndarray:
    """Return rejections and area, the means of the models, as ``(R, P + 1)``."""
    signal, w = tagger.signal[tagger.used], weights if tagger.used.all() else weights[:, tagger.used]
    total = np.zeros((len(w), len(at) + 1))
    for each in cuts:
        of_signal, of_background = each.efficiencies(signal, w)
        total[:, :-1] += weighted.rejection(weighted.background_at(of_signal, of_background, at))
        total[:, -1] += weighted.area(of_signal, of_background)
    return total / len(cuts)


def _curve(
    cuts: list[weighted.Cuts], tagger: Tagger, weights: np.ndarray, at: np.ndarray, of_replicas: np.ndarray
) -> RocCurve:
    signal, w = tagger.signal[tagger.used], weights[tagger.used]
    w_background = np.where(signal, 0.0, w)
    rejections, areas, chosen_cuts, counts = [], [], [], []
    for each in cuts:
        of_signal, of_background = each.efficiencies(signal, w)
        chosen = weighted.cuts_at(of_signal, of_background, at)
        rejections.append(weighted.rejection(of_background[chosen]))
        areas.append(weighted.area(of_signal, of_background))
        chosen_cuts.append(each.cut[chosen])
        sums, squares = each.passing(w_background), each.passing(np.square(w_background))
        counts.append(weighted.effective(sums, squares)[chosen])
    return RocCurve(
        of_models=np.array(rejections),
        areas_of_models=np.array(areas),
        cuts=np.array(chosen_cuts),
        effective_background=np.min(counts, axis=0),
        of_replicas=of_replicas[:, :-1],
        areas_of_replicas=of_replicas[:, -1],
    )


def _check_classes(tagger: Tagger, weights: np.ndarray, name: str) -> None:
    for kind, what in ((tagger.signal, "signal"), (~tagger.signal, "background")):
        w = weights[tagger.used & kind]
        if not w.sum() > weighted.ROUNDING * np.abs(w).sum():
            raise DataError(
                f"a ROC curve needs {what} of positive sum of weights, got {w.sum():.4g} of {len(w)} events for "
                f"{name!r}; use more events, or another mask"
            )


def _columns(rocs: dict[str, RocCurve], name: str, base: str | None) -> dict[str, np.ndarray]:
    roc = rocs[name]
    columns = {
        "efficiency": EFFICIENCIES,
        "background_efficiency": np.mean(1 / roc.of_models, axis=0),
        "rejection": roc.rejection,
        "effective_background": roc.effective_background,
        **sample_band(roc.of_replicas),
    }
    if len(roc.of_models) == 1:
        columns["cut"] = roc.cuts[0]
    else:
        columns |= models_band(roc.of_models)
    if base is not None:
        below = rocs[base]
        ratios = {"ratio": _ratio(roc.rejection, below.rejection)}
        ratios |= sample_band(_ratio(roc.of_replicas, below.of_replicas))
        if len(roc.of_models) > 1:
            ratios |= models_band(_ratio(roc.of_models, below.rejection))
        columns |= {key if key == "ratio" else f"ratio_{key}": of for key, of in ratios.items()}
    return columns


def _ratio(above: np.ndarray, below: np.ndarray) -> np.ndarray:
    """Divide rejections; where one is infinite there is no ratio."""
    with np.errstate(invalid="ignore"):
        return np.where(np.isfinite(above) & np.isfinite(below), above / below, np.nan)


def _spread(values: np.ndarray) -> Any:
    if len(values) == 1:
        return np.full(values.shape[1:], np.nan)
    with np.errstate(invalid="ignore"):
        return values.std(axis=0, ddof=1)


def draw(numbers: Numbers, settings: PlotSettings) -> Figure:
    """Draw the figure from its numbers."""
    baseline, below = numbers.about["baseline"], None
    if baseline is None:
        figure, main = axes.one_panel(settings)
    else:
        figure, main, below = axes.two_panels(settings)
        below.set_ylabel(f"Ratio to\n{settings.title(baseline)}")
    bands: set[str] = set()
    for i, (name, curve) in enumerate(numbers.curves.items()):
        bands |= _draw_curve(main, curve, "rejection", settings, i, label=_label(numbers, name, settings))
        if below is not None:
            _draw_curve(below, curve, "ratio", settings, i)
    if any(np.isfinite(np.asarray(curve["rejection"], float)).any() for curve in numbers.curves.values()):
        main.set_yscale("log")
    main.set_ylabel("Background rejection")
    (main if below is None else below).set_xlabel("Signal efficiency")
    main.set_xlim(0, 1)
    return axes.finish(figure, main, settings, notes=_notes(numbers), bands=sorted(bands))


def _draw_curve(
    panel: Axes, curve: dict[str, np.ndarray], column: str, settings: PlotSettings, i: int, **how: Any
) -> set[str]:
    x, y = np.asarray(curve["efficiency"], float), np.asarray(curve[column], float)
    shown = np.isfinite(y)
    panel.plot(x[shown], y[shown], **axes.line(settings, i), **how)
    visible = {name: np.asarray(of, float)[shown] for name, of in curve.items()}
    return set(axes.draw_bands(panel, x[shown], visible, settings, i, "" if column == "rejection" else "ratio_"))


def _label(numbers: Numbers, name: str, settings: PlotSettings) -> str:
    errors = [numbers.about[key][name] for key in ("area_errors", "area_spreads")]
    area = value_as_text(numbers.about["areas"][name], *(error for error in errors if error is not None))
    return f"{settings.title(name)} (AUC {area})"


def _notes(numbers: Numbers) -> list[str]:
    n = sum(numbers.about["not_shown"].values())
    return [f"Not shown: {n} efficiencies at which no background is left"] if n else []
