r"""Scaling by mean and standard deviation, and principal components, as scikit-learn does them.

.. math:: \text{standard\_scaler: } x' = (x - \mu) / \sigma, \qquad
    \text{pca: } x' = (x - \mu) V^T \;(\text{whitened: } / \sqrt{\lambda})

References:
    Pedregosa et al., "Scikit-learn", https://jmlr.org/papers/v12/pedregosa11a.html
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Self

import numpy as np
from sklearn import decomposition, preprocessing

from lumin_core.errors import ConfigError, DataError
from lumin_plugin_tabular.estimated import Estimated, check_columns, check_values, checked_weights

if TYPE_CHECKING:
    Array = np.ndarray


class StandardScaler(Estimated):
    """Shifts every column to mean 0 and scales it to standard deviation 1.

    Missing values stay missing.

    Args:
        with_mean: Whether to shift.
        with_std: Whether to scale; a constant column is not.

    Example:
        >>> import numpy as np
        >>> from lumin_plugin_tabular import StandardScaler
        >>> StandardScaler().fit(np.array([[1.0], [3.0]])).transform(np.array([[3.0], [2.0]]))
        array([[1.],
               [0.]])
    """

    estimator_class = preprocessing.StandardScaler
    options = ("with_mean", "with_std")
    learned = ("n_features_in_", "n_samples_seen_", "mean_", "var_", "scale_")

    def __init__(self, with_mean: bool = True, with_std: bool = True) -> None:
        super().__init__(with_mean=with_mean, with_std=with_std)

    def fit(self, x: Array, sample_weight: Array | None = None) -> Self:
        """Learn means and standard deviations, and forget earlier ones.

        Args:
            x: Shape ``(n, F)``; NaN is left out.
            sample_weight: Shape ``(n,)``; may be negative.

        Returns:
            Itself.

        Raises:
            DataError: If there are infinities or columns without a value, or if the weights give no
                positive variance.
        """
        self.estimator = self._new()
        return self.partial_fit(x, sample_weight)

    def partial_fit(self, x: Array, sample_weight: Array | None = None) -> Self:
        """Learn from further data; arguments as for `fit`."""
        x = check_values(x)
        if self.is_fitted:
            self._known(x, self._n_in())
        check_columns(x)
        estimator = copy.deepcopy(self.estimator)
        with np.errstate(invalid="ignore"):  # the root of a negative variance, refused below
            estimator.partial_fit(x, sample_weight=checked_weights(sample_weight, len(x)))
        if estimator.var_ is not None and (wrong := estimator.var_ < -_rounding(x, estimator.mean_)).any():
            msg = f"the weighted variance of the columns {np.flatnonzero(wrong).tolist()} is negative: too many "
            msg += "negative weights"
            raise DataError(msg)
        self.estimator = estimator
        return self

    def _run(self, x: Array) -> Array:
        # the same arithmetic without a second look at the values, which takes longer
        estimator = self.estimator
        x = x - estimator.mean_ if estimator.with_mean else x.copy()
        if estimator.with_std:
            x /= estimator.scale_
        return x


class PCA(Estimated):
    """Rotates to principal components, the most varying first.

    Args:
        n_components: How many to keep; all by default. As in scikit-learn, a fraction keeps as many
            as explain it.
        whiten: Whether to scale each component to variance 1.

    Example:
        >>> import numpy as np
        >>> from lumin_plugin_tabular import PCA
        >>> x = np.array([[1.0, 1.0], [-1.0, -1.0]])
        >>> abs(PCA(n_components=1).fit(x).transform(x)).round(3)
        array([[1.414],
               [1.414]])
    """

    estimator_class = decomposition.PCA
    options = ("n_components", "whiten")
    learned = ("n_features_in_", "mean_", "components_", "explained_variance_")

    def __init__(self, n_components: int | float | str | None = None, whiten: bool = False) -> None:
        super().__init__(n_components=n_components, whiten=whiten, svd_solver="full")  # "auto" may draw random numbers

    def fit(self, x: Array) -> Self:
        """Learn the components, and forget earlier ones.

        Args:
            x: Shape ``(n, F)``, without missing values.

        Returns:
            Itself.

        Raises:
            DataError: If values are infinite or missing.
            ConfigError: If there cannot be that many components.
        """
        x = check_values(x, allow_nan=False)
        try:
            self.estimator.fit(x.astype(np.float64, copy=False))
        except ValueError as error:
            msg = f"pca cannot be fitted to data of shape {x.shape}: {error}"
            raise ConfigError(msg) from error
        self._learn(self._learned_by(self.estimator))  # in the layout of a stored one, so that both give the same bits
        return self

    def _known(self, x: Array, n_columns: int) -> Array:
        return super()._known(check_values(x, allow_nan=False), n_columns)

    def _n_out(self) -> int:
        self._n_in()
        return len(self.estimator.components_)


def _rounding(x: Array, mean: Array) -> Array:
    """Bound what rounding leaves of a variance of zero, whatever the offset of the column."""
    bound: Array = 1e-9 * np.nanmax(np.square(x - mean), axis=0) + np.square(4 * np.finfo(x.dtype).eps * mean)
    return bound
