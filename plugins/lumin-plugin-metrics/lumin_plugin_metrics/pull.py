r"""Bias and resolution of a regression: mean and standard deviation of residuals or pulls.

.. math:: \Delta_i = \hat y_i - y_i, \qquad g_i = \frac{\hat y_i - y_i}{y_i}, \qquad
    m = \frac{\sum_i w_i g_i}{\sum_i w_i}, \qquad
    \sigma^2 = \frac{\sum_i w_i (g_i - m)^2}{\sum_i w_i}

A pull is here, as LUMIN has it, the residual relative to the target, not to an uncertainty. A mean
is the better the closer to zero it is, a standard deviation the lower.

What is regressed to is often a step towards what matters: two momenta, where the mass of the pair
is wanted. Then a function gives that quantity from the predictions, and the pull is taken of it
(`reg_as_proxy_pull`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import numpy as np

from lumin_core import EvalMetric
from lumin_core.checks import did_you_mean
from lumin_core.data import as_numbers
from lumin_core.errors import ConfigError, DataError, ShapeError
from lumin_core.statistics import get_moments, total_weight
from lumin_plugin_metrics.inputs import regression_events, table
from lumin_plugin_metrics.uncertainty import resampled

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import ArrayLike, NDArray

    Proxy = Callable[[np.ndarray, Mapping[str, np.ndarray]], ArrayLike]

_N_RESAMPLES, _SEED = 100, 0  # the same resamples for all epochs, so that these compare


def reg_pull(
    preds: ArrayLike,
    targets: ArrayLike,
    weights: ArrayLike | None = None,
    *,
    return_mean: bool,
    use_bootstrap: bool = False,
    use_pull: bool = True,
    target: int | None = None,
) -> float:
    """Compute the mean or the standard deviation of pulls or residuals.

    Args:
        preds: Predictions, shape ``(n,)``, ``(n, 1)`` or ``(n, n_targ)``.
        targets: Targets, likewise.
        weights: Event weights of either sign, shape ``(n,)`` or ``(n, 1)``; ``None`` for one each.
        return_mean: Whether to give the mean; else the standard deviation.
        use_bootstrap: Whether to give the mean of that over 100 resamples of the events, always the
            same ones. For an uncertainty see `with_uncertainty`.
        use_pull: Whether to take pulls, relative to the targets; else residuals, in the unit
            of the targets.
        target: The column, from 0, where there are several targets.

    Returns:
        The mean or the standard deviation; of pulls without unit, else in the unit of the targets.

    Raises:
        ConfigError: If there is no such target, or none is named where there are several.
        ShapeError: If the shapes do not match.
        DataError: If a target is zero and pulls are taken; if the weights sum to zero, or make the
            variance negative; if there is a NaN or infinity.

    Example:
        >>> from lumin_plugin_metrics import reg_pull
        >>> preds, targets = [110.0, 90.0, 130.0], [100.0, 100.0, 100.0]
        >>> round(reg_pull(preds, targets, weights=[1, 2, 0], return_mean=True), 4)
        -0.0333
        >>> reg_pull(preds[:2], targets[:2], return_mean=False, use_pull=False)
        10.0
    """
    p, t, w = regression_events(preds, targets, weights)
    column = _column(target, p.shape[1])
    differences = _differences(p[:, column], t[:, column], use_pull)
    statistic = _mean if return_mean else _spread
    if use_bootstrap:
        return float(resampled(statistic, differences, w, n=_N_RESAMPLES, seed=_SEED).mean())
    return statistic(differences, w)


def reg_as_proxy_pull(
    preds: ArrayLike,
    targets: ArrayLike,
    weights: ArrayLike | None = None,
    columns: Mapping[str, np.ndarray] | None = None,
    *,
    proxy_func: Proxy,
    return_mean: bool,
    use_bootstrap: bool = False,
    use_pull: bool = True,
    proxy_target: str | float | None = None,
) -> float:
    """Compute the mean or the standard deviation of pulls or residuals.

    They are of what a function gives from the predictions.

    Args:
        preds: Predictions, shape ``(n,)`` or ``(n, n_out)``.
        targets: Targets, shape ``(n,)`` or ``(n, n_targ)``.
        weights: Event weights of either sign, shape ``(n,)`` or ``(n, 1)``; ``None`` for one each.
        columns: What else ``proxy_func`` needs of the events, by name, each of shape ``(n,)``.
        proxy_func: Called as ``proxy_func(preds, columns)`` with doubles ``(n, n_out)``, of all
            events, those of weight zero too; gives one value an event, ``(n,)`` or ``(n, 1)``.
            Predictions come as the model gives them: where its targets were transformed, the
            function has to undo that.
        return_mean: As in `reg_pull`.
        use_bootstrap: As in `reg_pull`.
        use_pull: As in `reg_pull`.
        proxy_target: The true value: the name of one of ``columns``, or a number for all events;
            ``None`` for what ``proxy_func`` gives from the targets.

    Returns:
        The mean or the standard deviation; of pulls without unit, else in the unit of the quantity.

    Raises:
        ConfigError: If ``columns`` lacks the true value.
        ShapeError: If the shapes do not match, or ``proxy_func`` does not give one value an event.
        DataError: As `reg_pull`, of the quantity.

    Example:
        The mass of two massless particles back to back, from their energies; 10 and 40 GeV make 40:

        >>> import numpy as np
        >>> from lumin_plugin_metrics import reg_as_proxy_pull
        >>> def mass(energies, columns):
        ...     return 2 * np.sqrt(energies[:, 0] * energies[:, 1])
        >>> preds, targets = [[10.0, 40.0], [20.0, 20.0]], [[10.0, 40.0], [20.0, 45.0]]
        >>> reg_as_proxy_pull(preds, targets, proxy_func=mass, return_mean=True, use_pull=False)
        -10.0
        >>> reg_as_proxy_pull(preds, targets, proxy_func=mass, return_mean=True, proxy_target=50.0)
        -0.2
    """
    columns = columns or {}
    proxies = _proxies(proxy_func, preds, "predictions", columns)
    if proxy_target is None:
        true = _proxies(proxy_func, targets, "targets", columns)
    elif isinstance(proxy_target, str):
        _check_columns([proxy_target], columns)
        true = as_numbers(columns[proxy_target], f"the column {proxy_target!r}")
    else:
        true = np.full(len(proxies), proxy_target, dtype=np.float64)
    return reg_pull(proxies, true, weights, return_mean=return_mean, use_bootstrap=use_bootstrap, use_pull=use_pull)


class RegPull(EvalMetric):
    """The mean or standard deviation of pulls, as a metric of trainings.

    A mean closest to zero is best, and the lowest standard deviation.

    Args:
        return_mean: Whether to give the mean; else the standard deviation.
        use_bootstrap: Whether to give the mean of that over 100 resamples of the events, always
            the same ones.
        use_pull: Whether to take pulls, relative to the targets; else residuals, in the unit
            of the targets.
        target: The column, from 0, where there are several targets.
        main_metric: Whether this metric, rather than the loss, drives `save_best` and
            `early_stopping`.
        label: The title in tables, plots and histories; mean and standard deviation in one fit need
            different ones.

    Example:
        >>> from lumin_plugin_metrics import RegPull
        >>> bias = RegPull(return_mean=True, use_pull=False, label="bias")
        >>> bias([9.0, 12.0], [10.0, 10.0]), bias.better, RegPull(return_mean=False).better
        (0.5, 'zero', 'lower')
    """

    example_options: ClassVar[Mapping[str, object]] = {"return_mean": True}

    def __init__(
        self,
        return_mean: bool,
        use_bootstrap: bool = False,
        use_pull: bool = True,
        *,
        target: int | None = None,
        main_metric: bool = False,
        label: str | None = None,
    ) -> None:
        self.better = "zero" if return_mean else "lower"
        super().__init__(main_metric=main_metric, label=label)
        self.return_mean = return_mean
        self.use_bootstrap = use_bootstrap
        self.use_pull = use_pull
        self.target = target

    def evaluate(
        self, preds: ArrayLike, targets: ArrayLike, weights: ArrayLike | None, columns: Mapping[str, np.ndarray]
    ) -> float:
        """Compute mean or standard deviation, with the errors of `reg_pull`.

        ``columns`` are not needed.
        """
        return reg_pull(
            preds,
            targets,
            weights,
            return_mean=self.return_mean,
            use_bootstrap=self.use_bootstrap,
            use_pull=self.use_pull,
            target=self.target,
        )


def _first_output(preds: NDArray[np.float64], columns: Mapping[str, np.ndarray]) -> np.ndarray:
    """Return the first output, as an example of a proxy."""
    return preds[:, 0]


class RegAsProxyPull(EvalMetric):
    """The mean or standard deviation of pulls of a function of the predictions.

    It is a metric of trainings, or is called on arrays.

    Args:
        proxy_func: As in `reg_as_proxy_pull`; one defined in a module, not a lambda, can be sent to
            other processes.
        return_mean: Whether to give the mean; else the standard deviation.
        use_bootstrap: Whether to give the mean of that over 100 resamples of the events, always
            the same ones.
        use_pull: Whether to take pulls, relative to the true value; else residuals, in its unit.
        columns: The columns of the fold file that ``proxy_func`` needs.
        proxy_target: The true value: the name of a column of the fold file, or a number for all
            events; ``None`` for what ``proxy_func`` gives from the targets.
        main_metric: Whether this metric, rather than the loss, drives `save_best` and
            `early_stopping`.
        label: The title in tables, plots and histories.

    Example:
        The visible mass is a column of the file, and the network gives the factor to the true one:

        >>> import numpy as np
        >>> from lumin_plugin_metrics import RegAsProxyPull
        >>> def mass(preds, columns):
        ...     return preds[:, 0] * columns["visible_mass"]
        >>> width = RegAsProxyPull(
        ...     mass, return_mean=False, use_pull=False, columns=["visible_mass"], proxy_target=125
        ... )
        >>> preds, targets = np.array([[1.5], [1.2]]), np.array([[1.4], [1.3]])
        >>> width(preds, targets, columns={"visible_mass": np.array([80.0, 90.0])})
        6.0
    """

    example_options: ClassVar[Mapping[str, object]] = {"proxy_func": _first_output, "return_mean": True}

    expected_failures: ClassVar[Mapping[str, str]] = {
        "check_options": "its option is a function, which no config holds",
    }

    def __init__(
        self,
        proxy_func: Proxy,
        return_mean: bool,
        use_bootstrap: bool = False,
        use_pull: bool = True,
        *,
        columns: Sequence[str] = (),
        proxy_target: str | float | None = None,
        main_metric: bool = False,
        label: str | None = None,
    ) -> None:
        self.better = "zero" if return_mean else "lower"
        super().__init__(main_metric=main_metric, label=label)
        self.columns = [*columns, *([proxy_target] if isinstance(proxy_target, str) else [])]
        self.proxy_func = proxy_func
        self.proxy_target = proxy_target
        self.return_mean = return_mean
        self.use_bootstrap = use_bootstrap
        self.use_pull = use_pull

    def evaluate(
        self, preds: ArrayLike, targets: ArrayLike, weights: ArrayLike | None, columns: Mapping[str, np.ndarray]
    ) -> float:
        """Compute mean or standard deviation, as `reg_as_proxy_pull` does with its errors.

        Raises:
            ConfigError: If ``columns`` lacks one of those that the metric was told to need.
        """
        _check_columns(self.columns, columns)
        return reg_as_proxy_pull(
            preds,
            targets,
            weights,
            columns,
            proxy_func=self.proxy_func,
            return_mean=self.return_mean,
            use_bootstrap=self.use_bootstrap,
            use_pull=self.use_pull,
            proxy_target=self.proxy_target,
        )


def _column(target: int | None, n_targets: int) -> int:
    """Give the number of the target's column."""
    if target is None and n_targets == 1:
        return 0
    if target is None or not 0 <= target < n_targets:
        raise ConfigError(
            f"target must be the number of one of the {n_targets} targets, from 0 to {n_targets - 1}, got {target!r}"
        )
    return target


