"""Room on the disk, set aside before HDF5 is asked to write.

Where the disk is full in the middle of its writing, the HDF5 library ends the process, or cannot
close the file any more. So the system is asked for the room first, and an error comes from it.
"""

from __future__ import annotations

import errno
import os
import shutil
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from lumin_core.errors import FoldFileError

if TYPE_CHECKING:
    from collections.abc import Iterator

    import h5py

_SLACK = 1 << 16  # bytes: headers, names, attributes, what closing writes
_CHUNKED = 2  # chunks at the edges are stored whole, and need tables


def set_aside(group: h5py.Group, n_bytes: int, *, chunk_bytes: int = 0) -> None:
    """Set room aside for data that is going to be written into a file.

    Args:
        group: Where to; of a file in memory nothing is asked.
        n_bytes: Bytes of the data, uncompressed.
        chunk_bytes: Bytes of one chunk, if it is going to be chunked.

    Raises:
        FoldFileError: If there is not that much.

    Example:
        >>> import h5py, tempfile
        >>> from lumin_core.data.room import set_aside
        >>> with h5py.File(tempfile.mkdtemp() + "/a.hdf5", "w") as file:
        ...     set_aside(file, 1 << 60)
        Traceback (most recent call last):
        ...
        lumin_core.errors.FoldFileError: there is no room for .../a.hdf5 on its disk...
    """
    file = group.file
    if file.driver != "sec2":
        return
    needed = (_CHUNKED * n_bytes + chunk_bytes if chunk_bytes else n_bytes) + _SLACK
    try:
        _allocate(file, needed)
    except OSError as error:
        raise FoldFileError(
            f"there is no room for {file.filename} on its disk, or in your quota ({error.strerror}): "
            f"{needed / 1e6:.1f} MB more are needed; free some, or write elsewhere"
        ) from error


def _allocate(file: h5py.File, needed: int) -> None:
    if not hasattr(os, "posix_fallocate"):  # macOS, Windows
        if shutil.disk_usage(os.path.dirname(file.filename)).free < needed:  # noqa: PTH120
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return
    descriptor = file.id.get_vfd_handle()
    before = os.fstat(descriptor).st_size
    end = file.id.get_filesize()  # as HDF5 sees it, without what was set aside
    try:
        os.posix_fallocate(descriptor, end, needed)
    except OSError:
        os.ftruncate(descriptor, before)
        raise


def close(file: h5py.File) -> None:
    """Close a file that was written to, and give back what was set aside and not used.

    Args:
        file: The file.

    Raises:
        OSError: If the system has something against it.

    Example:
        >>> import h5py, tempfile
        >>> from lumin_core.data.room import close, set_aside
        >>> file = h5py.File(tempfile.mkdtemp() + "/a.hdf5", "w")
        >>> set_aside(file, 1000)
        >>> close(file)
        >>> bool(file)
        False
    """
    if file.driver == "sec2" and hasattr(os, "posix_fallocate"):
        file.flush()
        os.ftruncate(file.id.get_vfd_handle(), file.id.get_filesize())
    file.close()


def give_up(file: h5py.File) -> None:
    """Close a file that is going to be removed, whatever HDF5 has against it.

    Args:
        file: The file.

    Example:
        >>> import h5py, tempfile
        >>> from lumin_core.data.room import give_up
        >>> file = h5py.File(tempfile.mkdtemp() + "/a.hdf5", "w")
        >>> give_up(file)
        >>> bool(file)
        False
    """
    with suppress(OSError, RuntimeError):
        file.close()


@contextmanager
def saying(what: str) -> Iterator[None]:
    """Turn what the system or HDF5 has against writing into an error that says what failed.

    Raises:
        FoldFileError: If the block raises such an error.

    Example:
        >>> from lumin_core.data.room import saying
        >>> with saying("cannot write a.hdf5"):
        ...     raise OSError("no such device")
        Traceback (most recent call last):
        lumin_core.errors.FoldFileError: cannot write a.hdf5: no such device
    """
    try:
        yield
    except FoldFileError:
        raise
    except (OSError, RuntimeError) as error:
        raise FoldFileError(f"{what}: {error}") from error
