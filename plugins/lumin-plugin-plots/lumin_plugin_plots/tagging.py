r"""Efficiencies in the bins of a column: at a given cut, or at one signal efficiency in each bin.

Of the events of a bin, those of a score at or above the cut pass. With the sums of weights of
signal and background

.. math:: \epsilon_{s,b} = \frac{\sum_{s,b} w \, [p \ge c]}{\sum_{s,b} w}, \qquad
    r = \frac{1}{\epsilon_b}

At a fixed efficiency each bin has a cut of its own: of those that keep at least so much of the
bin's signal, the one that lets the least background pass. Then the rejection shows what a tagger is
worth, whatever the column does to its scores.
"""

from __future__ import annotations

import attrs
import numpy as np

from lumin_plugin_plots.bands import N_REPLICAS, models_band, multiplicities, sample_band
from lumin_plugin_plots.binning import Binned, efficiency, share_in_replicas, unit_weight
from lumin_plugin_plots.weighted import ROUNDING, Cuts, background_at, rejection, share

Columns = dict[str, np.ndarray]


@attrs.frozen(eq=False)
class Tagged:
    """Events that are cut on.

    Attributes:
        scores: Shape ``(n,)``.
        signal: Which are signal, shape ``(n,)``.
        weights: Of either sign, shape ``(n,)``.
        bins: In which bin each is.

    Example:
        >>> import numpy as np
        >>> from lumin_plugin_plots.binning import into_bins
        >>> from lumin_plugin_plots.tagging import Tagged
        >>> bins = into_bins(np.array([1.0, 1.0, 1.0, 1.0]), [0, 2])
        >>> scores, signal = np.array([0.9, 0.4, 0.6, 0.1]), np.array([True, True, False, False])
        >>> events = Tagged(scores, signal, np.ones(4), bins)
        >>> events.cuts_at(1.0), events.efficiency(np.array([0.4]), of_signal=False)[0]
        (array([0.4]), array([0.5]))
    """

    scores: np.ndarray
    signal: np.ndarray
    weights: np.ndarray
    bins: Binned

    def efficiency(self, cut: np.ndarray, *, of_signal: bool) -> tuple[np.ndarray, np.ndarray]:
        """Compute the efficiencies of a class in all bins, and their errors.

        Args:
            cut: Of each bin, shape ``(n_bins,)``; NaN where there is none.
            of_signal: Whether of signal, else of background.

        Returns:
            Efficiencies and errors, each ``(n_bins,)``; NaN where there is no cut, or the weights
            have no positive sum.
        """
        w, passed = self._weights_of(of_signal), self._passed(cut)
        shares, errors = efficiency(*(self.bins.sums(each) for each in (w * passed, w, w**2 * passed, w**2)))
        return np.where(np.isnan(cut), np.nan, shares), np.where(np.isnan(cut), np.nan, errors)

    def cuts_at(self, at: float) -> np.ndarray:
        """Find the cut of each bin at a signal efficiency; see the module.

        Args:
            at: The signal efficiency.

        Returns:
            The cuts, shape ``(n_bins,)``; NaN where the weights of a class have no positive sum.
        """
        found = np.full(self.bins.n_bins, np.nan)
        for i in range(len(found)):
            inside = self.bins.index == i
            if inside.any():
                cuts = Cuts.of(self.scores[inside])
                kept, left = cuts.efficiencies(self.signal[inside], self.weights[inside])
                least = background_at(kept, left, np.array([at]))[0]
                if np.isfinite(least):
                    found[i] = cuts.cut[np.argmax((kept >= at - ROUNDING) & (left <= least))]
        return found

    def in_replicas(self, cut: np.ndarray, *, of_signal: bool, seed: int, n_replicas: int = N_REPLICAS) -> np.ndarray:
        """Compute the efficiencies of a class in replicas of the sample, at the same cuts.

        Args:
            cut: Of each bin, shape ``(n_bins,)``.
            of_signal: Whether of signal, else of background.
            seed: Of the replicas.
            n_replicas: Number of replicas.

        Returns:
            Shape ``(n_replicas, n_bins)``.
        """
        w = self._weights_of(of_signal)
        found = share_in_replicas(self.bins, self._passed(cut), w, seed=seed, n_replicas=n_replicas)
        return np.where(np.isnan(cut), np.nan, found)

    def background_in_replicas(self, at: float, *, seed: int, n_replicas: int = N_REPLICAS) -> np.ndarray:
        """Compute what background passes at a signal efficiency in replicas of the sample.

        The cuts are found anew in each. Where nothing passes in a replica, half an event of mean
        weight does, in each a Gamma-distributed number of this mean, as Jeffreys' prior has it.

        Args:
            at: The signal efficiency.
            seed: Of the replicas.
            n_replicas: Number of replicas.

        Returns:
            Shape ``(n_replicas, n_bins)``.
        """
        left = np.full((n_replicas, self.bins.n_bins), np.nan)
        for i in range(self.bins.n_bins):
            inside = np.flatnonzero(self.bins.index == i)
            if len(inside):
                cuts, signal, w = Cuts.of(self.scores[inside]), self.signal[inside], self.weights[inside]
                draws = multiplicities(len(w), n_replicas, seed=seed + i)
                found = [background_at(*cuts.efficiencies(signal, times * w), np.array([at])) for times in draws]
                left[:, i] = np.concatenate(found)[:, 0]
        w = self._weights_of(signal=False)
        total = self.bins.sums(w)
        half = np.random.default_rng([seed, 1]).gamma(0.5, size=left.shape) * unit_weight(self.bins, w)
        return share(np.where(left > 0, left * total, half), np.where(np.isnan(left), 0.0, total))

    def _weights_of(self, signal: bool) -> np.ndarray:
        return np.where(self.signal == signal, self.weights, 0.0)

    def _passed(self, cut: np.ndarray) -> np.ndarray:
        passed: np.ndarray = self.scores >= np.append(cut, np.nan)[self.bins.index]
        return passed


