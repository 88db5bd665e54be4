"""An open fold file: its structure, its columns, and what happens when it is replaced."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np

from lumin_core.checks import as_list, check_names
from lumin_core.data.fold_file import CHECKED, fold_numbers
from lumin_core.data.hdf5 import with_suffix
from lumin_core.data.meta import MetaData, read_meta_data
from lumin_core.data.sparse import from_coo
from lumin_core.errors import ConfigError, FoldFileError

if TYPE_CHECKING:
    from collections.abc import Sequence


class FoldReader:
    """Read columns of a fold file.

    It is opened read-only, and anew when predictions were added to it. It pickles as the path and
    what it knows of the file.

    Args:
        foldfile: As for `FoldYielder`, as are the following.
        cont_feats: Continuous features, for files without meta data.
        cat_feats: Categorical features, for files without meta data.

    Attributes:
        path: Of the file.
        meta: Its meta data.
        sizes: Number of events by fold.

    Raises:
        FoldFileError: If there is no such file, it is damaged, or no fold file.
        ConfigError: If the features contradict the file's.

    Example:
        >>> import numpy as np, tempfile
        >>> from lumin_core import FoldFileWriter
        >>> from lumin_core.data.fold_reader import FoldReader
        >>> path = tempfile.mkdtemp() + "/train.hdf5"
        >>> with FoldFileWriter(path, cont_feats=["pt"], targ_feats="y") as file:
        ...     file.append(0, inputs=np.ones((2, 1)), targets=np.ones(2))
        >>> FoldReader(path).read("targets", 0)
        array([1., 1.], dtype=float32)
    """

    def __init__(
        self,
        foldfile: str | Path | h5py.File,
        cont_feats: Sequence[str] | None = None,
        cat_feats: Sequence[str] | None = None,
    ) -> None:
        self.path = _find(foldfile)
        self.sizes: dict[int, int] = {}
        self._file: h5py.File | None = None
        self._stamp: tuple[int, int] | None = None
        try:
            file = self.open()
            self.meta = _given_meta(read_meta_data(file), cont_feats, cat_feats, self.path)
            self.sizes = _fold_sizes(file)
            self._columns = _columns(file, len(self.sizes))
            _check_widths(file, self.meta, len(self.sizes))
        except BaseException:
            self.close()
            raise

    def open(self) -> h5py.File:
        """Give the open file: after it was replaced, as predictions do, the new one.

        Raises:
            FoldFileError: If it cannot be opened, or was replaced by one with other data.
        """
        stamp = _stamp(self.path)
        if self._file and (stamp is None or stamp == self._stamp):
            return self._file
        self.close()
        self._file = _open_file(self.path)
        self._stamp = stamp
        if self.sizes:  # not the first time
            self._reread(self._file)
        return self._file

    def _reread(self, file: h5py.File) -> None:
        """Take over what was added to the file, and refuse other data under the same name."""
        try:
            meta = read_meta_data(file) or self.meta
            same = _fold_sizes(file) == self.sizes and _same_columns(meta, self.meta)
        except FoldFileError:
            same = False
        if not same:
            self.close()
            raise FoldFileError(f"{self.path} was replaced by a file with other data; make a new FoldYielder")
        self.meta = meta
        self._columns = _columns(file, len(self.sizes))

    def close(self) -> None:
        """Close the file; it is opened again where it is needed."""
        if self._file is not None:
            self._file.close()
            self._file = None

    @property
    def columns(self) -> list[str]:
        """Columns of the folds; those of some folds only as well."""
        self.open()
        return list(self._columns)

    def has(self, column: str, idx: int) -> bool:
        """Tell whether a fold has a column."""
        return column in self.open()[f"fold_{idx}"]

    def is_checked(self, idx: int) -> bool:
        """Tell whether a fold was written by us, and its values checked then."""
        return bool(self.open()[f"fold_{idx}"].attrs.get(CHECKED, False))

    def read(self, column: str, idx: int) -> np.ndarray:
        """Read a column of a fold: as it is stored, but sparse data dense, and text as `str`.

        Args:
            column: Its name.
            idx: Of the fold.

        Returns:
            Shape ``(n, ...)``.

        Raises:
            FoldFileError: If it cannot be read.
        """
        try:
            dataset = self.open()[f"fold_{idx}/{column}"]
            values: np.ndarray = dataset[()]
        except (KeyError, OSError) as error:
            if isinstance(error, FoldFileError):
                raise
            raise FoldFileError(f"{self.path}: fold_{idx}/{column} cannot be read: {error}") from error
        entry = {"targets": self.meta.target_tensor, "matrix_inputs": self.meta.matrix_feats}.get(column) or {}
        if entry.get("is_sparse", False):
            dtype = values.dtype if column == "targets" else np.float32
            return from_coo(values, self.sizes[idx], entry["shape"], dtype)
        return _decoded(values, dataset.dtype)

    def __getstate__(self) -> dict[str, Any]:
        """Give everything but the open file, which stays here."""
        return {**self.__dict__, "_file": None}


def _find(foldfile: str | Path | h5py.File) -> Path:
    if isinstance(foldfile, h5py.File):
        foldfile.flush()
        foldfile = foldfile.filename
    path = Path(foldfile).expanduser().resolve()
    if not path.exists() and with_suffix(path).is_file():
        return with_suffix(path)
    if not path.is_file():
        raise FoldFileError(f"there is no fold file {path}; df2foldfile or FoldFileWriter makes one")
    return path


def _open_file(path: Path) -> h5py.File:
    try:
        return h5py.File(path, "r")
    except OSError as error:
        if not path.exists():
            raise FoldFileError(f"{path} is not there any more") from error
        raise FoldFileError(f"{path} is no HDF5 file, truncated, or not to be read: {error}") from error


def _stamp(path: Path) -> tuple[int, int] | None:
    try:
        status = path.stat()
    except OSError:  # removed while open: what is open can still be read
        return None
    return status.st_ino, status.st_mtime_ns


def _fold_sizes(file: h5py.File) -> dict[int, int]:
    numbers = fold_numbers(file)
    if not numbers:
        raise FoldFileError(f"{file.filename} is no fold file: it has no group fold_0")
    for i in numbers:
        for column in ("inputs", "targets"):
            if not isinstance(file[f"fold_{i}"].get(column), h5py.Dataset):
                raise FoldFileError(f"{file.filename} is no fold file: fold_{i} has no {column}")
    return {i: int(file[f"fold_{i}/inputs"].shape[0]) for i in numbers}


def _columns(file: h5py.File, n_folds: int) -> list[str]:
    return list(dict.fromkeys(name for i in range(n_folds) for name in file[f"fold_{i}"]))


def _given_meta(
    meta: MetaData | None, cont_feats: Sequence[str] | None, cat_feats: Sequence[str] | None, path: Path
) -> MetaData:
    if meta is None:
        if cont_feats is None and cat_feats is None:
            raise FoldFileError(
                f"{path} has no meta data: pass cont_feats= and cat_feats=, in the order of the columns"
            )
        check_names("cont_feats and cat_feats", [*as_list(cont_feats), *as_list(cat_feats)])
        return MetaData(cont_feats=cont_feats, cat_feats=cat_feats)
    for name, given, stored in (("cont_feats", cont_feats, meta.cont_feats), ("cat_feats", cat_feats, meta.cat_feats)):
        if given is not None and list(given) != stored:
            raise ConfigError(f"{name} of {path.name} are {stored}, got {list(given)}; leave {name} out")
    return meta


def _same_columns(a: MetaData, b: MetaData) -> bool:
    return (a.cont_feats, a.cat_feats, a.targ_feats) == (b.cont_feats, b.cat_feats, b.targ_feats)


def _check_widths(file: h5py.File, meta: MetaData, n_folds: int) -> None:
    n_feats = len(meta.cont_feats) + len(meta.cat_feats)
    for i in range(n_folds):
        shape = file[f"fold_{i}/inputs"].shape
        if len(shape) != 2 or shape[1] != n_feats:
            raise FoldFileError(
                f"{file.filename}: fold_{i}/inputs must be (n, {n_feats}) for the features, got {shape}"
            )


def _decoded(values: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """Give text as `str`, whether of fixed or of variable width."""
    if values.dtype.kind == "S":
        return np.char.decode(values, "utf-8", "surrogateescape")
    if values.dtype.kind == "O" and h5py.check_string_dtype(dtype) is not None:
        return np.array([value.decode("utf-8", "surrogateescape") for value in values.reshape(-1)]).reshape(
            values.shape
        )
    return values
