"""Names of fold files: their ending, and what is refused in its place."""

from __future__ import annotations

from pathlib import Path

from lumin_core.errors import FoldFileError
from lumin_core.files import naming

SUFFIX = ".hdf5"
_OURS = (SUFFIX, ".h5", ".hdf")
_OF_OTHERS = (
    *(".root", ".parquet", ".pq", ".csv", ".gz", ".zip", ".txt", ".toml", ".json", ".feather", ".arrow"),
    *(".npy", ".npz", ".pkl", ".pickle", ".pt", ".pth", ".onnx", ".safetensors"),
)
"""Endings that promise something else; any other, as of ``train.v2``, is a part of the name."""


def with_suffix(path: str | Path) -> Path:
    """Add ``.hdf5`` where it is missing; ``~`` is expanded and links are followed.

    Args:
        path: A name with or without suffix; ``.h5`` and ``.hdf`` are left alone.

    Returns:
        The absolute path.

    Raises:
        FoldFileError: If it cannot be the name of a file.

    Example:
        >>> from lumin_core.data import with_suffix
        >>> [with_suffix(name).name for name in ("data/train", "train.v2", "train.h5")]
        ['train.hdf5', 'train.v2.hdf5', 'train.h5']
    """
    with naming(path, FoldFileError):
        path = Path(path).expanduser()
        if path.suffix.lower() not in _OURS:
            path = path.with_name(path.name + SUFFIX)
        return path.resolve()


def name_to_write(path: str | Path) -> Path:
    """Return the name of a fold file that is going to be written, as `with_suffix` does.

    Args:
        path: A name with or without suffix.

    Returns:
        The absolute path.

    Raises:
        FoldFileError: If it cannot be the name of a file, or ends as those of another format.

    Example:
        >>> from lumin_core.data import name_to_write
        >>> name_to_write("data/train").name
        'train.hdf5'
        >>> name_to_write("train.root")
        Traceback (most recent call last):
        ...
        lumin_core.errors.FoldFileError: train.root is to be a fold file, ...; give train.hdf5
    """
    named = with_suffix(path)
    given = Path(path)
    if given.suffix.lower() in _OF_OTHERS:
        raise FoldFileError(
            f"{given} is to be a fold file, whose name ends in {SUFFIX}, not in {given.suffix}; give "
            f"{given.with_suffix(SUFFIX)}"
        )
    return named
