"""Looking at components in processes of their own, so that whatever an import does reaches nobody.

::

    caller, who imports torch ──┬── a process for each distribution, some side by side
                                └── ...

Torch is imported once for all. A process that ends, or does not come back in time, has a problem of
the component that it looked at; another goes on with the rest of the distribution.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import sys
import time
import warnings
from dataclasses import dataclass, field
from itertools import groupby
from multiprocessing.connection import wait
from operator import attrgetter
from signal import Signals
from typing import TYPE_CHECKING

from lumin_core import lazy
from lumin_core.errors import LuminError
from lumin_core.registry.kind_table import CORE_KINDS
from lumin_core.registry.traces import report
from lumin_core.registry.validation import check

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from multiprocessing.connection import Connection
    from multiprocessing.process import BaseProcess

    from lumin_core.registry.component import Component

LIMIT = 60.0
"""Seconds that importing a component may take."""

_TICK = 0.1  # seconds between two looks at whether a process is still there
_FORKS = sys.platform == "linux"  # elsewhere the system's libraries may not survive it


def check_apart(components: Sequence[Component], limit: float = LIMIT) -> list[str | None]:
    """Check components as `check` does, each distribution in a process of its own.

    What importing them does beside is a problem, too: ending the process, output, a change of what
    all share (number of threads, default types, random states, filters of warnings, signals).

    Args:
        components: What to check. Those of the session are looked at here.
        limit: Seconds that importing one may take.

    Returns:
        For each what is wrong, or ``None``.

    Example:
        >>> from lumin_core.registry import find
        >>> from lumin_core.registry.inspection import check_apart
        >>> check_apart([find("optimiser", "adam")])
        [None]
    """
    found = {c: check(c) for c in components if c.problem is not None or c.obj is not None}
    if left := [component for component in components if component not in found]:
        found |= _ask(left, limit)
    return [found[component] for component in components]


def _ask(components: Iterable[Component], limit: float) -> dict[Component, str | None]:
    """Look at all components, some distributions side by side."""
    warm_up()
    distribution = attrgetter("distribution")
    waiting = [_Look(limit, list(left)) for _, left in groupby(sorted(components, key=distribution), distribution)]
    running: list[_Look] = []
    found: dict[Component, str | None] = {}
    try:
        while waiting or running:
            while waiting and len(running) < max(2, os.cpu_count() or 1):
                running.append(waiting.pop(0))
                running[-1].start()
            wait([look.receiver for look in running], _TICK)
            for look in list(running):
                found.update(look.go_on())
                if not look.left:
                    look.end()
                    running.remove(look)
    finally:
        for look in running:
            look.end()
    return found


def warm_up() -> None:
    """Import what all need: torch, and the bases of the core's kinds, where they are installed.

    Example:
        >>> import sys
        >>> from lumin_core.registry.inspection import warm_up
        >>> warm_up()
        >>> "torch" in sys.modules
        True
    """
    if "torch" not in sys.modules and lazy.unreadable():
        os.environ["TORCH_DEVICE_BACKEND_AUTOLOAD"] = "0"  # else torch stumbles over that distribution
    for kind in CORE_KINDS:
        with contextlib.suppress(LuminError):
            kind.load_base()
            kind.problem_of(object)


@dataclass
class _Look:
    """The look at one distribution.

    Attributes:
        limit: Seconds that importing a component may take.
        left: What is still to be looked at; the first of it is being looked at.
    """

    limit: float
    left: list[Component]
    process: BaseProcess = field(init=False)
    receiver: Connection = field(init=False)
    deadline: float = field(init=False)

    def start(self) -> None:
        """Begin, or go on behind a component that ended the process."""
        context = multiprocessing.get_context("fork") if _FORKS else multiprocessing.get_context("spawn")
        self.receiver, sender = context.Pipe(duplex=False)
        self.process = context.Process(target=_look, args=(sender, self.left))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # of threads of the caller: none is used there
            self.process.start()
        sender.close()
        self.deadline = time.monotonic() + self.limit

    def go_on(self) -> Iterator[tuple[Component, str | None]]:
        """Take what the process says, and give what was found."""
        is_alive = self.process.is_alive()
        with contextlib.suppress(EOFError, OSError):
            while self.receiver.poll():
                problem: str | None = self.receiver.recv()
                self.deadline = time.monotonic() + self.limit
                yield self.left.pop(0), problem
        if self.left and not is_alive:
            yield from self._ended()
        elif self.left and time.monotonic() > self.deadline:
            yield from self._late()

    def end(self) -> None:
        """End the process."""
        self.process.kill()
        self.process.join()
        self.receiver.close()

    def _ended(self) -> Iterator[tuple[Component, str | None]]:
        """Tell who ended the process; what is of the same module would do so again."""
        how = _how(self.process.exitcode or 0)
        self.end()
        module = _module(self.left[0])
        yield from ((one, f"importing {module} ends the process: {how}") for one in self.left if _module(one) == module)
        self.left = [component for component in self.left if _module(component) != module]
        if self.left:
            self.start()

    def _late(self) -> Iterator[tuple[Component, str | None]]:
        """Tell who took too long; what is left might take as long each."""
        late, *others = self.left
        yield late, f"importing {_module(late)} takes more than {self.limit:g} s"
        reason = f"it was not looked at, behind {late.qualified}, which takes more than {self.limit:g} s"
        yield from ((component, reason) for component in others)
        self.left = []


def _module(component: Component) -> str:
    return component.value.partition(":")[0]


def _how(code: int) -> str:
    return f"signal {Signals(-code).name}" if code < 0 else f"exit code {code}"


def _look(sender: Connection, components: Iterable[Component]) -> None:
    """Look at components one after the other, and say what is found.

    It ends without what imports left to be done at the end.
    """
    for component in components:
        sender.send(report(component))
    os._exit(0)
