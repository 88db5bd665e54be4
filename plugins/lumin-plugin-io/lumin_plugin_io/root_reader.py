"""TTrees and RNTuples of ROOT files, read with `uproot <https://uproot.readthedocs.io>`_.

All branches of a piece are read together, cluster by cluster. A basket that reaches into the next
piece is kept, so that each is decompressed once; of an RNTuple a cluster is read whole and cut. In
memory there are the piece that is handed out, a copy, and one cluster of what is asked for.
"""

from __future__ import annotations

from collections import Counter
from functools import cached_property
from typing import TYPE_CHECKING, Any

import awkward as ak
import numpy as np
import uproot
from uproot.const import RNTupleFieldRole
from uproot.interpretation.identify import UnknownInterpretation

from lumin_core.checks import listed, nearest, with_article
from lumin_core.data import Reader
from lumin_core.errors import ConfigError, DataError
from lumin_plugin_io.piece_sizes import largest_baskets, largest_cluster
from lumin_plugin_io.regroup import regroup
from lumin_plugin_io.root_file import DAMAGE, find_table, first_line, open_file
from lumin_plugin_io.root_types import RootColumn, columns_of, type_of_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from lumin_core.data import Column


class RootReader(Reader):
    """Reads a TTree or an RNTuple.

    Numbers come as arrays of numpy: those of a branch of fixed length, ``float x[3]``, of shape
    ``(n, 3)``. What has another number of values in each event comes as an array of awkward, and
    text as numpy's. A leaf list or a struct is a column for each of its values,
    ``<branch>.<value>``; branches of one name within others are ``<branch>/<name>``.

    Args:
        path: The file, or a url, ``root://...``, for which fsspec-xrootd has to be installed.
        tree: Name of the table, ``"folder/name"`` in a folder; by default the only one.

    Raises:
        ConfigError: If the file is not there or is not a ROOT file, or there is no such table.
        DataError: If it ends early, or is damaged.

    Example:
        >>> import numpy as np, pathlib, tempfile, uproot
        >>> from lumin_plugin_io import RootReader
        >>> path = pathlib.Path(tempfile.mkdtemp()) / "events.root"
        >>> with uproot.recreate(path) as file:
        ...     tree = file.mktree("Events", {"pt": "float32", "event": "int64"})
        ...     _ = tree.extend({"pt": np.array([30, 50, 40], "f4"), "event": np.array([7, 8, 9])})
        >>> with RootReader(path) as reader:
        ...     print(reader.tree, reader.columns(), reader.count())
        ...     print([chunk["event"].tolist() for chunk in reader.chunks(["event"], step=2)])
        Events {'pt': 'float32', 'event': 'int64'} 3
        [[7, 8], [9]]
    """

    suffixes = (".root",)

    def __init__(self, path: str | Path, tree: str | None = None) -> None:
        super().__init__(path, tree)
        self._where = str(path)  # a url is not a path
        self._file = open_file(self._where)
        try:
            self.tree, self._table = find_table(self._file, self._where, tree)
        except BaseException:
            self._file.close()
            raise
        self._is_ntuple = not hasattr(self._table, "branches")
        if self._is_ntuple:
            _note_fields(self._table)

    def columns(self) -> dict[str, str]:
        """Return the columns by name, each with its type, that of C++ if it cannot be read."""
        return {name: column.type for name, column in self._columns.items()}

    def count(self) -> int:
        """Return the number of events."""
        return int(self._table.num_entries)

    def largest_piece(self, columns: Sequence[str]) -> int:
        """Return the bytes of the largest cluster, or of the largest basket of each branch."""
        wanted = [self._find(name) for name in columns]
        if self._is_ntuple:
            return largest_cluster(self._table, self._field_ids(wanted))
        return largest_baskets([self._branches[name] for name in {column.branch for column in wanted}])

    def identity(self) -> str:
        """Return the UUID of the file."""
        return str(self._file.file.uuid)

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def chunks(
        self, columns: Sequence[str], step: int, start: int = 0, stop: int | None = None
    ) -> Iterator[dict[str, Column]]:
        """Read columns piece by piece, as `Reader` says."""
        wanted = {name: self._find(name) for name in columns}
        stop = self.count() if stop is None else min(stop, self.count())
        return self._chunks(wanted, step, start, stop)

    def _chunks(self, wanted: dict[str, RootColumn], step: int, start: int, stop: int) -> Iterator[dict[str, Column]]:
        done = start
        try:
            for piece in self._pieces(wanted, step, start, stop):
                yield {name: _column(piece, column) for name, column in wanted.items()}
                done += step
        except DAMAGE as error:
            raise self._unreadable(wanted, done, min(done + step, stop), error) from error

    def _pieces(self, wanted: dict[str, RootColumn], step: int, start: int, stop: int) -> Iterator[Any]:
        """Read branches, and return what can be asked for each of them by name."""
        if not wanted:
            return iter([{}] * len(range(start, stop, step)))
        if self._is_ntuple:
            return regroup(self._clusters(wanted, start, stop), step, _cut)
        plain = {column.branch for column in wanted.values() if column.plain}
        others = {column.branch for column in wanted.values()} - plain
        if not others:
            return self._arrays(plain, step, start, stop)
        pieces = regroup(self._baskets(others, step, start, stop), step, _joined)
        if not plain:
            return pieces
        pairs = zip(self._arrays(plain, step, start, stop), pieces, strict=True)
        return ({**arrays, **{name: piece[name] for name in others}} for arrays, piece in pairs)

    def _arrays(self, keys: set[str], step: int, start: int, stop: int) -> Iterator[dict[str, Any]]:
        """Read branches of a TTree as numpy's arrays.

        They are not wrapped one by one, which takes half as long as to decompress them.
        """
        rounds = self._rounds(keys)
        reads = [self._iterate(ids, step, start, stop, library="np") for ids in self._ids(rounds)]
        for parts in zip(*reads, strict=True):
            yield {key: part[name] for names, part in zip(rounds, parts, strict=True) for name, key in names.items()}

    def _baskets(self, keys: set[str], step: int, start: int, stop: int) -> Iterator[ak.Array]:
        """Read branches of a TTree, as many events at a time as baskets have."""
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
        offsets = self._table.common_entry_offsets(filter_branch=lambda branch: id(branch) in ids)
        for offset in [*offsets, stop]:
            last = min(offset, stop)
            if last - start >= step or last == stop > start:
                yield start, last
                start = last

    def _iterate(self, ids: set[int], step: int, start: int, stop: int, library: str) -> Iterator[dict[str, Any]]:
        pieces: Iterator[dict[str, Any]] = self._table.iterate(
            filter_branch=lambda branch: id(branch) in ids,
            step_size=step,
            entry_start=start,
            entry_stop=stop,
            library=library,
            how=dict,
        )
        return pieces

    def _clusters(self, wanted: dict[str, RootColumn], start: int, stop: int) -> Iterator[ak.Array]:
        """Read fields of an RNTuple cluster by cluster, which is how they are decompressed."""
        ids = self._field_ids(wanted.values())
        for number, cluster in enumerate(self._table.cluster_summaries):
            first, last = cluster.num_first_entry, cluster.num_first_entry + cluster.num_entries
            if first < stop and last > start:
                yield self._cluster(number, ids, max(first, start), min(last, stop))

    def _field_ids(self, columns: Iterable[RootColumn]) -> set[int]:
        return {self._table[".".join((column.branch, *column.inner))].field_id for column in columns}

    def _cluster(self, number: int, ids: set[int], start: int, stop: int) -> ak.Array:
        """Read one cluster; where a range ends with it, uproot would decompress the next, too."""
        clusters = self._table.cluster_summaries
        self._table._cluster_summaries = clusters[: number + 1]
        try:
            return self._table.arrays(
                filter_field=lambda field: field.field_id in ids, entry_start=start, entry_stop=stop, library="ak"
            )
        finally:
            self._table._cluster_summaries = clusters

    def _find(self, name: str) -> RootColumn:
        """Return a column, or say that there is none or that it cannot be read."""
        column = self._columns.get(name)
        if column is None:
            near = nearest(name, self._columns)
            hint = f"; did you mean {' or '.join(map(repr, near))}?" if near else ""
            branches = f"{n:,} branches" if (n := len(self._columns)) != 1 else "1 branch"
            raise ConfigError(f"there is no branch {name!r} in {self._place}{hint}; it has {branches}")
        if not column.readable:
            msg = f"the branch {name!r} in {self._place} is {with_article(column.type)}, which cannot be read"
            raise DataError(f"{msg}; leave it out, or write it as numbers, text or lists of them")
        return column

    def _unreadable(self, wanted: dict[str, RootColumn], start: int, stop: int, error: BaseException) -> DataError:
        """Say which branches cannot be read."""
        broken = [name for name, column in wanted.items() if not self._can_read(name, column, start, stop)]
        names = listed(list(map(repr, broken or wanted)), 5)
        return DataError(
            f"cannot read {names} of {self._place}, entries {start} to {stop}: {first_line(error)}; "
            "if the file is damaged, bring back a whole copy; if not, leave the branch out"
        )

    def _can_read(self, name: str, column: RootColumn, start: int, stop: int) -> bool:
        try:
            for piece in self._pieces({name: column}, stop - start, start, stop):
                _column(piece, column)
        except DAMAGE:
            return False
        return True

    @property
    def _place(self) -> str:
        return f"the tree {self.tree!r} in {self._where}"

    @cached_property
    def _branches(self) -> dict[str, Any]:
        """Branches that hold values, by their name, by their path where several have that."""
        leaves = [branch for branch in self._table.itervalues(recursive=True) if not branch.branches]
        often = Counter(branch.name for branch in leaves)
        return {branch.name if often[branch.name] == 1 else _path(branch): branch for branch in leaves}

    @cached_property
    def _columns(self) -> dict[str, RootColumn]:
        of_table = self._of_ntuple if self._is_ntuple else self._of_tree
        return {".".join((column.branch, *column.inner)): column for column in of_table()}

    def _of_tree(self) -> Iterator[RootColumn]:
        for name, branch in self._branches.items():
            if isinstance(branch.interpretation, UnknownInterpretation):
                yield RootColumn(name, (), branch.typename or "branch of an unknown type", readable=False)
                continue
            try:
                form = branch.interpretation.awkward_form(self._file.file)
            except (uproot.interpretation.objects.CannotBeAwkward, *DAMAGE):
                yield RootColumn(name, (), branch.typename, readable=False)
            else:
                yield from columns_of(name, form, branch.typename)

    def _of_ntuple(self) -> Iterator[RootColumn]:
        for field in self._table.fields:
            known: dict[tuple[str, ...], str | None] = {(): type_of_name(field.typename)}
            if field.record.struct_role == RNTupleFieldRole.COLLECTION and not field.typename:
                known = {(inner.name,): type_of_name(inner.typename, "[]") for inner in field.fields}
            if all(known.values()):
                yield from (RootColumn(field.name, inner, str(type_)) for inner, type_ in known.items())
            else:
                yield from columns_of(field.name, field.to_akform()[0].contents[0], field.typename)


