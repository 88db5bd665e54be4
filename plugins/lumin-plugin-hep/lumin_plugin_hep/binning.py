r"""Bins of a classifier's prediction that hold enough events of every sample.

The relative statistical uncertainty of a sample's yield in a bin is

.. math:: \frac{\sqrt{\sum w^2}}{\sum w} = \frac{1}{\sqrt{n_\text{eff}}}, \qquad
    n_\text{eff} = \frac{(\sum w)^2}{\sum w^2}

with the effective number of events: weighted events are worth less than their number. Edges lie on
a grid. From the top down, a bin ends as soon as every sample in it is known well enough; what is
left at the bottom joins the bin above.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from lumin_core.checks import as_list, did_you_mean, is_number
from lumin_core.errors import ConfigError, DataError, ShapeError
from lumin_core.statistics import effective_count
from lumin_plugin_hep.event_columns import any_column, column, is_signal, named

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import ArrayLike, NDArray

    from lumin_plugin_hep.event_columns import Columns

_ROUNDING = 1e-9  # relative, of sums of weights


def bin_binary_class_pred(
    df: Columns,
    max_unc: float,
    consider_samples: Sequence[object] | None = None,
    step_sz: float = 1e-3,
    pred_name: str = "pred",
    sample_name: str = "gen_sample",
    compact_samples: bool = False,
    class_name: str = "gen_target",
    add_pure_signal_bin: bool = False,
    max_unc_pure_signal: float = 0.1,
    wgt_name: str | None = "gen_weight",
) -> NDArray[np.float64]:
    """Choose bin edges by the relative uncertainty of the yields.

    In every bin the yield of each sample is known to a given one. Every bin holds its lower edge,
    the last one also its upper, as in ``np.histogram``: predictions of 0 and 1 are in. A sample
    whose weights in a bin do not sum to more than zero is not known there.

    Args:
        df: A data frame, or a mapping of names to arrays of one length.
        max_unc: The largest relative statistical uncertainty allowed; 0.1 takes 100 effective
            events of each sample.
        consider_samples: The samples to look at; ``None`` for all.
        step_sz: The distance of the grid's points, on which the edges lie.
        pred_name: The column of class predictions, from 0 to 1.
        sample_name: The column with the sample (process) of each event.
        compact_samples: Whether to look at the two classes instead of the samples.
        class_name: The column of the class; needed for ``compact_samples`` and, as 0 (background)
            or 1 (signal), for ``add_pure_signal_bin``.
        add_pure_signal_bin: Whether to have a last bin above all background, if signal is known
            well enough in it.
        max_unc_pure_signal: The largest relative uncertainty of the signal allowed in that bin.
        wgt_name: The column of event weights, of either sign; ``None`` for one each. LUMIN counts
            events instead.

    Returns:
        The edges, rising from 0 to 1, shape ``(n_bins + 1,)``.

    Raises:
        DataError: If even one bin is too fine; if a column or sample is missing, or there is NaN;
            if predictions are not from 0 to 1, or classes not 0 or 1 where signal is asked for.
        ShapeError: If columns are not of one length.
        ConfigError: If an uncertainty is no positive number, or the step not between 0 and 1.

    Example:
        >>> import numpy as np
        >>> from lumin_plugin_hep import bin_binary_class_pred
        >>> preds = np.linspace(0, 1, 401)
        >>> df = {
        ...     "pred": preds,
        ...     "gen_sample": np.where(preds < 0.8, "ttbar", "higgs"),
        ...     "gen_weight": preds + 1,
        ... }
        >>> bin_binary_class_pred(df, max_unc=0.2, consider_samples=["higgs"])
        array([0.   , 0.872, 0.937, 1.   ])
    """
    _check_options(max_unc, max_unc_pure_signal, step_sz)
    df = named(df)
    scores, weights = _scores_and_weights(df, pred_name, wgt_name)
    used = weights != 0
    grid = np.append(np.round(np.arange(0, 1 - step_sz / 2, step_sz), 12), 1.0)
    rows = np.minimum(np.searchsorted(grid, scores[used], side="right") - 1, len(grid) - 2)
    name = class_name if compact_samples else sample_name
    labels = _labels(any_column(df, name), name, used)
    samples = _checked_samples(labels, None if compact_samples else consider_samples)
    yields = _Yields(rows, weights[used], [labels == sample for sample in samples], len(grid) - 1)
    edges = [len(grid) - 1]
    if add_pure_signal_bin:
        signal = _labels(is_signal(df, class_name), class_name, used)
        edges += _pure_signal_edge(rows, weights[used], signal, edges[0], max_unc_pure_signal)
    edges = _find_edges(yields, edges, max_unc)
    if not (known := yields.known(0, edges[-2], max_unc)).all():
        names = ", ".join(repr(samples[i]) for i in np.flatnonzero(~known))
        raise DataError(
            f"not even one bin holds enough events for max_unc={max_unc} of {names}; allow a larger one, name fewer "
            "consider_samples, or use compact_samples=True"
        )
    return grid[edges[::-1]]


class _Yields:
    """Sums of weights of every sample between any two points of the grid.

    Args:
        rows: The interval of the grid that each event is in, shape ``(n,)``.
        weights: Shape ``(n,)``.
        masks: For each sample, which events are of it, each ``(n,)``.
        n_rows: Number of intervals.
    """

    def __init__(
        self, rows: NDArray[np.intp], weights: NDArray[np.float64], masks: Sequence[NDArray[np.bool_]], n_rows: int
    ) -> None:
        squares = np.square(weights)  # both sums: (n_rows + 1, n_samples)
        self._sums = np.stack([_summed(rows[mask], weights[mask], n_rows) for mask in masks], axis=1)
        self._squares = np.stack([_summed(rows[mask], squares[mask], n_rows) for mask in masks], axis=1)

    def known(self, low: int, high: int, max_unc: float) -> NDArray[np.bool_]:
        """Tell for each sample whether its uncertainty between two points is small enough.

        The uncertainty is relative.
        """
        total, squares = (summed[high] - summed[low] for summed in (self._sums, self._squares))
        known: NDArray[np.bool_] = (total > 0) & (squares <= (max_unc * total) ** 2 * (1 + _ROUNDING))
        return known


def _summed(rows: NDArray[np.intp], values: NDArray[np.float64], n_rows: int) -> NDArray[np.float64]:
    """Sum the values below every point of the grid, shape ``(n_rows + 1,)``."""
    return np.append(0.0, np.cumsum(np.bincount(rows, values, n_rows)))


def _find_edges(yields: _Yields, edges: list[int], max_unc: float) -> list[int]:
    """Add edges from the top down to zero, as points of the grid.

    A lowest bin that is too fine joins the next.
    """
    for point in range(edges[-1] - 1, 0, -1):
        if yields.known(point, edges[-1], max_unc).all():
            edges = [*edges, point]
    edges = [*edges, 0]
    while len(edges) > 2 and not yields.known(0, edges[-2], max_unc).all():
        del edges[-2]
    return edges


def _pure_signal_edge(
    rows: NDArray[np.intp], weights: NDArray[np.float64], signal: NDArray[np.bool_], n_rows: int, max_unc: float
) -> list[int]:
    """Return the lowest point of the grid above all background.

    Enough signal must be above it; else there is none.
    """
    edge = int(rows[~signal].max(initial=-1)) + 1
    above = weights[signal & (rows >= edge)]
    enough = above.sum() > 0 and effective_count(above) * max_unc**2 * (1 + _ROUNDING) >= 1
    return [edge] if enough and 0 < edge < n_rows else []


def _scores_and_weights(
    df: pd.DataFrame | Mapping[str, ArrayLike], pred_name: str, wgt_name: str | None
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    scores = column(df, pred_name).astype(np.float64)
    if scores.size and not 0 <= scores.min() <= scores.max() <= 1:
        raise DataError(f"{pred_name!r} must be from 0 to 1, got {scores.min():g} to {scores.max():g}")
    if wgt_name is None:
        return scores, np.ones_like(scores)
    if wgt_name not in df:
        raise DataError(
            f"there is no column {wgt_name!r}{did_you_mean(wgt_name, df.keys())}; pass wgt_name=, or wgt_name=None for "
            "weights of one"
        )
    weights = column(df, wgt_name).astype(np.float64)
    if len(weights) != len(scores):
        raise ShapeError(f"columns must have one length, got {len(scores)} of {pred_name!r}, {len(weights)} of weights")
    return scores, weights


def _labels(labels: NDArray[Any], name: str, used: NDArray[np.bool_]) -> NDArray[Any]:
    """Take the labels of the events that are used."""
    if len(labels) != len(used):
        raise ShapeError(f"columns must have one length, got {len(labels)} of {name!r} for {len(used)} predictions")
    labels = labels[used]
    if n_missing := int(pd.isna(labels).sum()):
        raise DataError(f"the column {name!r} has {n_missing} missing values of {len(labels)}; select before the call")
    return labels


def _checked_samples(labels: NDArray[Any], consider_samples: Sequence[object] | None) -> list[object]:
    """Give the samples to look at; each must be there."""
    try:
        present = list(dict.fromkeys(labels.tolist()))
    except TypeError as error:
        raise DataError(f"a sample must be text or a number, as it is grouped by: {error}") from error
    chosen = present if consider_samples is None else as_list(consider_samples)
    for sample in chosen:
        if sample not in present:
            raise DataError(f"there are no events of the sample {sample!r}{did_you_mean(sample, present)}")
    if not chosen:
        raise DataError("at least one sample with events of non-zero weight is needed, got none")
    return chosen


def _check_options(max_unc: float, max_unc_pure_signal: float, step_sz: float) -> None:
    for name, value in (("max_unc", max_unc), ("max_unc_pure_signal", max_unc_pure_signal)):
        if not is_number(value) or not value > 0:
            raise ConfigError(f"{name} must be a positive relative uncertainty, such as 0.1, got {value!r}")
    if not is_number(step_sz) or not 0 < step_sz <= 1:
        raise ConfigError(f"step_sz must be above 0 and at most 1, got {step_sz!r}")
