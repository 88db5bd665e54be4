"""What a recipe would come to: the beginning of each file is read, selected and computed."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import attrs
import numpy as np

from lumin_core.checks import listed
from lumin_core.display import Displayed, count, whole
from lumin_plugin_io.event_maker import EventMaker
from lumin_plugin_io.inputs import find_inputs
from lumin_plugin_io.normalisation import factor_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from lumin_core.data import Reader
    from lumin_core.display import Row
    from lumin_plugin_io.description import Sample
    from lumin_plugin_io.inputs import Input
    from lumin_plugin_io.plan import Plan
    from lumin_plugin_io.selected import Selected

MOST_ENTRIES = 20_000
"""That are read of a file, unless all are counted."""

LARGE_PIECE = 128 * 2**20
"""Bytes above which a cluster takes more memory than a conversion is meant to."""

_STEP = 20_000
_SHOWN = 5  # events
_MOST_CLASSES = 20
_LONGEST = 28  # characters of a label; a longer name stands in the text


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
    """

    name: str
    sample: str
    entries: int
    read: int = 0
    selected: int = 0
    weights: float = 0.0
    squares: float = 0.0
    classes: Counter[float] = attrs.field(factory=Counter)
    n_cut: Counter[str] = attrs.field(factory=Counter)
    largest_piece: int = 0

    @property
    def scale(self) -> float:
        """What sums are multiplied with where only a part was read."""
        return self.entries / self.read if self.read else 1.0

    def add(self, events: Selected) -> None:
        """Count events.

        Args:
            events: Of the next piece.
        """
        weights = np.ones(len(events.entry)) if events.weights is None else events.weights
        self.read += events.n_read
        self.selected += len(events.entry)
        self.weights += float(weights.sum())
        self.squares += float((weights**2).sum())
        self.n_cut.update(events.n_cut)
        if events.targets is not None and events.targets.shape[1] == 1:
            values, which = np.unique(events.targets[:, 0], return_inverse=True)
            self.classes.update(
                dict(zip(values.tolist(), np.bincount(which, weights, len(values)).tolist(), strict=True))
            )


@attrs.frozen(repr=False)
class DryRun(Displayed):
    """What a recipe would come to.

    Attributes:
        recipe: The recipe.
        tallies: What was found in each input.
        first: The first events that were kept, or ``None``.
    """

    recipe: Plan
    tallies: tuple[Tally, ...]
    first: Selected | None

    def _title(self) -> str:
        read, entries = (sum(getattr(tally, name) for tally in self.tallies) for name in ("read", "entries"))
        files, samples = count(len(self.tallies), "input"), count(len(self.recipe.samples), "sample")
        return f"Dry run: {samples}, {files}, {read:,} of {entries:,} entries read"

    def _rows(self) -> Iterator[Row]:
        rows = [*self._inputs(), *self._yields(), *self._classes(), *self._objects_cut(), *self._events()]
        yield from ((label, text) if len(label) <= _LONGEST else ("", f"{label}: {text}") for label, text in rows)
        yield from (("warning", text) for text in self._warnings())

    def _inputs(self) -> Iterator[Row]:
        for tally in self.tallies:
            share = f"{tally.selected / tally.read:.1%} selected" if tally.read else "nothing to select from"
            part = "" if tally.read == tally.entries else f", {tally.read:,} read"
            entries = f"{tally.entries:,} {'entry' if tally.entries == 1 else 'entries'}"
            yield tally.sample, f"{tally.name}: {whole(entries)}{part}, {whole(share)}"
        if piece := max(tally.largest_piece for tally in self.tallies):
            yield "largest cluster", f"{piece / 2**20:,.0f} MB" if piece > 2**20 else "less than 1 MB"

    def _objects_cut(self) -> Iterator[Row]:
        cut = sum((tally.n_cut for tally in self.tallies), Counter[str]())
        yield from ((f"{name} cut", f"{n:,} in what was read") for name, n in cut.items())

    def _yields(self) -> Iterator[Row]:
        """Sum weights by sample; where a part was read, scaled up to all."""
        has_weights = self.recipe.wgt_feat is not None
        for sample in self.recipe.samples:
            its = [tally for tally in self.tallies if tally.sample == sample.name]
            total = sum(tally.scale * tally.weights for tally in its)
            error = sum(tally.scale**2 * tally.squares for tally in its) ** 0.5
            scaled = ", scaled up from what was read" if any(tally.read < tally.entries for tally in its) else ""
            text = f"{total:.6g} ± {error:.2g}" if has_weights else f"{total:,.0f} events"
            yield f"yield of {sample.name}", whole(text) + scaled

    def _classes(self) -> Iterator[Row]:
        """Sum weights by class, where the target looks like one."""
        sums = Counter[float]()
        for tally in self.tallies:
            sums.update({value: tally.scale * weight for value, weight in tally.classes.items()})
        if 0 < len(sums) <= _MOST_CLASSES and all(value.is_integer() for value in sums):
            what = "sum of weights" if self.recipe.wgt_feat else "events"
            yield from (
                (f"{self.recipe.targ_feats[0]} {value:g}", f"{what} {total:.6g}")
                for value, total in sorted(sums.items())
            )

    def _events(self) -> Iterator[Row]:
        """Show the first events, a row for each column."""
        if self.first is None:
            return
        name = next(tally.name for tally in self.tallies if tally.selected)
        yield "first events", f"of {name}, a row per column"
        yield "entry", _shown(self.first.entry)
        for i, name in enumerate(self.recipe.cont_feats):
            yield name, _shown(self.first.flat[:, i])
        for name, values in self.first.categories.items():
            yield name, _shown(values)
        yield from self._objects()
        for i, name in enumerate(self.recipe.targ_feats):
            yield name, _shown(np.empty(0) if self.first.targets is None else self.first.targets[:, i])
        if self.first.weights is not None:
            yield "weight", _shown(self.first.weights)
        for name, values in self.first.misc.items():
            yield name, _shown(values)

    def _objects(self) -> Iterator[Row]:
        """Show the first object of each table."""
        matrix = None if self.first is None else self.first.matrix
        if matrix is None:
            return
        row, fields = 0, self.recipe.matrix_fields
        for table in self.recipe.matrix:
            for name in table.fields:
                yield f"{table.name}_0_{name}", _shown(matrix[:, row, fields.index(name)])
            row += table.n

    def _warnings(self) -> Iterator[str]:
        for sample in self.recipe.samples:
            if not sum(tally.selected for tally in self.tallies if tally.sample == sample.name):
                yield f"of [sample.{sample.name}] no event was selected among those read; look at the selection"
        if truth := truth_among_inputs(self.recipe):
            yield f"among the inputs are truth, which new events do not have: {listed(truth)}; leave them out"
        if large := [tally.name for tally in self.tallies if tally.largest_piece > LARGE_PIECE]:
            yield (
                f"clusters of more than {LARGE_PIECE // 2**20} MB, each of which is read as a whole and takes as much "
                f"memory: {listed(large)}"
            )


