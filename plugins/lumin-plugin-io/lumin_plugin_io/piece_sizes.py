"""How many bytes of a ROOT file can only be read together: baskets, and clusters of an RNTuple.

They say how much memory a conversion needs at least, see `lumin_core.data.Reader.largest_piece`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable


def largest_baskets(branches: Iterable[Any]) -> int:
    """Return the bytes of the largest basket of each branch together.

    A TTree says how large a branch is uncompressed, but of a basket only how large it is in the
    file: all are taken to be compressed alike.

    Args:
        branches: Branches of uproot.
    """
    total = 0.0
    for branch in branches:
        sizes = branch.member("fBasketBytes")[: branch.num_baskets]
        total += branch.uncompressed_bytes * float(sizes.max() / sizes.sum()) if len(sizes) and sizes.sum() else 0
    return round(total)


def largest_cluster(ntuple: Any, fields: Collection[int]) -> int:
    """Return the bytes of some fields of an RNTuple's largest cluster.

    Args:
        ntuple: An RNTuple of uproot.
        fields: Their numbers; fields inside of them count, too.
    """
    inside = set(fields)
    for number, field in enumerate(ntuple.field_records):  # those inside come after what they are in
        if field.parent_field_id in inside:
            inside.add(number)
    records = ntuple.column_records
    columns = {number for number, column in enumerate(records) if column.field_id in inside}
    columns |= {alias.physical_id for alias in ntuple.alias_column_records if alias.field_id in inside}
    bits = [column.nbits if number in columns else 0 for number, column in enumerate(records)]
    return max((_bits_of(cluster, bits) // 8 for cluster in ntuple.page_link_list), default=0)


def _bits_of(cluster: Any, bits: Iterable[int]) -> int:
    pairs = zip(bits, cluster, strict=False)  # later clusters may have columns that were added
    return sum(int(n) * sum(page.num_elements for page in column.pages) for n, column in pairs if n)
