"""The edges of bins: those that are given, or chosen by the values that are to be shown."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from lumin_core.checks import positive
from lumin_core.errors import ConfigError, DataError

if TYPE_CHECKING:
    from collections.abc import Sequence

Bins: TypeAlias = "int | Sequence[float] | np.ndarray"
"""How many bins of one width, or their edges."""

_MOST_WHOLE = 25  # as many different whole numbers have a bin each
_TAIL = 0.005  # on either side, of the events, is beyond the axis


def edges_of(values: np.ndarray, bins: Bins, *, limits: tuple[float, float] | None = None) -> np.ndarray:
    """Choose the edges of bins.

    Args:
        values: All values that are to be shown, NaN for what is missing, shape ``(n,)``.
        bins: The edges, or how many bins of one width there are: from limit to limit, without them
            over the central 99 % of the events. Up to 25 different whole numbers have a bin each.
        limits: Of the axis, such as 0 and 1.

    Returns:
        The edges, rising, shape ``(n_bins + 1,)``.

    Raises:
        ConfigError: If ``bins`` are neither edges that rise nor a positive number.
        DataError: If there are no finite values.

    Example:
        >>> import numpy as np
        >>> from lumin_plugin_plots.bin_edges import edges_of
        >>> edges_of(np.array([0.0, 1.0, 3.0]), 50)
        array([-0.5,  0.5,  1.5,  2.5,  3.5])
    """
    if np.ndim(bins) > 0:
        return _checked(bins)
    n_bins = positive(bins, "bins")
    finite = values[np.isfinite(values)]
    if not len(finite):
        raise DataError("there are no finite values to show; give a column, or a mask, that has some")
    if limits is not None:
        return np.linspace(*limits, n_bins + 1)
    if (whole := _whole_edges(finite)) is not None:
        return whole
    low, high = np.quantile(finite, (_TAIL, 1 - _TAIL))
    if low == high:
        low, high = finite.min(), finite.max()
    if low == high:
        low, high = low - max(0.5, abs(low) / 2), high + max(0.5, abs(high) / 2)
    return np.linspace(low, high, n_bins + 1)


def _checked(bins: Bins) -> np.ndarray:
    edges = np.asarray(bins)
    is_row = edges.ndim == 1 and len(edges) > 1 and edges.dtype.kind in "iuf"
    if not (is_row and np.isfinite(edges).all() and (np.diff(edges) > 0).all()):
        raise ConfigError(f"bins must be their number, or at least two edges that rise, got {bins!r}")
    return edges.astype(np.float64)


def _whole_edges(finite: np.ndarray) -> np.ndarray | None:
    low, high = finite.min(), finite.max()
    is_wide = high - low >= _MOST_WHOLE or max(-low, high) > 2**50  # beyond which halves are lost to rounding
    if is_wide or not np.array_equal(finite, np.round(finite)):
        return None
    return np.arange(low - 0.5, high + 1)
