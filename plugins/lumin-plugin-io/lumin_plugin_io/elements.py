"""What operators do to each element.

Whatever is worked out from a missing value is missing; a comparison with one is false, ``!=`` too,
and where something has to be true or false, what is missing is false. Floats follow IEEE 754, without
warnings: a division by zero is infinite, or missing.
"""

from __future__ import annotations

import ast
import operator
from functools import partial, reduce
from typing import TYPE_CHECKING, Any

import numpy as np

from lumin_plugin_io import whole_numbers
from lumin_plugin_io.values import Misfit, Values, either

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_FLOATS = {
    ast.Add: np.add,
    ast.Sub: np.subtract,
    ast.Mult: np.multiply,
    ast.Div: np.true_divide,
    ast.FloorDiv: np.floor_divide,
    ast.Mod: np.remainder,
    ast.Pow: np.power,
}
_WHOLE: dict[type[ast.operator], Callable[[Values, Values], Values]] = {
    ast.Add: partial(whole_numbers.combine, by="add"),
    ast.Sub: partial(whole_numbers.combine, by="subtract"),
    ast.Mult: partial(whole_numbers.combine, by="multiply"),
    ast.FloorDiv: partial(whole_numbers.divide, remainder=False),
    ast.Mod: partial(whole_numbers.divide, remainder=True),
    ast.Pow: whole_numbers.power,
    ast.BitAnd: partial(whole_numbers.bits, by="bitwise_and"),
    ast.BitOr: partial(whole_numbers.bits, by="bitwise_or"),
    ast.BitXor: partial(whole_numbers.bits, by="bitwise_xor"),
    ast.LShift: partial(whole_numbers.shift, left=True),
    ast.RShift: partial(whole_numbers.shift, left=False),
}
_LOGICAL = {ast.BitAnd: np.logical_and, ast.BitOr: np.logical_or, ast.BitXor: np.logical_xor}
_COMPARISONS: dict[type[ast.cmpop], Callable[[Any, Any], Any]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
}
_SORTS = {"f": "numbers", "i": "whole numbers", "u": "whole numbers", "b": "conditions", "U": "text"}
_FITS_INTO_64_BITS = 2.0**64


def operate(kind: type[ast.operator], first: Values, second: Values) -> Values:
    """Apply an arithmetic or bitwise operator.

    Args:
        kind: The operator.
        first: What stands to its left.
        second: What stands to its right.

    Raises:
        Misfit: If it cannot be applied to values of these sorts.

    Example:
        >>> import ast
        >>> import numpy as np
        >>> from lumin_plugin_io.elements import operate
        >>> from lumin_plugin_io.values import Values
        >>> operate(ast.Div, Values(np.array([1, 0])), Values(np.array(0))).data
        array([inf, nan])
    """
    if kind in _LOGICAL and first.sort == second.sort == "b":
        return Values(np.asarray(_LOGICAL[kind](truth(first).data, truth(second).data)))
    if kind in _WHOLE and {first.sort, second.sort} <= set("iub") and not _has_negative_power(kind, second):
        return _refuse_lost_constant(_WHOLE[kind](as_whole(first), as_whole(second)))
    if kind not in _FLOATS:
        raise Misfit(
            f"bits are of whole numbers or conditions, got {sort_of(first)} and {sort_of(second)}; conditions are "
            "combined by 'and', 'or', or with brackets, (x > 1) & (y > 2)"
        )
    with np.errstate(all="ignore"):
        return Values(np.asarray(_FLOATS[kind](as_floats(first), as_floats(second))))


def negative(values: Values) -> Values:
    """Return values with their signs changed.

    Example:
        >>> import numpy as np
        >>> from lumin_plugin_io.elements import negative
        >>> from lumin_plugin_io.values import Values
        >>> negative(Values(np.array([3, -1]))).data
        array([-3,  1])
    """
    if values.sort in "iub":
        return operate(ast.Sub, Values(np.array(0)), values)
    return Values(np.asarray(-as_floats(values)))


def positive(values: Values) -> Values:
    """Return numbers as they are.

    Example:
        >>> import numpy as np
        >>> from lumin_plugin_io.elements import positive
        >>> from lumin_plugin_io.values import Values
        >>> positive(Values(np.array([True]))).data
        array([1])
    """
    return as_whole(values) if values.sort in "iub" else Values(as_floats(values))


