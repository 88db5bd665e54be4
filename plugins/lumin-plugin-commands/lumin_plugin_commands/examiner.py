"""A process that looks at files in our place: what it dies of, or never ends with, is an answer."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
from contextlib import contextmanager
from types import ModuleType
from typing import TYPE_CHECKING, NamedTuple

from lumin_core.errors import LuminError
from lumin_plugin_commands.examination import examine

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from multiprocessing.connection import Connection
    from pathlib import Path
    from typing import Self

    from lumin_core.display import Row

    Report = Callable[[str], None]
    Look = Callable[[Path, Report], tuple[str, Sequence[Row]]]
    Said = tuple[bool, str, str, Sequence[Row]]

START = 300.0  # seconds in which Python and its libraries are there, on a busy machine too
WAY_OUT = "its structure is damaged: bring back a copy, or make it anew"


class Finding(NamedTuple):
    """What is found of a file.

    Attributes:
        right: Whether all is right.
        text: What is, or what is wrong, in a sentence.
        cause: What the sentence comes from: an ``"answer"``, or a process that ``"died"`` or was
            ``"late"``.
        rows: What is in the file, if all is right.
    """

    right: bool
    text: str
    cause: str = "answer"
    rows: Sequence[Row] = ()


class Examiner:
    """Look at files in another process, which is begun anew when a file ended it.

    Args:
        timeout: Seconds without any progress, after which a file is given up.
        look: Function of a module that looks at a file, reports on its way, and returns what is
            right, in a sentence and in rows, or raises a `LuminError`.

    Example:
        >>> from pathlib import Path
        >>> from lumin_plugin_commands.examiner import Examiner
        >>> with Examiner(timeout=60) as examiner:
        ...     examiner.ask(Path("no_such.hdf5")).right
        False
    """

    def __init__(self, timeout: float, look: Look = examine) -> None:
        self.timeout = timeout
        self._look = look
        self._child: _Child | None = None

    def ask(self, path: Path) -> Finding:
        """Look at a file.

        Raises:
            LuminError: If no process can be begun.
        """
        if self._child is None:
            self._child = _Child(self._look)
        at = "the beginning"
        try:
            self._child.connection.send(path)
            while isinstance(said := self._child.hear(self.timeout), str):
                at = said
            return Finding(*said)
        except TimeoutError:
            self.close()
            return Finding(False, f"reading it came no further for {self.timeout:g} s after {at}; {WAY_OUT}", "late")
        except (EOFError, OSError):  # the other end of the pipe is gone
            end = self.close(grace=5)
            return Finding(False, f"reading it ended the process ({end}) after {at}; {WAY_OUT}", "died")

    def close(self, grace: float = 0.0) -> str:
        """End the process, after some seconds in which it may end itself, and say how it ended."""
        child, self._child = self._child, None
        return "" if child is None else child.end(grace)

    def __enter__(self) -> Self:
        """Return the examiner."""
        return self

    def __exit__(self, *error: object) -> None:
        """End the process."""
        self.close()


class _Child:
    """The process, and our end of the pipe to it."""

    def __init__(self, look: Look) -> None:
        context = multiprocessing.get_context("spawn")
        self.connection, other = context.Pipe()
        self._process = context.Process(target=_answer, args=(other, look), daemon=True)
        with _without_main():
            self._process.start()
        other.close()
        try:
            self.hear(START)
        except (EOFError, OSError) as error:
            raise LuminError(
                f"the process that looks at files did not begin ({self.end()}); call lumin check from a shell"
            ) from error

    def hear(self, timeout: float) -> str | Said:
        """Wait for what it says next: where it is, or its answer.

        Raises:
            TimeoutError: If it says nothing in that time.
            EOFError: If it ended.
        """
        if not self.connection.poll(timeout):
            raise TimeoutError
        said: str | Said = self.connection.recv()
        return said

    def end(self, grace: float = 0.0) -> str:
        """End it, and say how it ended."""
        self._process.join(grace)
        self._process.kill()
        self._process.join()
        self.connection.close()
        code = self._process.exitcode or 0
        return signal.Signals(-code).name if code < 0 else f"exit code {code}"


@contextmanager
def _without_main() -> Iterator[None]:
    """Keep a process from running the caller's script again, of which it needs nothing."""
    main = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main


def _answer(connection: Connection, look: Look) -> None:
    """Look at the files that are sent, in the process, until there are no more."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for who asks
    connection.send("the beginning")
    while True:
        try:
            path = connection.recv()
        except EOFError:
            return
        answer: Said
        try:
            text, rows = look(path, connection.send)
            answer = True, text, "answer", rows
        except LuminError as error:
            text = str(error).removeprefix(f"{os.path.realpath(path)}: ").removeprefix(f"{path}: ")
            answer = False, text, "answer", ()
        connection.send(answer)
