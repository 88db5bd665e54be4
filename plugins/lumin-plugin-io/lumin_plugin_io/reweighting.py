r"""Weights for the training: shapes of variables made flat or alike, and classes balanced.

With :math:`S_{cb} = \sum w` over the training events of class :math:`c` in bin :math:`b`, and
:math:`t_b` the shape wanted (:math:`\sum_b t_b = 1`), an event's training weight is

.. math:: w' = w \, f_{cb} \, g_c, \qquad
    f_{cb} = \frac{t_b \sum_{b'} S_{cb'}}{S_{cb}}, \qquad
    g_c = \frac{N}{K \sum_b f_{cb} S_{cb}}

with :math:`N` training events and :math:`K` classes: within each class the shape is that wanted,
all classes have equal sums, and the mean weight is 1. Without classes each sample is reweighted for
itself, and one :math:`g` makes the mean weight 1.

Sums are of signed weights. One that is not positive, of a bin or a class that has events, is an
error. Bins without events of a class are left out of its shape. Beyond the outermost edges events
count in the nearest bin; where a variable is missing they keep :math:`f = 1`, as do events in bins
that had none in the training.
"""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from lumin_core.checks import listed
from lumin_core.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_WAY_OUT = "training weights need positive sums"


class Reweighting:
    """Sums of weights, gathered piece by piece, and the training weights that follow from them.

    Events are added one after the other, so that the pieces in which they come do not matter; sums
    of several files are to be merged in the order of the files.

    Args:
        flat: Edges of bins, ascending, by the name of a variable; several make bins of more than
            one dimension. Empty for balance alone.
        to: Sample whose shape in these bins all others get; by default they become flat.
        is_balanced: Whether classes get equal sums.

    Example:
        >>> import numpy as np
        >>> from lumin_plugin_io.reweighting import Reweighting
        >>> reweighting = Reweighting(is_balanced=True)
        >>> classes, weights = np.array([0, 0, 0, 1]), np.array([1.0, 1.0, 2.0, 0.5])
        >>> reweighting.add("all", weights, classes=classes)
        >>> reweighting.weights_of("all", weights, classes=classes)
        array([0.5, 0.5, 1. , 2. ])
    """

    def __init__(
        self, flat: Mapping[str, Sequence[float]] | None = None, to: str | None = None, *, is_balanced: bool = False
    ) -> None:
        self._edges = {name: np.asarray(edges, np.float64) for name, edges in (flat or {}).items()}
        self._shape = tuple(len(edges) - 1 for edges in self._edges.values())
        self._to = to
        self._is_balanced = is_balanced
        self._sums: dict[Any, np.ndarray] = {}  # by class: in bins, and at last where a variable is missing
        self._counts: dict[Any, np.ndarray] = {}
        self._wanted = np.zeros(prod(self._shape) + 1)

    def add(
        self,
        sample: str,
        weights: np.ndarray,
        variables: Mapping[str, np.ndarray] | None = None,
        classes: np.ndarray | None = None,
    ) -> None:
        """Add events of the training.

        Args:
            sample: The sample that they are of.
            weights: Shape ``(n,)``.
            variables: Those that are binned, by name, each of shape ``(n,)``; NaN is missing.
            classes: The class of each, shape ``(n,)``: numbers or text; needed for balance.
        """
        bins = self._bins(variables, len(weights))
        if sample == self._to:
            np.add.at(self._wanted, bins, weights)
        for name, is_of_class in self._groups(sample, classes, len(weights)):
            if name not in self._sums:
                self._sums[name] = np.zeros(len(self._wanted))
                self._counts[name] = np.zeros(len(self._wanted), np.int64)
            np.add.at(self._sums[name], bins[is_of_class], weights[is_of_class])
            self._counts[name] += np.bincount(bins[is_of_class], minlength=len(self._wanted))

    def merge(self, other: Reweighting) -> None:
        """Add the events of another, with the same options, behind those here."""
        self._wanted = self._wanted + other._wanted
        for name, sums in other._sums.items():
            self._sums[name] = self._sums.get(name, 0) + sums
            self._counts[name] = self._counts.get(name, 0) + other._counts[name]

    def to_lists(self) -> dict[str, Any]:
        """Return all sums as plain values, from which the same bits come back."""
        return {
            "wanted": self._wanted.tolist(),
            "classes": [[name, self._sums[name].tolist(), self._counts[name].tolist()] for name in sorted(self._sums)],
        }

    def with_lists(self, lists: Mapping[str, Any]) -> Self:
        """Return one with these options, and with the sums that `to_lists` gave."""
        flat = {name: edges.tolist() for name, edges in self._edges.items()}
        made = type(self)(flat, self._to, is_balanced=self._is_balanced)
        made._wanted = np.asarray(lists["wanted"], np.float64)
        made._sums = {name: np.asarray(sums, np.float64) for name, sums, _ in lists["classes"]}
        made._counts = {name: np.asarray(counts, np.int64) for name, _, counts in lists["classes"]}
        return made

    def weights_of(
        self,
        sample: str,
        weights: np.ndarray,
        variables: Mapping[str, np.ndarray] | None = None,
        classes: np.ndarray | None = None,
    ) -> np.ndarray:
        """Return the training weights of events, those of the training or others.

        Args:
            sample: As of `add`, as all others.
            weights: Shape ``(n,)``.
            variables: By name, each of shape ``(n,)``.
            classes: Shape ``(n,)``.

        Returns:
            Shape ``(n,)``, float64.

        Raises:
            DataError: If a sum of weights is not positive, with class and edges of the bin; or if
                the training has no event of a class.
        """
        factors = self._factors()
        bins = self._bins(variables, len(weights))
        scaled = np.empty(len(weights))
        for name, is_of_class in self._groups(sample, classes, len(weights)):
            if name not in factors:
                raise DataError(
                    f"train_weight: the training has no events of {self._called(name)}, and no weight for it"
                )
            scaled[is_of_class] = weights[is_of_class] * factors[name][bins[is_of_class]]
        return scaled

    def _bins(self, variables: Mapping[str, np.ndarray] | None, n: int) -> np.ndarray:
        """Return the bin of each event, in one number; the last is for those without one."""
        flat, is_missing = np.zeros(n, np.int64), np.zeros(n, bool)
        for name, edges in self._edges.items():
            values = np.asarray((variables or {})[name], np.float64)
            places = np.searchsorted(edges, values, side="right") - 1
            flat = flat * (len(edges) - 1) + np.clip(places, 0, len(edges) - 2)
            is_missing |= np.isnan(values)
        return np.where(is_missing, len(self._wanted) - 1, flat)

    def _groups(self, sample: str, classes: np.ndarray | None, n: int) -> list[tuple[Any, np.ndarray]]:
        """Return what events are weighted within: their classes, or the sample."""
        if not self._is_balanced:
            return [(sample, np.ones(n, bool))]
        if classes is None:
            raise DataError("train_weight: balance needs the class of each event, got none")
        return [(name.item(), classes == name) for name in np.unique(classes)]

    def _factors(self) -> dict[Any, np.ndarray]:
        """Return what weights are multiplied by, in the bins of each class."""
        shapes = {name: self._shaping(name) for name in sorted(self._sums)}
        totals = {name: float((shapes[name] * self._sums[name]).sum()) for name in shapes}
        n = sum(int(counts.sum()) for counts in self._counts.values())
        if not self._is_balanced:
            overall = self._positive(sum(totals.values()), "all events")
            return {name: shape * (n / overall) for name, shape in shapes.items()}
        return {
            name: shape * (n / len(shapes) / self._positive(totals[name], self._called(name)))
            for name, shape in shapes.items()
        }

    def _shaping(self, name: Any) -> np.ndarray:
        """Return the factors that give the bins of one class the shape wanted."""
        factors = np.ones(len(self._wanted))
        if not self._edges:
            return factors
        sums, is_used = self._sums[name][:-1], self._counts[name][:-1] > 0
        wanted = self._shape_wanted()
        for place in np.flatnonzero(is_used & ~(sums > 0)).tolist():
            self._positive(float(sums[place]), f"{self._called(name)} in {self._bin_called(place)}")
        total = self._positive(float(wanted[is_used].sum()), f"{self._to!r} in the bins of {self._called(name)}")
        factors[:-1][is_used] = wanted[is_used] / total * sums[is_used].sum() / sums[is_used]
        return factors

    def _shape_wanted(self) -> np.ndarray:
        wanted = self._wanted[:-1] if self._to is not None else np.ones(prod(self._shape))
        for place in np.flatnonzero(wanted < 0).tolist():
            self._positive(float(wanted[place]), f"the sample {self._to!r} in {self._bin_called(place)}")
        return wanted

    def _positive(self, total: float, of_what: str) -> float:
        if not total > 0:
            raise DataError(
                f"train_weight: weights of {of_what} sum to {total:g}; {_WAY_OUT}: choose wider bins, or other weights"
            )
        return total

    def _called(self, name: Any) -> str:
        return f"the class {name!r}" if self._is_balanced else f"the sample {name!r}"

    def _bin_called(self, place: int) -> str:
        places = np.unravel_index(place, self._shape)
        bins = zip(self._edges.items(), places, strict=True)
        return "the bin " + listed(f"{name} {edges[i]:g} to {edges[i + 1]:g}" for (name, edges), i in bins)
