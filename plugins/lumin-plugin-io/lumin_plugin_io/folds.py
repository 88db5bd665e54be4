"""The second pass: from the spool to the folds of the output, one at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs
import numpy as np

from lumin_core import seeds
from lumin_core.errors import DataError
from lumin_plugin_io.category_codes import code_of_number, map_of
from lumin_plugin_io.file_columns import TRAIN_WEIGHT
from lumin_plugin_io.moments import Moments
from lumin_plugin_io.rows import MISC
from lumin_plugin_io.scaling import scaling_of
from lumin_plugin_io.train_weights import as_events, reweighting_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from lumin_plugin_io.category_codes import Value
    from lumin_plugin_io.plan import Plan
    from lumin_plugin_io.reweighting import Reweighting
    from lumin_plugin_io.sources import Source
    from lumin_plugin_io.spool import Filled, Spool

_EXACT = 2**53  # whole numbers up to here are exact in float64


@attrs.define(kw_only=True)
class FoldArrays:
    """The columns of a fold, in the file's order of events; as `FoldFileWriter.append` takes them.

    Attributes:
        inputs: Shape ``(n, n_cont + n_cat)``.
        targets: Shape ``(n,)`` or ``(n, n_targ)``, or ``None``.
        weights: Shape ``(n,)``, or ``None``.
        matrix_inputs: Shape ``(n, N, F)``, or ``None``.
        misc: Further columns by name.
    """

    inputs: np.ndarray
    targets: np.ndarray | None
    weights: np.ndarray | None
    matrix_inputs: np.ndarray | None
    misc: dict[str, np.ndarray]


class FoldMaker:
    """Makes the folds of all parts, when all inputs are in the spool.

    Args:
        recipe: What is wanted.
        spool: Where the rows are.
        filled: What is known of each input.
        sources: The inputs.

    Attributes:
        cat_maps: What the codes of each category mean.
        scaling: How inputs are scaled.

    Raises:
        DataError: If a column has no value in the whole training, or a category has values that
            the training lacks.
    """

    def __init__(self, recipe: Plan, spool: Spool, filled: Sequence[Filled], sources: Sequence[Source]) -> None:
        self._recipe = recipe
        self._spool = spool
        self._filled = filled
        self._matrix = recipe.matrix_schema()
        self._misc = _misc_dtypes(filled)
        self.cat_maps = _cat_maps(recipe, filled)
        self._samples = [source.sample.name for source in sources]
        self._codes = [
            self._codes_of(of_input, source.input.name) for of_input, source in zip(filled, sources, strict=True)
        ]
        self._reweighting = _reweighting(recipe, filled)
        self._meanings = [self._meanings_of(of_input) for of_input in filled]
        self.scaling = scaling_of(recipe, _moments(filled))

    def _codes_of(self, filled: Filled, name: str) -> list[np.ndarray | None]:
        """Return for each category the codes of an input's numbers, ``None`` where they are it."""
        return [
            None
            if category.map
            else code_of_number(
                category, [value for value, _ in filled.values[category.name]], self.cat_maps[category.name], name
            )
            for category in self._recipe.categories
        ]

    def _meanings_of(self, filled: Filled) -> list[Mapping[int, object]]:
        """Return for each category what the numbers in an input's rows mean."""
        return [
            self.cat_maps[category.name]
            if category.map
            else dict(enumerate(value for value, _ in filled.values[category.name]))
            for category in self._recipe.categories
        ]

    def make(self, part: int, fold: int, n: int) -> FoldArrays:
        """Read the rows of a fold, shuffled and scaled.

        Args:
            part: Number of the part.
            fold: Number of the fold.
            n: How many events it has.
        """
        arrays = self._empty(n)
        order = seeds.stream(self._recipe.seed, "shuffling", part, fold).permutation(n)
        place, begin = part * self._recipe.n_folds + fold, 0
        for number, filled in enumerate(self._filled):
            for rows in self._spool.read(number, filled, [place]):
                self._put(rows, order[begin : begin + len(rows)], arrays, number)
                begin += len(rows)
        self.scaling.scale_flat(arrays.inputs[:, : len(self._recipe.cont_feats)])
        if arrays.matrix_inputs is not None:
            self.scaling.scale_matrix(arrays.matrix_inputs)
        if arrays.targets is not None and self._recipe.scalar_target:
            arrays.targets = arrays.targets[:, 0]
        return arrays

    def _empty(self, n: int) -> FoldArrays:
        recipe, matrix = self._recipe, self._matrix
        n_targ = len(recipe.targ_feats)
        return FoldArrays(
            inputs=np.empty((n, len(recipe.cont_feats) + len(recipe.cat_feats)), dtype=np.float32),
            targets=np.empty((n, n_targ)) if n_targ else None,
            weights=None if recipe.wgt_feat is None else np.empty(n, dtype=np.float32),
            matrix_inputs=None if matrix is None else np.empty((n, *matrix.shape), dtype=np.float32),
            misc={
                "file": np.empty(n, dtype=np.int32),
                "entry": np.empty(n, dtype=np.int64),
                **{name: np.empty(n, dtype=dtype) for name, dtype in self._misc.items()},
                **({} if self._reweighting is None else {TRAIN_WEIGHT: np.empty(n, dtype=np.float32)}),
            },
        )

    def _put(self, rows: np.ndarray, where: np.ndarray, arrays: FoldArrays, number: int) -> None:
        """Put the rows of an input where they belong."""
        n_cont = len(self._recipe.cont_feats)
        if n_cont:
            arrays.inputs[where, :n_cont] = rows["flat"]
        for column, codes in enumerate(self._codes[number]):
            numbers = rows["codes"][:, column]
            arrays.inputs[where, n_cont + column] = numbers if codes is None else codes[numbers]
        for name, values in (
            ("targets", arrays.targets),
            ("weights", arrays.weights),
            ("matrix", arrays.matrix_inputs),
        ):
            if values is not None:
                values[where] = rows[name]
        arrays.misc["file"][where] = number
        arrays.misc["entry"][where] = rows["entry"]
        if self._reweighting is not None:
            events = as_events(self._recipe, self._samples[number], rows, self._meanings[number])
            arrays.misc[TRAIN_WEIGHT][where] = self._reweighting.weights_of(**events)
        for name, dtype in self._misc.items():
            arrays.misc[name][where] = _exact(rows[MISC + name], dtype, name)


