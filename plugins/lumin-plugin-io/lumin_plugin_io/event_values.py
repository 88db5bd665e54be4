"""Values of expressions for the events that were kept, as each column of a fold file needs them.

What cannot be stored is refused with file, tree, key and the first entry that has it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn, cast

import numpy as np

from lumin_core.data import as_numbers, to_float32
from lumin_core.errors import DataError, LuminError
from lumin_plugin_io.columns import Columns

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from lumin_core.data import Column
    from lumin_plugin_io.expression import Expression

_EXAMPLES = "Jet_pt[0]", "sum(Jet_pt)"
_EXACT = 2.0**53  # whole numbers up to here are exact in float64


class EventValues:
    """What expressions give for some events.

    Args:
        columns: Of these events, by name.
        entries: Of the events in their file, shape ``(n,)``.
        where: File and tree, for messages.

    Example:
        >>> import numpy as np
        >>> from lumin_plugin_io.event_values import EventValues
        >>> from lumin_plugin_io.expression import Expression
        >>> values = EventValues({"nJet": np.array([2, 3])}, np.array([7, 9]), "a.root")
        >>> values.inputs(Expression.parse("nJet / 2", "[variables] n"))
        array([1. , 1.5], dtype=float32)
    """

    def __init__(self, columns: Mapping[str, Column], entries: np.ndarray, where: str) -> None:
        self._given = columns
        self._columns = Columns(columns, len(entries))
        self.entries = entries
        self.where = where

    def __call__(self, expression: Expression) -> Column:
        """Return the values of an expression, whatever they are.

        Raises:
            LuminError: If it cannot be worked out; with file and tree.
        """
        try:
            return expression(self._columns, len(self.entries))
        except LuminError as error:
            raise type(error)(f"{self.where}: {error}") from error

    def cut(self, kept: np.ndarray, names: Iterable[str]) -> EventValues:
        """Return the same for some of the events.

        Args:
            kept: Which, shape ``(n,)``.
            names: Columns that are still needed.
        """
        rows = np.flatnonzero(kept)  # by which numpy takes ten times faster than by a mask
        columns = {name: cast("np.ndarray", self._given[name])[rows] for name in names}
        return EventValues(columns, self.entries[rows], self.where)

    def flat(self, expression: Expression, way_out: str = "") -> np.ndarray:
        """Return one value per event, of numbers or text, masked where one is missing.

        Args:
            expression: The expression.
            way_out: The end of the message where there are several values per event.

        Raises:
            DataError: If there are several.
        """
        values = self(expression)
        if not isinstance(values, np.ndarray) or values.ndim != 1:
            one, all_ = (f"{expression.text}[0]", f"sum({expression.text})") if _is_branch(expression) else _EXAMPLES
            hint = way_out or f"take one of them, as in {one}, or what they come to, as in {all_}"
            raise DataError(f"{self.where}: {expression.what} has several values per event; {hint}")
        return values

    def kept(self, expression: Expression) -> np.ndarray:
        """Return whether events fulfil a selection, shape ``(n,)``; a missing value does not.

        Args:
            expression: The selection.

        Raises:
            DataError: If it has several values per event, or text.
        """
        values = self.flat(expression, "ask whether any(...) or all(...) of them are so")
        if values.dtype.kind not in "biuf":
            raise DataError(
                f"{self.where}: {expression.what} must be true or false for an event, got text; compare it with =="
            )
        numbers = np.ma.filled(values, 0)
        return np.asarray((numbers != 0) & (numbers == numbers))

    def numbers(self, expression: Expression) -> np.ndarray:
        """Return numbers, shape ``(n,)``, float64; NaN is missing.

        Args:
            expression: The expression.

        Raises:
            DataError: If it has several values per event, or text.
        """
        values = self.flat(expression)
        if values.dtype.kind not in "biuf":
            raise DataError(
                f"{self.where}: {expression.what} must hold numbers, got text of {expression.text!r}; compare it with "
                "==, or make it one of [categories]"
            )
        return np.asarray(as_numbers(values, f"{self.where}: {expression.what}"), dtype=np.float64)

    def inputs(self, expression: Expression) -> np.ndarray:
        """Return inputs, shape ``(n,)``, float32; NaN is missing, an infinite one refused."""
        values = _as_float32(self._given.get(expression.text))
        return self.finite_inputs(self.numbers(expression) if values is None else values, expression.what)

    def finite_inputs(self, values: np.ndarray, what: str) -> np.ndarray:
        """Return values as float32.

        Args:
            values: Shape ``(n, ...)``; NaN is missing.
            what: Their key.

        Raises:
            DataError: If one is infinite, or too large.
        """
        converted = to_float32(values)
        wrong = np.isinf(converted)
        if wrong.any():
            self.refuse(wrong, what, "is infinite, or too large for float32", "where(isfinite(x), x, 0) replaces it")
        return converted

    def finite(self, expression: Expression) -> np.ndarray:
        """Return targets or weights, shape ``(n,)``, float64; NaN and infinities are refused."""
        values = self.numbers(expression)
        wrong = ~np.isfinite(values)
        if wrong.any():
            self.refuse(wrong, expression.what, "is missing, NaN or infinite", "deselect such events")
        return values

    def exact(self, expression: Expression) -> np.ndarray:
        """Return numbers of their own dtype, shape ``(n,)``; NaN is missing.

        Raises:
            DataError: If it has several values per event, or text, or whole numbers are missing.
        """
        values = self.flat(expression)
        if values.dtype.kind not in "biuf":
            raise DataError(f"{self.where}: {expression.what} must be numbers, got text; make it one of [categories]")
        if values.dtype.kind == "f":
            return np.ma.filled(values, np.nan)
        return self._there(values, expression.what, "where(...) gives it one; 1.0 * (...) makes it a float, with NaN")

    def keys(self, expression: Expression) -> np.ndarray:
        """Return whole numbers, shape ``(n,)``, uint64; negative ones by two's complement."""
        return np.asarray(self.whole(expression).astype(np.uint64))

    def whole(self, expression: Expression) -> np.ndarray:
        """Return whole numbers, shape ``(n,)``, int64 or uint64.

        Raises:
            DataError: If one is missing, or is not whole.
        """
        values = self.labels(expression)
        if values.dtype.kind not in "iu":
            raise DataError(f"{self.where}: {expression.what} must be whole numbers, got text")
        return self._there(values, expression.what, "deselect such events")

    def _there(self, values: np.ndarray, what: str, way_out: str) -> np.ndarray:
        """Return values of which none is missing."""
        missing = np.ma.getmaskarray(values)
        if missing.any():
            self.refuse(missing, what, "has no value", way_out)
        return np.ma.getdata(values)

    def labels(self, expression: Expression) -> np.ndarray:
        """Return whole numbers (int64, or uint64) or text, shape ``(n,)``, masked where missing.

        Raises:
            DataError: If it has several values per event, or fractions.
        """
        values = self.flat(expression)
        if values.dtype.kind == "f":
            return self.from_floats(values, expression.what)
        return values.astype(np.int64) if values.dtype.kind == "b" else values

    def from_floats(self, values: np.ndarray, what: str) -> np.ndarray:
        """Return floats that are whole numbers as int64, masked where one is missing.

        Args:
            values: The floats, shape ``(n,)``.
            what: Their key.

        Raises:
            DataError: If one is not whole, or too large to be exact.
        """
        missing = np.ma.getmaskarray(values) | np.isnan(np.ma.getdata(values))
        numbers = np.where(missing, 0, np.ma.getdata(values))
        wrong = (numbers != np.floor(numbers)) | (np.abs(numbers) > _EXACT)
        if wrong.any():
            self.refuse(wrong, what, "is not a whole number", "a bin's number is one, as in x // 50")
        whole = numbers.astype(np.int64)
        return np.ma.array(whole, mask=missing) if missing.any() else whole

    def refuse(self, wrong: np.ndarray, what: str, problem: str, way_out: str) -> NoReturn:
        """Refuse values.

        Args:
            wrong: Which, shape ``(n, ...)``.
            what: Their key.
            problem: What is wrong.
            way_out: What can be done.

        Raises:
            DataError: With the first entry and the number of entries.
        """
        rows = np.flatnonzero(wrong.reshape(len(wrong), -1).any(axis=1))
        others = f", and of {len(rows) - 1:,} more in this piece" if len(rows) > 1 else ""
        raise DataError(f"{self.where}: {what} of entry {self.entries[rows[0]]}{others} {problem}; {way_out}")


def _is_branch(expression: Expression) -> bool:
    return expression.names == (expression.text,)


def _as_float32(column: Column | None) -> np.ndarray | None:
    """Return a branch that is as inputs are: the way through float64 would change nothing."""
    if not isinstance(column, np.ndarray) or isinstance(column, np.ma.MaskedArray):
        return None
    return column if column.dtype == np.float32 and column.ndim == 1 else None
