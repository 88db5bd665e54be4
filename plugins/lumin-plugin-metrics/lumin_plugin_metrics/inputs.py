"""What all metrics ask of predictions, targets and weights."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lumin_core.data import as_numbers
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
        Predictions ``(n, n_out)``, targets ``(n, n_targ)``, and weights ``(n,)`` as doubles.

    Raises:
        ShapeError: If the shapes are others.
        DataError: If there are no events of non-zero weight, predictions or targets are missing
            (masked, NA or NaN), or weights not finite.

    Example:
        >>> from lumin_plugin_metrics.inputs import events
        >>> preds, targets, weights = events([0.2, 0.7, 0.9], [0, 1, 1], [[1.0], [2.0], [0.0]])
        >>> preds.shape, targets.shape, weights
        ((2, 1), (2, 1), array([1., 2.]))
    """
    p, t = table(preds, "predictions"), table(targets, "targets")
    w = np.ones((len(p), 1)) if weights is None else table(weights, "weights").astype(np.float64)
    if not len(p) == len(t) == len(w):
        raise ShapeError(f"predictions, targets and weights must have one length, got {len(p)}, {len(t)} and {len(w)}")
    if w.shape[1] != 1:
        raise ShapeError(f"weights must be one an event, (n,) or (n, 1), got {w.shape}")
    if n_bad := int((~np.isfinite(w)).sum()):
        raise DataError(f"weights must be finite, got {n_bad} NaN or infinite of {len(w)} (masked and NA are NaN)")
    used = w[:, 0] != 0
    if not used.any():
        raise DataError(f"a metric needs at least one event of non-zero weight, got none of {len(w)}")
    if not used.all():
        p, t, w = p[used], t[used], w[used]
    for array, name in ((p, "predictions"), (t, "targets")):
        if np.isnan(array).any():
            n_bad = int(np.isnan(array).any(1).sum())
            raise DataError(f"{name} must not be NaN, got {n_bad} such events of {len(p)} (masked and NA are NaN)")
    return p, t, w[:, 0]


def binary_events(
    preds: ArrayLike, targets: ArrayLike, weights: ArrayLike | None, metric: str
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Do as `events` for a metric of one score and of signal and background.

    Args:
        preds: Shape ``(n,)`` or ``(n, 1)``.
        targets: 0 or 1, shape ``(n,)`` or ``(n, 1)``.
        weights: As in `events`.
        metric: The metric's name, for the message.

    Returns:
        Scores, whether an event is signal, and weights, each ``(n,)``.

    Raises:
        ShapeError: If there are several columns, and as `events`.
        DataError: If targets are not 0 or 1, and as `events`.

    Example:
        >>> from lumin_plugin_metrics.inputs import binary_events
        >>> binary_events([[0.2], [0.7]], [0, 1], None, "mine")
        (array([0.2, 0.7]), array([False,  True]), array([1., 1.]))
    """
    p, t, w = events(preds, targets, weights)
    if p.shape[1] != 1 or t.shape[1] != 1:
        raise ShapeError(
            f"{metric} takes one column of predictions and one of targets, got {p.shape} and {t.shape}; "
            "call it for each label or class by itself"
        )
    require_binary(t)
    return p[:, 0], t[:, 0] == 1, w


def regression_events(
    preds: ArrayLike, targets: ArrayLike, weights: ArrayLike | None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Do as `events` for a metric of the differences between predictions and targets.

    Args:
        preds: Shape ``(n,)`` or ``(n, n_targ)``.
        targets: The same.
        weights: As in `events`.

    Returns:
        Predictions ``(n, n_targ)``, targets ``(n, n_targ)`` and weights ``(n,)``, all as doubles.

    Raises:
        ShapeError: If predictions and targets are not alike, and as `events`.
        DataError: If one is infinite, and as `events`.

    Example:
        >>> from lumin_plugin_metrics.inputs import regression_events
        >>> preds, targets, weights = regression_events([1, 2], [1, 3], None)
        >>> preds.shape, preds.dtype
        ((2, 1), dtype('float64'))
    """
    p, t, w = events(preds, targets, weights)
    if p.shape != t.shape:
        raise ShapeError(f"predictions and targets must have as many columns, got {p.shape} and {t.shape}")
    for array, name in ((p, "predictions"), (t, "targets")):
        if not np.isfinite(array).all():
            raise DataError(
                f"{name} must be finite, got {int((~np.isfinite(array)).any(1).sum())} infinite of {len(p)}"
            )
    return p.astype(np.float64), t.astype(np.float64), w


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


def class_numbers(targets: np.ndarray, n_classes: int) -> np.ndarray:
    """Give class numbers as integers, and refuse what is none.

    Args:
        targets: Shape ``(n,)``.
        n_classes: The number of classes.

    Raises:
        DataError: If a target is not a whole number from 0 to ``n_classes - 1``.

    Example:
        >>> import numpy as np
        >>> from lumin_plugin_metrics.inputs import class_numbers
        >>> class_numbers(np.array([0.0, 2.0]), 3)
        array([0, 2])
    """
    wrong = (targets != np.floor(targets)) | (targets < 0) | (targets >= n_classes)
    if wrong.any():
        raise DataError(
            f"class numbers must be whole, from 0 to {n_classes - 1} for {n_classes} columns of predictions, "
            f"got {np.unique(targets[wrong])[:5].tolist()}"
        )
    return targets.astype(np.int64)


def table(array: ArrayLike, name: str) -> np.ndarray:
    """Give ``(n,)`` or ``(n, k)`` as a numeric ``(n, k)``, NaN where a value is missing.

    Args:
        array: The array, masked or not, or columns of pandas.
        name: What it holds, for the message.

    Raises:
        ShapeError: If it has another shape.
        DataError: If it does not hold numbers.

    Example:
        >>> from lumin_plugin_metrics.inputs import table
        >>> table([1, 2], "targets").shape
        (2, 1)
    """
    values = as_numbers(array, name)
    values = values[:, None] if values.ndim == 1 else values
    if values.ndim != 2:
        raise ShapeError(f"{name} must have shape (n,) or (n, k), got {values.shape}")
    return values
