"""How files begin, and what their structure says: the word in `lumin_core.looks` for each."""

from __future__ import annotations

import json
import os
import re
import struct
import tomllib
import zipfile
import zlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

_HEAD = 65_536  # bytes that are looked at
_LONGEST = 2**24  # bytes of a text file that are parsed as JSON or TOML, of a safetensors header, too


def kind_of(path: Path) -> str:
    """Return the word for what a file or a folder looks like.

    Args:
        path: Its place.

    Example:
        >>> from pathlib import Path
        >>> from lumin_core.marks import kind_of
        >>> kind_of(Path("no_such_file")), kind_of(Path())
        ('missing', 'folder')
    """
    try:
        if path.is_dir():
            return "run" if (path / "run.json").is_file() else "folder"
        if not path.exists():
            return "missing"
        if not path.is_file():
            return "device"
        with path.open("rb") as file:
            head = file.read(_HEAD)
    except OSError:
        return "unreadable"
    return next((kind for tells in _BY_LOOK if (kind := tells(head, path))), "unknown") if head else "empty"


_MAGIC: Mapping[bytes, str] = {
    b"root": "root",
    b"PAR1": "parquet",
    b"ARROW1": "arrow",
    b"\x93NUMPY": "npy",
    b"BZh": "compressed",
    b"\xfd7zXZ\x00": "compressed",
    b"\x28\xb5\x2f\xfd": "compressed",
    b"7z\xbc\xaf": "compressed",
}
"""How files begin. HDF5, zip, gzip, safetensors and pickles are looked at more closely."""

_HDF5 = b"\x89HDF\r\n\x1a\n"
_OLD_PICKLE = re.compile(rb"c[\w.]+\n[\w.]+\n|\((lp|dp|d|l)\d*\n")  # of protocols 0 and 1
_ONNX = re.compile(rb"\x08[\x01-\x20](\x12[\x01-\x40]|\x3a|\x42)")  # ir_version, then producer, graph or opsets


def _by_magic(head: bytes, path: Path) -> str | None:
    if _as_text(head) is not None:  # a table may have a column "root"
        return None
    kind = next((kind for magic, kind in _MAGIC.items() if head.startswith(magic)), None)
    return "broken" if kind == "parquet" and not _ends_with(path, b"PAR1") else kind


def _ends_with(path: Path, mark: bytes) -> bool:
    with path.open("rb") as file:
        file.seek(-len(mark), os.SEEK_END)
        return file.read() == mark


def _hdf5(head: bytes, _: Path) -> str | None:
    """HDF5, which may begin behind a block of the user's."""
    return "hdf5" if any(head[at:].startswith(_HDF5) for at in (0, 512, 1024, 2048, 4096)) else None


def _zipped(head: bytes, path: Path) -> str | None:
    if not head.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return None
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except (zipfile.BadZipFile, OSError, ValueError):
        return "broken"
    if any(name.endswith("data.pkl") for name in names):
        return "torch"
    return "npz" if names and all(name.endswith(".npy") for name in names) else "zip"


def _gzipped(head: bytes, _: Path) -> str | None:
    if not head.startswith(b"\x1f\x8b"):
        return None
    try:
        text = zlib.decompressobj(wbits=31).decompress(head, _HEAD)
    except zlib.error:
        return "broken"
    return "csv_gz" if _is_table(_as_text(text) or "") else "compressed"


def _safetensors(head: bytes, path: Path) -> str | None:
    if len(head) < 10 or head[8:9] != b"{":
        return None
    (length,) = struct.unpack("<Q", head[:8])
    if length > min(path.stat().st_size - 8, _LONGEST):
        return "broken" if length < 2**32 else None
    try:
        with path.open("rb") as file:
            header = json.loads(file.read(8 + length)[8:])
        ours = json.loads(header.get("__metadata__", {}).get("lumin", "{}"))
    except (OSError, ValueError, RecursionError, AttributeError):
        return "broken"
    sort = ours.get("sort") if isinstance(ours, dict) else None
    return sort if sort in ("model", "ensemble", "embeddings", "checkpoint") else "safetensors"


def _pickled(head: bytes, _: Path) -> str | None:
    binary = head[0] == 0x80 and len(head) > 1 and head[1] in (2, 3, 4, 5)
    return "pickle" if binary or _OLD_PICKLE.match(head) else None


def _onnx(head: bytes, _: Path) -> str | None:
    return "onnx" if _ONNX.match(head) else None


def _text(head: bytes, path: Path) -> str | None:
    text = _as_text(head)
    if text is None:
        return None
    whole = path.read_text(encoding="utf-8", errors="replace") if path.stat().st_size <= _LONGEST else ""
    if text.lstrip()[:1] in ("{", "[") and _parses(json.loads, whole) is not None:
        return "json"
    table = _parses(tomllib.loads, whole) if "=" in text else None
    if isinstance(table, dict):
        inner = [values for values in table.values() if isinstance(values, dict)]
        keys = {*table, *(key for values in inner for key in values)}
        if "sample" in table and isinstance(table["sample"], dict):
            return "recipe"
        return (
            "run_file" if keys & {"foldfile", "n_models", "n_epochs"} else "builder" if "objective" in keys else "toml"
        )
    return "csv" if _is_table(text) else "text"


def _as_text(head: bytes) -> str | None:
    """Return UTF-8 text, of which the last character may be cut; ``None`` for anything else."""
    if b"\x00" in head:
        return None
    text = head.decode("utf-8", "replace")
    return text if text[:-4].count("\ufffd") == 0 else None


def _parses(parse: Callable[[str], object], text: str) -> object:
    try:
        return parse(text)
    except (ValueError, RecursionError):
        return None


def _is_table(text: str) -> bool:
    """Tell whether the first lines have as many columns, two at least, one of them of numbers."""
    lines = [line for line in text.splitlines()[:6] if line.strip()][:5]
    tables = [[re.split(mark, line.strip()) for line in lines] for mark in (",", ";", r"\t", r"[ \t]+")]
    return len(lines) > 1 and any(
        len({*map(len, rows)}) == 1 and len(rows[0]) > 1 and any(map(_is_number, rows[-1])) for rows in tables
    )


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


_BY_LOOK: tuple[Callable[[bytes, Path], str | None], ...] = (
    _by_magic,
    _hdf5,
    _zipped,
    _gzipped,
    _safetensors,
    _pickled,
    _onnx,
    _text,
)
