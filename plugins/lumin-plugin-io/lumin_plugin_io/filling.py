"""The first pass, of one input: select, compute, and put what is kept into the spool."""

from __future__ import annotations

import math
from contextlib import ExitStack
from typing import TYPE_CHECKING

import attrs
import numpy as np

from lumin_plugin_io.ahead import ahead
from lumin_plugin_io.category_codes import CodeTable, map_of
from lumin_plugin_io.event_maker import EventMaker
from lumin_plugin_io.moments import Moments
from lumin_plugin_io.rows import columns_of
from lumin_plugin_io.splitting import Dealer, hash_text, hashed, parts_of
from lumin_plugin_io.spool import FLUSH_BYTES, Filled, SpoolWriter
from lumin_plugin_io.train_weights import as_events, reweighting_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from lumin_core.data import Reader
    from lumin_plugin_io.description import Category, Sample
    from lumin_plugin_io.inputs import Input
    from lumin_plugin_io.plan import Plan
    from lumin_plugin_io.selected import Selected
    from lumin_plugin_io.spool import Spool

MEGABYTE = 10**6
MEMORY = 150
"""Megabytes of one process, by default."""
_SHARE = 16  # of the memory that columns as they are read may take: expressions are worked out in float64
_MOST = 200_000  # entries that are read together
_PROBE = 1000  # entries whose size is looked at


@attrs.frozen(kw_only=True)
class Job:
    """An input whose events go into the spool.

    Attributes:
        recipe: What is wanted.
        sample: Which the input is of.
        factor: What weights are multiplied with.
        input: The input.
        number: Of the input.
        spool: Where to.
        memory: Megabytes that may be used.
        step: Entries that are read together; by default what the memory allows.
    """

    recipe: Plan
    sample: Sample
    factor: float
    input: Input
    number: int
    spool: Spool
    memory: int = MEMORY
    step: int | None = None


def fill(job: Job) -> None:
    """Read an input and put what is selected into the spool.

    Args:
        job: The input.

    Raises:
        LuminError: If it cannot be read, or values cannot be stored; with file, tree and branch.
    """
    recipe = job.recipe
    placer = Placer(recipe, job.input)
    n_places = len(recipe.split.parts) * recipe.n_folds
    with ExitStack() as stack:
        reader = stack.enter_context(job.input.open(job.memory * MEGABYTE))
        where = job.input.place(reader)
        maker = EventMaker(recipe, job.sample, job.factor, where=where)
        notes = _Notes(recipe, job.sample.name, where)
        rows = SpoolWriter(job.spool.rows(job.number), n_places, rows_of_a_flush(recipe), notes.flushed)
        stack.enter_context(rows)
        step = job.step or step_of(reader, maker.branches, job.memory)
        n, first = reader.count(), 0
        for chunk in ahead(reader.chunks(maker.branches, step)):
            events = maker(chunk, first, min(step, n - first))
            first += step
            numbers = notes.selected(events)
            has_weight = recipe.train_weight is not None
            rows.append(columns_of(events, numbers, job.number, train_weight=has_weight), placer(events))
            del chunk, events  # before the next is taken
    job.spool.keep(job.number, notes.summary(rows))


