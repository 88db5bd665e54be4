"""Writing HDF5 files so that nobody ever sees half of one.

A file is written under a temporary name in the same folder, synced, and renamed over its final
name; on a failure the temporary one is removed and what was there before stays. One writer at a
time: it holds an operating-system lock on ``.<name>.lock`` beside the file, which the system drops
when the process dies, so a crashed writer blocks nobody, and what it left behind is
replaced by the next.
"""

from __future__ import annotations

import json
import os
import stat
import sys
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from lumin_core.errors import ConfigError, FoldFileError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the writer's lock of a file.

    Args:
        path: The file that is going to be written; its folder must exist.

    Raises:
        FoldFileError: If another writer holds it, or the folder cannot be written to.

    Example:
        >>> import pathlib, tempfile
        >>> from lumin_core.files import locked
        >>> path = pathlib.Path(tempfile.mkdtemp()) / "train.hdf5"
        >>> with locked(path), locked(path):
        ...     pass
        Traceback (most recent call last):
        ...
        lumin_core.errors.FoldFileError: .../train.hdf5 is being written by another process ...
    """
    lock = path.with_name(f".{path.name}.lock")
    descriptor = _acquire(path, lock)
    try:
        yield
    finally:
        with suppress(OSError):  # on Windows an open file cannot be removed; there the empty file stays
            lock.unlink()
        os.close(descriptor)


def _acquire(path: Path, lock: Path) -> int:
    while True:
        try:
            descriptor = os.open(lock, os.O_RDWR | os.O_CREAT, 0o666)
        except OSError as error:
            raise FoldFileError(f"cannot write to the folder of {path}: {error.strerror}") from error
        try:
            _lock(descriptor)
        except OSError as error:
            os.close(descriptor)
            raise FoldFileError(
                f"{path} is being written by another process or yielder; wait until it is done"
            ) from error
        if _is_same(descriptor, lock):
            return descriptor
        os.close(descriptor)  # its holder removed it between our opening and our locking


def _lock(descriptor: int) -> None:
    if sys.platform == "win32":
        import msvcrt

        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
    else:
        import fcntl

        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _is_same(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False


class Staged:
    """A file in the making, beside its final name.

    As a context it is committed at the end and discarded on an error.

    Args:
        path: The final name. Missing folders above it are made, and removed again by `discard`.

    Example:
        >>> import pathlib, tempfile
        >>> from lumin_core.files import Staged
        >>> staged = Staged(pathlib.Path(tempfile.mkdtemp()) / "train.hdf5")
        >>> with staged as part:
        ...     _ = part.write_text("all of it")
        >>> staged.path.read_text(), staged.part.exists()
        ('all of it', False)
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.part = path.with_name(f".{path.name}.part")
        self._made = [folder for folder in path.parents if not folder.exists()]
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise FoldFileError(f"cannot make the folder of {path}: {error.strerror}") from error

    def __enter__(self) -> Path:
        """Give the temporary name."""
        return self.part

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """Commit, or discard where the block or the commit raised."""
        try:
            if kind is None:
                self.commit()
        except BaseException:
            self.discard()
            raise
        if kind is not None:
            self.discard()

    def commit(self) -> None:
        """Sync the file and rename it to its final name."""
        try:
            _sync(self.part)
            os.replace(self.part, self.path)  # noqa: PTH105  (the one call that is atomic everywhere)
        except OSError as error:
            raise FoldFileError(
                f"cannot write {self.path}: {error.strerror}; what was there before is unchanged"
            ) from error
        with suppress(OSError):  # a folder cannot be opened on Windows
            _sync(self.path.parent, os.O_RDONLY)

    def discard(self) -> None:
        """Remove the file and the folders that were made for it."""
        self.part.unlink(missing_ok=True)
        self.discard_folders()

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


def refuse_existing(path: Path, *, overwrite: bool) -> None:
    """Refuse a path where a file must not be written.

    Args:
        path: The file that is going to be written.
        overwrite: Whether a file may be there.

    Raises:
        FoldFileError: If there is one, or a folder, or the file is marked read-only.

    Example:
        >>> import pathlib
        >>> from lumin_core.files import refuse_existing
        >>> refuse_existing(pathlib.Path("no_such_file.hdf5"), overwrite=False)
    """
    if path.is_dir():
        raise FoldFileError(f"{path} is a folder; give the name of a file")
    if not path.exists():
        return
    if not overwrite:
        raise FoldFileError(f"{path} exists; pass overwrite=True to replace it, or choose another name")
    if not path.stat().st_mode & stat.S_IWUSR:
        raise FoldFileError(f"{path} is read-only; make it writable, or copy it first")


def write_text(path: Path, text: str) -> None:
    """Write text under a temporary name, then rename: a reader never sees half of it.

    Args:
        path: The file.
        text: What it is to hold.

    Raises:
        ConfigError: If it cannot be written.
    """
    try:
        with Staged(path) as part:
            part.write_text(text, encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"cannot write {path}: {error}") from error


def write_json(path: Path, content: Any) -> None:
    """Write JSON values so; arguments and errors as for `write_text`."""
    write_text(path, json.dumps(content, indent=1))