def _joined(pieces: list[ak.Array]) -> ak.Array:
    return ak.concatenate(pieces) if len(pieces) > 1 else pieces[0]


def _cut(pieces: list[ak.Array]) -> ak.Array:
    """Make one piece of several, a copy: a view would hold the cluster while the next is read."""
    return _joined(pieces) if len(pieces) > 1 else ak.copy(ak.to_packed(pieces[0]))


def _note_fields(ntuple: Any) -> None:
    """Tell uproot which fields are within which: it looks through all for each of them.

    For the 1,300 fields of a NanoAOD that takes seconds. Those without a name are left out, and
    what is within them takes their place, as uproot has it.
    """
    fields = ntuple.all_fields
    inner: dict[int, list[Any]] = {number: [] for number in range(len(fields))}
    for number in reversed(range(len(fields))):
        parent = ntuple.field_records[number].parent_field_id
        fields[number]._fields = inner[number]
        if parent != number:
            inner[parent][:0] = inner[number] if fields[number].is_anonymous else [fields[number]]


def _path(branch: Any) -> str:
    names = [branch.name]
    while hasattr(branch.parent, "parent"):
        branch = branch.parent
        names.append(branch.name)
    return "/".join(reversed(names))


def _column(piece: Any, column: RootColumn) -> Column:
    """Return a column of a piece as numpy's or awkward's array."""
    array = piece[column.branch]
    if column.plain and isinstance(array, np.ndarray):
        return array
    for name in column.inner:
        array = array[name]
    if column.jagged:
        jagged: Column = array
        return jagged
    values = ak.to_numpy(array, allow_missing=True)
    if isinstance(values, np.ma.MaskedArray) and values.dtype.kind in "fiub":
        return values.filled(np.nan) if values.dtype.kind == "f" else values
    flat: Column = values
    return flat
