r"""Area under the receiver operating characteristic, of events with weights of either sign.

It is the weighted share of pairs of a signal event :math:`s` and a background event :math:`b`
that are in order,

.. math::
    A = \frac{\sum_{s, b} w_s w_b \, \big([p_s > p_b] + \tfrac{1}{2} [p_s = p_b]\big)}
        {\sum_s w_s \, \sum_b w_b}

computed exactly by one sort. With negative weights the sum is as well defined as with positive
ones, while the usual way along the curve breaks down, because its efficiencies no longer rise. The
area may then lie outside [0, 1].

References:
    T. Fawcett, An introduction to ROC analysis, https://doi.org/10.1016/j.patrec.2005.10.010
"""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING, Literal

import numpy as np

from lumin_core import EvalMetric
from lumin_core.arguments import explained
from lumin_core.errors import ConfigError, ShapeError
from lumin_core.statistics import total_weight
from lumin_plugin_metrics.curve import passing_weights, total_weights
from lumin_plugin_metrics.inputs import class_numbers, events, require_binary

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import ArrayLike

Average = Literal["macro", "weighted", "micro"]
MultiClass = Literal["ovr", "ovo"]


@explained
def roc_auc_score(
    preds: ArrayLike,
    targets: ArrayLike,
    weights: ArrayLike | None = None,
    *,
    average: Average = "macro",
    multi_class: MultiClass = "ovr",
) -> float:
    """Compute the area under the ROC curve.

    One column of predictions is binary; several are multi-label where the targets have as many
    columns, and multiclass where the targets are one column of class numbers. Averages are
    scikit-learn's, with event weights throughout.

    Args:
        preds: Scores that rise with the probability, shape ``(n,)`` or ``(n, 1)``, else ``(n, K)``.
        targets: 0 or 1, shape ``(n,)``, ``(n, 1)`` or ``(n, K)``; for multiclass numbers from 0 to
            K - 1, ``(n,)`` or ``(n, 1)``.
        weights: Event weights of either sign, shape ``(n,)`` or ``(n, 1)``; ``None`` for one each.
        average: Over labels or classes: ``"macro"`` their mean, ``"weighted"`` by the weight of
            their events, ``"micro"`` of all entries together. A binary area has nothing to average.
        multi_class: ``"ovr"`` each class against the rest; ``"ovo"`` each pair of classes, which
            does not depend on the classes' shares (macro).

    Returns:
        The area; 0.5 for random scores, 1 for perfect ones.

    Raises:
        ConfigError: If ``average`` or ``multi_class`` are others, or do not go together.
        ShapeError: If the shapes do not match.
        DataError: If the area is not defined: there is one class only, or the weights of one sum to
            zero. Also for NaN, and for targets that are no class numbers.

    Example:
        >>> from lumin_plugin_metrics import roc_auc_score
        >>> roc_auc_score([0.1, 0.4, 0.3, 0.8], [0, 0, 1, 1], weights=[1, -0.5, 2, 2])
        1.5

        Its uncertainty:

        >>> import numpy as np
        >>> from lumin_core.statistics import uncert_round
        >>> from lumin_plugin_metrics import with_uncertainty
        >>> rng = np.random.default_rng(0)
        >>> targets = rng.integers(2, size=1000)
        >>> preds, weights = rng.normal(targets), rng.exponential(size=1000)
        >>> uncert_round(*with_uncertainty(roc_auc_score, preds, targets, weights, seed=1))
        (0.79, 0.02)
    """
    _check_options(average, multi_class)
    p, t, w = events(preds, targets, weights)
    if p.shape[1] == 1 and t.shape[1] == 1:
        require_binary(t)
        return _area(p[:, 0], t[:, 0] == 1, w, ("signal", "background"))
    if p.shape == t.shape:
        require_binary(t)
        return _averaged(p, t == 1, w, average, "label")
    if t.shape[1] != 1:
        raise ShapeError(
            f"targets must be one column, or as many as the predictions', got {t.shape} for predictions {p.shape}"
        )
    classes = class_numbers(t[:, 0], p.shape[1])
    if multi_class == "ovo":
        return _one_versus_one(p, classes, w, average)
    return _averaged(p, classes[:, None] == np.arange(p.shape[1]), w, average, "class")


