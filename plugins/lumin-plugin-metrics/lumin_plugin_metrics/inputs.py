"""What all metrics ask of predictions, targets and weights."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lumin_core.errors import DataError, ShapeError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike


def events(
    preds: ArrayLike, targets: ArrayLike, weights: ArrayLike | None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Bring the inputs of a metric into one shape, and leave out the events of weight zero.

    Args:
        preds: Shape ``(n,)`` or ``(n, n_out)``.
        targets: Shape ``(n,)`` or ``(n, n_targ)``.
        weights: Shape ``(n,)`` or ``(n, 1)``, or ``None`` for one each.

    Returns:
        Predictions ``(n, n_out)``, targets ``(n, n_targ)`` and weights ``(n,)`` of doubles.

    Raises:
        ShapeError: If the shapes are others.
        DataError: If there are no events of non-zero weight, predictions or targets are NaN, or weights not finite.

    Example:
        >>> from lumin_plugin_metrics.inputs import events
        >>> preds, targets, weights = events([0.2, 0.7, 0.9], [0, 1, 1], [[1.0], [2.0], [0.0]])
        >>> preds.shape, targets.shape, weights
        ((2, 1), (2, 1), array([1., 2.]))
    """
    p, t = _table(preds, "predictions"), _table(targets, "targets")
    w = np.ones((len(p), 1)) if weights is None else _table(weights, "weights").astype(np.float64)
    if not len(p) == len(t) == len(w):
        raise ShapeError(f"predictions, targets and weights must have one length, got {len(p)}, {len(t)} and {len(w)}")
    if w.shape[1] != 1:
        raise ShapeError(f"weights must be one an event, (n,) or (n, 1), got {w.shape}")
    if not np.isfinite(w).all():
        raise DataError(f"weights must be finite, got {int((~np.isfinite(w)).sum())} NaN or infinite of {len(w)}")
    used = w[:, 0] != 0
    if not used.any():
        raise DataError(f"a metric needs at least one event of non-zero weight, got none of {len(w)}")
    if not used.all():
        p, t, w = p[used], t[used], w[used]
    for array, name in ((p, "predictions"), (t, "targets")):
        if np.isnan(array).any():
            raise DataError(f"{name} must not be NaN, got {int(np.isnan(array).any(1).sum())} such events of {len(p)}")
    return p, t, w[:, 0]


def require_binary(targets: np.ndarray) -> None:
    """Refuse targets that are not 0 or 1.

    Raises:
        DataError: If there are others.

    Example:
        >>> import numpy as np
        >>> from lumin_plugin_metrics.inputs import require_binary
        >>> require_binary(np.array([0.0, 1.0]))
    """
    if not np.isin(targets, (0, 1)).all():
        others = np.setdiff1d(targets, (0, 1))
        raise DataError(f"targets must be 0 (background) or 1 (signal), got {others[:5].tolist()} too")


def _table(array: ArrayLike, name: str) -> np.ndarray:
    """Give ``(n,)`` or ``(n, k)`` as a numeric ``(n, k)``."""
    table = np.asarray(array)
    if table.dtype.kind not in "biuf":
        raise DataError(f"{name} must be numbers, got an array of {table.dtype}")
    table = table[:, None] if table.ndim == 1 else table
    if table.ndim != 2:
        raise ShapeError(f"{name} must have shape (n,) or (n, k), got {table.shape}")
    return table
