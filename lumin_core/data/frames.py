"""From data frames to fold files."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from lumin_core import seeds
from lumin_core.checks import as_list, check_names, did_you_mean
from lumin_core.data import matrix
from lumin_core.data.fold_file import FoldFileWriter, write_fold
from lumin_core.data.layout import Layout, matrix_entry, tensor_entry
from lumin_core.data.sparse import is_sparse, select_events
from lumin_core.data.splitting import split_events
from lumin_core.data.transforms import invert_chain
from lumin_core.data.values import to_float32
from lumin_core.errors import ConfigError, DataError, LuminError, ShapeError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    import h5py

    from lumin_core.data.fold_yielder import FoldYielder


_log = logging.getLogger(__name__)


def df2foldfile(
    df: pd.DataFrame | None,
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
    cat_maps: Mapping[str, Mapping[int, Any]] | None = None,
    matrix_vecs: Sequence[str] | None = None,
    matrix_feats_per_vec: Sequence[str] | None = None,
    matrix_row_wise: bool | None = None,
    tensor_data: Any = None,
    tensor_name: str | None = None,
    tensor_as_sparse: bool = False,
    tensor_target: Any = None,
    tensor_target_as_sparse: bool = False,
    compression: str | int | None = None,
    seed: int | None = None,
    overwrite: bool = False,
    *,
    clip: float | None = None,
    preprocessing: Any = None,
) -> Path:
    """Write a data frame as a fold file.

    The file appears under its name only when it is complete; on any error what was
    there before stays.

    Args:
        df: One row an event; may be ``None`` where ``tensor_data`` and ``tensor_target`` are given.
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
        DataError: If columns are missing or hold what cannot be stored: text as numbers, infinite
            inputs, NaN or infinity in targets or weights; or if there are too few events.
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
    n = _count_events(df, tensor_data, tensor_target)
    misc, targets = as_list(misc_feats), [] if tensor_target is not None else targ_feats
    asked = {
        "cont_feats": cont_feats,
        "cat_feats": cat_feats,
        "targ_feats": targets,
        "misc_feats": misc,
        "wgt_feat": wgt_feat,
        "strat_key": strat_key,
    }
    _check_columns(df, {what: as_list(names) for what, names in asked.items()})
    if matrix_vecs is not None:
        packed, matrix_feats = _matrix(df, matrix_vecs, matrix_feats_per_vec, matrix_row_wise, tensor_data)
        cont_feats = _without(as_list(cont_feats), matrix_feats["present_feats"])
        entry: dict[str, Any] | None = matrix_feats
    else:
        packed, entry = _tensor(tensor_data, tensor_name, tensor_as_sparse)
    strata = None if strat_key is None or df is None else df[strat_key].to_numpy()
    folds = split_events(n, n_folds, shuffle=shuffle, seed=seed, strata=strata)
    columns = _flat_columns(df, n, cont_feats, cat_feats, targets, wgt_feat)
    columns |= {"matrix_inputs": packed} | ({} if tensor_target is None else {"targets": _as_array(tensor_target)})
    with FoldFileWriter(
        savename,
        cont_feats=cont_feats,
        cat_feats=cat_feats,
        targ_feats=targ_feats,
        targ_type=targ_type,
        wgt_feat=wgt_feat,
        cat_maps=cat_maps,
        matrix_feats=entry,
        target_tensor=_target_entry(tensor_target, tensor_target_as_sparse),
        compression=compression,
        clip=clip,
        preprocessing=preprocessing,
        seed=seed,
        overwrite=overwrite,
    ) as file:
        for i, events in enumerate(folds):
            fold = {name: select_events(values, events) for name, values in columns.items()}
            file.append(i, **fold, misc=_misc(df, misc, events))
    _log.info("%d events in %d folds written to %s", n, n_folds, file.path)
    return file.path


