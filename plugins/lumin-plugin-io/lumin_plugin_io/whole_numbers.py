r"""Arithmetic of whole numbers of 64 bits that is exact, or missing.

NumPy's wraps around: :math:`2^{62} \cdot 2 = -2^{63}`. Here a result that does not fit is missing,
as is a division by zero, and a negative power. Where the operands' bounds say that all results fit,
which is nearly always, it is NumPy's own operation.

Two unsigned operands (a constant that is not negative counts as one) have an unsigned result, their
difference aside; others a signed one.
"""

from __future__ import annotations

import operator
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np

from lumin_plugin_io.values import Values, either

if TYPE_CHECKING:
    from collections.abc import Callable

_RANGES = {np.dtype(kind): (int(np.iinfo(kind).min), int(np.iinfo(kind).max)) for kind in ("int64", "uint64")}
_INT64, _UINT64 = np.dtype("int64"), np.dtype("uint64")
_WIDTH = 64


def bounds_of(values: Values) -> tuple[int, int]:
    """Return between what whole numbers are.

    Example:
        >>> import numpy as np
        >>> from lumin_plugin_io.values import Values
        >>> from lumin_plugin_io.whole_numbers import bounds_of
        >>> bounds_of(Values(np.array([3, -1])))
        (-1, 3)
    """
    if values.bounds is not None or not values.data.size:
        return values.bounds or (0, 0)
    return int(values.data.min()), int(values.data.max())


def with_type(values: Values, dtype: np.dtype[Any]) -> Values:
    """Return whole numbers as signed or unsigned ones; what does not fit is missing.

    Example:
        >>> import numpy as np
        >>> from lumin_plugin_io.values import Values
        >>> from lumin_plugin_io.whole_numbers import with_type
        >>> with_type(Values(np.array([3, -1])), np.dtype("uint64")).missing
        array([False,  True])
    """
    if values.data.dtype == dtype:
        return values
    if _within(bounds_of(values), dtype):
        return Values(values.data.astype(dtype, copy=False), values.missing, values.bounds)
    return _if_they_fit(values.data.astype(object), values.missing, dtype)


def type_of(first: Values, second: Values) -> np.dtype[Any]:
    """Return the type of what two operands make.

    Example:
        >>> import numpy as np
        >>> from lumin_plugin_io.values import Values
        >>> from lumin_plugin_io.whole_numbers import type_of
        >>> event = Values(np.array([1, 2], "uint64"))
        >>> type_of(event, Values(np.array(2))), type_of(event, Values(np.array([2, 3])))
        (dtype('uint64'), dtype('int64'))
    """
    unsigned = [one.sort == "u" or (one.is_constant and bool(one.data >= 0)) for one in (first, second)]
    return _UINT64 if all(unsigned) and "u" in (first.sort, second.sort) else _INT64


def combine(first: Values, second: Values, *, by: str) -> Values:
    """Return sums, differences or products.

    Args:
        first: Whole numbers.
        second: As `first`.
        by: ``"add"``, ``"subtract"`` or ``"multiply"``.

    Example:
        >>> import numpy as np
        >>> from lumin_plugin_io.values import Values
        >>> from lumin_plugin_io.whole_numbers import combine
        >>> combine(Values(np.array([1, 2**62])), Values(np.array(2)), by="multiply")
        Values(data=array([2, 0]), missing=array([False,  True]), bounds=None)
    """
    exact: Callable[[Any, Any], Any] = {"add": operator.add, "subtract": operator.sub, "multiply": operator.mul}[by]
    dtype = _INT64 if by == "subtract" else type_of(first, second)
    corners = [exact(*pair) for pair in product(bounds_of(first), bounds_of(second))]
    bounds = min(corners), max(corners)
    missing = either(first.missing, second.missing)
    if _within(bounds, dtype):  # then what wraps around on the way is right in the end
        data = getattr(np, by)(first.data.astype(dtype, copy=False), second.data.astype(dtype, copy=False))
        return Values(np.asarray(data), missing, bounds)
    return _if_they_fit(exact(first.data.astype(object), second.data.astype(object)), missing, dtype)


def divide(first: Values, second: Values, *, remainder: bool) -> Values:
    """Return quotients rounded down, or what remains, as Python does; missing where it is by zero.

    Example:
        >>> import numpy as np
        >>> from lumin_plugin_io.values import Values
        >>> from lumin_plugin_io.whole_numbers import divide
        >>> divide(Values(np.array([-7, 7])), Values(np.array([2, 0])), remainder=False)
        Values(data=array([-4,  7]), missing=array([False,  True]), bounds=None)
    """
    dtype = type_of(first, second)
    missing, divisor = either(first.missing, second.missing), second
    by_zero = np.asarray(second.data == 0)
    if by_zero.any():
        missing = either(missing, np.broadcast_to(by_zero, np.broadcast(first.data, by_zero).shape))
        divisor = Values(np.where(by_zero, 1, second.data).astype(second.data.dtype))
    is_small = all(_within(bounds_of(one), dtype) for one in (first, divisor))
    if is_small and (remainder or bounds_of(first)[0] > _RANGES[_INT64][0]):
        function = np.remainder if remainder else np.floor_divide
        data = function(first.data.astype(dtype, copy=False), divisor.data.astype(dtype, copy=False))
        return Values(np.asarray(data), missing)
    exact = operator.mod if remainder else operator.floordiv
    return _if_they_fit(exact(first.data.astype(object), divisor.data.astype(object)), missing, dtype)


