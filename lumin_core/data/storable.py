"""Columns as a fold file holds them: numbers, or text of fixed width."""

from __future__ import annotations

import numpy as np

from lumin_core.data.numbers import MISSING, REAL, WHOLE, as_array, as_numbers, unmasked
from lumin_core.errors import DataError

WASTE = 10  # what text of fixed width may cost, as a multiple of what it holds
LEAST = 8  # bytes that a value counts at least, as much as a pointer to it


def storable(values: object, name: str) -> np.ndarray:
    """Return a column as numbers, with NaN for what is missing, or as text.

    Args:
        values: Shape ``(n, ...)``: as for `as_numbers`, or text.
        name: Of the column, for the message.

    Returns:
        Numbers; bytes, as they come; or objects, each of them a `str`.

    Raises:
        DataError: If it holds anything else, text that fixed width cannot hold, or whole numbers
            that a missing value beside them would change.

    Example:
        >>> import numpy as np
        >>> from lumin_core.data.storable import storable
        >>> storable(np.ma.masked_equal([7, -1], -1), "run"), storable(["e", "mu"], "lepton")
        (array([ 7., nan]), array(['e', 'mu'], dtype=object))
    """
    array = as_array(values, f"column {name!r}")
    kind = array.dtype.kind
    if kind not in REAL:
        array = unmasked(array)
        kind = array.dtype.kind
    if kind in REAL or (kind == "O" and _holds_numbers(array)):
        numbers = as_numbers(array, f"column {name!r}")
        _check_exact(numbers, values if kind == "f" else array, name)
        return numbers
    if kind == "S":
        return array
    if kind not in "UOT":
        raise DataError(
            f"column {name!r} has dtype {array.dtype}, which fold files do not hold; convert it to numbers "
            "(dates: seconds since an epoch) or to text"
        )
    text = np.asarray(array, dtype=object)
    _check_text(text, name)
    return text


def _holds_numbers(array: np.ndarray) -> bool:
    """Tell whether objects are not text; where all are missing, nothing says what they are."""
    types = {type(value) for value in array.reshape(-1)}
    return not any(issubclass(each, str) for each in types) and any(each.__name__ not in MISSING for each in types)


def _check_exact(numbers: np.ndarray, given: object, name: str) -> None:
    """Refuse whole numbers that are rounded, as missing ones beside them make floats of all."""
    if numbers.dtype.kind != "f" or getattr(getattr(given, "dtype", None), "kind", "O") == "f":
        return
    large = np.abs(numbers) >= WHOLE
    before = np.asarray(given, dtype=object)[large] if large.any() else ()
    if any(isinstance(a, int | np.integer) and int(a) != int(b) for a, b in zip(before, numbers[large], strict=True)):
        raise DataError(
            f"column {name!r} has missing values beside whole numbers above 2**53, or such above 2**63, which "
            "float64 would round; fill or split them"
        )


def _check_text(text: np.ndarray, name: str) -> None:
    """Refuse what text of fixed width cannot hold, by row; all is looked at together first."""
    flat, per_row = text.reshape(-1), max(1, np.atleast_1d(text)[:1].size)
    if any(not issubclass(each, str) for each in set(map(type, flat))):
        row = next(i for i, value in enumerate(flat) if not isinstance(value, str))
        raise DataError(
            f"column {name!r} must hold numbers or text only, got {flat[row]!r} in row {row // per_row}; convert or "
            "fill such values"
        )
    together = "".join(flat)
    ends = [i for i, value in enumerate(flat) if value.endswith("\0")] if "\0" in together else []
    if ends:
        raise DataError(
            f"column {name!r} has text that ends in NUL in row {ends[0] // per_row}, {flat[ends[0]][-20:]!r}, which "
            r"fold files cannot keep; strip it, with .str.rstrip('\0') say"
        )
    lengths = map(len, flat) if together.isascii() else (_length(v, i // per_row, name) for i, v in enumerate(flat))
    check_widths(np.fromiter(lengths, dtype=np.int64, count=len(flat)), per_row, name)


def _length(value: str, row: int, name: str) -> int:
    """Count the bytes of a text."""
    try:
        return len(value.encode("utf-8", "surrogateescape"))
    except UnicodeEncodeError as error:
        raise DataError(f"column {name!r} has text that is not Unicode in row {row}: {error}; correct it") from error


def check_widths(lengths: np.ndarray, per_row: int, name: str) -> None:
    """Refuse text whose fixed width would cost more than ten times what it holds.

    Args:
        lengths: Bytes of each value, shape ``(n,)``.
        per_row: Number of values in a row.
        name: Of the column.

    Raises:
        DataError: If it would; it names the row of the longest.

    Example:
        >>> import numpy as np
        >>> from lumin_core.data.storable import check_widths
        >>> check_widths(np.array([5, 7, 20]), 1, "process")
    """
    width = int(lengths.max(initial=0))
    cost, held = width * len(lengths), int(np.maximum(lengths, LEAST).sum())
    if cost > WASTE * held:
        raise DataError(
            f"column {name!r} has text of {width} bytes in row {int(lengths.argmax()) // per_row}; fixed width would "
            f"take {cost // held} times what the column holds; shorten it, with .str.slice say, or leave it out"
        )