def rows_of_a_flush(recipe: Plan) -> int:
    """Return how many rows are written together: it depends on the recipe alone.

    Args:
        recipe: What is wanted.
    """
    matrix = recipe.matrix_schema()
    n_values = len(recipe.cont_feats) + len(recipe.cat_feats) + (0 if matrix is None else math.prod(matrix.shape))
    return max(1, FLUSH_BYTES // (4 * n_values + 8 * (2 + len(recipe.targ_feats) + len(recipe.roles))))


class Placer:
    """Says where the events of an input go: part and fold as one number, ``part * n_folds + fold``.

    Args:
        recipe: What is wanted.
        source: The input.

    Example:
        >>> import numpy as np
        >>> from lumin_plugin_io import EventMaker, Input, Recipe
        >>> from lumin_plugin_io.filling import Placer
        >>> recipe = Recipe(sample={"a": {"files": "a.csv"}}, variables=["x"], n_folds=2)
        >>> events = EventMaker(recipe)({"x": np.arange(4.0)}, first_entry=0, n=4)
        >>> sorted(Placer(recipe, Input(path="a.csv", name="a.csv"))(events).tolist())
        [0, 0, 1, 1]
    """

    def __init__(self, recipe: Plan, source: Input) -> None:
        self._split = recipe.split
        self._n_folds = recipe.n_folds
        self._name = f"{source.name}:{source.tree or ''}"
        self._dealer = Dealer(recipe.n_folds, seed=recipe.seed, file=self._name)

    def __call__(self, events: Selected) -> np.ndarray:
        """Return where the events of the next piece go, shape ``(n,)``."""
        keys = (hash_text(self._name), events.entry) if events.split_keys is None else events.split_keys.T
        parts = parts_of(hashed(self._split.salt, *keys), [*self._split.parts.values()])
        return parts * self._n_folds + self._dealer.deal(parts, events.strata, events.group)


class _Notes:
    """What is noted of the events of an input while they pass."""

    def __init__(self, recipe: Plan, sample: str, where: str) -> None:
        self._recipe = recipe
        self._sample = sample
        self._reweighting = reweighting_of(recipe)
        self._tables = {category.name: CodeTable(category, where) for category in recipe.categories}
        self._in_training: dict[str, set[int]] = {name: set() for name in self._tables}
        self._moments: dict[str, Moments] = {}
        self._n_read = 0
        self._n_cut: dict[str, int] = {}

    def selected(self, events: Selected) -> np.ndarray:
        """Count events, and return the numbers of their categories, shape ``(n, n_cat)``."""
        self._n_read += events.n_read
        for name, n in events.n_cut.items():
            self._n_cut[name] = self._n_cut.get(name, 0) + n
        numbers = [table.numbers(events.categories[name]) for name, table in self._tables.items()]
        return np.stack(numbers, axis=1) if numbers else np.zeros((len(events.entry), 0), dtype=np.int32)

    def flushed(self, rows: np.ndarray, counts: np.ndarray) -> None:
        """Look at the rows of the training, which stand first."""
        training = rows[: counts[: self._recipe.n_folds].sum()]
        for column, name in enumerate(self._tables if len(training) else ()):
            self._in_training[name] |= set(np.unique(training["codes"][:, column]).tolist())
        if len(training):
            self._add_moments(training)
            self._add_weights(training)

    def _add_weights(self, training: np.ndarray) -> None:
        if self._reweighting is not None:
            meanings = [self._meanings(category) for category in self._recipe.categories]
            self._reweighting.add(**as_events(self._recipe, self._sample, training, meanings))

    def _meanings(self, category: Category) -> Mapping[int, object]:
        return map_of(category) if category.map else dict(enumerate(self._tables[category.name].values))

    def _add_moments(self, training: np.ndarray) -> None:
        if not self._recipe.scaling:
            return
        names = training.dtype.names or ()
        weights = training["weights"] if "weights" in names else np.ones(len(training))
        if "flat" in names:
            self._add("flat", training["flat"], weights)
        if "matrix" in names:
            values = training["matrix"]
            self._add("matrix", values.reshape(-1, values.shape[-1]), np.repeat(weights, values.shape[1]))

    def _add(self, field: str, values: np.ndarray, weights: np.ndarray) -> None:
        self._moments.setdefault(field, Moments.of_nothing(values.shape[1])).add(values, weights)

    def summary(self, rows: SpoolWriter) -> Filled:
        """Return all that was noted."""
        return Filled(
            flushes=rows.flushes,
            check_sum=rows.check_sum,
            n_read=self._n_read,
            n_cut=self._n_cut,
            values={
                name: [(value, number in self._in_training[name]) for number, value in enumerate(table.values)]
                for name, table in self._tables.items()
            },
            moments={field: moments.to_lists() for field, moments in self._moments.items()},
            weights={} if self._reweighting is None else self._reweighting.to_lists(),
        )


def step_of(reader: Reader, branches: Sequence[str], memory: int) -> int:
    """Return how many entries are read together.

    Args:
        reader: Of the input.
        branches: That are read.
        memory: Megabytes that may be used.
    """
    n = min(_PROBE, reader.count())
    n_bytes = 0
    for probe in reader.chunks(branches, _PROBE, stop=n):
        n_bytes += sum(getattr(column, "nbytes", 8 * n) for column in probe.values())
    return max(1, min(_MOST, memory * MEGABYTE // _SHARE * n // max(1, n_bytes)))
