"""The base of functions that expressions of recipes can call."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    import numpy as np


class ExpressionFunction(ABC):
    """Base of functions in expressions (kind ``expression_functions``), applied to each element.

    Jagged columns are laid out flat before it is called, and what is missing is NaN. It is built
    without arguments.

    Attributes:
        arguments: What its arguments are called; their number is how many it takes.

    Example:
        >>> import numpy as np
        >>> from lumin_core.data import ExpressionFunction
        >>> class DeltaEta(ExpressionFunction):
        ...     '''Difference in pseudorapidity.'''
        ...     arguments = ("eta_0", "eta_1")
        ...     def __call__(self, *values):
        ...         eta_0, eta_1 = values
        ...         return eta_1 - eta_0
        >>> DeltaEta()(np.array([0.5]), np.array([2.0]))
        array([1.5])
    """

    kind: ClassVar[str] = "expression_function"
    arguments: ClassVar[tuple[str, ...]]

    @abstractmethod
    def __call__(self, *values: np.ndarray) -> np.ndarray:
        """Return one value for each element.

        Args:
            *values: The arguments, each of shape ``(n,)``, float64; NaN is missing.
        """
