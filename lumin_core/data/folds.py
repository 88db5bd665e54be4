"""One fold on its way from the file: what is missing in it, and which inputs are used."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypedDict

import numpy as np

from lumin_core.data.matrix import mark_absent
from lumin_core.data.numbers import REAL
from lumin_core.data.schema import MatrixSchema
from lumin_core.data.values import nan_to_zero
from lumin_core.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from lumin_core.data.augmentation import Fold
    from lumin_core.data.schema import Schema


class FoldData(TypedDict):
    """One fold.

    Attributes:
        inputs: Shape ``(n, F)``, or a pair of these and a matrix ``(n, ...)``; float32.
        targets: Shape ``(n, n_targ)``.
        weights: Shape ``(n, 1)``, or ``None``.
    """

    inputs: np.ndarray | tuple[np.ndarray, np.ndarray]
    targets: np.ndarray
    weights: np.ndarray | None


def with_nan(fold: Fold, schema: Schema) -> Fold:
    """Make objects that are absent by zero padding NaN, in place, as augmentations take them.

    Args:
        fold: As it is stored.
        schema: Of the file.

    Example:
        >>> import numpy as np
        >>> from lumin_core.data.augmentation import Fold
        >>> from lumin_core.data.folds import with_nan
        >>> from lumin_core.data.schema import MatrixSchema, Schema
        >>> schema = Schema(matrix=MatrixSchema(shape=(2, 1), row_wise=True, zero_padded=True))
        >>> fold = Fold({"inputs": (np.ones((1, 1)), np.array([[[30.0], [0.0]]]))})
        >>> with_nan(fold, schema).matrix.tolist()
        [[[30.0], [nan]]]
    """
    if fold.matrix is not None and schema.matrix is not None and schema.matrix.zero_padded:
        fold.matrix[np.isnan(mark_absent(fold.matrix.copy(), schema.matrix))] = np.nan
    return fold


def yielded(fold: Fold, schema: Schema, ignored: Collection[str] = (), *, keep_nan: bool = False) -> FoldData:
    """Return what is yielded of a fold: missing values filled, and without the ignored features.

    Args:
        fold: All columns, NaN where a value is missing; its arrays are changed.
        schema: Of the file.
        ignored: Inputs to leave out.
        keep_nan: Whether values that are missing stay NaN, to be filled when batches are made.

    Example:
        >>> import numpy as np
        >>> from lumin_core.data.augmentation import Fold
        >>> from lumin_core.data.folds import yielded
        >>> from lumin_core.data.schema import Schema
        >>> data = {"inputs": np.array([[np.nan, 2.0]]), "targets": np.ones(1), "weights": None}
        >>> yielded(Fold(data), Schema(cont_feats=["pt", "eta"]), ["eta"])["inputs"]
        array([[0.]])
    """
    flat = np.ascontiguousarray(fold.flat)
    if not keep_nan:
        nan_to_zero(flat)
    if ignored:
        flat = flat[:, [i for i, feat in enumerate(schema.input_feats) if feat not in ignored]]
    data: FoldData = {"inputs": flat, "targets": fold["targets"], "weights": fold["weights"]}
    if fold.matrix is not None:
        of_matrix = MatrixSchema(shape=()) if schema.matrix is None else schema.matrix  # others need not say
        data["inputs"] = flat, mark_absent(np.ascontiguousarray(fold.matrix), of_matrix, keep_nan=keep_nan)
    return data


def joined(parts: Iterable[np.ndarray], n: int, column: str) -> np.ndarray:
    """Put folds together, each as it comes; one alone is not copied.

    Args:
        parts: The folds, the first of one event at least.
        n: Number of their events together.
        column: Which column of theirs it is, for the message.

    Raises:
        DataError: If some hold text, or values of another shape.

    Example:
        >>> import numpy as np
        >>> from lumin_core.data.folds import joined
        >>> joined([np.array([1, 2]), np.array([3])], 3, "event")
        array([1, 2, 3])
    """
    whole: np.ndarray | None = None
    start = 0
    for part in parts:
        if whole is None:
            whole = part if len(part) == n else np.empty((n, *part.shape[1:]), part.dtype)
        if (one := held_by(whole)) != (other := held_by(part)):
            raise DataError(f"column {column!r} holds {one} or {other}, by fold; read them one by one with fold_idx=")
        whole = whole.astype(np.promote_types(whole.dtype, part.dtype), copy=False)  # text may be longer
        if whole is not part:
            whole[start : start + len(part)] = part
        start += len(part)
    return np.empty(0) if whole is None else whole


def held_by(column: np.ndarray) -> str:
    """Say what a column holds, the same in every fold.

    Example:
        >>> import numpy as np
        >>> from lumin_core.data.folds import held_by
        >>> held_by(np.array(["e"])), held_by(np.ones((3, 2)))
        ('text', 'numbers of shape (2,)')
    """
    what = "numbers" if column.dtype.kind in REAL else "text"
    return f"{what} of shape {column.shape[1:]}" if column.ndim > 1 else what
