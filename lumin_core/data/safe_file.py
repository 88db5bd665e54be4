"""Writing HDF5 files so that nobody ever sees half of one.

A file is written under a temporary name in the same folder, synced, and renamed over its final name; on a failure the
temporary one is removed and what was there before stays. One writer at a time: it holds an operating-system lock on
``.<name>.lock`` beside the file, which the system drops when the process dies, so a crashed writer blocks nobody, and
what it left behind is replaced by the next.
"""

from __future__ import annotations

import os
import shutil
import stat
import sys
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import h5py

from lumin_core.errors import FoldFileError

if TYPE_CHECKING:
    from collections.abc import Iterator

SUFFIX = ".hdf5"


def with_suffix(path: str | Path) -> Path:
    """Add ``.hdf5`` where it is missing; ``~`` is expanded and links are followed.

    Args:
        path: A name with or without suffix; ``.h5`` and ``.hdf`` are left alone.

    Returns:
        The absolute path.

    Example:
        >>> from lumin_core.data.safe_file import with_suffix
        >>> with_suffix("data/train").name, with_suffix("train.v2").name, with_suffix("train.h5").name
        ('train.hdf5', 'train.v2.hdf5', 'train.h5')
    """
    path = Path(path).expanduser()
    if path.suffix.lower() not in (SUFFIX, ".h5", ".hdf"):
        path = path.with_name(path.name + SUFFIX)
    return path.resolve()


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the writer's lock of a file.

    Args:
        path: The file that is going to be written; its folder must exist.

    Raises:
        FoldFileError: If another writer holds it, or the folder cannot be written to.

    Example:
        >>> import pathlib, tempfile
        >>> from lumin_core.data.safe_file import locked
        >>> path = pathlib.Path(tempfile.mkdtemp()) / "train.hdf5"
        >>> with locked(path), locked(path):
        ...     pass
        Traceback (most recent call last):
        ...
        lumin_core.errors.FoldFileError: .../train.hdf5 is being written by another process or yielder; ...
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
    """A file in the making, beside its final name; as a context, committed at the end and discarded on an error.

    Args:
        path: The final name. Missing folders above it are made, and removed again by `discard`.

    Example:
        >>> import pathlib, tempfile
        >>> from lumin_core.data.safe_file import Staged
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
        >>> from lumin_core.data.safe_file import refuse_existing
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


@contextmanager
def rewriting(path: str | Path) -> Iterator[h5py.File]:
    """Change an existing HDF5 file: a copy is opened, and takes its place at the end.

    Args:
        path: An existing file.

    Yields:
        The open copy. If the block raises, the file stays as it was.

    Raises:
        FoldFileError: If there is no such file, it is read-only, no HDF5, or being written.

    Example:
        >>> import h5py, tempfile
        >>> from lumin_core.data.safe_file import rewriting
        >>> path = tempfile.mkdtemp() + "/a.hdf5"
        >>> h5py.File(path, "w").close()
        >>> with rewriting(path) as file:
        ...     file.attrs["note"] = "added"
        >>> with h5py.File(path) as file:
        ...     file.attrs["note"]
        'added'
    """
    path = Path(path).expanduser().resolve()
    if not path.is_file():
        raise FoldFileError(f"there is no file {path}")
    with locked(path), replacing(path) as file:
        yield file


@contextmanager
def replacing(path: Path) -> Iterator[h5py.File]:
    """Do the same as `rewriting`, for a caller who holds the lock.

    Args:
        path: An existing file, absolute.

    Yields:
        The open copy.

    Raises:
        FoldFileError: If it is read-only, or cannot be copied or opened.

    Example:
        >>> import h5py, pathlib, tempfile
        >>> from lumin_core.data.safe_file import locked, replacing
        >>> path = pathlib.Path(tempfile.mkdtemp()) / "a.hdf5"
        >>> h5py.File(path, "w").close()
        >>> with locked(path), replacing(path) as file:
        ...     _ = file.create_group("fold_0")
    """
    refuse_existing(path, overwrite=True)
    with Staged(path) as part, _open_copy(path, part) as file:
        yield file


def _open_copy(path: Path, part: Path) -> h5py.File:
    try:
        shutil.copy(path, part)  # with its permissions
        return h5py.File(part, "r+")
    except OSError as error:
        raise FoldFileError(f"cannot copy {path} in order to add to it: {error}") from error
