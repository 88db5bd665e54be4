"""Balanced losses of data whose weights are yields."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lumin_core import Callback
from lumin_core.data import to_float32
from lumin_core.errors import ConfigError, DataError
from lumin_plugin_callbacks.targets import check_columns, current_columns, targets_of
from lumin_plugin_callbacks.weights import check_used

if TYPE_CHECKING:
    from lumin_core import FitParams


class BalanceClasses(Callback):
    r"""Gives every class the same weight in the losses, and leaves metrics in yields.

    The fold file keeps the physical weights :math:`w`. In the losses of training and validation an
    event of class :math:`c` counts

    .. math:: w \, \frac{n}{K \sum_{i \in c} w_i}

    with the sum over the training folds, their :math:`n` events and :math:`K` classes, so that the
    mean weight is 1. Negative weights stay negative; a class must have a positive sum. Metrics take
    the weights of the file, so that a significance is that of an analysis.

    Classes are those of the file's targets, so that `targ_replace` is listed after it.

    Args:
        column: A column of the file that holds the weights of the losses, such as
            ``"train_weight"``; it is taken as it is. By default they are computed by class.

    Raises:
        ConfigError: Of a regression without a column, of several targets, of a column that there is
            not, and in a fit with ``train_on_weights=False``.
        DataError: If the weights of a class do not have a positive sum.

    Example:
        >>> from lumin_plugin_callbacks import BalanceClasses
        >>> callbacks = ["balance_classes", BalanceClasses("train_weight")]
    """

    def __init__(self, column: str | None = None) -> None:
        self.column = column

    def check_fit(self, fit_params: FitParams) -> None:
        """Compute the factors, and refuse data of which no balance can be made."""
        fy = fit_params.fy
        if self.column is not None:
            check_columns(fy, [self.column], "balance_classes")
        elif fit_params.model.objective == "regression" or len(fy.targ_feats) > 1:
            raise ConfigError(
                "balance_classes balances the classes of one target; for anything else write the weights into a "
                "column of the file and name it: {'name': 'balance_classes', 'column': 'train_weight'}"
            )
        else:
            self._factors = _factors(fit_params)

    def on_fold_begin(self, fit_params: FitParams) -> None:
        """Weight the fold."""
        by = fit_params.by
        check_used(by, "balance_classes")
        yields = np.ones((by.n_events, 1), dtype=np.float32) if by.weights is None else by.weights.reshape(-1, 1)
        if fit_params.state != "train":
            fit_params.metric_weights = yields
        if self.column is not None:
            by.weights = to_float32(current_columns(fit_params, [self.column]))
            return
        classes = targets_of(by).reshape(-1)
        if unknown := sorted(set(np.unique(classes)) - set(self._factors)):
            raise DataError(f"a fold has the classes {unknown}, of which the training folds have no event")
        numbers, places = np.unique(classes, return_inverse=True)
        by.weights = to_float32(yields * np.array([self._factors[number] for number in numbers])[places][:, None])


def _factors(fit_params: FitParams) -> dict[float, float]:
    """Compute the factor of each class from the training folds."""
    sums: dict[float, float] = {}
    n_events = 0
    for fold in fit_params.trn_idxs:
        classes = np.asarray(fit_params.fy.get_column("targets", fold_idx=fold)).reshape(-1)
        given = fit_params.fy.get_column("weights", fold_idx=fold)
        weights = np.ones(len(classes)) if given is None else np.asarray(given, dtype=np.float64).reshape(-1)
        for number in np.unique(classes):
            sums[float(number)] = sums.get(float(number), 0.0) + float(weights[classes == number].sum())
        n_events += len(classes)
    for number, total in sums.items():
        if not total > 0:
            raise DataError(
                f"the weights of class {number:g} sum to {total:g} in the training folds, and no factor makes that a "
                "share of its own; leave the class out, or name a column of weights"
            )
    return {number: n_events / (len(sums) * total) for number, total in sums.items()}
