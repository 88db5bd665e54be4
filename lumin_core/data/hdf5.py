"""HDF5: text of fixed width, columns that grow, files that are replaced as a whole."""

from __future__ import annotations

import shutil
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np

from lumin_core.data import room
from lumin_core.data.check_sums import SUM, check_sum, stored_sum, write_sum
from lumin_core.data.creation import LIBVER
from lumin_core.data.storable import LEAST, WASTE, check_widths, storable
from lumin_core.errors import ConfigError, DataError, FoldFileError
from lumin_core.files import Staged, naming, refuse_existing
from lumin_core.locks import locked

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from numpy.typing import ArrayLike


@contextmanager
def rewriting(path: str | Path) -> Iterator[h5py.File]:
    """Change an existing HDF5 file: a copy is opened, and takes its place at the end.

    Args:
        path: An existing file.

    Yields:
        The open copy. If the block raises, the file stays as it was.

    Raises:
        FoldFileError: If there is no such file, it is read-only, no HDF5, or being written.

    Example:
        >>> import h5py, tempfile
        >>> from lumin_core.data.hdf5 import rewriting
        >>> path = tempfile.mkdtemp() + "/a.hdf5"
        >>> h5py.File(path, "w").close()
        >>> with rewriting(path) as file:
        ...     file.attrs["note"] = "added"
        >>> with h5py.File(path) as file:
        ...     file.attrs["note"]
        'added'
    """
    with naming(path, FoldFileError):
        path = Path(path).expanduser().resolve()
    if not path.is_file():
        raise FoldFileError(f"there is no file {path}")
    with locked(path, FoldFileError), replacing(path) as file:
        yield file


@contextmanager
def replacing(path: Path) -> Iterator[h5py.File]:
    """Do the same as `rewriting`, for a caller who holds the lock.

    Args:
        path: An existing file, absolute.

    Yields:
        The open copy.

    Raises:
        FoldFileError: If it is read-only, or cannot be copied or opened.

    Example:
        See `rewriting`.
    """
    refuse_existing(path, overwrite=True, error=FoldFileError)
    with Staged(path, FoldFileError, held=True) as part, ExitStack() as undo:
        with room.saying(f"cannot copy {path} in order to add to it"):
            shutil.copy(path, part)  # with its permissions
            file = h5py.File(part, "r+", libver=LIBVER)
        undo.callback(room.give_up, file)
        room.set_aside(file, 0)
        yield file
        room.close(file)


CHUNK_BYTES = 1 << 20  # of a column that grows: large enough to be read about as fast as one in one piece


def save_to_grp(
    arr: ArrayLike, grp: h5py.Group, name: str, compression: str | int | None = None, *, growing: int | None = None
) -> None:
    """Save an array as a dataset.

    Text is stored as UTF-8 of fixed width, that of the longest; numbers keep their dtype, but where
    values are missing, whole numbers and Booleans become floats with NaN. The check sum of the
    values is written beside them, see `lumin_core.data.check_sums`.

    Args:
        arr: Any shape; numbers, Booleans or text.
        grp: Where to.
        name: Of the dataset.
        compression: As h5py takes it: ``"gzip"``, ``"lzf"``, or a level 0 to 9; ``None`` for none.
        growing: Axis along which more is going to be added, if any.

    Raises:
        DataError: If the values cannot be stored: dates, complex numbers, missing
            text, mixed objects, text that ends in NUL or is ten times as wide as what it holds.
        ConfigError: If h5py does not know the compression.

    Example:
        >>> import h5py, numpy as np
        >>> from lumin_core import save_to_grp
        >>> with h5py.File("a", "w", driver="core", backing_store=False) as file:
        ...     save_to_grp(np.array(["ttbar", "Z→ττ"]), file, "process")
        ...     file["process"].dtype
        dtype('S8')
    """
    write_column(storable(arr, name), grp, name, compression, growing=growing)


def write_column(
    arr: np.ndarray, grp: h5py.Group, name: str, compression: str | int | None = None, *, growing: int | None = None
) -> None:
    """Do the same as `save_to_grp`, for a column that `storable` gave.

    Args:
        arr: Numbers, bytes, or objects that are text.
        grp: As for `save_to_grp`, as are the following.
        name: Of the dataset.
        compression: As h5py takes it.
        growing: Axis along which more is going to be added.

    Example:
        See `save_to_grp`.
    """
    values = _encoded(arr)
    options = {} if growing is None else _growth(values, growing)
    if compression is not None and values.size:  # HDF5 does not compress what is empty
        options["compression"] = check_compression(compression)
    room.set_aside(grp, values.nbytes, chunk_bytes=_chunk_bytes(values, options))
    dataset = grp.create_dataset(name, data=values, dtype=values.dtype, **options)
    write_sum(dataset, check_sum(values))


