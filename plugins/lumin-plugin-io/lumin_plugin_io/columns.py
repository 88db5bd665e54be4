"""Columns as expressions take them: any array that a reader gives, as values or lists of values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from lumin_core.checks import did_you_mean
from lumin_plugin_io.values import Lists, Misfit, Tree, Values

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from lumin_core.data import Column

_SMALL = {
    np.dtype(kind): (int(np.iinfo(kind).min), int(np.iinfo(kind).max)) for kind in ("i1", "i2", "i4", "u1", "u2", "u4")
}


class Columns(Mapping[str, Tree]):
    """Columns of a piece of a file, each prepared once, for as many expressions as need it.

    Args:
        columns: Arrays by name, each with one entry per event.
        n: Number of events.

    Raises:
        Misfit: When a column is asked for that is not there, has another number of events, or holds
            what an expression cannot take.

    Example:
        >>> import numpy as np
        >>> from lumin_plugin_io.columns import Columns
        >>> Columns({"pt": np.array([30.0, 50.0], "float32")}, 2)["pt"].data
        array([30., 50.])
    """

    def __init__(self, columns: Mapping[str, Column], n: int) -> None:
        self.n = n
        self._columns = columns
        self._prepared: dict[str, Tree] = {}

    def __getitem__(self, name: str) -> Tree:
        """Return the values of a column."""
        if name not in self._prepared:
            self._prepared[name] = self._prepare(name)
        return self._prepared[name]

    def __iter__(self) -> Iterator[str]:
        """Iterate over the names."""
        return iter(self._columns)

    def __len__(self) -> int:
        """Return the number of columns."""
        return len(self._columns)

    def are_flat(self, names: Sequence[str]) -> bool:
        """Tell whether there is one value per event in each of these columns, one at least."""
        columns = [self._columns.get(name) for name in names]
        flat = [isinstance(one, np.ndarray) and one.ndim == 1 and len(one) == self.n for one in columns]
        return bool(flat) and all(flat)

    def piece(self, names: Sequence[str], start: int, stop: int) -> Columns:
        """Return columns, which have to be flat, of some of the events."""
        arrays: dict[str, Any] = {name: self._columns[name] for name in names}
        return Columns({name: array[start:stop] for name, array in arrays.items()}, stop - start)

    def _prepare(self, name: str) -> Tree:
        if name not in self._columns:
            raise Misfit(f"there is no branch {name!r}{did_you_mean(name, self._columns)}")
        column = self._columns[name]
        if len(column) != self.n:
            raise Misfit(f"the branch {name!r} must have one entry for each of {self.n} events, got {len(column)}")
        try:
            return tree_of(column)
        except Misfit as error:
            raise Misfit(f"the branch {name!r}: {error}") from None


def tree_of(column: Any) -> Tree:
    """Return a column as values, or as lists of them.

    Args:
        column: An array of NumPy, masked or not, of one dimension or more; or of awkward.

    Raises:
        Misfit: If it holds neither numbers, Booleans nor text.

    Example:
        >>> import numpy as np
        >>> from lumin_plugin_io.columns import tree_of
        >>> tree_of(np.ma.masked_equal(np.array([1, -1]), -1)).missing
        array([False,  True])
    """
    if not isinstance(column, np.ndarray):
        from lumin_plugin_io import awkward_columns

        return awkward_columns.from_awkward(column)
    if column.ndim < 2:
        return values_of(column)
    offsets = np.arange(len(column) + 1, dtype=np.int64) * column.shape[1]
    return Lists(offsets, tree_of(column.reshape(-1, *column.shape[2:])))


def values_of(array: np.ndarray) -> Values:
    """Return a flat array as values in 64 bits.

    Raises:
        Misfit: If it holds neither numbers, Booleans nor text.

    Example:
        >>> import numpy as np
        >>> from lumin_plugin_io.columns import values_of
        >>> values_of(np.array([1, 2], "int32")).data.dtype
        dtype('int64')
    """
    missing = np.ma.getmaskarray(array) if np.ma.isMaskedArray(array) and np.any(np.ma.getmask(array)) else None
    data = np.ma.getdata(array)
    if data.dtype.kind == "O":
        data, missing = _text_of_objects(data, missing)
    elif data.dtype.kind == "S":
        data = np.char.decode(data, "utf-8")
    kind = data.dtype.kind
    if kind == "f":
        floats = data.astype(np.float64, copy=False)
        return Values(floats if missing is None else np.where(missing, np.nan, floats))
    if kind in "iu":
        is_unsigned = kind == "u" and data.dtype.itemsize == 8
        whole = data.astype(np.uint64 if is_unsigned else np.int64, copy=False)
        return Values(whole, missing, _SMALL.get(data.dtype))
    if kind in "bU":
        return Values(data, missing)
    raise Misfit(f"numbers, conditions or text are needed, got {data.dtype}")


def column_of(tree: Tree, n: int) -> Column:
    """Return values as a column: of NumPy, masked where some are missing, or of awkward.

    Args:
        tree: One value per event, lists of them, or a constant.
        n: Number of events.

    Example:
        >>> import numpy as np
        >>> from lumin_plugin_io.columns import column_of
        >>> from lumin_plugin_io.values import Values
        >>> column_of(Values(np.array(3)), 2)
        array([3, 3])
    """
    if isinstance(tree, Lists):
        from lumin_plugin_io import awkward_columns

        jagged: Column = awkward_columns.to_awkward(tree)
        return jagged
    data = np.full(n, tree.data) if tree.is_constant else tree.data
    return data if tree.missing is None or not tree.missing.any() else np.ma.masked_array(data, tree.missing)


def joined(pieces: Iterable[Values], n: int) -> Values:
    """Put values of blocks of events behind each other.

    Args:
        pieces: The values of each block, of one type; texts may differ in their width.
        n: Number of events.

    Example:
        >>> import numpy as np
        >>> from lumin_plugin_io.columns import joined
        >>> from lumin_plugin_io.values import Values
        >>> joined([Values(np.array([1, 2])), Values(np.array([3]))], 3).data
        array([1, 2, 3])
    """
    data, missing, start = np.empty(0), None, 0
    for piece in pieces:
        stop = start + len(piece.data)
        if start == 0:
            data = np.empty(n, piece.data.dtype)
        elif piece.data.dtype.itemsize > data.dtype.itemsize:  # wider text
            data = data.astype(piece.data.dtype)
        data[start:stop] = piece.data
        if piece.missing is not None:
            missing = np.zeros(n, bool) if missing is None else missing
            missing[start:stop] = piece.missing
        start = stop
    return Values(data, missing)


def _text_of_objects(data: np.ndarray, missing: np.ndarray | None) -> tuple[np.ndarray, np.ndarray | None]:
    """Take Python's objects for text, and ``None`` for text that is missing."""
    is_none = np.asarray(data == np.array(None), bool)
    known = data[~is_none]
    text = known.astype(str)
    if not np.all(np.equal(known, text)):
        raise Misfit("numbers, conditions or text are needed, got objects of Python")
    filled = np.zeros(data.shape, text.dtype)
    filled[~is_none] = text
    if is_none.any():
        missing = is_none if missing is None else missing | is_none
    return filled, missing
