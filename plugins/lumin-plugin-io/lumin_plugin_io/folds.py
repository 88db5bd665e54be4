"""The second pass: from the spool to the folds of the output, one at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs
import numpy as np

from lumin_core import seeds
from lumin_core.display import count
from lumin_core.errors import DataError
from lumin_plugin_io.category_codes import code_of_number, map_of
from lumin_plugin_io.file_columns import TRAIN_WEIGHT
from lumin_plugin_io.moments import Moments
from lumin_plugin_io.rows import MISC, OWN
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


def check_counts(recipe: Plan, counts: np.ndarray) -> None:
    """Refuse too few events.

    Parts beside that of the training may have fewer folds: those that would be empty are left out.

    Args:
        recipe: What is wanted.
        counts: Events of each part in each fold, shape ``(n_parts, n_folds)``.

    Raises:
        DataError: If a part has no event, or a fold of the training has none.
    """
    names = list(recipe.split.parts)
    for name, of_part in zip(names, counts, strict=True):
        if not of_part.sum():
            raise DataError(
                f"the part {name!r} has none of {count(int(counts.sum()), 'selected event')}; give it a larger share"
            )
    if not counts[0].all():
        raise DataError(
            f"{count(int(counts[0].sum()), 'event')} of the part {names[0]!r} cannot fill {recipe.n_folds} folds: fold "
            f"{int(counts[0].argmin())} has none; take a smaller n_folds, or loosen the selection"
        )


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
        self._dtype = _dtype(filled)
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

    def rows(self, part: int, fold: int, n: int) -> np.ndarray:
        """Read the rows of a fold, shuffled, with all values as they are written.

        Args:
            part: Number of the part.
            fold: Number of the fold.
            n: How many events it has.
        """
        shuffled = np.empty(n, dtype=self._dtype)
        order = seeds.stream(self._recipe.seed, "shuffling", part, fold).permutation(n)
        place, begin = part * self._recipe.n_folds + fold, 0
        for number, filled in enumerate(self._filled):
            for rows in self._spool.read(number, filled, [place]):
                self._complete(rows, number)
                _put(shuffled, order[begin : begin + len(rows)], _as(rows, self._dtype))
                begin += len(rows)
        return shuffled

    def _complete(self, rows: np.ndarray, number: int) -> None:
        """Scale the inputs of an input's rows, and put codes and training weights in."""
        if self._reweighting is not None:
            events = as_events(self._recipe, self._samples[number], rows, self._meanings[number])
            rows[TRAIN_WEIGHT] = self._reweighting.weights_of(**events)
        for column, codes in enumerate(self._codes[number]):
            if codes is not None:
                rows["codes"][:, column] = codes[rows["codes"][:, column]]
        names = rows.dtype.names or ()
        if "flat" in names:
            self.scaling.scale_flat(rows["flat"])
        if "matrix" in names:
            self.scaling.scale_matrix(rows["matrix"])

    def columns(self, rows: np.ndarray) -> FoldArrays:
        """Return the columns of a fold.

        Args:
            rows: From `rows`.
        """
        recipe, names = self._recipe, rows.dtype.names or ()
        n_cont = len(recipe.cont_feats)
        inputs = np.empty((len(rows), n_cont + len(recipe.cat_feats)), dtype=np.float32)
        if n_cont:
            inputs[:, :n_cont] = rows["flat"]
        if recipe.cat_feats:
            inputs[:, n_cont:] = rows["codes"]
        whole = {name: np.ascontiguousarray(rows[name]) for name in names if name not in ("flat", "codes")}
        targets = whole.get("targets")
        return FoldArrays(
            inputs=inputs,
            targets=targets[:, 0] if targets is not None and recipe.scalar_target else targets,
            weights=whole.get("weights"),
            matrix_inputs=whole.get("matrix"),
            misc={name: whole[name if name in OWN else MISC + name] for name in recipe.roles},
        )


def _dtype(filled: Sequence[Filled]) -> np.dtype:
    """Return the dtype of rows in which those of all inputs fit."""
    dtypes = list(dict.fromkeys(flush.dtype for of_input in filled for flush in of_input.flushes))
    if len(dtypes) == 1:
        return dtypes[0]
    fields = {name: [dtype[name] for dtype in dtypes] for name in dtypes[0].names or ()}
    return np.dtype([(name, np.result_type(*(d.base for d in of)), of[0].shape) for name, of in fields.items()])


def _as(rows: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """Return rows in another dtype.

    Raises:
        DataError: If whole numbers would become others, as other rows have fractions.
    """
    if rows.dtype == dtype:
        return rows
    for name in dtype.names or ():
        values = rows[name]
        if values.dtype.kind in "iu" and dtype[name].base.kind == "f" and (np.abs(values) > _EXACT).any():
            raise DataError(
                f"[misc] {name.removeprefix(MISC)} holds whole numbers above 2^53, as {values.max()}, in some files, "
                "and fractions, missing values or numbers of another sign in others, so that they cannot all be kept; "
                "make them of one sort"
            )
    converted: np.ndarray = rows.astype(dtype)
    return converted


def _put(table: np.ndarray, where: np.ndarray, rows: np.ndarray) -> None:
    """Put rows where they belong; as bytes, for field by field takes three times as long."""
    as_bytes = np.dtype((np.void, table.dtype.itemsize))
    table.view(as_bytes)[where] = rows.view(as_bytes)


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
