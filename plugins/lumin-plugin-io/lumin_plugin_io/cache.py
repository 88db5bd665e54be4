"""Fold files that are made once: a folder for each recipe and its inputs.

The folder of the cache is named by the environment variable ``LUMIN_CACHE``; else it is where the
system keeps such files, ``~/.cache/lumin``. An entry is used again while the recipe's normal form
and its inputs, told by name, size, time and ROOT's own identity, are the same.
"""

from __future__ import annotations

import math
import os
import shutil
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, cast

import attrs

from lumin_core.errors import FileError
from lumin_core.files import read_json, write_json
from lumin_core.locks import locked
from lumin_plugin_io.conversion import convert
from lumin_plugin_io.outputs import paths_of
from lumin_plugin_io.sources import key_of, sources_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lumin_plugin_io.plan import Plan

_NOTE = "entry.json"


@attrs.frozen(kw_only=True)
class Entry:
    """Fold files in the cache.

    Attributes:
        folder: Where they are.
        recipe: Folder of the recipe that they were made of.
        samples: Names of its samples.
        size: In bytes.
        used: When they were last asked for, in seconds since 1970.
    """

    folder: Path
    recipe: str
    samples: list[str]
    size: int
    used: float


def cache_folder() -> Path:
    """Return the folder of the cache, which need not exist.

    Example:
        >>> import os
        >>> from lumin_plugin_io.cache import cache_folder
        >>> os.environ["LUMIN_CACHE"] = "/scratch/cache"
        >>> cache_folder().as_posix()
        '/scratch/cache'
        >>> del os.environ["LUMIN_CACHE"]
    """
    if given := os.environ.get("LUMIN_CACHE"):
        return Path(given).expanduser()
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA", "~/AppData/Local")).expanduser() / "lumin" / "cache"
    if sys.platform == "darwin":
        return Path("~/Library/Caches/lumin").expanduser()
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "lumin"


def cached(recipe: Plan, *, verify: bool = False, folder: str | Path | None = None) -> Path:
    """Return the fold file for the training, made now unless an earlier call left it.

    Whoever asks for it while another process makes it waits. What a killed process had read is not
    read again.

    Args:
        recipe: What is wanted.
        verify: Whether inputs are told by their content, rather than by name, size and time.
        folder: Of the cache; by default that of `cache_folder`.

    Raises:
        LuminError: As of `convert`.
    """
    top = cache_folder() if folder is None else Path(folder).expanduser()
    key = key_of(recipe, sources_of(recipe), verify=verify, identities=True)
    entry = top.resolve() / key
    main = next(iter(paths_of(recipe, entry / next(iter(recipe.split.parts))).values()))
    _make(entry)
    with locked(entry, wait=math.inf):
        _make(entry)  # who had the lock may have cleared the cache
        if not main.exists():  # it is the last that appears
            write_json(entry / _NOTE, {"recipe": str(recipe.folder.resolve()), "samples": _names(recipe)})
            convert(recipe, main, overwrite=True, resume=True)
        os.utime(entry / _NOTE)
    return main


def entries(folder: str | Path | None = None) -> list[Entry]:
    """List what is in the cache, the last used first.

    Args:
        folder: Of the cache; by default that of `cache_folder`.
    """
    top = cache_folder() if folder is None else Path(folder).expanduser()
    found = [_entry(note) for note in top.glob(f"*/{_NOTE}")]
    return sorted(found, key=lambda entry: -entry.used)


def clear(folder: str | Path | None = None) -> list[Entry]:
    """Remove what is in the cache, but for what another process is making.

    Args:
        folder: Of the cache; by default that of `cache_folder`.

    Returns:
        What was removed.
    """
    removed = []
    for entry in entries(folder):
        with suppress(FileError), locked(entry.folder):
            shutil.rmtree(entry.folder, ignore_errors=True)
            removed.append(entry)
    return removed


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise FileError(
            f"cannot make the folder {folder} of the cache: {error.strerror}; name another one in LUMIN_CACHE"
        ) from error


def _names(recipe: Plan) -> list[str]:
    return [sample.name for sample in recipe.samples]


def _entry(note: Path) -> Entry:
    said = cast("Mapping[str, object]", read_json(note))
    size = sum(path.stat().st_size for path in note.parent.rglob("*") if path.is_file())
    return Entry(
        folder=note.parent,
        recipe=str(said["recipe"]),
        samples=[str(name) for name in cast("list[object]", said["samples"])],
        size=size,
        used=note.stat().st_mtime,
    )
