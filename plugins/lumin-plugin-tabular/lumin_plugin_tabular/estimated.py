"""What the preprocessing steps share: estimators of scikit-learn, kept as plain values.

References:
    Pedregosa et al., "Scikit-learn", https://jmlr.org/papers/v12/pedregosa11a.html
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np

from lumin_core.data import Transform, as_numbers
from lumin_core.errors import ConfigError, DataError, ShapeError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import ArrayLike

    Array = np.ndarray


class Estimated(Transform):
    """A step that an estimator of scikit-learn does.

    A subclass says which class that is, its options that are ours, and the attributes
    that it learns.

    Example:
        >>> from lumin_plugin_tabular import StandardScaler
        >>> from lumin_plugin_tabular.estimated import Estimated
        >>> issubclass(StandardScaler, Estimated), StandardScaler().is_fitted
        (True, False)
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
        return self._run(x.astype(np.float64, copy=False)).astype(x.dtype, copy=False)

    def _run(self, x: Array) -> Array:
        return np.asarray(self.estimator.transform(x))

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

    def _new(self) -> Any:
        """Make the estimator anew, with the same options."""
        return type(self)(**{name: getattr(self.estimator, name) for name in self.options}).estimator

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
        >>> from lumin_plugin_tabular.estimated import check_values
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


def checked_weights(given: ArrayLike | None, n: int) -> Array | None:
    """Give weights of events as floats.

    Args:
        given: Shape ``(n,)``, or ``None``.
        n: Number of events.

    Raises:
        ShapeError: If there is not one an event.
        DataError: If one is missing or infinite, or they do not add up to more than 0.

    Example:
        >>> from lumin_plugin_tabular.estimated import checked_weights
        >>> checked_weights([1, 2], 2)
        array([1., 2.])
    """
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


def check_columns(x: Array) -> None:
    """Refuse data that nothing can be learned from.

    Args:
        x: From `check_values`.

    Raises:
        DataError: If there is no event, or a column without a value.

    Example:
        >>> import numpy as np
        >>> from lumin_plugin_tabular.estimated import check_columns
        >>> check_columns(np.ones((2, 1)))
    """
    if not len(x) or np.isnan(x).all(0).any():
        msg = f"a column needs at least one value to be fitted, got shape {x.shape} and columns of NaN alone "
        msg += f"{np.flatnonzero(np.isnan(x).all(0)).tolist()}"
        raise DataError(msg)
