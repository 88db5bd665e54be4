"""Matrices of objects: packing from columns, absent objects, sparse storage.

A matrix of one event is row-wise ``(N, F)``, an object a row, or column-wise ``(F, N)``. In the
file it holds NaN where a value does not exist. On reading there are three cases. An *element that
never exists* (``missing`` in the meta data: an electron has no tau decay mode) is 0. A *single
missing value* of an object that is there is 0, as it is in flat inputs. An *absent object*, all of
whose values are NaN, is a row (column) of NaN, which `object_mask` finds.

Where absent objects were padded with zeros instead, the meta data say so: ``"zero_padded": true``
in ``matrix_feats`` (`declare_zero_padding`, or the writer's argument); on reading an object of
zeros then becomes NaN.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, overload

import numpy as np

from lumin_core.checks import check_names, did_you_mean
from lumin_core.data.values import blocks, has_nan
from lumin_core.errors import ConfigError, DataError, ShapeError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from lumin_core.data.schema import MatrixSchema


@overload
def object_mask(matrix: Tensor, row_wise: bool | None = True) -> Tensor: ...


@overload
def object_mask(matrix: np.ndarray, row_wise: bool | None = True) -> np.ndarray: ...


def object_mask(matrix: Any, row_wise: bool | None = True) -> Any:
    """Tell which objects are present: those with any value that is not NaN.

    Args:
        matrix: As a yielder gives it: row-wise ``(B, N, F)``, column-wise ``(B, F, N)``; also
            tensors of higher rank ``(B, N, ...)``, whose objects are along the second axis, and
            ``(B, N)``, one value an object.
        row_wise: ``matrix_feats["row_wise"]`` of the yielder; ``None``, as for tensors, counts as
            true. Column-wise, objects are along the last axis.

    Returns:
        Shape ``(B, N)``, true where present, of the same library and on the same device.

    Raises:
        ShapeError: If there are no objects: fewer than two axes.

    Example:
        >>> import numpy as np
        >>> from lumin_core import object_mask
        >>> object_mask(np.array([[[30.0, 0.1], [np.nan, np.nan]]]))
        array([[ True, False]])
    """
    if matrix.ndim < 2:
        raise ShapeError(f"matrix must be (B, N, F) or (B, F, N), got shape {tuple(matrix.shape)}")
    present = matrix == matrix  # false for NaN; the same for numpy and torch
    n, *middle, last = matrix.shape  # sizes written out, as -1 is ambiguous where there are no events
    if row_wise is False:
        return present.reshape(n, math.prod(middle), last).any(1)
    return present if matrix.ndim == 2 else present.reshape(*matrix.shape[:2], math.prod(matrix.shape[2:])).any(-1)


def matrix_lookup(
    feats: Sequence[str], vecs: Sequence[str], feats_per_vec: Sequence[str], row_wise: bool | None
) -> tuple[list[str], np.ndarray, tuple[int, int]]:
    """Find the columns ``{vec}_{feat}`` of a matrix.

    Args:
        feats: All columns there are.
        vecs: Names of the objects, the prefixes.
        feats_per_vec: Names of their features, the suffixes.
        row_wise: Whether an object is a row.

    Returns:
        The names of the columns that exist, in the order of the flattened matrix; the mask of the
        elements that do not exist, flattened; the shape of the matrix.

    Raises:
        ConfigError: If an argument is missing or names something twice.
        DataError: If an object or a feature does not exist at all.

    Example:
        >>> from lumin_core.data.matrix import matrix_lookup
        >>> matrix_lookup(["tau_px", "jet_px", "jet_m"], ["tau", "jet"], ["px", "m"], True)
        (['tau_px', 'jet_px', 'jet_m'], array([False,  True, False, False]), (2, 2))
    """
    if not feats_per_vec or not vecs or row_wise is None:
        raise ConfigError(
            "a matrix needs matrix_vecs, matrix_feats_per_vec and matrix_row_wise (True or False), "
            f"got {list(vecs or [])}, {list(feats_per_vec or [])}, {row_wise}"
        )
    check_names("matrix_vecs", vecs)
    check_names("matrix_feats_per_vec", feats_per_vec)
    known = set(feats)
    names = np.array([[f"{vec}_{feat}" for feat in feats_per_vec] for vec in vecs], dtype=object)
    exists = np.array([[name in known for name in row] for row in names])  # (N, F)
    prefixes = [name.rsplit("_", 1)[0] for name in feats]
    _refuse_unknown("matrix_vecs", vecs, [bool(row.any()) for row in exists], prefixes)
    suffixes = [name.rsplit("_", 1)[-1] for name in feats]
    _refuse_unknown("matrix_feats_per_vec", feats_per_vec, [bool(column.any()) for column in exists.T], suffixes)
    names, exists = (names, exists) if row_wise else (names.T, exists.T)
    return names[exists].tolist(), ~exists.reshape(-1), (exists.shape[0], exists.shape[1])


def _refuse_unknown(what: str, names: Sequence[str], exists: Sequence[bool], known: Sequence[str]) -> None:
    for name, there in zip(names, exists, strict=True):
        if not there:
            raise DataError(f"{what}: there is no column for {name!r} at all{did_you_mean(name, dict.fromkeys(known))}")


def pack(values: np.ndarray, missing: np.ndarray, shape: Sequence[int]) -> np.ndarray:
    """Pack existing columns into a matrix with NaN where there is none.

    Args:
        values: Shape ``(n, n_existing)``.
        missing: As from `matrix_lookup`.
        shape: As from `matrix_lookup`.

    Returns:
        Shape ``(n, *shape)``, float32.

    Example:
        >>> import numpy as np
        >>> from lumin_core.data.matrix import pack
        >>> pack(
        ...     np.array([[1.0, 2.0, 3.0]]), np.array([False, True, False, False]), (2, 2)
        ... ).tolist()
        [[[1.0, nan], [2.0, 3.0]]]
    """
    packed = np.full((len(values), missing.size), np.nan, dtype=np.float32)
    packed[:, ~missing] = values
    return packed.reshape(len(values), *shape)


def mark_absent(matrix: np.ndarray, schema: MatrixSchema, *, keep_nan: bool = False) -> np.ndarray:
    """Give a stored matrix the form that yielders hand out, in place; see the module's text.

    Args:
        matrix: Shape ``(n, ...)``, contiguous float32; changed.
        schema: What it holds.
        keep_nan: Whether a single missing value of an object that is there stays NaN, for
            `fill_objects`, which makes it 0.

    Returns:
        The same array.

    Raises:
        ShapeError: If the schema is of another shape.

    Example:
        >>> import numpy as np
        >>> from lumin_core.data.matrix import mark_absent
        >>> from lumin_core.data.schema import MatrixSchema
        >>> stored = np.array([[[1.0, np.nan], [np.nan, np.nan]]], dtype="float32")
        >>> mark_absent(stored, MatrixSchema(shape=(2, 2), row_wise=True)).tolist()
        [[[1.0, 0.0], [nan, nan]]]
    """
    missing = np.asarray(schema.missing, dtype=bool)
    if missing.any() and missing.size != math.prod(matrix.shape[1:]):
        raise ShapeError(
            f"matrix_feats says which of {missing.size} elements exist, but a matrix is {matrix.shape[1:]}"
        )
    never = missing.reshape(matrix.shape[1:]) if missing.any() else None
    for block in blocks(matrix):
        nan = np.isnan(block)
        unset = nan if never is None else nan | never
        empty = unset | (block == 0) if schema.zero_padded else unset
        if not empty.any():
            continue
        if not keep_nan:
            block[unset] = 0
        elif never is not None:
            block[:, never] = 0
        np.moveaxis(block, schema.object_axis, 1)[_all_of_object(empty, schema.object_axis)] = np.nan
    return matrix


def fill_objects(matrix: np.ndarray, object_axis: int) -> np.ndarray:
    """Return a matrix with 0 for what is missing of objects that are there; absent ones stay NaN.

    Args:
        matrix: Shape ``(n, ...)``, as from `mark_absent`.
        object_axis: `MatrixSchema.object_axis`, along which objects are.

    Returns:
        The same array where there is nothing to fill, else a copy.

    Example:
        >>> import numpy as np
        >>> from lumin_core.data.matrix import fill_objects
        >>> fill_objects(np.array([[[1.0, np.nan], [np.nan, np.nan]]]), 1).tolist()
        [[[1.0, 0.0], [nan, nan]]]
    """
    if not has_nan(matrix):
        return matrix
    filled = np.array(matrix, order="C")
    for block in blocks(filled):
        nan = np.isnan(block)
        np.moveaxis(nan, object_axis, 1)[_all_of_object(nan, object_axis)] = False
        block[nan] = 0
    return filled


def _all_of_object(true: np.ndarray, object_axis: int) -> np.ndarray:
    """Tell for which objects everything is true, shape ``(n, N)``."""
    objects = np.moveaxis(true, object_axis, 1)
    return np.asarray(objects.reshape(*objects.shape[:2], -1).all(-1))
