"""The files of a sample: patterns to inputs, and whether the columns of inputs agree."""

from __future__ import annotations

import glob
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

import attrs

from lumin_core.checks import listed
from lumin_core.errors import ConfigError, DataError
from lumin_core.looks import nearby
from lumin_plugin_io.friends import MEMORY, joined
from lumin_plugin_io.opening import open_reader

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from lumin_core.data import Reader
    from lumin_plugin_io.description import Friends, Sample

    _Named = tuple[str, Mapping[str, str]]

_LISTED = 8


@attrs.frozen(kw_only=True)
class Input:
    r"""A table of events in a file.

    Attributes:
        path: The file, or a url.
        tree: Its table; ``None`` for the only one.
        name: Of the file, relative to the recipe.
        friends: Files whose columns stand beside its own.
        shown: The file as messages name it: by default its name.

    Example:
        >>> import pathlib, tempfile
        >>> from lumin_plugin_io import Input
        >>> path = pathlib.Path(tempfile.mkdtemp()) / "events.csv"
        >>> _ = path.write_text("pt,n_jets\n30.5,2\n50.0,3\n")
        >>> with Input(path=str(path), name="events.csv").open() as events:
        ...     print([chunk["n_jets"] for chunk in events.chunks(["n_jets"], step=10)])
        [array([2, 3])]
    """

    path: str
    tree: str | None = None
    name: str
    friends: tuple[Friends, ...] = ()
    shown: str = attrs.field(default=attrs.Factory(lambda self: self.name, takes_self=True), eq=False)

    def place(self, reader: Reader) -> str:
        """Return what to call it in messages: file and tree.

        Args:
            reader: What `open` returned, which knows the only tree.
        """
        return f"{self.shown}, tree {reader.tree}" if reader.tree else self.shown

    def open(self, memory: int = MEMORY) -> Reader:
        """Return a reader of it, with friends; close it, or use it in a ``with`` block.

        Args:
            memory: Bytes that friends by key may take.
        """
        return joined(open_reader(self.path, self.tree), self.friends, memory)


def find_inputs(sample: Sample, tree: Sequence[str], folder: Path) -> list[Input]:
    """List the tables of a sample.

    Args:
        sample: Its files are paths, patterns (``*``, ``?``, ``[...]``, ``**`` for any folders), or
            urls.
        tree: Tables that are read where the sample names none; empty for the only one.
        folder: What paths are relative to.

    Returns:
        In the order in which they are listed, files of a pattern in natural order, ``a_2.root``
        before ``a_10.root``; a file that is named twice is there once.

    Raises:
        ConfigError: If a file is not there, or nothing matches a pattern.

    Example:
        >>> import pathlib, tempfile
        >>> from lumin_plugin_io import Sample, find_inputs
        >>> folder = pathlib.Path(tempfile.mkdtemp())
        >>> for name in ("a_10.root", "a_2.root", "b.root"):
        ...     (folder / name).touch()
        >>> [found.name for found in find_inputs(Sample(name="a", files=("a_*.root",)), (), folder)]
        ['a_2.root', 'a_10.root']
    """
    files = find_files(sample.files, folder, f"the sample {sample.name!r}")
    trees: Sequence[str | None] = sample.tree or tree or (None,)
    tables = [(path, name) for path in files for name in trees]
    friends = [_of_tables(each, tables, folder, sample.name) for each in sample.friends]
    return [
        Input(
            path=path,
            tree=name,
            name=_relative(path, folder),
            friends=tuple(each[number] for each in friends),
            shown=_as_written(path, folder),
        )
        for number, (path, name) in enumerate(tables)
    ]


def _of_tables(friends: Friends, tables: Sequence[object], folder: Path, sample: str) -> list[Friends]:
    """Return the friends of each table: all files where keys join, else one file."""
    files = find_files(friends.files, folder, f"the friends of the sample {sample!r}")
    if friends.by:
        return [attrs.evolve(friends, files=tuple(files))] * len(tables)
    if len(files) != len(tables):
        raise ConfigError(
            f"the sample {sample!r} has {len(tables)} tables, its friends have {len(files)} files: entry by entry, "
            "each needs one; or say by which columns they belong together, by = ['run', 'event']"
        )
    return [attrs.evolve(friends, files=(file,)) for file in files]


def find_files(patterns: Iterable[str], folder: Path, whose: str) -> list[str]:
    """List the files that paths and patterns mean.

    Args:
        patterns: Paths, patterns or urls.
        folder: What they are relative to.
        whose: What the files belong to, for messages.

    Raises:
        ConfigError: If a file is not there, or nothing matches a pattern.
    """
    return list(dict.fromkeys(path for pattern in patterns for path in _matching(pattern, folder, whose)))


def _matching(pattern: str, folder: Path, whose: str) -> list[str]:
    path = folder / pattern
    if "://" in pattern:
        return [pattern]
    if path.is_dir():
        raise ConfigError(f"{path}, of {whose}, is a folder; give its files, {str(Path(pattern) / '*.root')!r}")
    if path.exists():
        return [str(path)]
    if not glob.has_magic(pattern):
        raise ConfigError(f"there is no file {path}, of {whose}{nearby(path)}")
    names = glob.iglob(pattern, root_dir=folder, recursive=True)  # noqa: PTH207  (Path's refuses absolute ones)
    found = [name for name in names if (folder / name).is_file()]
    if not found:
        raise ConfigError(f"no file matches the pattern {pattern!r} of {whose} in {folder}; {_there(path.parent)}")
    return [str(folder / name) for name in sorted(found, key=_natural)]


def _there(folder: Path) -> str:
    if not folder.is_dir():
        return f"there is no folder {folder}"
    names = sorted((path.name for path in folder.iterdir() if not path.name.startswith(".")), key=_natural)
    return f"{folder} has {listed(names, _LISTED) or 'no files'}"


def _natural(name: str) -> tuple[list[tuple[str, int]], str]:
    """Return a key by which names are sorted with their numbers as numbers."""
    return [(text, int(number or 0)) for text, number in re.findall(r"(\D*)(\d*)", name)], name


def _relative(path: str, folder: Path) -> str:
    return path if "://" in path else Path(os.path.relpath(path, folder)).as_posix()


def _as_written(path: str, folder: Path) -> str:
    """Return a path as the recipe has it: whole where it does not begin in the recipe's folder."""
    return _relative(path, folder) if Path(path).is_relative_to(folder) else path


def check_alike(
    first: tuple[str, Mapping[str, str]], other: tuple[str, Mapping[str, str]], names: Iterable[str]
) -> None:
    """Refuse two tables that are to be read as one, but disagree.

    Numbers of different types go together; numbers and text do not, nor do columns of which one
    has several values per event.

    Args:
        first: Name of a table, and the types of its columns.
        other: The same of another.
        names: The columns that are read; both tables have them.

    Raises:
        DataError: Naming both.

    Example:
        >>> from lumin_plugin_io.inputs import check_alike
        >>> check_alike(("a.csv", {"n": "int64"}), ("b.csv", {"n": "text"}), ["n"])
        Traceback (most recent call last):
        ...
        lumin_core.errors.DataError: the column 'n' is int64 in a.csv and text in b.csv; ...
    """
    for name in names:
        one, another = first[1][name], other[1][name]
        if _sort(one) != _sort(another):
            raise DataError(
                f"the column {name!r} is {one} in {first[0]} and {another} in {other[0]}; make two samples of these "
                "files, or write one of them anew"
            )


def _sort(type_: str) -> tuple[bool, str]:
    """Return whether a type is text, and its axes."""
    return type_.startswith("text"), "".join(re.findall(r"\[\d*\]", type_))
