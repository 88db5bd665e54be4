"""Lines on a terminal that are written again in place, above a progress bar.

The cursor goes up over them, and what is below is cleared. That is done only where nothing but they
would be lost: what was written meanwhile, by whomever, is noticed by the streams' line feeds.
"""

from __future__ import annotations

import shutil
import sys
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from tqdm import tqdm

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from types import TracebackType
    from typing import Self, TextIO

_UP = "\x1b[A"  # as tqdm goes back up to the first of several bars


class Rewritten:
    """Lines on the standard error, a terminal, which `write` replaces; a context manager.

    They begin anew below, and the old ones stay, where something else was written since, where the
    terminal has got another size, and where they do not fit it.

    Example:
        >>> from lumin_core.training import Rewritten
        >>> with Rewritten() as lines:
        ...     lines.write(["epoch 1"])
        ...     lines.write(["epoch 2"])
    """

    def __init__(self) -> None:
        self._inside = ExitStack()
        self._stream: TextIO = sys.stderr
        self._counts: list[_CountingWrite] = []
        self._n = 0
        self._state: object = None

    def __enter__(self) -> Self:
        """Begin to notice what others write."""
        self._stream = sys.stderr
        streams = [stream for stream in (sys.stderr, sys.stdout) if stream.isatty()]
        self._counts = [self._inside.enter_context(_counted(stream)) for stream in streams]
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Leave the lines as they are, and the streams to themselves."""
        self._inside.close()

    def write(self, lines: Sequence[str]) -> None:
        """Write lines in place of those before.

        Args:
            lines: The lines, none wider than `line_width`.
        """
        with tqdm.external_write_mode(file=self._stream):
            is_last = self._n and self._state == self._look()
            back = f"\r\x1b[{self._n}A\x1b[J" if is_last else ""
            self._stream.write(back + "".join(f"{line}\n" for line in lines))
            self._stream.flush()
            columns, rows = shutil.get_terminal_size()
            self._n = len(lines) if len(lines) < rows and max(map(len, lines), default=0) <= columns else 0
            self._state = self._look()

    def _look(self) -> object:
        return shutil.get_terminal_size(), [count.rows for count in self._counts]


class _CountingWrite:
    """A stream's ``write`` that counts by how many rows the cursor went down.

    A bar goes up as often as down, and does not count.
    """

    def __init__(self, write: Callable[[str], int]) -> None:
        self.write = write
        self.rows = 0
        self.users = 0

    def __call__(self, text: str) -> int:
        self.rows += text.count("\n") - text.count(_UP)
        return self.write(text)


@contextmanager
def _counted(stream: TextIO) -> Iterator[_CountingWrite]:
    """Count what is written to a stream, together with whoever does so already."""
    found = stream.write
    count = found if isinstance(found, _CountingWrite) else _CountingWrite(found)
    count.users += 1
    vars(stream)["write"] = count
    try:
        yield count
    finally:
        count.users -= 1
        if not count.users:
            del vars(stream)["write"]
