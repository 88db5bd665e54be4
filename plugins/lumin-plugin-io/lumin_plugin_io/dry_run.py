"""What a recipe would come to: the beginning of each file is read, selected and computed."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import attrs
import numpy as np

from lumin_core.checks import listed
from lumin_core.display import Displayed, count, whole
from lumin_plugin_io.event_maker import EventMaker
from lumin_plugin_io.filling import Placer
from lumin_plugin_io.folds import check_counts
from lumin_plugin_io.normalisation import factor_of
from lumin_plugin_io.ranges import HEADINGS, in_columns
from lumin_plugin_io.scaling import check_scaling
from lumin_plugin_io.sources import check_sources, sources_of
from lumin_plugin_io.tally import Contents, Tally

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from lumin_core.data import Reader
    from lumin_core.display import Row
    from lumin_plugin_io.plan import Plan
    from lumin_plugin_io.selected import Selected
    from lumin_plugin_io.sources import Source

MOST_ENTRIES = 20_000
"""That are read of a file, unless all are counted."""

LARGE_PIECE = 128 * 2**20
"""Bytes above which a cluster takes more memory than a conversion is meant to."""

_STEP = 20_000
_SHOWN = 3  # events
_MOST_CLASSES = 20
_MOST_VALUES = 8  # of a category
_LONGEST = 28  # characters of a label; a longer name stands in the text


@attrs.frozen(repr=False)
class DryRun(Displayed):
    """What a recipe would come to.

    Attributes:
        recipe: The recipe.
        tallies: What was found in each input.
        contents: What was found in the events that were kept.
        first: The first events that were kept, or ``None``.
    """

    recipe: Plan
    tallies: tuple[Tally, ...]
    contents: Contents
    first: Selected | None

    def _title(self) -> str:
        read, entries = (sum(getattr(tally, name) for tally in self.tallies) for name in ("read", "entries"))
        files, samples = count(len(self.tallies), "input"), count(len(self.recipe.samples), "sample")
        return f"Dry run: {samples}, {files}, {read:,} of {entries:,} entries read"

    def _rows(self) -> Iterator[Row]:
        rows = [*self._inputs(), *self._yields(), *self._parts(), *self._classes(), *self._objects_cut()]
        rows += [*self._ranges(), *self._categories(), *self._events()]
        yield from ((label, text) if len(label) <= _LONGEST else ("", f"{label}: {text}") for label, text in rows)
        yield from (("warning", text) for text in self._warnings())

    def _inputs(self) -> Iterator[Row]:
        for tally in self.tallies:
            share = f"{tally.selected / tally.read:.1%} selected" if tally.read else "nothing to select from"
            part = "" if tally.read == tally.entries else f", {tally.read:,} read"
            entries = f"{tally.entries:,} {'entry' if tally.entries == 1 else 'entries'}"
            yield tally.sample, f"{tally.name}: {whole(entries)}{part}, {whole(share)}"
        if (piece := max(tally.largest_piece for tally in self.tallies)) > 2**20:
            yield "largest cluster", f"{piece / 2**20:,.0f} MB"

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

    def _parts(self) -> Iterator[Row]:
        """Count events and sum weights by part, where there are several; scaled up likewise."""
        for number, name in enumerate(self.recipe.split.parts if len(self.recipe.split.parts) > 1 else ()):
            n = sum(tally.scale * tally.places[number].sum() for tally in self.tallies)
            total = sum(tally.scale * tally.of_parts[number] for tally in self.tallies)
            weights = f", sum of weights {total:.6g}" if self.recipe.wgt_feat else ""
            yield f"part {name}", whole(f"{n:,.0f} events{weights}")

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

    def _ranges(self) -> Iterator[Row]:
        """Show what each column is like, over all samples, each event counted once."""
        if self.contents.groups:
            yield "of the events read", in_columns(HEADINGS)
        for names, ranges in self.contents.groups:
            yield from ranges.rows(names)

    def _categories(self) -> Iterator[Row]:
        for name, counts in self.contents.categories.items():
            texts = [whole(f"{value}: {n:,}") for value, n in counts.most_common()]
            yield name, listed(texts, _MOST_VALUES) or "none"

    def _events(self) -> Iterator[Row]:
        """Show the first events, each with what is not missing; the first object of each table."""
        if self.first is None:
            return
        sample = next(tally.sample for tally in self.tallies if tally.selected)
        columns = dict(self._columns(self.first))
        for number, entry in enumerate(self.first.entry.tolist()):
            values = {name: _shown(column[number]) for name, column in columns.items()}
            texts = [f"entry {entry}:", *(f"{name} {text}," for name, text in values.items() if text)]
            start = ("", "") if number else ("first events", f"of {sample}, ")
            yield start[0], start[1] + " ".join(map(whole, texts)).rstrip(",:")

    def _columns(self, events: Selected) -> Iterator[tuple[str, np.ndarray]]:
        yield from zip(self.recipe.cont_feats, events.flat.T, strict=True)
        yield from events.categories.items()
        if events.matrix is not None:
            yield from self._first_objects(events.matrix)
        if events.targets is not None:
            yield from zip(self.recipe.targ_feats, events.targets.T, strict=True)
        if events.weights is not None:
            yield "weight", events.weights
        yield from events.misc.items()

    def _first_objects(self, matrix: np.ndarray) -> Iterator[tuple[str, np.ndarray]]:
        row = 0
        for table in self.recipe.matrix:
            for name in table.fields:
                yield f"{table.name}_0_{name}", matrix[:, row, self.recipe.matrix_fields.index(name)]
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


def _shown(value: np.generic) -> str:
    """Write a value; nothing where it is missing."""
    if np.ma.is_masked(value) or (value.dtype.kind == "f" and np.isnan(value)):
        return ""
    return f"{value:.5g}" if value.dtype.kind == "f" else str(value)


def dry_run(recipe: Plan, *, count: bool = False) -> DryRun:
    """Read the beginning of each file of a recipe, and say what it would come to.

    Args:
        recipe: The recipe.
        count: Whether all entries are read, rather than 20,000 of a file.

    Returns:
        What was found; as text it is a table of inputs, yields, columns and the first events.

    Raises:
        LuminError: If the recipe does not fit the files, as a conversion would of what was read.
    """
    check_scaling(recipe.scaling)
    sources = sources_of(recipe)
    check_sources(recipe, sources)
    tallies, contents, first = list[Tally](), Contents(recipe), None
    for sample in recipe.samples:
        its = [source for source in sources if source.sample is sample]
        factor = factor_of(sample, recipe.lumi, [source.input.path for source in its])
        for source in its:
            tally, events = _look(recipe, source, factor, contents, count=count)
            tallies.append(tally)
            first = events if first is None else first
    if first is not None and all(tally.read == tally.entries for tally in tallies):
        contents.check([source.input.shown for source in sources])
        check_counts(recipe, np.sum([tally.places for tally in tallies], axis=0))
    return DryRun(recipe, tuple(tallies), contents, first)


def _look(
    recipe: Plan, source: Source, factor: float, contents: Contents, *, count: bool
) -> tuple[Tally, Selected | None]:
    """Read an input, or its beginning; return what is in it, and its first events."""
    first, given, placer = None, source.input, Placer(recipe, source.input)
    with given.open() as reader:
        maker = EventMaker(recipe, source.sample, factor, where=given.place(reader))
        shape = len(recipe.split.parts), recipe.n_folds
        tally = Tally.of_nothing(given.shown, source.sample.name, reader.count(), shape)
        tally.largest_piece = reader.largest_piece(maker.branches)
        contents.begin(given.place(reader))
        for events in _events(maker, reader, tally.entries if count else min(tally.entries, MOST_ENTRIES)):
            places = placer(events)
            tally.add(events, places)
            contents.add(events, places < recipe.n_folds)
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
