r"""Working points of a tagger: how much signal passes at a given background, and the reverse.

With the efficiencies :math:`\epsilon_s(c)` and :math:`\epsilon_b(c)` of all thresholds :math:`c`

.. math:: \epsilon_s = \max_{c:\ \epsilon_b(c) \le x} \epsilon_s(c), \qquad
    \frac{1}{\epsilon_b} = \frac{1}{\min_{c:\ \epsilon_s(c) \ge x} \epsilon_b(c)}

so each is what the best cut reaches that keeps to the limit. Only cuts that can be made count:
events of equal scores pass together, and nothing is interpolated between thresholds, as no cut
leads there; with n background events an efficiency below 1/n means none of them. Where weights are
negative the efficiencies do not rise steadily along the curve, and the maximum and minimum are
still taken over all thresholds: a looser limit never gives a worse value.

Where no background is left at that signal efficiency (or a negative sum of weights) the rejection
is infinite: too few events to measure it. As infinity is never better, `signal_efficiency` is the
safer main metric of a training.

References:
    G. Kasieczka et al., The Machine Learning landscape of top taggers, SciPost Phys. 7 (2019) 014,
    https://arxiv.org/abs/1902.09914 (the rejection at a signal efficiency of 30%)
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lumin_core import EvalMetric
from lumin_core.arguments import explained
from lumin_core.checks import is_number
from lumin_core.errors import ConfigError
from lumin_plugin_metrics.curve import passing_weights, total_weights
from lumin_plugin_metrics.inputs import binary_events

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    from numpy.typing import ArrayLike

_ROUNDING = 1e-9  # of sums of weights: an efficiency that equals the limit keeps to it


def signal_efficiency(
    preds: ArrayLike, targets: ArrayLike, weights: ArrayLike | None = None, *, background_efficiency: float = 0.01
) -> float:
    """Compute the largest signal efficiency at a given background efficiency.

    No more than this share of the background passes.

    Args:
        preds: Scores that rise with the probability of signal, shape ``(n,)`` or ``(n, 1)``.
        targets: 0 (background) or 1 (signal), shape ``(n,)`` or ``(n, 1)``.
        weights: Event weights of either sign, shape ``(n,)`` or ``(n, 1)``; ``None`` for one each.
            With negative ones the efficiency may lie above 1.
        background_efficiency: The share of the background that may pass, from 0 to 1; 0.01 is a
            rejection of 100.

    Returns:
        The signal efficiency; 0 where the best cut leaves nothing.

    Raises:
        ConfigError: If the share is none.
        ShapeError: If the shapes are others.
        DataError: If there is one class only, or the weights of one sum to zero; if there is a NaN,
            or a target is not 0 or 1.

    Example:
        >>> from lumin_plugin_metrics import signal_efficiency
        >>> scores, targets = [0.9, 0.8, 0.7, 0.6, 0.5, 0.4], [1, 1, 0, 1, 0, 1]
        >>> signal_efficiency(scores, targets, background_efficiency=0.5)  # the cut at 0.6
        0.75
        >>> signal_efficiency(scores, targets)  # no background event may pass
        0.5
    """
    _check_share(background_efficiency, "background_efficiency", 0)
    signal, background = _efficiencies(preds, targets, weights, "signal_efficiency")
    return float(signal[background <= background_efficiency + _ROUNDING].max())


@explained
def background_rejection(
    preds: ArrayLike, targets: ArrayLike, weights: ArrayLike | None = None, *, signal_efficiency: float = 0.3
) -> float:
    """Compute the largest background rejection at a given signal efficiency.

    The rejection is 1/efficiency; at least this share of the signal passes.

    Args:
        preds: Scores that rise with the probability of signal, shape ``(n,)`` or ``(n, 1)``.
        targets: 0 (background) or 1 (signal), shape ``(n,)`` or ``(n, 1)``.
        weights: Event weights of either sign, shape ``(n,)`` or ``(n, 1)``; ``None`` for one each.
        signal_efficiency: The share of the signal that must pass, above 0 and up to 1.

    Returns:
        One background event in this many passes; infinite where none is left, or negative weights
        dominate what is.

    Raises:
        ConfigError: If the share is none.
        ShapeError: If the shapes are others.
        DataError: If there is one class only, or the weights of one sum to zero; if there is a NaN,
            or a target is not 0 or 1.

    Example:
        >>> from lumin_plugin_metrics import background_rejection
        >>> scores, targets = [0.9, 0.8, 0.7, 0.6, 0.5, 0.4], [1, 1, 0, 1, 0, 1]
        >>> # the cut at 0.6 lets 1 of 2 pass
        >>> background_rejection(scores, targets, signal_efficiency=0.75)
        2.0
        >>> background_rejection(scores, targets, signal_efficiency=0.5)
        inf
    """
    _check_share(signal_efficiency, "signal_efficiency", _ROUNDING)
    signal, background = _efficiencies(preds, targets, weights, "background_rejection")
    least = float(background[signal >= signal_efficiency - _ROUNDING].min())
    return 1 / least if least > _ROUNDING else float("inf")


class SignalEfficiency(EvalMetric):
    """The signal efficiency at a background efficiency.

    It is a metric of trainings, or is called on arrays.

    Args:
        background_efficiency: The share of the background that may pass, from 0 to 1.
        main_metric: Whether this metric, rather than the loss, drives `save_best` and
            `early_stopping`.
        label: The title in tables, plots and histories; two working points of one fit need
            different ones.

    Raises:
        ConfigError: If the share is none.

    Example:
        >>> from lumin_plugin_metrics import SignalEfficiency
        >>> SignalEfficiency(0.5)([0.9, 0.8, 0.7, 0.6], [1, 0, 1, 0])
        1.0
    """

    better = "higher"

    def __init__(
        self, background_efficiency: float = 0.01, *, main_metric: bool = False, label: str | None = None
    ) -> None:
        super().__init__(main_metric=main_metric, label=label)
        _check_share(background_efficiency, "background_efficiency", 0)
        self.background_efficiency = background_efficiency

    def evaluate(
        self, preds: ArrayLike, targets: ArrayLike, weights: ArrayLike | None, columns: Mapping[str, np.ndarray]
    ) -> float:
        """Compute the efficiency, with the errors of `signal_efficiency`.

        ``columns`` are not needed.
        """
        return signal_efficiency(preds, targets, weights, background_efficiency=self.background_efficiency)


class BackgroundRejection(EvalMetric):
    """The background rejection at a signal efficiency.

    It is a metric of trainings, or is called on arrays.

    Args:
        signal_efficiency: The share of the signal that must pass, above 0 and up to 1.
        main_metric: Whether this metric, rather than the loss, drives `save_best` and
            `early_stopping`; an epoch whose rejection is infinite is never the best.
        label: The title in tables, plots and histories; two working points of one fit need
            different ones.

    Raises:
        ConfigError: If the share is none.

    Example:
        >>> from lumin_plugin_metrics import BackgroundRejection
        >>> BackgroundRejection(signal_efficiency=1)([0.9, 0.8, 0.7, 0.6], [1, 0, 1, 0])
        2.0
    """

    better = "higher"

    def __init__(self, signal_efficiency: float = 0.3, *, main_metric: bool = False, label: str | None = None) -> None:
        super().__init__(main_metric=main_metric, label=label)
        _check_share(signal_efficiency, "signal_efficiency", _ROUNDING)
        self.signal_efficiency = signal_efficiency

    def evaluate(
        self, preds: ArrayLike, targets: ArrayLike, weights: ArrayLike | None, columns: Mapping[str, np.ndarray]
    ) -> float:
        """Compute the rejection, with the errors of `background_rejection`.

        ``columns`` are not needed.
        """
        return background_rejection(preds, targets, weights, signal_efficiency=self.signal_efficiency)


def _efficiencies(
    preds: ArrayLike, targets: ArrayLike, weights: ArrayLike | None, metric: str
) -> tuple[np.ndarray, np.ndarray]:
    """Return the efficiencies of signal and background at all thresholds.

    They go from none passing to all.
    """
    scores, signal, w = binary_events(preds, targets, weights, metric)
    signal_total, background_total = total_weights(signal, w)
    signal_above, background_above = passing_weights(scores, signal, w)
    return signal_above / signal_total, background_above / background_total


def _check_share(share: float, name: str, least: float) -> None:
    """Refuse what is no share, NaN too."""
    if not is_number(share) or not least <= share <= 1:
        interval = "above 0 and up to 1" if least else "from 0 to 1"
        raise ConfigError(f"{name} must be a share, {interval}, got {share!r}; one percent is 0.01")
