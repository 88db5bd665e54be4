r"""The preprocessing steps: scikit-learn's scaler and principal components, kept as plain values.

.. math:: \text{standard\_scaler: } x' = (x - \mu) / \sigma, \qquad
    \text{pca: } x' = (x - \mu) V^T \;(\text{whitened: } / \sqrt{\lambda})

References:
    Pedregosa et al., "Scikit-learn", https://jmlr.org/papers/v12/pedregosa11a.html
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from sklearn import decomposition, preprocessing

from lumin_core.data import Transform, as_numbers
from lumin_core.errors import ConfigError, DataError, ShapeError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import ArrayLike

    Array = np.ndarray


class _Estimated(Transform):
    """A step that an estimator of scikit-learn does.

    A subclass says which class that is, its options that are ours, and the attributes
    that it learns.
    """

    estimator_class: ClassVar[type]
    options: ClassVar[tuple[str, ...]]
    learned: ClassVar[tuple[str, ...]]

    def __init__(self, **options: Any) -> None:
        self.estimator: Any = self.estimator_class(**options)

    @property
    def is_fitted(self) -> bool:
        """Whether there is something learned to transform by."""
        return hasattr(self.estimator, "n_features_in_")

    def transform(self, x: Array) -> Array:
        """Transform data of shape ``(n, F)``, float32 to float32, in double precision.

        Raises:
            ConfigError: If it is not fitted.
            ShapeError: If the number of columns is another than in fitting.
            DataError: If values are infinite, or missing where the step cannot leave them so.
        """
        x = self._known(x, self._n_in())
        if not len(x):  # which scikit-learn refuses
            return np.zeros((0, self._n_out()), dtype=x.dtype)
        given = self.estimator.transform(x.astype(np.float64, copy=False))
        return np.asarray(given).astype(x.dtype, copy=False)

    def inverse_transform(self, x: Array) -> Array:
        """Undo `transform`, which may have lost information if it gives fewer columns."""
        x = self._known(x, self._n_out())
        if not len(x):
            return np.zeros((0, self._n_in()), dtype=x.dtype)
        given = self.estimator.inverse_transform(x.astype(np.float64, copy=False))
        return np.asarray(given).astype(x.dtype, copy=False)

    def to_config(self) -> dict[str, object]:
        """Give the options, and if fitted what was learned, as plain values and lists."""
        config = {name: getattr(self.estimator, name) for name in self.options}
        if self.is_fitted:
            config |= {name.rstrip("_"): value for name, value in self._learned_by(self.estimator).items()}
        return config

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        """Build the step that `to_config` described.

        Raises:
            ConfigError: If an item is missing or unknown.
        """
        names = {name.rstrip("_"): name for name in cls.learned}
        options = {key: value for key, value in config.items() if key not in names}
        if unknown := [key for key in options if key not in cls.options]:
            msg = f"{cls.__name__} has no option {unknown[0]!r}; its options are {', '.join(cls.options)}"
            raise ConfigError(msg)
        step = cls(**options)
        if any(key in config for key in names):
            if missing := [key for key in names if key not in config]:
                msg = f"a fitted {cls.__name__} needs {', '.join(names)}, and {', '.join(missing)} is missing"
                raise ConfigError(msg)
            step._learn({name: config[key] for key, name in names.items()})
        return step

    @classmethod
    def convert(cls, step: object) -> Transform | None:
        """Take over scikit-learn's estimator of the same name, fitted or not."""
        if type(step) is not cls.estimator_class:
            return None
        converted = cls(**{name: getattr(step, name) for name in cls.options})
        if hasattr(step, "n_features_in_"):
            converted._learn(cls._learned_by(step))
        return converted

    @classmethod
    def _learned_by(cls, estimator: object) -> dict[str, object]:
        values = {name: getattr(estimator, name) for name in cls.learned}
        return {name: value.tolist() if hasattr(value, "tolist") else value for name, value in values.items()}

    def _learn(self, values: Mapping[str, object]) -> None:
        for name, value in values.items():
            plain = value is None or name == "n_features_in_"
            setattr(self.estimator, name, value if plain else np.asarray(value))

    def _known(self, x: Array, n_columns: int) -> Array:
        x = check_values(x)
        if x.shape[1] != n_columns:
            msg = f"{type(self).__name__} was fitted for {n_columns} columns here, got shape {x.shape}"
            raise ShapeError(msg)
        return x

    def _n_in(self) -> int:
        if not self.is_fitted:
            msg = f"{type(self).__name__} has not been fitted: call fit first"
            raise ConfigError(msg)
        return int(self.estimator.n_features_in_)

    def _n_out(self) -> int:
        return self._n_in()


