"""RNTuples, read cluster by cluster with `uproot <https://uproot.readthedocs.io>`_.

A cluster is decompressed whole, once, and cut. In memory there are the piece that is handed out, a
copy, and one cluster of what is asked for.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

import awkward as ak
from uproot.const import RNTupleFieldRole

from lumin_plugin_io.piece_sizes import largest_cluster
from lumin_plugin_io.regroup import regroup
from lumin_plugin_io.root_types import RootColumn, columns_of, type_of_name

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator


class NtupleTable:
    """Reads an RNTuple.

    Args:
        ntuple: An RNTuple of uproot.

    Attributes:
        table: The same.
    """

    def __init__(self, ntuple: Any) -> None:
        self.table = ntuple
        _note_fields(ntuple)

    def close(self) -> None:
        """Do nothing: uproot decompresses RNTuples in the thread that asks."""

    @cached_property
    def _fields(self) -> dict[str, Any]:
        return {field.name: field for field in self.table.fields}

    @property
    def branches(self) -> Collection[str]:
        """Names of what holds columns."""
        return self._fields.keys()

    def columns(self, name: str) -> Iterator[RootColumn]:
        """List the columns that a field holds.

        Args:
            name: The field.
        """
        field = self._fields[name]
        known: dict[tuple[str, ...], str | None] = {(): type_of_name(field.typename)}
        if field.record.struct_role == RNTupleFieldRole.COLLECTION and not field.typename:
            known = {(inner.name,): type_of_name(inner.typename, "[]") for inner in field.fields}
        if all(known.values()):
            yield from (RootColumn(name, inner, str(type_)) for inner, type_ in known.items())
        else:
            yield from columns_of(name, field.to_akform()[0].contents[0], field.typename)

    def largest_piece(self, columns: Collection[RootColumn]) -> int:
        """Return the bytes of the largest cluster."""
        return largest_cluster(self.table, self._ids(columns))

    def pieces(self, columns: Collection[RootColumn], step: int, start: int, stop: int) -> Iterator[Any]:
        """Read fields, and return what can be asked for each of them by name.

        Args:
            columns: What is wanted of them, one column at least.
            step: Events in a piece.
            start: The first event.
            stop: The one after the last.
        """
        return regroup(self._clusters(columns, start, stop), step, _cut)

    def _clusters(self, columns: Collection[RootColumn], start: int, stop: int) -> Iterator[ak.Array]:
        """Read fields cluster by cluster, which is how they are decompressed."""
        ids = self._ids(columns)
        for number, cluster in enumerate(self.table.cluster_summaries):
            first, last = cluster.num_first_entry, cluster.num_first_entry + cluster.num_entries
            if first < stop and last > start:
                yield self._cluster(number, ids, max(first, start), min(last, stop))

    def _ids(self, columns: Collection[RootColumn]) -> set[int]:
        return {self.table[column.name].field_id for column in columns}

    def _cluster(self, number: int, ids: set[int], start: int, stop: int) -> ak.Array:
        """Read one cluster; where a range ends with it, uproot would decompress the next, too."""
        clusters = self.table.cluster_summaries
        self.table._cluster_summaries = clusters[: number + 1]
        try:
            return self.table.arrays(
                filter_field=lambda field: field.field_id in ids, entry_start=start, entry_stop=stop, library="ak"
            )
        finally:
            self.table._cluster_summaries = clusters


def _cut(pieces: list[ak.Array]) -> ak.Array:
    """Make one piece of several, a copy: a view would hold the cluster while the next is read."""
    return ak.concatenate(pieces) if len(pieces) > 1 else ak.copy(ak.to_packed(pieces[0]))


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
