"""Comparisons and conditions, element by element.

A comparison with what is missing is false, ``!=`` too; and where something has to be true or false,
what is missing is false.
"""

from __future__ import annotations

import ast
import operator
from functools import reduce
from typing import TYPE_CHECKING, Any

import numpy as np

from lumin_plugin_io.sorts import as_whole, is_missing, sort_of
from lumin_plugin_io.values import Misfit, Values, either

if TYPE_CHECKING:
    from collections.abc import Callable

_COMPARISONS: dict[type[ast.cmpop], Callable[[Any, Any], Any]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
}
_FITS_INTO_64_BITS = 2.0**64


def truth(values: Values) -> Values:
    """Return conditions as they are, and of numbers whether they differ from 0.

    Raises:
        Misfit: If it is text.

    Example:
        >>> import numpy as np
        >>> from lumin_plugin_io.conditions import truth
        >>> from lumin_plugin_io.values import Values
        >>> truth(Values(np.array([0.0, 2.0, np.nan]))).data
        array([False,  True, False])
    """
    if values.sort == "U":
        raise Misfit("a condition is needed, got text; compare it, as in name == 'text'")
    if values.sort == "b":
        return values if values.missing is None else Values(np.asarray(values.data & ~values.missing))
    return compare(ast.NotEq, values, Values(np.array(0)))


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
        >>> from lumin_plugin_io.conditions import compare
        >>> from lumin_plugin_io.values import Values
        >>> compare(ast.NotEq, Values(np.array([1.0, np.nan])), Values(np.array(2.0))).data
        array([ True, False])
    """
    if (first.sort == "U") != (second.sort == "U"):
        raise Misfit(f"text is compared with text, got {sort_of(first)} and {sort_of(second)}")
    first, second = _exact(first, second), _exact(second, first)
    if kind is ast.NotEq and "f" in (first.sort, second.sort):  # it is true for NaN, as IEEE has it
        result = np.asarray((first.data < second.data) | (first.data > second.data))
    else:
        result = np.asarray(_compared(_COMPARISONS[kind], first, second))
    missing = either(first.missing, second.missing)
    return Values(result if missing is None else result & ~missing)


def is_among(values: Values, *others: Values) -> Values:
    """Tell which values are equal to one of others.

    Example:
        >>> import numpy as np
        >>> from lumin_plugin_io.conditions import is_among
        >>> from lumin_plugin_io.values import Values
        >>> is_among(Values(np.array([11, 15])), Values(np.array(11)), Values(np.array(13))).data
        array([ True, False])
    """
    found = [compare(ast.Eq, values, other).data for other in others]
    return Values(np.asarray(reduce(np.logical_or, found, np.zeros(values.data.shape, bool))))


def is_not_among(values: Values, *others: Values) -> Values:
    """Tell which values are equal to none of others; what is missing is not.

    Example:
        >>> import numpy as np
        >>> from lumin_plugin_io.conditions import is_not_among
        >>> from lumin_plugin_io.values import Values
        >>> is_not_among(Values(np.array([11.0, 15.0, np.nan])), Values(np.array(11))).data
        array([False,  True, False])
    """
    return Values(np.asarray(~is_among(values, *others).data & ~is_missing(values)))


def all_true(*conditions: Values) -> Values:
    """Return where all conditions are true.

    Example:
        >>> import numpy as np
        >>> from lumin_plugin_io.conditions import all_true
        >>> from lumin_plugin_io.values import Values
        >>> all_true(Values(np.array([True, False])), Values(np.array([2, 3]))).data
        array([ True, False])
    """
    return Values(np.asarray(reduce(np.logical_and, [truth(one).data for one in conditions])))


def any_true(*conditions: Values) -> Values:
    """Return where some condition is true.

    Example:
        >>> import numpy as np
        >>> from lumin_plugin_io.conditions import any_true
        >>> from lumin_plugin_io.values import Values
        >>> any_true(Values(np.array([True, False])), Values(np.array([0, 0]))).data
        array([ True, False])
    """
    return Values(np.asarray(reduce(np.logical_or, [truth(one).data for one in conditions])))


def opposite(condition: Values) -> Values:
    """Return where a condition is not true.

    Example:
        >>> import numpy as np
        >>> from lumin_plugin_io.conditions import opposite
        >>> from lumin_plugin_io.values import Values
        >>> opposite(Values(np.array([True, False]))).data
        array([False,  True])
    """
    return Values(np.asarray(~truth(condition).data))


def _exact(values: Values, other: Values) -> Values:
    """Turn a constant as 1e18 into a whole number where it is compared with such."""
    if values.sort == "b":
        return as_whole(values)
    is_whole = values.sort == "f" and values.is_constant and other.sort in "iu" and float(values.data).is_integer()
    if is_whole and 0 <= values.data < _FITS_INTO_64_BITS:
        return Values(np.array(int(values.data), np.uint64))
    return values


def _compared(comparison: Callable[[Any, Any], Any], first: Values, second: Values) -> Any:
    """Compare, signed with unsigned whole numbers too, which NumPy might turn into floats."""
    if (first.sort, second.sort) == ("i", "u"):
        is_below = first.data < 0
        result = comparison(np.where(is_below, 0, first.data).astype(np.uint64), second.data)
        return np.where(is_below, comparison(-1, 0), result)
    if (first.sort, second.sort) == ("u", "i"):
        is_below = second.data < 0
        result = comparison(first.data, np.where(is_below, 0, second.data).astype(np.uint64))
        return np.where(is_below, comparison(0, -1), result)
    return comparison(first.data, second.data)