class StandardScaler(_Estimated):
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
        self.estimator = self.estimator_class(**{name: getattr(self.estimator, name) for name in self.options})
        return self.partial_fit(x, sample_weight)

    def partial_fit(self, x: Array, sample_weight: Array | None = None) -> Self:
        """Learn from further data; arguments as for `fit`."""
        x = check_values(x)
        if self.is_fitted:
            self._known(x, self._n_in())
        if not len(x) or np.isnan(x).all(0).any():
            msg = f"a column needs at least one value to be fitted, got shape {x.shape} and columns of NaN alone "
            msg += f"{np.flatnonzero(np.isnan(x).all(0)).tolist()}"
            raise DataError(msg)
        estimator = copy.deepcopy(self.estimator)
        with np.errstate(invalid="ignore"):  # the root of a negative variance, refused below
            estimator.partial_fit(x, sample_weight=_checked_weights(sample_weight, len(x)))
        if estimator.var_ is not None and (wrong := estimator.var_ < -_rounding(x, estimator.mean_)).any():
            msg = f"the weighted variance of the columns {np.flatnonzero(wrong).tolist()} is negative: too many "
            msg += "negative weights"
            raise DataError(msg)
        self.estimator = estimator
        return self


class PCA(_Estimated):
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


def check_values(x: ArrayLike, names: Sequence[str] = (), *, allow_nan: bool = True) -> Array:
    """Give data as floats of shape ``(n, F)``, without infinities, NaN where a value is missing.

    Args:
        x: Array, masked or not, data frame or nested lists.
        names: Of the columns, for the message.
        allow_nan: Whether values may be missing.

    Returns:
        The array, float32 where it was, else float64.

    Raises:
        ShapeError: If it has another number of axes.
        DataError: If there is anything but numbers, infinity or, unless allowed, a missing value.

    Example:
        >>> from lumin_plugin_tabular.scaling import check_values
        >>> check_values([[1, 2]])
        array([[1., 2.]])
    """
    values = as_numbers(x, "the data")
    values = values if values.dtype == np.float32 else values.astype(np.float64, copy=False)
    if values.ndim != 2:
        msg = f"preprocessing takes data of shape (n, F), got shape {values.shape}"
        raise ShapeError(msg)
    wrong = np.isinf(values) if allow_nan else ~np.isfinite(values)
    if wrong.any():
        columns = [names[i] if i < len(names) else i for i in np.flatnonzero(wrong.any(0)).tolist()]
        what = "infinite" if allow_nan else "infinite or missing"
        msg = f"the columns {columns} hold {int(wrong.sum())} {what} values; clip or drop these events first"
        raise DataError(msg)
    return values


def _checked_weights(given: ArrayLike | None, n: int) -> Array | None:
    if given is None:
        return None
    weights = as_numbers(given, "sample_weight").astype(np.float64)
    if weights.shape != (n,):
        msg = f"sample_weight must hold one weight an event, shape ({n},), got shape {weights.shape}"
        raise ShapeError(msg)
    if not np.isfinite(weights).all() or not weights.sum() > 0:
        msg = f"weights must be finite and add up to more than 0, got a sum of {weights.sum()}"
        raise DataError(msg)
    return weights
