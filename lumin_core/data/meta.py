"""Meta data of a fold file: the JSON strings under ``/meta_data``, LUMIN's and ours.

LUMIN's entries are ``cont_feats cat_feats targ_feats wgt_feat? cat_maps? matrix_feats?
target_tensor?``. Ours, which LUMIN ignores, are ``misc_feats``, ``preprocessing``, ``provenance``,
and in ``matrix_feats`` the key ``zero_padded``.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import attrs
import numpy as np

from lumin_core.checks import as_list
from lumin_core.errors import ConfigError, FoldFileError

if TYPE_CHECKING:
    from collections.abc import Mapping

    import h5py

GROUP = "meta_data"
FORMAT = 1  # raised when a reader of before could no longer read what is written


@attrs.frozen
class MetaData:
    """What a fold file says about its columns.

    Attributes:
        cont_feats: Continuous features, the first columns of ``inputs``.
        cat_feats: Categorical features, the columns after them.
        targ_feats: Targets.
        wgt_feat: Weight, or ``None``.
        cat_maps: For a categorical feature, what its codes mean:
            ``{"n_jets": {0: "none", 1: "one"}}``.
        matrix_feats: Content of the matrix, with LUMIN's keys ``present_feats vecs missing
            feats_per_vec row_wise shape is_sparse``, or ``None``.
        target_tensor: ``shape`` and ``is_sparse`` of targets that are tensors, or ``None``.
        misc_feats: Further columns.
        preprocessing: Configurations of stored transforms by what they are for: ``inputs``,
            ``targets``, ``matrix``.
        provenance: Where the file comes from: versions, seed.

    Example:
        >>> from lumin_core.data.meta import MetaData
        >>> MetaData(cont_feats=["pt"], targ_feats=["is_signal"]).cat_feats
        []
    """

    cont_feats: list[str] = attrs.field(factory=list, converter=as_list)
    cat_feats: list[str] = attrs.field(factory=list, converter=as_list)
    targ_feats: list[str] = attrs.field(factory=list, converter=as_list)
    wgt_feat: str | None = None
    cat_maps: dict[str, dict[int, Any]] = attrs.field(factory=dict)
    matrix_feats: dict[str, Any] | None = None
    target_tensor: dict[str, Any] | None = None
    misc_feats: list[str] = attrs.field(factory=list, converter=as_list)
    preprocessing: dict[str, list[dict[str, Any]]] = attrs.field(factory=dict)
    provenance: dict[str, Any] = attrs.field(factory=dict)


def write_entry(group: h5py.Group, name: str, value: Any) -> None:
    """Write, or replace, one entry of the meta data.

    Args:
        group: ``/meta_data``.
        name: Of the entry.
        value: Anything JSON can hold; numpy's scalars and arrays become Python's.

    Raises:
        ConfigError: If JSON cannot hold it.

    Example:
        >>> import h5py
        >>> from lumin_core.data.meta import write_entry
        >>> with h5py.File("a", "w", driver="core", backing_store=False) as file:
        ...     write_entry(file.create_group("meta_data"), "cont_feats", ["pt"])
        ...     file["meta_data/cont_feats"][()]
        b'["pt"]'
    """
    try:
        text = json.dumps(value, default=_plain)
    except (TypeError, ValueError) as error:
        raise ConfigError(f"{name} cannot be stored as JSON: {error}") from error
    if name in group:
        del group[name]
    group.create_dataset(name, data=text)


def _plain(value: Any) -> Any:
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    raise TypeError(f"{value!r} is no plain value")


def read_meta_data(file: h5py.File) -> MetaData | None:
    """Read the meta data of an open file.

    Returns:
        The meta data, or ``None`` where the file has none.

    Raises:
        FoldFileError: If an entry is missing or damaged, or the file is of a later format.

    Example:
        >>> import h5py
        >>> from lumin_core.data.meta import read_meta_data
        >>> with h5py.File("a", "w", driver="core", backing_store=False) as file:
        ...     read_meta_data(file) is None
        True
    """
    if GROUP not in file:
        return None
    group = file[GROUP]
    version = group.attrs.get("format", 0)
    if version > FORMAT:
        raise FoldFileError(
            f"{file.filename} has format {version}, this version reads up to {FORMAT}: update lumin-core"
        )
    absent = [name for name in ("cont_feats", "cat_feats", "targ_feats") if name not in group]
    if absent:
        raise FoldFileError(f"{file.filename} is no fold file: /{GROUP} lacks {', '.join(absent)}")
    known = {field.name for field in attrs.fields(MetaData)}
    entries = {name: _read_entry(file, name) for name in group if name in known}
    if "cat_maps" in entries:
        entries["cat_maps"] = int_keys(entries["cat_maps"])
    return MetaData(**entries)


def _read_entry(file: h5py.File, name: str) -> Any:
    try:
        return json.loads(file[GROUP][name][()])
    except (TypeError, ValueError, OSError) as error:
        raise FoldFileError(f"{file.filename}: /{GROUP}/{name} cannot be read: {error}") from error


def int_keys(cat_maps: Mapping[str, Mapping[Any, Any]]) -> dict[str, dict[int, Any]]:
    """Give category maps integer keys again, which JSON turns into text.

    Example:
        >>> from lumin_core.data.meta import int_keys
        >>> int_keys({"n_jets": {"0": "none"}})
        {'n_jets': {0: 'none'}}
    """
    return {feat: {_as_int(key): value for key, value in codes.items()} for feat, codes in cat_maps.items()}


def _as_int(key: Any) -> Any:
    try:
        return int(key)
    except (TypeError, ValueError):
        return key
