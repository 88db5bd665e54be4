"""What is taken for a number, and what is not: the same at every door where data enter.

Numbers are real numbers and Booleans, of numpy, pandas, torch or Python. Missing is missing: what a
mask covers, ``None``, NA and NaN are one thing, and become NaN. Dates, durations, text (of digits,
too), bytes, complex numbers, and columns that mix these with numbers are refused by name.
"""

from __future__ import annotations

import datetime
from decimal import Decimal
from numbers import Complex, Real
from typing import TYPE_CHECKING, NamedTuple, TypeGuard

import numpy as np

from lumin_core.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd
    from torch import Tensor

REAL = "biuf"  # numpy's kinds of real numbers
WHOLE = 2**53  # integers up to here are exact in float64
MISSING = ("NoneType", "NAType", "NaTType", "MaskedConstant")  # by name: pandas need not be imported


class _Kind(NamedTuple):
    name: str
    way_out: str


_TEXT = _Kind("text", "encode it as codes 0, 1, 2, ..., or convert it with pd.to_numeric")
_BYTES = _Kind("bytes", "decode and convert them first")
_DATES = _Kind("dates", "convert them to numbers first, such as seconds since an epoch")
_DURATIONS = _Kind("durations", "convert them to numbers first, such as seconds")
_COMPLEX = _Kind("complex numbers", "give real and imaginary parts as two columns")
_NESTED = _Kind("sequences", "give one number for each event, or pad them into a matrix of one shape")
_RECORDS = _Kind("records", "give each field as a column, as pd.DataFrame(records) does")
_KINDS = {"U": _TEXT, "T": _TEXT, "S": _BYTES, "M": _DATES, "m": _DURATIONS, "c": _COMPLEX, "V": _RECORDS}
_TYPES: tuple[tuple[tuple[type, ...], _Kind | None], ...] = (
    ((str,), _TEXT),
    ((bytes, bytearray), _BYTES),
    ((datetime.timedelta, np.timedelta64), _DURATIONS),  # before numbers: numpy counts its own as integers
    ((datetime.date, datetime.time, np.datetime64), _DATES),
    ((list, tuple, dict, set, frozenset, np.ndarray), _NESTED),
    ((Real, Decimal, np.bool_), None),
    ((Complex,), _COMPLEX),
)


def as_numbers(values: object, what: str = "the values") -> np.ndarray:
    """Return a column or an array as numpy's numbers, with NaN where a value is missing.

    Args:
        values: A column or an array of any shape: numpy's, masked or not; of pandas, nullable, of
            pyarrow, sparse or categories that are numbers, too; a tensor of torch; anything that
            numpy converts; sequences of these.
        what: What it is, for the message: ``"the column 'pt'"``.

    Returns:
        Booleans, integers or floats of this machine's byte order, of the same shape. An array of
        such numbers is returned itself; integers become floats only where a value is missing.

    Raises:
        DataError: If there is anything but numbers.

    Example:
        >>> import numpy as np
        >>> from lumin_core.data import as_numbers
        >>> as_numbers(np.ma.masked_equal([30.0, -999.0], -999.0))
        array([30., nan])
        >>> as_numbers(["30", "50"], "the column 'pt'")
        Traceback (most recent call last):
        ...
        lumin_core.errors.DataError: the column 'pt' must hold numbers, got text, such as '30'; ...
    """
    if type(values) is np.ndarray and values.dtype.kind in REAL and values.dtype.isnative:
        return values
    if _is_column(values):
        _check_dtype(values, what)
    return _checked(as_array(values, what), what)


def _is_frame(values: object) -> TypeGuard[pd.DataFrame]:
    return hasattr(values, "iloc") and getattr(values, "ndim", 0) == 2


def _is_column(values: object) -> TypeGuard[pd.Series]:
    return hasattr(values, "isna") and getattr(values, "ndim", 0) == 1


def _is_tensor(values: object) -> TypeGuard[Tensor]:
    return hasattr(values, "detach")


