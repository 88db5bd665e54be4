"""The structure of a fold file: where it is, its folds and columns, and what is no such file."""

from __future__ import annotations

import math
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import h5py
import numpy as np

from lumin_core.data.check_sums import names_in
from lumin_core.data.file_names import with_suffix
from lumin_core.data.values import RESERVED
from lumin_core.errors import ConfigError, FoldFileError, LuminError
from lumin_core.files import naming
from lumin_core.looks import another, nearby

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from lumin_core.data.schema import Schema

CHECKED = "checked"  # attribute of a fold that we wrote, which earlier versions go by
ODD = (ArithmeticError, AttributeError, LookupError, MemoryError, OSError, RuntimeError, TypeError, ValueError)
"""What h5py and numpy may raise of a damaged file."""
NUMBERS, TEXT = "biufc", "SO"  # kinds of dtypes; objects are text of variable width
_MAKES_ONE = "; df2foldfile or FoldFileWriter makes one"
WAY_OUT = "bring back a copy, or make it anew"
MOST_PACKED = 1100  # bytes that one byte of a compressed file stands for at most, by gzip: 1032


@contextmanager
def reading(path: Path | str, what: str = "") -> Iterator[None]:
    """Turn whatever a damaged file leads to into one error that names it.

    Args:
        path: The file.
        what: What is read of it, for the message.

    Raises:
        FoldFileError: If the block raises what is none of our errors.

    Example:
        >>> from lumin_core.data.structure import reading
        >>> with reading("a.hdf5", "fold_0/inputs"):
        ...     raise RuntimeError("wrong version number")
        Traceback (most recent call last):
        lumin_core.errors.FoldFileError: a.hdf5: fold_0/inputs cannot be read: wrong version ...
    """
    try:
        yield
    except LuminError:
        raise
    except ODD as error:
        said = str(error) or type(error).__name__
        raise FoldFileError(
            f"{path}: {what or 'it'} cannot be read: {said}; the file is damaged, or no fold file: {WAY_OUT} "
            "(lumin check says more)"
        ) from error


def fold_numbers(file: h5py.File) -> list[int]:
    """Return the numbers of a file's folds in ascending order.

    Raises:
        FoldFileError: If they are not 0, 1, 2, ... without gaps.

    Example:
        >>> import h5py
        >>> from lumin_core.data.structure import fold_numbers
        >>> with h5py.File("a", "w", driver="core", backing_store=False) as file:
        ...     for i in range(12):
        ...         _ = file.create_group(f"fold_{i}")
        ...     fold_numbers(file)[:3]
        [0, 1, 2]
    """
    numbers = sorted(int(name[5:]) for name in names_in(file) if name.startswith("fold_") and name[5:].isdecimal())
    if numbers != list(range(len(numbers))):
        gaps = sorted(set(range(numbers[-1])) - set(numbers))
        raise FoldFileError(f"{file.filename}: folds must be numbered from 0 without gaps, missing {gaps}; {WAY_OUT}")
    return numbers


def fold_name(fold: object) -> str:
    """Return the name of a fold in the file.

    Raises:
        ConfigError: If it is not a number 0, 1, 2, ...

    Example:
        >>> from lumin_core.data.structure import fold_name
        >>> fold_name(0)
        'fold_0'
    """
    if isinstance(fold, bool) or not isinstance(fold, int | np.integer) or fold < 0:
        raise ConfigError(f"fold must be a number 0, 1, 2, ..., got {fold!r}")
    return f"fold_{fold}"


def find_file(foldfile: str | Path | h5py.File) -> Path:
    """Return the absolute path of a fold file, whose suffix may be left out.

    Args:
        foldfile: Its name, or the open file, which is flushed.

    Raises:
        FoldFileError: If there is no such file.

    Example:
        >>> from lumin_core.data.structure import find_file
        >>> find_file("no_such")
        Traceback (most recent call last):
        ...
        lumin_core.errors.FoldFileError: there is no fold file .../no_such; df2foldfile or ...
    """
    if isinstance(foldfile, h5py.File):
        foldfile.flush()
        foldfile = foldfile.filename
    with naming(foldfile, FoldFileError):
        path = Path(foldfile).expanduser().resolve()
    if not path.exists() and with_suffix(path).is_file():
        return with_suffix(path)
    if not path.is_file():
        end = f": it is {it_is}" if (it_is := another(path)) else nearby(with_suffix(path)) or _MAKES_ONE
        raise FoldFileError(f"there is no fold file {path}{end}")
    return path


def open_file(path: Path) -> h5py.File:
    """Open a fold file for reading.

    Raises:
        FoldFileError: If it is not there any more, or not to be read.

    Example:
        >>> import pathlib
        >>> from lumin_core.data.structure import open_file
        >>> open_file(pathlib.Path("no_such.hdf5"))
        Traceback (most recent call last):
        ...
        lumin_core.errors.FoldFileError: no_such.hdf5 is not there any more
    """
    try:
        return h5py.File(path, "r")
    except ODD as error:
        if not path.exists():
            raise FoldFileError(f"{path} is not there any more") from error
        if it_is := another(path, "hdf5"):
            raise FoldFileError(f"{path} is no HDF5 file, but {it_is}") from error
        raise FoldFileError(f"{path} is no HDF5 file, truncated, or not to be read: {error}; {WAY_OUT}") from error


