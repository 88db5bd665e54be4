"""From data frames to fold files."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import numpy as np

from lumin_core import seeds
from lumin_core.checks import as_list, check_names
from lumin_core.data import matrix
from lumin_core.data.description import describe
from lumin_core.data.entries import matrix_entry, tensor_entry
from lumin_core.data.fold_file import FoldFileWriter, write_fold
from lumin_core.data.layout import Layout, check_column
from lumin_core.data.numbers import as_numbers
from lumin_core.data.sparse import is_sparse, select_events
from lumin_core.data.splitting import split_events
from lumin_core.data.storable import storable
from lumin_core.data.tables import as_frame
from lumin_core.data.values import check_codes, to_float32
from lumin_core.errors import ConfigError, DataError, ShapeError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    import h5py
    import pandas as pd
    from numpy.typing import ArrayLike

    from lumin_core.data.sparse import SparseArray
    from lumin_core.data.tables import Frame
    from lumin_core.data.transforms import Steps

    Tensor = np.ndarray | SparseArray

_log = logging.getLogger(__name__)


def df2foldfile(
    df: Frame | None,
    n_folds: int,
    cont_feats: Sequence[str],
    cat_feats: Sequence[str],
    targ_feats: str | Sequence[str],
    savename: str | Path,
    targ_type: str | type,
    shuffle: bool = True,
    strat_key: str | None = None,
    misc_feats: Sequence[str] | None = None,
    wgt_feat: str | None = None,
    cat_maps: Mapping[str, Mapping[int, object]] | None = None,
    matrix_vecs: Sequence[str] | None = None,
    matrix_feats_per_vec: Sequence[str] | None = None,
    matrix_row_wise: bool | None = None,
    tensor_data: ArrayLike | SparseArray | None = None,
    tensor_name: str | None = None,
    tensor_as_sparse: bool = False,
    tensor_target: ArrayLike | SparseArray | None = None,
    tensor_target_as_sparse: bool = False,
    compression: str | int | None = None,
    seed: int | None = None,
    overwrite: bool = False,
    *,
    clip: float | None = None,
    preprocessing: Steps | Mapping[str, Steps] | None = None,
) -> Path:
    """Write a data frame as a fold file.

    The file appears under its name only when it is complete; on any error what was
    there before stays.

    Args:
        df: One row an event: a data frame, a dict of columns, or an array of records; may be
            ``None`` where ``tensor_data`` and ``tensor_target`` are given.
        n_folds: Number of folds.
        cont_feats: Continuous inputs. NaN is stored, and read as 0. Those that the matrix holds
            too are left out.
        cat_feats: Categorical inputs, encoded as 0, 1, 2, ...
        targ_feats: Target or targets; one name alone gives targets of shape ``(n,)`` in the file.
        savename: Of the file; ``.hdf5`` is added where it is missing, folders are made.
        targ_type: Dtype of the targets, ``"float32"`` or ``"int"`` say.
        shuffle: Whether events are distributed at random; else folds are contiguous.
        strat_key: Column whose classes are spread evenly over the folds.
        misc_feats: Further columns to keep: numbers, Booleans, text.
        wgt_feat: Column of the event weights.
        cat_maps: What the codes mean.
        matrix_vecs: Objects of the matrix: columns are named ``{vec}_{feat}``.
        matrix_feats_per_vec: Their features. Elements that do not exist in ``df`` are
            stored as NaN.
        matrix_row_wise: Whether an object is a row.
        tensor_data: Matrix inputs of any rank, ``(n, ...)``, dense or sparse (``coords``,
            ``data``, ``shape``).
        tensor_name: Name of the tensor; by default ``"tensor"``.
        tensor_as_sparse: Whether to store it as COO.
        tensor_target: Targets of any rank, ``(n, ...)``.
        tensor_target_as_sparse: Whether to store them as COO.
        compression: ``"gzip"``, ``"lzf"``, a level 0 to 9, or ``None``.
        seed: Of the distribution; by default fresh, and recorded in the file.
        overwrite: Whether a file of that name may be replaced.
        clip: If given, inputs are limited to ``[-clip, clip]`` rather than infinities refused.
        preprocessing: What the continuous inputs in ``df`` have gone through, as for
            `FoldFileWriter`: it is recorded.

    Returns:
        Path of the file.

    Raises:
        DataError: If columns are missing or hold what cannot be stored: text, dates or complex
            numbers as numbers, infinite inputs, codes that are none or that ``cat_maps`` lack, NaN
            or infinity in targets or weights; or if there are too few events.
        ShapeError: If tensors do not have one row an event.
        ConfigError: If arguments contradict each other.
        FoldFileError: If the file exists, or cannot be written.

    Example:
        >>> import pandas as pd, tempfile
        >>> from lumin_core import FoldYielder, df2foldfile
        >>> df = pd.DataFrame({"pt": [30.0, 50.0, 40.0, 20.0], "is_signal": [0, 1, 0, 1]})
        >>> path = df2foldfile(
        ...     df, 2, ["pt"], [], "is_signal", tempfile.mkdtemp() + "/train", "int", shuffle=False
        ... )
        >>> path.name, FoldYielder(path)[1]["inputs"].tolist()
        ('train.hdf5', [[40.0], [20.0]])
    """
    seed = seeds.fresh() if seed is None else seed
    df = None if df is None else as_frame(df)
    data, target = _as_tensor(tensor_data, "tensor_data"), _as_tensor(tensor_target, "tensor_target")
    n = _count_events(df, data, target)
    misc, targets = as_list(misc_feats), [] if target is not None else targ_feats
    _check_columns(df, {"cont_feats": cont_feats, "cat_feats": cat_feats, "targ_feats": targets})
    _check_columns(df, {"misc_feats": misc, "wgt_feat": wgt_feat, "strat_key": strat_key})
    packed: Tensor | None
    entry: dict[str, Any] | None
    if matrix_vecs is not None:
        packed, entry = _matrix_of_columns(df, matrix_vecs, matrix_feats_per_vec, matrix_row_wise, data)
        cont_feats = _without(as_list(cont_feats), entry["present_feats"])
    else:
        packed, entry = _tensor_and_entry(data, tensor_name, tensor_as_sparse)
    strata = None if strat_key is None or df is None else df[strat_key].to_numpy()
    folds = split_events(n, n_folds, shuffle=shuffle, seed=seed, strata=strata)
    columns = _flat_columns(df, n, cont_feats, cat_feats, targets, wgt_feat) | _given(
        matrix_inputs=packed, targets=target
    )
    further = _misc_columns(df, misc)
    with FoldFileWriter(
        savename,
        cont_feats=cont_feats,
        cat_feats=cat_feats,
        targ_feats=targ_feats,
        targ_type=targ_type,
        wgt_feat=wgt_feat,
        cat_maps=cat_maps,
        matrix_feats=entry,
        target_tensor=_target_entry(target, tensor_target_as_sparse),
        compression=compression,
        clip=clip,
        preprocessing=preprocessing,
        seed=seed,
        overwrite=overwrite,
    ) as file:
        for i, events in enumerate(folds):
            fold: dict[str, Any] = {name: select_events(values, events) for name, values in columns.items()}
            file.append(i, **fold, misc={name: values[events] for name, values in further.items()})
    _log.info("%d events in %d folds written to %s", n, n_folds, file.path)
    return file.path


def fold2foldfile(
    df: Frame | None,
    out_file: h5py.File,
    fold_idx: int,
    cont_feats: Sequence[str],
    cat_feats: Sequence[str],
    targ_feats: str | Sequence[str],
    targ_type: str | type,
    misc_feats: Sequence[str] | None = None,
    wgt_feat: str | None = None,
    matrix_lookup: Sequence[str] | None = None,
    matrix_missing: np.ndarray | None = None,
    matrix_shape: tuple[int, int] | None = None,
    tensor_data: ArrayLike | SparseArray | None = None,
    tensor_target: ArrayLike | SparseArray | None = None,
    compression: str | int | None = None,
    n_samples: int | None = None,
    *,
    tensor_as_sparse: bool = False,
    tensor_target_as_sparse: bool = False,
    clip: float | None = None,
) -> None:
    """Write one fold into an open HDF5 file.

    `add_meta_data` completes it; `FoldFileWriter` does both, safely.

    Args:
        df: The events of this fold, as for `df2foldfile`; may be ``None`` where ``tensor_data``
            and ``tensor_target`` are given.
        out_file: Open for writing.
        fold_idx: Number of the fold.
        cont_feats: Continuous inputs.
        cat_feats: Categorical inputs.
        targ_feats: Target or targets.
        targ_type: Dtype of the targets.
        misc_feats: Further columns to keep.
        wgt_feat: Column of the event weights.
        matrix_lookup: From `lumin_core.data.matrix.matrix_lookup`, as are the next two:
            columns that exist.
        matrix_missing: Elements that do not exist.
        matrix_shape: Shape of one event's matrix.
        tensor_data: Matrix inputs of any rank, ``(n, ...)``.
        tensor_target: Targets of any rank, ``(n, ...)``.
        compression: As for `save_to_grp`.
        n_samples: Number of events, where it is to be checked.
        tensor_as_sparse: Whether to store ``tensor_data`` as COO.
        tensor_target_as_sparse: Whether to store ``tensor_target`` as COO.
        clip: If given, inputs are limited to ``[-clip, clip]`` rather than infinities refused.

    Raises:
        DataError: As for `df2foldfile`, as are the following.
        ShapeError: For lengths.
        ConfigError: For arguments.

    Example:
        >>> import h5py, pandas as pd
        >>> from lumin_core import fold2foldfile
        >>> df = pd.DataFrame({"pt": [30.0, 50.0], "y": [0, 1]})
        >>> with h5py.File("a", "w", driver="core", backing_store=False) as file:
        ...     fold2foldfile(df, file, 0, ["pt"], [], "y", "int")
        ...     file["fold_0/targets"][()].tolist()
        [0, 1]
    """
    df = None if df is None else as_frame(df)
    data, target = _as_tensor(tensor_data, "tensor_data"), _as_tensor(tensor_target, "tensor_target")
    n = _count_events(df, data, target)
    if n_samples not in (None, n):
        raise ShapeError(f"n_samples is {n_samples}, but the data have {n} events")
    misc, targets = as_list(misc_feats), [] if target is not None else targ_feats
    _check_columns(df, {"cont_feats": cont_feats, "cat_feats": cat_feats, "targ_feats": targets})
    _check_columns(df, {"misc_feats": misc, "wgt_feat": wgt_feat})
    packed: Tensor | None
    entry: dict[str, Any] | None
    if matrix_lookup is not None:
        packed = _pack_columns(df, matrix_lookup, matrix_missing, matrix_shape, data)
        entry = {"shape": packed.shape[1:], "missing": matrix_missing, "present_feats": matrix_lookup}
    else:
        packed, entry = _tensor_and_entry(data, None, tensor_as_sparse)
    columns = _flat_columns(df, n, cont_feats, cat_feats, targets, wgt_feat) | _given(
        matrix_inputs=packed, targets=target
    )
    schema = describe(
        cont_feats,
        cat_feats,
        targ_feats,
        wgt_feat=wgt_feat,
        matrix_feats=entry,
        target_tensor=_target_entry(target, tensor_target_as_sparse),
    )
    layout = Layout(schema, targ_type, clip)
    checked = layout.check(**columns, misc=_misc_columns(df, misc), where=f"fold {fold_idx}")
    write_fold(out_file, f"fold_{fold_idx}", checked, compression)


def _without(cont_feats: list[str], matrix_feats: Sequence[str]) -> list[str]:
    twice = [feat for feat in cont_feats if feat in matrix_feats]
    if twice:
        _log.warning("in the matrix and in cont_feats, left out of the latter: %s", ", ".join(twice))
    return [feat for feat in cont_feats if feat not in twice]


def _given(**tensors: Tensor | None) -> dict[str, Any]:
    return {name: tensor for name, tensor in tensors.items() if tensor is not None}


def _target_entry(target: Tensor | None, as_sparse: bool) -> dict[str, Any] | None:
    if target is None and as_sparse:
        raise ConfigError("tensor_target_as_sparse is for tensor_target, which is not given")
    return None if target is None else {"shape": target.shape[1:], "is_sparse": as_sparse}


def _count_events(df: pd.DataFrame | None, tensor_data: Tensor | None, tensor_target: Tensor | None) -> int:
    """Count the events of data that go together."""
    given = {"df": df, "tensor_data": tensor_data, "tensor_target": tensor_target}
    lengths = {name: int(value.shape[0]) for name, value in given.items() if value is not None and len(value.shape)}
    if df is None and len(lengths) < 2:
        raise ConfigError("without a data frame both tensor_data and tensor_target are needed; pass df, or both")
    if len(set(lengths.values())) > 1:
        raise ShapeError(f"data must have the same number of events, got {lengths}")
    n = next(iter(lengths.values()))
    if n == 0:
        raise DataError("there is no event: the data frame is empty; check the selection that made it")
    return n


def _check_columns(df: pd.DataFrame | None, asked: Mapping[str, str | Sequence[str] | None]) -> None:
    """Refuse what the data frame does not have, or has twice."""
    known = [] if df is None else list(df.columns)
    for what, given in asked.items():
        names: list[str] = as_list(given)
        check_names(what, names)
        for name in names:
            if df is None:
                raise ConfigError(f"{what} names {name!r}, but there is no data frame; pass df, or leave {what} out")
            check_column(name, known, what)


def _matrix_of_columns(
    df: pd.DataFrame | None,
    vecs: Sequence[str],
    feats_per_vec: Sequence[str] | None,
    row_wise: bool | None,
    tensor_data: Tensor | None,
) -> tuple[np.ndarray, dict[str, Any]]:
    """Pack a matrix from columns; arguments as for `df2foldfile`."""
    columns: Sequence[object] = [] if df is None else df.columns.tolist()
    feats = [name for name in columns if isinstance(name, str)]
    lookup, missing, shape = matrix.matrix_lookup(feats, vecs, feats_per_vec or (), row_wise)
    packed = _pack_columns(df, lookup, missing, shape, tensor_data)
    return packed, matrix_entry(lookup, vecs, missing, feats_per_vec or (), bool(row_wise), shape)


def _pack_columns(
    df: pd.DataFrame | None,
    lookup: Sequence[str],
    missing: np.ndarray | None,
    shape: tuple[int, int] | None,
    tensor_data: Tensor | None,
) -> np.ndarray:
    """Pack a matrix from the columns that were found; arguments as for `fold2foldfile`."""
    if tensor_data is not None:
        raise ConfigError("a matrix from columns and tensor_data are both given, and a fold holds one; leave one out")
    if df is None or missing is None or shape is None:
        raise ConfigError("a matrix needs a data frame, and matrix_lookup, matrix_missing and matrix_shape together")
    _check_columns(df, {"matrix": lookup})
    return matrix.pack(_numbers(df, lookup, "matrix"), np.asarray(missing, dtype=bool), shape)


def _tensor_and_entry(
    data: Tensor | None, name: str | None, as_sparse: bool
) -> tuple[Tensor | None, dict[str, Any] | None]:
    """Return a tensor of inputs, and its entry of the meta data; arguments as for `df2foldfile`."""
    if data is None:
        if name is not None or as_sparse:
            raise ConfigError("tensor_name and tensor_as_sparse are for tensor_data, which is not given")
        return None, None
    return data, tensor_entry(name or "tensor", data.shape[1:], is_sparse=as_sparse)


def _as_tensor(values: ArrayLike | SparseArray | None, what: str) -> Tensor | None:
    """Return a tensor as an array of numbers, sparse as it is, or nothing."""
    return values if values is None or is_sparse(values) else as_numbers(values, what)


def _flat_columns(
    df: pd.DataFrame | None,
    n: int,
    cont_feats: Sequence[str],
    cat_feats: Sequence[str],
    targets: str | Sequence[str],
    wgt_feat: str | None,
) -> dict[str, Any]:
    """Return inputs, targets and weights of a data frame; without one, inputs of no columns."""
    if df is None:
        return {"inputs": np.zeros((n, 0), dtype=np.float32)}
    what = "targ_feats"
    columns = {
        "inputs": _inputs(df, as_list(cont_feats), as_list(cat_feats)),
        "targets": _number(df[targets], what) if isinstance(targets, str) else _numbers(df, targets, what),
    }
    return columns if wgt_feat is None else columns | {"weights": _number(df[wgt_feat], "wgt_feat")}


def _inputs(df: pd.DataFrame, cont_feats: list[str], cat_feats: list[str]) -> np.ndarray:
    """Return inputs, float32, which holds no second copy of them."""
    feats = [*cont_feats, *cat_feats]
    check_names("cont_feats and cat_feats", feats)
    inputs = np.empty((len(df), len(feats)), dtype=np.float32)
    for i, feat in enumerate(feats):
        what = "cont_feats" if i < len(cont_feats) else "cat_feats"
        column = _number(df[feat], what)
        if what == "cat_feats":  # before float32 rounds what is no code
            check_codes(column[:, None], [feat], what)
        inputs[:, i] = to_float32(column)
    return inputs


def _numbers(df: pd.DataFrame, names: Iterable[str], what: str) -> np.ndarray:
    """Return columns as an array ``(n, n_columns)``."""
    columns = [_number(df[name], what) for name in names]
    return np.stack(columns, axis=1) if columns else np.zeros((len(df), 0), dtype=np.float32)


def _number(column: pd.Series, what: str) -> np.ndarray:
    return as_numbers(column, f"{what}: column {column.name!r}")


def _misc_columns(df: pd.DataFrame | None, names: Sequence[str]) -> dict[str, np.ndarray]:
    """Return further columns, whose dtype is kept."""
    return {} if df is None else {name: storable(df[name], name) for name in names}
