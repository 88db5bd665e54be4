"""Progress: bars, and lines above them, on a terminal and in notebooks.

On a terminal, and in logs, both go to the standard error. A notebook sends what is written to the
two standard streams one after the other: there, lines and bars go to where `print` writes, so that
all is read in the order in which it was said.
"""

from __future__ import annotations

import sys
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from tqdm import tqdm

from lumin_core.display import width

if TYPE_CHECKING:
    from typing import TextIO


def say(line: str) -> None:
    """Write a line, above a progress bar where there is one.

    Args:
        line: The line, or several.

    Example:
        >>> from lumin_core.training import say
        >>> say("model 1: loss 0.41")  # to the standard error
    """
    tqdm.write(line, file=_stream())


def line_width() -> int:
    """Return how many columns a line may have that is said; see `lumin_core.display.width`.

    Example:
        >>> from lumin_core.training import line_width
        >>> 40 <= line_width() <= 100
        True
    """
    return width(_stream())


def progress_bar(*, total: int, desc: str, unit: str, visible: bool = True) -> Any:
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
    if not visible:
        return tqdm(total=total, disable=True)
    options: dict[str, Any] = {"total": total, "desc": desc, "unit": unit, "leave": False}
    if not _is_notebook():
        return tqdm(**options, disable=not sys.stderr.isatty())
    if find_spec("ipywidgets") is None:  # a bar of text
        return tqdm(**options, file=sys.stdout)
    from tqdm.notebook import tqdm as notebook_bar

    return notebook_bar(**options)


def _stream() -> TextIO:
    return sys.stdout if _is_notebook() else sys.stderr


def _is_notebook() -> bool:
    """Tell whether a notebook shows what is printed: its kernel put a stream of its own there."""
    return type(sys.stdout).__module__.startswith("ipykernel")
