"""Arithmetic, bits and choices, element by element.

Whatever is worked out from a missing value is missing. Floats follow IEEE 754, without warnings: a
division by zero is infinite, or missing.
"""

from __future__ import annotations

import ast
from functools import partial, reduce
from typing import TYPE_CHECKING, Any

import numpy as np

from lumin_plugin_io import whole_numbers
from lumin_plugin_io.conditions import truth
from lumin_plugin_io.sorts import alike, as_floats, as_number, as_whole, is_missing, mask_of, sort_of
from lumin_plugin_io.values import Misfit, Values, either

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_FLOATS: dict[type[ast.operator], Callable[[np.ndarray, np.ndarray], Any]] = {
    ast.Add: np.add,
    ast.Sub: np.subtract,
    ast.Mult: np.multiply,
    ast.Div: np.true_divide,
    ast.FloorDiv: np.floor_divide,
    ast.Mod: np.remainder,
    ast.Pow: whole_numbers.raised,
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
        missing = np.where(is_chosen, mask_of(first), mask_of(second))
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


def _extreme(function: Callable[[Any, Any], Any], values: Sequence[Values]) -> Values:
    """Compare in pairs."""
    if any(value.sort == "U" for value in values):
        raise Misfit("numbers are needed, got text; text can be compared, as in name == 'text'")

    def of_two(first: Values, second: Values) -> Values:
        first, second = alike(as_number(first), as_number(second))
        return Values(np.asarray(function(first.data, second.data)), either(first.missing, second.missing))

    return reduce(of_two, values)


def _has_negative_power(kind: type[ast.operator], exponent: Values) -> bool:
    return kind is ast.Pow and exponent.is_constant and exponent.sort == "i" and bool(exponent.data < 0)


def _refuse_lost_constant(values: Values) -> Values:
    if values.is_constant and values.missing is not None and values.missing:
        raise Misfit("a constant is beyond 64 bits, or divided by 0; write a number with a point for a float, 9.0**99")
    return values