def fold_sizes(file: h5py.File) -> dict[int, int]:
    """Count the events of every fold.

    Raises:
        FoldFileError: If there is no fold, or one without inputs or targets.

    Example:
        >>> import h5py, numpy as np
        >>> from lumin_core.data.structure import fold_sizes
        >>> with h5py.File("a", "w", driver="core", backing_store=False) as file:
        ...     file["fold_0/inputs"], file["fold_0/targets"] = np.ones((3, 2)), np.ones(3)
        ...     fold_sizes(file)
        {0: 3}
    """
    numbers = fold_numbers(file)
    if not numbers:
        raise FoldFileError(f"{file.filename} is no fold file: it has no group fold_0; df2foldfile makes one")
    for i in numbers:
        for column in ("inputs", "targets"):
            if not isinstance(file.get(f"fold_{i}/{column}"), h5py.Dataset):
                raise FoldFileError(f"{file.filename} is no fold file: fold_{i} has no {column}; {WAY_OUT}")
    return {i: len(file[f"fold_{i}/inputs"]) for i in numbers}


def column_names(file: h5py.File, n_folds: int) -> list[str]:
    """Return the columns of the folds; those of some folds only as well.

    Example:
        >>> import h5py, numpy as np
        >>> from lumin_core.data.structure import column_names
        >>> with h5py.File("a", "w", driver="core", backing_store=False) as file:
        ...     file["fold_0/inputs"], file["fold_1/pred"] = np.ones((3, 2)), np.ones(3)
        ...     column_names(file, 2)
        ['inputs', 'pred']
    """
    return list(dict.fromkeys(name for i in range(n_folds) for name in names_in(file[f"fold_{i}"])))


def check_columns(file: h5py.File, schema: Schema, sizes: Mapping[int, int]) -> None:
    """Refuse columns whose dtype, shape or size cannot be.

    Args:
        file: Open.
        schema: What it has: inputs, targets, weights, matrix and listed columns are looked at.
        sizes: Number of events by fold.

    Raises:
        FoldFileError: Naming the column, what is expected, and what there is.

    Example:
        >>> import h5py, numpy as np
        >>> from lumin_core.data.schema import Schema
        >>> from lumin_core.data.structure import check_columns
        >>> with h5py.File("a", "w", driver="core", backing_store=False) as file:
        ...     file["fold_0/inputs"], file["fold_0/targets"] = np.ones((3, 2)), np.ones(2)
        ...     check_columns(file, Schema(cont_feats=["pt", "eta"]), {0: 3})
        Traceback (most recent call last):
        lumin_core.errors.FoldFileError: a: fold_0/targets must have 3 rows, as inputs have, ...
    """
    for i, n in sizes.items():
        fold = file[f"fold_{i}"]
        for column in (*RESERVED, *schema.misc_feats):
            if column in fold and (wrong := _wrong(fold[column], column, n, schema, file.id.get_filesize())):
                raise FoldFileError(
                    f"{file.filename}: fold_{i}/{column} must {wrong}; the file is damaged, or was written by hand: "
                    f"{WAY_OUT}"
                )


def _wrong(dataset: h5py.Dataset, column: str, n: int, schema: Schema, n_bytes: int) -> str | None:
    """Say what a column must be that it is not."""
    kinds = NUMBERS if column in RESERVED else NUMBERS + TEXT
    if not isinstance(dataset, h5py.Dataset) or dataset.dtype.kind not in kinds:
        what = dataset.dtype if isinstance(dataset, h5py.Dataset) else type(dataset).__name__
        return f"be a dataset of numbers{' or text' * (column not in RESERVED)}, got {what}"
    if dataset.nbytes > n_bytes * _packing(dataset):
        return f"fit into a file of {n_bytes} bytes, got shape {dataset.shape}, {dataset.nbytes} bytes"
    tensor, shape = schema.tensor(column), dataset.shape
    if tensor is not None and tensor.is_sparse:
        n_rows = 2 + len(tensor.shape)
        return None if len(shape) == 2 and shape[0] == n_rows else f"be ({n_rows}, n) as sparse data, got shape {shape}"
    if not shape or shape[0] != n:
        return f"have {n} rows, as inputs have, got shape {shape}"
    if column == "inputs" and shape[1:] != (len(schema.input_feats),):
        return f"be (n, {len(schema.input_feats)}) for the features, got {shape}"
    if tensor is not None and math.prod(shape[1:]) != math.prod(tensor.shape):
        return f"be {(n, *tensor.shape)}, got shape {shape}"
    return f"be ({n},), got shape {shape}" if column == "weights" and shape not in ((n,), (n, 1)) else None


def _packing(dataset: h5py.Dataset) -> float:
    """Return how many bytes a byte of the file may stand for."""
    if dataset.is_virtual or dataset.external:
        return math.inf
    return 1 if dataset.chunks is None else MOST_PACKED


def decoded(values: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """Return text as `str`, whether of fixed or of variable width, and numbers as they are.

    Args:
        values: As read.
        dtype: Of the dataset.

    Example:
        >>> import numpy as np
        >>> from lumin_core.data.structure import decoded
        >>> decoded(np.array([b"ttbar"]), np.dtype("S5"))
        array(['ttbar'], dtype='<U5')
    """
    if values.dtype.kind == "O" and h5py.check_string_dtype(dtype) is not None:
        values = values.astype(np.bytes_)
    return np.char.decode(values, "utf-8", "surrogateescape") if values.dtype.kind == "S" else values
