r"""Weighted means and variances of columns, gathered piece by piece.

.. math:: \mu = \frac{\sum |w| x}{\sum |w|}, \qquad
    \sigma^2 = \frac{\sum |w| (x - \mu)^2}{\sum |w|}

A missing value (NaN) counts nowhere. Pieces are merged in the order in which they come, in float64,
with nothing that a number of threads could change, so that the same pieces give the same bits.

References:
    T. F. Chan, G. H. Golub, R. J. LeVeque, "Algorithms for computing the sample variance",
    The American Statistician 37 (1983) 242, https://doi.org/10.1080/00031305.1983.10483115
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

import attrs
import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

BLOCK = 1 << 15  # values looked at together: they stay in the processor's cache


@attrs.define
class Moments:
    """Sums over events for each column.

    Attributes:
        total: Sum of ``|w|``, shape ``(F,)``.
        mean: Shape ``(F,)``.
        squares: Sum of ``|w| (x - mean)**2``, shape ``(F,)``.

    Example:
        >>> import numpy as np
        >>> from lumin_plugin_io.moments import Moments
        >>> moments = Moments.of_nothing(2)
        >>> moments.add(np.array([[1.0, 5.0], [3.0, np.nan]]), np.array([1.0, -1.0]))
        >>> moments.mean.tolist(), moments.variance.tolist()
        ([2.0, 5.0], [1.0, 0.0])
    """

    total: np.ndarray
    mean: np.ndarray
    squares: np.ndarray

    @classmethod
    def of_nothing(cls, n_columns: int) -> Self:
        """Begin."""
        return cls(np.zeros(n_columns), np.zeros(n_columns), np.zeros(n_columns))

    @classmethod
    def from_lists(cls, lists: Sequence[Sequence[float]]) -> Self:
        """Make moments of what `to_lists` gave."""
        return cls(*(np.array(values, dtype=np.float64) for values in lists))

    def to_lists(self) -> list[list[float]]:
        """Return all sums as plain values, from which the same bits come back."""
        return [self.total.tolist(), self.mean.tolist(), self.squares.tolist()]

    @property
    def variance(self) -> np.ndarray:
        """The variance of each column, shape ``(F,)``; 0 where there is no weight."""
        variance: np.ndarray = np.divide(self.squares, self.total, out=np.zeros_like(self.mean), where=self.total > 0)
        return variance

    def add(self, x: np.ndarray, weights: np.ndarray | None = None) -> None:
        """Add events.

        Args:
            x: Shape ``(n, F)``; NaN is missing, there are no infinities.
            weights: Shape ``(n,)``, of which the absolute values count; 1 by default.
        """
        weights = np.ones(len(x)) if weights is None else np.abs(weights.astype(np.float64))
        step = max(1, BLOCK // max(1, x.shape[1]))
        for begin in range(0, len(x), step):
            block = x[begin : begin + step], weights[begin : begin + step]
            self.merge(self._near(*block) or _of_block(*block))

    def _near(self, x: np.ndarray, weights: np.ndarray) -> Moments | None:
        """Return the moments of a few events by their distances from the mean so far.

        That takes half as long as with their own mean. ``None`` where something is missing.
        """
        total = weights.sum()
        if not self.total.all() or not total > 0:
            return None
        distance = np.subtract(x, self.mean, dtype=np.float64)
        moved = np.einsum("i,ij->j", weights, distance) / total
        if np.isnan(moved).any():
            return None
        squares = np.einsum("i,ij,ij->j", weights, distance, distance) - total * moved**2
        return Moments(np.full(x.shape[1], total), self.mean + moved, np.maximum(squares, 0))

    def merge(self, other: Moments) -> None:
        """Add the events of other moments."""
        total = self.total + other.total
        share = np.divide(other.total, total, out=np.zeros_like(total), where=total > 0)
        difference = other.mean - self.mean
        self.mean = self.mean + difference * share
        self.squares = self.squares + other.squares + difference**2 * self.total * share
        self.total = total


def _of_block(x: np.ndarray, weights: np.ndarray) -> Moments:
    """Return the moments of a few events, some of whose values may be missing."""
    x = x.astype(np.float64)
    nan = np.isnan(x)
    x[nan] = 0
    total = np.einsum("i,ij->j", weights, (~nan).astype(np.float64))
    mean = np.divide(np.einsum("i,ij->j", weights, x), total, out=np.zeros(x.shape[1]), where=total > 0)
    x -= mean
    x[nan] = 0
    return Moments(total, mean, np.einsum("i,ij,ij->j", weights, x, x))
