r"""Tables whose entries are found by keys: whole numbers that come once, such as run and event.

The columns of a key are packed into one number of 64 bits, each counted from its smallest value, so
that nothing is lost: :math:`k = ((a - a_{min})\, n_b + (b - b_{min}))\, n_c + \dots`, where
:math:`n` are the lengths of the ranges. Packed keys and rows are kept sorted, 16 bytes an entry.
"""

from __future__ import annotations

import math
import re
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lumin_core.errors import ConfigError, DataError
from lumin_core.files import stamp
from lumin_plugin_io.opening import open_reader

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from lumin_core.data import Column

_STEP = 200_000  # entries that are read at once
_ENTRY = 16  # bytes of a packed key and a row


def keyed_table(files: Sequence[str], tree: str | None, by: Sequence[str], memory: int) -> KeyedTable:
    """Return a table by keys; files that did not change since the last call are not read again.

    Args:
        files: That hold it.
        tree: Its name in each; by default the only one.
        by: The columns of the key.
        memory: Bytes that it may take.

    Raises:
        ConfigError: If a file, the tree or a column is not there, a key is not a whole number, or
            keys need more memory.
        DataError: If an entry's key comes twice, or keys do not fit into 64 bits.
    """
    stamps = tuple(stamp(Path(file)) for file in files)
    return _remembered(tuple(files), stamps, tree, tuple(by), memory)


@lru_cache(maxsize=2)
def _remembered(
    files: tuple[str, ...], stamps: tuple[object, ...], tree: str | None, by: tuple[str, ...], memory: int
) -> KeyedTable:
    return KeyedTable(files, tree, by, memory)


