r"""The significance that is expected of a cut on a classifier's prediction, against the cut.

With a factor :math:`f` on all weights, a constant :math:`b_r` and the fractional systematic
uncertainty :math:`r`, what passes a cut is

.. math:: s = f \sum_{\text{sig}} w, \qquad b = f \sum_{\text{bkg}} w + b_r, \qquad
    \sigma^2 = r^2 b^2 + f^2 \sum_{\text{bkg}} w^2

of which `asimov` is computed: once with :math:`\sigma = 0`, once with it. The last term is the
statistical uncertainty of the simulated background.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs
import numpy as np

from lumin_core.arguments import explained
from lumin_core.checks import check_numbers, positive
from lumin_core.errors import ConfigError, DataError
from lumin_plugin_plots import axes, weighted
from lumin_plugin_plots.asimov import asimov
from lumin_plugin_plots.bands import N_REPLICAS, models_band, replicas, sample_band
from lumin_plugin_plots.events import Data, Events, Mask, PredName, classifiers
from lumin_plugin_plots.numbers import Numbers
from lumin_plugin_plots.plot import Plot, drawn

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from lumin_plugin_plots.settings import PlotSettings

N_CUTS = 200
_WITHOUT, _WITH = "without uncertainty", "with uncertainty"


@explained
def plot_significance(
    data: Data,
    pred_name: PredName = "pred",
    *,
    targ_name: str = "gen_target",
    wgt_name: str | None = "gen_weight",
    mask: Mask = None,
    wgt_factor: float = 1,
    br: float = 0,
    syst_unc_b: float = 0.1,
    use_stat_unc: bool = True,
    min_events: float = 10,
    n_replicas: int = N_REPLICAS,
    seed: int = 0,
    settings: PlotSettings | None = None,
) -> Plot:
    """Draw the expected significance against the cut, without and with uncertainties.

    An event is selected if its prediction is at least the cut.

    Args:
        data: A data frame, a mapping of arrays, or a fold file.
        pred_name: The column of predictions; a list of columns, one per model; or either by label.
        targ_name: The truth: 0 (background) or 1 (signal).
        wgt_name: Event weights of either sign; ``None`` for one each.
        mask: Which events are taken: a column of Booleans, or an array.
        wgt_factor: A factor on all weights, such as all events over those of the test set.
        br: A constant that is added to the background, not negative.
        syst_unc_b: Systematic uncertainty of the background, as a fraction of it, not negative.
        use_stat_unc: Whether the statistical uncertainty of the weighted background adds to it, in
            quadrature.
        min_events: The least effective number of background events that must pass; cuts that leave
            fewer are not shown.
        n_replicas: Number of replicas of the sample's band.
        seed: Of the replicas.
        settings: The look; by default with the units that a fold file says.

    Returns:
        The figure. Its numbers have for each classifier a curve ``"<label>, without uncertainty"``
        and, if there is any, ``"<label>, with uncertainty"``, with the columns ``cut``,
        ``significance`` (the mean of several models), ``signal``, ``background`` and
        ``uncertainty`` (of a single model); the bands ``sample_low``, ``sample_high``,
        ``sample_low95``, ``sample_high95``, of several models ``models_low``, ``models_high``.
        ``about["best"]`` has for each curve of a single model the best of all cuts, ``cut``,
        ``significance``, ``signal``, ``background``; ``about["not_shown"]`` the number of cuts that
        are left empty.

    Raises:
        DataError: If a column is missing or holds other values.
        ConfigError: If an option is another.

    Example:
        >>> import numpy as np
        >>> from lumin_plugin_plots import plot_significance
        >>> truth = np.arange(1000) % 2
        >>> score = np.random.default_rng(1).normal(truth)
        >>> weight = np.where(truth == 1, 0.01, 1.0)
        >>> plot = plot_significance({"pred": score, "gen_target": truth, "gen_weight": weight})
        >>> best = plot.numbers.about["best"]["pred, without uncertainty"]
        >>> round(best["cut"], 2), round(best["significance"], 2)
        (1.23, 0.37)

    References:
        G. Cowan et al., https://arxiv.org/abs/1007.1727
    """
    counting = _counting(wgt_factor, br, syst_unc_b, use_stat_unc=use_stat_unc, min_events=min_events)
    events = Events(data, mask)
    signal, weights = events.is_signal(targ_name), events.weights(wgt_name)
    curves: dict[str, dict[str, np.ndarray]] = {}
    best: dict[str, dict[str, float]] = {}
    for label, columns in classifiers(pred_name).items():
        scores = np.stack([_one_column(events.scores(column), column) for column in columns])
        cuts = np.linspace(scores.min(), scores.max(), N_CUTS)
        scans = [CutScan(score, signal, weights, cuts) for score in scores]
        exact = [CutScan(score, signal, weights, np.unique(score)) for score in scores] if len(scores) == 1 else []
        of_replicas = _of_replicas(scans, counting, len(events), positive(n_replicas, "n_replicas"), seed)
        for i, (name, options) in enumerate(counting.items()):
            of_models = np.array([scan.significance(options) for scan in scans])
            curves[f"{label}, {name}"] = _columns(cuts, scans, options, of_models, of_replicas[:, i])
            for scan in exact:
                best[f"{label}, {name}"] = scan.best(options)
    about = {
        "best": best,
        "min_events": min_events,
        "n_replicas": n_replicas,
        "not_shown": {name: int(np.isnan(curve["significance"]).sum()) for name, curve in curves.items()},
        "seed": seed,
        "syst_unc_b": syst_unc_b,
        "use_stat_unc": use_stat_unc,
    }
    return drawn(Numbers(figure="significance", curves=curves, about=about), events.settings(settings))


@attrs.frozen
class Counting:
    """How yields are made of what passes; see `plot_significance`."""

    wgt_factor: float
    br: float
    syst_unc_b: float
    use_stat_unc: bool
    min_events: float


class CutScan:
    """What passes cuts on scores.

    Args:
        scores: Shape ``(n,)``.
        signal: Which events are signal, shape ``(n,)``.
        weights: Of either sign, shape ``(n,)``.
        cuts: Rising, shape ``(C,)``.
    """

    def __init__(self, scores: np.ndarray, signal: np.ndarray, weights: np.ndarray, cuts: np.ndarray) -> None:
        self.cuts = cuts
        self._bins = np.searchsorted(cuts, scores, side="right") - 1
        self._of_signal = np.where(signal, weights, 0.0)
        self._of_background = np.where(signal, 0.0, weights)

    def passing(self, times: np.ndarray | float = 1.0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Sum what passes: weights of signal, of background, squares of those of background.

        Args:
            times: How often each event came, ``(n,)`` or ``(R, n)``.

        Returns:
            Shape ``(C,)`` or ``(R, C)`` each.
        """
        weights = (self._of_signal, self._of_background, np.square(self._of_background))
        s, b, b2 = (self._above(times * each) for each in weights)
        sizes = self._above(times * np.abs(self._of_background))
        return s, np.where(np.abs(b) <= weighted.ROUNDING * sizes, 0.0, b), b2

    def significance(self, counting: Counting, times: np.ndarray | float = 1.0) -> np.ndarray:
        """Compute it at every cut, shape as `passing`; NaN where too little background passes."""
        s, b, b2 = self.passing(times)
        b_total, sigma = background(b, b2, counting)
        enough = (weighted.effective(b, b2) >= counting.min_events) & (b >= 0)
        return np.where(enough, asimov(s * counting.wgt_factor, b_total, sigma), np.nan)

    def best(self, counting: Counting) -> dict[str, float]:
        """Return the lowest of the best cuts, and what it gives; nothing where none counts."""
        value = self.significance(counting)
        if np.isnan(value).all():
            return {}
        i = int(np.nanargmax(value))
        s, b, b2 = self.passing()
        b_total, _ = background(b, b2, counting)
        found = {"cut": self.cuts, "significance": value, "signal": s * counting.wgt_factor, "background": b_total}
        return {name: float(of[i]) for name, of in found.items()}

    def _above(self, weights: np.ndarray) -> np.ndarray:
        sums = weighted.binned(self._bins, len(self.cuts), weights)
        above: np.ndarray = np.cumsum(sums[..., ::-1], axis=-1)[..., ::-1]
        return above


