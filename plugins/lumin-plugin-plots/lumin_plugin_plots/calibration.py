r"""Calibration: whether scores are probabilities.

Events are put, by their score :math:`p`, into bins of equal sums of absolute weights. In each

.. math:: \bar p = \frac{\sum w \, p}{\sum w}, \qquad r = \frac{\sum_s w}{\sum w}, \qquad
    \sigma_r^2 = \frac{(1 - r)^2 \sum_s w^2 + r^2 \sum_b w^2}{(\sum w)^2}

the second being the rate of signal. A calibrated score has :math:`r = \bar p`. Its mean distance is
the expected calibration error, of the bins with a positive sum,

.. math:: \mathrm{ECE} = \sum_k W_k |r_k - \bar p_k| \Big/ \sum_k W_k

A score is calibrated for one share of signal only: that of the weights of its training. Scores of
several classes, ``pred_0``, ``pred_1``, ..., are looked at one against the rest.

References:
    C. Guo et al., On calibration of modern neural networks, https://arxiv.org/abs/1706.04599, eq. 3
    (theirs has bins of equal width).

    For the band of the sample see `lumin_plugin_plots.efficiency`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from lumin_core.arguments import explained
from lumin_core.errors import DataError
from lumin_plugin_plots import axes as shared
from lumin_plugin_plots.bands import N_REPLICAS, models_band, sample_band
from lumin_plugin_plots.bin_points import empty_note
from lumin_plugin_plots.binning import Binned, efficiency, equal_bins, into_bins, share_in_replicas
from lumin_plugin_plots.events import Events, classifiers
from lumin_plugin_plots.numbers import Numbers
from lumin_plugin_plots.plot import drawn
from lumin_plugin_plots.weighted import share

if TYPE_CHECKING:
    from collections.abc import Iterator

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from lumin_plugin_plots.events import Data, Mask, PredName
    from lumin_plugin_plots.plot import Plot
    from lumin_plugin_plots.settings import PlotSettings


class Scored(NamedTuple):
    """Events in bins of a score.

    Attributes:
        scores: Shape ``(n,)``.
        signal: Shape ``(n,)``.
        weights: Of either sign, shape ``(n,)``.
        bins: In which bin each is.
    """

    scores: np.ndarray
    signal: np.ndarray
    weights: np.ndarray
    bins: Binned


@explained
def plot_calibration(
    data: Data,
    pred_name: PredName = "pred",
    *,
    targ_name: str = "gen_target",
    wgt_name: str | None = "gen_weight",
    mask: Mask = None,
    bins: int = 10,
    seed: int = 0,
    settings: PlotSettings | None = None,
) -> Plot:
    """Plot the rate of signal against the score, and their difference.

    Args:
        data: A frame, a mapping of arrays, or a fold file.
        pred_name: A column of probabilities, or that of several classes, ``"pred"`` for ``pred_0``,
            ``pred_1``, ...; a list of columns, one per model, whose mean and spread are shown; or
            either by label.
        targ_name: The column of the truth: 0 (background) or 1 (signal), or the number of the
            class.
        wgt_name: The column of event weights, of either sign.
        mask: Which events are taken.
        bins: How many there are, of equal sums of absolute weights. Events of equal scores share
            one.
        seed: Of the replicas.
        settings: The look; by default with the units that a fold file says.

    Returns:
        The figure. Its numbers have a curve per classifier (and class), with a row per bin:
        ``low``, ``high``, ``score`` (the mean), ``rate``, ``rate_error``, ``residual``, ``sum_w``,
        ``n``, bands ``rate_sample_low``, ``rate_models_low``, and so on; of several models the bins
        are those of their mean score. ``about["ece"]`` has the expected calibration errors.

    Raises:
        DataError: If a column is missing or does not fit, or a score is not from 0 to 1.

    Example:
        >>> from lumin_plugin_plots import plot_calibration
        >>> data = {"pred": [0.2, 0.3, 0.8, 0.9], "gen_target": [0, 1, 1, 1]}
        >>> plot = plot_calibration(data, bins=2)
        >>> plot.numbers.curves["pred"]["rate"].tolist()
        [0.5, 1.0]
        >>> round(plot.numbers.about["ece"]["pred"], 3)
        0.2
    """
    events = Events(data, mask)
    weights = events.weights(wgt_name)
    curves = {}
    for label, columns in classifiers(pred_name).items():
        for name, scores, signal in _one_against_rest(events, label, columns, targ_name):
            curves[name] = _curve(_binned(scores, signal, weights, bins), seed)
    about = {
        "seed": seed,
        "ece": {label: calibration_error(curve) for label, curve in curves.items()},
        "empty": {label: int(np.isnan(curve["rate"]).sum()) for label, curve in curves.items()},
    }
    return drawn(Numbers(figure="calibration", curves=curves, about=about), events.settings(settings))


def rates(events: Scored) -> dict[str, np.ndarray]:
    """Compute mean scores and rates of signal in all bins; see the module.

    Args:
        events: The events.

    Returns:
        ``score``, ``rate``, ``rate_error`` and ``sum_w``, each of shape ``(n_bins,)``; NaN where
        the weights have no positive sum.
    """
    w, of_signal = events.weights, np.where(events.signal, events.weights, 0.0)
    total, signal, total2, signal2 = (events.bins.sums(each) for each in (w, of_signal, w**2, of_signal**2))
    rate, error = efficiency(signal, total, signal2, total2)
    return {
        "score": share(events.bins.sums(w * events.scores), total),
        "rate": rate,
        "rate_error": error,
        "sum_w": total,
    }


def rates_in_replicas(events: Scored, *, seed: int, n_replicas: int = N_REPLICAS) -> np.ndarray:
    """Compute the rates of signal in replicas of the sample; bins stay where they are.

    Args:
        events: The events.
        seed: Of the replicas.
        n_replicas: Number of replicas.

    Returns:
        Shape ``(n_replicas, n_bins)``.
    """
    return share_in_replicas(events.bins, events.signal, events.weights, seed=seed, n_replicas=n_replicas)


def calibration_error(curve: dict[str, np.ndarray]) -> float:
    """Return the expected calibration error of a curve; see the module.

    Args:
        curve: With ``score``, ``rate`` and ``sum_w``.
    """
    shown = np.isfinite(curve["rate"])
    weights = curve["sum_w"][shown]
    return float(weights @ np.abs(curve["rate"] - curve["score"])[shown] / weights.sum()) if shown.any() else np.nan


def draw(numbers: Numbers, settings: PlotSettings) -> Figure:
    """Draw the figure; see `plot_calibration`."""
    figure, main, below = shared.two_panels(settings)
    main.axline((0, 0), slope=1, color="0.5", linewidth=1, linestyle=":")
    below.axhline(0, color="0.5", linewidth=1, linestyle=":")
    bands: set[str] = set()
    for i, (label, curve) in enumerate(numbers.curves.items()):
        bands |= _draw_curve(main, below, curve, settings, i, _entry(label, numbers))
    main.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02), ylabel="Rate of signal")
    below.set(xlabel="Mean score", ylabel="Rate - score")
    limit = 1.15 * max(abs(value) for value in below.dataLim.intervaly) or 1.0
    below.set_ylim(-limit, limit)
    return shared.finish(
        figure,
        main,
        settings,
        notes=["ECE: expected calibration error", *empty_note(numbers.about["empty"])],
        bands=sorted(bands),
    )


def _one_against_rest(
    events: Events, label: str, columns: list[str], targ_name: str
) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    """Yield name, scores of each model, shape ``(M, n)``, and which events are signal."""
    if len(columns) == 1 and columns[0] not in events and (of_classes := events.scores(columns[0])).shape[1] > 1:
        targets, prefix = events.targets(targ_name), "" if label == columns[0] else f"{label}: "
        for k, scores in enumerate(of_classes.T):
            yield f"{prefix}class {k}", _checked(scores[None], f"{columns[0]}_{k}"), targets == k
    else:
        scores = np.stack([events.numbers(column, finite=True) for column in columns])
        yield label, _checked(scores, ", ".join(columns)), events.is_signal(targ_name)


def _checked(scores: np.ndarray, name: str) -> np.ndarray:
    if scores.min() < 0 or scores.max() > 1:
        raise DataError(
            f"{name} must be probabilities, from 0 to 1, got {scores.min():.4g} to {scores.max():.4g}; "
            "a score of another range has to be turned into one first"
        )
    return scores


def _binned(scores: np.ndarray, signal: np.ndarray, weights: np.ndarray, n_bins: int) -> list[Scored]:
    """Put the events of each model into the bins of all, which are those of the mean score."""
    edges = equal_bins(scores.mean(axis=0), weights, n_bins).edges
    edges[[0, -1]] = min(edges[0], scores.min()), max(edges[-1], scores.max())
    return [Scored(each, signal, weights, into_bins(each, edges)) for each in scores]


def _curve(models: list[Scored], seed: int) -> dict[str, np.ndarray]:
    """Collect the columns; of several models the means, and their spread."""
    edges = models[0].bins.edges
    of_models = [rates(events) for events in models]
    curve = {"low": edges[:-1], "high": edges[1:], "n": models[0].bins.sums(np.ones(len(models[0].scores)))}
    curve |= {name: np.mean([each[name] for each in of_models], axis=0) for name in of_models[0]}
    curve["residual"] = curve["rate"] - curve["score"]
    in_replicas = np.mean([rates_in_replicas(events, seed=seed) for events in models], axis=0)
    bands = sample_band(in_replicas)
    if len(models) > 1:
        bands |= models_band(np.stack([each["rate"] for each in of_models]))
    return curve | {f"rate_{key}": values for key, values in bands.items()}


def _draw_curve(
    main: Axes, below: Axes, curve: dict[str, np.ndarray], settings: PlotSettings, i: int, label: str
) -> set[str]:
    shown = np.isfinite(curve["rate"])
    x, bands = curve["score"][shown], {key: values[shown] for key, values in curve.items() if key.startswith("rate_")}
    how = {"yerr": curve["rate_error"][shown], "elinewidth": 1.1, **shared.points(settings, i)}
    main.errorbar(x, curve["rate"][shown], label=label, **how)
    below.errorbar(x, curve["residual"][shown], **how)
    shared.draw_bands(below, x, {key: values - x for key, values in bands.items()}, settings, i, "rate_")
    return set(shared.draw_bands(main, x, bands, settings, i, "rate_"))


def _entry(label: str, numbers: Numbers) -> str:
    error = numbers.about["ece"][label]
    return label if error is None else f"{label}, ECE {error:.4f}"
