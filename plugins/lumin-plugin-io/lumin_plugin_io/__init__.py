"""ROOT, Parquet and CSV files to the fold files of lumin-core and back, streamed."""

from __future__ import annotations

from lumin_core import lazy

_HOMES: dict[str, list[str]] = {
    "csv_reader": ["CsvReader"],
    "description": ["Category", "Friends", "MatrixTable", "Sample", "Split", "TrainWeight", "Variation"],
    "event_maker": ["EventMaker"],
    "expression": ["Expression"],
    "inputs": ["Input", "find_inputs"],
    "opening": ["open_reader"],
    "parquet_reader": ["ParquetReader"],
    "parquet_writer": ["ParquetWriter"],
    "recipe": ["Recipe"],
    "root_reader": ["RootReader"],
    "root_writer": ["RootWriter"],
}
__getattr__, __dir__, __all__ = lazy.attach(__name__, _HOMES)
