"""A function that expressions of recipes can call."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lumin_core.data import ExpressionFunction

if TYPE_CHECKING:
    from numpy.typing import NDArray


class ExampleExpressionFunction(ExpressionFunction):
    r"""Rapidity of a particle, of its energy and its momentum along z [both GeV].

    .. math:: y = \tfrac{1}{2} \ln\frac{E + p_z}{E - p_z}

    Example:
        >>> import numpy as np
        >>> from lumin_core import build
        >>> rapidity = build("expression_function", "example_expression_function")
        >>> rapidity(np.array([50.0]), np.array([0.0])).tolist()
        [0.0]
    """

    arguments = ("energy", "pz")

    def __call__(self, *values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return one value for each element, NaN where an argument is missing."""
        energy, pz = values
        with np.errstate(divide="ignore", invalid="ignore"):
            return 0.5 * np.log((energy + pz) / (energy - pz))
