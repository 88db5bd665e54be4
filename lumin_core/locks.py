"""Locks: one writer of a file at a time.

A writer holds an operating-system lock on ``.<name>.lock`` beside the file, which the system drops
when the process dies, so a crashed writer blocks nobody. Some file systems have no such locks (NFS
without its daemon, Lustre without ``flock``). There the lock is a file that one alone can make,
``.<name>.locked``, which says whose it is: a dead process's on this machine is taken over.
"""

from __future__ import annotations

import errno
import os
import re
import socket
import sys
import time
import warnings
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from lumin_core.errors import FileError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

    Release = Callable[[], None]
    """What gives a lock back."""

_TAKEN = {errno.EAGAIN, errno.EWOULDBLOCK, errno.EACCES, errno.EDEADLK}
_NO_LOCKS = {errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOTSUP, errno.EINVAL}
_LOOK_EVERY = 0.02  # seconds
_OWNER = re.compile(r"process (?P<process>\d+) on (?P<host>.*)")


class _Busy(Exception):
    """Somebody else has the lock; with what is known of him."""


def locked(path: Path, error: type[FileError] = FileError, *, wait: float = 0) -> AbstractContextManager[None]:
    """Hold the writer's lock of a file.

    Args:
        path: The file that is going to be written; its folder must exist.
        error: What is raised.
        wait: Seconds to wait for another writer, ``math.inf`` for as long as it takes.

    Raises:
        FileError: If another writer holds it, or the folder cannot be written to.

    Warns:
        UserWarning: Once, if the file system has no locks.

    Example:
        >>> import pathlib, tempfile
        >>> from lumin_core.locks import locked
        >>> path = pathlib.Path(tempfile.mkdtemp()) / "train.hdf5"
        >>> with locked(path), locked(path):
        ...     pass
        Traceback (most recent call last):
        ...
        lumin_core.errors.FileError: .../train.hdf5 is being written by another process ...
    """
    return _held(path, lambda: _take(path.with_name(f".{path.name}.lock")), error, wait)


def in_turn(path: Path, error: type[FileError] = FileError, *, wait: float) -> AbstractContextManager[None]:
    """Save one after the other: wait for who saves in the same folder.

    The lock is the folder's own, so that no file is left of who is killed; where folders have none
    (Windows, NFS) it is a file beside.

    Args:
        path: The file that is going to be written; its folder must exist.
        error: What is raised.
        wait: Seconds to wait.

    Raises:
        FileError: If another writer still holds it, or the folder cannot be written to.

    Example:
        >>> import pathlib, tempfile
        >>> from lumin_core.locks import in_turn
        >>> path = pathlib.Path(tempfile.mkdtemp()) / "model.safetensors"
        >>> with in_turn(path, wait=1):
        ...     list(path.parent.iterdir())
        []
    """
    return _held(path, lambda: _take_folder(path), error, wait)


@contextmanager
def _held(path: Path, take: Callable[[], Release], error: type[FileError], wait: float) -> Iterator[None]:
    """Take a lock, again and again while somebody else has it, and give it back in the end."""
    end = time.monotonic() + wait
    release: Release | None = None
    while release is None:
        try:
            release = take()
        except _Busy as busy:
            if time.monotonic() >= end:
                message = f"{path} is being written by another process or yielder; wait until it is done{busy}"
                raise error(message) from busy
            time.sleep(_LOOK_EVERY)
        except OSError as cause:
            raise error(f"cannot write to the folder of {path}: {cause.strerror}") from cause
    try:
        yield
    finally:
        release()


def _take(lock: Path) -> Release:
    """Take a lock and return what gives it back."""
    while True:
        descriptor = os.open(lock, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            _lock(descriptor)
        except OSError as cause:
            os.close(descriptor)
            if cause.errno in _TAKEN:
                raise _Busy from cause
            if cause.errno not in _NO_LOCKS:
                raise
            return _take_alone(lock)
        if _is_same(descriptor, lock):
            return lambda: _give_back(lock, descriptor)
        os.close(descriptor)  # its holder removed it between our opening and our locking


def _take_folder(path: Path) -> Release:
    beside = path.with_name(f".{path.name}.part.lock")
    if sys.platform == "win32":
        return _take(beside)
    descriptor = os.open(path.parent, os.O_RDONLY)
    try:
        _lock(descriptor)
    except BlockingIOError as cause:
        os.close(descriptor)
        raise _Busy from cause
    except OSError:
        os.close(descriptor)
        return _take(beside)
    return lambda: os.close(descriptor)


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


def _give_back(lock: Path, descriptor: int) -> None:
    with suppress(OSError):  # on Windows an open file cannot be removed; there the empty file stays
        lock.unlink()
    os.close(descriptor)


def _take_alone(lock: Path) -> Release:
    """Make the file that one alone can make, where the file system has no locks."""
    _warn_once(str(lock.parent))
    lock.unlink(missing_ok=True)
    alone = lock.with_name(f"{lock.name}ed")
    me = f"process {os.getpid()} on {socket.gethostname()}"
    try:
        descriptor = os.open(alone, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
    except FileExistsError as cause:
        owner = _owner(alone)
        if not _is_dead(owner):
            raise _Busy(f" ({owner or 'it'} has {alone}; if that has ended, remove this file)") from cause
        _remove(alone, owner)
        return _take_alone(lock)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(me)
    return lambda: alone.unlink(missing_ok=True)


def _owner(alone: Path) -> str:
    try:
        return alone.read_text(encoding="utf-8")
    except OSError:
        return ""


def _is_dead(owner: str) -> bool:
    """Whether who wrote this was a process of this machine that has ended."""
    found = _OWNER.fullmatch(owner)
    if found is None or found["host"] != socket.gethostname() or sys.platform == "win32":
        return False
    try:
        os.kill(int(found["process"]), 0)
    except (OSError, OverflowError) as error:  # no number of a process is so large
        return isinstance(error, ProcessLookupError | OverflowError)
    return False


def _remove(alone: Path, owner: str) -> None:
    """Remove a dead process's lock, and not that of who was quicker to do so."""
    aside = alone.with_name(f"{alone.name}.{os.getpid()}")
    with suppress(FileNotFoundError):
        alone.rename(aside)
        if _owner(aside) != owner:
            os.link(aside, alone)
        aside.unlink()


_warned: set[str] = set()


def _warn_once(folder: str) -> None:
    if not _warned:
        warnings.warn(
            f"the file system of {folder} has no locks, so files that only one can make stand in for them; "
            "what a killed process on another machine leaves of these must be removed by hand",
            stacklevel=2,
        )
    _warned.add(folder)
