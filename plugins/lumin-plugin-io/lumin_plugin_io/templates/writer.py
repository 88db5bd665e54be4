"""A writer: a file that is there at the end of a ``with`` block, whole or not at all."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np

from lumin_core.data import Writer
from lumin_core.errors import FileError
from lumin_core.files import Staged, refuse_existing

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType


class ExampleWriter(Writer):
    """Writes archives of NumPy, an array for each column.

    Args:
        path: The file.
        tree: Not for this format, which has one table without a name.
        overwrite: Whether a file of that name may be replaced.

    Example:
        >>> import pathlib, tempfile
        >>> import numpy as np
        >>> from lumin_core import build
        >>> path = pathlib.Path(tempfile.mkdtemp()) / "scores.npz"
        >>> with build("writer", "example_writer", path=path) as writer:
        ...     writer.append({"pred": np.array([0.25, 0.75])})
        >>> np.load(path)["pred"].tolist()
        [0.25, 0.75]
    """

    suffixes = (".npz",)
    example_options: ClassVar[Mapping[str, object]] = {"path": "scores.npz"}

    def __init__(self, path: str | Path, tree: str | None = None, *, overwrite: bool = False) -> None:
        self.path = Path(path)
        self.tree = tree
        self.overwrite = overwrite
        self._pieces: list[dict[str, np.ndarray]] = []

    def append(self, columns: Mapping[str, np.ndarray]) -> None:
        """Add events."""
        self._pieces.append({name: np.array(values) for name, values in columns.items()})

    def __enter__(self) -> Self:
        """Begin; an existing file is refused."""
        refuse_existing(self.path, overwrite=self.overwrite, error=FileError)
        self._pieces = []
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Write the file, unless the block raised."""
        if kind is None:
            names = self._pieces[0] if self._pieces else ()
            arrays: dict[str, Any] = {name: np.concatenate([piece[name] for piece in self._pieces]) for name in names}
            with Staged(self.path) as part, part.open("wb") as file:
                np.savez(file, **arrays)
