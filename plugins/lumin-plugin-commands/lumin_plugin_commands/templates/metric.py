"""A metric: one number about the predictions of a whole fold."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lumin_core import EvalMetric

if TYPE_CHECKING:
    from collections.abc import Mapping


class ExampleMetric(EvalMetric):
    r"""The weighted mean of squared errors.

    .. math:: \sum_i w_i (\hat y_i - y_i)^2 / \sum_i w_i

    Of several targets it is the mean. It is NaN where the weights sum to zero.

    Args:
        main_metric: Whether it, rather than the loss, says which epoch is the best.
        label: Its title in tables; by default its name.

    Example:
        >>> import numpy as np
        >>> from lumin_core import build
        >>> build("metric", "example_metric")(np.array([[1.0], [3.0]]), np.zeros((2, 1)))
        5.0
    """

    better = "lower"

    def __init__(self, *, main_metric: bool = False, label: str | None = None) -> None:
        super().__init__(main_metric=main_metric, label=label)

    def evaluate(
        self, preds: np.ndarray, targets: np.ndarray, weights: np.ndarray | None, columns: Mapping[str, np.ndarray]
    ) -> float:
        """Compute it of predictions ``(n, n_out)``, targets ``(n, n_targ)``, weights ``(n, 1)``."""
        if targets.ndim == 1 and preds.shape[1] > 1:  # classes by number, and log-probabilities
            preds, targets = np.exp(preds), np.eye(preds.shape[1])[targets.astype(int)]
        squares = np.square(preds - targets.reshape(preds.shape)).mean(axis=1)
        w = np.ones(len(squares)) if weights is None else weights.ravel()
        return float((w * squares).sum() / w.sum()) if w.sum() else float("nan")
