"""The section of a report on the data: the table of ``lumin check``."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from lumin_core.data import FoldReader, fold_rows
from lumin_core.runs import ReportSection, Table
from lumin_plugin_commands.data_summary import DataSummary

if TYPE_CHECKING:
    from lumin_core.display import Row
    from lumin_core.runs import Part, Run

_SHOWN = 40  # names that are listed


class DataTable(ReportSection):
    """Shows what is in the fold files of a run, as ``lumin check`` does: balance, weights, ranges.

    Example:
        >>> from lumin_plugin_commands.data_section import DataTable
        >>> DataTable.order
        10
    """

    title = "Data"
    order = 10

    def build(self, run: Run) -> list[Part]:
        """Return a table for the file of the training, and one for events that were held back."""
        files = {"Training": Path(run.fy.foldfile)}
        if run.finished and run.held_back is not None:
            files["Held back"] = Path(run.held_back.foldfile)
        return [_table(title, path) for title, path in files.items()]


def _table(title: str, path: Path) -> Table:
    with closing(FoldReader(path)) as reader:
        rows: list[Row] = list(fold_rows(reader.schema, reader.sizes.values(), reader.columns, _SHOWN))
        summary = DataSummary(reader.schema)
        for fold in reader.sizes:
            matrix = reader.read_matrix(fold) if reader.has("matrix_inputs", fold) else None
            summary.add(reader.read_fold(fold), matrix)
        return Table(title=title, rows=[*rows, *summary.rows()], caption=str(path))
