"""Arrays and tensors as they come, brought to double precision for a formula, and its results back.

Differences of large numbers are what spoils masses and boosts in float32: those of a double's are
10^9 times finer, and products of two float32 are exact in it. So float32 comes in and goes out, and
nothing between is rounded to it. Tensors keep their gradients, and stay on their device; where that
has no doubles (Apple's GPUs), float32 has to do.
"""

from __future__ import annotations

import math
from functools import reduce
from typing import TYPE_CHECKING, TypeAlias, TypeGuard, TypeVar, cast

import numpy as np
import torch
from torch import Tensor

from lumin_core.data import as_numbers
from lumin_core.errors import ShapeError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import ArrayLike

Values: TypeAlias = "ArrayLike | Tensor"
Array: TypeAlias = "np.ndarray | Tensor"
A = TypeVar("A", np.ndarray, Tensor)
R = TypeVar("R")

_BELOW_PI = {torch.float32: 3.1415925025939941, np.dtype(np.float32): 3.1415925025939941}
"""The last number before pi where the nearest to pi lies beyond it."""


def in_doubles(
    formula: Callable[..., R], *values: Values, like: Sequence[Values] | None = None, rounded: bool = True
) -> R:
    """Apply a formula in double precision, and give its results in the precision that came.

    Args:
        formula: Takes arrays, or tensors, of one shape; gives one, or a tuple of such.
        values: What it is given: numbers, arrays (what is masked is NaN), series (by place, not by
            index), tensors; they are broadcast. One tensor makes tensors of all.
        like: The values that tell the precision of the results; by default all. Plain numbers do
            not count, and integers count as float64 (tensors: as torch's default).
        rounded: Whether results are brought to that precision; steps on the way to a
            result are not.

    Returns:
        What the formula gives.

    Raises:
        DataError: If values are no numbers.
        ShapeError: If they do not fit together.

    Example:
        >>> import numpy as np
        >>> from lumin_plugin_hep.precision import in_doubles
        >>> in_doubles(lambda a, b: a - b, np.array([1.5], dtype="float32"), 1)
        array([0.5], dtype=float32)
    """
    on_tensors = any(isinstance(value, Tensor) for value in values)
    with np.errstate(all="ignore"):
        results = formula(*(_double_tensors(values) if on_tensors else _double_arrays(values)))
        if not rounded:
            return results
        dtype = (_tensor_dtype if on_tensors else _array_dtype)(values if like is None else like)
        return cast("R", _round(results, dtype))


def resolution(values: Sequence[Values]) -> float:
    """Return the relative step between neighbouring numbers of the least precise value.

    Plain numbers do not count.

    Example:
        >>> import numpy as np
        >>> from lumin_plugin_hep.precision import resolution
        >>> resolution([np.ones(1, dtype="float32"), np.ones(1), 1.0])
        1.1920928955078125e-07
    """
    kept = [value for value in values if not _is_plain(value)]
    return max(
        float(torch.finfo(_tensor_dtype([v])).eps if isinstance(v, Tensor) else np.finfo(_array_dtype([v])).eps)
        for v in kept or [np.zeros(1)]
    )


def into_range(phi: A) -> A:
    """Bring the rounding of angles into [-pi, pi).

    pi becomes -pi, and in float32, that has no -pi, what comes next.

    Args:
        phi: Angles [rad] that were in the range before they were rounded, an array or a tensor.

    Returns:
        Angles [rad], of the same shape and dtype.

    Example:
        >>> import numpy as np
        >>> from lumin_plugin_hep.precision import into_range
        >>> into_range(np.array([np.pi, 1.0]))
        array([-3.14159265,  1.        ])
    """
    lowest = -_BELOW_PI.get(phi.dtype, math.pi)
    if isinstance(phi, Tensor):
        return torch.where(phi >= math.pi, lowest, phi).clamp(min=lowest)
    wrapped = np.where(phi >= phi.dtype.type(np.pi), lowest, phi).astype(phi.dtype)
    angles: np.ndarray = np.maximum(wrapped, phi.dtype.type(lowest))[()]
    return angles


def stack(*components: Values, like: Sequence[Values] | None = None) -> Array:
    """Return components along a new last axis, broadcast and in one precision.

    `like` is as in `in_doubles`.

    Example:
        >>> import numpy as np
        >>> from lumin_plugin_hep.precision import stack
        >>> stack(np.array([1.0, 2.0]), 0)
        array([[1., 0.],
               [2., 0.]])
    """
    columns = in_doubles(lambda *values: values, *components, like=like)
    return torch.stack(columns, dim=-1) if isinstance(columns[0], Tensor) else np.stack(columns, axis=-1)


def is_real(values: object) -> TypeGuard[Tensor]:
    """Tell a tensor of numbers, which stays on its device, with its gradients.

    Example:
        >>> import torch
        >>> from lumin_plugin_hep.precision import is_real
        >>> is_real(torch.ones(1)), is_real(torch.ones(1, dtype=torch.complex64)), is_real(1.0)
        (True, False, False)
    """
    return isinstance(values, Tensor) and not values.is_complex()


def _double_arrays(values: Sequence[Values]) -> Sequence[np.ndarray]:
    return _broadcast(np.broadcast_arrays, [_numbers(value).astype(np.float64) for value in values])


def _double_tensors(values: Sequence[Values]) -> Sequence[Tensor]:
    device = next(value.device for value in values if isinstance(value, Tensor))
    double = torch.float32 if device.type == "mps" else torch.float64
    tensors = [value if is_real(value) else torch.as_tensor(_numbers(value)) for value in values]
    return _broadcast(torch.broadcast_tensors, [tensor.to(device, double) for tensor in tensors])


def _round(result: object, dtype: np.dtype | torch.dtype) -> object:
    if isinstance(result, tuple):
        return tuple(_round(part, dtype) for part in result)
    if isinstance(dtype, torch.dtype):
        return cast("Tensor", result).to(dtype)
    return np.asarray(result, dtype=dtype)[()]


def _is_plain(value: object) -> bool:
    """Tell a plain number, which says nothing of the precision of results."""
    return isinstance(value, int | float)


def _numbers(values: Values) -> np.ndarray:
    return as_numbers(values, "momenta, energies, masses and angles")


def _array_dtype(values: Sequence[Values]) -> np.dtype:
    dtypes = [_numbers(value).dtype for value in values if not _is_plain(value)]
    return np.result_type(*(dtype if dtype.kind == "f" else np.float64 for dtype in dtypes or [np.dtype(float)]))


def _tensor_dtype(values: Sequence[Values]) -> torch.dtype:
    kept = [value for value in values if not _is_plain(value)]
    dtypes = [value.dtype if isinstance(value, Tensor) else torch.as_tensor(_numbers(value)).dtype for value in kept]
    common = reduce(torch.promote_types, dtypes, torch.bool)
    return common if common.is_floating_point else torch.get_default_dtype()


def _broadcast(function: Callable[..., Sequence[A]], values: Sequence[A]) -> Sequence[A]:
    try:
        return function(*values)
    except (ValueError, RuntimeError) as error:
        shapes = ", ".join(str(tuple(value.shape)) for value in values)
        raise ShapeError(f"values must have one shape, or be broadcast to one, got {shapes}") from error