class KeyedTable:
    """Files of one kind, of which entries are found by keys.

    Attributes:
        by: The columns of the key.
        types: Of all columns, by name.
        name: Of the tree, or of the first file where it has none.
        place: What to call it in messages.
        identity: Of its files.
    """

    def __init__(self, files: Sequence[str], tree: str | None, by: tuple[str, ...], memory: int) -> None:
        self.by = by
        self.place = files[0] if len(files) == 1 else f"{files[0]} and {len(files) - 1} more"
        self._files = files
        self._tree = tree
        self._open()
        self._check_memory(memory)
        self._memory = memory - _ENTRY * self._starts[-1]
        self._resident: dict[str, Any] = {}
        self._too_large: set[str] = set()

    def _open(self) -> None:
        """Note what each file has."""
        counts, identities = [], []
        self.types: dict[str, str] = {}
        for file in self._files:
            with open_reader(file, self._tree) as reader:
                next(iter(reader.chunks(self.by, 1, 0, 0)), None)  # refuses a key that is not there
                self.types = self.types or reader.columns()
                self._check_keys(file, reader.types(self.by))
                counts.append(reader.count())
                identities.append(reader.identity())
                self.name = self._tree or reader.tree or Path(self._files[0]).stem
        self.identity = "+".join(identities)
        self._starts = [0, *np.cumsum(counts).tolist()]

    def _check_keys(self, file: str, types: dict[str, str]) -> None:
        for name in self.by:
            if types[name].lstrip("u") not in ("int8", "int16", "int32", "int64"):
                raise ConfigError(f"the key {name!r} of the friends in {file} is {types[name]}, not a whole number")

    def _check_memory(self, memory: int) -> None:
        if (needed := _ENTRY * self._starts[-1]) > memory:
            raise ConfigError(
                f"the keys of the {self._starts[-1]:,} entries in {self.place} need {needed:,} bytes, more than the "
                f"{memory:,} that friends may take; give more memory, or files of as many entries as the sample's, "
                "which are joined without keys"
            )

    @cached_property
    def _spans(self) -> list[tuple[int, int]]:
        """Return the smallest value of each column of the key, and the length of its range."""
        low: list[float] = [math.inf] * len(self.by)
        high: list[float] = [-math.inf] * len(self.by)
        for _, piece in self._read(self.by, 0, self._starts[-1]):
            for number, name in enumerate(self.by):
                values = self._whole(piece[name], name)
                low[number] = min(low[number], int(values.min()))
                high[number] = max(high[number], int(values.max()))
        if not self._starts[-1]:
            return [(0, 1)] * len(self.by)
        spans = [(int(first), int(last) - int(first) + 1) for first, last in zip(low, high, strict=True)]
        if math.prod(length for _, length in spans) > 2**64:
            told = ", ".join(f"{name} {length:,}" for name, (_, length) in zip(self.by, spans, strict=True))
            raise DataError(f"the ranges of keys in {self.place} are together too wide: {told}; join by fewer columns")
        return spans

    def _whole(self, values: Column, name: str) -> np.ndarray:
        if np.ma.is_masked(values):
            raise DataError(f"the key {name!r} of the friends in {self.place} is missing in some entries")
        return np.asarray(values)

    @cached_property
    def _sorted(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the packed keys, sorted, and their rows; refuse one that comes twice."""
        keys = np.empty(self._starts[-1], dtype=np.uint64)
        for first, piece in self._read(self.by, 0, self._starts[-1]):
            packed, _ = self._packed([piece[name] for name in self.by])
            keys[first : first + len(packed)] = packed
        rows = np.argsort(keys, kind="stable")
        keys = keys[rows]
        twice = np.flatnonzero(keys[1:] == keys[:-1])
        if len(twice):
            first, second = rows[twice[0] : twice[0] + 2].tolist()
            raise DataError(
                f"the key {self._unpacked(int(keys[twice[0]]))} comes twice among the friends, in "
                f"{self._where(first)} and {self._where(second)}; join by columns that tell all entries apart"
            )
        return keys, rows

    def _packed(self, columns: Sequence[Column]) -> tuple[np.ndarray, np.ndarray]:
        """Return the packed keys of events, and which of them are within the ranges."""
        packed = np.zeros(len(columns[0]), dtype=np.uint64)
        inside = np.ones(len(packed), dtype=bool)
        for column, (low, length) in zip(columns, self._spans, strict=True):
            values: np.ma.MaskedArray = np.ma.asarray(column)
            whole = values.filled(0)
            inside &= ~np.ma.getmaskarray(values) & (whole >= low) & (whole <= low + length - 1)
            counted = whole.astype(np.uint64) - np.uint64(low % 2**64)  # modulo 2^64, as is the difference
            packed = packed * np.uint64(length % 2**64) + counted
        return packed, inside

    def _unpacked(self, key: int) -> str:
        values: list[str] = []
        for name, (low, length) in reversed(list(zip(self.by, self._spans, strict=True))):
            key, counted = divmod(key, length)
            values.insert(0, f"{name} = {low + counted}")
        return ", ".join(values)

    def _where(self, row: int) -> str:
        number = int(np.searchsorted(self._starts, row, side="right")) - 1
        return f"entry {row - self._starts[number]} of {self._files[number]}"

    def find(self, columns: Sequence[Column]) -> np.ndarray:
        """Return the rows of events, -1 where there is none.

        Args:
            columns: Those of the key, of shape ``(n,)`` each.
        """
        there, rows = self._sorted
        keys, inside = self._packed(columns)
        if not len(there):
            return np.full(len(keys), -1)
        places = np.searchsorted(there, keys)
        places[places == len(there)] = 0
        return np.where(inside & (there[places] == keys), rows[places], -1)

    def take(self, columns: Sequence[str], rows: np.ndarray) -> dict[str, Column]:
        """Return columns of rows, missing where a row is -1.

        They are read into memory once if they fit. Where they do not, all that lies between the
        first and the last of the rows is read: quick where friends have about the table's order.
        """
        there = rows[rows >= 0]
        pieces: Iterator[tuple[int, dict[str, Any]]]
        if self._fit(columns):
            pieces = iter([(0, {name: self._resident[name] for name in columns})])
        else:
            pieces = self._read(columns, int(there.min(initial=self._starts[-1])), int(there.max(initial=-1)) + 1)
        found: dict[str, list[Any]] = {name: [] for name in columns}
        order = np.full(len(rows), -1)
        n = 0
        for first, piece in pieces:
            size = len(next(iter(piece.values())))
            here = np.flatnonzero((rows >= first) & (rows < first + size))
            order[here] = np.arange(n, n + len(here))
            n += len(here)
            for name in columns:
                found[name].append(piece[name][rows[here] - first])
        return {name: _picked(parts, order, self.types[name]) for name, parts in found.items()}

    def _fit(self, columns: Sequence[str]) -> bool:
        """Read columns into memory, and tell whether they fit."""
        if not self._too_large.isdisjoint(columns):
            return False
        wanted = [name for name in columns if name not in self._resident]
        parts: dict[str, list[Any]] = {name: [] for name in wanted}
        size = 0
        for _, piece in self._read(wanted, 0, self._starts[-1]) if wanted else ():
            size += sum(values.nbytes for values in piece.values())
            if size > self._memory:
                self._too_large.update(wanted)
                return False
            for name in wanted:
                parts[name].append(piece[name])
        self._memory -= size
        self._resident |= {name: _picked(parts[name], slice(None), self.types[name]) for name in wanted}
        return True

    def _read(self, columns: Sequence[str], first: int, stop: int) -> Iterator[tuple[int, dict[str, Any]]]:
        """Read rows of all files, and yield the number of the first row with each piece."""
        for file, begin, end in zip(self._files, self._starts, self._starts[1:], strict=False):
            row = max(first, begin)
            if row < min(stop, end):
                with open_reader(file, self._tree) as reader:
                    for piece in reader.chunks(columns, _STEP, row - begin, min(stop, end) - begin):
                        yield row, piece
                        row += len(next(iter(piece.values())))


def _picked(parts: Sequence[Any], order: np.ndarray | slice, type_: str) -> Column:
    """Return entries of consecutive parts, a missing one for -1."""
    if not parts or (isinstance(order, np.ndarray) and (order < 0).any()):
        parts = [*parts, _missing(type_)]
    if "[]" in type_:
        import awkward as ak  # only here: there are no jagged columns without it

        jagged: Column = ak.concatenate(parts)[order]
        return jagged
    join = np.ma.concatenate if any(isinstance(part, np.ma.MaskedArray) for part in parts) else np.concatenate
    flat: Column = join(parts)[order]
    return flat


def _missing(type_: str) -> Column:
    """Return one entry of a type that is missing."""
    if "[]" in type_:
        import awkward as ak

        none: Column = ak.Array([[]])
        return none
    base, *axes = re.findall(r"\w+", type_)
    dtype = np.dtype("U1" if base == "text" else base)
    shape = (1, *map(int, axes))
    if dtype.kind == "f":
        return np.full(shape, np.nan, dtype)
    return np.ma.masked_array(np.zeros(shape, dtype), mask=True)
