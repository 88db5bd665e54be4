r"""Logarithmic loss of predicted probabilities.

It is the mean of minus the log-likelihood of what is true.

.. math:: L = - \frac{1}{\sum_i w_i} \sum_i w_i \log p_i(c_i)

with :math:`p_i(c_i)` the probability that was predicted for the class :math:`c_i` which the event
has. In a training it is the cross-entropy of the validation fold whatever the loss is, so that
trainings with other losses compare.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lumin_core import EvalMetric
from lumin_core.errors import DataError, ShapeError
from lumin_core.statistics import total_weight
from lumin_plugin_metrics.inputs import class_numbers, events, require_binary

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import ArrayLike

_SUM_TOLERANCE = 1e-2  # of the probabilities of an event, which half precision rounds to 1e-3 each


def log_loss(preds: ArrayLike, targets: ArrayLike, weights: ArrayLike | None = None) -> float:
    """Compute the weighted mean of minus the logarithm of the probability of what is true.

    One column of predictions is binary; several are multi-label where the targets have as many
    columns (an event's loss is then the mean over its labels), and multiclass where the targets are
    one column of class numbers.

    Probabilities are kept from 0 and 1 by the precision of the array's type, as in scikit-learn: a
    single-precision probability of exactly 0 for what is true costs 15.9, not infinity.

    Args:
        preds: Probabilities, shape ``(n,)`` or ``(n, 1)``, else ``(n, K)``.
        targets: 0 or 1, shape ``(n,)``, ``(n, 1)`` or ``(n, K)``; for multiclass numbers from 0 to
            K - 1, ``(n,)`` or ``(n, 1)``.
        weights: Event weights of either sign, shape ``(n,)`` or ``(n, 1)``; ``None`` for one each.
            With negative ones the loss may be negative.

    Returns:
        The loss; 0 for perfect predictions, log 2 for a binary prediction of one half.

    Raises:
        ShapeError: If the shapes do not match.
        DataError: If predictions are no probabilities, those of classes do not sum to one, the
            weights sum to zero, there is a NaN, or targets are no classes.

    Example:
        >>> from lumin_plugin_metrics import log_loss
        >>> round(log_loss([0.5, 0.25], [1, 0], weights=[1, 2]), 4)  # (log 2 + 2 log 4/3) / 3
        0.4228
        >>> round(log_loss([[0.5, 0.25, 0.25], [0.1, 0.8, 0.1]], [0, 1]), 4)
        0.4581

    References:
        I. J. Good, Rational decisions, J. R. Statist. Soc. B 14 (1952) 107.
    """
    p, t, w = events(preds, targets, weights)
    if p.min() < 0 or p.max() > 1:
        raise DataError(
            f"log_loss takes probabilities from 0 to 1, got values from {p.min():.4g} to {p.max():.4g}; "
            "pass the outputs of a sigmoid or softmax"
        )
    eps = float(np.finfo(p.dtype if p.dtype.kind == "f" else np.float64).eps)
    true = np.clip(_of_what_is_true(p.astype(np.float64), t), eps, 1 - eps)
    return float(-(w @ np.log(true).mean(1)) / total_weight(w))


class LogLoss(EvalMetric):
    """The logarithmic loss of predicted probabilities.

    It is a metric of trainings, or is called on arrays.

    Args:
        main_metric: Whether this metric, rather than the loss, drives `save_best` and
            `early_stopping`.
        label: The title in tables, plots and histories.

    Example:
        >>> from lumin_plugin_metrics import LogLoss
        >>> round(LogLoss()([0.5, 0.25], [1, 0]), 4)
        0.4904
    """

    better = "lower"

    def __init__(self, *, main_metric: bool = False, label: str | None = None) -> None:
        super().__init__(main_metric=main_metric, label=label)

    def evaluate(
        self, preds: ArrayLike, targets: ArrayLike, weights: ArrayLike | None, columns: Mapping[str, np.ndarray]
    ) -> float:
        """Compute the loss, as `log_loss` does with its errors; ``columns`` are not needed."""
        return log_loss(preds, targets, weights)


def _of_what_is_true(p: np.ndarray, t: np.ndarray) -> np.ndarray:
    """Give the probability of what is true, ``(n, labels)``, of a class ``(n, 1)``."""
    if p.shape == t.shape:
        require_binary(t)
        return np.where(t == 1, p, 1 - p)
    if t.shape[1] != 1:
        raise ShapeError(
            f"targets must be one column, or as many as the predictions', got {t.shape} for predictions {p.shape}"
        )
    classes = class_numbers(t[:, 0], p.shape[1])
    if (off := np.abs(p.sum(1) - 1).max()) > _SUM_TOLERANCE:
        raise DataError(
            f"the probabilities of an event's classes must sum to one, got one that is off by {off:.4g}; "
            "pass the outputs of a softmax"
        )
    return p[np.arange(len(p)), classes, None]
