"""Running a chain of transforms, forth and back; a step that gives no such data is named."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lumin_core.data.numbers import as_numbers
from lumin_core.errors import ShapeError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy as np

    from lumin_core.data.transforms import Pipe


def apply_chain(chain: Sequence[Pipe], x: np.ndarray) -> np.ndarray:
    """Run a chain.

    Args:
        chain: Steps in their order.
        x: Shape ``(n, F)``; what is masked or NA is NaN for the steps.

    Returns:
        Shape ``(n, F')``.

    Raises:
        DataError: If data, or what a step gives, hold anything but numbers.
        ShapeError: If a step gives other rows, or nothing.

    Example:
        >>> import numpy as np
        >>> from lumin_core.data import apply_chain
        >>> apply_chain([], np.ones((1, 2)))
        array([[1., 1.]])
    """
    x = as_numbers(x, "the data")
    for step in chain:
        x = _run(step, step.transform, x)
    return x


def invert_chain(chain: Sequence[Pipe], x: np.ndarray) -> np.ndarray:
    """Run a chain backwards; arguments and errors as for `apply_chain`.

    Example:
        >>> import numpy as np
        >>> from lumin_core.data import invert_chain
        >>> invert_chain([], np.ones((1, 2)))
        array([[1., 1.]])
    """
    x = as_numbers(x, "the data")
    for step in reversed(chain):
        x = _run(step, step.inverse_transform, x)
    return x


def _run(step: Pipe, run: Callable[[np.ndarray], object], x: np.ndarray) -> np.ndarray:
    """Run a step; whatever is wrong with it names it."""
    what = f"{type(step).__name__}.{getattr(run, '__name__', 'transform')}"
    try:
        given = run(x)
    except Exception as error:
        error.add_note(f"Raised by a transform: {what}")
        raise
    result = as_numbers(given, f"what {what} returns")
    if given is None or result.shape[:1] != x.shape[:1]:
        came = "None" if given is None else f"shape {result.shape}"
        raise ShapeError(f"{what} must return one row an event, ({len(x)}, F), got {came}")
    return result
