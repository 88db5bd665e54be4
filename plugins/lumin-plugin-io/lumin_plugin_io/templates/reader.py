"""A reader: one table of events in one file, piece by piece."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from lumin_core.checks import did_you_mean
from lumin_core.data import Reader
from lumin_core.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from lumin_core.data import Column


class ExampleReader(Reader):
    """Reads archives of NumPy, an array for each column.

    Args:
        path: The file.
        tree: Not for this format, which has one table without a name.

    Example:
        >>> import pathlib, tempfile
        >>> import numpy as np
        >>> from lumin_core import build
        >>> path = pathlib.Path(tempfile.mkdtemp()) / "events.npz"
        >>> np.savez(path, pt=np.array([30.0, 50.0, 40.0]))
        >>> with build("reader", "example_reader", path=path) as table:
        ...     pieces = [piece["pt"].tolist() for piece in table.chunks(["pt"], step=2)]
        >>> pieces
        [[30.0, 50.0], [40.0]]
    """

    suffixes = (".npz",)
    example_options: ClassVar[Mapping[str, object]] = {"path": "events.npz"}

    def __init__(self, path: str | Path, tree: str | None = None) -> None:
        super().__init__(path, tree)
        self._opened: Any = None

    def columns(self) -> dict[str, str]:
        """Return the columns by name, each with its type."""
        return {name: str(self._arrays[name].dtype) for name in self._arrays.files}

    def count(self) -> int:
        """Return the number of events."""
        return len(self._arrays[self._arrays.files[0]]) if self._arrays.files else 0

    def chunks(
        self, columns: Sequence[str], step: int, start: int = 0, stop: int | None = None
    ) -> Iterator[dict[str, Column]]:
        """Read columns piece by piece.

        Raises:
            ConfigError: If there is no such column.
        """
        for name in columns:
            if name not in self._arrays.files:
                hint = did_you_mean(name, self._arrays.files)
                raise ConfigError(f"{self.path} has no column {name!r}{hint}")
        arrays = {name: self._arrays[name] for name in columns}
        stop = self.count() if stop is None else min(stop, self.count())
        for first in range(start, stop, step):
            yield {name: array[first : min(first + step, stop)] for name, array in arrays.items()}

    def close(self) -> None:
        """Close the file."""
        if self._opened is not None:
            self._opened.close()

    @property
    def _arrays(self) -> Any:
        """The archive, which reads an array when it is asked for."""
        if not self.path.is_file():
            raise ConfigError(f"there is no file {self.path}")
        if self._opened is None:
            self._opened = np.load(self.path)
        return self._opened
