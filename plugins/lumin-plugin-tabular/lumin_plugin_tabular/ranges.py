r"""Scaling by the order of values: by quantiles, by minimum and maximum, as scikit-learn does it.

.. math:: \text{robust\_scaler: } x' = \frac{x - q_{50}}{q_{75} - q_{25}}, \qquad
    \text{min\_max\_scaler: } x' = \frac{x - \min}{\max - \min}, \qquad
    \text{quantile\_transformer: } x' = F(x) \text{ or } \Phi^{-1}(F(x))

where F is the cumulative distribution of the column. A quantile of weighted events is interpolated
between them, each at the middle of its weight, the first at 0 and the last at 1; for equal weights
these are scikit-learn's quantiles.

References:
    R. J. Hyndman, Y. Fan, "Sample quantiles in statistical packages", Am. Stat. 50 (1996) 361,
    definition 7, https://doi.org/10.1080/00031305.1996.10473566
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from sklearn import preprocessing

from lumin_core.checks import is_number, positive
from lumin_core.errors import ConfigError, DataError
from lumin_plugin_tabular.estimated import Estimated, check_columns, check_values, checked_weights

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lumin_core.data import Transform

    Array = np.ndarray

_ALL = 2**62  # events that scikit-learn looks at; by default it draws some at random


class RobustScaler(Estimated):
    """Shifts every column to median 0 and scales it by the range between two quantiles.

    What is far outside, such as a long tail, hardly matters. Missing values stay missing.

    Args:
        with_centering: Whether to shift.
        with_scaling: Whether to scale; a column without a range, as where more than half of the
            values are equal, is not.
        quantile_range: The two quantiles, in per cent.

    Example:
        >>> import numpy as np
        >>> from lumin_plugin_tabular import RobustScaler
        >>> x = np.array([[10.0], [20.0], [30.0], [40.0], [5000.0]])
        >>> RobustScaler().fit(x).transform(x).ravel().tolist()
        [-1.0, -0.5, 0.0, 0.5, 248.5]
    """

    estimator_class = preprocessing.RobustScaler
    options = ("with_centering", "with_scaling", "quantile_range")
    learned = ("n_features_in_", "center_", "scale_")

    def __init__(
        self,
        with_centering: bool = True,
        with_scaling: bool = True,
        quantile_range: Sequence[float] = (25.0, 75.0),
    ) -> None:
        low, high = quantile_range = _pair(quantile_range, "quantile_range")
        if low < 0 or high > 100:
            raise ConfigError(f"quantile_range must be two per cents, as (25, 75), got {quantile_range}")
        super().__init__(with_centering=with_centering, with_scaling=with_scaling, quantile_range=quantile_range)

    def fit(self, x: Array, sample_weight: Array | None = None) -> Self:
        """Learn medians and ranges, and forget earlier ones.

        Args:
            x: Shape ``(n, F)``; NaN is left out.
            sample_weight: Shape ``(n,)``; not negative.

        Returns:
            Itself.

        Raises:
            DataError: If there are infinities, columns without a value, or negative weights.
        """
        x, weights = _counted(x, sample_weight)
        estimator = self._new().fit(x)
        if weights is not None:
            low, high = np.array(estimator.quantile_range) / 100
            bottom, middle, top = _quantiles(x, [low, 0.5, high], _not_negative(weights))
            estimator.center_ = middle if estimator.with_centering else None
            estimator.scale_ = np.where(top > bottom, top - bottom, 1.0) if estimator.with_scaling else None
        self.estimator = estimator
        return self

    @classmethod
    def convert(cls, step: object) -> Transform | None:
        """Take over scikit-learn's estimator of the same name, unless it is to scale otherwise."""
        return None if getattr(step, "unit_variance", False) else super().convert(step)


class MinMaxScaler(Estimated):
    """Shifts and scales every column so that it goes from 0 to 1, or from one number to another.

    Missing values stay missing; later values that are outside of those fitted are outside.

    Args:
        feature_range: Where the smallest and the largest value go; a constant column goes to the
            first.
        clip: Whether later values are limited to these, which cannot be undone.

    Example:
        >>> import numpy as np
        >>> from lumin_plugin_tabular import MinMaxScaler
        >>> MinMaxScaler((-1, 1)).fit(np.array([[10.0], [30.0]])).transform(np.array([[15.0]]))
        array([[-0.5]])
    """

    estimator_class = preprocessing.MinMaxScaler
    options = ("feature_range", "clip")
    learned = ("n_features_in_", "n_samples_seen_", "data_min_", "data_max_", "data_range_", "min_", "scale_")

    def __init__(self, feature_range: Sequence[float] = (0.0, 1.0), clip: bool = False) -> None:
        super().__init__(feature_range=_pair(feature_range, "feature_range"), clip=clip)

    def fit(self, x: Array, sample_weight: Array | None = None) -> Self:
        """Learn smallest and largest values, and forget earlier ones.

        Args:
            x: Shape ``(n, F)``; NaN is left out.
            sample_weight: Shape ``(n,)``; events of weight zero are left out, other weights do not
                matter.

        Returns:
            Itself.

        Raises:
            DataError: If there are infinities, or columns without a value.
        """
        self.estimator = self._new()
        return self.partial_fit(x, sample_weight)

    def partial_fit(self, x: Array, sample_weight: Array | None = None) -> Self:
        """Learn from further data; arguments as for `fit`."""
        if self.is_fitted:
            self._known(x, self._n_in())
        x, _ = _counted(x, sample_weight)
        self.estimator = copy.deepcopy(self.estimator).partial_fit(x)
        return self


