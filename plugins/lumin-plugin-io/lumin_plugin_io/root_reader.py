"""Tables of ROOT files: columns by name, and what is said where one cannot be read.

What reads the branches is `lumin_plugin_io.tree_table` for TTrees, `lumin_plugin_io.ntuple_table`
for RNTuples.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol

import awkward as ak
import numpy as np

from lumin_core.checks import listed, nearest, with_article
from lumin_core.data import Reader
from lumin_core.errors import ConfigError, DataError
from lumin_plugin_io.ntuple_table import NtupleTable
from lumin_plugin_io.root_file import DAMAGE, find_table, first_line, open_file, tables_of
from lumin_plugin_io.tree_table import TreeTable

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Sequence
    from pathlib import Path

    from lumin_core.data import Column
    from lumin_plugin_io.root_types import RootColumn


class _Table(Protocol):
    """A TTree or an RNTuple."""

    @property
    def branches(self) -> Collection[str]:
        """Names of what holds columns."""

    def columns(self, name: str) -> Iterable[RootColumn]:
        """List the columns that a branch holds."""

    def largest_piece(self, columns: Collection[RootColumn]) -> int:
        """Return the bytes that can only be read together."""

    def pieces(self, columns: Collection[RootColumn], step: int, start: int, stop: int) -> Iterator[Any]:
        """Read branches, and return what can be asked for each of them by name."""

    def close(self) -> None:
        """End what was begun for it."""


class RootReader(Reader):
    """Reads a TTree or an RNTuple.

    Numbers come as arrays of numpy: those of a branch of fixed length, ``float x[3]``, of shape
    ``(n, 3)``. What has another number of values in each event comes as an array of awkward, and
    text as numpy's. A leaf list or a struct is a column for each of its values,
    ``<branch>.<value>``; branches of one name within others are ``<branch>/<name>``.

    Args:
        path: The file, or a url, ``root://...``, for which fsspec-xrootd has to be installed.
        tree: Name of the table, ``"folder/name"`` in a folder; by default the only one.

    Raises:
        ConfigError: If the file is not there or is not a ROOT file, or there is no such table.
        DataError: If it ends early, or is damaged.

    Example:
        >>> import numpy as np, pathlib, tempfile, uproot
        >>> from lumin_plugin_io import RootReader
        >>> path = pathlib.Path(tempfile.mkdtemp()) / "events.root"
        >>> with uproot.recreate(path) as file:
        ...     tree = file.mktree("Events", {"pt": "float32", "event": "int64"})
        ...     _ = tree.extend({"pt": np.array([30, 50, 40], "f4"), "event": np.array([7, 8, 9])})
        >>> with RootReader(path) as reader:
        ...     print(reader.tree, reader.columns(), reader.count())
        ...     print([chunk["event"].tolist() for chunk in reader.chunks(["event"], step=2)])
        Events {'pt': 'float32', 'event': 'int64'} 3
        [[7, 8], [9]]
    """

    suffixes = (".root",)

    def __init__(self, path: str | Path, tree: str | None = None) -> None:
        super().__init__(path, tree)
        self._where = str(path)  # a url is not a path
        self._file = open_file(self._where)
        try:
            self.tree, table = find_table(self._file, self._where, tree)
        except BaseException:
            self._file.close()
            raise
        self._n_events = int(table.num_entries)
        self._table: _Table = TreeTable(table) if hasattr(table, "branches") else NtupleTable(table)
        self._of_branches: dict[str, tuple[RootColumn, ...]] = {}

    @classmethod
    def tables(cls, path: str | Path) -> list[str | None]:
        """Return the names of the TTrees and RNTuples in a file."""
        with open_file(str(path)) as file:
            return [*tables_of(file)]

    def columns(self) -> dict[str, str]:
        """Return the columns by name, each with its type, that of C++ if it cannot be read."""
        return {name: column.type for name, column in self._columns.items()}

    def types(self, columns: Iterable[str]) -> dict[str, str]:
        """Return the types of some columns: only their branches are looked at, of perhaps 1,600."""
        return {name: column.type for name in columns if (column := self._column(name)) is not None}

    def count(self) -> int:
        """Return the number of events."""
        return self._n_events

    def largest_piece(self, columns: Sequence[str]) -> int:
        """Return the bytes of the largest cluster, or of the largest basket of each branch."""
        return self._table.largest_piece([self._find(name) for name in columns])

    def identity(self) -> str:
        """Return the UUID of the file."""
        return str(self._file.file.uuid)

    def close(self) -> None:
        """Close the file."""
        self._table.close()
        self._file.close()

    def chunks(
        self, columns: Sequence[str], step: int, start: int = 0, stop: int | None = None
    ) -> Iterator[dict[str, Column]]:
        """Read columns piece by piece, as `Reader` says."""
        wanted = {name: self._find(name) for name in columns}
        stop = self.count() if stop is None else min(stop, self.count())
        return self._chunks(wanted, step, start, stop)

    def _chunks(self, wanted: dict[str, RootColumn], step: int, start: int, stop: int) -> Iterator[dict[str, Column]]:
        done = start
        try:
            for piece in self._pieces(wanted, step, start, stop):
                yield {name: _values(piece, column) for name, column in wanted.items()}
                done += step
        except DAMAGE as error:
            raise self._unreadable(wanted, done, min(done + step, stop), error) from error

    def _pieces(self, wanted: dict[str, RootColumn], step: int, start: int, stop: int) -> Iterator[Any]:
        if not wanted:
            return iter([{}] * len(range(start, stop, step)))
        return self._table.pieces(list(wanted.values()), step, start, stop)

    def _find(self, name: str) -> RootColumn:
        """Return a column, or say that there is none or that it cannot be read."""
        column = self._column(name)
        if column is None:
            near = nearest(name, self._columns)
            hint = f"; did you mean {' or '.join(map(repr, near))}?" if near else ""
            branches = f"{n:,} branches" if (n := len(self._columns)) != 1 else "1 branch"
            raise ConfigError(f"there is no branch {name!r} in {self._place}{hint}; it has {branches}")
        if not column.readable:
            msg = f"the branch {name!r} in {self._place} is {with_article(column.type)}, which cannot be read"
            raise DataError(f"{msg}; leave it out, or write it as numbers, text or lists of them")
        return column

    def _unreadable(self, wanted: dict[str, RootColumn], start: int, stop: int, error: BaseException) -> DataError:
        """Say which branches cannot be read."""
        broken = [name for name, column in wanted.items() if not self._can_read(name, column, start, stop)]
        names = listed(list(map(repr, broken or wanted)), 5)
        return DataError(
            f"cannot read {names} of {self._place}, entries {start} to {stop}: {first_line(error)}; "
            "if the file is damaged, bring back a whole copy; if not, leave the branch out"
        )

    def _can_read(self, name: str, column: RootColumn, start: int, stop: int) -> bool:
        try:
            for piece in self._pieces({name: column}, stop - start, start, stop):
                _values(piece, column)
        except DAMAGE:
            return False
        return True

    @property
    def _place(self) -> str:
        return f"the tree {self.tree!r} in {self._where}"

    @cached_property
    def _columns(self) -> dict[str, RootColumn]:
        return {column.name: column for branch in self._table.branches for column in self._of(branch)}

    def _column(self, name: str) -> RootColumn | None:
        """Look for a column in the branches that may hold it: ``a.b``, or a value of ``a``."""
        words = name.split(".")
        branches = [".".join(words[:n]) for n in range(1, len(words) + 1)]
        there = [branch for branch in branches if branch in self._table.branches]
        return {column.name: column for branch in there for column in self._of(branch)}.get(name)

    def _of(self, branch: str) -> tuple[RootColumn, ...]:
        if branch not in self._of_branches:
            self._of_branches[branch] = tuple(self._table.columns(branch))
        return self._of_branches[branch]


def _values(piece: Any, column: RootColumn) -> Column:
    """Return a column of a piece as numpy's or awkward's array."""
    array = piece[column.branch]
    if column.plain and isinstance(array, np.ndarray):
        return array
    for name in column.inner:
        array = array[name]
    if column.jagged:
        jagged: Column = array
        return jagged
    values = ak.to_numpy(array, allow_missing=True)
    if isinstance(values, np.ma.MaskedArray) and values.dtype.kind in "fiub":
        return values.filled(np.nan) if values.dtype.kind == "f" else values
    flat: Column = values
    return flat
