r"""The logarithm of long tails, of either sign.

.. math:: x' = \operatorname{sign}(x) \, \ln(1 + |x| / s)

It is linear for :math:`|x| \ll s`, logarithmic for :math:`|x| \gg s`, odd, and rises everywhere, so
that every number can be transformed, 0 and negative ones too, and back.

References:
    J. B. W. Webber, "A bi-symmetric log transformation for wide-range data", Meas. Sci. Technol. 24
    (2013) 027001, https://doi.org/10.1088/0957-0233/24/2/027001
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

import numpy as np

from lumin_core.checks import is_number
from lumin_core.data import Transform
from lumin_core.errors import ConfigError, DataError, ShapeError
from lumin_plugin_tabular.estimated import check_values

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    Array = np.ndarray


class SignedLog(Transform):
    """Takes the logarithm of one and the value, keeping the sign of the value.

    Missing values stay missing. Nothing is learned; a ``standard_scaler`` behind it does the rest.

    Args:
        scale: The value, in the unit of the data, from which on it is a logarithm rather than
            linear.
        columns: Which columns, counted from 0, such as those of transverse momenta but not those of
            angles; all by default.

    Example:
        >>> import numpy as np
        >>> from lumin_plugin_tabular import SignedLog
        >>> step = SignedLog(scale=10.0, columns=[0])
        >>> step.transform(np.array([[0.0, 1.5], [90.0, -1.5], [-90.0, 0.0]])).round(3)
        array([[ 0.   ,  1.5  ],
               [ 2.303, -1.5  ],
               [-2.303,  0.   ]])
    """

    def __init__(self, scale: float = 1.0, columns: Sequence[int] | None = None) -> None:
        if not is_number(scale) or not scale > 0:
            raise ConfigError(f"scale must be a number above 0, in the unit of the data, got {scale!r}")
        self.scale = float(scale)
        self.columns = None if columns is None else _numbers(columns)

    def fit(self, x: Array, sample_weight: Array | None = None) -> Self:
        """Learn nothing.

        Args:
            x: Shape ``(n, F)``.
            sample_weight: Shape ``(n,)``; weights do not matter.

        Returns:
            Itself.
        """
        return self

    def transform(self, x: Array) -> Array:
        """Transform data of shape ``(n, F)``, float32 to float32, in double precision.

        Raises:
            ShapeError: If it does not have the columns.
            DataError: If values are infinite.
        """
        return self._apply(lambda size: np.log1p(size / self.scale), x)

    def inverse_transform(self, x: Array) -> Array:
        """Undo `transform`.

        Raises:
            DataError: In addition, if values stand for numbers that are too large for a float.
        """
        return self._apply(lambda size: self.scale * np.expm1(size), x)

    def to_config(self) -> dict[str, object]:
        """Give the options as plain values."""
        return {"scale": self.scale, "columns": self.columns}

    def _apply(self, function: Callable[[Array], Array], x: Array) -> Array:
        x = check_values(x)
        if self.columns and max(self.columns) >= x.shape[1]:
            msg = f"signed_log is for the columns {self.columns}, counted from 0, but got shape {x.shape}"
            raise ShapeError(msg)
        columns = slice(None) if self.columns is None else self.columns
        given = x.copy()
        with np.errstate(over="ignore"):  # refused below
            chosen = x[:, columns].astype(np.float64)
            given[:, columns] = np.copysign(function(np.abs(chosen)), chosen)
        if np.isinf(given).any():
            msg = f"values of up to {np.nanmax(np.abs(chosen)):.4g} stand for numbers that {x.dtype} cannot hold; they "
            msg += "are no logarithms of this scale"
            raise DataError(msg)
        return given


def _numbers(columns: Sequence[int]) -> list[int]:
    numbers = list(columns) if isinstance(columns, list | tuple) else []
    if not numbers or not all(hasattr(i, "__index__") and not isinstance(i, bool) and i >= 0 for i in numbers):
        raise ConfigError(f"columns must be a list of numbers of columns, counted from 0, got {columns!r}")
    return [int(i) for i in numbers]