class QuantileTransformer(Estimated):
    """Turns every column into a flat or a normal distribution, by its own cumulative distribution.

    Missing values stay missing. It is undone up to the distance of the quantiles, within the values
    that were fitted: later ones beyond these become the smallest or the largest. A value that
    many events share goes to the middle of its share, but the smallest and the largest go to
    the ends, 0 and 1, or -5.2 and 5.2; all of a constant column goes to the middle.

    Args:
        output_distribution: ``"uniform"``, from 0 to 1, or ``"normal"``, of mean 0 and standard
            deviation 1.
        n_quantiles: How many quantiles to keep, at most as many as events.

    Example:
        >>> import numpy as np
        >>> from lumin_plugin_tabular import QuantileTransformer
        >>> x = np.array([[1.0], [10.0], [100.0], [1000.0], [10000.0]])
        >>> QuantileTransformer("uniform").fit(x).transform(x).ravel().tolist()
        [0.0, 0.25, 0.5, 0.75, 1.0]
    """

    estimator_class = preprocessing.QuantileTransformer
    options = ("output_distribution", "n_quantiles")
    learned = ("n_features_in_", "quantiles_", "references_")

    def __init__(self, output_distribution: str = "normal", n_quantiles: int = 1000) -> None:
        if output_distribution not in ("uniform", "normal"):
            raise ConfigError(f'output_distribution must be "uniform" or "normal", got {output_distribution!r}')
        options = {"output_distribution": output_distribution, "n_quantiles": positive(n_quantiles, "n_quantiles")}
        super().__init__(**options, subsample=_ALL)

    def fit(self, x: Array, sample_weight: Array | None = None) -> Self:
        """Learn the quantiles, and forget earlier ones; all events are looked at.

        Args:
            x: Shape ``(n, F)``; NaN is left out.
            sample_weight: Shape ``(n,)``; not negative.

        Returns:
            Itself.

        Raises:
            DataError: If there are infinities, columns without a value, or negative weights.
        """
        x, weights = _counted(x, sample_weight)
        estimator = self._new()
        n_quantiles = estimator.n_quantiles
        estimator.set_params(n_quantiles=min(n_quantiles, len(x))).fit(x)
        estimator.set_params(n_quantiles=n_quantiles)
        if weights is not None:
            estimator.quantiles_ = _quantiles(x, estimator.references_, _not_negative(weights))
        self.estimator = estimator
        return self

    def _run(self, x: Array) -> Array:
        given, first, last = super()._run(x), self.estimator.quantiles_[0], self.estimator.quantiles_[-1]
        given[(first == last) & (x == first)] = 0.5 if self.estimator.output_distribution == "uniform" else 0.0
        return given


def _pair(values: Sequence[float], name: str) -> tuple[float, float]:
    """Check two numbers that rise, as scikit-learn takes them; a file has a list."""
    pair: Any = tuple(values) if isinstance(values, list | tuple) else values
    if not (isinstance(pair, tuple) and len(pair) == 2 and all(map(is_number, pair)) and pair[0] < pair[1]):
        raise ConfigError(f"{name} must be two numbers, the smaller first, got {values!r}")
    return float(pair[0]), float(pair[1])


def _counted(x: Array, sample_weight: Array | None) -> tuple[Array, Array | None]:
    """Check data and weights, in double precision and without the events of weight zero."""
    x = check_values(x).astype(np.float64, copy=False)
    weights = checked_weights(sample_weight, len(x))
    if weights is not None:
        x, weights = x[weights != 0], weights[weights != 0]
    check_columns(x)
    return x, weights


def _not_negative(weights: Array) -> Array:
    if negative := int((weights < 0).sum()):
        msg = f"quantiles need weights of 0 or more, got {negative} negative ones of {len(weights)}; fit to events of "
        msg += "positive weight, without weights, or take standard_scaler, which knows what a negative weight is"
        raise DataError(msg)
    return weights


def _quantiles(x: Array, levels: Sequence[float] | Array, weights: Array) -> Array:
    """Give weighted quantiles of every column, shape ``(levels, F)``, leaving NaN out."""
    columns = []
    for column in x.T:
        kept = ~np.isnan(column)
        order = np.argsort(column[kept], kind="stable")
        values, w = column[kept][order], weights[kept][order]
        middles = np.cumsum(w) - w / 2
        columns.append(np.interp(middles[0] + np.asarray(levels) * (middles[-1] - middles[0]), middles, values))
    return np.stack(columns, axis=1)
