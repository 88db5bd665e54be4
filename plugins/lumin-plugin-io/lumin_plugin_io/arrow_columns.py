"""Columns of `pyarrow <https://arrow.apache.org/docs/python>`_ as columns of readers.

What is missing is NaN among floats, and masked among whole numbers, Booleans and text; a list that
is missing is one without objects, a missing number in a list NaN. Dates, durations, bytes, structs
and maps are not read.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import awkward as ak

    from lumin_core.data import Column


def type_of(arrow: pa.DataType) -> str:
    """Return the type of a column in the words of readers, ``""`` where it cannot be read.

    Example:
        >>> import pyarrow as pa
        >>> from lumin_plugin_io.arrow_columns import type_of
        >>> type_of(pa.float32()), type_of(pa.list_(pa.int64())), type_of(pa.date32())
        ('float32', 'int64[]', '')
    """
    if pa.types.is_dictionary(arrow):
        return type_of(arrow.value_type)
    if _is_list(arrow) or pa.types.is_fixed_size_list(arrow):
        axis = f"[{arrow.list_size}]" if pa.types.is_fixed_size_list(arrow) else "[]"
        base, bracket, axes = type_of(arrow.value_type).partition("[")
        return base and f"{base}{axis}{bracket}{axes}"
    if pa.types.is_string(arrow) or pa.types.is_large_string(arrow) or pa.types.is_string_view(arrow):
        return "text"
    if pa.types.is_decimal(arrow) or pa.types.is_null(arrow):
        return "float64"
    numbers = pa.types.is_boolean(arrow) or pa.types.is_integer(arrow) or pa.types.is_floating(arrow)
    return np.dtype(arrow.to_pandas_dtype()).name if numbers else ""


def _is_list(arrow: pa.DataType) -> bool:
    return bool(pa.types.is_list(arrow) or pa.types.is_large_list(arrow))


def column_of(values: pa.ChunkedArray) -> Column:
    """Return a column of a table as an array of numpy, or of awkward where it is jagged.

    Args:
        values: The column, of a type that can be read.

    Example:
        >>> import pyarrow as pa
        >>> from lumin_plugin_io.arrow_columns import column_of
        >>> column_of(pa.chunked_array([[1.5, None]])), column_of(pa.chunked_array([["e", "mu"]]))
        (array([1.5, nan]), array(['e', 'mu'], dtype='<U2'))
    """
    array = values.combine_chunks() if values.num_chunks != 1 else values.chunk(0)
    if isinstance(array, pa.ChunkedArray):  # what is too long for one
        array = pa.concat_arrays(array.chunks)
    type_ = type_of(array.type)
    if "[]" in type_:
        jagged: Column = _jagged(array)
        return jagged
    return _text(array) if type_.startswith("text") else _numbers(array)


def _numbers(array: pa.Array) -> np.ndarray:
    """Return numbers as an array of numpy, of shape ``(n, K)`` for lists of fixed length."""
    if pa.types.is_fixed_size_list(array.type):
        size = array.type.list_size
        whole = array if not array.null_count else pc.fill_null(array, pa.scalar([None] * size, array.type))
        return _numbers(whole.flatten()).reshape(len(array), size, *_numbers(whole.flatten()).shape[1:])
    if pa.types.is_dictionary(array.type):
        array = array.dictionary_decode()
    if pa.types.is_decimal(array.type) or pa.types.is_null(array.type):
        array = array.cast(pa.float64())
    if not array.null_count or pa.types.is_floating(array.type):
        return np.asarray(array.to_numpy(zero_copy_only=False))
    filled = pc.fill_null(array, False if pa.types.is_boolean(array.type) else 0)
    return np.ma.masked_array(filled.to_numpy(zero_copy_only=False), mask=_missing(array))


def _text(array: pa.Array) -> np.ndarray:
    """Return text as an array of numpy; each text is converted once, however often it comes."""
    coded = array if pa.types.is_dictionary(array.type) else array.dictionary_encode()
    texts = np.append(coded.dictionary.to_numpy(zero_copy_only=False).astype(str), "")
    codes = pc.fill_null(coded.indices, len(texts) - 1) if coded.null_count else coded.indices
    column = texts[codes.to_numpy(zero_copy_only=False)]
    return np.ma.masked_array(column, mask=_missing(array)) if array.null_count else column


def _missing(array: pa.Array) -> np.ndarray:
    mask: np.ndarray = array.is_null().to_numpy(zero_copy_only=False)
    return mask


def _jagged(array: pa.Array) -> ak.Array:
    import awkward as ak  # only here: files without lists are read without it

    return ak.Array(_layout(array))


def _layout(array: pa.Array) -> ak.contents.Content:
    """Return the layout of nested lists, without options: what is missing is in the values."""
    import awkward as ak

    if _is_list(array.type):
        if array.null_count:
            array = pc.fill_null(array, pa.scalar([], array.type))
        offsets = np.asarray(array.offsets.to_numpy(zero_copy_only=False))
        content = array.values[offsets[0] : offsets[-1]]
        return ak.contents.ListOffsetArray(ak.index.Index64(offsets.astype(np.int64) - offsets[0]), _layout(content))
    if type_of(array.type) == "text":
        return ak.from_arrow(array.fill_null("") if array.null_count else array, highlevel=False)
    if pa.types.is_integer(array.type) and array.null_count:
        array = array.cast(pa.float64())
    return ak.contents.NumpyArray(np.ascontiguousarray(np.ma.filled(_numbers(array))))


def columns_of(table: pa.Table, names: Sequence[str]) -> dict[str, Column]:
    """Return columns of a table by name.

    Example:
        >>> import pyarrow as pa
        >>> from lumin_plugin_io.arrow_columns import columns_of
        >>> columns_of(pa.table({"pt": [30.0], "eta": [1.0]}), ["pt"])
        {'pt': array([30.])}
    """
    return {name: column_of(table.column(name)) for name in names}


def as_tables(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.Table]:
    """Make a table of each batch: tables are joined without a copy.

    Example:
        >>> import pyarrow as pa
        >>> from lumin_plugin_io.arrow_columns import as_tables
        >>> next(as_tables(iter(pa.table({"pt": [30.0]}).to_batches()))).num_rows
        1
    """
    return (pa.Table.from_batches([batch]) for batch in batches)
