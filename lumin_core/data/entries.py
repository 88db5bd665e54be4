"""LUMIN's JSON keys: the border between a `Schema` and the entries of a fold file's meta data.

LUMIN's entries are ``cont_feats cat_feats targ_feats wgt_feat? cat_maps? matrix_feats?
target_tensor?``. Ours, which LUMIN ignores, are ``misc_feats``, ``roles?``, ``preprocessing``,
``provenance``, ``recipe?``, ``sources?``, ``units?``, and in ``matrix_feats`` the key
``zero_padded``. The keys stand here and nowhere else. What is none of these is kept as it is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lumin_core.checks import as_list
from lumin_core.data.schema import MatrixSchema, Schema, TensorSchema

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import numpy as np

_OF_US = ("preprocessing", "provenance", "recipe", "sources", "units")
SAME = ("cont_feats", "cat_feats", "wgt_feat", *_OF_US)  # as in the schema
KNOWN = (*SAME, "targ_feats", "cat_maps", "matrix_feats", "target_tensor", "misc_feats", "roles")
OF_MATRIX = ("present_feats", "vecs", "missing", "feats_per_vec", "row_wise", "shape")
KNOWN_OF_MATRIX = (*OF_MATRIX, "is_sparse", "zero_padded")


def matrix_entry(
    present_feats: Sequence[str],
    vecs: Sequence[str],
    missing: Sequence[bool] | np.ndarray,
    feats_per_vec: Sequence[str],
    row_wise: bool,
    shape: Sequence[int],
) -> dict[str, Any]:
    """Return the ``matrix_feats`` entry of a matrix, with LUMIN's keys.

    Args:
        present_feats: Columns that exist, in the order of the flattened matrix.
        vecs: Objects.
        missing: Which elements of the flattened matrix do not exist.
        feats_per_vec: Features of an object.
        row_wise: Whether an object is a row.
        shape: Of one event's matrix.

    Example:
        >>> from lumin_core.data import matrix_entry
        >>> matrix_entry(["tau_px"], ["tau"], [False], ["px"], True, (1, 1))["shape"]
        [1, 1]
    """
    values = (present_feats, vecs, missing, feats_per_vec, bool(row_wise), shape)
    return matrix_to_entry(matrix_from_entry(dict(zip(OF_MATRIX, values, strict=True))))


def tensor_entry(name: str, shape: Sequence[int], *, is_sparse: bool = False) -> dict[str, Any]:
    """Return the ``matrix_feats`` entry of a tensor, with LUMIN's keys.

    Example:
        >>> from lumin_core.data import tensor_entry
        >>> tensor_entry("image", (3, 32, 32))["vecs"]
        ['image']
    """
    return matrix_to_entry(tensor_schema(name, shape, is_sparse=is_sparse))


def tensor_schema(name: str, shape: Sequence[int], *, is_sparse: bool = False) -> MatrixSchema:
    """Return what is known of a tensor of inputs; arguments as for `tensor_entry`."""
    return MatrixSchema(shape=shape, is_sparse=is_sparse, vecs=name, feats_per_vec="", present_feats=name)


def matrix_from_entry(entry: Mapping[str, Any]) -> MatrixSchema:
    """Read a ``matrix_feats`` entry.

    Args:
        entry: With LUMIN's keys, of which ``shape`` is needed.

    Example:
        >>> from lumin_core.data.entries import matrix_from_entry, tensor_entry
        >>> matrix_from_entry({**tensor_entry("image", (32, 32)), "unit": "GeV"}).further
        {'unit': 'GeV'}
    """
    known = {key: entry[key] for key in KNOWN_OF_MATRIX if key in entry}
    return MatrixSchema(**known, further={key: value for key, value in entry.items() if key not in known})


def matrix_to_entry(matrix: MatrixSchema) -> dict[str, Any]:
    """Return the ``matrix_feats`` entry of a matrix or a tensor.

    Example:
        >>> from lumin_core.data.entries import matrix_from_entry, matrix_to_entry, tensor_entry
        >>> entry = tensor_entry("image", (32, 32))
        >>> matrix_to_entry(matrix_from_entry(entry)) == entry
        True
    """
    entry = {key: getattr(matrix, key) for key in OF_MATRIX}
    if matrix.row_wise is None or matrix.is_sparse:
        entry["is_sparse"] = matrix.is_sparse
    if matrix.zero_padded:
        entry["zero_padded"] = True
    return entry | matrix.further


def target_from_entry(entry: Mapping[str, Any]) -> TensorSchema:
    """Read a ``target_tensor`` entry.

    Example:
        >>> from lumin_core.data.entries import target_from_entry
        >>> target_from_entry({"shape": [32, 32]}).is_sparse
        False
    """
    return TensorSchema(shape=entry["shape"], is_sparse=entry.get("is_sparse", False))


def schema_from_entries(entries: Mapping[str, Any]) -> Schema:
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
    matrix, target, roles = (entries.get(name) for name in ("matrix_feats", "target_tensor", "roles"))
    return Schema(
        **{name: entries[name] for name in SAME if entries.get(name) is not None},
        targ_feats=entries.get("targ_feats"),
        scalar_target=isinstance(entries.get("targ_feats"), str),
        cat_maps=int_keys(entries.get("cat_maps") or {}),
        matrix=matrix_from_entry(matrix) if matrix else None,
        target_tensor=target_from_entry(target) if target else None,
        columns={name: (roles or {}).get(name, "") for name in as_list(entries.get("misc_feats"))},
        further={name: value for name, value in entries.items() if name not in KNOWN},
    )


def schema_to_entries(schema: Schema) -> dict[str, object]:
    """Return the entries that say what a schema says, those of LUMIN first.

    Example:
        >>> from lumin_core.data.entries import schema_to_entries
        >>> from lumin_core.data.schema import Schema
        >>> list(schema_to_entries(Schema(cont_feats=["pt"], targ_feats=["y"])))
        ['cont_feats', 'cat_feats', 'targ_feats', 'misc_feats', 'preprocessing', 'provenance']
    """
    target = schema.target_tensor
    entries = {
        "cont_feats": schema.cont_feats,
        "cat_feats": schema.cat_feats,
        "targ_feats": schema.targ_feats[0] if schema.scalar_target else schema.targ_feats,
        "wgt_feat": schema.wgt_feat,
        "cat_maps": schema.cat_maps or None,
        "matrix_feats": None if schema.matrix is None else matrix_to_entry(schema.matrix),
        "target_tensor": None if target is None else {"shape": target.shape, "is_sparse": target.is_sparse},
        "misc_feats": schema.misc_feats,
        "roles": {name: role for name, role in schema.columns.items() if role} or None,
        "preprocessing": schema.preprocessing,
        "provenance": schema.provenance,
        "recipe": schema.recipe or None,
        "sources": schema.sources or None,
        "units": schema.units or None,
    }
    return {name: value for name, value in entries.items() if value is not None} | schema.further


def expected_entry(name: str, value: Any) -> str | None:
    """Say what an entry of the meta data must be, where it is something else.

    Args:
        name: Of a known entry.
        value: As JSON gives it.

    Example:
        >>> from lumin_core.data.entries import expected_entry
        >>> expected_entry("cont_feats", ["pt"]), expected_entry("cont_feats", 3)
        (None, 'a list of names')
    """
    expected, fits = _ENTRIES[name]
    is_left_out = value is None and name not in ("preprocessing", "provenance")
    return None if is_left_out or fits(value) else expected


def _are_names(value: Any) -> bool:
    return isinstance(value, str) or (isinstance(value, list) and all(isinstance(name, str) for name in value))


def _are_sizes(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(size, int) and size >= 0 for size in value)


def _is_tensor(value: Any) -> bool:
    return isinstance(value, dict) and _are_sizes(value.get("shape")) and value.get("is_sparse") in (True, False, None)


def _is_matrix(value: Any) -> bool:
    names = ("present_feats", "vecs", "feats_per_vec")
    return (
        _is_tensor(value)
        and all(_are_names(value[name]) for name in names if name in value)
        and _are_sizes(value.get("missing", []))
        and value.get("row_wise") in (True, False, None)
    )


def _maps(inner: type) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, dict) and all(isinstance(entry, inner) for entry in value.values())


def _are_maps(value: Any) -> bool:
    return _maps(dict)(value) and all(
        code.removeprefix("-").isdecimal() and isinstance(meaning, str | int | float)
        for codes in value.values()
        for code, meaning in codes.items()
    )


def _are_chains(value: Any) -> bool:
    return _maps(list)(value) and all(map(_are_dicts, value.values()))


def _are_dicts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(entry, dict) for entry in value)


_ENTRIES: dict[str, tuple[str, Callable[[Any], bool]]] = {
    **dict.fromkeys(("cont_feats", "cat_feats", "targ_feats", "misc_feats"), ("a list of names", _are_names)),
    "wgt_feat": ("a name", lambda value: isinstance(value, str)),
    "cat_maps": ("a dict of dicts from codes to text or numbers", _are_maps),
    "roles": ("a dict of names", _maps(str)),
    "units": ("a dict of texts", _maps(str)),
    "preprocessing": ("a dict of lists of dicts", _are_chains),
    **dict.fromkeys(("provenance", "recipe"), ("a dict", lambda value: isinstance(value, dict))),
    "sources": ("a list of dicts", _are_dicts),
    "matrix_feats": ("a dict with a shape, as matrix_entry gives it", _is_matrix),
    "target_tensor": ("a dict with a shape", _is_tensor),
}


def int_keys(cat_maps: Mapping[str, Mapping[Any, Any]]) -> dict[str, dict[int, Any]]:
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