def as_array(values: object, what: str = "the values") -> np.ndarray:
    """Return whatever comes as an array of numpy, maybe masked, of whatever it holds.

    Args:
        values: As for `as_numbers`, and text, dates or anything else.
        what: What it is, for the message.

    Raises:
        DataError: If it cannot be an array of one shape.

    Example:
        >>> from lumin_core.data.numbers import as_array
        >>> as_array([1, 2])
        array([1, 2])
    """
    if isinstance(values, np.ndarray):
        return values
    if _is_frame(values):
        return _of_frame(values, what)
    if _is_column(values):
        return _of_column(values)
    try:
        if _is_tensor(values):
            return _of_tensor(values)
        if isinstance(values, list | tuple):
            if _hides_missing(values):
                return np.stack([as_numbers(part, what) for part in values])
            if any(isinstance(value, str) for value in values):
                return np.array(values, dtype=object)  # numpy would make text of numbers, too, and drop a last NUL
        return _of_others(values)
    except DataError:
        raise
    except (TypeError, ValueError, RuntimeError, OverflowError) as error:
        raise DataError(f"{what} must be numbers in an array of one shape, convert or pad it: {error}") from error


def _of_frame(frame: pd.DataFrame, what: str) -> np.ndarray:
    columns = [as_numbers(frame.iloc[:, i], f"the column {name!r} of {what}") for i, name in enumerate(frame.columns)]
    return np.stack(columns, axis=1) if columns else np.zeros((len(frame), 0), dtype=np.float32)


def _of_column(column: pd.Series) -> np.ndarray:
    """Return a column of pandas as numbers or as objects."""
    dtype: object = column.dtype
    if isinstance(dtype, np.dtype):
        return column.to_numpy()
    if hasattr(dtype, "categories"):
        return np.asarray(column)
    if getattr(dtype, "kind", "O") not in REAL:
        return np.asarray(column, dtype=object)
    if np.asarray(column.isna()).any():
        return column.to_numpy(dtype=np.float64, na_value=np.nan)
    return column.to_numpy(dtype=getattr(dtype, "numpy_dtype", None))


def _check_dtype(column: pd.Series, what: str) -> None:
    """Refuse a column whose dtype says that it holds no numbers, also where all are missing."""
    dtype: object = column.dtype
    if isinstance(dtype, np.dtype):
        return
    if (categories := getattr(dtype, "categories", None)) is not None:
        as_numbers(categories, what)
        return
    kind, held = getattr(dtype, "kind", "O"), getattr(dtype, "type", object)
    refused = _KINDS.get(kind) or next((of_kind for types, of_kind in _TYPES if issubclass(held, types)), None)
    if kind not in REAL and refused is not None:
        raise _refusal(what, refused, np.asarray(column, dtype=object)[~np.asarray(column.isna())])


def _of_tensor(tensor: Tensor) -> np.ndarray:
    on_cpu = tensor.detach().cpu()
    try:
        return on_cpu.numpy()
    except TypeError:  # a type that numpy lacks, such as bfloat16
        return on_cpu.float().numpy()


def _hides_missing(values: Sequence[object]) -> bool:
    """Tell whether numpy would drop masks, or stumble over NA, in a sequence of arrays."""
    types = set(map(type, values))
    if any(issubclass(each, np.ma.MaskedArray) or hasattr(each, "isna") or hasattr(each, "detach") for each in types):
        return True
    return bool(types & {list, tuple}) and any(_hides_missing(v) for v in values if isinstance(v, list | tuple))


def _of_others(values: object) -> np.ndarray:
    """Return what numpy makes of something; awkward's missing values are kept by `to_numpy`."""
    to_numpy = getattr(values, "to_numpy", None)
    if to_numpy is not None:
        try:
            converted: np.ndarray = to_numpy()
            return converted
        except ValueError:  # pyarrow: it would have to copy
            pass
    return np.asarray(values)


