r"""What a physicist wants to know of a fold file: ranges, balance, weights, and what may hurt.

The folds are looked at one after the other. Weights :math:`w_i` are worth
:math:`(\sum w)^2 / \sum w^2` events of weight one (Kish, Survey Sampling, 1965).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lumin_core.checks import listed
from lumin_core.display import count
from lumin_plugin_commands.column_ranges import ColumnRanges, share

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lumin_core.data import FoldData, MatrixSchema, Schema
    from lumin_core.display import Row

    Sums = dict[float, list[float]]
    """By class its number of events and sum of weights."""

_MOST = 40  # ranges that are listed
_CLASSES = 20  # of more values a target is no class
_UNEVEN = 100.0  # factor between sums of weights of classes, above which it is told
_LARGE = 0.05  # share of one event in all weights, above which it is told


class DataSummary:
    """What is found in the folds of a file.

    Args:
        schema: What the file has.

    Example:
        >>> import numpy as np
        >>> from lumin_core.data import Schema
        >>> from lumin_plugin_commands.data_summary import DataSummary
        >>> summary = DataSummary(Schema(cont_feats=["pt", "year"], targ_feats=["y"]))
        >>> x = np.array([[30.0, 2018.0], [50.0, 2018.0]])
        >>> summary.add({"inputs": x, "targets": np.array([[0.0], [1.0]]), "weights": None})
        >>> dict(summary.rows())["warning"]
        'constant: year'
    """

    def __init__(self, schema: Schema) -> None:
        self._schema = schema
        self._inputs = ColumnRanges(schema.input_feats)
        self._matrix = ColumnRanges([] if schema.matrix is None else _names_in(schema.matrix))
        self._targets = ColumnRanges([] if schema.target_tensor else schema.targ_feats)
        self._classes: list[Sums] | None = [] if len(self._targets.by_name) == 1 else None
        self._folds: list[tuple[int, float]] = []
        self._weights: list[np.ndarray] = []  # of each fold its sums of w, |w|, w^2 and negative w, and the largest |w|

    def add(self, fold: FoldData, matrix: np.ndarray | None = None) -> None:
        """Add a fold, as `FoldReader.read_fold` gives it, and its matrix, shape ``(n, ...)``."""
        inputs, weights = np.asarray(fold["inputs"]), fold["weights"]
        self._inputs.add(inputs)
        if matrix is not None and self._schema.matrix is not None and self._matrix.by_name:
            objects = np.moveaxis(matrix, self._schema.matrix.object_axis, 1)
            self._matrix.add(objects.reshape(-1, len(self._matrix.by_name)))
        if self._targets.by_name and fold["targets"].shape[1:] == (len(self._targets.by_name),):
            self._targets.add(fold["targets"])
        w = np.ones(len(inputs)) if weights is None else weights[:, 0].astype(np.float64)
        self._folds.append((len(w), float(w.sum())))
        size = np.abs(w)
        if weights is not None:
            self._weights.append(np.array([w.sum(), size.sum(), w @ w, size[w < 0].sum(), size.max(initial=0)]))
        if self._classes is not None:
            found = np.unique(fold["targets"])
            if len(found) > _CLASSES or (found % 1).any():
                self._classes = None
                return
            of_class = {value: fold["targets"].reshape(-1) == value for value in found.tolist()}
            self._classes.append({value: [int(at.sum()), float(w[at].sum())] for value, at in of_class.items()})

    def rows(self) -> Iterator[Row]:
        """Give the rows of what is found, warnings last."""
        sizes, sums = [n for n, _ in self._folds], [total for _, total in self._folds]
        yield "each fold", f"{_span(sizes)} events{f', weights of {_span(sums)}' if self._weights else ''}"
        classes = self._sums()
        for value, (n, total) in sorted(classes.items()):
            of_weights = f", {share(total, sum(sums))} of the weights, {total:.6g}" if self._weights else ""
            yield f"class {value:g}", f"{n:,} events, {share(n, sum(sizes))}{of_weights}"
        if self._weights:
            yield "weights", self._about_weights()
        ranges = {**self._inputs.by_name, **self._matrix.by_name, **({} if classes else self._targets.by_name)}
        yield from ((name, str(column)) for name, column in list(ranges.items())[:_MOST])
        if len(ranges) > _MOST:
            yield "...", f"{len(ranges) - _MOST} more"
        yield from (("warning", text) for text in self._warnings())

    def _sums(self) -> Sums:
        sums: Sums = {}
        for of_fold in self._classes or []:
            for value, (n, total) in of_fold.items():
                before = sums.get(value, [0, 0.0])
                sums[value] = [before[0] + n, before[1] + total]
        return sums

    def _about_weights(self) -> str:
        total, size, squares, negative, _ = np.sum(self._weights, axis=0)
        largest = max(float(of_fold[-1]) for of_fold in self._weights)
        effective = total**2 / squares if squares else 0.0
        signs = f"{share(negative, size)} of their size is negative" if negative else "none is negative"
        return (
            f"sum {total:.6g}; {signs}, {share(largest, size)} is that of one event; as precise as {effective:,.0f} "
            "events of equal weights"
        )

    def _warnings(self) -> Iterator[str]:
        yield from self._inputs.faults()
        yield from self._matrix.faults()
        if not self._classes:
            yield from self._targets.faults()
        if lacking := [name for name, column in self._inputs.by_name.items() if 2 * column.n_missing > column.n]:
            yield f"missing in more than half of the events: {listed(lacking)}"
        yield from self._about_classes()
        sizes = [n for n, _ in self._folds]
        if max(sizes) > 2 * min(sizes):
            yield f"folds are of {_span(sizes)} events: what is trained on a fold and validated on one differs"
        if self._weights:
            if low := [i for i, (_, total) in enumerate(self._folds) if total <= 0]:
                yield f"weights do not sum to more than 0 in {count(len(low), 'fold')}: {listed(low)}"
            size = float(np.sum(self._weights, axis=0)[1])
            if size and max(float(of_fold[-1]) for of_fold in self._weights) > _LARGE * size:
                yield f"one event has more than {_LARGE:.0%} of all weights"

    def _about_classes(self) -> Iterator[str]:
        classes = self._sums()
        if len(classes) == 1:
            yield f"all events are of one class, {next(iter(classes)):g}"
        for value, (_, total) in sorted(classes.items()):
            if lacking := [i for i, of_fold in enumerate(self._classes or []) if value not in of_fold]:
                yield f"class {value:g} is missing in {count(len(lacking), 'fold')}: {listed(lacking)}"
            if total <= 0:
                yield f"weights of class {value:g} do not sum to more than 0"
        totals = [total for _, total in classes.values()]
        if len(totals) > 1 and min(totals) > 0 and max(totals) > _UNEVEN * min(totals):
            factor = max(totals) / min(totals)
            yield f"sums of weights of the classes differ by a factor of {factor:,.0f}: the callback balance_classes"


def _names_in(matrix: MatrixSchema) -> list[str]:
    """Name the features of the objects of a matrix; a tensor is one."""
    return [f"{feat} of objects" for feat in matrix.feats_per_vec] if any(matrix.feats_per_vec) else matrix.vecs[:1]


def _span(values: list[int] | list[float]) -> str:
    low, high = (f"{end:,}" if isinstance(end, int) else f"{end:.6g}" for end in (min(values), max(values)))
    return low if low == high else f"{low} to {high}"
