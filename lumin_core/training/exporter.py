"""The base of exporters, which write models for other programs."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from lumin_core.training.model import Model


class Exporter(ABC):
    """Base of exporters (kind ``exporters``).

    Attributes:
        suffix: Suffix of the files, ``".onnx"``.
    """

    kind: ClassVar[str] = "exporter"
    suffix: ClassVar[str]

    @abstractmethod
    def write(self, models: Sequence[Model], weights: Sequence[float] | None, path: Path, *, raw: bool) -> Path:
        """Write models as one file, whole or not at all; the models stay as they are."""
