"""Greeting: what a worker says of itself, before anything is written.

A run that goes to other processes may fail at its first model for reasons that have nothing to do
with it: the executor is one of threads, its processes do not start, or they import the script that
started them and would start workers again. So one worker is greeted first. It keeps what it loaded
for that, and trains the first model.
"""

from __future__ import annotations

import os
import socket
import threading

from attrs import define

from lumin_core.errors import ConfigError


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
    return Greeting(os.getpid(), socket.gethostname(), threading.get_ident(), available_cores(), _devices())


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


def _devices() -> tuple[str, ...]:
    import torch  # here, since executors are loaded without it

    if asked := os.environ.get("LUMIN_DEVICE"):
        return (asked,)
    if torch.cuda.is_available():
        return tuple(f"cuda:{i}" for i in range(torch.cuda.device_count()))
    return ("mps",) if torch.backends.mps.is_available() else ("cpu",)