def inverse(values: Values) -> Values:
    """Return ``~x``: conditions the other way round, whole numbers with all bits changed.

    Example:
        >>> import numpy as np
        >>> from lumin_plugin_io.elements import inverse
        >>> from lumin_plugin_io.values import Values
        >>> inverse(Values(np.array([True]))).data, inverse(Values(np.array([5]))).data
        (array([False]), array([-6]))
    """
    if values.sort not in "iub":
        raise Misfit(f"'~' is of conditions or whole numbers, got {sort_of(values)}; did you mean '-' or 'not'?")
    return Values(np.asarray(~values.data), values.missing)


def absolute(values: Values) -> Values:
    """Return absolute values.

    Example:
        >>> import numpy as np
        >>> from lumin_plugin_io.elements import absolute
        >>> from lumin_plugin_io.values import Values
        >>> absolute(Values(np.array([3, -1]))).data
        array([3, 1])
    """
    if values.sort in "iub":
        return whole_numbers.absolute(as_whole(values))
    return Values(np.asarray(np.abs(as_floats(values))))


def compare(kind: type[ast.cmpop], first: Values, second: Values) -> Values:
    """Compare; false where something is missing.

    Args:
        kind: The comparison.
        first: What stands to its left.
        second: What stands to its right.

    Raises:
        Misfit: If text is compared with numbers.

    Example:
        >>> import ast
        >>> import numpy as np
        >>> from lumin_plugin_io.elements import compare
        >>> from lumin_plugin_io.values import Values
        >>> compare(ast.NotEq, Values(np.array([1.0, np.nan])), Values(np.array(2.0))).data
        array([ True, False])
    """
    if (first.sort == "U") != (second.sort == "U"):
        raise Misfit(f"text is compared with text, got {sort_of(first)} and {sort_of(second)}")
    first, second = _exact(first, second), _exact(second, first)
    result = np.asarray(_compared(_COMPARISONS[kind], first, second))
    if kind is ast.NotEq:  # true for NaN, as IEEE has it
        for one in (first, second):
            result = result & ~np.isnan(one.data) if one.sort == "f" else result
    missing = either(first.missing, second.missing)
    return Values(result if missing is None else result & ~missing)


def is_among(values: Values, *others: Values) -> Values:
    """Tell which values are equal to one of others.

    Example:
        >>> import numpy as np
        >>> from lumin_plugin_io.elements import is_among
        >>> from lumin_plugin_io.values import Values
        >>> is_among(Values(np.array([11, 13, 15])), Values(np.array(11)), Values(np.array(13))).data
        array([ True,  True, False])
    """
    found = [compare(ast.Eq, values, other).data for other in others]
    return Values(np.asarray(reduce(np.logical_or, found, np.zeros(values.data.shape, bool))))


def is_not_among(values: Values, *others: Values) -> Values:
    """Tell which values are equal to none of others; what is missing is not.

    Example:
        >>> import numpy as np
        >>> from lumin_plugin_io.elements import is_not_among
        >>> from lumin_plugin_io.values import Values
        >>> is_not_among(Values(np.array([11.0, 15.0, np.nan])), Values(np.array(11))).data
        array([False,  True, False])
    """
    return Values(np.asarray(~is_among(values, *others).data & ~is_missing(values)))


def all_true(*conditions: Values) -> Values:
    """Return where all conditions are true.

    Example:
        >>> import numpy as np
        >>> from lumin_plugin_io.elements import all_true
        >>> from lumin_plugin_io.values import Values
        >>> all_true(Values(np.array([True, False])), Values(np.array([2, 3]))).data
        array([ True, False])
    """
    return Values(np.asarray(reduce(np.logical_and, [truth(one).data for one in conditions])))


def any_true(*conditions: Values) -> Values:
    """Return where some condition is true.

    Example:
        >>> import numpy as np
        >>> from lumin_plugin_io.elements import any_true
        >>> from lumin_plugin_io.values import Values
        >>> any_true(Values(np.array([True, False])), Values(np.array([0, 0]))).data
        array([ True, False])
    """
    return Values(np.asarray(reduce(np.logical_or, [truth(one).data for one in conditions])))


