"""An open fold file: its columns, and what happens when it is replaced."""

from __future__ import annotations

from contextlib import contextmanager
from threading import RLock
from typing import TYPE_CHECKING

import numpy as np

from lumin_core.checks import is_positive
from lumin_core.data import check_sums, structure
from lumin_core.data.folds import joined
from lumin_core.data.meta import find_schema, read_schema
from lumin_core.data.numbers import as_numbers
from lumin_core.data.sparse import from_coo
from lumin_core.data.values import RESERVED, check_codes, check_finite, check_inputs, to_float32
from lumin_core.errors import ConfigError, DataError, DataReplaced, FoldFileError
from lumin_core.files import stamp

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence
    from pathlib import Path

    import h5py

    from lumin_core.data.folds import FoldData


class FoldReader:
    """Read columns of a fold file.

    It is opened read-only, and anew when predictions were added to it. Threads may share one: they
    read one after the other, as HDF5 does. It pickles as the path and what it knows of the file.

    Args:
        foldfile: As for `FoldYielder`, as are the following.
        cont_feats: Continuous features, for files without meta data.
        cat_feats: Categorical features, for files without meta data.
        clip: Limit of inputs.

    Attributes:
        path: Of the file.
        schema: What the file has.
        sizes: Number of events by fold.
        known_columns: Columns of the folds, as they were when the file was last opened.

    Raises:
        FoldFileError: If there is no such file, it is damaged, or no fold file.
        ConfigError: If the features contradict the file's.

    Example:
        >>> import numpy as np, tempfile
        >>> from lumin_core import FoldFileWriter
        >>> from lumin_core.data import FoldReader
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
        *,
        clip: float | None = None,
    ) -> None:
        self.path = structure.find_file(foldfile)
        self.clip = clip
        self.sizes: dict[int, int] = {}
        self._checked: set[tuple[str, int]] = set()
        self._lock = RLock()
        self._file: h5py.File | None = None
        self._stamp: tuple[int, int, int] | None = None
        self._identity: str | None = None
        self._sums: dict[str, int] = {}  # of columns that were read, where the file has none
        try:
            with self._reading() as file:
                self.schema = find_schema(file, cont_feats, cat_feats)
                self.sizes = structure.fold_sizes(file)
                self.known_columns = structure.column_names(file, len(self.sizes))
                structure.check_columns(file, self.schema, self.sizes)
                if check_sums.has_sums(file, self.schema):  # then it costs next to nothing
                    self._identity = check_sums.identity(file, self.schema)
        except BaseException:
            self.close()
            raise

    @property
    def identity(self) -> str:
        """What tells the data from others; see `FoldYielder.identity`."""
        with self._reading() as file:
            if self._identity is None:
                self._identity = check_sums.identity(file, self.schema)
            return self._identity

    @contextmanager
    def _reading(self, what: str = "") -> Iterator[h5py.File]:
        """Give the open file to one thread at a time; a damaged one is named, with what is read."""
        with self._lock, structure.reading(self.path, what):
            yield self.open()

    def open(self) -> h5py.File:
        """Return the open file: after it was replaced, as predictions do, the new one.

        Raises:
            FoldFileError: If it cannot be opened.
            DataReplaced: If it was replaced by one with other data.
        """
        with self._lock, structure.reading(self.path):
            found = stamp(self.path)  # None if it was removed while open: what is open can still be read
            if self._file and found in (None, self._stamp):
                return self._file
            in_place = bool(found and self._stamp and found[0] == self._stamp[0])
            if self._file and self.sizes and self._identity is None and not in_place:
                self._identity = check_sums.identity(self._file, self.schema)  # before it is gone
            self.close()
            self._file = structure.open_file(self.path)
            if self.sizes and found != self._stamp:
                self._compare(self._file, in_place=in_place)
            self._stamp = found
            return self._file

    def _compare(self, file: h5py.File, *, in_place: bool) -> None:
        """Take over what was added to the file, and refuse other data under the same name."""
        try:
            schema = read_schema(file) or self.schema
            same = structure.fold_sizes(file) == self.sizes and schema.keeps(self.schema)
            if same and self._identity is not None:
                # who changes a file in place, as we never do, may leave its check sums as they were
                same = check_sums.identity(file, schema, trust_sums=not in_place) == self._identity
            elif same:
                same = all(n in file and check_sums.computed_sum(file[n]) == total for n, total in self._sums.items())
        except FoldFileError:
            same = False
        if not same:
            self.close()
            raise DataReplaced(f"{self.path} was replaced by a file with other data; make a new FoldYielder")
        self.schema = schema
        self.known_columns = structure.column_names(file, len(self.sizes))

    def written(self, columns: Collection[str]) -> None:
        """Take the file as it is now, after whoever holds its lock has written columns."""
        with self._lock:
            self.close()
            known, sums = self._identity, self._sums
            self._identity, self._sums = None, {}  # with which there is nothing to compare
            self.open()
            self._sums = sums
            if set(columns).isdisjoint(self.schema.misc_feats):
                self._identity = known

    def verified(self) -> Iterator[tuple[str, bool]]:
        """Go through the datasets as `FoldYielder.verify` does: names, which have check sums."""
        with self._reading() as file:
            yield from check_sums.verified(file, self.schema)

    def close(self) -> None:
        """Close the file; it is opened again where it is needed."""
        with self._lock:
            if self._file:
                self._file.close()
                self._checked.clear()  # who opens it again may find another's values

    @property
    def columns(self) -> list[str]:
        """Columns of the folds; those of some folds only as well."""
        with self._reading():
            return list(self.known_columns)

    def has(self, column: str, idx: int) -> bool:
        """Tell whether a fold has a column."""
        with self._reading(f"fold_{idx}") as file:
            return column in file[f"fold_{idx}"]

    def folds_with_data(self, column: str) -> list[int]:
        """List the folds that have a column which no prediction wrote."""
        with self._reading(column) as file:
            folds = {i: file[f"fold_{i}"] for i in self.sizes}
            return [i for i, fold in folds.items() if column in fold and not check_sums.is_prediction(fold[column])]

    def read(self, column: str, idx: int) -> np.ndarray:
        """Read a column of a fold, shape ``(n, ...)``, sparse data as dense and text as `str`.

        Raises:
            FoldFileError: If it cannot be read.
            DataError: If the values of inputs, targets or weights are not such as are written;
                they are looked at the first time.
        """
        values = self._stored(column, idx)
        if column in RESERVED and (column, idx) not in self._checked:
            self._check(column, values, f"fold {idx} of {self.path.name}, {column}")
            self._checked.add((column, idx))
        return values

    def _check(self, column: str, values: np.ndarray, where: str) -> None:
        """Look at values, as others may have written or changed them."""
        schema = self.schema
        if column == "targets":
            check_finite(as_numbers(values, where), schema.targ_feats, where)
        elif column == "weights":
            check_finite(to_float32(values, where), [schema.wgt_feat or column], where)
        elif self.clip is None:
            of_matrix = [] if schema.matrix is None else schema.matrix.elements
            check_inputs(to_float32(values, where), schema.input_feats if column == "inputs" else of_matrix, where)
        if column == "inputs" and schema.cat_feats:
            check_codes(values[:, len(schema.cont_feats) :], schema.cat_feats, where)

    def _stored(self, column: str, idx: int) -> np.ndarray:
        """Read a column as it is."""
        name = f"fold_{idx}/{column}"
        with structure.reading(self.path, name):
            with self._lock:
                dataset = self.open()[name]
                values, stored = dataset[()], dataset.dtype
                if self._identity is None and column in RESERVED:
                    self._sums.setdefault(name, check_sums.check_sum(values))
            tensor = self.schema.tensor(column)
            if tensor is None or not tensor.is_sparse:
                return structure.decoded(values, stored)
            dtype = values.dtype if column == "targets" else np.dtype("float32")
            return from_coo(values, self.sizes[idx], tensor.shape, dtype)

    def read_column(
        self, column: str, n_folds: int | None = None, fold_idx: int | None = None, *, add_newaxis: bool = False
    ) -> np.ndarray | None:
        """Read a column of one or several folds; see `FoldYielder.get_column`, which this does."""
        idxs = self.fold_range(n_folds, fold_idx)
        if lacking := [i for i in idxs if not self.has(column, i)]:
            if fold_idx is not None or column not in self.columns:
                return None
            raise DataError(f"column {column!r} is not in folds {lacking}; read the others one by one with fold_idx=")
        data = joined((self.read(column, i) for i in idxs), sum(map(self.sizes.__getitem__, idxs)), column)
        return _with_axis(data) if add_newaxis else data

    def fold_number(self, idx: object) -> int:
        """Return the number of a fold that exists.

        Raises:
            ConfigError: If there is no such fold.
        """
        if isinstance(idx, bool) or not isinstance(idx, int | np.integer) or not 0 <= idx < len(self.sizes):
            raise ConfigError(f"there is no fold {idx!r} in {self.path.name}; its folds are 0 to {len(self.sizes) - 1}")
        return int(idx)

    def fold_range(self, n_folds: int | None, fold_idx: int | None) -> list[int]:
        """Return the numbers of the first folds, by default of all, or of one.

        Raises:
            ConfigError: If both are given, or there are no such folds.
        """
        if fold_idx is not None and n_folds is not None:
            raise ConfigError(f"give n_folds ({n_folds}) or fold_idx ({fold_idx}), not both")
        if fold_idx is not None:
            return [self.fold_number(fold_idx)]
        if n_folds is not None and not is_positive(n_folds):
            raise ConfigError(f"n_folds must be 1 or more, got {n_folds}")
        return list(self.sizes)[:n_folds]

    def read_fold(self, idx: object) -> FoldData:
        """Read flat inputs, all columns, targets and weights of a fold, with NaN.

        Raises:
            ConfigError: If there is no such fold.
            DataError: If values are not finite, or codes are none, at every load.
        """
        number = self.fold_number(idx)
        inputs = self._clipped(to_float32(self.read("inputs", number)))
        targets = _with_axis(self.read("targets", number))
        has_weights = "weights" in self.columns
        weights = to_float32(_with_axis(self.read("weights", number))) if has_weights else None
        return {"inputs": inputs, "targets": targets, "weights": weights}

    def read_matrix(self, idx: int) -> np.ndarray:
        """Read the matrix of a fold, shape ``(n, ...)``, as it is stored.

        Raises:
            DataError: If there are infinities.
        """
        return self._clipped(to_float32(self.read("matrix_inputs", idx)))

    def _clipped(self, values: np.ndarray) -> np.ndarray:
        return values if self.clip is None else check_inputs(values, [], self.path.name, self.clip)

    def __getstate__(self) -> dict[str, object]:
        """Return everything but the open file and the lock, which stay here."""
        return self.__dict__ | {"_file": None, "_lock": None}

    def __setstate__(self, state: dict[str, object]) -> None:
        """Take over what was known; the file is opened at first need."""
        self.__dict__.update(state, _lock=RLock())


def _with_axis(values: np.ndarray) -> np.ndarray:
    return values[:, None] if values.ndim == 1 else values
