"""The spool: the events that were selected of each input, until all inputs are read.

A folder beside the output. Of each input it holds ``<number>.rows``, rows (`lumin_plugin_io.rows`)
in *flushes*: within each they are ordered by place, which is the number of a part and a fold,
``part * n_folds + fold``. When an input is read to its end, ``<number>.json`` says what is in its
rows, and is written last: only what has one counts. Flushes end after a number of rows that the
recipe alone decides, so that what is computed of a flush does not depend on how an input was read.
"""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING, Any, cast

import attrs
import numpy as np
from zlib_ng.zlib_ng import crc32

from lumin_core.errors import FileError
from lumin_core.files import not_written, read_json, write_json
from lumin_plugin_io.rows import dtype_from_json, dtype_to_json, packed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path
    from types import TracebackType
    from typing import Self

    from lumin_plugin_io.rows import Columns

FLUSH_BYTES = 1 << 23
"""Of the rows of a flush, about: they are in memory twice when it is written."""
_WRITTEN = "written"


@attrs.frozen
class Flush:
    """Rows that were written together.

    Attributes:
        dtype: Of the rows.
        begins: Of the rows of each place, in bytes from the beginning of the file, and the end.
    """

    dtype: np.dtype
    begins: tuple[int, ...]

    def count(self, place: int) -> int:
        """Return how many rows of a place there are."""
        return (self.begins[place + 1] - self.begins[place]) // self.dtype.itemsize


class SpoolWriter:
    """Writes the rows of one input.

    Args:
        path: The file, which appears under this name when `close` was called.
        n_places: Number of places.
        n_rows: Of a flush.
        on_flush: Called with the rows of each flush, in the order of their places, and how many of
            these each place has.

    Example:
        >>> import numpy as np, pathlib, tempfile
        >>> from lumin_plugin_io.spool import SpoolWriter
        >>> path = pathlib.Path(tempfile.mkdtemp()) / "0.rows"
        >>> with SpoolWriter(path, n_places=2, n_rows=3) as spool:
        ...     spool.append({"entry": np.arange(4)}, np.array([1, 0, 1, 0]))
        >>> [[flush.count(place) for place in range(2)] for flush in spool.flushes]
        [[1, 2], [1, 0]]
    """

    def __init__(
        self,
        path: Path,
        n_places: int,
        n_rows: int,
        on_flush: Callable[[np.ndarray, np.ndarray], None] | None = None,
    ) -> None:
        self.flushes: list[Flush] = []
        self.check_sum = 0
        self._path = path
        self._part = path.with_name(f"{path.name}.{os.getpid()}")  # another process may still be at an old one
        self._n_places = n_places
        self._n_rows = n_rows
        self._on_flush = on_flush
        self._pieces: list[Columns] = []
        self._places: list[np.ndarray] = []
        self._n = 0
        self._file = self._part.open("wb")

    def __enter__(self) -> Self:
        """Return the writer."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Complete the file, or remove it if the block raised."""
        if kind is None:
            self._flush(self._n)
        self._file.close()
        if kind is None:
            self._part.replace(self._path)
        else:
            self._part.unlink(missing_ok=True)

    def append(self, columns: Columns, places: np.ndarray) -> None:
        """Add events.

        Args:
            columns: Fields of their rows.
            places: Of the events, shape ``(n,)``.
        """
        self._pieces.append(columns)
        self._places.append(places)
        self._n += len(places)
        while self._n >= self._n_rows:
            self._flush(self._n_rows)

    def _flush(self, n: int) -> None:
        """Write the first ``n`` events that wait."""
        if not n:
            return
        pieces, places = self._take(n)
        rows = packed(pieces, np.argsort(places.astype(np.min_scalar_type(self._n_places)), kind="stable"))
        counts = np.bincount(places, minlength=self._n_places)
        begin = self.flushes[-1].begins[-1] if self.flushes else 0
        ends = begin + np.cumsum(counts) * rows.dtype.itemsize
        self.flushes.append(Flush(rows.dtype, (begin, *ends.tolist())))
        data = rows.view(np.uint8).data
        self.check_sum = crc32(data, self.check_sum)
        self._file.write(data)
        if self._on_flush is not None:
            self._on_flush(rows, counts)

    def _take(self, n: int) -> tuple[list[Columns], np.ndarray]:
        """Take the first ``n`` events away from those that wait."""
        taken, places = [], []
        self._n -= n
        while n:
            piece, place = self._pieces.pop(0), self._places.pop(0)
            if len(place) > n:
                self._pieces.insert(0, {name: values[n:] for name, values in piece.items()})
                self._places.insert(0, place[n:])
                piece, place = {name: values[:n] for name, values in piece.items()}, place[:n]
            if len(place):
                taken.append(piece)
                places.append(place)
            n -= len(place)
        return taken, np.concatenate(places)