def background(b: np.ndarray, b2: np.ndarray, counting: Counting) -> tuple[np.ndarray, np.ndarray]:
    """Return the background that is expected, and its uncertainty.

    Args:
        b: Sums of weights.
        b2: Sums of squared weights.
        counting: Factors, constant, uncertainties.
    """
    total = b * counting.wgt_factor + counting.br
    statistical = counting.wgt_factor**2 * b2 if counting.use_stat_unc else 0.0
    return total, np.sqrt(np.square(counting.syst_unc_b * total) + statistical)


def _counting(
    wgt_factor: float, br: float, syst_unc_b: float, *, use_stat_unc: bool, min_events: float
) -> dict[str, Counting]:
    check_numbers(wgt_factor=wgt_factor, br=br, syst_unc_b=syst_unc_b, min_events=min_events)
    if not 0 < wgt_factor < np.inf:
        raise ConfigError(f"wgt_factor must be positive and finite, got {wgt_factor!r}")
    for name, value in {"br": br, "syst_unc_b": syst_unc_b}.items():
        if not value >= 0:
            raise ConfigError(f"{name} must not be negative, got {value!r}")
    found = {_WITHOUT: Counting(wgt_factor, br, 0.0, use_stat_unc=False, min_events=min_events)}
    if syst_unc_b or use_stat_unc:
        found[_WITH] = Counting(wgt_factor, br, syst_unc_b, use_stat_unc=use_stat_unc, min_events=min_events)
    return found


