"""Selected events as rows of one dtype: how a spool holds them.

A row has the fields ``file`` (number of the input), ``entry``, ``flat``, ``codes`` (of categories),
``matrix``, ``targets``, ``weights`` and ``train_weight``, as far as the recipe has such, and each
further column as ``misc.<name>``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import numpy as np

from lumin_plugin_io.file_columns import KEYS, TRAIN_WEIGHT

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from lumin_plugin_io.selected import Selected

    Columns = dict[str, np.ndarray]
    """Fields of rows, each of shape ``(n, ...)``."""

OWN = (*KEYS, TRAIN_WEIGHT)
"""Further columns that have fields of their own names."""
MISC = "misc."
"""Before the names of further columns."""


def columns_of(selected: Selected, codes: np.ndarray, number: int = 0, *, train_weight: bool = False) -> Columns:
    """Return the fields of events.

    Args:
        selected: The events.
        codes: Of their categories, shape ``(n, n_cat)``, int32.
        number: Of the input.
        train_weight: Whether there is room for a training weight, which is not known yet.

    Example:
        >>> import numpy as np
        >>> from lumin_plugin_io.rows import columns_of
        >>> from lumin_plugin_io.selected import Selected
        >>> events = Selected(
        ...     entry=np.array([4]),
        ...     flat=np.array([[1.5]], dtype="float32"),
        ...     categories={},
        ...     matrix=None,
        ...     targets=None,
        ...     weights=np.array([2.0]),
        ...     misc={"run": np.array([7])},
        ...     split_keys=None,
        ...     strata=np.array([0]),
        ...     group=None,
        ...     n_read=5,
        ...     n_cut={},
        ... )
        >>> columns = columns_of(events, codes=np.zeros((1, 0)))
        >>> {name: values.dtype.str for name, values in columns.items()}
        {'file': '<i4', 'entry': '<i8', 'flat': '<f4', 'weights': '<f4', 'misc.run': '<i8'}
    """
    n = len(selected.entry)
    weights = None if selected.weights is None else selected.weights.astype(np.float32)
    fields = {
        "file": np.full(n, number, dtype=np.int32),
        "entry": selected.entry,
        "flat": selected.flat,
        "codes": codes,
        "matrix": selected.matrix,
        "targets": selected.targets,
        "weights": weights,
        TRAIN_WEIGHT: np.zeros(n, dtype=np.float32) if train_weight else None,
        **{MISC + name: values for name, values in selected.misc.items()},
    }
    return {name: values for name, values in fields.items() if values is not None and 0 not in values.shape[1:]}


def packed(pieces: Sequence[Columns], order: np.ndarray) -> np.ndarray:
    """Return events as rows.

    Args:
        pieces: Their fields, piece by piece; those of a field may differ in dtype.
        order: Of the rows.

    Returns:
        A structured array, shape ``(len(order),)``.

    Example:
        >>> import numpy as np
        >>> from lumin_plugin_io.rows import packed
        >>> pieces = [{"entry": np.array([3, 5])}, {"entry": np.array([8])}]
        >>> packed(pieces, np.array([2, 0, 1]))["entry"].tolist()
        [8, 3, 5]
    """
    dtypes = {name: np.result_type(*(piece[name] for piece in pieces)) for name in pieces[0]}
    rows = np.empty(len(order), dtype=[(name, dtypes[name], pieces[0][name].shape[1:]) for name in dtypes])
    for name in dtypes:
        whole = pieces[0][name] if len(pieces) == 1 else np.concatenate([piece[name] for piece in pieces])
        rows[name] = np.take(whole, order, axis=0)
    return rows


def dtype_to_json(dtype: np.dtype) -> list[list[object]]:
    """Return the fields of rows as plain values.

    Example:
        >>> import numpy as np
        >>> from lumin_plugin_io.rows import dtype_to_json
        >>> dtype_to_json(np.dtype([("flat", "f4", (2,))]))
        [['flat', '<f4', [2]]]
    """
    fields = cast("Mapping[str, tuple[np.dtype, int]]", dtype.fields)
    return [[name, inner.base.str, list(inner.shape)] for name, (inner, *_) in fields.items()]


def dtype_from_json(fields: Sequence[Sequence[object]]) -> np.dtype:
    """Return the dtype that `dtype_to_json` gave the fields of.

    Example:
        >>> from lumin_plugin_io.rows import dtype_from_json
        >>> dtype_from_json([["flat", "<f4", [2]]])
        dtype([('flat', '<f4', (2,))])
    """
    listed = cast("Sequence[tuple[str, str, list[int]]]", fields)
    return np.dtype([(name, text, tuple(shape)) for name, text, shape in listed])
