"""Checks of values where data enter: what is refused is refused by the name of its column.

Who checks what:

=============================  ===================================================================
whatever comes                 `as_numbers`: numbers, not text or dates; what is missing is NaN
a fold to write (`layout`)     inputs, also of a matrix: `check_inputs`; categorical inputs:
                               `check_codes`; targets: `exact`; weights: `check_finite`
a fold to read (`fold_reader`) the same, the first time: others may have written or changed it
batches (`BatchYielder`)       numbers; NaN in inputs becomes 0; multiclass: `check_classes`
inputs to predict              numbers, infinities (`training.inputs`)
targets of a fit               their range, for the loss (`training.evaluation`)
=============================  ===================================================================
"""

from __future__ import annotations

import math
from numbers import Real
from typing import TYPE_CHECKING

import numpy as np

from lumin_core.data.numbers import REAL, as_numbers
from lumin_core.errors import ConfigError, DataError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray

EXACT = 2**24  # integers up to here are exact in float32
RESERVED = ("inputs", "targets", "weights", "matrix_inputs")
BLOCK = 1 << 16  # values looked at together: stays in the processor's cache, needs no large temporary


def check_column_name(name: object) -> None:
    """Refuse a name that cannot be a further column of a fold.

    Raises:
        ConfigError: If it is taken, or no plain name.

    Example:
        >>> from lumin_core.data.values import check_column_name
        >>> check_column_name("process")
    """
    if name in RESERVED:
        raise ConfigError(f"the column name {name!r} is taken in fold files; choose another name")
    if not isinstance(name, str) or set("/\0") & set(name) or not name.strip("."):
        raise ConfigError(f"{name!r} cannot be a column's name: it must be text, not empty, without '/'")


def to_float32(values: object, what: str = "inputs, weights and predictions") -> NDArray[np.float32]:
    """Convert to float32; what is too large becomes infinite, which `check_inputs` names.

    Args:
        values: As for `as_numbers`.
        what: What it is, for the message.

    Raises:
        DataError: If the values are no numbers.

    Example:
        >>> from lumin_core.data import to_float32
        >>> to_float32([1, 1e300, None])
        array([ 1., inf, nan], dtype=float32)
    """
    with np.errstate(over="ignore", invalid="ignore"):
        return np.asarray(as_numbers(values, what), dtype=np.float32)


def check_inputs(values: np.ndarray, names: Sequence[str], where: str, clip: float | None = None) -> np.ndarray:
    """Refuse infinite inputs, or clip by choice. NaN passes: it is stored, and read as 0.

    Args:
        values: Shape ``(n, F)``, or ``(n, *)`` for matrices and tensors.
        names: Of the columns in the order of the flattened axes after the first; may be empty.
        where: What this is and of which file, for the message.
        clip: If given, values are limited to ``[-clip, clip]``.

    Returns:
        The values, clipped in a copy where there is something to clip.

    Raises:
        DataError: If there are infinities and no ``clip``; it names column and number.
        ConfigError: If ``clip`` is not a positive number.

    Example:
        >>> import numpy as np
        >>> from lumin_core.data.values import check_inputs
        >>> check_inputs(np.array([[np.inf, 1.0]]), ["pt", "eta"], "inputs", clip=100)
        array([[100.,   1.]])
    """
    if clip is not None:
        if not _is_limit(clip):
            raise ConfigError(f"clip must be a positive, finite number, got {clip!r}")
        clipped: np.ndarray = np.clip(values, -clip, clip)
        return clipped
    if bad := _first_bad(values, np.isinf, names):
        raise DataError(
            f"{where}: {bad} an infinite value (or one too large for float32); remove or replace these, or pass "
            "clip=<largest value>"
        )
    return values


def check_finite(values: np.ndarray, names: Sequence[str], where: str) -> None:
    """Refuse NaN and infinities in targets and weights; arguments as for `check_inputs`.

    Raises:
        DataError: If there are such; it names column and number.

    Example:
        >>> import numpy as np
        >>> from lumin_core.data.values import check_finite
        >>> check_finite(np.array([np.nan, 1.0]), ["mass"], "targets of train.hdf5")
        Traceback (most recent call last):
        ...
        lumin_core.errors.DataError: targets of train.hdf5: column 'mass' has once NaN ...
    """
    if values.dtype.kind in "fc" and (bad := _first_bad(values, lambda block: ~np.isfinite(block), names)):
        raise DataError(f"{where}: {bad} NaN or infinity; remove these events")


def check_codes(values: np.ndarray, names: Sequence[str], where: str) -> None:
    """Refuse categorical inputs that are no codes 0, 1, 2, ... exact in float32.

    Raises:
        DataError: If there are such; it names column and value.

    Example:
        >>> import numpy as np
        >>> from lumin_core.data.values import check_codes
        >>> check_codes(np.array([[0.0], [2.0]]), ["n_jets"], "cat_feats")
    """
    with np.errstate(invalid="ignore", over="ignore"):  # of float16, EXACT is infinite
        wrong = ~((values >= 0) & (values <= EXACT) & (values == np.floor(values)))
    columns = np.flatnonzero(wrong.any(axis=0))
    if len(columns):
        column = int(columns[0])
        raise DataError(
            f"{where}: {_column(names, column)} must hold codes 0, 1, 2, ..., got "
            f"{values[wrong[:, column], column][0]}; encode it first (proc_cats of lumin-plugin-tabular)"
        )


