"""Bagging: each model of an ensemble trains on its own sample of events.

It is drawn with replacement from each fold's events.

References:
    Breiman, "Bagging predictors", Machine Learning 24 (1996) 123,
    https://doi.org/10.1007/BF00058655
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lumin_core import Callback, seeds
from lumin_core.checks import is_positive
from lumin_core.errors import ConfigError
from lumin_plugin_callbacks.targets import targets_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lumin_core import FitParams


class BootstrapResample(Callback):
    """Replaces each training fold by as many events of it, drawn with replacement.

    A fold's sample depends on the fit's seed and the number of the fold alone, and with
    `bag_each_time` on the epoch. A callback that reads further columns of the file for the events
    of the fold, as `targ_replace` does, finds their indices as ``fit_params.events`` while
    the fold is trained.

    With `reweight`, weights are scaled so that the sample keeps their sum, for each class (without
    classes, for all events), the negative ones and the others each for themselves: so no event
    changes sign, however they cancel. A group of which nothing was drawn cannot be kept. A file
    without weights has no sums to keep.

    Args:
        n_folds: Of no meaning: the folds tell their number. Taken so that scripts for LUMIN run.
        bag_each_time: Whether samples are drawn anew in each epoch.
        reweight: Whether sums of weights are kept.

    Raises:
        ConfigError: If `n_folds` is given and no number of folds.

    Example:
        >>> from lumin_plugin_callbacks import BootstrapResample
        >>> callbacks = ["bootstrap_resample", BootstrapResample(bag_each_time=True)]
    """

    def __init__(self, n_folds: int | None = None, bag_each_time: bool = False, reweight: bool = True) -> None:
        if n_folds is not None and (isinstance(n_folds, bool) or not is_positive(n_folds)):
            raise ConfigError(f"n_folds must be a positive integer, got {n_folds!r}; it may be left out")
        self.bag_each_time = bag_each_time
        self.reweight = reweight

    def on_train_begin(self, fit_params: FitParams) -> None:
        """Draw the seed of all samples."""
        self._seed = int(fit_params.rng.integers(2**53))

    def on_fold_begin(self, fit_params: FitParams) -> None:
        """Replace a training fold."""
        if fit_params.state != "train":
            return
        by, key = fit_params.by, (fit_params.trn_idx, *((fit_params.epoch,) if self.bag_each_time else ()))
        sample = seeds.stream(self._seed, "bootstrap", *key).integers(by.n_events, size=by.n_events)
        if by.weights is not None:
            groups = _groups(by.weights, targets_of(by), fit_params.model.objective)
            factors = _factors(by.weights, groups, sample) if self.reweight else 1
            by.weights = by.weights[sample] * factors
        by.inputs = by.inputs[sample]
        by.targets = targets_of(by)[sample]
        if by.matrix_inputs is not None:
            by.matrix_inputs = by.matrix_inputs[sample]
        fit_params.events = sample


def _factors(weights: np.ndarray, groups: NDArray[np.int64], sample: NDArray[np.int64]) -> NDArray[np.float64]:
    """Give the factors, of the weights' shape, that keep each group's sum of weights."""
    flat = weights.reshape(-1).astype(np.float64)
    before = np.bincount(groups, flat)
    after = np.bincount(groups[sample], flat[sample], len(before))
    factors = np.divide(before, after, out=np.ones_like(before), where=after != 0)
    return factors[groups[sample]].reshape(weights.shape)


def _groups(weights: np.ndarray, targets: np.ndarray, objective: str) -> NDArray[np.int64]:
    """Number the groups of events, ``(n,)``: by class, and by the sign of the weight."""
    groups = (weights.reshape(-1) < 0).astype(np.int64)
    if objective == "regression" or targets.size != len(targets):
        return groups
    return groups + 2 * np.unique(targets.reshape(-1), return_inverse=True)[1].astype(np.int64)
