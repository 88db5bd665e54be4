"""The inputs of a recipe, and what tells them from others of the same names."""

from __future__ import annotations

import hashlib
import json
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs

from lumin_plugin_io.event_maker import EventMaker
from lumin_plugin_io.inputs import check_alike, find_files, find_inputs

if TYPE_CHECKING:
    from collections.abc import Iterable

    from lumin_plugin_io.description import Sample
    from lumin_plugin_io.inputs import Input
    from lumin_plugin_io.plan import Plan


@attrs.frozen(kw_only=True)
class Source:
    """A table of events, and whose it is.

    Attributes:
        sample: Its sample.
        input: The table.
        files: Paths of all files that are read for it.
    """

    sample: Sample
    input: Input
    files: tuple[str, ...]

    @property
    def entry(self) -> dict[str, Any]:
        """What a fold file says of it."""
        return {"name": self.input.name, "sample": self.sample.name, "tree": self.input.tree}


def sources_of(recipe: Plan) -> list[Source]:
    """List the inputs of a recipe, in their order.

    Args:
        recipe: What is wanted.

    Raises:
        ConfigError: If a file is not there.
    """
    found = []
    for sample in recipe.samples:
        patterns = [pattern for friends in sample.friends for pattern in friends.files]
        friends = find_files(patterns, recipe.folder, f"the friends of the sample {sample.name!r}")
        for each in find_inputs(sample, recipe.tree, recipe.folder):
            found.append(Source(sample=sample, input=each, files=(each.path, *friends)))
    return found


def check_sources(recipe: Plan, sources: Iterable[Source]) -> None:
    """Refuse inputs that cannot be read, lack columns, or disagree with the first of their sample.

    That takes a moment a file, and spares hours after which the last one turns out to be another.

    Args:
        recipe: What is wanted.
        sources: Its inputs.

    Raises:
        ConfigError: If a tree or a column is not there.
        DataError: If a file is damaged, or two disagree; both are named.
    """
    first: dict[str, tuple[str, dict[str, str]]] = {}
    for source in sources:
        with source.input.open() as reader:
            place = source.input.place(reader)
            maker = EventMaker(recipe, source.sample, where=place)
            types = maker.types(reader)
        check_alike(first.setdefault(source.sample.name, (place, types)), (place, types), maker.branches)


def key_of(recipe: Plan, sources: list[Source], *, verify: bool = False, identities: bool = False) -> str:
    """Return what tells a conversion from others: 32 hexadecimal digits.

    Args:
        recipe: What is wanted.
        sources: Its inputs.
        verify: Whether files are told by their content, rather than by size and time.
        identities: Whether inputs are opened and asked for what tells them from others.
    """
    content = {
        "version": version("lumin-plugin-io"),
        "recipe": recipe.normal_form(),
        "sources": [[source.entry, _identity(source.input) if identities else ""] for source in sources],
        "files": [_stamp(path, verify=verify) for source in sources for path in source.files],
    }
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:32]


def _identity(source: Input) -> str:
    with source.open() as reader:
        return reader.identity()


def _stamp(path: str, *, verify: bool) -> object:
    """Return name, size and time of a file, or a hash of its content; of a url the name alone."""
    if "://" in path:
        return path
    if not verify:
        status = Path(path).stat()
        return [path, status.st_size, status.st_mtime_ns]
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "blake2b").hexdigest()