def exact(values: object, dtype: np.dtype, names: Sequence[str], where: str) -> np.ndarray:
    """Convert targets to their dtype, refusing what would change.

    That is NaN, infinities, and fractions as integers.

    Args:
        values: Any shape.
        dtype: Of numbers.
        names: As for `check_inputs`, as is the next.
        where: What this is and of which file.

    Raises:
        DataError: If values are not numbers, not finite, or not what the dtype can hold.

    Example:
        >>> import numpy as np
        >>> from lumin_core.data.values import exact
        >>> exact([0.5, 1.0], np.dtype("int64"), ["mass"], "targets")
        Traceback (most recent call last):
        ...
        lumin_core.errors.DataError: targets: column 'mass' has 0.5, which int64 cannot hold; ...
    """
    values = as_numbers(values, where)
    check_finite(values, names, where)
    with np.errstate(over="ignore", invalid="ignore"):
        converted: np.ndarray = values.astype(dtype)
    if dtype.kind == "f":
        check_finite(converted, names, where)
    elif (wrong := converted != values).any():
        index = tuple(np.argwhere(wrong)[0].tolist())
        column = _column(names, index[1] if len(index) > 1 else 0)
        raise DataError(f"{where}: {column} has {values[index]}, which {dtype} cannot hold; choose another targ_type")
    return converted


def check_classes(targets: np.ndarray) -> None:
    """Refuse multiclass targets that are no classes 0, 1, 2, ...

    Raises:
        DataError: If there are such.

    Example:
        >>> import numpy as np
        >>> from lumin_core.data.values import check_classes
        >>> check_classes(np.array([0.0, 2.5]))
        Traceback (most recent call last):
        ...
        lumin_core.errors.DataError: multiclass targets must be classes 0, 1, 2, ..., got 2.5
    """
    if targets.dtype.kind not in REAL:
        raise DataError(f"multiclass targets must be classes 0, 1, 2, ..., got dtype {targets.dtype}")
    wrong = targets < 0
    if targets.dtype.kind == "f":
        wrong = ~((targets >= 0) & (targets == np.floor(targets)))
    if wrong.any():
        raise DataError(f"multiclass targets must be classes 0, 1, 2, ..., got {targets[wrong].reshape(-1)[0]}")


def nan_to_zero(values: np.ndarray) -> np.ndarray:
    """Replace NaN by 0 in place, block by block, and return the same array.

    Args:
        values: Any shape, contiguous in memory; changed.

    Example:
        >>> import numpy as np
        >>> from lumin_core.data.values import nan_to_zero
        >>> nan_to_zero(np.array([np.nan, 1.0]))
        array([0., 1.])
    """
    for block in blocks(values.reshape(-1)):
        nan = np.isnan(block)
        if nan.any():
            block[nan] = 0
    return values


def without_nan(values: np.ndarray) -> np.ndarray:
    """Return values with 0 for NaN: the same array where there is none, else a copy.

    Example:
        >>> import numpy as np
        >>> from lumin_core.data.values import without_nan
        >>> given = np.array([np.nan, 1.0])
        >>> without_nan(given), given
        (array([0., 1.]), array([nan,  1.]))
    """
    return nan_to_zero(np.array(values, order="C")) if has_nan(values) else values


def has_nan(values: np.ndarray) -> bool:
    """Tell whether there is NaN in an array, with no temporary of its size.

    Example:
        >>> import numpy as np
        >>> from lumin_core.data.values import has_nan
        >>> has_nan(np.array([np.nan, 1.0])), has_nan(np.array([1, 2])), has_nan(np.array(["a"]))
        (True, False, False)
    """
    return values.dtype.kind in "fc" and any(np.isnan(block).any() for block in blocks(values))


def columns_with_nan(values: np.ndarray) -> list[int]:
    """Return the numbers of the columns that hold NaN, with no temporary of the array's size.

    Args:
        values: Shape ``(n, F)``.

    Example:
        >>> import numpy as np
        >>> from lumin_core.data.values import columns_with_nan
        >>> columns_with_nan(np.array([[1.0, np.nan], [2.0, 3.0]]))
        [1]
    """
    found = np.zeros(values.shape[1:], dtype=bool)
    for block in blocks(values):
        found |= np.isnan(block).any(axis=0)
    return np.flatnonzero(found).tolist()


def blocks(values: np.ndarray) -> Iterator[np.ndarray]:
    """Go through an array by as many events as stay in the processor's cache, without a copy.

    Example:
        >>> import numpy as np
        >>> from lumin_core.data.values import blocks
        >>> [len(block) for block in blocks(np.zeros((100_000, 1)))]
        [65536, 34464]
    """
    step = max(1, BLOCK // max(1, math.prod(values.shape[1:])))
    return (values[start : start + step] for start in range(0, len(values), step))


def _first_bad(values: np.ndarray, is_bad: Callable[[np.ndarray], np.ndarray], names: Sequence[str]) -> str | None:
    """Say which column is the first with bad values, and how many it has."""
    rows = values.reshape(len(values), -1) if values.size else values.reshape(0, 0)
    n_bad = np.zeros(rows.shape[1], dtype=np.int64)
    for block in blocks(rows):
        bad = is_bad(block)
        if bad.any():
            n_bad += bad.sum(axis=0)
    columns = np.flatnonzero(n_bad).tolist()
    if not columns:
        return None
    n = n_bad[columns[0]]
    return f"{_column(names, columns[0])} has {'once' if n == 1 else f'{n} times'}"


def _is_limit(clip: object) -> bool:
    return isinstance(clip, Real) and 0 < float(clip) < np.inf


def _column(names: Sequence[str], index: int) -> str:
    return f"column {names[index]!r}" if index < len(names) else f"column {index}"