def opposite(condition: Values) -> Values:
    """Return where a condition is not true.

    Example:
        >>> import numpy as np
        >>> from lumin_plugin_io.elements import opposite
        >>> from lumin_plugin_io.values import Values
        >>> opposite(Values(np.array([True, False]))).data
        array([False,  True])
    """
    return Values(np.asarray(~truth(condition).data))


def truth(values: Values) -> Values:
    """Return conditions as they are, and of numbers whether they differ from 0.

    Raises:
        Misfit: If it is text.

    Example:
        >>> import numpy as np
        >>> from lumin_plugin_io.elements import truth
        >>> from lumin_plugin_io.values import Values
        >>> truth(Values(np.array([0.0, 2.0, np.nan]))).data
        array([False,  True, False])
    """
    if values.sort == "U":
        raise Misfit("a condition is needed, got text; compare it, as in name == 'text'")
    if values.sort == "b":
        return values if values.missing is None else Values(np.asarray(values.data & ~values.missing))
    return compare(ast.NotEq, values, Values(np.array(0)))


def where(condition: Values, chosen: Values, other: Values) -> Values:
    """Return one value where a condition is true, and another elsewhere.

    Example:
        >>> import numpy as np
        >>> from lumin_plugin_io.elements import where
        >>> from lumin_plugin_io.values import Values
        >>> where(Values(np.array([True, False])), Values(np.array(1)), Values(np.array(2.5))).data
        array([1. , 2.5])
    """
    is_chosen = truth(condition).data
    first, second = alike(chosen, other)
    missing = None
    if first.missing is not None or second.missing is not None:
        missing = np.where(is_chosen, _mask(first), _mask(second))
    return Values(np.asarray(np.where(is_chosen, first.data, second.data)), missing)


def least(*values: Values) -> Values:
    """Return the least of several values.

    Example:
        >>> import numpy as np
        >>> from lumin_plugin_io.elements import least
        >>> from lumin_plugin_io.values import Values
        >>> least(Values(np.array([2, 5])), Values(np.array(3))).data
        array([2, 3])
    """
    return _extreme(np.minimum, values)


def greatest(*values: Values) -> Values:
    """Return the greatest of several values.

    Example:
        >>> import numpy as np
        >>> from lumin_plugin_io.elements import greatest
        >>> from lumin_plugin_io.values import Values
        >>> greatest(Values(np.array([2, 5])), Values(np.array(3))).data
        array([3, 5])
    """
    return _extreme(np.maximum, values)


def is_finite(values: Values) -> Values:
    """Tell which numbers are neither missing nor infinite.

    Example:
        >>> import numpy as np
        >>> from lumin_plugin_io.elements import is_finite
        >>> from lumin_plugin_io.values import Values
        >>> is_finite(Values(np.array([1.0, np.inf, np.nan]))).data
        array([ True, False, False])
    """
    if values.sort == "f":
        return Values(np.asarray(np.isfinite(values.data)))
    return Values(np.asarray(~is_missing(values)))


def is_missing(values: Values) -> np.ndarray:
    """Tell which values are missing.

    Example:
        >>> import numpy as np
        >>> from lumin_plugin_io.elements import is_missing
        >>> from lumin_plugin_io.values import Values
        >>> is_missing(Values(np.array([1.0, np.nan])))
        array([False,  True])
    """
    return np.asarray(np.isnan(values.data)) if values.sort == "f" else _mask(values)


def as_floats(values: Values) -> np.ndarray:
    """Return numbers as float64, NaN where they are missing.

    Raises:
        Misfit: If it is text.

    Example:
        >>> import numpy as np
        >>> from lumin_plugin_io.elements import as_floats
        >>> from lumin_plugin_io.values import Values
        >>> as_floats(Values(np.array([1, 2]), np.array([False, True])))
        array([ 1., nan])
    """
    if values.sort == "f":
        return values.data
    if values.sort == "U":
        raise Misfit("numbers are needed, got text; text can be compared, as in name == 'text'")
    floats = values.data.astype(np.float64)
    return floats if values.missing is None else np.where(values.missing, np.nan, floats)


