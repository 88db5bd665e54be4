"""Friends: files whose columns stand beside those of a table, as ROOT calls them.

Without keys, entry by entry: both have the same number of entries. With keys, by the values of
whole-numbered columns: what has no friend has missing values, NaN among floats, masked among other
values, no objects where it is jagged.

A friend's column that the table has too is called ``<tree>.<column>``, after the friend's tree, or
after its file where that has none.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Protocol

from lumin_core.data import Reader
from lumin_core.errors import ConfigError, DataError
from lumin_plugin_io.key_join import KeyedTable, keyed_table
from lumin_plugin_io.opening import open_reader

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from lumin_core.data import Column
    from lumin_plugin_io.description import Friends

    Chunk = dict[str, Column]
    Follow = Callable[[Chunk], Chunk]

MEMORY = 1 << 30  # bytes that friends by key may take

_log = logging.getLogger(__name__)


def joined(table: Reader, friends: Sequence[Friends], memory: int = MEMORY) -> Reader:
    """Return a reader of a table with the columns of its friends.

    Args:
        table: The open table; it is closed with the reader.
        friends: Paths of their files; of one file where entries are joined one by one.
        memory: Bytes that friends by key may take: 16 for each of their entries, and more where
            their columns fit, too.

    Raises:
        ConfigError: If a file, a tree or a key is not there, or keys are not whole numbers.
        DataError: If a friend has another number of entries, or a key twice.
    """
    if not friends:
        return table
    try:
        return _Joined(table, [_friend(table, each, memory) for each in friends])
    except BaseException:
        table.close()
        raise


def _friend(table: Reader, friends: Friends, memory: int) -> _Friend:
    if friends.by:
        types = table.types(friends.by)
        for name in friends.by:
            if not types.get(name, "").lstrip("u").startswith("int") or "[" in types[name]:
                came = f"it is {types[name]}" if name in types else "it has no such column"
                raise ConfigError(f"the friends of {table.path} are joined by {name!r}, a whole number: {came}")
        return _ByKey(keyed_table(friends.files, friends.tree, friends.by, memory), table.path)
    return _ByEntry(open_reader(friends.files[0], friends.tree), table)


class _Friend(Protocol):
    """Columns that stand beside those of a table."""

    name: str
    keys: tuple[str, ...]

    def columns(self) -> Mapping[str, str]:
        """Return their types by name."""

    def follow(self, columns: Sequence[str], step: int, start: int, stop: int) -> Follow:
        """Return a function from a piece of the table to the friend's columns of these events."""

    def identity(self) -> str:
        """Return what tells the friend from another."""

    def close(self) -> None:
        """Close the friend; it may say what it found."""


class _ByEntry:
    """A friend of as many entries."""

    keys: tuple[str, ...] = ()

    def __init__(self, reader: Reader, table: Reader) -> None:
        self._reader = reader
        self.name = reader.tree or reader.path.stem
        self.columns = reader.columns
        self.identity = reader.identity
        self.close = reader.close
        if (n := reader.count()) != (needed := table.count()):
            reader.close()
            raise DataError(
                f"{table.path} has {needed:,} entries, its friend {reader.path} has {n:,}: entry by entry, they must "
                "have as many; join them by the columns that they share, by = ['run', 'event']"
            )

    def follow(self, columns: Sequence[str], step: int, start: int, stop: int) -> Follow:
        """Read both in step."""
        pieces = self._reader.chunks(columns, step, start, stop)
        return lambda _: next(pieces)


class _ByKey:
    """Friends that are found by their keys."""

    def __init__(self, friends: KeyedTable, table: Path) -> None:
        self._friends = friends
        self._table = table
        self._n_events = 0
        self._n_missing = 0
        self.keys = friends.by
        self.name = friends.name

    def columns(self) -> Mapping[str, str]:
        """Return types by name, without the keys, which the table has."""
        return {name: type_ for name, type_ in self._friends.types.items() if name not in self.keys}

    def follow(self, columns: Sequence[str], step: int, start: int, stop: int) -> Follow:
        """Look up each piece."""
        self._n_events = self._n_missing = 0

        def look_up(chunk: Chunk) -> Chunk:
            rows = self._friends.find([chunk[key] for key in self.keys])
            self._n_events += len(rows)
            self._n_missing += int((rows < 0).sum())
            return self._friends.take(columns, rows)

        return look_up

    def identity(self) -> str:
        """Return the identities of all files."""
        return self._friends.identity

    def close(self) -> None:
        """Say how many events had no friend."""
        if self._n_missing:
            _log.warning(
                "%s of the %s events that were read of %s have no friend in %s: its columns are missing there",
                f"{self._n_missing:,}",
                f"{self._n_events:,}",
                self._table,
                self._friends.place,
            )
            self._n_missing = 0


class _Joined(Reader):
    """A table with its friends."""

    def __init__(self, table: Reader, friends: Sequence[_Friend]) -> None:
        super().__init__(table.path, table.tree)
        self._table = table
        self._friends = friends
        self._types = table.columns()
        self._homes: dict[str, tuple[_Friend, str]] = {}
        for friend in friends:
            for name, type_ in friend.columns().items():
                self._add(friend, name, type_)

    def _add(self, friend: _Friend, name: str, type_: str) -> None:
        shown = f"{friend.name}.{name}" if name in self._types and name not in self._homes else name
        if shown in self._types:
            raise ConfigError(
                f"several friends of {self.path} have a column {shown!r}; give one of them a tree of another name"
            )
        self._types[shown] = type_
        self._homes[shown] = friend, name

    def columns(self) -> dict[str, str]:
        """Return the columns of the table, then those of its friends."""
        return dict(self._types)

    def count(self) -> int:
        """Return the number of events of the table."""
        return self._table.count()

    def identity(self) -> str:
        """Return the identities of the table and its friends."""
        return "+".join([self._table.identity(), *(friend.identity() for friend in self._friends)])

    def close(self) -> None:
        """Close all files."""
        self._table.close()
        for friend in self._friends:
            friend.close()

    def chunks(self, columns: Sequence[str], step: int, start: int = 0, stop: int | None = None) -> Iterator[Chunk]:
        """Read columns piece by piece, as `Reader` says."""
        stop = self.count() if stop is None else min(stop, self.count())
        theirs: dict[_Friend, dict[str, str]] = {}
        for name in columns:
            if name in self._homes:
                friend, inner = self._homes[name]
                theirs.setdefault(friend, {})[inner] = name
        own = dict.fromkeys(name for name in columns if name not in self._homes)
        own |= dict.fromkeys(key for friend in theirs for key in friend.keys)
        pieces = self._table.chunks(list(own), step, start, stop)
        follow = [(friend.follow(list(names), step, start, stop), names) for friend, names in theirs.items()]
        return self._chunks(columns, pieces, follow)

    def _chunks(
        self, columns: Sequence[str], pieces: Iterator[Chunk], follow: Sequence[tuple[Follow, dict[str, str]]]
    ) -> Iterator[Chunk]:
        for piece in pieces:
            found = dict(piece)
            for friend, names in follow:
                found |= {names[inner]: column for inner, column in friend(piece).items()}
            yield {name: found[name] for name in columns}
