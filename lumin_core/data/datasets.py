"""Columns of a fold as HDF5 datasets: text of fixed width, and columns that grow."""

from __future__ import annotations

from typing import Any

import h5py
import numpy as np

from lumin_core.errors import ConfigError, DataError

CHUNK_BYTES = 1 << 20  # of a column that grows: large enough to be read about as fast as one in one piece


def save_to_grp(
    arr: np.ndarray, grp: h5py.Group, name: str, compression: str | int | None = None, *, growing: int | None = None
) -> None:
    """Save an array as a dataset.

    Text is stored as UTF-8 of fixed width, that of the longest; everything else keeps its dtype.

    Args:
        arr: Any shape; numbers, Booleans or text.
        grp: Where to.
        name: Of the dataset.
        compression: As h5py takes it: ``"gzip"``, ``"lzf"``, or a level 0 to 9; ``None`` for none.
        growing: Axis along which more is going to be added, if any.

    Raises:
        DataError: If the values cannot be stored: dates, missing text, mixed objects.
        ConfigError: If h5py does not know the compression.

    Example:
        >>> import h5py, numpy as np
        >>> from lumin_core import save_to_grp
        >>> with h5py.File("a", "w", driver="core", backing_store=False) as file:
        ...     save_to_grp(np.array(["ttbar", "Z→ττ"]), file, "process")
        ...     file["process"].dtype
        dtype('S8')
    """
    arr, dtype = _storable(arr, name)
    options = {} if growing is None else _growth(arr, growing)
    if compression is not None and arr.size:  # HDF5 does not compress what is empty
        options["compression"] = check_compression(compression)
    grp.create_dataset(name, data=arr, dtype=dtype, **options)


def _growth(arr: np.ndarray, axis: int) -> dict[str, Any]:
    """Give h5py's options of a dataset that grows along an axis."""
    limits, chunks = list(arr.shape), [max(1, n) for n in arr.shape]
    limits[axis] = None
    chunks[axis] = 1
    chunks[axis] = max(1, CHUNK_BYTES // (int(np.prod(chunks)) * arr.dtype.itemsize))
    return {"maxshape": tuple(limits), "chunks": tuple(chunks)} if 0 not in np.delete(arr.shape, axis) else {}


def check_compression(compression: str | int) -> str | int:
    """Refuse a compression that h5py does not have here.

    Example:
        >>> from lumin_core.data.fold_file import check_compression
        >>> check_compression("zip")
        Traceback (most recent call last):
        ...
        lumin_core.errors.ConfigError: compression must be 'gzip', 'lzf', a level 0 to 9 or None, got 'zip'
    """
    if compression in ("gzip", "lzf") or (isinstance(compression, int) and 0 <= compression <= 9):
        return compression
    raise ConfigError(f"compression must be 'gzip', 'lzf', a level 0 to 9 or None, got {compression!r}")


def _storable(arr: Any, name: str) -> tuple[np.ndarray, Any]:
    """Give the array and the dtype to store it with."""
    arr = np.asarray(arr)
    if arr.dtype.kind in "biufc":
        return arr, arr.dtype
    if arr.dtype.kind == "S":
        return arr, arr.dtype if arr.dtype.itemsize else np.dtype("S1")
    if arr.dtype.kind in "UOT":
        return _encoded(arr, name)
    raise DataError(
        f"column {name!r} has dtype {arr.dtype}, which fold files do not hold; convert it to numbers "
        "(dates: seconds since an epoch) or to text"
    )


def _encoded(arr: np.ndarray, name: str) -> tuple[np.ndarray, Any]:
    for value in arr.reshape(-1):
        if not isinstance(value, str):
            raise DataError(
                f"column {name!r} must hold numbers or text only, got {value!r} in it; convert or fill such values"
            )
    encoded = np.char.encode(arr.astype(str), "utf-8")
    dtype = h5py.string_dtype("utf-8", max(1, encoded.dtype.itemsize))
    return encoded.astype(dtype), dtype


def extend_in_grp(group: h5py.Group, column: str, values: np.ndarray, axis: int) -> None:
    """Add to a dataset that grows.

    Args:
        group: Where it is.
        column: Its name.
        values: What to add.
        axis: Along which axis.

    Raises:
        DataError: If the dtypes do not go together.

    Example:
        >>> import h5py, numpy as np
        >>> from lumin_core.data.datasets import extend_in_grp, save_to_grp
        >>> with h5py.File("a", "w", driver="core", backing_store=False) as file:
        ...     save_to_grp(np.array(["ttbar"]), file, "process", growing=0)
        ...     extend_in_grp(file, "process", np.array(["diboson"]), 0)
        ...     file["process"][()].tolist()
        [b'ttbar', b'diboson']
    """
    dataset = group[column]
    values, dtype = _storable(values, column)
    if values.dtype.kind != dataset.dtype.kind:
        raise DataError(
            f"column {column!r} has dtype {dataset.dtype} in the file, got {values.dtype} to add; convert it"
        )
    if np.dtype(dtype).itemsize > dataset.dtype.itemsize or dataset.chunks is None:  # longer text; no columns
        _replace(group, column, np.concatenate((dataset[()], values), axis), dtype, axis)
        return
    n = dataset.shape[axis]
    dataset.resize(n + values.shape[axis], axis=axis)
    dataset[(slice(None),) * axis + (slice(n, None),)] = values


def _replace(group: h5py.Group, column: str, values: np.ndarray, dtype: Any, axis: int) -> None:
    compression = group[column].compression
    del group[column]
    options = _growth(values, axis) | ({"compression": compression} if compression else {})
    group.create_dataset(column, data=values.astype(dtype), dtype=dtype, **options)
