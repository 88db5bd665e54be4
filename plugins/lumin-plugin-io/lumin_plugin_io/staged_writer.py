"""What our writers share: the file is made beside its final name, and each call brings the same."""

from __future__ import annotations

from abc import abstractmethod
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Self

from lumin_core.checks import listed
from lumin_core.data import Writer
from lumin_core.errors import ConfigError, DataError, FileError, ShapeError
from lumin_core.files import Staged, not_written, refuse_existing

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence
    from types import TracebackType

    import numpy as np

    Types = Mapping[str, tuple[np.dtype, tuple[int, ...]]]


_NOT_OURS = "which would be lost: give another name, or remove that file first"


class StagedWriter(Writer):
    """Base of writers of this plugin.

    Args:
        path: The file; its folder must be there.
        tree: Name of the table.
        overwrite: Whether a file of that name may be replaced: one that has the same columns of
            scores in the same table, and no other table.

    Raises:
        ConfigError: If there is no such folder.
        FileError: If there is such a file, or it holds something else.
    """

    def __init__(self, path: str | Path, tree: str = "", *, overwrite: bool = False) -> None:
        self.path = Path(path)
        self.tree = tree
        if not self.path.parent.is_dir():
            raise ConfigError(f"cannot write {self.path}: there is no folder {self.path.parent}; make it first")
        refuse_existing(self.path, overwrite=overwrite)
        self._before = self._tables() if self.path.exists() else {}
        if others := [name for name in self._before if name != tree]:
            raise FileError(f"{self.path} also holds {listed(others)}, {_NOT_OURS}")
        self._staged = Staged(self.path)
        self._types: dict[str, tuple[np.dtype, tuple[int, ...]]] = {}

    def append(self, columns: Mapping[str, np.ndarray]) -> None:
        """Add events.

        Args:
            columns: By name, each of shape ``(n,)`` or ``(n, K)``; the same names and dtypes in
                every call.

        Raises:
            ConfigError: If names or dtypes are others than before.
            DataError: If a column cannot be written to this format.
            ShapeError: If columns have different lengths.
        """
        lengths = {name: len(values) for name, values in columns.items()}
        if len(set(lengths.values())) > 1:
            raise ShapeError(f"the columns for {self.path} have different lengths: {lengths}")
        types = {name: (values.dtype, values.shape[1:]) for name, values in columns.items()}
        if not self._types:
            self._types = types
            self._check_before([*types])
            self._begin(types)
        elif _comparable(types) != _comparable(self._types):
            raise ConfigError(f"{self.path} was begun with the columns {_told(self._types)}, got {_told(types)}")
        with self._disk():
            self._add(columns)

    def _check_before(self, names: Sequence[str]) -> None:
        """Refuse to replace a table without the last column, a score: it is not of ours."""
        if self.tree in self._before and names[-1] not in self._before[self.tree]:
            raise FileError(f"{self.path} holds events without {names[-1]!r}, {_NOT_OURS}")

    def __enter__(self) -> Self:
        """Begin the file."""
        self._part = self._staged.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Complete the file, or discard it if the block raised."""
        if kind is not None:
            with suppress(FileError):
                self._complete()
            self._staged.__exit__(kind)
            return
        with ExitStack() as stack:
            stack.push(self._staged)  # which discards the file where a line below raises
            if not self._types:
                raise DataError(f"{self.path} is not written: it was given no columns")
            self._complete()

    def _complete(self) -> None:
        with self._disk():
            self._end()

    @contextmanager
    def _disk(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise FileError(not_written(self.path, error)) from error

    @abstractmethod
    def _tables(self) -> dict[str, Collection[str]]:
        """Return tables of the file that is there, and their columns; none if it is damaged."""

    @abstractmethod
    def _begin(self, types: Types) -> None:
        """Begin a table of such columns, in the file ``self._part``."""

    @abstractmethod
    def _add(self, columns: Mapping[str, np.ndarray]) -> None:
        """Add events to the table."""

    @abstractmethod
    def _end(self) -> None:
        """Complete the file, where it was begun."""


def _comparable(types: Types) -> dict[str, tuple[object, tuple[int, ...]]]:
    """Return types of columns without the length of the longest text of a piece."""
    return {name: ("text" if dtype.kind == "U" else dtype, shape) for name, (dtype, shape) in types.items()}


def _told(types: Types) -> str:
    return ", ".join(f"{name} ({dtype}{list(shape) or ''})" for name, (dtype, shape) in types.items())
