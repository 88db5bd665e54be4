"""Readers of files, by the ending of a name or by their own."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from lumin_core.data import writer_of
from lumin_core.errors import BrokenPlugin
from lumin_core.registry import build
from lumin_plugin_io.suffixes import needs, reader_of

if TYPE_CHECKING:
    from lumin_core.data import Reader, Writer


def open_reader(path: str | Path, tree: str | None = None, reader: object = None) -> Reader:
    r"""Open a file of events.

    Args:
        path: The file; a url, ``root://...``, for ROOT files.
        tree: Its table; by default the only one.
        reader: What reads it, by name or otherwise; by default the ending of the file says it.

    Raises:
        ConfigError: If it is not there, has no such table, or nothing reads it.
        DataError: If it is damaged.

    Example:
        >>> import pathlib, tempfile
        >>> from lumin_plugin_io import open_reader
        >>> path = pathlib.Path(tempfile.mkdtemp()) / "events.csv"
        >>> _ = path.write_text("pt,n_jets\n30.5,2\n50.0,3\n")
        >>> with open_reader(path) as events:
        ...     print(events.columns())
        {'pt': 'float64', 'n_jets': 'int64'}
    """
    spec = reader or reader_of(Path(path))
    try:
        opened: Reader = build("reader", spec, path=path, tree=tree)
    except BrokenPlugin as error:
        raise needs(error, str(spec)) from error
    return opened


def open_writer(path: Path, tree: str, *, rntuple: bool = False, overwrite: bool = False) -> Writer:
    """Return what writes a file, by the ending of its name; to be used in a ``with`` block.

    Args:
        path: The file.
        tree: Name of the table.
        rntuple: Whether a ROOT file gets an RNTuple rather than a TTree.
        overwrite: Whether a file of that name may be replaced.

    Raises:
        ConfigError: If nothing writes such files, or packages are missing.
        FileError: If there is such a file.
    """
    try:
        return writer_of(path, tree=tree, rntuple=rntuple, overwrite=overwrite)
    except BrokenPlugin as error:
        raise needs(error, f"io/{path.suffix[1:]}") from error
