"""Parquet files, read batch by batch with pyarrow."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from lumin_core.data import Reader
from lumin_core.errors import DataError
from lumin_plugin_io.arrow_columns import as_tables, columns_of, type_of
from lumin_plugin_io.local_file import check_columns, check_file
from lumin_plugin_io.regroup import regroup

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from lumin_core.data import Column

_BATCH = 65_536  # events that are decoded at once


class ParquetReader(Reader):
    """Reads a Parquet file.

    Lists come as arrays of awkward, those of fixed length as numpy's of shape ``(n, K)``. What is
    missing is NaN among floats and masked among other values. Dates, bytes and structs are refused.

    Args:
        path: The file.
        tree: Not for this format.

    Raises:
        ConfigError: If the file is not there, or is not a Parquet file.
        DataError: If it is damaged.

    Example:
        >>> import pathlib, tempfile
        >>> import pyarrow as pa, pyarrow.parquet as pq
        >>> from lumin_plugin_io import ParquetReader
        >>> path = pathlib.Path(tempfile.mkdtemp()) / "events.parquet"
        >>> pq.write_table(pa.table({"pt": [30.0, None], "lepton": ["e", "mu"]}), path)
        >>> with ParquetReader(path) as reader:
        ...     print(reader.columns())
        ...     print([chunk["pt"] for chunk in reader.chunks(["pt"], step=1)])
        {'pt': 'float64', 'lepton': 'text'}
        [array([30.]), array([nan])]
    """

    suffixes = (".parquet", ".pq")

    def __init__(self, path: str | Path, tree: str | None = None) -> None:
        super().__init__(path, tree)
        check_file(self.path, tree, "a Parquet file", "parquet")
        try:
            self._file = pq.ParquetFile(self.path, memory_map=True)
        except (pa.ArrowException, OSError) as error:
            raise DataError(f"cannot open {self.path}: {error}; bring back a whole copy") from error

    def columns(self) -> dict[str, str]:
        """Return the columns by name, each with its type, that of pyarrow if it cannot be read."""
        return {field.name: type_of(field.type) or str(field.type) for field in self._file.schema_arrow}

    def count(self) -> int:
        """Return the number of events."""
        return int(self._file.metadata.num_rows)

    def largest_piece(self, columns: Sequence[str]) -> int:
        """Return the bytes of the columns in the largest row group."""
        groups = [self._file.metadata.row_group(number) for number in range(self._file.num_row_groups)]
        return max((_size(group, set(columns)) for group in groups), default=0)

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def chunks(
        self, columns: Sequence[str], step: int, start: int = 0, stop: int | None = None
    ) -> Iterator[dict[str, Column]]:
        """Read columns piece by piece, as `Reader` says."""
        readable = {field.name for field in self._file.schema_arrow if type_of(field.type)}
        check_columns(self.path, columns, self.columns(), readable)
        stop = self.count() if stop is None else min(stop, self.count())
        return self._chunks(columns, step, start, stop)

    def _chunks(self, columns: Sequence[str], step: int, start: int, stop: int) -> Iterator[dict[str, Column]]:
        groups, skip = self._groups(start, stop)
        if not columns or not groups:
            yield from ({} for _ in range(start, stop, step))
            return
        batches = as_tables(self._file.iter_batches(_BATCH, row_groups=groups, columns=list(columns)))
        try:
            for table in regroup(batches, step, pa.concat_tables, skip, stop - start):
                yield columns_of(table, columns)
        except (pa.ArrowException, OSError) as error:
            raise DataError(f"cannot read {self.path}: {error}; bring back a whole copy") from error

    def _groups(self, start: int, stop: int) -> tuple[list[int], int]:
        """Return the row groups that hold some events, and how many of the first come before."""
        sizes = [self._file.metadata.row_group(number).num_rows for number in range(self._file.num_row_groups)]
        ends = np.cumsum([0, *sizes])
        groups = [number for number in range(len(sizes)) if ends[number] < stop and ends[number + 1] > start]
        return groups, start - int(ends[groups[0]]) if groups else 0


def _size(group: pq.RowGroupMetaData, names: set[str]) -> int:
    chunks = [group.column(number) for number in range(group.num_columns)]
    return sum(int(chunk.total_uncompressed_size) for chunk in chunks if chunk.path_in_schema.split(".")[0] in names)
