r"""One boosted tree of scikit-learn: weights of either sign, missing values, early stopping.

scikit-learn takes weights of either sign as they are: gradients and Hessians of the loss are
multiplied by them. The value of a leaf is :math:`-\sum w g / (\sum w h + \lambda)`, and a leaf in
which positive and negative weights nearly cancel would have any value. scikit-learn refuses leaves
of :math:`\sum w h < 10^{-3}`, an absolute number. Where there are negative weights, weights and
:math:`\lambda` are therefore handed over divided by 1,000 times `LEAST_HESSIAN`: the trees are
the same, but for leaves of less than `LEAST_HESSIAN` events' worth, which are not made.

References:
    T. Chen and C. Guestrin, XGBoost, https://arxiv.org/abs/1603.02754 (values of leaves).
    https://scikit-learn.org/stable/modules/ensemble.html#histogram-based-gradient-boosting
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs
import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

from lumin_core.checks import check_numbers
from lumin_core.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

LEAST_HESSIAN = 5.0  # weighted Hessian of a leaf, in events of mean weight, where weights are negative
_LEAST_OF_SKLEARN = 1e-3
_MOST_CODES = 255  # of a categorical feature, with scikit-learn's most bins


@attrs.frozen(eq=False)
class Sample:
    """Events of one target.

    Attributes:
        inputs: Shape ``(n, F)``, NaN where missing.
        targets: Shape ``(n,)``.
        weights: Of either sign, shape ``(n,)``.
    """

    inputs: np.ndarray
    targets: np.ndarray
    weights: np.ndarray

    def used(self) -> Sample:
        """Return the events that have a weight: those of none would count as events of leaves."""
        rows = self.weights != 0
        return self if rows.all() else Sample(self.inputs[rows], self.targets[rows], self.weights[rows])


def fit_tree(
    train: Sample, valid: Sample, *, is_class: bool, options: Mapping[str, Any], categorical: Sequence[int], seed: int
) -> Any:
    """Fit a boosted tree, which the validation sample stops.

    Args:
        train: What it learns.
        valid: What stops it: when its loss has not become better for ``n_iter_no_change`` trees.
        is_class: Whether targets are classes.
        options: Of scikit-learn's class.
        categorical: Columns that hold categories.
        seed: Of the features that are drawn for a split, with ``max_features`` below 1.

    Returns:
        scikit-learn's classifier or regressor.

    Raises:
        ConfigError: If scikit-learn takes an option not so.

    Example:
        >>> import numpy as np
        >>> from lumin_plugin_tabular.tree_fit import Sample, fit_tree
        >>> x = np.linspace(-1, 1, 200)[:, None]
        >>> sample = Sample(x, (x[:, 0] > 0).astype(float), np.ones(200))
        >>> tree = fit_tree(sample, sample, is_class=True, options={}, categorical=[], seed=1)
        >>> tree.predict_proba([[0.5]])[:, 1].round(1)
        array([1.])
    """
    train, valid = train.used(), valid.used()
    has_negative = bool((train.weights < 0).any())
    scale = _LEAST_OF_SKLEARN / LEAST_HESSIAN if has_negative else 1.0
    made = HistGradientBoostingClassifier if is_class else HistGradientBoostingRegressor
    l2 = options.get("l2_regularization", 0.0)
    check_numbers(l2_regularization=l2)
    tree = made(
        **{**options, "l2_regularization": l2 * scale},
        categorical_features=list(categorical) or None,
        early_stopping=True,
        random_state=seed,
    )
    if has_negative:
        _bin_by_size(tree)
    try:
        tree.fit(
            np.where(np.isnan(train.inputs).all(axis=0), 0, train.inputs),  # scikit-learn takes no column of NaN alone
            train.targets,
            train.weights * scale,
            X_val=valid.inputs,
            y_val=valid.targets,
            sample_weight_val=valid.weights,
        )
    except ValueError as error:
        raise ConfigError(f"scikit-learn refuses the trees' options or these events: {error}") from error
    vars(tree).pop("_bin_data", None)
    return tree


def _bin_by_size(tree: Any) -> None:
    """Let the bins of a tree be quantiles under abs(w).

    scikit-learn takes quantiles under the weights, and of more than 200,000 events a sample drawn
    with these as probabilities, which cannot be negative.
    """
    bin_data = tree._bin_data

    def of_size(inputs: np.ndarray, *others: Any, **how: Any) -> Any:
        sizes = (np.abs(other) if isinstance(other, np.ndarray) else other for other in others)
        return bin_data(inputs, *sizes, **how)

    tree._bin_data = of_size


def categorical(inputs: Sequence[np.ndarray], n_cont: int) -> list[int]:
    """Return the columns that scikit-learn takes for categories: those of at most 255 codes.

    Args:
        inputs: Of all folds, each of shape ``(n, F)``, continuous features first.
        n_cont: How many of them are continuous.

    Example:
        >>> import numpy as np
        >>> from lumin_plugin_tabular.tree_fit import categorical
        >>> inputs = np.stack([np.ones(300), np.arange(300), np.arange(300) % 3], axis=1)
        >>> categorical([inputs], n_cont=1)
        [2]
    """
    columns = range(n_cont, inputs[0].shape[1])
    codes = {i: np.unique(np.concatenate([np.unique(fold[:, i]) for fold in inputs])) for i in columns}
    return [i for i in columns if len(codes[i]) <= _MOST_CODES]
