"""A table of a run file: its keys are the arguments of the constructor."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lumin_core.files import write_text
from lumin_plugin_commands import RunTable

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from lumin_core import Results


class ExampleRunTable(RunTable):
    """Writes a note into the folder of the run when all models are trained.

    Args:
        text: What it says.
        file: Its name.

    Example:
        >>> from lumin_core import build
        >>> build("run_table", {"name": "example_run_table", "text": "new cuts"}).text
        'new cuts'
    """

    def __init__(self, text: str = "", file: str = "note.txt") -> None:
        self.text = text
        self.file = file

    def arguments(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Give nothing to the training."""
        return {}

    def finish(self, results: Results, folder: Path) -> None:
        """Write the note."""
        write_text(folder / self.file, f"{len(results)} models. {self.text}\n")
