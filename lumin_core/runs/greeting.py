"""Greeting: what a worker says of itself, before anything is written.

A run that goes to other processes may fail at its first model for reasons that have nothing to do
with it: the executor is one of threads, its processes do not start, or they import the script that
started them and would start workers again. So one worker is greeted first. It keeps what it loaded
for that, and trains the first model.
"""

from __future__ import annotations

import os
import socket
import sys
import threading
import time
from typing import TYPE_CHECKING

from attrs import define

from lumin_core.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterable

_MOMENT = 0.1  # seconds


@define(frozen=True)
class Greeting:
    """What a worker says of itself.

    Attributes:
        process: Number of its process.
        host: Name of its machine.
        thread: Number of the thread that answers.
        threads: How many threads it may use: the cores that are open to it.
        devices: Where it can train: what ``LUMIN_DEVICE`` says there, else its GPUs, else
            ``"mps"`` or ``"cpu"``.
        is_main: Whether it is the main thread of its process that answers.
        is_fork: Whether its process is a fork of one that had loaded torch, whose threads a fork
            does not have: it would wait for them for ever.

    Example:
        >>> import os
        >>> from lumin_core.runs import introduce
        >>> introduce().process == os.getpid()
        True
    """

    process: int
    host: str
    thread: int
    threads: int
    devices: tuple[str, ...]
    is_main: bool = True
    is_fork: bool = False

    @property
    def is_here(self) -> bool:
        """Whether it comes from the process that asks."""
        return (self.process, self.host) == (os.getpid(), socket.gethostname())

    @property
    def is_local(self) -> bool:
        """Whether it comes from the machine that asks."""
        return self.host == socket.gethostname()


def introduce() -> Greeting:
    """Answer a greeting: what an executor has a worker call.

    Returns:
        What this process says of itself.

    Example:
        >>> from lumin_core.runs import introduce
        >>> introduce().is_here
        True
    """
    return Greeting(
        process=os.getpid(),
        host=socket.gethostname(),
        thread=threading.get_ident(),
        threads=available_cores(),
        devices=_devices(),
        is_main=threading.current_thread() is threading.main_thread(),
        is_fork=bool(_forks),
    )


def linger() -> Greeting:
    """Answer a greeting slowly, so that another thread has to answer the next.

    Example:
        >>> from lumin_core.runs.greeting import linger
        >>> linger().is_main
        True
    """
    time.sleep(_MOMENT)
    return introduce()


def available_cores() -> int:
    """Return the number of cores that this process may use.

    Example:
        >>> from lumin_core.runs import available_cores
        >>> available_cores() >= 1
        True
    """
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def check_greeting(greeting: Greeting, name: str) -> None:
    """Refuse a worker that is no process of its own.

    Args:
        greeting: What it said.
        name: What the executor is called.

    Raises:
        ConfigError: If the call came back to this process, or went to a thread of it.

    Example:
        >>> from lumin_core.runs import introduce
        >>> from lumin_core.runs.greeting import check_greeting
        >>> check_greeting(introduce(), "Mine")
        Traceback (most recent call last):
        lumin_core.errors.ConfigError: Mine calls in this very process, one model after ...
    """
    if not greeting.is_here:
        return
    if greeting.thread == threading.get_ident():
        raise ConfigError(
            f"{name} calls in this very process, one model after the other; "
            "leave executor out for that, or say executor='processes'"
        )
    raise ConfigError(
        f"threads share torch's random numbers, so that executor must be one of processes, and {name} is one of "
        "threads; say executor='processes'"
    )


def check_apart(greetings: Iterable[Greeting], name: str) -> None:
    """Refuse workers that are threads of one process.

    Args:
        greetings: What was said at the same time.
        name: What the executor is called.

    Raises:
        ConfigError: If two answered from one process.

    Example:
        >>> import attrs
        >>> from lumin_core.runs import introduce
        >>> from lumin_core.runs.greeting import check_apart
        >>> one = introduce()
        >>> check_apart([one, attrs.evolve(one, thread=one.thread + 1)], "Mine")
        Traceback (most recent call last):
        lumin_core.errors.ConfigError: two workers of Mine are threads of one process (...
    """
    seen: dict[tuple[str, int], int] = {}
    for said in greetings:
        if seen.setdefault((said.host, said.process), said.thread) != said.thread:
            raise ConfigError(
                f"two workers of {name} are threads of one process ({said.process} on {said.host}) and would share "
                "torch's random numbers; give each process one thread (dask worker --nthreads 1), or say "
                "executor={'name': 'dask', 'cluster': ...}, which gives a process one model at a time"
            )


_forks: list[int] = []  # the processes that this one descends from without exec, torch loaded


def _note_fork() -> None:
    if "torch" in sys.modules:
        _forks.append(os.getppid())


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_note_fork)


def _devices() -> tuple[str, ...]:
    import torch  # here, since executors are loaded without it

    if asked := os.environ.get("LUMIN_DEVICE"):
        return (asked,)
    if torch.cuda.is_available():
        return tuple(f"cuda:{i}" for i in range(torch.cuda.device_count()))
    return ("mps",) if torch.backends.mps.is_available() else ("cpu",)