def _misc_dtypes(filled: Sequence[Filled]) -> dict[str, np.dtype]:
    """Return the dtypes of further columns, in which all inputs fit."""
    found: dict[str, list[np.dtype]] = {}
    for dtype in dict.fromkeys(flush.dtype for of_input in filled for flush in of_input.flushes):
        for name in dtype.names or ():
            if name.startswith(MISC):
                found.setdefault(name.removeprefix(MISC), []).append(dtype[name])
    return {name: np.result_type(*dtypes) for name, dtypes in found.items()}


def _exact(values: np.ndarray, dtype: np.dtype, name: str) -> np.ndarray:
    """Refuse whole numbers that become others, as some inputs have fractions or missing values."""
    if values.dtype.kind in "iu" and dtype.kind == "f" and (np.abs(values) > _EXACT).any():
        raise DataError(
            f"[misc] {name} holds whole numbers above 2^53, as {values.max()}, in some files, and fractions, missing "
            "values or numbers of another sign in others, so that they cannot all be kept; make them of one sort"
        )
    return values


def _cat_maps(recipe: Plan, filled: Sequence[Filled]) -> dict[str, dict[int, Value]]:
    found = {
        category.name: {value for of_input in filled for value, is_there in of_input.values[category.name] if is_there}
        for category in recipe.categories
    }
    return {category.name: map_of(category, found[category.name]) for category in recipe.categories}


def _moments(filled: Sequence[Filled]) -> Mapping[str, Moments]:
    """Merge the moments of inputs in their order."""
    merged: dict[str, Moments] = {}
    for of_input in filled:
        for field, lists in of_input.moments.items():
            moments = Moments.from_lists(lists)
            if field in merged:
                merged[field].merge(moments)
            else:
                merged[field] = moments
    return merged


def _reweighting(recipe: Plan, filled: Sequence[Filled]) -> Reweighting | None:
    """Merge the sums of weights of inputs in their order."""
    merged = reweighting_of(recipe)
    for of_input in filled:
        if merged is not None and of_input.weights:
            merged.merge(merged.with_lists(of_input.weights))
    return merged
