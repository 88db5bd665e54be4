"""The tables of ROOT, Parquet and CSV files as rows of ``lumin info``: events, columns, types.

They are read by what the registry has for them; without it, the rows say what to install.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lumin_core.checks import listed
from lumin_core.data import open_tables
from lumin_core.display import count, whole
from lumin_core.errors import LuminError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from lumin_core.data import Reader
    from lumin_core.display import Row

_SHOWN = 20  # columns that are named


def table_rows(path: Path, *, every: bool = False) -> Iterator[Row]:
    """Give the rows of a file's tables.

    Args:
        path: The file.
        every: Whether each column has a row of its own, rather than that the first are named.

    Example:
        >>> from pathlib import Path
        >>> from lumin_plugin_commands.table_rows import table_rows
        >>> list(table_rows(Path("events.root")))[0][1].partition(":")[0]
        'unknown'
    """
    n = 0
    try:
        for table in open_tables(path):
            n += 1
            yield from _of_table(table, every=every)
    except LuminError as error:  # what the file is can be said all the same
        yield "tables", f"unknown: {error}"
        return
    if not n:
        yield "tables", "none"


def _of_table(table: Reader, *, every: bool) -> Iterator[Row]:
    types = table.columns()
    size = f"{count(table.count(), 'event')}, {count(len(types), 'column')}"
    names = "" if every or not types else f": {_named(types)}"
    yield table.tree or "table", size + names
    if every:
        yield from types.items()


def _named(types: dict[str, str]) -> str:
    names = listed([whole(f"{name} {type_}") for name, type_ in types.items()], _SHOWN)
    return f"{names} (--all names each)" if len(types) > _SHOWN else names
