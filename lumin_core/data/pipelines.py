"""What the data of a file went through: as it was given to the yielder, else as the file says."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from lumin_core.data.transforms import as_chain, chain_from_config, chain_to_config, check_pipe
from lumin_core.errors import ConfigError

if TYPE_CHECKING:
    from lumin_core.data.fold_reader import FoldReader
    from lumin_core.data.transforms import Pipe, Steps, Transform

PARTS = ("inputs", "targets", "matrix")


def check_part(part: str) -> None:
    """Refuse what is no part of the data that preprocessing is of."""
    if part not in PARTS:
        raise ConfigError(f"preprocessing is of 'inputs', 'targets' or 'matrix', got {part!r}")


class Pipelines:
    """The steps of inputs, targets and matrix, built when they are asked for.

    Args:
        reader: Of the file, whose schema has the configurations of what is stored.

    Example:
        See `FoldYielder.get_pipes`.
    """

    def __init__(self, reader: FoldReader) -> None:
        self._reader = reader
        self._given: dict[str, Pipe | list[Pipe]] = {}

    def give(self, part: str, pipe: Steps | None) -> None:
        """Set the steps of a part, in memory; ``None`` for those of the file.

        Raises:
            ConfigError: If it is not a pipeline.
        """
        self._given.pop(part, None)
        if pipe is not None:
            self._given[part] = check_pipe(pipe)

    def config(self, part: str) -> list[dict[str, object]]:
        """Return the steps of a part as plain values; no plugin is needed where they are stored.

        Raises:
            ConfigError: If there is no such part, or a step that was given cannot be converted.
        """
        check_part(part)
        if part in self._given:
            return chain_to_config(self._given[part])
        return list(self._reader.schema.preprocessing.get(part, []))

    def chain(self, part: str) -> list[Transform]:
        """Return the steps of a part as transforms.

        Raises:
            UnknownComponent: If the plugin of a stored one is not installed.
            ConfigError: If one that was given cannot be converted.
        """
        return as_chain(self._given[part]) if part in self._given else chain_from_config(self.config(part))

    def steps(self, part: str) -> list[Pipe]:
        """Return the steps of a part to run, whether they can be stored or not.

        Raises:
            UnknownComponent: If the plugin of a stored one is not installed.
        """
        given = self._given.get(part)
        if given is None:
            return list(self.chain(part))
        return list(given) if isinstance(given, Sequence) else [given]
