"""Means, spreads and limits of columns, gathered piece by piece, as lines of a table."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs
import numpy as np

from lumin_core.display import whole
from lumin_plugin_io.moments import Moments

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from lumin_core.display import Row

HEADINGS = ("mean", "spread", "smallest", "largest", "missing")
_WIDTHS = (10, 10, 10, 10, 8)


@attrs.define
class Ranges:
    """What is found in columns; a missing value (NaN) counts as one that is missing alone.

    Attributes:
        n: Values of each column, missing ones too.
        moments: Of those that are there, each counted once.
        smallest: Of each column, shape ``(F,)``; NaN where there is no value.
        largest: The same.

    Example:
        >>> import numpy as np
        >>> from lumin_plugin_io.ranges import Ranges
        >>> ranges = Ranges.of_nothing(2)
        >>> ranges.add(np.array([[1.0, np.nan], [3.0, 5.0]]))
        >>> for name, line in ranges.rows(["pt", "m"]):
        ...     print(name, line.split())
        pt ['2', '1', '1', '3', '0%']
        m ['5', '0', '5', '5', '50.0%']
    """

    n: int
    moments: Moments
    smallest: np.ndarray
    largest: np.ndarray

    @classmethod
    def of_nothing(cls, n_columns: int) -> Ranges:
        """Begin."""
        return cls(0, Moments.of_nothing(n_columns), np.full(n_columns, np.nan), np.full(n_columns, np.nan))

    def add(self, values: np.ndarray) -> None:
        """Add events.

        Args:
            values: Shape ``(n, F)``, without infinities.
        """
        self.n += len(values)
        self.moments.add(values)
        self.smallest = np.fmin(self.smallest, np.fmin.reduce(values, axis=0, initial=np.nan))
        self.largest = np.fmax(self.largest, np.fmax.reduce(values, axis=0, initial=np.nan))

    def rows(self, names: Sequence[str]) -> Iterator[Row]:
        """Yield a row for each column, below those of `HEADINGS`.

        Args:
            names: Of the columns.
        """
        spread = np.sqrt(self.moments.variance)
        for i, name in enumerate(names):
            there = float(self.moments.total[i])
            found = (self.moments.mean[i], spread[i], self.smallest[i], self.largest[i])
            texts = [f"{value:.3g}" if there else "-" for value in found]
            missing = 1 - there / self.n if self.n else 0.0
            yield name, in_columns([*texts, f"{missing:.1%}" if missing else "0%"])


def in_columns(texts: Sequence[str]) -> str:
    """Return the texts of a line, each at the right of its column.

    Example:
        >>> from lumin_plugin_io.ranges import HEADINGS, in_columns
        >>> in_columns(HEADINGS).split()
        ['mean', 'spread', 'smallest', 'largest', 'missing']
    """
    return whole("".join(f"{text:>{width}}" for text, width in zip(texts, _WIDTHS, strict=True)))
