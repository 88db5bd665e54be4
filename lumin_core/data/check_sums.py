"""Check sums of a fold file's datasets, and what they make: the identity of its data.

The attribute ``crc32`` of a dataset is the CRC-32 (ISO 3309, that of zlib) of its values as they
are read, in the dtype of the file and in C order: compression and chunks do not matter.
The identity is the SHA-256, in hexadecimal, of a JSON text that lists the names of the features
and, for every column of every fold, its check sum, dtype and shape. Columns are inputs, targets,
weights, matrix inputs, and what the meta data list as further columns (``misc_feats``): predictions
are none, nor is anything else that was added to a file.
"""

from __future__ import annotations

import hashlib
import json
import math
from typing import TYPE_CHECKING

import h5py
import numpy as np
from zlib_ng.zlib_ng import crc32

from lumin_core.data.values import RESERVED
from lumin_core.errors import FoldFileError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lumin_core.data.schema import Schema

SUM = "crc32"
PREDICTED = "predicted"
IDENTITY = "identity"
META = "meta_data"
BLOCK_BYTES = 1 << 26  # of a dataset, read at once to compute its check sum


def check_sum(values: np.ndarray | bytes, before: int = 0) -> int:
    """Return the CRC-32 of values.

    Args:
        values: Any shape and dtype; text of variable width counts as if it was joined by NUL.
        before: The check sum of what stands before them.

    Example:
        >>> import numpy as np
        >>> from lumin_core.data.check_sums import check_sum
        >>> check_sum(np.arange(4)) == check_sum(np.arange(2, 4), check_sum(np.arange(2)))
        True
    """
    if isinstance(values, bytes):
        return crc32(values, before)
    if values.dtype.kind == "O":
        return crc32(b"\0".join(values.reshape(-1)), before)
    return crc32(np.ascontiguousarray(values).reshape(-1).view(np.uint8).data, before)


def stored_sum(dataset: h5py.Dataset) -> int | None:
    """Return the check sum that stands on a dataset, ``None`` where there is none."""
    value = dataset.attrs.get(SUM)
    return None if value is None else int(value)


def write_sum(dataset: h5py.Dataset, total: int) -> None:
    """Write a check sum onto a dataset.

    Example:
        >>> import h5py, numpy as np
        >>> from lumin_core.data.check_sums import check_sum, stored_sum, write_sum
        >>> with h5py.File("a", "w", driver="core", backing_store=False) as file:
        ...     file["x"] = np.arange(3)
        ...     write_sum(file["x"], check_sum(np.arange(3)))
        ...     stored_sum(file["x"]) == check_sum(np.arange(3))
        True
    """
    dataset.attrs.modify(SUM, np.uint32(total))


