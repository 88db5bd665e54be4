"""Inputs column by column: of a frame by name, of an array in the order of training.

What comes is turned into numbers a column, or a block of rows, at a time: beside it no more is held
than the float32 that a network is given.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from attrs import define

from lumin_core.checks import check_keys
from lumin_core.data.numbers import as_numbers
from lumin_core.data.tables import as_frame
from lumin_core.data.values import to_float32
from lumin_core.errors import ConfigError, DataError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray

BLOCK = 1 << 18  # numbers in double precision that are held together


@define(frozen=True)
class InputColumns:
    """Columns of inputs.

    Attributes:
        names: Their names.
        n: Number of events.
        take: Gives a column by its number, for some rows, as it came.
        array: All of them, where that is an array of numbers.

    Example:
        >>> from lumin_core.training.input_columns import InputColumns
        >>> columns = InputColumns.of_frame({"eta": [0.5], "pt": [30]}, ["pt", "eta"])
        >>> columns.numbers(0), columns.table()
        (array([30]), array([[30. ,  0.5]], dtype=float32))
    """

    names: Sequence[str]
    n: int
    take: Callable[[int, slice], object]
    array: np.ndarray | None = None

    @classmethod
    def of_frame(cls, inputs: object, names: Sequence[str]) -> InputColumns:
        """Take columns of a frame, a dict or an array of records by name.

        Raises:
            DataError: If one is missing or comes twice, or inputs are a frame of another library.
        """
        if isinstance(inputs, Mapping):  # of which columns that are not wanted may be of any shape
            _check_names(names, list(inputs))
            inputs = {name: inputs[name] for name in names}
        frame = as_frame(inputs, "inputs")
        _check_names(names, list(frame.columns))
        columns = [frame[name] for name in names]  # views
        return cls(names, len(frame), lambda i, rows: columns[i].iloc[rows])

    @classmethod
    def of_array(cls, array: np.ndarray, names: Sequence[str]) -> InputColumns:
        """Take all columns of an array, shape ``(n, F)``; without a name they have their number."""
        known = names if len(names) == array.shape[1] else [str(i) for i in range(array.shape[1])]
        by_column = isinstance(array, np.ma.MaskedArray) or array.dtype.kind == "O"
        numbers = None if by_column else as_numbers(array, "inputs")
        return cls(known, len(array), lambda i, rows: array[rows, i], numbers)

    def numbers(self, i: int, rows: slice = slice(None)) -> np.ndarray:
        """Return a column as numbers, NaN where a value is missing.

        Raises:
            DataError: If it holds anything else.
        """
        return as_numbers(self.take(i, rows), f"the column {self.names[i]!r}")

    def table(self) -> NDArray[np.float32]:
        """Return all columns, shape ``(n, F)``, row by row; what is so already is returned itself.

        Raises:
            DataError: If a column holds anything but numbers.
        """
        if self.array is not None:
            with np.errstate(over="ignore"):  # what is too large is refused as infinite
                return np.ascontiguousarray(self.array, dtype=np.float32)
        table = np.empty((self.n, len(self.names)), dtype=np.float32)
        for i in range(len(self.names)):
            table[:, i] = to_float32(self.numbers(i))
        return table

    def blocks(self, n_columns: int) -> Iterator[tuple[slice, NDArray[np.float64]]]:
        """Yield rows, and the first columns of these in double precision.

        Raises:
            DataError: If a column holds anything but numbers.
        """
        step = max(1, BLOCK // max(1, n_columns))
        for start in range(0, self.n, step):
            rows = slice(start, min(start + step, self.n))
            block = np.empty((rows.stop - start, n_columns))
            for i in range(n_columns):
                block[:, i] = self.numbers(i, rows)
            yield rows, block


def _check_names(names: Sequence[str], known: Sequence[object]) -> None:
    """Refuse columns that are not there, or more than once."""
    try:
        check_keys(names, map(str, known), "the data frame")
    except ConfigError as error:
        raise DataError(str(error)) from error
    for name in names:
        if known.count(name) > 1:
            raise DataError(f"the data frame has {name!r} more than once; rename or drop one")