def power(first: Values, second: Values) -> Values:
    """Return powers; missing where the exponent is negative.

    Example:
        >>> import numpy as np
        >>> from lumin_plugin_io.values import Values
        >>> from lumin_plugin_io.whole_numbers import power
        >>> power(Values(np.array([3, 10])), Values(np.array([39, 18]))).data
        array([4052555153018976267, 1000000000000000000])
    """
    dtype = type_of(first, second)
    missing = either(first.missing, second.missing)
    (low, high), (least, most) = bounds_of(Values(first.data)), bounds_of(second)
    if least >= 0 and most * max(1, abs(low), abs(high)).bit_length() < _WIDTH - 1:
        data = raised(first.data.astype(dtype, copy=False), second.data.astype(dtype, copy=False))
        return Values(np.asarray(data), missing)
    with np.errstate(all="ignore"):
        bits = np.log2(np.abs(first.data.astype(np.float64))) * second.data  # -inf or NaN for a base of 0
    is_huge = (second.data < 0) | (bits > _WIDTH + 1)  # of which no computer could write down all digits
    exponents = np.where(is_huge, 0, second.data).astype(object)
    exact = np.power(first.data.astype(object), exponents)
    return _if_they_fit(exact, either(missing, is_huge), dtype)


def raised(base: np.ndarray, exponent: np.ndarray) -> np.ndarray:
    """Return powers as NumPy has them, which squares where the exponent is a number that is 2.

    Example:
        >>> import numpy as np
        >>> from lumin_plugin_io.whole_numbers import raised
        >>> raised(np.array([3.0]), np.array(2))
        array([9.])
    """
    powers: np.ndarray = base ** (exponent if exponent.ndim else exponent.item())
    return powers


def bits(first: Values, second: Values, *, by: str) -> Values:
    """Combine the bits of whole numbers.

    Args:
        first: Whole numbers.
        second: As `first`.
        by: ``"bitwise_and"``, ``"bitwise_or"`` or ``"bitwise_xor"``.

    Example:
        >>> import numpy as np
        >>> from lumin_plugin_io.values import Values
        >>> from lumin_plugin_io.whole_numbers import bits
        >>> bits(Values(np.array([6, 5])), Values(np.array(4)), by="bitwise_and").data
        array([4, 4])
    """
    dtype = type_of(first, second)
    function = getattr(np, by)
    missing = either(first.missing, second.missing)
    if all(_within(bounds_of(one), dtype) for one in (first, second)):
        return Values(
            np.asarray(function(first.data.astype(dtype, copy=False), second.data.astype(dtype, copy=False))), missing
        )
    return _if_they_fit(function(first.data.astype(object), second.data.astype(object)), missing, dtype)


def shift(first: Values, second: Values, *, left: bool) -> Values:
    """Shift bits; missing where there are fewer than 0 or more than 63 places, or bits get lost.

    Example:
        >>> import numpy as np
        >>> from lumin_plugin_io.values import Values
        >>> from lumin_plugin_io.whole_numbers import shift
        >>> shift(Values(np.array(1)), Values(np.array([3, 64])), left=True)
        Values(data=array([8, 1]), missing=array([False,  True]), bounds=None)
    """
    outside = (second.data < 0) | (second.data >= _WIDTH)
    places = np.where(outside, 0, second.data).astype(first.data.dtype)
    shifted = np.asarray(np.left_shift(first.data, places) if left else np.right_shift(first.data, places))
    lost = outside | (np.right_shift(shifted, places) != first.data) if left else outside
    lost = np.broadcast_to(lost, shifted.shape) if np.any(lost) else None
    return Values(shifted, either(first.missing, second.missing, lost))


def absolute(values: Values) -> Values:
    """Return absolute values.

    Example:
        >>> import numpy as np
        >>> from lumin_plugin_io.values import Values
        >>> from lumin_plugin_io.whole_numbers import absolute
        >>> absolute(Values(np.array([3, -1]))).data
        array([3, 1])
    """
    low, high = bounds_of(values)
    if low >= 0:
        return values
    if low == _RANGES[_INT64][0]:
        return _if_they_fit(np.abs(values.data.astype(object)), values.missing, _INT64)
    return Values(np.abs(values.data), values.missing, (0, max(-low, high)))


def _within(bounds: tuple[int, int], dtype: np.dtype[Any]) -> bool:
    low, high = _RANGES[dtype]
    return low <= bounds[0] and bounds[1] <= high


def _if_they_fit(exact: Any, missing: np.ndarray | None, dtype: np.dtype[Any]) -> Values:
    """Turn Python's whole numbers, which are of any size, into those of 64 bits."""
    numbers = np.asarray(exact, object)
    low, high = _RANGES[dtype]
    fits = np.asarray((numbers >= low) & (numbers <= high)).astype(bool)
    data = np.where(fits, numbers, 0).astype(dtype, copy=False)
    return Values(data, missing if fits.all() else either(missing, ~fits))
