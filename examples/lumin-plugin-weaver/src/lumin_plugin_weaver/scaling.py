r"""What weaver-core does to the variables of particles, as a recorded step.

.. math:: x' = \min(\max((x - \mathrm{centre}) \cdot \mathrm{scale}, \mathrm{low}), \mathrm{high})

A variable whose centre is ``None`` stays as it is. Absent particles are NaN and stay so, whatever
weaver pads with: its networks look at the mask.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from lumin_core import Transform
from lumin_core.errors import ConfigError, ShapeError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    Numbers = Sequence[float | None]


class WeaverScaling(Transform):
    """Shifts, scales and clips the variables of particles, as weaver-core's data configuration says.

    Data are matrices of particles, flattened row by row: the same variables again and again.

    Args:
        centre: Of each variable what is subtracted; ``None`` leaves it as it is.
        scale: Of each what it is multiplied by then.
        low: Of each the lowest value then.
        high: Of each the highest value.

    Raises:
        ConfigError: If there are not as many numbers of each sort, a scale is 0, or a lowest value
            is not below the highest.

    Example:
        >>> import numpy as np
        >>> from lumin_plugin_weaver import WeaverScaling
        >>> scaling = WeaverScaling([1.7, None], [0.7, None], [-5.0, None], [5.0, None])
        >>> scaling.transform(np.array([[2.7, 9.0, 99.0, np.nan]]))  # two particles
        array([[0.7, 9. , 5. , nan]])
    """

    example_options: ClassVar[Mapping[str, object]] = {
        "centre": [2.0, 100.0, None],
        "scale": [0.5, 0.02, None],
        "low": [-20.0, -20.0, None],
        "high": [20.0, 20.0, None],
    }

    def __init__(self, centre: Numbers, scale: Numbers, low: Numbers, high: Numbers) -> None:
        if not 0 < len(centre) == len(scale) == len(low) == len(high):
            raise ConfigError(
                "centre, scale, low and high must hold a number for each variable, "
                f"got {len(centre)}, {len(scale)}, {len(low)} and {len(high)} of them"
            )
        rows = list(zip(centre, scale, low, high, strict=True))
        numbers = [(0.0, 1.0, -np.inf, np.inf) if row[0] is None else row for row in rows]
        if wrong := [row for row in numbers if not _is_scaling(row)]:
            raise ConfigError(f"a variable needs a scale that is not 0, and low < high; got {wrong[0]}")
        self._given = {"centre": list(centre), "scale": list(scale), "low": list(low), "high": list(high)}
        self._numbers = np.array(numbers, dtype=float).T

    def transform(self, x: np.ndarray) -> np.ndarray:
        """Shift, scale and clip data ``(n, particles * variables)``."""
        centre, scale, low, high = self._for(x)
        scaled: np.ndarray = np.clip((x - centre) * scale, low, high)
        return scaled

    def inverse_transform(self, x: np.ndarray) -> np.ndarray:
        """Scale and shift back; what was clipped stays at the end of its range."""
        centre, scale, _, _ = self._for(x)
        back: np.ndarray = x / scale + centre
        return back

    def to_config(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        return {name: list(values) for name, values in self._given.items()}

    def _for(self, x: np.ndarray) -> np.ndarray:
        """Return centre, scale, low and high of each column, in the precision of the data."""
        n_vars = self._numbers.shape[1]
        if x.shape[1] % n_vars:
            raise ShapeError(f"expected the {n_vars} variables of each particle, flattened, got {x.shape[1]} columns")
        return np.tile(self._numbers, x.shape[1] // n_vars).astype(np.result_type(x.dtype, np.float32))


def _is_scaling(row: Sequence[float | None]) -> bool:
    """Tell whether centre, scale, low and high of a variable are all there, and can be undone."""
    numbers = [number for number in row if number is not None]
    return len(numbers) == 4 and numbers[1] != 0 and numbers[2] < numbers[3]
