"""Writing a Parquet file with pyarrow."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from lumin_core.errors import DataError
from lumin_plugin_io.staged_writer import StagedWriter

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from pathlib import Path

    from lumin_plugin_io.staged_writer import Types


class ParquetWriter(StagedWriter):
    """Writes numbers, Booleans and text as a Parquet file.

    A column of shape ``(n, K)`` is one of lists of fixed length; what is masked is null, NaN stays
    NaN. The same events in the same pieces give the same bytes.

    Args:
        path: The file; its folder must be there.
        tree: Not for this format, which has one table without a name.
        overwrite: Whether a file of that name may be replaced.

    Raises:
        ConfigError: If there is no such folder.
        FileError: If there is such a file, or it cannot be written.

    Example:
        >>> import numpy as np, pathlib, tempfile
        >>> from lumin_plugin_io import ParquetReader, ParquetWriter
        >>> path = pathlib.Path(tempfile.mkdtemp()) / "scores.parquet"
        >>> with ParquetWriter(path) as writer:
        ...     writer.append({"pred": np.array([0.25, 0.75]), "sample": np.array(["a", "b"])})
        >>> with ParquetReader(path) as reader:
        ...     print(reader.columns(), reader.count())
        {'pred': 'float64', 'sample': 'text'} 2
    """

    suffixes = (".parquet", ".pq")

    def __init__(self, path: str | Path, tree: str | None = None, *, overwrite: bool = False) -> None:
        super().__init__(path, overwrite=overwrite)
        self._file: pq.ParquetWriter | None = None

    def _tables(self) -> dict[str, Collection[str]]:
        try:
            return {"": pq.read_schema(self.path).names}
        except pa.ArrowException:  # damaged, or no Parquet file at all: nothing is lost that could be read
            return {}

    def _begin(self, types: Types) -> None:
        fields = []
        for name, (dtype, shape) in types.items():
            if dtype.kind not in "biufU" or len(shape) > 1:
                what = f"{dtype} of shape (n, {', '.join(map(str, shape))})" if shape else dtype
                raise DataError(f"the column {name!r} cannot be written to {self.path}: it holds {what}; leave it out")
            arrow = pa.string() if dtype.kind == "U" else pa.from_numpy_dtype(dtype)
            fields.append(pa.field(name, pa.list_(arrow, shape[0]) if shape else arrow))
        self._file = pq.ParquetWriter(self._part, pa.schema(fields))

    def _add(self, columns: Mapping[str, np.ndarray]) -> None:
        if self._file is not None:
            arrays = [_array(values) for values in columns.values()]
            self._file.write_table(pa.Table.from_arrays(arrays, schema=self._file.schema))

    def _end(self) -> None:
        if self._file is not None:
            self._file.close()


def _array(values: np.ndarray) -> pa.Array:
    mask = np.ma.getmaskarray(values).reshape(-1) if np.ma.is_masked(values) else None
    flat = pa.array(np.asarray(values).reshape(-1), mask=mask)
    return flat if values.ndim == 1 else pa.FixedSizeListArray.from_arrays(flat, values.shape[1])