def _checked(array: np.ndarray, what: str) -> np.ndarray:
    """Refuse an array of anything but numbers; what is missing becomes NaN."""
    kind = array.dtype.kind
    if isinstance(array, np.ma.MaskedArray):
        if kind == "O":
            array = uncovered(array)
        elif kind in REAL and np.ma.is_masked(array):
            array = np.ma.filled(array.astype(array.dtype if kind == "f" else np.float64), np.nan)
    if kind in REAL:
        return np.asarray(array, dtype=array.dtype.newbyteorder("="))
    if kind == "O":
        return _of_objects(np.asarray(array), what)
    raise _refusal(
        what, _KINDS.get(kind, _Kind(str(array.dtype), "convert it first")), np.asarray(array).reshape(-1)[:1]
    )


def uncovered(array: np.ma.MaskedArray) -> np.ndarray:
    """Return a masked array of text or objects as objects, ``None`` for what the mask covers.

    Example:
        >>> import numpy as np
        >>> from lumin_core.data.numbers import uncovered
        >>> uncovered(np.ma.masked_array(["e", "mu"], mask=[False, True])).tolist()
        ['e', None]
    """
    objects = np.asarray(array.data).astype(object)
    objects[np.ma.getmaskarray(array)] = None
    return objects


def unmasked(values: object, what: str = "the values") -> np.ndarray:
    """Return an array of anything: what is masked or NA is NaN among numbers, else ``None``.

    Raises:
        DataError: If it cannot be an array of one shape.

    Example:
        >>> import numpy as np
        >>> from lumin_core.data import unmasked
        >>> unmasked(np.ma.masked_equal([30, -999], -999)), unmasked(["e", "mu"]).tolist()
        (array([30., nan]), ['e', 'mu'])
    """
    if getattr(getattr(values, "dtype", None), "kind", "O") in REAL:
        return as_numbers(values, what)
    array = as_array(values, what)
    return uncovered(array) if isinstance(array, np.ma.MaskedArray) else array


def _of_objects(array: np.ndarray, what: str) -> np.ndarray:
    """Return Python's numbers as numpy's: integers without a missing value as integers."""
    flat = array.reshape(-1)
    types = set(map(type, flat))
    missing = {each for each in types if each.__name__ in MISSING}
    kinds = {each: _kind(each) for each in types - missing}
    if wrong := {each: kind for each, kind in kinds.items() if kind is not None}:
        first = next(value for value in flat if type(value) in wrong)
        raise _refusal(what, wrong[type(first)], [first], mixed=len(wrong) < len(kinds))
    try:
        if missing:
            numbers = np.array([np.nan if type(value) in missing else value for value in flat], dtype=np.float64)
        elif (numbers := np.asarray(flat.tolist())).dtype.kind not in REAL:
            numbers = flat.astype(np.float64)
    except (OverflowError, ValueError) as error:
        raise DataError(f"{what} has a number that a float cannot hold: {error}") from error
    return numbers.reshape(array.shape)


def _kind(of_type: type) -> _Kind | None:
    """Say what values of a type are, ``None`` for numbers."""
    for types, kind in _TYPES:
        if issubclass(of_type, types):
            return kind
    return _Kind(f"objects of {of_type.__name__}", "convert them first")


def _refusal(what: str, kind: _Kind, example: Sequence[object] | np.ndarray, *, mixed: bool = False) -> DataError:
    came = f"numbers and {kind.name}" if mixed else kind.name
    such = f", such as {_short(example[0])}" if len(example) else ""
    return DataError(f"{what} must hold numbers, got {came}{such}; {kind.way_out}")


def _short(value: object, most: int = 60) -> str:
    if isinstance(value, np.generic):  # without numpy's types; dates as they are written
        value = value.item() if value.dtype.kind not in "mM" else str(value)
    text = " ".join(repr(value).split())
    return text if len(text) <= most else f"{text[:most]}..."
