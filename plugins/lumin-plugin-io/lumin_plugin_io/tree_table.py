"""TTrees, read basket by basket with `uproot <https://uproot.readthedocs.io>`_.

All branches of a piece are read together. A basket that reaches into the next piece is kept, so
that each is decompressed once. In memory there are the piece that is handed out, a copy, and the
baskets of one cluster of what is asked for.
"""

from __future__ import annotations

from collections import Counter
from functools import cached_property
from typing import TYPE_CHECKING, Any

import awkward as ak
import uproot
from uproot.interpretation.identify import UnknownInterpretation

from lumin_plugin_io.piece_sizes import largest_baskets
from lumin_plugin_io.regroup import regroup
from lumin_plugin_io.root_file import DAMAGE
from lumin_plugin_io.root_types import RootColumn, columns_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

_THREADS = 2  # which decompress: that is most of reading, and leaves Python to others


class TreeTable:
    """Reads a TTree; branches of one name within others are called ``<branch>/<name>``.

    Args:
        tree: A TTree of uproot.

    Attributes:
        table: The same.
    """

    def __init__(self, tree: Any) -> None:
        self.table = tree

    @cached_property
    def _branches(self) -> dict[str, Any]:
        """Branches that hold values, by their name, by their path where several have that."""
        leaves = [branch for branch in self.table.itervalues(recursive=True) if not branch.branches]
        often = Counter(branch.name for branch in leaves)
        return {branch.name if often[branch.name] == 1 else _path(branch): branch for branch in leaves}

    @cached_property
    def _threads(self) -> uproot.ThreadPoolExecutor:
        return uproot.ThreadPoolExecutor(_THREADS)

    def close(self) -> None:
        """End the threads that decompress."""
        if "_threads" in self.__dict__:
            self._threads.shutdown()

    @property
    def branches(self) -> Collection[str]:
        """Names of what holds columns."""
        return self._branches.keys()

    def columns(self, name: str) -> Iterator[RootColumn]:
        """List the columns that a branch holds.

        Args:
            name: The branch.
        """
        interpretation, typename = self._branches[name].interpretation, self._branches[name].typename
        if isinstance(interpretation, UnknownInterpretation):
            yield RootColumn(name, (), typename or "branch of an unknown type", readable=False)
            return
        try:
            form = interpretation.awkward_form(self.table.file)
        except (uproot.interpretation.objects.CannotBeAwkward, *DAMAGE):
            yield RootColumn(name, (), typename, readable=False)
        else:
            yield from columns_of(name, form, typename)

    def largest_piece(self, columns: Collection[RootColumn]) -> int:
        """Return the bytes of the largest basket of each branch together."""
        return largest_baskets([self._branches[name] for name in {column.branch for column in columns}])

    def pieces(self, columns: Collection[RootColumn], step: int, start: int, stop: int) -> Iterator[Any]:
        """Read branches, and return what can be asked for each of them by name.

        Args:
            columns: What is wanted of them, one column at least.
            step: Events in a piece.
            start: The first event.
            stop: The one after the last.
        """
        plain = {column.branch for column in columns if column.plain}
        others = {column.branch for column in columns} - plain
        if not others:
            return self._arrays(plain, step, start, stop)
        pieces = regroup(self._baskets(others, step, start, stop), step, _joined)
        if not plain:
            return pieces
        pairs = zip(self._arrays(plain, step, start, stop), pieces, strict=True)
        return ({**arrays, **{name: piece[name] for name in others}} for arrays, piece in pairs)

    def _arrays(self, keys: set[str], step: int, start: int, stop: int) -> Iterator[dict[str, Any]]:
        """Read branches as numpy's arrays.

        They are not wrapped one by one, which takes half as long as to decompress them.
        """
        rounds = self._rounds(keys)
        reads = [self._iterate(ids, step, start, stop, library="np") for ids in self._ids(rounds)]
        for parts in zip(*reads, strict=True):
            yield {key: part[name] for names, part in zip(rounds, parts, strict=True) for name, key in names.items()}

    def _baskets(self, keys: set[str], step: int, start: int, stop: int) -> Iterator[ak.Array]:
        """Read branches, as many events at a time as baskets have."""
        rounds = self._rounds(keys)
        ids = self._ids(rounds)
        for first, last in self._ranges(set().union(*ids), step, start, stop):
            for parts in zip(*(self._iterate(each, step, first, last, library="ak") for each in ids), strict=True):
                pairs = zip(rounds, parts, strict=True)
                yield ak.Array({key: part[name] for names, part in pairs for name, key in names.items()})

    def _rounds(self, keys: set[str]) -> list[dict[str, str]]:
        """Part branches of one name, which uproot would mix up; a round maps names to columns."""
        rounds: list[dict[str, str]] = []
        for key in sorted(keys):
            name = self._branches[key].name
            if all(name in others for others in rounds):
                rounds.append({})
            next(others for others in rounds if name not in others)[name] = key
        return rounds

    def _ids(self, rounds: list[dict[str, str]]) -> list[set[int]]:
        return [{id(self._branches[key]) for key in names.values()} for names in rounds]

    def _ranges(self, ids: set[int], step: int, start: int, stop: int) -> Iterator[tuple[int, int]]:
        """Cut entries where the baskets of all branches end: those of one cluster are in memory."""
        offsets = self.table.common_entry_offsets(filter_branch=lambda branch: id(branch) in ids)
        for offset in [*offsets, stop]:
            last = min(offset, stop)
            if last - start >= step or last == stop > start:
                yield start, last
                start = last

    def _iterate(self, ids: set[int], step: int, start: int, stop: int, library: str) -> Iterator[dict[str, Any]]:
        pieces: Iterator[dict[str, Any]] = self.table.iterate(
            filter_branch=lambda branch: id(branch) in ids,
            step_size=step,
            entry_start=start,
            entry_stop=stop,
            library=library,
            how=dict,
            decompression_executor=self._threads,
        )
        return pieces


def _joined(pieces: list[ak.Array]) -> ak.Array:
    return ak.concatenate(pieces) if len(pieces) > 1 else pieces[0]


def _path(branch: Any) -> str:
    names = [branch.name]
    while hasattr(branch.parent, "parent"):
        branch = branch.parent
        names.append(branch.name)
    return "/".join(reversed(names))
