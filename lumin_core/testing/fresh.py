"""Processes that know nothing yet: torch and the core are imported there, no plugin is.

::

    this process  ──  server (imports torch once)  ──┬── a fork for each question
                                                     └── ...

What a plugin's import does, and whether a saved model is found by name alone, shows only in such a
process. Torch takes seconds to import, so it is imported once for all questions.
"""

from __future__ import annotations

import atexit
import multiprocessing
import sys
import warnings
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, Any

from lumin_core import registry
from lumin_core.testing.outcome import CheckFailed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from multiprocessing.connection import Connection

LIMIT = 120.0
"""Seconds that an answer may take."""

_FORKS = sys.platform == "linux"


def ask(function: Callable[..., Any], *arguments: object, limit: float = LIMIT) -> Any:
    """Call a function in a process that has not imported a plugin.

    Args:
        function: A function of a module of lumin-core.
        *arguments: What it is given; it goes through a pipe, and so does the answer.
        limit: Seconds that it may take.

    Returns:
        What it returned.

    Raises:
        CheckFailed: If it raised, ended the process, or did not come back in time.

    Example:
        >>> from lumin_core.registry import snake_case
        >>> from lumin_core.testing.fresh import ask
        >>> ask(snake_case, "GNNHead")
        'gnn_head'
    """
    connection = _server()
    connection.send((function, arguments, limit, list(sys.path)))
    if not connection.poll(limit + LIMIT):
        raise CheckFailed(f"in a fresh process {function.__name__} did not come back")
    is_well, answer = connection.recv()
    if not is_well:
        raise CheckFailed(f"in a fresh process {answer}")
    return answer


@cache
def _server() -> Connection:
    """Start the server, once a process."""
    context = multiprocessing.get_context("spawn")
    connection, other = context.Pipe()
    process = context.Process(target=_serve, args=(other,), name="lumin-checks")
    with without_main():
        process.start()
    other.close()
    atexit.register(connection.close)  # upon which the server ends, before this process waits for it
    return connection


@contextmanager
def without_main() -> Iterator[None]:
    """Hide the program that this process runs inside of a block: a new process would import it."""
    main = sys.modules["__main__"]
    hidden: dict[str, Any] = {name: vars(main).pop(name) for name in ("__file__", "__spec__") if name in vars(main)}
    main.__spec__ = None
    try:
        yield
    finally:
        vars(main).update(hidden)


def _serve(connection: Connection) -> None:
    """Answer questions until nobody can ask any more."""
    from lumin_core.registry import inspection

    inspection.warm_up()
    context = multiprocessing.get_context("fork") if _FORKS else multiprocessing.get_context("spawn")
    while True:
        try:
            function, arguments, limit, path = connection.recv()
        except (EOFError, OSError):
            return
        mine, other = context.Pipe(duplex=False)
        process = context.Process(target=_answer, args=(other, function, arguments, path))
        process.start()
        other.close()
        connection.send(_awaited(mine, function.__name__, limit))
        process.kill()
        process.join()
        mine.close()


def _awaited(connection: Connection, name: str, limit: float) -> tuple[bool, object]:
    try:
        if not connection.poll(limit):
            return False, f"{name} takes more than {limit:g} s"
        answer: tuple[bool, object] = connection.recv()
    except EOFError:
        return False, f"{name} ends the process"
    return answer


def _answer(
    connection: Connection, function: Callable[..., object], arguments: tuple[object, ...], path: list[str]
) -> None:
    sys.path[:] = path  # of the process that asks
    registry.refresh()
    warnings.filterwarnings("ignore", category=DeprecationWarning)  # of what a component is made of
    try:
        connection.send((True, function(*arguments)))
    except Exception as error:  # noqa: BLE001  (whatever it raises is the answer)
        connection.send((False, f"{function.__name__} raises {type(error).__name__}: {error}"))
