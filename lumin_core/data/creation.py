"""New HDF5 files and groups, without times in them: the same content gives the same bytes."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import h5py

if TYPE_CHECKING:
    from pathlib import Path

LIBVER = ("v108", "v108")
"""HDF5 of 2008, the first that keeps check sums of its own structures; as `h5py.File` has it."""


def new_file(path: Path) -> h5py.File:
    """Create a file without times in it, so that the same content gives the same bytes.

    Args:
        path: The file; an existing one is replaced.

    Example:
        >>> import pathlib, tempfile
        >>> from lumin_core.data.creation import new_file, new_group
        >>> with new_file(pathlib.Path(tempfile.mkdtemp()) / "a.hdf5") as file:
        ...     new_group(file, "fold_0").name
        '/fold_0'
    """
    creation = h5py.h5p.create(h5py.h5p.FILE_CREATE)
    creation.set_obj_track_times(False)
    access = h5py.h5p.create(h5py.h5p.FILE_ACCESS)
    access.set_libver_bounds(h5py.h5f.LIBVER_V18, h5py.h5f.LIBVER_V18)  # LIBVER
    access.set_fclose_degree(h5py.h5f.CLOSE_STRONG)
    return h5py.File(h5py.h5f.create(os.fsencode(path), h5py.h5f.ACC_TRUNC, fcpl=creation, fapl=access))


def new_group(parent: h5py.Group, name: str) -> h5py.Group:
    """Create a group without the times that some versions of h5py write; see `new_file`.

    Args:
        parent: Where to.
        name: Of the group, ASCII.

    Example:
        See `new_file`.
    """
    creation = h5py.h5p.create(h5py.h5p.GROUP_CREATE)
    creation.set_obj_track_times(False)
    return h5py.Group(h5py.h5g.create(parent.id, name.encode(), gcpl=creation))
