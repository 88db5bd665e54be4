"""Writing a TTree, or an RNTuple, into a new ROOT file with uproot."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import uproot

from lumin_core.errors import DataError, LuminError
from lumin_plugin_io.root_file import find_table, open_file, tables_of
from lumin_plugin_io.staged_writer import StagedWriter

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from pathlib import Path

    from lumin_plugin_io.staged_writer import Types

_LEVEL = 1  # of zlib: scores hardly become smaller with more


class RootWriter(StagedWriter):
    """Writes numbers as a TTree, or as an RNTuple.

    A column of shape ``(n, K)`` is a branch of fixed length. Each call of `append` makes a basket
    of each branch: thousands of events at once are read faster than tens. Two files of the same
    events differ in their UUID and their date.

    Args:
        path: The file; its folder must be there.
        tree: Name of the table.
        overwrite: Whether a file of that name may be replaced.
        rntuple: Whether the table is an RNTuple, which ROOT reads from 6.34 on.

    Raises:
        ConfigError: If there is no such folder.
        FileError: If there is such a file, or it cannot be written.

    Example:
        >>> import numpy as np, pathlib, tempfile
        >>> from lumin_plugin_io import RootReader, RootWriter
        >>> path = pathlib.Path(tempfile.mkdtemp()) / "scores.root"
        >>> with RootWriter(path, "Events") as writer:
        ...     writer.append({"pred": np.array([0.25, 0.75], "f4"), "event": np.array([7, 8])})
        >>> with RootReader(path) as reader:
        ...     print(reader.columns(), reader.count())
        {'pred': 'float32', 'event': 'int64'} 2
    """

    suffixes = (".root",)
    takes_text = False

    def __init__(
        self, path: str | Path, tree: str | None = None, *, overwrite: bool = False, rntuple: bool = False
    ) -> None:
        super().__init__(path, tree or "Events", overwrite=overwrite)
        self.rntuple = rntuple
        self._file: Any = None
        self._table: Any = None

    def _tables(self) -> dict[str, Collection[str]]:
        try:
            with open_file(str(self.path)) as file:
                return {name: find_table(file, str(self.path), name)[1].keys() for name in tables_of(file)}
        except LuminError:  # damaged, or no ROOT file at all: nothing is lost that could be read
            return {}

    def _begin(self, types: Types) -> None:
        for name, (dtype, _) in types.items():
            if dtype.kind not in "biuf" or dtype.itemsize > 8:
                raise DataError(
                    f"the column {name!r} cannot be written to {self.path}: it holds {dtype}, not numbers; "
                    "leave it out, or write a Parquet file"
                )
        self._file = uproot.recreate(self._part, compression=uproot.ZLIB(_LEVEL))
        stored = {name: np.dtype((_stored(dtype), shape)) for name, (dtype, shape) in types.items()}
        if self.rntuple:  # of empty columns, for not all versions take types of fixed length
            self._table = self._file.mkrntuple(self.tree, {name: np.empty(0, dtype) for name, dtype in stored.items()})
        else:
            self._table = self._file.mktree(self.tree, stored)

    def _add(self, columns: Mapping[str, np.ndarray]) -> None:
        if len(next(iter(columns.values()))):  # uproot before 5.7.5 does not read its own clusters of nothing
            self._table.extend({name: self._filled(name, values) for name, values in columns.items()})

    def _filled(self, name: str, values: np.ndarray) -> np.ndarray:
        """Return numbers of this machine's byte order; what is masked is NaN."""
        if isinstance(values, np.ma.MaskedArray):
            if np.ma.is_masked(values) and values.dtype.kind != "f":
                raise DataError(
                    f"the column {name!r} cannot be written to {self.path}: values are missing among its "
                    f"{values.dtype}, for which ROOT has no mark; leave it out, or write a Parquet file"
                )
            values = values.filled(np.nan) if values.dtype.kind == "f" else values.data
        return np.ascontiguousarray(values, dtype=_stored(values.dtype))

    def _end(self) -> None:
        if self._file is not None:
            self._file.close()


def _stored(dtype: np.dtype) -> np.dtype:
    return np.dtype(np.float32) if dtype == np.float16 else dtype.newbyteorder("=")
