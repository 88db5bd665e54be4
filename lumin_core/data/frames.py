"""From data frames to fold files."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from lumin_core import seeds
from lumin_core.arguments import explained
from lumin_core.checks import as_list
from lumin_core.data.description import describe, matrix_of_columns
from lumin_core.data.fold_file import FoldFileWriter, write_fold
from lumin_core.data.layout import Layout
from lumin_core.data.schema import MatrixSchema
from lumin_core.data.source import Source
from lumin_core.data.sparse import select_events
from lumin_core.data.splitting import split_events
from lumin_core.data.structure import fold_name
from lumin_core.errors import ConfigError, ShapeError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    import h5py
    import numpy as np
    from numpy.typing import ArrayLike

    from lumin_core.data.sparse import SparseArray
    from lumin_core.data.tables import Frame
    from lumin_core.data.transforms import Steps

_log = logging.getLogger(__name__)


@explained
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
    group_key: str | None = None,
    units: Mapping[str, str] | None = None,
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
        group_key: Column of groups that stay together in one fold, such as the number of the event
            for jets of one event. Folds are of about one size, and stratified, as far as groups
            allow. Among ``misc_feats``, it is recorded as of the role ``"group"``.
        units: Units of columns by their names, as for `FoldFileWriter`.

    Returns:
        Path of the file.

    Raises:
        DataError: If columns are missing or hold what cannot be stored: text, dates or complex
            numbers as numbers, infinite inputs, codes that are none or that ``cat_maps`` lack, NaN
            or infinity in targets or weights; or if there are too few events or groups.
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
    seed = seeds.check(seed)
    source = Source.of(df, tensor_data, tensor_target)
    matrix = source.tensor(tensor_name, is_sparse=tensor_as_sparse, beside=matrix_vecs)
    if matrix_vecs is not None:
        matrix = matrix_of_columns(source.names, matrix_vecs, matrix_feats_per_vec, matrix_row_wise)
        cont_feats = _without(cont_feats, matrix.present_feats)
    strata, groups = source.key(strat_key, "strat_key"), source.key(group_key, "group_key")
    folds = split_events(len(source.df), n_folds, shuffle=shuffle, seed=seed, strata=strata, groups=groups)
    with FoldFileWriter(
        savename,
        cont_feats=cont_feats,
        cat_feats=cat_feats,
        targ_feats=targ_feats if isinstance(targ_feats, str) else as_list(targ_feats),  # None is refused
        targ_type=targ_type,
        wgt_feat=wgt_feat,
        cat_maps=cat_maps,
        matrix_feats=matrix,
        target_tensor=source.target_tensor(is_sparse=tensor_target_as_sparse),
        compression=compression,
        clip=clip,
        preprocessing=preprocessing,
        seed=seed,
        overwrite=overwrite,
        roles={name: "group" for name in as_list(misc_feats) if name == group_key},
        units=units,
    ) as file:
        columns, further = source.columns(file.layout.schema), source.further(misc_feats)
        for i, events in enumerate(folds):
            fold: dict[str, Any] = {name: select_events(values, events) for name, values in columns.items()}
            file.append(i, **fold, misc={name: values[events] for name, values in further.items()})
    _log.info("%d events in %d folds written to %s", len(source.df), n_folds, file.path)
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
    name, source = fold_name(fold_idx), Source.of(df, tensor_data, tensor_target)
    if n_samples not in (None, len(source.df)):
        raise ShapeError(f"n_samples is {n_samples}, but the data have {len(source.df)} events")
    matrix = source.tensor(None, is_sparse=tensor_as_sparse, beside=matrix_lookup)
    if matrix_lookup is not None:
        if matrix_missing is None or matrix_shape is None:
            raise ConfigError("a matrix needs matrix_lookup, matrix_missing and matrix_shape together")
        matrix = MatrixSchema(shape=matrix_shape, missing=matrix_missing.tolist(), present_feats=matrix_lookup)
    schema = describe(
        cont_feats,
        cat_feats,
        targ_feats if isinstance(targ_feats, str) else as_list(targ_feats),
        wgt_feat=wgt_feat,
        matrix_feats=matrix,
        target_tensor=source.target_tensor(is_sparse=tensor_target_as_sparse),
    )
    layout = Layout(schema, targ_type, clip)
    columns, further = source.columns(schema), source.further(misc_feats)
    checked = layout.check(**columns, misc=further, where=f"fold {fold_idx}")
    write_fold(out_file, name, checked, compression)


def _without(cont_feats: Sequence[str], matrix_feats: Sequence[str]) -> list[str]:
    """Leave out of the flat inputs what the matrix holds."""
    names: list[str] = as_list(cont_feats)
    twice = [feat for feat in names if feat in matrix_feats]
    if twice:
        _log.warning("in the matrix and in cont_feats, left out of the latter: %s", ", ".join(twice))
    return [feat for feat in names if feat not in twice]
