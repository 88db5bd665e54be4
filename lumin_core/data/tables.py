"""What is taken for a data frame: pandas' own, a dict of columns, an array of records."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, TypeGuard

import numpy as np
import pandas as pd

from lumin_core.data.numbers import WHOLE, as_array, uncovered, unmasked
from lumin_core.errors import DataError, ShapeError
from lumin_core.looks import another

if TYPE_CHECKING:
    Frame = pd.DataFrame | Mapping[str, object] | np.ndarray
    """Columns by name: a data frame, a dict of columns, an array of records."""

_TO_PANDAS = ("cudf", "datatable", "duckdb", "ibis", "modin", "polars", "pyarrow", "vaex")
_WAYS_OUT = {
    **dict.fromkeys(_TO_PANDAS, "pass df.to_pandas()"),
    "awkward": "pass ak.to_dataframe(df), or a dict of its columns, padded where they are jagged",
    "dask": "pass df.compute()",
    "pyspark": "pass df.toPandas()",
    "ROOT": "pass df.AsNumpy()",
    "xarray": "pass df.to_dataframe()",
}


def is_frame(values: object) -> bool:
    """Tell whether something has named columns: `as_frame` takes it, or says what converts it.

    Example:
        >>> import numpy as np
        >>> from lumin_core.data.tables import is_frame
        >>> is_frame({"pt": [30.0]}), is_frame(np.zeros((2, 2)))
        (True, False)
    """
    return isinstance(values, pd.DataFrame | Mapping) or _is_records(values) or _is_foreign(values)


def as_frame(values: object, what: str = "df") -> pd.DataFrame:
    """Return columns by name as a data frame of pandas.

    Args:
        values: A data frame, which is returned itself, a mapping of names to columns, or an array
            of records (a structured array), masked or not.
        what: What it is, for the message: the name of the argument.

    Raises:
        DataError: If it is anything else, with the line that converts it.
        ShapeError: If the columns are not of one length, with one value an event.

    Example:
        >>> import numpy as np
        >>> from lumin_core.data import as_frame
        >>> as_frame({"pt": np.ma.masked_less([30.0, -999.0], 0.0)})["pt"].tolist()
        [30.0, nan]
        >>> as_frame(np.zeros((2, 1)))
        Traceback (most recent call last):
        ...
        lumin_core.errors.DataError: df must be a data frame ..., got an array of shape (2, 1); ...
    """
    if isinstance(values, pd.DataFrame):
        return values
    if _is_records(values):
        values = {name: values[name] for name in values.dtype.names or ()}
    if not isinstance(values, Mapping):
        raise _refusal(values, what)
    columns = {name: _column(column, f"{what}[{name!r}]") for name, column in values.items()}
    lengths = {name: len(column) for name, column in columns.items()}
    if len(set(lengths.values())) > 1:
        raise ShapeError(f"columns of {what} must be of one length, got {lengths}")
    return pd.DataFrame(columns, copy=False)


def _column(values: object, what: str) -> pd.Series:
    """Return a column as pandas holds it, with NA for what a mask covers."""
    if isinstance(values, pd.Series):
        return values.reset_index(drop=True)
    array = as_array(values, what)
    if array.ndim != 1:
        raise ShapeError(f"{what} must have one value an event, got shape {array.shape}; give its parts as columns")
    if np.ma.is_masked(array) and array.dtype.kind in "iu" and (np.abs(array) > WHOLE).any():
        array = uncovered(np.ma.asarray(array))  # which floats would round, for `storable` to refuse
    else:
        array = unmasked(array)
    if array.dtype.kind == "S":
        array = np.char.decode(array, "utf-8", "surrogateescape")
    return pd.Series(array, copy=False)


def _is_records(values: object) -> TypeGuard[np.ndarray]:
    return isinstance(values, np.ndarray) and values.dtype.names is not None


def _is_foreign(values: object) -> bool:
    """Tell a frame of another library, as of polars, pyarrow or awkward."""
    named = any(hasattr(values, name) for name in ("__dataframe__", "columns", "column_names"))
    fields = getattr(values, "fields", None)
    return named or (isinstance(fields, list) and bool(fields))


def _refusal(values: object, what: str) -> DataError:
    """Say what came, and the line that makes a data frame of it."""
    came, home = type(values).__qualname__, type(values).__module__.partition(".")[0]
    way_out = _WAYS_OUT.get(home, "pass pd.DataFrame(df)")
    if isinstance(values, np.ndarray):
        came, way_out = f"an array of shape {values.shape}", "pass pd.DataFrame(df, columns=[...])"
    elif isinstance(values, pd.Series):
        way_out = "pass df.to_frame()"
    elif isinstance(values, str | Path):
        came, way_out = repr(str(values)), another(Path(values)) or "read it first, with pd.read_csv say"
    elif hasattr(values, "get_df"):
        way_out = "pass df.get_df(inc_inputs=True)"
    needed = f"{what} must be a data frame of pandas, a dict of columns or an array of records"
    return DataError(f"{needed}, got {came}; {way_out.replace('df', what)}")