def _differences(p: NDArray[np.float64], t: NDArray[np.float64], use_pull: bool) -> NDArray[np.float64]:
    """Give residuals, or relative to the targets pulls, each ``(n,)``."""
    if not use_pull:
        return p - t
    if n_zero := int((t == 0).sum()):
        raise DataError(
            f"pulls are relative to the targets, which must not be zero, got {n_zero} zeros of {len(t)}; "
            "take residuals (use_pull=False)"
        )
    return (p - t) / t


def _mean(values: np.ndarray, w: np.ndarray) -> float:
    return float(w @ values / total_weight(w))


def _spread(values: np.ndarray, w: np.ndarray) -> float:
    return get_moments(values, w).sigma


def _proxies(proxy_func: Proxy, array: ArrayLike, name: str, columns: Mapping[str, np.ndarray]) -> np.ndarray:
    """Call the function on a table of its own, and check what it gives."""
    values = table(array, name).astype(np.float64)
    proxies = as_numbers(proxy_func(values, columns), "what proxy_func gives")
    if proxies.shape not in ((len(values),), (len(values), 1)):
        raise ShapeError(
            f"proxy_func must give one value for each of {len(values)} events, (n,) or (n, 1), got {proxies.shape}"
        )
    return proxies


def _check_columns(needed: Sequence[str], columns: Mapping[str, np.ndarray]) -> None:
    """Refuse a call without columns that are needed, which a training has checked before."""
    for name in needed:
        if name not in columns:
            raise ConfigError(
                f"the metric needs the column {name!r}, got {list(columns)}{did_you_mean(name, columns)}; "
                "pass columns={name: array}"
            )
