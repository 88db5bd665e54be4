"""From columns of a file to the events that a recipe keeps: selection first, then all the rest."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lumin_core.checks import nearest
from lumin_core.errors import ConfigError
from lumin_plugin_io.event_values import EventValues
from lumin_plugin_io.expression import Expression
from lumin_plugin_io.selected import Selected
from lumin_plugin_io.truth import Truth

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping

    from lumin_core.data import Column, Reader
    from lumin_plugin_io.description import Category, MatrixTable, Sample
    from lumin_plugin_io.plan import Plan

_BLOCK = 4096  # events


class EventMaker:
    """Makes of columns of a file what its events are in a fold file.

    Args:
        recipe: What is wanted.
        sample: Which the file is of; without one, only the recipe's own selection counts.
        factor: What weights are multiplied with, see `lumin_plugin_io.normalisation`.
        with_truth: Whether targets, weights, further columns, variations, and what folds and parts
            are made by are wanted, which new data do not have; a sample is needed for them.
        where: File and tree, for messages.

    Attributes:
        branches: All columns that it reads, in the order of their first use.

    Example:
        >>> import numpy as np
        >>> from lumin_plugin_io import EventMaker, Recipe
        >>> recipe = Recipe(
        ...     sample={"ttbar": {"target": 0}}, variables={"n": "nJet / 2"}, selection="nJet >= 2"
        ... )
        >>> maker = EventMaker(recipe, recipe.samples[0])
        >>> events = maker({"nJet": np.array([3, 1, 2])}, first_entry=100, n=3)
        >>> maker.branches, events.entry.tolist(), events.flat.tolist(), events.targets.tolist()
        (('nJet',), [100, 102], [[1.5], [1.0]], [[0.0], [0.0]])
    """

    def __init__(
        self,
        recipe: Plan,
        sample: Sample | None = None,
        factor: float = 1.0,
        *,
        with_truth: bool = True,
        where: str = "the data",
    ) -> None:
        self._recipe = recipe
        self._where = where
        self._selections = tuple(_selections(recipe, sample))
        self._categories = [
            (category, Expression.parse(category.value, f"[categories] {category.name}"))
            for category in recipe.categories
        ]
        self._tables = [(table, dict(_fields(table))) for table in recipe.matrix]
        self._truth = Truth(recipe, sample, factor) if with_truth and sample is not None else None
        self._computed = _branches(self._used())
        self.branches = tuple(dict.fromkeys([*_branches(self._selections), *self._computed]))

    def _used(self) -> Iterator[Expression]:
        """Yield what is computed of the events that are kept."""
        yield from self._recipe.variables.values()
        yield from (expression for _, expression in self._categories)
        for _, fields in self._tables:
            yield from fields.values()
        if self._truth is not None:
            yield from self._truth.used()

    def types(self, reader: Reader) -> dict[str, str]:
        """Return the types of the branches; a file that lacks some is refused.

        Args:
            reader: Of the file; it is asked for all that it has only where a branch is missing.

        Raises:
            ConfigError: As `check` does.
        """
        found = reader.types(self.branches)
        if len(found) < len(self.branches):
            self.check(reader.columns())
        return found

    def check(self, columns: Collection[str]) -> None:
        """Refuse a file that lacks branches.

        Args:
            columns: All that it has.

        Raises:
            ConfigError: With file, tree, the first such branch and the key that needs it.
        """
        for expression in [*self._selections, *self._used()]:
            for name in expression.names:
                if name not in columns:
                    near = nearest(name, columns)
                    hint = f"; did you mean {' or '.join(map(repr, near))}?" if near else ""
                    raise ConfigError(f"{self._where}: {expression.what} needs {name!r}, which is not there{hint}")

    def __call__(self, columns: Mapping[str, Column], first_entry: int, n: int) -> Selected:
        """Select events and compute what is stored of them.

        Args:
            columns: Values of ``branches`` for the events of a piece.
            first_entry: The first of these in their file.
            n: How many events these are.

        Raises:
            DataError: If values cannot be stored; with file, tree, key and the first entry.
        """
        values = self._kept(columns, first_entry, n)
        matrix, n_cut = self._matrix(values)
        events = Selected(
            entry=values.entries,
            flat=self._flat(values),
            categories={category.name: _labels(values, category, text) for category, text in self._categories},
            matrix=matrix,
            targets=None,
            weights=None,
            misc={},
            split_keys=None,
            strata=np.zeros(len(values.entries), dtype=np.int64),
            group=None,
            n_read=n,
            n_cut=n_cut,
        )
        return events if self._truth is None else self._truth.added(events, values)

    def _kept(self, columns: Mapping[str, Column], first_entry: int, n: int) -> EventValues:
        """Return the events that are selected; columns are cut before anything is computed."""
        values = EventValues(columns, np.arange(first_entry, first_entry + n), self._where)
        kept = np.ones(n, dtype=bool)
        for selection in self._selections:
            kept &= values.kept(selection)
        return values if kept.all() else values.cut(kept, self._computed)

    def _flat(self, values: EventValues) -> np.ndarray:
        flat = np.empty((len(values.entries), len(self._recipe.variables)), dtype=np.float32)
        columns = [values.inputs(expression) for expression in self._recipe.variables.values()]
        for begin in range(0, len(flat), _BLOCK):  # rows that stay in the processor's cache until they are full
            for i, column in enumerate(columns):
                flat[begin : begin + _BLOCK, i] = column[begin : begin + _BLOCK]
        return flat

    def _matrix(self, values: EventValues) -> tuple[np.ndarray | None, dict[str, int]]:
        """Return the objects of all tables, and how many were cut of each."""
        if not self._tables:
            return None, {}
        from lumin_plugin_io.objects import packed  # needs awkward, which files of flat columns do without

        fields, n_cut = self._recipe.matrix_fields, {}
        matrix = np.full(
            (len(values.entries), sum(table.n for table, _ in self._tables), len(fields)), np.nan, np.float32
        )
        first = 0
        for table, expressions in self._tables:
            what = f"[matrix.{table.name}]"
            columns = {name: values(expression) for name, expression in expressions.items()}
            rows, n_cut[table.name] = packed(columns, table.n, table.by, f"{values.where}: {what}", table.fields)
            at = [fields.index(name) for name in expressions]
            matrix[:, first : first + table.n, at] = values.finite_inputs(rows, what)
            first += table.n
        return matrix, n_cut


def _selections(recipe: Plan, sample: Sample | None) -> Iterator[Expression]:
    if recipe.selection is not None:
        yield recipe.selection
    if sample is not None and sample.selection is not None:
        yield Expression.parse(sample.selection, f"[sample.{sample.name}] selection")


def _fields(table: MatrixTable) -> Iterator[tuple[str, Expression]]:
    for name, text in table.fields.items():
        yield name, Expression.parse(text, f"[matrix.{table.name}] fields.{name}")


def _branches(expressions: Iterable[Expression]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for expression in expressions for name in expression.names))


def _labels(values: EventValues, category: Category, expression: Expression) -> np.ndarray:
    """Return the values of a category; missing ones are refused unless they have a code."""
    labels = values.labels(expression)
    missing = np.ma.getmaskarray(labels)
    if missing.any() and not category.unknown:
        values.refuse(
            missing,
            expression.what,
            "is missing",
            f"{category.name} = {{ value = '...', unknown = true }} gives it a code",
        )
    return labels if missing.any() else np.ma.getdata(labels)