def _growth(values: np.ndarray, axis: int) -> dict[str, Any]:
    """Give h5py's options of a dataset that grows along an axis; one without columns cannot."""
    others = np.delete(values.shape, axis)
    if 0 in others:
        return {}
    chunks = list(values.shape)
    chunks[axis] = max(1, CHUNK_BYTES // (int(others.prod()) * values.dtype.itemsize))
    limits = [None if i == axis else n for i, n in enumerate(values.shape)]
    return {"maxshape": tuple(limits), "chunks": tuple(chunks)}


def check_compression(compression: str | int) -> str | int:
    """Refuse a compression that h5py does not have here.

    Example:
        >>> from lumin_core.data.hdf5 import check_compression
        >>> check_compression("zip")
        Traceback (most recent call last):
        ...
        lumin_core.errors.ConfigError: compression must be 'gzip', 'lzf', ... or None, got 'zip'
    """
    if compression in ("gzip", "lzf") or (isinstance(compression, int) and 0 <= compression <= 9):
        return compression
    raise ConfigError(f"compression must be 'gzip', 'lzf', a level 0 to 9 or None, got {compression!r}")


def _chunk_bytes(values: np.ndarray, options: Mapping[str, Any]) -> int:
    """Return how large a chunk is, 0 where there is none; h5py's own choice is below ours."""
    if "chunks" in options:
        return int(np.prod(options["chunks"])) * values.dtype.itemsize
    return min(values.nbytes, CHUNK_BYTES) if options else 0


def _encoded(arr: np.ndarray) -> np.ndarray:
    """Return a column from `storable` as it is stored: text is UTF-8 of one width."""
    if arr.dtype.kind == "O":
        encoded = np.char.encode(arr.astype(str), "utf-8", "surrogateescape")
        return encoded.astype(h5py.string_dtype("utf-8", max(1, encoded.dtype.itemsize)))
    return arr if arr.dtype.itemsize else arr.astype("S1")


def add_fitted(group: h5py.Group, column: str, values: np.ndarray, axis: int) -> None:
    """Add what `fitting` gave to a dataset that grows.

    The check sum grows with the first axis; along another one it is removed, to be computed when
    the file is complete.

    Args:
        group: As for `fitting`, as are ``column`` and ``axis``.
        column: The dataset's name.
        values: From `fitting`.
        axis: Along which axis.

    Example:
        >>> import h5py, numpy as np
        >>> from lumin_core.data.hdf5 import add_fitted, fitting, save_to_grp
        >>> with h5py.File("a", "w", driver="core", backing_store=False) as file:
        ...     save_to_grp(np.array([1.5]), file, "mass", growing=0)
        ...     add_fitted(file, "mass", fitting(file, "mass", np.array([2.5]), 0), 0)
        ...     file["mass"][()].tolist()
        [1.5, 2.5]
    """
    dataset = group[column]
    if values.dtype.itemsize > dataset.dtype.itemsize or dataset.chunks is None:  # longer text; no columns
        together, compression = np.concatenate((dataset[()], values), axis), dataset.compression
        del group[column]
        write_column(together.astype(values.dtype), group, column, compression, growing=axis)
        return
    n, before = dataset.shape[axis], stored_sum(dataset)
    values = values.astype(dataset.dtype, copy=False)
    room.set_aside(group, values.nbytes, chunk_bytes=CHUNK_BYTES)
    dataset.resize(n + values.shape[axis], axis=axis)
    dataset[(slice(None),) * axis + (slice(n, None),)] = values
    if axis == 0 and before is not None:
        write_sum(dataset, check_sum(values, before))
    else:
        dataset.attrs.pop(SUM, None)


def fitting(group: h5py.Group, column: str, values: np.ndarray, axis: int) -> np.ndarray:
    """Return values as they are added to a dataset that grows.

    Args:
        group: Where it is.
        column: The dataset's name.
        values: What to add, from `storable`.
        axis: Along which axis.

    Raises:
        DataError: If the dtypes do not go together.

    Example:
        >>> import h5py, numpy as np
        >>> from lumin_core.data.hdf5 import fitting, save_to_grp
        >>> with h5py.File("a", "w", driver="core", backing_store=False) as file:
        ...     save_to_grp(np.array([1.5]), file, "mass", growing=0)
        ...     fitting(file, "mass", np.array([2]), 0)
        Traceback (most recent call last):
        lumin_core.errors.DataError: column 'mass' has dtype float64 in the file, got int64 to ...
    """
    dataset = group[column]
    values = _encoded(values)
    if values.dtype.kind != dataset.dtype.kind:
        raise DataError(
            f"column {column!r} has dtype {dataset.dtype} in the file, got {values.dtype} to add; convert it"
        )
    width = max(values.dtype.itemsize, dataset.dtype.itemsize)
    if values.dtype.kind == "S" and width > WASTE * LEAST:
        lengths = np.char.str_len(np.concatenate((dataset[()], values), axis)).reshape(-1)
        check_widths(lengths, max(1, values[:1].size), column)
    return values