def computed_sum(dataset: h5py.Dataset) -> int:
    """Read a dataset, piece by piece, and return the check sum of what is in it."""
    if dataset.shape == () or dataset.dtype.kind == "O":
        value = dataset[()]
        return check_sum(value if isinstance(value, bytes) else np.asarray(value))
    step = max(1, BLOCK_BYTES // max(1, dataset.dtype.itemsize * math.prod(dataset.shape[1:])))
    total = 0
    for start in range(0, dataset.shape[0], step):
        total = check_sum(dataset[start : start + step], total)
    return total


def complete_sums(file: h5py.File) -> None:
    """Write the check sums that are lacking, such as those of what grew along its second axis."""
    for _, dataset in _datasets(file):
        if stored_sum(dataset) is None:
            write_sum(dataset, computed_sum(dataset))


def write_identity(file: h5py.File, schema: Schema) -> None:
    """Write the identity of a complete file as an attribute of its meta data."""
    file[META].attrs[IDENTITY] = identity(file, schema)


def identity(file: h5py.File, schema: Schema, *, trust_sums: bool = True) -> str:
    """Return what tells data from others, wherever they stand and whatever is predicted of them.

    Args:
        file: Open.
        schema: What it has.
        trust_sums: Whether check sums that stand in the file are taken, rather than computed from
            what is in it. Where there are none they are computed.

    Returns:
        64 hexadecimal digits.

    Example:
        >>> import h5py, numpy as np
        >>> from lumin_core.data.check_sums import identity
        >>> from lumin_core.data.schema import Schema
        >>> with h5py.File("a", "w", driver="core", backing_store=False) as file:
        ...     file["fold_0/inputs"] = np.ones((3, 1))
        ...     of_pt, of_m = (identity(file, Schema(cont_feats=[feat])) for feat in ("pt", "m"))
        >>> len(of_pt), of_pt == of_m
        (64, False)
    """
    columns = {}
    for name, dataset in _columns(file, schema).items():
        total = stored_sum(dataset) if trust_sums else None
        total = computed_sum(dataset) if total is None else total
        columns[name] = [total, dataset.dtype.str, list(dataset.shape)]
    features = [schema.cont_feats, schema.cat_feats, schema.targ_feats, schema.wgt_feat]
    content = {"features": [*features, schema.matrix and schema.matrix.present_feats], "columns": columns}
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def has_sums(file: h5py.File, schema: Schema) -> bool:
    """Tell whether the identity is known without reading the columns."""
    return all(stored_sum(dataset) is not None for dataset in _columns(file, schema).values())


def verified(file: h5py.File, schema: Schema) -> Iterator[tuple[str, bool]]:
    """Compare the check sums of a file with what is in it, dataset by dataset.

    Args:
        file: Open.
        schema: What it has.

    Yields:
        The name of a dataset that is right, and whether it has a check sum at all.

    Raises:
        FoldFileError: If one does not fit.
    """
    for name, dataset in _datasets(file):
        total, found = stored_sum(dataset), computed_sum(dataset)
        if total not in (None, found):
            raise FoldFileError(
                f"{file.filename}: the values of {name} are not those that were written, their check sum is "
                f"{found:08x}, not {total:08x}: the file was damaged, or another program wrote into it; "
                "bring back a copy, or make it anew"
            )
        yield name, total is not None
    stored = file[META].attrs.get(IDENTITY) if META in file else None
    if stored is not None and stored != identity(file, schema):
        raise FoldFileError(
            f"{file.filename} does not hold the columns that it was completed with: it was damaged, or another "
            "program changed it; bring back a copy, or make it anew"
        )


def is_prediction(dataset: h5py.Dataset) -> bool:
    """Tell whether a column carries the mark of a prediction."""
    return bool(dataset.attrs.get(PREDICTED, False))


def names_in(group: h5py.Group) -> list[str]:
    """Return what a group or a file holds, by name, in the order of names.

    Args:
        group: The group.

    Raises:
        FoldFileError: If a name is no text, as in a damaged file.

    Example:
        >>> import h5py
        >>> from lumin_core.data.check_sums import names_in
        >>> with h5py.File("a", "w", driver="core", backing_store=False) as file:
        ...     file["pred"], file["inputs"] = 1.0, 2.0
        ...     names_in(file)
        ['inputs', 'pred']
    """
    names = list(group)
    if wrong := [name for name in names if not isinstance(name, str)]:
        raise FoldFileError(
            f"{group.file.filename}: {group.name} holds {wrong[0]!r}, whose name is no text: the file is damaged; "
            "bring back a copy, or make it anew"
        )
    return sorted(names)


def _folds(file: h5py.File) -> Iterator[h5py.Group]:
    return (file[name] for name in names_in(file) if name.startswith("fold_") and name[5:].isdecimal())


def _columns(file: h5py.File, schema: Schema) -> dict[str, h5py.Dataset]:
    """Return the columns of a file that are no predictions, by name."""
    return {
        f"{fold.name.removeprefix('/')}/{name}": fold[name]
        for fold in _folds(file)
        for name in (*RESERVED, *schema.misc_feats)
        if name in fold and not is_prediction(fold[name])
    }


def _datasets(file: h5py.File) -> Iterator[tuple[str, h5py.Dataset]]:
    groups = [*([file[META]] if META in file else []), *_folds(file)]
    for group in groups:
        for name in names_in(group):
            if isinstance(group[name], h5py.Dataset):
                yield f"{group.name.removeprefix('/')}/{name}", group[name]
