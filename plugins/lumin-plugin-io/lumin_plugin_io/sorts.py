"""The sorts of values: floats, whole numbers, conditions and text; one turned into another."""

from __future__ import annotations

import numpy as np

from lumin_plugin_io import whole_numbers
from lumin_plugin_io.values import Misfit, Values

_SORTS = {"f": "floats", "i": "whole numbers", "u": "whole numbers", "b": "conditions", "U": "text"}


def as_floats(values: Values) -> np.ndarray:
    """Return numbers as float64, NaN where they are missing.

    Raises:
        Misfit: If it is text.

    Example:
        >>> import numpy as np
        >>> from lumin_plugin_io.sorts import as_floats
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


def as_number(values: Values) -> Values:
    """Return conditions as 0 and 1, and numbers as they are; text is refused.

    Example:
        >>> import numpy as np
        >>> from lumin_plugin_io.sorts import as_number
        >>> from lumin_plugin_io.values import Values
        >>> as_number(Values(np.array([2.5]))).data
        array([2.5])
    """
    return Values(as_floats(values)) if values.sort in "fU" else as_whole(values)


def as_whole(values: Values) -> Values:
    """Return conditions as 0 and 1, and whole numbers as they are.

    Example:
        >>> import numpy as np
        >>> from lumin_plugin_io.sorts import as_whole
        >>> from lumin_plugin_io.values import Values
        >>> as_whole(Values(np.array([True]))).data
        array([1])
    """
    return Values(values.data.astype(np.int64), values.missing, (0, 1)) if values.sort == "b" else values


def alike(*values: Values) -> list[Values]:
    """Return values of one type: floats if some are, else whole numbers, Booleans or text.

    Raises:
        Misfit: If there are text and numbers.

    Example:
        >>> import numpy as np
        >>> from lumin_plugin_io.sorts import alike
        >>> from lumin_plugin_io.values import Values
        >>> [value.data for value in alike(Values(np.array([True])), Values(np.array([2.5])))]
        [array([1.]), array([2.5])]
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


def is_missing(values: Values) -> np.ndarray:
    """Tell which values are missing.

    Example:
        >>> import numpy as np
        >>> from lumin_plugin_io.sorts import is_missing
        >>> from lumin_plugin_io.values import Values
        >>> is_missing(Values(np.array([1.0, np.nan])))
        array([False,  True])
    """
    return np.asarray(np.isnan(values.data)) if values.sort == "f" else mask_of(values)


def mask_of(values: Values) -> np.ndarray:
    """Return the mask of values, which floats do not have.

    Example:
        >>> import numpy as np
        >>> from lumin_plugin_io.sorts import mask_of
        >>> from lumin_plugin_io.values import Values
        >>> mask_of(Values(np.array([1, 2])))
        array([False, False])
    """
    return np.zeros(values.data.shape, bool) if values.missing is None else values.missing


def sort_of(values: Values) -> str:
    """Return what values are, for a message.

    Example:
        >>> import numpy as np
        >>> from lumin_plugin_io.sorts import sort_of
        >>> from lumin_plugin_io.values import Values
        >>> sort_of(Values(np.array(["mu"])))
        'text'
    """
    return _SORTS[values.sort]
