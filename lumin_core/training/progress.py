"""Progress: bars, and lines above them, on a terminal and in notebooks.

On a terminal both go to the standard error. A notebook shows what is written to the two standard
streams in pieces, whose order is not that in which they were written: there, lines go to where
`print` writes, and a bar has an output area of its own, which needs no widgets and is empty when
the bar is done, also in the notebook that is saved.
"""

from __future__ import annotations

import io
import os
import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any, Literal

from tqdm import tqdm

from lumin_core.display import folded, width

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import TextIO

Outlet = Literal["notebook", "terminal", "lines"]
"""Where it is shown how a training goes: a terminal moves its cursor, into a pipe go lines."""


def say(line: str) -> None:
    """Write a line, above a progress bar where there is one.

    Args:
        line: The line, or several.

    Example:
        >>> from lumin_core.training import say
        >>> say("model 1: loss 0.41")  # to the standard error
    """
    tqdm.write(line, file=_stream())


def announce(line: str) -> None:
    """Write to the standard error what is begun, as bars only where there is a terminal.

    Args:
        line: What is begun.

    Example:
        >>> from lumin_core.training import announce
        >>> announce("reading the model run/ensemble.safetensors")  # in a pipe: nothing
    """
    if sys.stderr is not None and sys.stderr.isatty():
        tqdm.write(folded(line, sys.stderr), file=sys.stderr)


def line_width() -> int:
    """Return how many columns a line may have that is said; see `lumin_core.display.width`.

    Example:
        >>> from lumin_core.training import line_width
        >>> 40 <= line_width() <= 100
        True
    """
    return width(_stream())


def outlet() -> Outlet:
    """Return where it is shown how a training goes.

    Example:
        >>> from lumin_core.training import outlet
        >>> outlet() in ("notebook", "terminal", "lines")
        True
    """
    if _is_notebook():
        return "notebook"
    can_go_back = os.name == "posix" and os.environ.get("TERM", "dumb") != "dumb"
    return "terminal" if can_go_back and sys.stderr.isatty() else "lines"


def progress_bar(*, total: int, desc: str, unit: str, visible: bool = True) -> tqdm[Any]:
    """Make a progress bar, which is silent where there is neither a terminal nor a notebook.

    Args:
        total: Number of steps.
        desc: What is going on.
        unit: What a step is.
        visible: Whether it is wanted.

    Returns:
        A ``tqdm`` bar, to be used as a context manager.

    Example:
        >>> from lumin_core.training.progress import progress_bar
        >>> with progress_bar(total=2, desc="Training", unit="fold", visible=False) as bar:
        ...     _ = bar.update()
    """
    is_notebook = _is_notebook()
    if not visible or not (is_notebook or sys.stderr.isatty()):
        return tqdm(total=total, disable=True)
    where: dict[str, Any] = {"file": _BarArea(), "ncols": width(), "ascii": False} if is_notebook else {}
    return tqdm(total=total, desc=desc, unit=unit, leave=False, **where)


def _stream() -> TextIO:
    return sys.stdout if _is_notebook() else sys.stderr


def _is_notebook() -> bool:
    """Tell whether a notebook shows what is printed: its kernel put a stream of its own there."""
    return type(sys.stdout).__module__.startswith("ipykernel")


class OutputArea:
    """An output area of a notebook, whose content can be replaced; the last one is saved with it.

    Example:
        >>> from lumin_core.training import OutputArea
        >>> def show(picture):  # of PNG, as base64
        ...     area = OutputArea()
        ...     area.show({"text/plain": "epoch 3", "image/png": picture})
    """

    def __init__(self) -> None:
        self._handle = import_module("IPython.display").display({"text/plain": ""}, raw=True, display_id=True)

    def show(self, content: Mapping[str, str]) -> None:
        """Show something in place of what was there.

        Args:
            content: The same thing in one or several forms, by their MIME types.
        """
        self._handle.update(dict(content), raw=True)


class _BarArea(io.StringIO):
    """An output area that shows the line that was written last."""

    def __init__(self) -> None:
        super().__init__()
        self._area = OutputArea()

    def write(self, text: str) -> int:
        if line := text.strip("\r\n"):
            self._area.show({"text/plain": line.rstrip()})
        return len(text)