@attrs.frozen(kw_only=True)
class Filled:
    """What is known of an input whose rows are in the spool.

    Attributes:
        flushes: Of its rows.
        check_sum: Of its rows.
        n_read: Entries of the input.
        n_cut: Objects that did not fit into the matrix, by its table.
        values: What was found of categories without a map, by name: values, in the order in which
            they came, and which of these the training has.
        moments: Of the training's rows, by field, as `Moments.to_lists` gives them.
        weights: Sums of the training's weights, as `Reweighting.to_lists` gives them.
    """

    flushes: list[Flush]
    check_sum: int
    n_read: int
    n_cut: dict[str, int]
    values: dict[str, list[tuple[Any, bool]]]
    moments: dict[str, list[list[float]]]
    weights: dict[str, Any]

    @property
    def n_rows(self) -> int:
        """How many rows there are."""
        return sum((flush.begins[-1] - flush.begins[0]) // flush.dtype.itemsize for flush in self.flushes)

    def counts(self, n_places: int) -> np.ndarray:
        """Return how many rows there are of each place."""
        return np.array(
            [sum(flush.count(place) for flush in self.flushes) for place in range(n_places)], dtype=np.int64
        )


class Spool:
    """The folder, in which inputs have numbers.

    Args:
        folder: Where it is.
        key: What tells conversions apart that may not use each other's rows.

    Example:
        >>> import pathlib, tempfile
        >>> from lumin_plugin_io.spool import Spool
        >>> spool = Spool(pathlib.Path(tempfile.mkdtemp()) / ".train.spool", "0123456789abcdef")
        >>> spool.begin(resume=False), spool.is_whole(0)
        (False, False)
        >>> spool.remove()
        >>> spool.folder.exists()
        False
    """

    def __init__(self, folder: Path, key: str) -> None:
        self.folder = folder
        self._inner = folder / key  # a process that outlived its conversion may still write into another one

    def begin(self, *, resume: bool) -> bool:
        """Make the folder, and remove what cannot be used.

        Args:
            resume: Whether what an earlier conversion left is used.

        Returns:
            Whether rows of another conversion were removed.

        Raises:
            FileError: If the folder cannot be made.
        """
        strangers = [path for path in self.folder.glob("*") if not (resume and path == self._inner)]
        try:
            for path in strangers:
                shutil.rmtree(path)
            for path in self._inner.glob("*.rows.*"):
                path.unlink()  # what was begun by a process that was killed
            self._inner.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise FileError(not_written(self.folder, error)) from error
        return any(path != self._inner for path in strangers)

    def rows(self, number: int) -> Path:
        """Return the file of an input's rows."""
        return self._inner / f"{number}.rows"

    def keep(self, number: int, filled: Filled) -> None:
        """Write down that an input's rows are complete."""
        content = attrs.asdict(filled, recurse=False)
        content["flushes"] = [[dtype_to_json(flush.dtype), flush.begins] for flush in filled.flushes]
        write_json(self._inner / f"{number}.json", content)

    def filled(self, number: int) -> Filled:
        """Return what is known of an input that was read to its end."""
        content = cast("dict[str, Any]", read_json(self._inner / f"{number}.json"))
        content["flushes"] = [Flush(dtype_from_json(dtype), tuple(begins)) for dtype, begins in content["flushes"]]
        return Filled(**content)

    def is_whole(self, number: int) -> bool:
        """Tell whether an input was read to its end, and its rows have their check sum still."""
        if not (self._inner / f"{number}.json").exists() or not self.rows(number).exists():
            return False
        total = 0
        with self.rows(number).open("rb") as file:
            while block := file.read(FLUSH_BYTES):
                total = crc32(block, total)
        return total == self.filled(number).check_sum

    def say_written(self) -> None:
        """Write down that the output is complete, but for its name."""
        (self._inner / _WRITTEN).touch()

    def is_written(self) -> bool:
        """Tell whether the output was complete, so that files of its names are its own."""
        return (self._inner / _WRITTEN).exists()

    def read(self, number: int, filled: Filled, places: Sequence[int]) -> Iterator[np.ndarray]:
        """Read the rows of an input, flush by flush.

        Args:
            number: Of the input.
            filled: What is known of it.
            places: Consecutive ones.

        Yields:
            Rows, where there are any.
        """
        first, last = places[0], places[-1] + 1
        with self.rows(number).open("rb") as file:
            for flush in filled.flushes:
                n_bytes = flush.begins[last] - flush.begins[first]
                if n_bytes:
                    file.seek(flush.begins[first])
                    rows = np.fromfile(file, flush.dtype, n_bytes // flush.dtype.itemsize)
                    yield rows

    def remove(self) -> None:
        """Remove the folder and all that is in it."""
        shutil.rmtree(self.folder, ignore_errors=True)
