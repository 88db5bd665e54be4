"""A process that looks at files in our place: what it dies of, or never ends with, is an answer."""

from __future__ import annotations

import json
import queue
import signal
import subprocess
import sys
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType
    from typing import Self

START = 60.0  # seconds in which Python and its libraries are surely there
WAY_OUT = "its structure is damaged: bring back a copy, or make it anew"


class Finding(NamedTuple):
    """What is found of a file.

    Attributes:
        right: Whether all is right.
        text: What is, or what is wrong, in a sentence.
        cause: What the sentence comes from: an ``"answer"``, or a process that ``"died"`` or was
            ``"late"``.
    """

    right: bool
    text: str
    cause: str = "answer"


class Examiner:
    """Look at files in another process, which is begun anew when a file ended it.

    Args:
        timeout: Seconds without any progress, after which a file is given up.

    Example:
        >>> from pathlib import Path
        >>> from lumin_plugin_commands.examiner import Examiner
        >>> with Examiner(timeout=60) as examiner:
        ...     examiner.ask(Path("no_such.hdf5")).right
        False
    """

    def __init__(self, timeout: float) -> None:
        self.timeout = timeout
        self._child: _Child | None = None

    def ask(self, path: Path) -> Finding:
        """Look at a file."""
        if self._child is None:
            self._child = _Child()
            self._child.hear(max(self.timeout, START))
        at = "the beginning"
        try:
            self._child.tell(str(path))
            while "right" not in (said := self._child.hear(self.timeout)):
                at = said["at"]
            return Finding(said["right"], said["text"])
        except queue.Empty:
            self.close()
            return Finding(False, f"reading it came no further for {self.timeout:g} s after {at}; {WAY_OUT}", "late")
        except EOFError:
            end = self.close(grace=5)
            return Finding(False, f"reading it ended the process ({end}) after {at}; {WAY_OUT}", "died")

    def close(self, grace: float = 0.0) -> str:
        """End the process, and return how it ended."""
        child, self._child = self._child, None
        return "" if child is None else child.end(grace)

    def __enter__(self) -> Self:
        """Return the examiner."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """End the process."""
        self.close()


class _Child:
    """The process, and the lines that it has said; a thread waits for them, so that we need not."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "lumin_plugin_commands.examination"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        self._lines: queue.Queue[str] = queue.Queue()
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        for line in self._process.stdout or ():
            self._lines.put(line)
        self._lines.put("")  # the end

    def tell(self, text: str) -> None:
        """Send a line."""
        if self._process.stdin is not None:
            try:
                self._process.stdin.write(json.dumps(text) + "\n")
                self._process.stdin.flush()
            except BrokenPipeError as error:
                raise EOFError from error

    def hear(self, timeout: float) -> dict[str, Any]:
        """Wait for what it says next.

        Raises:
            queue.Empty: If it says nothing in that time.
            EOFError: If it ended.
        """
        line = self._lines.get(timeout=timeout)
        if not line:
            raise EOFError
        said: dict[str, Any] = json.loads(line)
        return said

    def end(self, grace: float = 0.0) -> str:
        """End it, after some seconds in which it may do so itself, and return how it ended."""
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout=grace)
        self._process.kill()
        code = self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with suppress(OSError):
                    pipe.close()
        return signal.Signals(-code).name if code < 0 else f"exit code {code}"