def _one_column(scores: np.ndarray, name: str) -> np.ndarray:
    if scores.shape[1] != 1:
        raise DataError(f"a cut is on one column of predictions, {name!r} has {scores.shape[1]}; name one, '{name}_0'")
    return scores[:, 0]


def _of_replicas(
    scans: list[CutScan], counting: dict[str, Counting], n_events: int, n_replicas: int, seed: int
) -> np.ndarray:
    """Return the mean over models of the significance, shape ``(n_replicas, countings, C)``."""

    def means(times: np.ndarray) -> np.ndarray:
        return np.stack(
            [np.mean([scan.significance(each, times) for scan in scans], axis=0) for each in counting.values()], axis=1
        )

    return replicas(means, np.ones(n_events), n_replicas, seed=seed)


def _columns(
    cuts: np.ndarray, scans: list[CutScan], counting: Counting, of_models: np.ndarray, of_replicas: np.ndarray
) -> dict[str, np.ndarray]:
    columns = {"cut": cuts, "significance": of_models.mean(axis=0), **sample_band(of_replicas)}
    if len(scans) > 1:
        return columns | models_band(of_models)
    s, b, b2 = scans[0].passing()
    total, sigma = background(b, b2, counting)
    return columns | {"signal": s * counting.wgt_factor, "background": total, "uncertainty": sigma}


def draw(numbers: Numbers, settings: PlotSettings) -> Figure:
    """Draw the figure from its numbers."""
    figure, main = axes.one_panel(settings)
    bands: set[str] = set()
    for i, (name, curve) in enumerate(numbers.curves.items()):
        cut, value = (np.asarray(curve[column], float) for column in ("cut", "significance"))
        main.plot(cut, value, label=_label(numbers, name, settings), **axes.line(settings, i))
        bands |= set(axes.draw_bands(main, cut, curve, settings, i))
        if best := numbers.about["best"].get(name):
            how = axes.points(settings, i) | {"markersize": 7}
            main.plot([best["cut"]], [best["significance"]], **how)
    main.set_xlabel("Cut on the prediction")
    main.set_ylabel("Expected significance [σ]")
    main.margins(x=0.03)
    main.set_ylim(bottom=0)
    return axes.finish(figure, main, settings, notes=_notes(numbers), bands=sorted(bands))


def _label(numbers: Numbers, name: str, settings: PlotSettings) -> str:
    classifier, _, kind = name.rpartition(", ")
    about = numbers.about
    parts = [f"{100 * about['syst_unc_b']:g} %"] if about["syst_unc_b"] else []
    parts += ["statistical"] if about["use_stat_unc"] else []
    uncertainty = f"{' ⊕ '.join(parts)} uncertainty" if kind == _WITH else "no uncertainty"
    best: dict[str, Any] = about["best"].get(name, {})
    found = f": {best['significance']:.3g} σ at {best['cut']:.3g}" if best else ""
    return f"{settings.title(classifier)}, {uncertainty} of background{found}"


def _notes(numbers: Numbers) -> list[str]:
    n, least = sum(numbers.about["not_shown"].values()), numbers.about["min_events"]
    return [f"Not shown: {n} points with fewer than {least:g} effective background events"] if n else []
