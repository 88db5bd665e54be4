"""What readers of files with one table ask first: whether the file and its columns are there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lumin_core.checks import nearest, with_article
from lumin_core.errors import ConfigError, DataError
from lumin_core.looks import another, look_at, nearby
from lumin_plugin_io.suffixes import told

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path


def check_file(path: Path, tree: str | None, what: str, *looks: str) -> None:
    """Refuse a file that is not there or is something else, and the name of a table in it.

    Args:
        path: The file.
        tree: The table that was asked for.
        what: What is needed, ``"a Parquet file"``.
        *looks: Words for it, of `lumin_core.looks`.

    Raises:
        ConfigError: Saying what it is, and the way out.

    Example:
        >>> from pathlib import Path
        >>> from lumin_plugin_io.local_file import check_file
        >>> check_file(Path("."), None, "a Parquet file", "parquet")
        Traceback (most recent call last):
        ...
        lumin_core.errors.ConfigError: . is not a Parquet file but a folder; give a file in it
    """
    if not path.exists():
        raise ConfigError(f"there is no file {path}{nearby(path)}")
    if another(path, *looks):
        raise ConfigError(f"{path} is not {what} but {told(path, look_at(path))}")
    if tree is not None:
        raise ConfigError(f"{path} is {what} and has one table without a name, but the tree {tree!r} is asked for")


def check_columns(path: Path, columns: Iterable[str], types: Mapping[str, str], readable: Iterable[str]) -> None:
    """Refuse columns that are not there or cannot be read.

    Args:
        path: The file.
        columns: Names of those that are asked for.
        types: Of those that are there.
        readable: Names of those that can be read.

    Raises:
        ConfigError: If there is no such column; with did-you-mean.
        DataError: If one cannot be read.

    Example:
        >>> from pathlib import Path
        >>> from lumin_plugin_io.local_file import check_columns
        >>> check_columns(Path("a.csv"), ["pT"], {"pt": "float64"}, ["pt"])
        Traceback (most recent call last):
        ...
        lumin_core.errors.ConfigError: there is no column 'pT' in a.csv; did you mean 'pt'?...
    """
    for name in columns:
        if name not in types:
            near = nearest(name, types)
            hint = f"; did you mean {' or '.join(map(repr, near))}?" if near else ""
            raise ConfigError(f"there is no column {name!r} in {path}{hint}; it has {len(types)} columns")
        if name not in set(readable):
            msg = f"the column {name!r} in {path} is {with_article(types[name])}, which cannot be read"
            raise DataError(f"{msg}; leave it out, or write it as numbers, text or lists of them")
