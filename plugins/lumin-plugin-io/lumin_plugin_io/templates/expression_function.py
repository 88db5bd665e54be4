"""A function that expressions of recipes can call."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lumin_core.data import ExpressionFunction

if TYPE_CHECKING:
    from numpy.typing import NDArray


class ExampleExpressionFunction(ExpressionFunction):
    r"""Transverse momentum of a particle, of its momentum along x and y [all GeV].

    .. math:: p_T = \sqrt{p_x^2 + p_y^2}

    Example:
        >>> import numpy as np
        >>> from lumin_core import build
        >>> momentum = build("expression_function", "example_expression_function")
        >>> momentum(np.array([30.0]), np.array([40.0])).tolist()
        [50.0]
    """

    arguments = ("px", "py")

    def __call__(self, *values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return one value for each element, NaN where an argument is missing."""
        px, py = values
        momentum: NDArray[np.float64] = np.hypot(px, py)
        return momentum
