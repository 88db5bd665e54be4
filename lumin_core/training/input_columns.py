"""Inputs column by column: of a frame by name, of an array in the order of training.

What comes is turned into numbers a column, or a block of rows, at a time: beside it no more is held
than the float32 that a network is given.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from itertools import compress
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from attrs import define

from lumin_core.checks import input_hint
from lumin_core.data.categories import check_unseen, unknown_code
from lumin_core.data.chains import apply_chain
from lumin_core.data.numbers import as_array, as_numbers, unmasked
from lumin_core.data.tables import as_frame, is_frame
from lumin_core.data.values import blocks, check_codes, to_float32
from lumin_core.errors import DataError, ShapeError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from lumin_core.data.transforms import Pipe

    Value = str | int | float

BLOCK = 1 << 18  # numbers in double precision that are held together


@define(frozen=True)
class InputColumns:
    """Columns of inputs.

    Attributes:
        names: Their names.
        n: Number of events.
        take: Gives a column by its number, for some rows, as it came.
        array: All of them, where that is an array of numbers.
        n_cat: How many of them, the last, are codes.

    Example:
        >>> from lumin_core.training.input_columns import InputColumns
        >>> InputColumns.of({"eta": [0.5], "pt": [30]}, ["pt", "eta"]).table()
        array([[30. ,  0.5]], dtype=float32)
    """

    names: Sequence[str]
    n: int
    take: Callable[[int, slice], object]
    array: np.ndarray | None = None
    n_cat: int = 0

    @classmethod
    def of(
        cls, inputs: object, cont_feats: Sequence[str], cat_feats: Sequence[str] = (), *, exact: bool = True
    ) -> InputColumns:
        """Take columns by name, of an array ``(n, F)`` all.

        Args:
            inputs: The inputs.
            cont_feats: Names of the first columns.
            cat_feats: Names of those behind them.
            exact: Whether an array must have so many; else, of others, they have their number.

        Raises:
            DataError: If one is missing or comes twice, inputs are a frame of another library, or
                hold anything but numbers.
            ShapeError: If an array has more or fewer columns.
        """
        names = [*cont_feats, *cat_feats]
        if is_frame(inputs):
            if isinstance(inputs, Mapping):  # of which columns that are not wanted may be of any shape
                _check_names(names, list(inputs))
                inputs = {name: inputs[name] for name in names}
            frame = as_frame(inputs, "inputs")
            _check_names(names, list(frame.columns))
            columns = [frame[name] for name in names]  # views
            return cls(names, len(frame), lambda i, rows: columns[i].iloc[rows], n_cat=len(cat_feats))
        array = as_array(inputs, "inputs")
        if array.ndim != 2 or (exact and array.shape[1] != len(names)):
            raise ShapeError(
                f"inputs must be (n, {len(names)}), the {len(cont_feats)} continuous and {len(cat_feats)} categorical "
                f"features in the order of training, got {array.shape}; a data frame is taken by column name, and a "
                "matrix as (flat, matrix)"
            )
        known = names if len(names) == array.shape[1] else [str(i) for i in range(array.shape[1])]
        by_column = isinstance(array, np.ma.MaskedArray) or array.dtype.kind == "O"
        numbers = None if by_column else as_numbers(array, "inputs")
        return cls(known, len(array), lambda i, rows: array[rows, i], numbers, len(cat_feats))

    def table(self) -> NDArray[np.float32]:
        """Return all columns, shape ``(n, F)``, row by row; what is so already is returned itself.

        Raises:
            DataError: If a column holds anything but numbers, an infinite one, or no codes.
        """
        if self.array is not None:
            with np.errstate(over="ignore"):  # what is too large is refused as infinite
                table = np.ascontiguousarray(self.array, dtype=np.float32)
        else:
            table = np.empty((self.n, len(self.names)), dtype=np.float32)
            for i in range(len(self.names)):
                table[:, i] = to_float32(self.take(i, slice(None)), self._what(i))
        refuse_infinite(table, self.names)
        for i in range(len(self.names) - self.n_cat, len(self.names)):
            self._codes(i, None)  # before single precision rounds them
        return table

    def prepared(
        self,
        feats: Sequence[str],
        used: Sequence[str],
        steps: Sequence[Pipe],
        maps: Mapping[str, Mapping[str, Value]],
        unknown: Sequence[str] = (),
    ) -> NDArray[np.float32]:
        """Return columns as a preprocessing makes them of what they were before it.

        Args:
            feats: The continuous features, the first columns; the others are categorical.
            used: Those that are wanted.
            steps: Its steps, for all continuous features.
            maps: Of a categorical feature the value of each code; without them it holds codes.
            unknown: Categorical features of which values without a code have that of unknown ones.

        Returns:
            Shape ``(n, F)``: those that are wanted, and the codes.

        Raises:
            DataError: If a column holds anything but numbers, an infinite one, or a value without a
                code.
            ShapeError: If the steps give another number of columns.
        """
        n_cont, chosen, cats = len(feats), [feats.index(feat) for feat in used], self.names[len(feats) :]
        table = np.empty((self.n, len(used) + len(cats)), dtype=np.float32)
        step = max(1, BLOCK // max(1, n_cont))
        for rows in (slice(start, min(start + step, self.n)) for start in range(0, self.n, step)):
            block = np.empty((rows.stop - rows.start, n_cont))
            for i in range(n_cont):
                block[:, i] = as_numbers(self.take(i, rows), self._what(i))
            refuse_infinite(block, feats)
            block = apply_chain(steps, block)
            if block.shape[1] != n_cont:
                raise ShapeError(f"the preprocessing must give {n_cont} columns, got shape {block.shape}")
            table[rows, : len(used)] = to_float32(block[:, chosen])
        for i, feat in enumerate(cats):
            table[:, len(used) + i] = self._codes(n_cont + i, maps.get(feat), takes_unknown=feat in unknown)
        refuse_infinite(table, [*used, *cats])
        return table

    def _codes(self, i: int, values: Mapping[str, Value] | None, *, takes_unknown: bool = False) -> np.ndarray:
        """Turn the values of a categorical feature into the codes of the training."""
        given = self.take(i, slice(None))
        if values is None:
            numbers = as_numbers(given, self._what(i))
            check_codes(numbers[:, None], [self.names[i]], "inputs")
            return numbers
        codes = {value: int(code) for code, value in values.items()}
        column = given if isinstance(given, pd.Series) else pd.Series(unmasked(given))
        unseen = _unseen(column, codes, self._what(i))
        last = unknown_code({code: value for value, code in codes.items()}) if takes_unknown else None
        if last is None:
            _refuse(unseen, codes, self.names[i])
        else:
            check_unseen(unseen, codes, self._what(i))
        found = column.astype(object).map(codes).to_numpy(np.float64)
        return found if last is None else np.where(np.isnan(found), last, found)

    def _what(self, i: int) -> str:
        return f"the column {self.names[i]!r}"


def _unseen(column: pd.Series, codes: Mapping[Value, int], what: str) -> list[object]:
    """List the values that have no code."""
    try:
        unseen = [value for value in column.unique() if value not in codes]
    except TypeError as error:  # it holds lists, dicts or such
        raise DataError(f"{what} must hold one value for each event: {error}; known are {list(codes)}") from error
    return [value.item() if isinstance(value, np.generic) else value for value in unseen]


def _refuse(unseen: Sequence[object], codes: Mapping[Value, int], name: str) -> None:
    if not unseen:
        return
    way_out = "leave these events out, or train with a code for unknown categories (proc_cats, unknown=True)"
    if all(value in codes.values() for value in unseen):
        way_out = "these are codes: give what they mean"
    raise DataError(
        f"{name!r} has values that training did not have: {unseen[:5]}; known are {sorted(codes, key=str)}; {way_out}"
    )


def _check_names(names: Sequence[str], known: Sequence[object]) -> None:
    """Refuse columns that are not there, or more than once."""
    for name in names:
        if name not in known:
            raise DataError(f"the data frame has no {name!r}{input_hint(name, known)}")
        if known.count(name) > 1:
            raise DataError(f"the data frame has {name!r} more than once; rename or drop one")


def refuse_infinite(values: np.ndarray, names: Sequence[str] = ()) -> None:
    """Refuse infinite inputs; no temporary of their size is made.

    Args:
        values: Shape ``(n, F)``, or of a matrix ``(n, ...)``.
        names: Of the columns; none for a matrix.

    Raises:
        DataError: Naming the columns.

    Example:
        >>> import numpy as np
        >>> from lumin_core.training.input_columns import refuse_infinite
        >>> refuse_infinite(np.array([[np.inf, 1.0]]), ["pt", "eta"])
        Traceback (most recent call last):
        lumin_core.errors.DataError: inputs are infinite in pt; replace or clip them first
    """
    flat = values.reshape(len(values), math.prod(values.shape[1:]))
    found = np.zeros(flat.shape[1], dtype=bool)
    for block in blocks(flat):
        found |= np.isinf(block).any(axis=0)
    if found.any():
        columns = ", ".join(compress(names, found))
        where = f"inputs are infinite in {columns}" if names else "the matrix has infinite elements"
        raise DataError(f"{where}; replace or clip them first")
