r"""Share of events classified rightly, :math:`\sum_i w_i [\hat c_i = c_i] / \sum_i w_i`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lumin_core import EvalMetric
from lumin_core.checks import check_numbers
from lumin_core.errors import ShapeError
from lumin_core.statistics import total_weight
from lumin_plugin_metrics.inputs import binary_events, class_numbers, events

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    from numpy.typing import ArrayLike


def binary_accuracy(
    preds: ArrayLike, targets: ArrayLike, weights: ArrayLike | None = None, *, threshold: float = 0.5
) -> float:
    """Compute the weighted share of events on the right side of a threshold.

    Args:
        preds: Predictions, shape ``(n,)`` or ``(n, 1)``.
        targets: 0 or 1, shape ``(n,)`` or ``(n, 1)``.
        weights: Event weights of either sign, shape ``(n,)`` or ``(n, 1)``; ``None`` for one each.
            With negative ones the accuracy may lie outside [0, 1].
        threshold: Predictions of at least this count as class 1.

    Returns:
        The accuracy.

    Raises:
        ConfigError: If the threshold is no number, or NaN.
        ShapeError: If the shapes are others.
        DataError: If the weights sum to zero, there is a NaN, or targets are not 0 or 1.

    Example:
        >>> from lumin_plugin_metrics import binary_accuracy
        >>> binary_accuracy([0.2, 0.5, 0.9], [0, 0, 1], weights=[1, 2, 1])
        0.5
    """
    check_numbers(threshold=threshold)
    scores, signal, w = binary_events(preds, targets, weights, "binary_accuracy")
    return _share((scores >= threshold) == signal, w)


class BinaryAccuracy(EvalMetric):
    """The share of events on the right side of a threshold.

    It is a metric of trainings, or is called on arrays.

    Args:
        threshold: Predictions of at least this count as class 1.
        main_metric: Whether this metric, rather than the loss, drives `save_best` and
            `early_stopping`.
        label: The title in tables, plots and histories.

    Raises:
        ConfigError: If the threshold is no number, or NaN.

    Example:
        >>> from lumin_plugin_metrics import BinaryAccuracy
        >>> BinaryAccuracy(threshold=0.8)([0.2, 0.5, 0.9], [0, 0, 1])
        1.0
    """

    better = "higher"

    def __init__(self, threshold: float = 0.5, *, main_metric: bool = False, label: str | None = None) -> None:
        super().__init__(main_metric=main_metric, label=label)
        check_numbers(threshold=threshold)
        self.threshold = threshold

    def evaluate(
        self, preds: ArrayLike, targets: ArrayLike, weights: ArrayLike | None, columns: Mapping[str, np.ndarray]
    ) -> float:
        """Compute the accuracy, with the errors of `binary_accuracy`.

        ``columns`` are not needed.
        """
        return binary_accuracy(preds, targets, weights, threshold=self.threshold)


def multi_accuracy(preds: ArrayLike, targets: ArrayLike, weights: ArrayLike | None = None) -> float:
    """Compute the weighted share of events whose own class has the largest prediction.

    Of classes with equal predictions, the one of the lowest number is taken.

    Args:
        preds: A column a class, probabilities or any scores, shape ``(n, K)``.
        targets: Class numbers from 0 to K - 1, shape ``(n,)`` or ``(n, 1)``.
        weights: Event weights of either sign, shape ``(n,)`` or ``(n, 1)``; ``None`` for one each.
            With negative ones the accuracy may lie outside [0, 1].

    Returns:
        The accuracy.

    Raises:
        ShapeError: If the shapes are others.
        DataError: If the weights sum to zero, there is a NaN, or targets are no class numbers.

    Example:
        >>> from lumin_plugin_metrics import multi_accuracy
        >>> multi_accuracy(
        ...     [[0.7, 0.2, 0.1], [0.1, 0.3, 0.6], [0.5, 0.1, 0.4]], [0, 2, 2], weights=[1, 2, 1]
        ... )
        0.75
    """
    p, t, w = events(preds, targets, weights)
    if p.shape[1] == 1 or t.shape[1] != 1:
        raise ShapeError(
            f"multi_accuracy takes a column of predictions for each class and one column of class numbers, "
            f"got {p.shape} and {t.shape}; for a single score use binary_accuracy"
        )
    return _share(p.argmax(1) == class_numbers(t[:, 0], p.shape[1]), w)


class MultiAccuracy(EvalMetric):
    """The share of events whose own class has the largest prediction.

    It is a metric of trainings, or is called on arrays.

    Args:
        main_metric: Whether this metric, rather than the loss, drives `save_best` and
            `early_stopping`.
        label: The title in tables, plots and histories.

    Example:
        >>> from lumin_plugin_metrics import MultiAccuracy
        >>> MultiAccuracy()([[0.7, 0.2, 0.1], [0.1, 0.3, 0.6]], [0, 1])
        0.5
    """

    better = "higher"

    def __init__(self, *, main_metric: bool = False, label: str | None = None) -> None:
        super().__init__(main_metric=main_metric, label=label)

    def evaluate(
        self, preds: ArrayLike, targets: ArrayLike, weights: ArrayLike | None, columns: Mapping[str, np.ndarray]
    ) -> float:
        """Compute the accuracy, with the errors of `multi_accuracy`.

        ``columns`` are not needed.
        """
        return multi_accuracy(preds, targets, weights)


def _share(right: np.ndarray, w: np.ndarray) -> float:
    """Give the share of the weights that the mask has."""
    return float(w[right].sum() / total_weight(w))
