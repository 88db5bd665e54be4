"""ROOT files and the tables in them, opened with `uproot <https://uproot.readthedocs.io>`_."""

from __future__ import annotations

import lzma
import struct
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import uproot

from lumin_core.checks import nearest
from lumin_core.errors import ConfigError, DataError
from lumin_core.lazy import imported
from lumin_core.looks import look_at, nearby
from lumin_plugin_io.suffixes import told

if TYPE_CHECKING:
    from collections.abc import Sequence

DAMAGE = (
    uproot.DeserializationError,
    ArithmeticError,
    AssertionError,
    AttributeError,
    EOFError,
    LookupError,
    OSError,
    RuntimeError,
    TypeError,
    ValueError,
    lzma.LZMAError,
    imported("cramjam").DecompressionError,  # which uproot decompresses with, and raises as it is
    struct.error,
    zlib.error,
)
"""What uproot raises where the bytes are not what they should be."""

_TABLES = ("TTree", "TNtuple", "TNtupleD", "ROOT::RNTuple", "ROOT::Experimental::RNTuple")
_HEADER = 20  # bytes in which a ROOT file says how long it is
_LARGE = 1_000_000  # added to the version of files that may be longer than 2 GB


def open_file(path: str) -> Any:
    """Open a ROOT file.

    Args:
        path: A path, or a url, ``root://...``.

    Raises:
        ConfigError: If it is not there, is not a ROOT file, or needs a package that is missing.
        DataError: If it ends early, or is damaged.
    """
    options = {}
    if "://" not in path:
        _check_file(Path(path))
        options = {"handler": uproot.MemmapSource}  # what is compressed stays in the cache of the system
    try:
        return uproot.open({path: None}, array_cache=None, **options)
    except ImportError as error:
        msg = f"cannot open {path}: {error}; pip install 'lumin-plugin-io[remote]'"
        raise ConfigError(msg) from error
    except DAMAGE as error:
        raise DataError(f"cannot open {path}: {first_line(error)}; is it a ROOT file, and whole?") from error


def _check_file(path: Path) -> None:
    look = look_at(path)
    if look.kind == "missing":
        raise ConfigError(f"there is no file {path}{nearby(path)}")
    if look.kind != "root":
        raise ConfigError(f"{path} is not a ROOT file but {told(path, look)}")
    with path.open("rb") as file:
        header = file.read(_HEADER)
    if len(header) == _HEADER:
        (version,) = struct.unpack_from(">i", header, 4)
        (end,) = struct.unpack_from(">q" if version >= _LARGE else ">i", header, 12)
    else:
        end = _HEADER
    if (size := path.stat().st_size) < end:
        raise DataError(
            f"{path} ends early: it has {size:,} bytes of {end:,}; what wrote it, or copied it, did not finish: "
            "bring back a whole copy"
        )


def tables_of(file: Any) -> list[str]:
    """Return the names of the TTrees and RNTuples in a file, ``"folder/name"`` in folders.

    Args:
        file: The open file.
    """
    names = (name for name, kind in file.iterclassnames(recursive=True, cycle=False) if kind in _TABLES)
    return list(dict.fromkeys(names))


def find_table(file: Any, path: str, tree: str | None) -> tuple[str, Any]:
    """Find a TTree or an RNTuple.

    Args:
        file: The open file.
        path: Its name, for messages.
        tree: Name of the table, ``"folder/name"`` in a folder; by default the only one.

    Returns:
        Its name, and the table; of several cycles the latest, as ROOT does.

    Raises:
        ConfigError: If there is no such table, or there are several, or none.
        DataError: If it cannot be read.
    """
    there = tables_of(file)
    name = tree or _only(there, path)
    if name.partition(";")[0] not in there:
        near = nearest(name, there)
        hint = f"; did you mean {' or '.join(map(repr, near))}?" if near else ""
        raise ConfigError(f"there is no tree {name!r} in {path}{hint}; it has {_listed(there) or 'none'}")
    try:
        return name, file[name]
    except DAMAGE as error:
        raise DataError(f"cannot read the tree {name!r} in {path}: {first_line(error)}") from error


def _only(there: Sequence[str], path: str) -> str:
    if len(there) == 1:
        return there[0]
    if not there:
        raise ConfigError(f"{path} has neither a TTree nor an RNTuple")
    raise ConfigError(f"{path} has several trees: {_listed(there)}; say which, tree = {there[0]!r}")


def _listed(names: Sequence[str]) -> str:
    return ", ".join(map(repr, names))


def first_line(error: BaseException) -> str:
    """Return the first line of what an error says; uproot's go on for many.

    Example:
        >>> from lumin_plugin_io.root_file import first_line
        >>> first_line(EOFError())
        'EOFError'
    """
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
