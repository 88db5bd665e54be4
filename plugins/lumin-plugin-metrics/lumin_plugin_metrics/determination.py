r"""Coefficient of determination of a regression.

It is the share of the targets' variance that the predictions explain.

.. math:: R^2 = 1 - \frac{\sum_i w_i (\hat y_i - y_i)^2}{\sum_i w_i (y_i - \bar y)^2}, \qquad
    \bar y = \frac{\sum_i w_i y_i}{\sum_i w_i}

It is 1 for perfect predictions, 0 for the targets' mean, and negative for what is worse than that.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lumin_core import EvalMetric
from lumin_core.errors import DataError
from lumin_core.statistics import total_weight
from lumin_plugin_metrics.inputs import regression_events

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import ArrayLike


def r2(preds: ArrayLike, targets: ArrayLike, weights: ArrayLike | None = None) -> float:
    """Compute the share of the targets' variance that the predictions explain.

    Of several targets, it is the mean.

    Args:
        preds: Predictions, shape ``(n,)``, ``(n, 1)`` or ``(n, n_targ)``.
        targets: Targets, likewise.
        weights: Event weights of either sign, shape ``(n,)`` or ``(n, 1)``; ``None`` for one each.
            With negative ones the share may lie above 1.

    Returns:
        The coefficient.

    Raises:
        ShapeError: If the shapes do not match.
        DataError: If a target has no variance, or a negative one by negative weights; if the
            weights sum to zero, or there is a NaN or infinity.

    Example:
        >>> from lumin_plugin_metrics import r2
        >>> r2([1.0, 2.0, 4.0], [1.0, 2.0, 3.0]), r2([2.0, 2.0, 2.0], [1.0, 2.0, 3.0])
        (0.5, 0.0)

    References:
        S. Wright, Correlation and causation, J. Agric. Res. 20 (1921) 557.
    """
    p, t, w = regression_events(preds, targets, weights)
    total = total_weight(w)
    centred = t - t[0]  # so that equal targets have a variance of exactly zero
    squares = np.square(centred - w @ centred / total)
    variance = w @ squares / total
    if (flat := variance <= 1e-12 * (np.abs(w) @ squares) / abs(total)).any():
        raise DataError(
            f"the targets' weighted variance must be positive, got {variance.min():.4g} for target "
            f"{int(flat.argmax())}: all are equal, or negative weights dominate; use more events"
        )
    return float(np.mean(1 - w @ np.square(p - t) / total / variance))


class R2(EvalMetric):
    """The coefficient of determination, as a metric of trainings or called on arrays.

    Args:
        main_metric: Whether this metric, rather than the loss, drives `save_best` and
            `early_stopping`.
        label: The title in tables, plots and histories.

    Example:
        >>> from lumin_plugin_metrics import R2
        >>> R2()([1.0, 2.0, 4.0], [1.0, 2.0, 3.0], weights=[1, 1, 0])
        1.0
    """

    better = "higher"

    def __init__(self, *, main_metric: bool = False, label: str | None = None) -> None:
        super().__init__(main_metric=main_metric, label=label)

    def evaluate(
        self, preds: ArrayLike, targets: ArrayLike, weights: ArrayLike | None, columns: Mapping[str, np.ndarray]
    ) -> float:
        """Compute the coefficient, as `r2` does with its errors; ``columns`` are not needed."""
        return r2(preds, targets, weights)
