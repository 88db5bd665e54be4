"""LUMIN's JSON keys: the border between a `Schema` and the entries of a fold file's meta data.

LUMIN's entries are ``cont_feats cat_feats targ_feats wgt_feat? cat_maps? matrix_feats?
target_tensor?``. Ours, which LUMIN ignores, are ``misc_feats``, ``roles?``, ``preprocessing``,
``provenance``, and in ``matrix_feats`` the key ``zero_padded``. The keys stand here and nowhere
else. What is none of these is kept as it is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypedDict, cast

from lumin_core.checks import as_list
from lumin_core.data.schema import MatrixSchema, Schema, TensorSchema

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np


class TensorEntry(TypedDict, total=False):
    """The entry ``target_tensor``."""

    shape: list[int]
    is_sparse: bool


class MatrixEntry(TensorEntry, total=False):
    """The entry ``matrix_feats``; see `MatrixSchema` for what its keys mean."""

    present_feats: list[str]
    vecs: list[str]
    missing: list[int]
    feats_per_vec: list[str]
    row_wise: bool | None
    zero_padded: bool


class Entries(TypedDict, total=False):
    """All entries that are known."""

    cont_feats: list[str]
    cat_feats: list[str]
    targ_feats: str | list[str]
    wgt_feat: str | None
    cat_maps: dict[str, dict[str, object]] | None
    matrix_feats: MatrixEntry | None
    target_tensor: TensorEntry | None
    misc_feats: list[str]
    roles: dict[str, str]
    preprocessing: dict[str, list[dict[str, object]]]
    provenance: dict[str, object]


def matrix_entry(
    present_feats: Sequence[str],
    vecs: Sequence[str],
    missing: Sequence[bool] | np.ndarray,
    feats_per_vec: Sequence[str],
    row_wise: bool,
    shape: Sequence[int],
) -> MatrixEntry:
    """Return the ``matrix_feats`` entry of a matrix, with LUMIN's keys.

    Args:
        present_feats: Columns that exist, in the order of the flattened matrix.
        vecs: Objects.
        missing: Which elements of the flattened matrix do not exist.
        feats_per_vec: Features of an object.
        row_wise: Whether an object is a row.
        shape: Of one event's matrix.

    Example:
        >>> from lumin_core.data.entries import matrix_entry
        >>> matrix_entry(["tau_px"], ["tau"], [False], ["px"], True, (1, 1))["shape"]
        [1, 1]
    """
    return {
        "present_feats": list(present_feats),
        "vecs": list(vecs),
        "missing": [int(m) for m in missing],
        "feats_per_vec": list(feats_per_vec),
        "row_wise": bool(row_wise),
        "shape": [int(s) for s in shape],
    }


def tensor_entry(name: str, shape: Sequence[int], *, is_sparse: bool = False) -> MatrixEntry:
    """Return the ``matrix_feats`` entry of a tensor, with LUMIN's keys.

    Example:
        >>> from lumin_core.data.entries import tensor_entry
        >>> tensor_entry("image", (3, 32, 32))["vecs"]
        ['image']
    """
    return {
        "present_feats": [name],
        "vecs": [name],
        "missing": [],
        "feats_per_vec": [""],
        "row_wise": None,
        "shape": [int(s) for s in shape],
        "is_sparse": bool(is_sparse),
    }


def matrix_from_entry(entry: Mapping[str, object]) -> MatrixSchema:
    """Read a ``matrix_feats`` entry.

    Args:
        entry: With LUMIN's keys, of which ``shape`` is needed.

    Example:
        >>> from lumin_core.data.entries import matrix_from_entry, tensor_entry
        >>> matrix_from_entry({**tensor_entry("image", (32, 32)), "unit": "GeV"}).further
        {'unit': 'GeV'}
    """
    known = cast("MatrixEntry", entry)
    return MatrixSchema(
        shape=known.get("shape", []),
        is_sparse=known.get("is_sparse", False),
        vecs=known.get("vecs", []),
        feats_per_vec=known.get("feats_per_vec", []),
        present_feats=known.get("present_feats", []),
        missing=known.get("missing", []),
        row_wise=known.get("row_wise"),
        zero_padded=known.get("zero_padded", False),
        further=_unknown(entry, MatrixEntry),
    )


def matrix_to_entry(matrix: MatrixSchema) -> MatrixEntry:
    """Return the ``matrix_feats`` entry of a matrix or a tensor.

    Example:
        >>> from lumin_core.data.entries import matrix_from_entry, matrix_to_entry, tensor_entry
        >>> entry = tensor_entry("image", (32, 32))
        >>> matrix_to_entry(matrix_from_entry(entry)) == entry
        True
    """
    entry: MatrixEntry = {
        "present_feats": matrix.present_feats,
        "vecs": matrix.vecs,
        "missing": list(matrix.missing),
        "feats_per_vec": matrix.feats_per_vec,
        "row_wise": matrix.row_wise,
        "shape": list(matrix.shape),
    }
    if matrix.row_wise is None or matrix.is_sparse:
        entry["is_sparse"] = matrix.is_sparse
    if matrix.zero_padded:
        entry["zero_padded"] = True
    return cast("MatrixEntry", {**entry, **matrix.further})


def tensor_from_entry(entry: Mapping[str, object]) -> TensorSchema:
    """Read a ``target_tensor`` entry.

    Example:
        >>> from lumin_core.data.entries import tensor_from_entry
        >>> tensor_from_entry({"shape": [32, 32]}).is_sparse
        False
    """
    known = cast("TensorEntry", entry)
    return TensorSchema(shape=known["shape"], is_sparse=known.get("is_sparse", False))


def schema_from_entries(entries: Mapping[str, object]) -> Schema:
    """Make a schema of the entries of the meta data.

    Args:
        entries: JSON values by name. Those that are not known are kept.

    Example:
        >>> from lumin_core.data.entries import schema_from_entries
        >>> schema = schema_from_entries(
        ...     {"cont_feats": ["pt"], "targ_feats": "y", "cat_maps": {"n": {"0": 3}}, "lumi": 138}
        ... )
        >>> schema.targ_feats, schema.scalar_target, schema.cat_maps, schema.further
        (['y'], True, {'n': {0: 3}}, {'lumi': 138})
    """
    known = cast("Entries", entries)
    matrix, target, roles = known.get("matrix_feats"), known.get("target_tensor"), known.get("roles", {})
    return Schema(
        cont_feats=known.get("cont_feats", []),
        cat_feats=known.get("cat_feats", []),
        targ_feats=as_list(known.get("targ_feats")),
        scalar_target=isinstance(known.get("targ_feats"), str),
        wgt_feat=known.get("wgt_feat"),
        cat_maps=int_keys(known.get("cat_maps") or {}),
        matrix=matrix_from_entry(matrix) if matrix else None,
        target_tensor=tensor_from_entry(target) if target else None,
        columns={name: roles.get(name, "") for name in as_list(known.get("misc_feats"))},
        preprocessing=known.get("preprocessing", {}),
        provenance=known.get("provenance", {}),
        further=_unknown(entries, Entries),
    )


def schema_to_entries(schema: Schema) -> dict[str, object]:
    """Return the entries that say what a schema says, those of LUMIN first.

    Example:
        >>> from lumin_core.data.entries import schema_to_entries
        >>> from lumin_core.data.schema import Schema
        >>> list(schema_to_entries(Schema(cont_feats=["pt"], targ_feats=["y"])))
        ['cont_feats', 'cat_feats', 'targ_feats', 'misc_feats', 'preprocessing', 'provenance']
    """
    target, roles = schema.target_tensor, {name: role for name, role in schema.columns.items() if role}
    entries = {
        "cont_feats": schema.cont_feats,
        "cat_feats": schema.cat_feats,
        "targ_feats": schema.targ_feats[0] if schema.scalar_target else schema.targ_feats,
        "wgt_feat": schema.wgt_feat,
        "cat_maps": schema.cat_maps or None,
        "matrix_feats": None if schema.matrix is None else matrix_to_entry(schema.matrix),
        "target_tensor": None if target is None else {"shape": list(target.shape), "is_sparse": target.is_sparse},
        "misc_feats": schema.misc_feats,
        "roles": roles or None,
        "preprocessing": schema.preprocessing,
        "provenance": schema.provenance,
    }
    return {name: value for name, value in entries.items() if value is not None} | schema.further


def _unknown(entries: Mapping[str, object], sort: type[Entries] | type[MatrixEntry]) -> dict[str, object]:
    return {name: value for name, value in entries.items() if name not in sort.__annotations__}


def int_keys(cat_maps: Mapping[str, Mapping[str, object]]) -> dict[str, dict[int, object]]:
    """Give category maps integer keys again, which JSON turns into text.

    A key of another program that is not a number stays as it is.

    Example:
        >>> from lumin_core.data.entries import int_keys
        >>> int_keys({"n_jets": {"0": "none"}})
        {'n_jets': {0: 'none'}}
    """
    return {feat: {_as_int(key): value for key, value in codes.items()} for feat, codes in cat_maps.items()}


def _as_int(key: Any) -> Any:
    try:
        return int(key)
    except (TypeError, ValueError):
        return key