def curve_at_cut(models: list[Tagged], cut: float, seed: int) -> Columns:
    """Compute efficiency and rejection in all bins at a cut.

    Args:
        models: The events with the scores of each model.
        cut: The cut.
        seed: Of the replicas.

    Returns:
        Columns as `plot_efficiency` has them.
    """
    cuts = [np.full(events.bins.n_bins, float(cut)) for events in models]
    left = [events.in_replicas(each, of_signal=False, seed=seed) for events, each in zip(models, cuts, strict=True)]
    return _curve(models, cuts, np.mean(left, axis=0), seed)


def curve_at_efficiency(models: list[Tagged], at: float, seed: int) -> Columns:
    """Compute the rejection in all bins at a signal efficiency.

    Args:
        models: The events with the scores of each model.
        at: The signal efficiency.
        seed: Of the replicas.

    Returns:
        Columns as `plot_efficiency` has them.
    """
    cuts = [events.cuts_at(at) for events in models]
    left = [events.background_in_replicas(at, seed=seed) for events in models]
    return _curve(models, cuts, np.mean(left, axis=0), seed)


def _curve(models: list[Tagged], cuts: list[np.ndarray], background_in_replicas: np.ndarray, seed: int) -> Columns:
    """Collect the columns; of several models the means, and their spread."""
    pairs = list(zip(models, cuts, strict=True))
    kept = np.mean([events.in_replicas(cut, of_signal=True, seed=seed) for events, cut in pairs], axis=0)
    edges = models[0].bins.edges
    return {
        "low": edges[:-1],
        "high": edges[1:],
        "cut": np.mean(cuts, axis=0),
        **_columns("signal", [events.efficiency(cut, of_signal=True) for events, cut in pairs], kept),
        **_columns(
            "background", [events.efficiency(cut, of_signal=False) for events, cut in pairs], background_in_replicas
        ),
    }


def _columns(name: str, of_models: list[tuple[np.ndarray, np.ndarray]], in_replicas: np.ndarray) -> Columns:
    values, errors = (np.stack(each) for each in zip(*of_models, strict=True))
    columns = {
        name: values.mean(axis=0),
        f"{name}_error": errors.mean(axis=0),
        **_named(name, sample_band(in_replicas)),
    }
    if len(values) > 1:
        columns |= _named(name, models_band(values))
    return columns | _rejections(columns, values) if name == "background" else columns


def _rejections(background: Columns, of_models: np.ndarray) -> Columns:
    """Turn efficiencies of background into rejections, and their bands upside down."""
    columns = {"rejection": rejection(background["background"])}
    with np.errstate(invalid="ignore"):
        columns["rejection_error"] = background["background_error"] * columns["rejection"] ** 2
    for side, other in (("low", "high"), ("low95", "high95"), ("high", "low"), ("high95", "low95")):
        columns[f"rejection_sample_{side}"] = rejection(background[f"background_sample_{other}"])
    if len(of_models) > 1:
        columns |= _named("rejection", models_band(rejection(of_models)))
    return columns


def _named(name: str, band: Columns) -> Columns:
    return {f"{name}_{key}": values for key, values in band.items()}
