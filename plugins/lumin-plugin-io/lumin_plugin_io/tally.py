"""What a dry run counts: of each input, and of the events of all inputs together."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import attrs
import numpy as np

from lumin_plugin_io.category_codes import MISSING, CodeTable, code_of_number, map_of
from lumin_plugin_io.file_columns import WEIGHT
from lumin_plugin_io.ranges import Ranges

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from lumin_plugin_io.plan import Plan
    from lumin_plugin_io.selected import Selected


@attrs.define
class Tally:
    """What was found in one input.

    Attributes:
        name: Of the input.
        sample: Its sample.
        entries: That the file has.
        read: That were read of these.
        selected: That were kept of these.
        weights: Sum of the weights of these; without weights their number.
        squares: Sum of their squares.
        classes: Sum of weights by the target's value.
        n_cut: Objects that did not fit into the matrix, by table.
        largest_piece: Bytes that can only be read as a whole, see `Reader.largest_piece`.
        places: Events of each part in each fold, shape ``(n_parts, n_folds)``.
        of_parts: Sum of weights of each part, shape ``(n_parts,)``.
    """

    name: str
    sample: str
    entries: int
    places: np.ndarray
    of_parts: np.ndarray
    read: int = 0
    selected: int = 0
    weights: float = 0.0
    squares: float = 0.0
    classes: Counter[float] = attrs.field(factory=Counter)
    n_cut: Counter[str] = attrs.field(factory=Counter)
    largest_piece: int = 0

    @classmethod
    def of_nothing(cls, name: str, sample: str, entries: int, shape: tuple[int, int]) -> Tally:
        """Begin.

        Args:
            name: Of the input.
            sample: Its sample.
            entries: That the file has.
            shape: Numbers of parts and of folds.
        """
        return cls(name, sample, entries, np.zeros(shape, dtype=np.int64), np.zeros(shape[0]))

    @property
    def scale(self) -> float:
        """What sums are multiplied with where only a part was read."""
        return self.entries / self.read if self.read else 1.0

    def add(self, events: Selected, places: np.ndarray) -> None:
        """Count events.

        Args:
            events: Of the next piece.
            places: Where they go, see `Placer`.
        """
        weights = np.ones(len(events.entry)) if events.weights is None else events.weights
        self.read += events.n_read
        self.selected += len(events.entry)
        self.weights += float(weights.sum())
        self.squares += float((weights**2).sum())
        self.n_cut.update(events.n_cut)
        n_parts, n_folds = self.places.shape
        self.places += np.bincount(places, minlength=self.places.size).reshape(n_parts, n_folds)
        self.of_parts += np.bincount(places // n_folds, weights, n_parts)
        if events.targets is not None and events.targets.shape[1] == 1:
            self.classes.update(_summed(events.targets[:, 0], weights))


def _summed(values: np.ndarray, weights: np.ndarray) -> dict[float, float]:
    """Sum weights by value."""
    found, which = np.unique(values, return_inverse=True)
    sums = np.bincount(which, weights, len(found))
    return dict(zip(found.tolist(), sums.tolist(), strict=True))


class Contents:
    """What was found in the events that were kept, of all inputs together.

    Args:
        recipe: What is wanted.

    Attributes:
        categories: Events by category and what their value is called.
        groups: Names of columns, and what was found in these.

    Example:
        See `dry_run`.
    """

    def __init__(self, recipe: Plan) -> None:
        self._recipe = recipe
        self._tables: list[dict[str, CodeTable]] = []
        self._in_training: dict[str, set[int | str]] = {name: set() for name in recipe.cat_feats}
        self.categories: dict[str, Counter[str]] = {name: Counter() for name in recipe.cat_feats}
        flat = [*recipe.cont_feats, *recipe.targ_feats, *([WEIGHT] if recipe.wgt_feat else [])]
        objects = [[f"{table.name}: {name}" for name in table.fields] for table in recipe.matrix]
        self.groups = [(names, Ranges.of_nothing(len(names))) for names in (flat, *objects) if names]

    def begin(self, where: str) -> None:
        """Begin an input.

        Args:
            where: What it is called in messages.
        """
        self._tables.append({category.name: CodeTable(category, where) for category in self._recipe.categories})

    def add(self, events: Selected, is_training: np.ndarray) -> None:
        """Look at events of the input that was begun last.

        Args:
            events: Of the next piece.
            is_training: Which are for the training.

        Raises:
            DataError: If a category has a value that its map lacks.
        """
        for (_, ranges), values in zip(self.groups, _values(self._recipe, events), strict=True):
            ranges.add(values)
        for category in self._recipe.categories:
            table = self._tables[-1][category.name]
            numbers = table.numbers(events.categories[category.name])
            meanings = map_of(category) if category.map else dict(enumerate(table.values))
            for number, n in _summed(numbers, np.ones(len(numbers))).items():
                self.categories[category.name][str(meanings.get(int(number), "missing"))] += int(n)
            known = np.unique(numbers[is_training & (numbers != MISSING)]).tolist()
            self._in_training[category.name].update(meanings[number] for number in known)

    def check(self, names: Sequence[str]) -> None:
        """Refuse categories without a map whose values in other parts the training lacks.

        Args:
            names: Of the inputs, of which all was read.

        Raises:
            DataError: Naming input and category.
        """
        for category in self._recipe.categories:
            if not category.map:
                meanings = map_of(category, self._in_training[category.name])
                for name, tables in zip(names, self._tables, strict=True):
                    code_of_number(category, tables[category.name].values, meanings, name)


def _values(recipe: Plan, events: Selected) -> Iterator[np.ndarray]:
    """Yield the columns of each group."""
    others = [] if events.targets is None else [events.targets]
    others += [] if events.weights is None else [events.weights[:, None]]
    flat = np.hstack([events.flat, *others])
    if flat.shape[1]:
        yield flat
    if events.matrix is not None:
        row = 0
        for table in recipe.matrix:
            at = [recipe.matrix_fields.index(name) for name in table.fields]
            yield events.matrix[:, row : row + table.n][:, :, at].reshape(-1, len(at))
            row += table.n
