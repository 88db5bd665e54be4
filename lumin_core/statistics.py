r"""Statistics of weighted events.

Moments with their errors, bootstrap, rounding to the uncertainty. A weight :math:`w_i` means that
event: weight zero is no event, weight two is the event twice, and a weight may be negative, as
simulated events' are. With :math:`W = \sum_i w_i` the moments are

.. math:: m = \frac{1}{W} \sum_i w_i x_i, \qquad \sigma^2 = \frac{1}{W} \sum_i w_i (x_i - m)^2

An error asks how far the value would move in another sample, and there each row counts as one
independent event: four rows of weight one tell more than one row of weight four, and a row written
twice is not two measurements.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from lumin_core.checks import positive
from lumin_core.data.numbers import MISSING, as_array, as_numbers, unmasked
from lumin_core.errors import ConfigError, DataError, ShapeError

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import ArrayLike, NDArray


class Moments(NamedTuple):
    """Mean and standard deviation of a sample, each followed by its standard error.

    Attributes:
        mean: The mean, in the unit of the values.
        mean_error: Its standard error; NaN for a single event, which cannot tell.
        sigma: The standard deviation, in the unit of the values.
        sigma_error: Its standard error; NaN for a single event.
    """

    mean: float
    mean_error: float
    sigma: float
    sigma_error: float


def get_moments(values: ArrayLike, weights: ArrayLike | None = None) -> Moments:
    r"""Compute mean and standard deviation and their standard errors.

    .. math::
        \delta_m^2 = \frac{1}{c W^2} \sum_i w_i^2 r_i^2, \qquad
        \delta_\sigma^2 = \frac{1}{4 \sigma^2} \, \frac{1}{c W^2}
            \sum_i w_i^2 (r_i^2 - \sigma^2)^2, \qquad
        r_i = x_i - m

    with :math:`c = 1 - 2 \sum w^3 / (W \sum w^2) + \sum w^2 / W^2`, which makes up for the
    residuals being taken about the sample's own mean. Without weights :math:`c = 1 - 1/n`: then the
    error of the mean is the usual :math:`s / \sqrt{n}`, and that of sigma
    :math:`\sigma / \sqrt{2n}` for Gaussian values. ``sigma`` itself divides by :math:`W`, as
    ``np.std`` does, so that a weight of two is exactly the event twice.

    Args:
        values: Shape ``(n,)`` or ``(n, 1)``; what is masked or NA is missing, as NaN is.
        weights: Event weights, of the same length, or ``None`` for one each.

    Raises:
        ShapeError: If the shapes are others.
        DataError: If there are no events, values or weights are missing, infinite or not numbers,
            the weights sum to zero, or negative weights make the variance negative.

    Example:
        >>> from lumin_core.statistics import get_moments
        >>> moments = get_moments([1.0, 2.0, 3.0, 4.0])
        >>> [round(value, 3) for value in moments]
        [2.5, 0.645, 1.118, 0.258]
        >>> weighted = get_moments([1.0, 2.0, 9.0], weights=[1, 2, 0])
        >>> weighted.mean == get_moments([1.0, 2.0, 2.0]).mean
        True

    References:
        M. Kendall and A. Stuart, The Advanced Theory of Statistics, vol. 1, ch. 10 (linearisation).
    """
    x, w = _events(values, weights)
    total = total_weight(w)
    mean = float(w @ x / total)
    squares = np.square(x - mean)
    variance = float(w @ squares / total)
    if variance < 0:
        raise DataError(
            f"the weighted variance must not be negative, got {variance:.4g}: negative weights dominate the tails; "
            "use more events, or coarser selections"
        )
    if len(x) == 1:
        return Moments(mean, float("nan"), 0.0, float("nan"))
    sum2 = float(w @ w)
    scale = total**2 * (1 - 2 * float(w @ np.square(w)) / (total * sum2) + sum2 / total**2)
    mean_error = float(np.sqrt(np.square(w) @ squares / scale))
    sigma = float(np.sqrt(variance))
    if sigma == 0:
        return Moments(mean, mean_error, sigma, 0.0)
    variance_error = float(np.sqrt(np.square(w) @ np.square(squares - variance) / scale))
    return Moments(mean, mean_error, sigma, variance_error / (2 * sigma))


def effective_count(weights: ArrayLike) -> float:
    r"""Compute the effective number of events, :math:`(\sum w)^2 / \sum w^2`.

    Args:
        weights: Event weights, shape ``(n,)`` or ``(n, 1)``; events of weight zero do not count.

    Returns:
        That many unweighted events would be as precise; 0 where there are none.

    Raises:
        ShapeError: If the shape is another.
        DataError: If a weight is missing, infinite or not a number.

    Example:
        >>> from lumin_core.statistics import effective_count
        >>> effective_count([0.5, 0.5, 0.5, 0.5]), effective_count([3.0, -1.0])
        (4.0, 0.4)

    References:
        L. Kish, Survey Sampling (1965).
    """
    w = _column(weights, "weights")
    _require_finite(w, "weights")
    sum2 = float(w @ w)
    return float(w.sum()) ** 2 / sum2 if sum2 > 0 else 0.0


def total_weight(weights: ArrayLike, what: str = "the events") -> float:
    """Sum event weights that something is to be divided by.

    Args:
        weights: Event weights, any shape.
        what: Whose weights they are, for the message.

    Returns:
        The sum, of either sign.

    Raises:
        DataError: If the weights sum to zero, but for rounding, or one is missing or infinite.

    Example:
        >>> from lumin_core.statistics import total_weight
        >>> total_weight([1.0, 2.0, -0.5])
        2.5
    """
    w = as_numbers(weights, f"the weights of {what}").astype(np.float64)
    _require_finite(w.reshape(-1), f"the weights of {what}")
    total = float(w.sum())
    if abs(total) <= 1e-12 * float(np.abs(w).sum()):
        raise DataError(
            f"the weights of {what} must not sum to zero: there are none, or positive and negative ones cancel; "
            "use more events, or other weights"
        )
    return total


def bootstrap(
    statistic: Callable[..., Any], *arrays: Any, n: int = 100, seed: int | np.random.Generator | None = None
) -> NDArray[Any]:
    """Compute a statistic on resampled events: the spread of the values is its uncertainty.

    Rows are drawn with replacement, all with the same probability and from all arrays together, so
    that an event keeps its weight, whatever its sign.

    Args:
        statistic: Called as ``statistic(*arrays)`` on each resample; gives a number, or an array
            of fixed shape.
        arrays: Arrays of one length along their first axis: of numbers, NaN for what is missing, or
            of text; ``None`` is passed on as it is (no weights).
        n: Number of resamples.
        seed: A seed, a generator, or ``None`` for fresh entropy; never numpy's global generator.

    Returns:
        The values, shape ``(n, *)``.

    Raises:
        ConfigError: If ``n`` is below one, or no array is given.
        ShapeError: If the arrays differ in length.
        DataError: If there are no events, or an array holds neither numbers nor text.

    Example:
        >>> import numpy as np
        >>> from lumin_core.statistics import bootstrap
        >>> x = np.arange(100.0)
        >>> values = bootstrap(np.average, x, n=200, seed=1)  # expected spread: x.std() / 10 = 2.9
        >>> values.shape, round(float(values.std()), 1)
        ((200,), 2.9)

    References:
        B. Efron, Bootstrap methods: another look at the jackknife, Ann. Statist. 7 (1979) 1.
    """
    n = positive(n, "n, the number of resamples,")
    data = [None if array is None else _numbers_or_text(array, f"array {i}") for i, array in enumerate(arrays)]
    n_rows = _n_rows(data)
    rng = np.random.default_rng(seed)
    values = []
    for _ in range(n):
        rows = rng.integers(n_rows, size=n_rows)
        values.append(statistic(*(None if array is None else array[rows] for array in data)))
    return np.asarray(values)


def uncert_round(value: float, uncert: float) -> tuple[float, float]:
    """Round a value to the one significant figure of its uncertainty.

    Args:
        value: The value.
        uncert: Its uncertainty, in the same unit. Where it is zero, infinite or NaN both are given
            back as they are.

    Raises:
        DataError: If the uncertainty is negative.

    Example:
        >>> from lumin_core.statistics import uncert_round
        >>> uncert_round(0.87653, 0.00321), uncert_round(1234.5, 96.0)
        ((0.877, 0.003), (1200.0, 100.0))
    """
    if uncert < 0:
        raise DataError(f"an uncertainty must not be negative, got {uncert}")
    value, uncert = float(value), float(uncert)
    if uncert == 0 or not np.isfinite(uncert):
        return value, uncert
    exponent = int(f"{uncert:.0e}".partition("e")[2])  # of the rounded figure: 96 -> 1e+02
    return round(value, -exponent), round(uncert, -exponent)


def mean_as_text(values: ArrayLike) -> str:
    r"""Write the mean with its standard error, rounded to it.

    Args:
        values: Shape ``(n,)``; those that are not finite are left out.

    Returns:
        ``"mean ± error"``, the mean alone for a single value or equal ones, ``"nan"`` for none.

    Example:
        >>> from lumin_core.statistics import mean_as_text
        >>> mean_as_text([0.41, 0.38, 0.40]), mean_as_text([0.5]), mean_as_text([float("inf")])
        ('0.397 ± 0.009', '0.5', 'nan')
    """
    column = _column(values, "values")
    finite = column[np.isfinite(column)]
    if len(finite) == 0:
        return "nan"
    moments = get_moments(finite)
    return value_as_text(moments.mean, moments.mean_error)


def value_as_text(value: float, *uncerts: float) -> str:
    r"""Write a value with its uncertainties, rounded to the first of them.

    Args:
        value: The value.
        *uncerts: Its uncertainties, in the same unit; those that are zero, infinite or NaN are left
            out.

    Returns:
        ``"value ± error"``, and so on for more errors; the value alone where there are none.

    Raises:
        DataError: If an uncertainty is negative.

    Example:
        >>> from lumin_core.statistics import value_as_text
        >>> value_as_text(0.87653, 0.00321), value_as_text(1234.5, 96.0, 51.2), value_as_text(0.5)
        ('0.877 ± 0.003', '1200 ± 100 ± 51', '0.5')
    """
    known = [uncert for uncert in uncerts if np.isfinite(uncert) and uncert != 0]
    if not known:
        return f"{value:.5g}"
    rounded, first = uncert_round(value, known[0])
    decimals = max(0, -int(f"{first:.0e}".partition("e")[2]))
    return " ± ".join(f"{number:.{decimals}f}" for number in (rounded, first, *known[1:]))


def _events(values: ArrayLike, weights: ArrayLike | None) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    x = _column(values, "values")
    w = np.ones_like(x) if weights is None else _column(weights, "weights")
    if len(x) != len(w):
        raise ShapeError(f"values and weights must have one length, got {len(x)} and {len(w)}")
    _require_finite(w, "weights")
    x, w = x[w != 0], w[w != 0]
    _require_finite(x, "values")
    if len(x) == 0:
        raise DataError("at least one event of non-zero weight is needed, got none")
    return x, w


def _column(array: ArrayLike, name: str) -> NDArray[np.float64]:
    column = as_numbers(array, name).astype(np.float64)
    column = column[:, 0] if column.shape[1:] == (1,) else column
    if column.ndim != 1:
        raise ShapeError(f"{name} must have shape (n,) or (n, 1), got {column.shape}")
    return column


def _require_finite(column: NDArray[np.float64], name: str) -> None:
    if n_bad := int((~np.isfinite(column)).sum()):
        raise DataError(f"{name} must be finite, got {n_bad} NaN or infinite of {len(column)}; select before the call")


def _numbers_or_text(values: ArrayLike, what: str) -> NDArray[Any]:
    array = as_array(values, what)
    types = {type(value).__name__ for value in array.flat} - {*MISSING} if array.dtype.kind == "O" else set()
    return unmasked(array) if array.dtype.kind in "UTS" or types == {"str"} else as_numbers(array, what)


def _n_rows(arrays: list[NDArray[Any] | None]) -> int:
    given = [array for array in arrays if array is not None]
    if not given:
        raise ConfigError("bootstrap needs at least one array to resample, got none")
    if any(array.ndim == 0 for array in given):
        raise ShapeError("bootstrap resamples rows of arrays, got a scalar; hand it over inside the statistic")
    lengths = [len(array) for array in given]
    if len(set(lengths)) > 1:
        raise ShapeError(f"arrays must have one length, got {lengths}")
    if not lengths[0]:
        raise DataError("there are no events to resample: the arrays are empty")
    return lengths[0]
