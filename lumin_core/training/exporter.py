"""The base of exporters, which write models for other programs."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from lumin_core.training.network import Network, Raw


class Exporter(ABC):
    """Base of exporters (kind ``exporters``), one of which ``model.export`` takes by name.

    Attributes:
        suffix: Suffix of the files, ``".onnx"``.

    Example:
        >>> import json, pathlib, tempfile
        >>> from lumin_core import Model, ModelBuilder
        >>> from lumin_core.training import Exporter
        >>> class Names(Exporter):
        ...     '''Writes the names of the features.'''
        ...     suffix = ".json"
        ...     def write(self, models, weights, path, *, raw):
        ...         path = path.with_suffix(self.suffix)
        ...         path.write_text(json.dumps(models[0].model_builder.cont_feats))
        ...         return path
        >>> model = Model(ModelBuilder("regression", n_out=1, cont_feats=["pt", "eta"], seed=1))
        >>> path = pathlib.Path(tempfile.mkdtemp()) / "model"
        >>> Names().write([model], None, path, raw=False).read_text()
        '["pt", "eta"]'
    """

    kind: ClassVar[str] = "exporter"
    suffix: ClassVar[str]

    @abstractmethod
    def write(self, models: Sequence[Network], weights: Sequence[float] | None, path: Path, *, raw: Raw) -> Path:
        """Write models as one file, whole or not at all; the models stay as they are.

        Args:
            models: One, or several whose weighted mean is the answer.
            weights: A positive number for each model; ``None`` where all are equal.
            path: The file; the suffix is added where it is missing. An existing file is replaced.
            raw: Whether the recorded preprocessing is inside: what comes in is as inputs were
                before it, and what comes out as targets were before theirs (`output_steps`). With
                ``"inputs"`` the former alone.

        Returns:
            The path.

        Raises:
            ConfigError: If a block cannot be exported, or `raw` is asked for and cannot be.
            SavedModelError: If the file cannot be written.
        """


def problem_of(exporter: object) -> str | None:
    """Say why what a class builds cannot be an exporter, or None.

    Args:
        exporter: The class.

    Example:
        >>> from lumin_core.training import Exporter
        >>> from lumin_core.training.exporter import problem_of
        >>> problem_of(Exporter)
        "Exporter should say suffix = '.its_ending', got None"
    """
    suffix = getattr(exporter, "suffix", None)
    if isinstance(suffix, property) or (isinstance(suffix, str) and suffix.startswith(".")):
        return None
    return f"{getattr(exporter, '__name__', exporter)} should say suffix = '.its_ending', got {suffix!r}"
