"""Files, whatever is in them: written so that nobody ever sees half of one; JSON and TOML.

A file is written under a temporary name in the same folder, synced, and renamed over its final
name; on a failure the temporary one is removed and what was there before stays. What a killed
process left behind is replaced by the next. Two that write under one name do so one after the other
(see `lumin_core.locks`): the last one wins.

Whoever writes files of a format of its own names its error, ``error=FoldFileError``, of which a
`FileError` is the neutral form.
"""

from __future__ import annotations

import json
import os
import re
import stat
import tomllib
from contextlib import ExitStack, contextmanager, suppress
from typing import TYPE_CHECKING

from lumin_core.checks import check_flags
from lumin_core.errors import ConfigError, FileError, LuminError, option
from lumin_core.locks import in_turn
from lumin_core.looks import another, in_place_of_a_name, nearby

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


_PATIENCE = 60.0  # seconds within which another writer of the same name should be done
_NUMBERS = re.compile(r"\[\n([\s\d.,eE+-]*)\]")  # a list over several lines: text has no line ends in JSON and TOML


class Staged:
    """A file in the making, beside its final name.

    As a context it is committed at the end and discarded on an error, and waits for others that
    write in that folder.

    Args:
        path: The final name. Missing folders above it are made, and removed again after an error.
        error: What is raised.
        held: Whether the caller holds the file's lock, so that there is nobody to wait for.

    Raises:
        FileError: If the folder cannot be made, or, in `commit`, the file cannot be written.

    Example:
        >>> import pathlib, tempfile
        >>> from lumin_core.files import Staged
        >>> staged = Staged(pathlib.Path(tempfile.mkdtemp()) / "train.hdf5")
        >>> with staged as part:
        ...     _ = part.write_text("all of it")
        >>> staged.path.read_text(), staged.part.exists()
        ('all of it', False)
    """

    def __init__(self, path: Path, error: type[FileError] = FileError, *, held: bool = False) -> None:
        self.path = path
        self._error = error
        self.part = path.with_name(f".{path.name}.part")
        self._held = held
        self._lock = ExitStack()
        self._made = [folder for folder in path.parents if not folder.exists()]
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as cause:
            raise error(f"cannot make the folder of {path}: {cause.strerror}") from cause

    def __enter__(self) -> Path:
        """Give the temporary name."""
        if not self._held:
            self._lock.enter_context(in_turn(self.path, self._error, wait=_PATIENCE))
        return self.part

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """Commit, or discard where the block or the commit raised."""
        with ExitStack() as undo:
            undo.callback(self.discard_folders)
            undo.callback(self._lock.close)
            undo.callback(self.part.unlink, missing_ok=True)
            if kind is None:
                self.commit()

    def commit(self) -> None:
        """Sync the file and rename it to its final name."""
        try:
            _sync(self.part)
            os.replace(self.part, self.path)  # noqa: PTH105  (the one call that is atomic everywhere)
        except OSError as cause:
            msg = f"cannot write {self.path}: {cause.strerror}; what was there before is unchanged"
            raise self._error(msg) from cause
        self._made = []
        with suppress(OSError):  # a folder cannot be opened on Windows
            _sync(self.path.parent, os.O_RDONLY)

    def discard_folders(self) -> None:
        """Remove the folders that were made for the file; the file may be another writer's."""
        for folder in self._made:
            with suppress(OSError):
                folder.rmdir()


def _sync(path: Path, flags: int = os.O_RDWR) -> None:
    descriptor = os.open(path, flags)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def refuse_existing(path: Path, *, overwrite: bool, error: type[FileError] = FileError) -> None:
    """Refuse a path where a file must not be written.

    Args:
        path: The file that is going to be written.
        overwrite: Whether a file may be there.
        error: What is raised.

    Raises:
        FileError: If there is one, or a folder, or the file is marked read-only.
        ConfigError: If `overwrite` is neither true nor false.

    Example:
        >>> import pathlib
        >>> from lumin_core.files import refuse_existing
        >>> refuse_existing(pathlib.Path("no_such_file.hdf5"), overwrite=False)
    """
    check_flags(overwrite=overwrite)
    if path.is_dir():
        raise error(f"{path} is a folder; give the name of a file")
    if not path.exists():
        return
    if not overwrite:
        raise error(f"{path} exists; pass {option('overwrite')} to replace it, or choose another name")
    if not path.stat().st_mode & stat.S_IWUSR:
        raise error(f"{path} is read-only; make it writable, or copy it first")


def check_folder(folder: Path) -> None:
    """Refuse a folder that could not be made, or not be written to; nothing is made.

    Args:
        folder: The folder.

    Raises:
        ConfigError: Saying which part of its path stands in the way.

    Example:
        >>> import pathlib
        >>> from lumin_core.files import check_folder
        >>> check_folder(pathlib.Path("no_such_folder"))
    """
    there = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    if not there.is_dir() or not os.access(there, os.W_OK | os.X_OK):
        what = "cannot be written to" if there.is_dir() else "is a file"
        raise ConfigError(f"cannot save to the folder {folder}: {there} {what}; choose another")


