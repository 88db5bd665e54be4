"""Events in memory that are read as if they were the one fold of a file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from lumin_core.data.fold_reader import FoldReader

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np

    from lumin_core.data.schema import Schema


class HeldFold(FoldReader):
    """Reads columns that are in memory; a `FoldYielder` takes it in the place of a file.

    Args:
        schema: What the columns are.
        columns: By name, as they would be stored: ``inputs``, ``targets``, ...
        name: What they are called in messages.

    Example:
        >>> import numpy as np
        >>> from lumin_core import FoldYielder
        >>> from lumin_core.data.held_fold import HeldFold
        >>> from lumin_core.data.schema import Schema
        >>> columns = {"inputs": np.ones((2, 1), "float32"), "targets": np.empty((2, 0))}
        >>> FoldYielder(HeldFold(Schema(cont_feats=["pt"]), columns))[0]["inputs"].tolist()
        [[1.0], [1.0]]
    """

    def __init__(self, schema: Schema, columns: Mapping[str, np.ndarray], name: str = "events") -> None:
        self.path = Path(name)
        self.clip = None
        self.schema = schema
        self.sizes = {0: len(columns["inputs"])}
        self.known_columns = list(columns)
        self._checked = set()
        self._held = dict(columns)

    @property
    def columns(self) -> list[str]:
        """Columns of the fold."""
        return list(self.known_columns)

    @property
    def identity(self) -> str:
        """None: it is of no file."""
        return ""

    def has(self, column: str, idx: int) -> bool:
        """Tell whether the fold has a column."""
        return idx == 0 and column in self._held

    def close(self) -> None:
        """Do nothing: nothing is open."""

    def _stored(self, column: str, idx: int) -> np.ndarray:
        """Return a column; who takes it may change it."""
        return self._held[column].copy()