class RocAucScore(EvalMetric):
    """The area under the ROC curve, as a metric of trainings or called on arrays.

    Args:
        average: As in `roc_auc_score`.
        multi_class: As in `roc_auc_score`.
        main_metric: Whether this metric, rather than the loss, drives `save_best` and
            `early_stopping`.
        label: The title in tables, plots and histories.

    Raises:
        ConfigError: If ``average`` or ``multi_class`` are others, or do not go together.

    Example:
        >>> from lumin_plugin_metrics import RocAucScore
        >>> RocAucScore()([0.1, 0.4, 0.3, 0.8], [0, 0, 1, 1])
        0.75
    """

    better = "higher"

    def __init__(
        self,
        average: Average = "macro",
        multi_class: MultiClass = "ovr",
        *,
        main_metric: bool = False,
        label: str | None = None,
    ) -> None:
        super().__init__(main_metric=main_metric, label=label)
        _check_options(average, multi_class)
        self.average = average
        self.multi_class = multi_class

    def evaluate(
        self, preds: ArrayLike, targets: ArrayLike, weights: ArrayLike | None, columns: Mapping[str, np.ndarray]
    ) -> float:
        """Compute the area, as `roc_auc_score` does with its errors; ``columns`` are not needed."""
        return roc_auc_score(preds, targets, weights, average=self.average, multi_class=self.multi_class)


def _check_options(average: str, multi_class: str) -> None:
    """Refuse unknown averages, and one that does not exist."""
    if average not in ("macro", "weighted", "micro"):
        raise ConfigError(f"average must be 'macro', 'weighted' or 'micro', got {average!r}")
    if multi_class not in ("ovr", "ovo"):
        raise ConfigError(f"multi_class must be 'ovr' or 'ovo', got {multi_class!r}")
    if (average, multi_class) == ("micro", "ovo"):
        raise ConfigError("average must be 'macro' or 'weighted' for multi_class='ovo', got 'micro'; or use 'ovr'")


def _area(scores: np.ndarray, signal: np.ndarray, w: np.ndarray, names: tuple[str, str]) -> float:
    """Compute the binary area from scores, a mask of the signal and weights.

    All are of shape ``(n,)``.
    """
    signal_total, background_total = total_weights(signal, w, names)
    signal_above, background_above = passing_weights(scores, signal, w)
    pairs = np.diff(background_above) @ (signal_above[1:] + signal_above[:-1]) / 2
    return float(pairs / (signal_total * background_total))


def _averaged(p: np.ndarray, signal: np.ndarray, w: np.ndarray, average: Average, what: str) -> float:
    """Average the areas of the columns, each against the rest.

    ``p`` and ``signal`` are ``(n, K)``.
    """
    if average == "micro":
        return _area(p.ravel(), signal.ravel(), np.repeat(w, p.shape[1]), (f"true {what}es", f"false {what}es"))
    columns = range(p.shape[1])
    areas = [_area(p[:, k], signal[:, k], w, (f"{what} {k}", f"not {what} {k}")) for k in columns]
    return _mean(areas, [float(w[signal[:, k]].sum()) for k in columns] if average == "weighted" else None)


def _one_versus_one(p: np.ndarray, classes: np.ndarray, w: np.ndarray, average: Average) -> float:
    """Average over pairs of classes the mean of both areas.

    Each is by its own column of ``p``, shape ``(n, K)``.
    """
    areas, shares = [], []
    for a, b in combinations(range(p.shape[1]), 2):
        pair = (classes == a) | (classes == b)
        is_a, w_pair = classes[pair] == a, w[pair]
        area_a = _area(p[pair, a], is_a, w_pair, (f"class {a}", f"class {b}"))
        area_b = _area(p[pair, b], ~is_a, w_pair, (f"class {b}", f"class {a}"))
        areas.append((area_a + area_b) / 2)
        shares.append(float(w_pair.sum()))
    return _mean(areas, shares if average == "weighted" else None)


def _mean(areas: list[float], shares: list[float] | None) -> float:
    """Average areas, by the weight of their events where ``shares`` are given."""
    if shares is None:
        return float(np.mean(areas))
    return float(np.dot(areas, shares) / total_weight(shares, "the classes"))
