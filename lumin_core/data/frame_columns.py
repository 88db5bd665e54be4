"""Columns of data frames, and tensors, as the arrays that fold files hold."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from lumin_core.checks import as_list, check_names, did_you_mean
from lumin_core.data.entries import matrix_entry, tensor_entry
from lumin_core.data.matrix import matrix_lookup, pack
from lumin_core.data.sparse import is_sparse
from lumin_core.data.values import to_float32
from lumin_core.errors import ConfigError, DataError, ShapeError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from numpy.typing import ArrayLike

    from lumin_core.data.entries import MatrixEntry
    from lumin_core.data.sparse import SparseArray

    Tensor = np.ndarray | SparseArray


def count_events(df: pd.DataFrame | None, tensor_data: Tensor | None, tensor_target: Tensor | None) -> int:
    """Count the events of data that go together.

    Raises:
        ConfigError: If there is neither a data frame nor both tensors.
        ShapeError: If the numbers differ.
        DataError: If there is no event.

    Example:
        >>> import numpy as np
        >>> from lumin_core.data.frame_columns import count_events
        >>> count_events(None, np.ones((3, 2)), np.ones(3))
        3
    """
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


def check_columns(df: pd.DataFrame | None, asked: Mapping[str, str | Sequence[str] | None]) -> None:
    """Refuse what the data frame does not have, or has twice.

    Args:
        df: The data frame.
        asked: Names by the argument that has them.

    Raises:
        ConfigError: If there is no data frame, or names come twice.
        DataError: If a column is missing, or there are two of it.

    Example:
        >>> import pandas as pd
        >>> from lumin_core.data.frame_columns import check_columns
        >>> check_columns(pd.DataFrame({"pt": [30.0]}), {"cont_feats": ["pt"], "wgt_feat": None})
    """
    known = [] if df is None else list(df.columns)
    for what, given in asked.items():
        names: list[str] = as_list(given)
        check_names(what, names)
        for name in names:
            if df is None:
                raise ConfigError(f"{what} names {name!r}, but there is no data frame; pass df, or leave {what} out")
            if name not in known:
                raise DataError(f"{what}: the data frame has no column {name!r}{did_you_mean(name, known)}")
            if known.count(name) > 1:
                raise DataError(f"{what}: the data frame has {known.count(name)} columns {name!r}; rename or drop one")


def matrix_of_columns(
    df: pd.DataFrame | None,
    vecs: Sequence[str],
    feats_per_vec: Sequence[str] | None,
    row_wise: bool | None,
    tensor_data: Tensor | None,
) -> tuple[np.ndarray, MatrixEntry]:
    """Pack a matrix from columns; arguments as for `df2foldfile`.

    Returns:
        Shape ``(n, *shape)``, and its entry of the meta data.

    Raises:
        ConfigError: If a tensor is given, too, or there is no data frame.

    Example:
        >>> import pandas as pd
        >>> from lumin_core.data.frame_columns import matrix_of_columns
        >>> df = pd.DataFrame({"tau_px": [1.0], "jet_px": [2.0]})
        >>> matrix_of_columns(df, ["tau", "jet"], ["px"], True, None)[0].tolist()
        [[[1.0], [2.0]]]
    """
    feats = [] if df is None else [name for name in df.columns if isinstance(name, str)]
    lookup, missing, shape = matrix_lookup(feats, vecs, feats_per_vec or (), row_wise)
    packed = pack_columns(df, lookup, missing, shape, tensor_data)
    return packed, matrix_entry(lookup, vecs, missing, feats_per_vec or (), bool(row_wise), shape)


def pack_columns(
    df: pd.DataFrame | None,
    lookup: Sequence[str],
    missing: np.ndarray | None,
    shape: tuple[int, int] | None,
    tensor_data: Tensor | None,
) -> np.ndarray:
    """Pack a matrix from the columns that `matrix_lookup` found; arguments as for `fold2foldfile`.

    Raises:
        ConfigError: If a tensor is given, too, or something is missing.

    Example:
        See `matrix_of_columns`.
    """
    if tensor_data is not None:
        raise ConfigError("a matrix from columns and tensor_data are both given, and a fold holds one; leave one out")
    if df is None or missing is None or shape is None:
        raise ConfigError("a matrix needs a data frame, and matrix_lookup, matrix_missing and matrix_shape together")
    check_columns(df, {"matrix": lookup})
    return pack(numbers(df, lookup, "matrix"), np.asarray(missing, dtype=bool), shape)


def tensor_and_entry(
    data: Tensor | None, name: str | None, as_sparse: bool
) -> tuple[Tensor | None, MatrixEntry | None]:
    """Return a tensor of inputs, and its entry of the meta data; arguments as for `df2foldfile`.

    Raises:
        ConfigError: If there is no tensor, but something is said of it.

    Example:
        >>> import numpy as np
        >>> from lumin_core.data.frame_columns import tensor_and_entry
        >>> tensor_and_entry(np.ones((3, 2)), None, False)[1]["shape"]
        [2]
    """
    if data is None:
        if name is not None or as_sparse:
            raise ConfigError("tensor_name and tensor_as_sparse are for tensor_data, which is not given")
        return None, None
    return data, tensor_entry(name or "tensor", data.shape[1:], is_sparse=as_sparse)


def as_tensor(values: ArrayLike | SparseArray | None) -> Tensor | None:
    """Return a tensor as an array, sparse as it is, or nothing.

    Example:
        >>> from lumin_core.data.frame_columns import as_tensor
        >>> as_tensor([[1, 2]]).shape
        (1, 2)
    """
    return values if values is None or is_sparse(values) else np.asarray(values)


def flat_columns(
    df: pd.DataFrame | None,
    n: int,
    cont_feats: Sequence[str],
    cat_feats: Sequence[str],
    targets: str | Sequence[str],
    wgt_feat: str | None,
) -> dict[str, np.ndarray]:
    """Return inputs, targets and weights of a data frame; without one, inputs of no columns.

    Raises:
        DataError: If a column does not hold numbers.

    Example:
        >>> import pandas as pd
        >>> from lumin_core.data.frame_columns import flat_columns
        >>> df = pd.DataFrame({"pt": [30.0], "y": [1]})
        >>> flat_columns(df, 1, ["pt"], [], "y", None)["targets"]
        array([1])
    """
    if df is None:
        return {"inputs": np.zeros((n, 0), dtype=np.float32)}
    feats = [*as_list(cont_feats), *as_list(cat_feats)]
    what = "targ_feats"
    columns = {
        "inputs": to_float32(numbers(df, feats, "inputs")),
        "targets": _number(df[targets], what) if isinstance(targets, str) else numbers(df, targets, what),
    }
    return columns if wgt_feat is None else columns | {"weights": _number(df[wgt_feat], "wgt_feat")}


def numbers(df: pd.DataFrame, names: Iterable[str], what: str) -> np.ndarray:
    """Return columns as an array ``(n, n_columns)``.

    Args:
        df: The data frame.
        names: Of the columns.
        what: What they are, for the message.

    Raises:
        DataError: If a column does not hold numbers.

    Example:
        >>> import pandas as pd
        >>> from lumin_core.data.frame_columns import numbers
        >>> numbers(pd.DataFrame({"pt": [30], "eta": [0.5]}), ["eta", "pt"], "inputs")
        array([[ 0.5, 30. ]])
    """
    columns = [_number(df[name], what) for name in names]
    return np.stack(columns, axis=1) if columns else np.zeros((len(df), 0), dtype=np.float32)


def _number(column: pd.Series, what: str) -> np.ndarray:
    """Return a column as numbers; text is refused, also text of digits."""
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


def misc_columns(
    df: pd.DataFrame | None, names: Sequence[str], events: np.ndarray | slice = slice(None)
) -> dict[str, np.ndarray]:
    """Return further columns of some events, whose dtype is kept.

    Example:
        >>> import pandas as pd
        >>> from lumin_core.data.frame_columns import misc_columns
        >>> misc_columns(pd.DataFrame({"run": [1, 2]}), ["run"])
        {'run': array([1, 2])}
    """
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