def as_whole(values: Values) -> Values:
    """Return conditions as 0 and 1, and whole numbers as they are.

    Example:
        >>> import numpy as np
        >>> from lumin_plugin_io.elements import as_whole
        >>> from lumin_plugin_io.values import Values
        >>> as_whole(Values(np.array([True]))).data
        array([1])
    """
    return Values(values.data.astype(np.int64), values.missing, (0, 1)) if values.sort == "b" else values


def alike(*values: Values) -> list[Values]:
    """Return values of one type: text, floats if some are, whole numbers if some are, else Booleans.

    Raises:
        Misfit: If there are text and numbers.

    Example:
        >>> import numpy as np
        >>> from lumin_plugin_io.elements import alike
        >>> from lumin_plugin_io.values import Values
        >>> [value.data.tolist() for value in alike(Values(np.array([True])), Values(np.array(2.5)))]
        [[1.0], 2.5]
    """
    sorts = {value.sort for value in values}
    if "U" in sorts and len(sorts) > 1:
        raise Misfit(f"either text or numbers are needed, got {' and '.join(map(sort_of, values))}")
    if "f" in sorts:
        return [Values(as_floats(value)) for value in values]
    if len(sorts) == 1 and sorts <= {"U", "b"}:
        return list(values)
    whole = [as_whole(value) for value in values]
    dtype = whole_numbers.type_of(*whole) if len(whole) == 2 else np.dtype("int64")
    return [whole_numbers.with_type(value, dtype) for value in whole]


def sort_of(values: Values) -> str:
    """Return what values are, for a message.

    Example:
        >>> import numpy as np
        >>> from lumin_plugin_io.elements import sort_of
        >>> from lumin_plugin_io.values import Values
        >>> sort_of(Values(np.array(["mu"])))
        'text'
    """
    return _SORTS[values.sort]


def _extreme(function: Callable[[Any, Any], Any], values: Sequence[Values]) -> Values:
    """Compare in pairs."""
    if any(value.sort == "U" for value in values):
        raise Misfit("numbers are needed, got text; text can be compared, as in name == 'text'")

    def of_two(first: Values, second: Values) -> Values:
        first, second = alike(as_number(first), as_number(second))
        return Values(np.asarray(function(first.data, second.data)), either(first.missing, second.missing))

    return reduce(of_two, values)


def as_number(values: Values) -> Values:
    """Return conditions as 0 and 1, and numbers as they are; text is refused.

    Example:
        >>> import numpy as np
        >>> from lumin_plugin_io.elements import as_number
        >>> from lumin_plugin_io.values import Values
        >>> as_number(Values(np.array([2.5]))).data
        array([2.5])
    """
    return Values(as_floats(values)) if values.sort in "fU" else as_whole(values)


def _has_negative_power(kind: type[ast.operator], exponent: Values) -> bool:
    return kind is ast.Pow and exponent.is_constant and exponent.sort == "i" and bool(exponent.data < 0)


def _refuse_lost_constant(values: Values) -> Values:
    if values.is_constant and values.missing is not None and values.missing:
        raise Misfit("a constant is beyond 64 bits, or divided by 0; write a number with a point for a float, 9.0**99")
    return values


def _exact(values: Values, other: Values) -> Values:
    """Prepare for a comparison: a float constant that is whole is compared exactly with whole numbers."""
    if values.sort == "b":
        return as_whole(values)
    is_whole = values.sort == "f" and values.is_constant and other.sort in "iu" and float(values.data).is_integer()
    if is_whole and 0 <= values.data < _FITS_INTO_64_BITS:
        return Values(np.array(int(values.data), np.uint64))
    return values


def _compared(comparison: Callable[[Any, Any], Any], first: Values, second: Values) -> Any:
    """Compare exactly, signed with unsigned whole numbers too, which NumPy might turn into floats."""
    if (first.sort, second.sort) == ("i", "u"):
        is_below = first.data < 0
        result = comparison(np.where(is_below, 0, first.data).astype(np.uint64), second.data)
        return np.where(is_below, comparison(-1, 0), result)
    if (first.sort, second.sort) == ("u", "i"):
        is_below = second.data < 0
        result = comparison(first.data, np.where(is_below, 0, second.data).astype(np.uint64))
        return np.where(is_below, comparison(0, -1), result)
    return comparison(first.data, second.data)


def _mask(values: Values) -> np.ndarray:
    return np.zeros(values.data.shape, bool) if values.missing is None else values.missing
