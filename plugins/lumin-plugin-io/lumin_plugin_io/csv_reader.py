"""CSV files, read block by block with pyarrow.

The types of the columns hold for the whole file: when it is opened, it is read once, block by
block, and each column is of the narrowest type that all its values have: whole numbers, numbers,
Booleans, text.
"""

from __future__ import annotations

from collections import Counter
from functools import cached_property
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv

from lumin_core.data import Reader
from lumin_core.errors import ConfigError, DataError
from lumin_plugin_io.arrow_columns import as_tables, columns_of, type_of
from lumin_plugin_io.local_file import check_columns, check_file
from lumin_plugin_io.regroup import regroup

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    import numpy as np

    from lumin_core.data import Column

_BLOCK = 4 << 20  # bytes that are parsed at once
_NARROWEST_FIRST = (pa.int64(), pa.float64(), pa.bool_(), pa.string())


class CsvReader(Reader):
    r"""Reads a CSV file whose first line names the columns; packed by gzip, too.

    What is empty, ``NA``, ``NaN``, ``null`` or the like is missing: NaN among floats, and masked
    among whole numbers, Booleans and text.

    Args:
        path: The file.
        tree: Not for this format.

    Raises:
        ConfigError: If the file is not there or is not a table as text, or its first line does not
            name columns.
        DataError: If lines have another number of values.

    Example:
        >>> import pathlib, tempfile
        >>> from lumin_plugin_io import CsvReader
        >>> path = pathlib.Path(tempfile.mkdtemp()) / "events.csv"
        >>> _ = path.write_text("pt,lepton,n\n30,e,1\n50.5,mu,NA\n")
        >>> with CsvReader(path) as reader:
        ...     print(reader.columns(), reader.count())
        ...     print([chunk["pt"].tolist() for chunk in reader.chunks(["pt"], step=1)])
        {'pt': 'float64', 'lepton': 'text', 'n': 'int64'} 2
        [[30.0], [50.5]]
    """

    suffixes = (".csv", ".csv.gz")

    @staticmethod
    def write_example(path: Path, columns: Mapping[str, np.ndarray]) -> None:
        """Write a file, as the checks of readers need one."""
        rows = zip(*(values.tolist() for values in columns.values()), strict=True)
        path.write_text("\n".join(",".join(map(str, row)) for row in [tuple(columns), *rows]) + "\n")

    def __init__(self, path: str | Path, tree: str | None = None) -> None:
        super().__init__(path, tree)
        check_file(self.path, tree, "a table as text (CSV)", "csv", "csv_gz")
        self._names = self._read_header()

    def columns(self) -> dict[str, str]:
        """Return the columns by name, each with its type."""
        return {name: type_of(type_) for name, type_ in self._types.items()}

    def count(self) -> int:
        """Return the number of lines below the first."""
        return self._settled[1]

    def chunks(
        self, columns: Sequence[str], step: int, start: int = 0, stop: int | None = None
    ) -> Iterator[dict[str, Column]]:
        """Read columns piece by piece, as `Reader` says."""
        check_columns(self.path, columns, self.columns(), self._types)
        stop = self.count() if stop is None else min(stop, self.count())
        return self._chunks(columns, step, start, stop)

    def _chunks(self, columns: Sequence[str], step: int, start: int, stop: int) -> Iterator[dict[str, Column]]:
        if not columns or start >= stop:
            yield from ({} for _ in range(start, stop, step))
            return
        tables = as_tables(self._blocks({name: self._types[name] for name in columns}))
        for table in regroup(tables, step, pa.concat_tables, start, stop - start):
            yield columns_of(table, columns)

    @property
    def _types(self) -> dict[str, pa.DataType]:
        return self._settled[0]

    @cached_property
    def _settled(self) -> tuple[dict[str, pa.DataType], int]:
        """Types of the columns, and the number of events."""
        types: dict[str, pa.DataType] = {}
        n = 0
        for block in self._blocks(dict.fromkeys(self._names, pa.string())):
            n += block.num_rows
            for name in self._names:
                types[name] = _wider(block.column(name), types.get(name))
        return {name: types.get(name) or pa.float64() for name in self._names}, n

    def _blocks(self, types: dict[str, pa.DataType]) -> Iterator[pa.RecordBatch]:
        options = csv.ConvertOptions(column_types=types, include_columns=list(types), strings_can_be_null=True)
        try:
            with csv.open_csv(self.path, csv.ReadOptions(block_size=_BLOCK), convert_options=options) as blocks:
                yield from blocks
        except (pa.ArrowException, OSError) as error:
            raise DataError(f"cannot read {self.path}: {error}; mend that line, or write the file anew") from error

    def _read_header(self) -> list[str]:
        try:
            with csv.open_csv(self.path) as blocks:
                names: list[str] = blocks.schema.names
        except (pa.ArrowException, OSError) as error:
            raise DataError(f"cannot read {self.path}: {error}; write the file anew") from error
        way_out = "the first line has to name the columns, separated by commas: pt,eta,phi"
        if twice := [name for name, times in Counter(names).items() if times > 1]:
            raise ConfigError(f"{self.path} has several columns {twice[0]!r}; {way_out}")
        if all(_is_number(name) for name in names):
            raise ConfigError(f"{self.path} begins with numbers, {', '.join(names[:3])}; {way_out}")
        if len(names) == 1 and any(other in names[0] for other in ";\t|"):
            raise ConfigError(f"{self.path} has one column, {names[0]!r}; {way_out}")
        return names


def _is_number(name: str) -> bool:
    try:
        float(name)
    except ValueError:
        return False
    return True


def _wider(values: pa.Array, was: pa.DataType | None) -> pa.DataType | None:
    """Return the narrowest type that a column has with the values of one more block."""
    if values.null_count == len(values):
        return was
    values = pc.utf8_trim_whitespace(values)
    wider = _NARROWEST_FIRST[_NARROWEST_FIRST.index(was) if was else 0 :]
    type_ = next(type_ for type_ in wider if _fit(values, type_))
    return pa.string() if type_ == pa.bool_() and was not in (None, type_) else type_


def _fit(values: pa.Array, type_: pa.DataType) -> bool:
    try:
        values.cast(type_)
    except pa.ArrowInvalid:
        return False
    return True