def fold2foldfile(
    df: pd.DataFrame | None,
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
    tensor_data: Any = None,
    tensor_target: Any = None,
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
        df: The events of this fold; may be ``None`` where ``tensor_data`` and
            ``tensor_target`` are given.
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
    n = _count_events(df, tensor_data, tensor_target)
    if n_samples not in (None, n):
        raise ShapeError(f"n_samples is {n_samples}, but the data have {n} events")
    misc, targets = as_list(misc_feats), [] if tensor_target is not None else targ_feats
    asked = {
        "cont_feats": cont_feats,
        "cat_feats": cat_feats,
        "targ_feats": targets,
        "misc_feats": misc,
        "wgt_feat": wgt_feat,
    }
    _check_columns(df, {what: as_list(names) for what, names in asked.items()})
    if matrix_lookup is not None:
        packed = _packed(df, matrix_lookup, matrix_missing, matrix_shape, tensor_data)
        entry: dict[str, Any] | None = {
            "shape": packed.shape[1:],
            "missing": matrix_missing,
            "present_feats": matrix_lookup,
        }
    else:
        packed, entry = _tensor(tensor_data, None, tensor_as_sparse)
    columns = _flat_columns(df, n, cont_feats, cat_feats, targets, wgt_feat) | {"matrix_inputs": packed}
    if tensor_target is not None:
        columns["targets"] = _as_array(tensor_target)
    layout = Layout(
        cont_feats,
        cat_feats,
        targ_feats,
        targ_type,
        wgt_feat,
        matrix_feats=entry,
        target_tensor=_target_entry(tensor_target, tensor_target_as_sparse),
        clip=clip,
    )
    checked = layout.check(**columns, misc=_misc(df, misc, slice(None)), where=f"fold {fold_idx}")
    write_fold(out_file, f"fold_{fold_idx}", checked, compression)


def _count_events(df: pd.DataFrame | None, tensor_data: Any, tensor_target: Any) -> int:
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


def _check_columns(df: pd.DataFrame | None, asked: Mapping[str, Sequence[str]]) -> None:
    """Refuse what the data frame does not have, or has twice."""
    known = [] if df is None else list(df.columns)
    for what, names in asked.items():
        check_names(what, names)
        for name in names:
            if df is None:
                raise ConfigError(f"{what} names {name!r}, but there is no data frame; pass df, or leave {what} out")
            if name not in known:
                raise DataError(f"{what}: the data frame has no column {name!r}{did_you_mean(name, known)}")
            if known.count(name) > 1:
                raise DataError(f"{what}: the data frame has {known.count(name)} columns {name!r}; rename or drop one")


def _without(cont_feats: list[str], matrix_feats: Sequence[str]) -> list[str]:
    twice = [feat for feat in cont_feats if feat in matrix_feats]
    if twice:
        _log.warning("in the matrix and in cont_feats, left out of the latter: %s", ", ".join(twice))
    return [feat for feat in cont_feats if feat not in twice]


def _matrix(
    df: pd.DataFrame | None,
    vecs: Sequence[str],
    feats_per_vec: Sequence[str] | None,
    row_wise: bool | None,
    tensor_data: Any,
) -> tuple[np.ndarray, dict[str, Any]]:
    """Pack the matrix from columns."""
    feats = [] if df is None else [name for name in df.columns if isinstance(name, str)]
    lookup, missing, shape = matrix.matrix_lookup(feats, vecs, feats_per_vec or (), row_wise)
    packed = _packed(df, lookup, missing, shape, tensor_data)
    return packed, matrix_entry(lookup, vecs, missing, feats_per_vec or (), bool(row_wise), shape)


def _packed(
    df: pd.DataFrame | None,
    lookup: Sequence[str],
    missing: np.ndarray | None,
    shape: tuple[int, int] | None,
    tensor_data: Any,
) -> np.ndarray:
    if tensor_data is not None:
        raise ConfigError("a matrix from columns and tensor_data are both given, and a fold holds one; leave one out")
    if df is None or missing is None or shape is None:
        raise ConfigError("a matrix needs a data frame, and matrix_lookup, matrix_missing and matrix_shape together")
    _check_columns(df, {"matrix": lookup})
    return matrix.pack(_numbers(df, lookup, "matrix"), np.asarray(missing, dtype=bool), shape)


def _tensor(data: Any, name: str | None, is_sparse: bool) -> tuple[Any, dict[str, Any] | None]:
    if data is None:
        if name is not None or is_sparse:
            raise ConfigError("tensor_name and tensor_as_sparse are for tensor_data, which is not given")
        return None, None
    data = _as_array(data)
    return data, tensor_entry(name or "tensor", data.shape[1:], is_sparse=is_sparse)


def _target_entry(targets: Any, is_sparse: bool) -> dict[str, Any] | None:
    if targets is None:
        if is_sparse:
            raise ConfigError("tensor_target_as_sparse is for tensor_target, which is not given")
        return None
    return {"shape": [int(n) for n in targets.shape[1:]], "is_sparse": bool(is_sparse)}


def _as_array(values: Any) -> Any:
    return values if is_sparse(values) else np.asarray(values)


def _flat_columns(
    df: pd.DataFrame | None,
    n: int,
    cont_feats: Sequence[str],
    cat_feats: Sequence[str],
    targets: str | Sequence[str],
    wgt_feat: str | None,
) -> dict[str, Any]:
    if df is None:
        return {"inputs": np.zeros((n, 0), dtype=np.float32), "weights": None}
    feats = [*as_list(cont_feats), *as_list(cat_feats)]
    return {
        "inputs": to_float32(_numbers(df, feats, "inputs")),
        "targets": _targets(df, targets),
        "weights": None if wgt_feat is None else _number(df[wgt_feat], "wgt_feat"),
    }


def _targets(df: pd.DataFrame, targets: str | Sequence[str]) -> np.ndarray:
    if isinstance(targets, str):
        return _number(df[targets], "targ_feats")
    return _numbers(df, targets, "targ_feats")


def _numbers(df: pd.DataFrame, names: Iterable[str], what: str) -> np.ndarray:
    """Give columns as an array ``(n, n_columns)``."""
    columns = [_number(df[name], what) for name in names]
    return np.stack(columns, axis=1) if columns else np.zeros((len(df), 0), dtype=np.float32)


def _number(column: pd.Series, what: str) -> np.ndarray:
    """Give a column as numbers; text is refused, also text of digits."""
    kind = pd.api.types.infer_dtype(column, skipna=True)
    if isinstance(column.dtype, pd.CategoricalDtype):
        kind = pd.api.types.infer_dtype(column.cat.categories)
    if kind not in ("integer", "floating", "mixed-integer-float", "boolean", "decimal", "empty"):
        example = column.dropna().iloc[0]
        raise DataError(
            f"{what}: column {column.name!r} must hold numbers, got {kind}, such as {example!r}; encode it first"
        )
    if column.dtype.kind in "biuf" and isinstance(column.dtype, np.dtype):
        return column.to_numpy()
    return column.to_numpy(dtype=np.float64, na_value=np.nan)


def _misc(df: pd.DataFrame | None, names: Sequence[str], events: Any) -> dict[str, np.ndarray]:
    """Give further columns, whose dtype is kept."""
    return {} if df is None else {name: _plain_column(df[name].iloc[events]) for name in names}


def _plain_column(column: pd.Series) -> np.ndarray:
    """Return a column of any pandas dtype as numpy's.

    What has no equal is refused when it is stored.
    """
    if isinstance(column.dtype, np.dtype):
        return column.to_numpy()
    values = column.to_numpy(dtype=object)
    kind = pd.api.types.infer_dtype(values, skipna=False)
    return np.array(values.tolist()) if kind in ("integer", "floating", "boolean") else values


_log = logging.getLogger(__name__)


def yielder_to_df(
    fy: FoldYielder,
    named: Mapping[str, str],
    *,
    n_folds: int | None,
    fold_idx: int | None,
    inc_inputs: bool,
    inc_ignore: bool,
    deprocess: bool,
    suppress_warn: bool,
    nan_to_num: bool,
    inc_matrix: bool,
) -> pd.DataFrame:
    """Give a data frame; see `FoldYielder.get_df`, which this does.

    Args:
        fy: The yielder.
        named: Which column of the file to give under ``gen_target``, ``gen_weight``, ``pred``.
        n_folds: As there.
        fold_idx: As there.
        inc_inputs: As there.
        inc_ignore: As there.
        deprocess: As there.
        suppress_warn: As there.
        nan_to_num: As there.
        inc_matrix: As there.

    Example:
        See `FoldYielder`.
    """
    pipes = {name: fy.get_pipes(name) if deprocess else [] for name in ("inputs", "targets", "matrix")}
    if deprocess and not any(pipes.values()):
        raise ConfigError(
            f"deprocess=True, but {fy.foldfile.name} holds no preprocessing and none was given: pass input_pipe= or "
            "output_pipe= to the FoldYielder, or leave deprocess out"
        )
    where: dict[str, Any] = {"n_folds": n_folds, "fold_idx": fold_idx}
    columns: dict[str, np.ndarray] = {}
    if inc_inputs:
        columns |= _inputs(fy, where, pipes["inputs"], inc_ignore=inc_ignore)
        if inc_matrix and fy.has_matrix:
            columns |= _matrix_columns(fy, where, pipes["matrix"])
        if nan_to_num:
            columns = {name: np.nan_to_num(values) for name, values in columns.items()}
    for name, column in named.items():
        values = fy.get_column(column, **where)
        if values is None and not suppress_warn:
            _log.warning("%s has no column %r", fy.foldfile.name, column)
        if values is not None:
            pipe = pipes["targets"] if name != "gen_weight" else []
            columns |= _numbered(name, _inverted(pipe, values, column))
    return pd.DataFrame(columns)


def _inputs(
    fy: FoldYielder, where: Mapping[str, Any], pipe: Sequence[Any], *, inc_ignore: bool
) -> dict[str, np.ndarray]:
    inputs = fy.get_column("inputs", **where)
    if inputs is None:
        return {}
    n_cont, ignored = len(fy.meta.cont_feats), [] if inc_ignore else fy.get_ignore()
    if pipe and n_cont:
        inputs = np.hstack((_inverted(pipe, inputs[:, :n_cont], "inputs"), inputs[:, n_cont:]))
    return {feat: inputs[:, i] for i, feat in enumerate(fy.input_feats) if feat not in ignored}


def _matrix_columns(fy: FoldYielder, where: Mapping[str, Any], pipe: Sequence[Any]) -> dict[str, np.ndarray]:
    values = fy.get_column("matrix_inputs", **where)
    if values is None:
        return {}
    entry, flat = fy.matrix_feats or {}, values.reshape(len(values), -1)
    names, missing = entry.get("present_feats", ["matrix"]), np.array(entry.get("missing", []), dtype=bool)
    if missing.size == flat.shape[1]:
        flat = flat[:, ~missing]
    else:  # a tensor: its elements are numbered
        names = [f"{names[0]}_" + "_".join(map(str, index)) for index in np.ndindex(*values.shape[1:])]
    flat = _inverted(pipe, flat, "matrix_inputs")
    return {name: flat[:, i] for i, name in enumerate(names)}


def _inverted(pipe: Sequence[Any], values: np.ndarray, column: str) -> np.ndarray:
    """Undo a pipeline, keeping the number of axes."""
    if not pipe:
        return values
    try:
        result = np.asarray(invert_chain(pipe, values if values.ndim > 1 else values[:, None]))
    except LuminError:
        raise
    except ValueError as error:
        raise ShapeError(f"the pipeline cannot undo {column!r} of shape {values.shape}: {error}") from error
    return result.reshape(values.shape) if result.size == values.size else result


def _numbered(name: str, values: np.ndarray) -> dict[str, np.ndarray]:
    """Give one column, or one for every value of an event."""
    if values.ndim == 1:
        return {name: values}
    flat = values.reshape(len(values), -1)
    return {f"{name}_{i}": flat[:, i] for i in range(flat.shape[1])}