@contextmanager
def naming(path: object, error: type[LuminError] = FileError) -> Iterator[None]:
    """Refuse what cannot be the name of a file, where the block makes a path of it.

    Args:
        path: What was given.
        error: What is raised.

    Raises:
        LuminError: If it is empty or not text, holds NUL, or its links lead in a circle.

    """
    try:
        yield
    except (OSError, RuntimeError, TypeError, ValueError) as cause:
        if not isinstance(path, str | bytes | os.PathLike):
            raise error(f"the name of a file is needed, got {in_place_of_a_name(path)}") from cause
        name = str(path) if isinstance(path, os.PathLike) else path
        raise error(f"{name!r} cannot be the name of a file: {cause}") from cause


def stamp(path: Path) -> tuple[int, int, int] | None:
    """Return what tells a file from the one that takes its place: inode, time of change, size.

    Args:
        path: The file.

    Returns:
        The stamp, or ``None`` where there is no file.

    Example:
        >>> import pathlib
        >>> from lumin_core.files import stamp
        >>> stamp(pathlib.Path("no_such_file.json")) is None
        True
    """
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_ino, status.st_mtime_ns, status.st_size


def write_text(path: Path, text: str) -> None:
    """Write text under a temporary name, then rename: a reader never sees half of it.

    Args:
        path: The file.
        text: What it is to hold.

    Raises:
        ConfigError: If it cannot be written.

    Example:
        >>> import pathlib, tempfile
        >>> from lumin_core.files import write_text
        >>> path = pathlib.Path(tempfile.mkdtemp()) / "notes.txt"
        >>> write_text(path, "all of it")
        >>> path.read_text()
        'all of it'
    """
    try:
        with Staged(path) as part:
            part.write_text(text, encoding="utf-8")
    except OSError as error:
        raise ConfigError(not_written(path, error)) from error


def not_written(path: Path, error: Exception) -> str:
    """Say that a file cannot be written, and the way out where the error does not say it.

    Args:
        path: The file.
        error: Why, as the system says; errors of ours say more.

    Example:
        >>> import pathlib
        >>> from lumin_core.files import not_written
        >>> not_written(pathlib.Path("a.json"), OSError("no space left"))
        'cannot write a.json: no space left; make room there, or write to another place'
    """
    way_out = "" if isinstance(error, FileError) else "; make room there, or write to another place"
    return f"cannot write {path}: {error}{way_out}"


def in_line(text: str) -> str:
    """Put each list of numbers on one line, such as the edges of bins.

    Args:
        text: JSON or TOML, indented.

    Example:
        >>> import json
        >>> from lumin_core.files import in_line
        >>> print(in_line(json.dumps({"bins": [20.0, 40.0], "feats": ["pt"]}, indent=1)))
        {
         "bins": [20.0, 40.0],
         "feats": [
          "pt"
         ]
        }
    """
    return _NUMBERS.sub(lambda found: f"[{', '.join(found[1].replace(',', ' ').split())}]", text)


def write_json(path: Path, content: object) -> None:
    """Write JSON values as `write_text` writes text.

    Args:
        path: The file.
        content: Plain values, lists and dicts.

    Raises:
        ConfigError: If the file cannot be written.

    Example:
        >>> import pathlib, tempfile
        >>> from lumin_core.files import read_json, write_json
        >>> path = pathlib.Path(tempfile.mkdtemp()) / "run.json"
        >>> write_json(path, {"seed": 1})
        >>> read_json(path)
        {'seed': 1}
    """
    write_text(path, in_line(json.dumps(content, indent=1)))


def read_json(path: Path, way_out: str = "") -> object:
    """Read a JSON file.

    Args:
        path: The file.
        way_out: The end of the message where it cannot be read, ``"; ..."``.

    Returns:
        Its content, of which nothing is known.

    Raises:
        ConfigError: If it cannot be read, or is not JSON.

    Example:
        >>> import pathlib
        >>> from lumin_core.files import read_json
        >>> read_json(pathlib.Path("no_such_run.json"), "; give the folder of a run")
        Traceback (most recent call last):
        ...
        lumin_core.errors.ConfigError: cannot read no_such_run.json: ...; give the folder of a run
    """
    try:
        content: object = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise ConfigError(f"cannot read {path}: {error}{way_out}") from error
    return content


def read_toml(path: Path, what: str = "file", form: str = "TOML file") -> dict[str, object]:
    """Read a TOML file.

    Args:
        path: The file.
        what: What it is for, for the message: a ``"config"``, a ``"run file"``.
        form: What it should be, for the message.

    Returns:
        Its tables and values.

    Raises:
        ConfigError: If it cannot be read, or is not TOML.

    Example:
        >>> import pathlib, tempfile
        >>> from lumin_core.files import read_toml
        >>> path = pathlib.Path(tempfile.mkdtemp()) / "run.toml"
        >>> _ = path.write_text("bs = 64")
        >>> read_toml(path)
        {'bs': 64}
    """
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        hint = f": it is {another(path)}" if path.is_dir() else nearby(path)
        raise ConfigError(f"cannot read the {what} {path}: {error.strerror}; give a TOML file{hint}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        it_is = f"it is {it_is}" if (it_is := another(path, "json", "csv")) else error
        raise ConfigError(f"{path} is no {form}: {it_is}") from error
