"""Metrics of predictions that were made out of fold: of each fold, and of all events together."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs
import numpy as np

from lumin_core.statistics import bootstrap
from lumin_core.training import metric_columns, value_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from lumin_core import EvalMetric, FoldYielder
    from lumin_plugin_tabular.tree_events import TreeFold

_N_BOOTSTRAPS = 50
_SEED = 0


@attrs.frozen(eq=False)
class Answered:
    """Events, and what was predicted of them.

    Attributes:
        preds: Shape ``(n, n_out)``.
        targets: Shape ``(n, n_targ)``, for multiclass ``(n,)``.
        weights: Those of the file, shape ``(n, 1)``, or ``None``.
        columns: What a metric needs beside them, each of shape ``(n,)``.
    """

    preds: np.ndarray
    targets: np.ndarray
    weights: np.ndarray | None
    columns: Mapping[str, np.ndarray]

    @classmethod
    def of(cls, fold: TreeFold, preds: np.ndarray, columns: Mapping[str, np.ndarray], objective: str) -> Answered:
        """Take a fold as metrics see it."""
        targets = fold.targets[:, 0] if objective == "multiclass" else fold.targets
        return cls(preds, targets, None if fold.weights is None else fold.weights[:, None], columns)

    @classmethod
    def together(cls, parts: Sequence[Answered]) -> Answered:
        """Put folds behind each other."""
        weights = [part.weights for part in parts if part.weights is not None]
        return cls(
            np.concatenate([part.preds for part in parts]),
            np.concatenate([part.targets for part in parts]),
            np.concatenate(weights) if weights else None,
            {name: np.concatenate([part.columns[name] for part in parts]) for name in parts[0].columns},
        )

    def value(self, metric: EvalMetric) -> float:
        """Return the value of a metric."""
        return value_of(metric, self.preds, self.targets, self.weights, self.columns)

    def error(self, metric: EvalMetric) -> float:
        """Return its standard deviation over bootstraps of the events."""

        def of_rows(rows: np.ndarray) -> float:
            columns = {name: values[rows] for name, values in self.columns.items()}
            weights = None if self.weights is None else self.weights[rows]
            return Answered(self.preds[rows], self.targets[rows], weights, columns).value(metric)

        return float(np.std(bootstrap(of_rows, np.arange(len(self.preds)), n=_N_BOOTSTRAPS, seed=_SEED), ddof=1))


def evaluated(
    metric: EvalMetric, fy: FoldYielder, folds: Sequence[TreeFold], preds: Mapping[int, np.ndarray], objective: str
) -> tuple[list[float], float, float]:
    """Evaluate a metric on predictions of folds.

    Args:
        metric: The metric.
        fy: The file.
        folds: All of its folds.
        preds: Predictions by number of the fold, each of shape ``(n, n_out)``.
        objective: What was trained for.

    Returns:
        The value of each of these folds; that of all their events together, and its standard
        deviation over bootstraps of the events.
    """
    metric.set_data(fy)
    parts = [Answered.of(folds[i], pred, metric_columns(metric, fy, i), objective) for i, pred in preds.items()]
    together = Answered.together(parts)
    return [part.value(metric) for part in parts], together.value(metric), together.error(metric)
