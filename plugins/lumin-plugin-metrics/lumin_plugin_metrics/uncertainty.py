r"""Uncertainties of metrics, by the bootstrap.

How far a value would move in another sample of the same size. Events of non-zero weight are drawn
with replacement, all with the same probability, and keep their weights; the uncertainty is the
standard deviation of the metric over such resamples. A resample in which the metric is not defined
(of one class only, or with weights that cancel) or is infinite is left out; where more than one in
ten are, the sample is too small for an uncertainty, and there is an error.

References:
    B. Efron, Bootstrap methods: another look at the jackknife, Ann. Statist. 7 (1979) 1.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from lumin_core.data import as_numbers, unmasked
from lumin_core.errors import ConfigError, DataError
from lumin_core.statistics import bootstrap

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import ArrayLike, NDArray

_LEAST_SHARE = 0.9  # of the resamples, in which the metric must be defined


def with_uncertainty(
    metric: Callable[..., float],
    preds: ArrayLike,
    targets: ArrayLike,
    weights: ArrayLike | None = None,
    columns: Mapping[str, ArrayLike] | None = None,
    *,
    n: int = 100,
    seed: int | np.random.Generator | None = None,
) -> tuple[float, float]:
    """Compute a metric and its uncertainty.

    Args:
        metric: Any `EvalMetric`, a function of this package (with options: a `functools.partial` of
            it), or another one of ``(preds, targets, weights)``, to which ``columns`` is added
            where it is given.
        preds: Predictions, shape ``(n,)`` or ``(n, n_out)``.
        targets: Targets, shape ``(n,)`` or ``(n, n_targ)``.
        weights: Event weights, shape ``(n,)`` or ``(n, 1)``; ``None`` for one each.
        columns: The further columns that the metric needs, by name, each of n rows.
        n: Number of resamples, at least two; the uncertainty itself is known to about 1/sqrt(2n).
        seed: A seed or a generator; ``None`` for fresh entropy. Numpy's global generator
            is not touched.

    Returns:
        The value on all events, and its uncertainty.

    Raises:
        ConfigError: If ``n`` is below two.
        ShapeError: If the arrays differ in length.
        DataError: If the metric is not defined on all events, or not finite in more than one in
            ten resamples.

    Example:
        >>> import numpy as np
        >>> from lumin_core.statistics import uncert_round
        >>> from lumin_plugin_metrics import BinaryAccuracy, with_uncertainty
        >>> targets = np.arange(400) % 2
        >>> preds = np.where(np.arange(400) < 100, 1 - targets, targets)  # 3 of 4 are right
        >>> # sqrt(3/4 * 1/4 / 400) = 0.022
        >>> uncert_round(*with_uncertainty(BinaryAccuracy(), preds, targets, seed=1))
        (0.75, 0.02)
    """
    if n < 2:
        raise ConfigError(f"n, the number of resamples, must be at least 2 for a standard deviation, got {n}")
    names = tuple(columns or ())

    def value(p: ArrayLike | None, t: ArrayLike | None, w: ArrayLike | None, *rest: ArrayLike | None) -> float:
        more = () if columns is None else (dict(zip(names, rest, strict=True)),)
        return float(metric(p, t, w, *more))

    named = {"predictions": preds, "targets": targets, "weights": weights}
    arrays = [None if a is None else as_numbers(a, name) for name, a in named.items()]
    arrays += [unmasked(a) for a in (columns or {}).values()]
    everything = value(*arrays)
    rows = slice(None) if arrays[2] is None else np.flatnonzero(arrays[2])  # an event of weight zero is none
    values = resampled(value, *(None if a is None else a[rows] for a in arrays), n=n, seed=seed)
    return everything, float(values.std(ddof=1))


def resampled(
    statistic: Callable[..., float], *arrays: ArrayLike | None, n: int, seed: int | np.random.Generator | None
) -> NDArray[np.float64]:
    """Compute a statistic on resamples, and keep its finite values.

    Args:
        statistic: Called as ``statistic(*arrays)``; a `DataError` says that it is not defined.
        arrays: Arrays of one length; ``None`` is passed on as it is.
        n: Number of resamples.
        seed: As in `with_uncertainty`.

    Returns:
        The finite values, shape ``(at most n,)``.

    Raises:
        DataError: If more than one in ten are not.

    Example:
        >>> import numpy as np
        >>> from lumin_plugin_metrics.uncertainty import resampled
        >>> resampled(np.mean, np.ones(5), n=3, seed=1)
        array([1., 1., 1.])
    """
    values = bootstrap(partial(_or_nan, statistic), *arrays, n=n, seed=seed)
    finite: NDArray[np.float64] = values[np.isfinite(values)]
    if len(finite) < _LEAST_SHARE * n:
        raise DataError(
            f"the metric must be finite in at least {_LEAST_SHARE:.0%} of the resamples, got {len(finite)} of {n}: "
            "too few events, or of one class, or negative weights that dominate; use more events"
        )
    return finite


def _or_nan(statistic: Callable[..., float], *arrays: ArrayLike | None) -> float:
    """Give NaN for a resample in which the statistic is not defined."""
    try:
        return statistic(*arrays)
    except DataError:
        return float("nan")
