"""Columns of numbers: their ranges, what is missing, which are constant or there twice.

They are looked at fold by fold; a column is told from others by a hash of its values.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import TYPE_CHECKING

import numpy as np
from attrs import define, field

from lumin_core.checks import listed

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

FAR = 100  # standard deviations from the mean, beyond which a value is told


@define
class ColumnRange:
    """What is known of one column.

    Attributes:
        n: Number of values, missing ones too.
        n_missing: How many are missing.
        low: The lowest; NaN where there is none.
        high: The highest.
        total: Their sum, in units of the first one's distance from 0.
    """

    n: int = 0
    n_missing: int = 0
    low: float = np.nan
    high: float = np.nan
    total: float = 0.0
    squares: float = 0.0
    _hash: blake2b = field(factory=lambda: blake2b(digest_size=16))

    def add(self, column: np.ndarray) -> None:
        """Add values, shape ``(n,)``; NaN is missing."""
        column = np.ascontiguousarray(column, dtype=np.float32)
        self._hash.update(column.data)
        there = column[~np.isnan(column)].astype(np.float64)
        self.n += len(column)
        self.n_missing += len(column) - len(there)
        if len(there):
            self.low = float(np.fmin(self.low, there.min()))
            self.high = float(np.fmax(self.high, there.max()))
            self.total += float(there.sum())
            self.squares += float(there @ there)

    @property
    def is_constant(self) -> bool:
        """Whether all values that are there are one, or there is none."""
        return not self.low < self.high

    @property
    def deviation(self) -> float:
        """The standard deviation; 0 where there is none."""
        n = max(self.n - self.n_missing, 1)
        return float(np.sqrt(max(self.squares / n - (self.total / n) ** 2, 0.0)))

    @property
    def farthest(self) -> float:
        """How many standard deviations the farthest value is from the mean."""
        mean = self.total / max(self.n - self.n_missing, 1)
        return max(self.high - mean, mean - self.low) / self.deviation if self.deviation > 0 else 0.0

    @property
    def content(self) -> bytes:
        """What tells its values from those of another column."""
        return self._hash.digest()

    def __str__(self) -> str:
        """Give the range, and how much is missing."""
        if self.n_missing == self.n:
            return "no value in any event"
        missing = f", {share(self.n_missing, self.n)} missing" if self.n_missing else ""
        return f"{self.low:.4g} to {self.high:.4g}{missing}"


def share(part: float, whole: float) -> str:
    """Write a part of a whole in per cent, never what it is not: 0 or 100.

    Example:
        >>> from lumin_plugin_commands.column_ranges import share
        >>> share(1, 3), share(1, 100_000), share(99_999, 100_000)
        ('33.3%', 'below 0.1%', 'above 99.9%')
    """
    percent = 100 * part / whole if whole else 0.0
    if 0 < percent < 0.1:
        return "below 0.1%"
    return "above 99.9%" if 99.9 < percent < 100 else f"{percent:.3g}%"


class ColumnRanges:
    """Columns by name, of which many events are added piece by piece.

    Args:
        names: Of the columns.

    Example:
        >>> import numpy as np
        >>> from lumin_plugin_commands.column_ranges import ColumnRanges
        >>> ranges = ColumnRanges(["pt", "copy", "year"])
        >>> ranges.add(np.array([[30.0, 30.0, 2018.0], [50.0, 50.0, 2018.0]]))
        >>> [*ranges.faults()]
        ['constant: year', 'the same values: pt, copy']
    """

    def __init__(self, names: Sequence[str]) -> None:
        self.by_name = {name: ColumnRange() for name in names}

    def add(self, values: np.ndarray) -> None:
        """Add events, shape ``(n, F)``."""
        for i, column in enumerate(self.by_name.values()):
            column.add(values[:, i])

    def faults(self) -> Iterator[str]:
        """Say which columns are constant, or the same, or have values far from the others."""
        varying = {name: column for name, column in self.by_name.items() if not column.is_constant}
        if constant := [name for name in self.by_name if name not in varying]:
            yield f"constant: {listed(constant)}"
        same: dict[bytes, list[str]] = {}
        for name, column in varying.items():
            same.setdefault(column.content, []).append(name)
        yield from (f"the same values: {listed(names)}" for names in same.values() if len(names) > 1)
        if far := [f"{name} ({column.farthest:,.0f})" for name, column in varying.items() if column.farthest > FAR]:
            yield f"values more than {FAR} standard deviations from the mean: {listed(far)}"
