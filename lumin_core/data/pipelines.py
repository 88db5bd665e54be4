"""What the data of a file went through: as it was given to the yielder, else as the file says."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from lumin_core.data.transforms import as_chain, chain_from_config, chain_to_config, check_fitted, check_pipe
from lumin_core.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from lumin_core.data.fold_reader import FoldReader
    from lumin_core.data.transforms import Pipe, Steps, Transform

PARTS: tuple[str, ...] = ("inputs", "targets", "matrix")


def check_part(part: str) -> None:
    """Refuse what is no part of the data that preprocessing is of."""
    if part not in PARTS:
        raise ConfigError(f"preprocessing is of 'inputs', 'targets' or 'matrix', got {part!r}")


class Pipelines:
    """The steps of inputs, targets and matrix: what a `FoldYielder` has of them.

    They are built when they are asked for.

    Args:
        reader: Of the file, whose schema has the configurations of what is stored.
        pipes: What was given for inputs, targets and matrix; ``None`` for what the file holds.

    Example:
        See `FoldYielder`, which is one.
    """

    def __init__(self, reader: FoldReader, pipes: Iterable[Steps | None] = ()) -> None:
        self._reader = reader
        self._given: dict[str, Pipe | list[Pipe]] = {}
        for name, pipe in zip(PARTS, pipes, strict=False):
            self._give(name, pipe)

    def _give(self, name: str, pipe: Steps | None) -> None:
        self._given.pop(name, None)
        if pipe is not None:
            self._given[name] = given = check_pipe(pipe)
            check_fitted(given)

    def add_input_pipe(self, input_pipe: Steps | None) -> None:
        """Set the transforms of the continuous features, in memory; see `FoldYielder`.

        Args:
            input_pipe: ``None`` for those of the file.

        Raises:
            ConfigError: If it is not a pipeline.
        """
        self._give("inputs", input_pipe)

    def add_output_pipe(self, output_pipe: Steps | None) -> None:
        """Set the transforms of the targets, in memory; as `add_input_pipe`."""
        self._give("targets", output_pipe)

    def add_matrix_pipe(self, matrix_pipe: Steps | None) -> None:
        """Set the transforms of the flattened matrix, in memory; as `add_input_pipe`."""
        self._give("matrix", matrix_pipe)

    @property
    def preprocessing(self) -> list[Transform]:
        """Transforms that the continuous features went through: as given, else the file's.

        Raises:
            UnknownComponent: If the plugin of a stored one is not installed.
            ConfigError: If one that was given cannot be converted.
        """
        given = self._given.get("inputs")
        return chain_from_config(self.preprocessing_config) if given is None else as_chain(given)

    @property
    def preprocessing_config(self) -> list[dict[str, object]]:
        """The same as plain values, which asks for no plugin where they are stored."""
        return self.get_pipe_config("inputs")

    def get_pipe_config(self, name: str) -> list[dict[str, object]]:
        """Return the steps of ``"inputs"``, ``"targets"`` or ``"matrix"`` as plain values.

        Raises:
            ConfigError: If there is no such part, or a step that was given cannot be converted.
        """
        check_part(name)
        if name in self._given:
            return chain_to_config(self._given[name])
        return list(self._reader.schema.preprocessing.get(name, []))

    def get_pipes(self, name: str) -> list[Pipe]:
        """Return the steps to run, of ``"inputs"``, ``"targets"`` or ``"matrix"``.

        They are what was given, whether it can be stored or not, else what is stored.

        Returns:
            Objects with ``transform`` and ``inverse_transform``, in their order.

        Raises:
            UnknownComponent: If the plugin of a stored one is not installed.
        """
        given = self._given.get(name)
        if given is None:
            return [*chain_from_config(self.get_pipe_config(name))]
        return list(given) if isinstance(given, Sequence) else [given]