def truth_among_inputs(recipe: Plan) -> list[str]:
    """List the inputs that are computed of what is to be learned.

    Args:
        recipe: The recipe.

    Example:
        >>> from lumin_plugin_io import Recipe
        >>> from lumin_plugin_io.dry_run import truth_among_inputs
        >>> variables = {"pt": "jet_pt", "m": "gen_mass / 2"}
        >>> truth_among_inputs(Recipe(sample={"a": {}}, variables=variables))
        ['m']
    """
    targets = {name for expression in recipe.targets.values() for name in expression.names}
    inputs = [(name, expression.names) for name, expression in recipe.variables.items()]
    return [name for name, branches in inputs if _is_truth([name, *branches], targets)]


def _is_truth(branches: Iterable[str], targets: set[str]) -> bool:
    return any(branch in targets or branch.lower().startswith(("gen_", "genpart_", "genjet_")) for branch in branches)


def _shown(values: np.ndarray) -> str:
    """Write a few values, each in one piece."""
    floats = values.dtype.kind == "f"
    return (
        ", ".join(f"{value:.5g}" if floats and value is not None else str(value) for value in values.tolist()) or "none"
    )


def dry_run(recipe: Plan, *, count: bool = False) -> DryRun:
    """Read the beginning of each file of a recipe, and say what it would come to.

    Args:
        recipe: The recipe.
        count: Whether all entries are read, rather than 20,000 of a file.

    Returns:
        What was found; as text it is a table of inputs, yields and the first events.

    Raises:
        LuminError: If the recipe does not fit the files, as a conversion would.
    """
    tallies, first = list[Tally](), None
    for sample in recipe.samples:
        inputs = find_inputs(sample, recipe.tree, recipe.folder)
        factor = factor_of(sample, recipe.lumi, [given.path for given in inputs])
        for given in inputs:
            tally, events = _look(recipe, sample, factor, given, count=count)
            tallies.append(tally)
            first = events if first is None else first
    return DryRun(recipe, tuple(tallies), first)


def _look(recipe: Plan, sample: Sample, factor: float, given: Input, *, count: bool) -> tuple[Tally, Selected | None]:
    """Read an input, or its beginning; return what is in it, and its first events."""
    first = None
    with given.open() as reader:
        maker = EventMaker(recipe, sample, factor, where=given.place(reader))
        maker.types(reader)
        tally = Tally(given.name, sample.name, reader.count(), largest_piece=reader.largest_piece(maker.branches))
        for events in _events(maker, reader, tally.entries if count else min(tally.entries, MOST_ENTRIES)):
            tally.add(events)
            if first is None and len(events.entry):
                first = _beginning(events)
    return tally, first


def _events(maker: EventMaker, reader: Reader, stop: int) -> Iterator[Selected]:
    for begin, columns in zip(range(0, stop, _STEP), reader.chunks(maker.branches, _STEP, stop=stop), strict=True):
        yield maker(columns, begin, min(_STEP, stop - begin))


def _beginning(events: Selected) -> Selected:
    """Return the first few events."""
    few = slice(_SHOWN)
    return attrs.evolve(
        events,
        entry=events.entry[few],
        flat=events.flat[few],
        categories={name: values[few] for name, values in events.categories.items()},
        matrix=None if events.matrix is None else events.matrix[few],
        targets=None if events.targets is None else events.targets[few],
        weights=None if events.weights is None else events.weights[few],
        misc={name: values[few] for name, values in events.misc.items()},
    )
