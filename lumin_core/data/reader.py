"""The bases of readers and writers: tables of events in files of other programs.

A column is one array of one entry per event: of numbers, Booleans or text. What has another number
of objects in each event is *jagged*, and comes as an array of `awkward <https://awkward-array.org>`_.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Protocol, Self, cast

from lumin_core import registry
from lumin_core.errors import ConfigError
from lumin_core.looks import look_at

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from types import TracebackType

    import numpy as np

READERS = {
    "root": "io/root_reader",
    "parquet": "io/parquet_reader",
    "csv": "io/csv_reader",
    "csv_gz": "io/csv_reader",
}
"""What reads a file by its look, see `lumin_core.looks`; nothing that is installed replaces it."""
_WRITERS = {".root": "io/root_writer", ".parquet": "io/parquet_writer"}  # which nothing else that is installed replaces


class Column(Protocol):
    """One entry per event: a numpy array, masked where values are missing, or an awkward array."""

    def __len__(self) -> int:
        """Number of events."""


class Reader(ABC):
    """Base of readers (kind ``readers``): one table of events in one file, read in pieces.

    Args:
        path: The file.
        tree: Which of its tables, where a file may hold several; by default the only one.

    Attributes:
        suffixes: Endings of the files that it reads, ``(".root",)``.

    Example:
        >>> import numpy as np, pathlib, tempfile
        >>> from lumin_core.data import Reader
        >>> class NpzReader(Reader):
        ...     '''Reads NumPy's archives.'''
        ...     suffixes = (".npz",)
        ...     def columns(self):
        ...         return {name: str(array.dtype) for name, array in np.load(self.path).items()}
        ...     def count(self):
        ...         return len(next(iter(np.load(self.path).values())))
        ...     def chunks(self, columns, step, start=0, stop=None):
        ...         data, stop = np.load(self.path), self.count() if stop is None else stop
        ...         for first in range(start, stop, step):
        ...             piece = slice(first, min(first + step, stop))
        ...             yield {name: data[name][piece] for name in columns}
        >>> path = pathlib.Path(tempfile.mkdtemp()) / "events.npz"
        >>> np.savez(path, pt=np.array([30.0, 50.0, 40.0]))
        >>> [chunk["pt"].tolist() for chunk in NpzReader(path).chunks(["pt"], step=2)]
        [[30.0, 50.0], [40.0]]
    """

    kind: ClassVar[str] = "reader"
    suffixes: ClassVar[tuple[str, ...]] = ()

    def __init__(self, path: str | Path, tree: str | None = None) -> None:
        self.path = Path(path)
        self.tree = tree

    @classmethod
    def tables(cls, path: str | Path) -> list[str | None]:
        """Return the names of a file's tables, ``[None]`` if it is a table itself.

        Args:
            path: The file.

        Raises:
            ConfigError: If it is not there, or not a file of this sort.
            DataError: If it is damaged.
        """
        return [None]

    @abstractmethod
    def columns(self) -> dict[str, str]:
        """Return the columns by name, each with the type of its values, ``"float32[]"`` if jagged.

        What cannot be read has a type that says what it is, and is refused when it is asked for.
        """

    def types(self, columns: Iterable[str]) -> dict[str, str]:
        """Return the types of some columns, without those that are not there.

        A reader overrides it where it takes long to look at all columns, of which a file may have
        thousands.

        Args:
            columns: Their names.
        """
        known = self.columns()
        return {name: known[name] for name in columns if name in known}

    @abstractmethod
    def count(self) -> int:
        """Return the number of events."""

    @abstractmethod
    def chunks(
        self, columns: Sequence[str], step: int, start: int = 0, stop: int | None = None
    ) -> Iterator[dict[str, Column]]:
        """Read columns piece by piece.

        Args:
            columns: Their names.
            step: Events in a piece; the last may have fewer.
            start: The first event.
            stop: The one after the last; by default all are read.

        Yields:
            The columns of a piece by name.

        Raises:
            ConfigError: If there is no such column; with file, tree and did-you-mean.
            DataError: If one cannot be read; with file, tree and column.
        """

    def largest_piece(self, columns: Sequence[str]) -> int:
        """Return the largest number of bytes that can only be read as a whole, ``0`` if unknown.

        Args:
            columns: Columns that are read together.
        """
        return 0

    def identity(self) -> str:
        """Return what tells this table from another one of the same name, or ``""``."""
        return ""

    def close(self) -> None:  # noqa: B027  (some have nothing open)
        """Close the file."""

    def __enter__(self) -> Self:
        """Return the reader."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close the file."""
        self.close()


class Writer(ABC):
    """Base of writers (kind ``writers``): one table in a new file, written in pieces.

    The file appears under its name at the end of the ``with`` block, and not at all if that raises.

    Args:
        path: The file; its folder must be there.
        tree: Name of the table, where files may hold several.
        overwrite: Whether a file of that name may be replaced.

    Attributes:
        suffixes: Endings of the files that it writes.
        takes_text: Whether columns may be text.

    Example:
        >>> from lumin_core.data import Writer
        >>> Writer.kind
        'writer'
    """

    kind: ClassVar[str] = "writer"
    suffixes: ClassVar[tuple[str, ...]] = ()
    takes_text: ClassVar[bool] = True

    @abstractmethod
    def append(self, columns: Mapping[str, np.ndarray]) -> None:
        """Add events.

        Args:
            columns: By name, each of shape ``(n,)`` or ``(n, K)``; the same names and dtypes in
                every call.
        """

    @abstractmethod
    def __enter__(self) -> Self:
        """Begin the file."""

    @abstractmethod
    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Complete the file, or discard it if the block raised."""


def open_tables(path: str | Path) -> Iterator[Reader]:
    """Open all tables of a file, one after the other, by its look; each is closed before the next.

    Args:
        path: The file.

    Yields:
        A reader of each.

    Raises:
        UnknownComponent: If what reads such files is not installed; with what to install.
        BrokenPlugin: If a package is missing that it needs.
        ConfigError: If nothing reads such files.
        DataError: If it is damaged.

    Example:
        >>> from lumin_core.data import open_tables
        >>> [(table.tree, table.count()) for table in open_tables("events.root")]
        Traceback (most recent call last):
        ...
        lumin_core.errors.ConfigError: events.root has no tables that can be read: it is not...
    """
    look = look_at(Path(path))
    if look.kind not in READERS:
        raise ConfigError(f"{path} has no tables that can be read: it is {look.told(path)}")
    name = READERS[look.kind]
    reader = registry.find("reader", name).load()
    for tree in reader.tables(path):
        with registry.build("reader", name, path=path, tree=tree) as table:
            yield table


def writer_of(path: str | Path, **given: object) -> Writer:
    """Build what writes a file, by the ending of its name.

    Args:
        path: The file.
        **given: Arguments of a `Writer`; those that one does not take are left out.

    Raises:
        UnknownComponent: If its plugin is not installed, with what to install.
        ConfigError: If nothing writes such files.

    Example:
        >>> from lumin_core.data import writer_of
        >>> writer_of("scores.txt")
        Traceback (most recent call last):
        ...
        lumin_core.errors.ConfigError: nothing writes scores.txt: give a name that ends in .root...
    """
    suffix = Path(path).suffix.lower()
    others = (used for used in registry.components("writer") if used.qualified not in _WRITERS.values())
    name = _WRITERS.get(suffix) or next((used.qualified for used in others if suffix in used.load().suffixes), None)
    if name is None:
        raise ConfigError(f"nothing writes {path}: give a name that ends in {' or '.join(_WRITERS)}")
    return cast("Writer", registry.build("writer", name, path=path, **given))
