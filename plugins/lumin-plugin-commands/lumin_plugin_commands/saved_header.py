"""The header of a saved model or ensemble, read without torch and without its weights."""

from __future__ import annotations

import json
import math
import re
from typing import TYPE_CHECKING, Any

from attrs import define

from lumin_core.errors import SavedModelError
from lumin_core.looks import SAVED, another, nearby
from lumin_core.model import split_sum

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np

_SUFFIX = ".safetensors"


@define(frozen=True)
class SavedHeader:
    """What a saved file says of itself.

    Attributes:
        path: The file.
        sort: ``"model"``, ``"ensemble"``, ``"embeddings"``, ``"checkpoint"``.
        format: Number of the format.
        content: The JSON values; see docs/saved_files.md.
        shapes: Shapes of the tensors by name, tied ones once.
        text: These values as they stand in the file.
        sum: The check sum of the file, where it has one.
    """

    path: Path
    sort: str
    format: int
    content: Any
    shapes: dict[str, tuple[int, ...]]
    text: str = ""
    sum: str | None = None

    @property
    def n_values(self) -> int:
        """Number of weights and buffers: of all tensors but tables and what the loss learned."""
        other = re.compile(r"table\.|(\d+\.)?loss\." if self.sort == "ensemble" else r"table\.|loss\.")
        return sum(math.prod(shape) for name, shape in self.shapes.items() if not other.match(name))


def read_header(name: Path) -> SavedHeader:
    """Read the header.

    Args:
        name: The file, with or without ``.safetensors``.

    Raises:
        SavedModelError: If there is no such file, it is damaged, or something else.
    """
    from safetensors import SafetensorError, safe_open

    path = _existing(name)
    try:
        with safe_open(path, framework="np") as file:
            metadata = file.metadata() or {}
            shapes = {key: tuple(file.get_slice(key).get_shape()) for key in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError, ValueError) as error:
        it_is = (
            f"it is {it_is}" if (it_is := another(path, *SAVED)) else f"{error}; it is damaged, or another program's"
        )
        raise SavedModelError(f"{path} cannot be read as a saved model or ensemble: {it_is}") from error
    try:
        header = json.loads(metadata["lumin"])
        text, total = split_sum(metadata["lumin"])
        return SavedHeader(
            path=path,
            sort=str(header["sort"]),
            format=int(header["format"]),
            content=header["content"],
            shapes=shapes,
            text=text,
            sum=total,
        )
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        raise SavedModelError(f"{path} was not saved by lumin-core: it has no header of ours") from error


def read_arrays(header: SavedHeader) -> dict[str, np.ndarray]:
    """Read all tensors of a file whose header was read.

    Raises:
        SavedModelError: If they cannot be.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(header.path, framework="np") as file:
            return {name: file.get_tensor(name) for name in header.shapes}
    except (SafetensorError, OSError, TypeError, ValueError) as error:
        raise SavedModelError(f"the weights in {header.path} cannot be read: {error}; bring back a copy") from error


def _existing(name: Path) -> Path:
    path = name.expanduser()
    if path.is_dir():
        raise SavedModelError(f"{path} is a folder; give a saved model or ensemble in it, a {_SUFFIX} file")
    if not path.is_file():
        path = path.with_name(path.name + _SUFFIX)
    if not path.is_file():
        what = f"give a saved model or ensemble, a {_SUFFIX} file"
        raise SavedModelError(f"there is no file {name}; {what}{nearby(path)}")
    return path
