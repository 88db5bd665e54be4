"""Processes: an executor whose workers may die one by one.

`concurrent.futures.ProcessPoolExecutor` gives up all its tasks when one worker is killed. Here
every worker has a pipe of its own, and a thread that waits at the other end: a death is seen as the
end of that pipe, fails the one task that the worker had, and a new worker takes its place.

Workers are fresh interpreters (``spawn``), since torch's threads do not survive a fork. They live
in process groups of their own: Ctrl-C reaches them once, through `Processes.stop`, and not also
from the terminal. They end when this process does, however it ends.
"""

from __future__ import annotations

import io
import multiprocessing
import os
import pickle
import queue
import signal
import threading
from concurrent.futures import Executor, Future
from contextlib import suppress
from multiprocessing.connection import wait
from types import FunctionType
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from lumin_core.checks import positive
from lumin_core.errors import ConfigError, TrainingFailed
from lumin_core.runs import Submitting, available_cores
from lumin_plugin_farm import main_module
from lumin_plugin_farm.worker import block_ctrl_c, work

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from multiprocessing.connection import Connection
    from multiprocessing.context import SpawnProcess

    from lumin_core.runs import Greeting, Job, Report

T = TypeVar("T")
P = ParamSpec("P")

_Task = tuple["Future[Any]", bytes]


class Processes(Executor):
    """Runs calls in other processes, each of which may die without the others.

    A call, its arguments and what it returns are pickled. Workers are started as they are needed,
    and stay until the executor is shut down. Every worker imports the script that started it: what
    the script does stands below the line ``if __name__ == "__main__":``, or the first worker ends
    before it answers, and says so.

    Args:
        max_workers: Highest number of workers; by default one for each core that this
            process may use.

    Raises:
        ConfigError: If the number is not positive.

    Example:
        >>> from lumin_plugin_farm import Processes
        >>> with Processes(max_workers=2) as executor:
        ...     print(executor.submit(divmod, 7, 2).result())
        (3, 1)
    """

    def __init__(self, max_workers: int | None = None) -> None:
        main_module.refuse_daemon()
        self._max_workers = available_cores() if max_workers is None else positive(max_workers, "max_workers")
        self._tasks: queue.SimpleQueue[_Task | None] = queue.SimpleQueue()
        self._workers: list[_Worker] = []
        self._lock = threading.Lock()
        self._closed = False
        self._script = main_module.script()

    @property
    def workers(self) -> int:
        """Highest number of workers."""
        return self._max_workers

    def greet(self, jobs: int = 1) -> Greeting:
        """Start a worker a job, as far as there are; see `lumin_core.runs.Executor`."""
        return Submitting(self).greet(jobs)

    def train(self, jobs: Sequence[Job], report: Report) -> None:
        """Run jobs of a run in the workers; see `lumin_core.runs.Executor`."""
        Submitting(self).train(jobs, report)

    @staticmethod
    def pack(obj: object) -> bytes:
        """Pickle for a worker; see `pack`."""
        return pack(obj)

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Have a function called by the next worker that is free.

        Args:
            fn: The function, importable from its module.
            *args: Its arguments.
            **kwargs: Its keyword arguments.

        Returns:
            What will hold its value or its exception, to which the worker's traceback is added as a
            note; a `TrainingFailed` with the cause where the worker dies.

        Raises:
            ConfigError: If something cannot be pickled.
            RuntimeError: If the executor was shut down.
        """
        main_module.may_start_workers()
        main_module.forget_no_file()
        payload, future = pack((fn, args, kwargs)), Future[T]()
        with self._lock:
            if self._closed:
                raise RuntimeError("the executor was shut down; make a new one")  # as all executors do
            self._tasks.put((future, payload))
            if len(self._workers) < self._max_workers:
                self._workers.append(_Worker(self._tasks, self._script))
                self._workers[-1].start()
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Take no more calls, and end the workers when they are idle.

        Args:
            wait: Whether to wait for that.
            cancel_futures: Whether to cancel the calls that have not begun.
        """
        with self._lock:
            self._closed = True
            if cancel_futures:
                self._cancel()
            for _ in self._workers:
                self._tasks.put(None)
        if wait:
            for worker in self._workers:
                worker.join()

    def stop(self, *, at_once: bool = False) -> None:
        """Shut down without waiting.

        Calls that have not begun are cancelled, those that run are interrupted.

        Args:
            at_once: Whether to kill the workers; otherwise their calls get a
                `KeyboardInterrupt`, as by Ctrl-C.
        """
        self.shutdown(wait=False, cancel_futures=True)
        for worker in self._workers:
            worker.stop(getattr(signal, "SIGKILL", signal.SIGTERM) if at_once else signal.SIGINT)

    def __exit__(self, *error: object) -> bool | None:
        """Shut down and wait for the calls; after an error in the block, kill the workers."""
        if error[0] is not None:
            self.stop(at_once=True)
        self.shutdown()
        return None

    def _cancel(self) -> None:
        with suppress(queue.Empty):
            while (task := self._tasks.get_nowait()) is not None:
                task[0].cancel()


class _Worker(threading.Thread):
    """Hands tasks to a process, one at a time; makes another where that died."""

    def __init__(self, tasks: queue.SimpleQueue[_Task | None], script: str) -> None:
        super().__init__(daemon=True, name="lumin worker")
        self._tasks = tasks
        self._script = script
        self._process: SpawnProcess | None = None
        self._pipe: Connection[Any, Any] | None = None
        self._lock = threading.Lock()
        self._signal: int | None = None

    def run(self) -> None:
        block_ctrl_c()  # which the process inherits: it lets it in when it is ready
        while (task := self._tasks.get()) is not None:
            future, payload = task
            if future.set_running_or_notify_cancel():
                try:
                    future.set_result(self._call(payload))
                except BaseException as error:  # noqa: BLE001  (whatever it is, it belongs to whoever asked)
                    future.set_exception(error)
        self._end()

    def stop(self, number: int) -> None:
        """Send a signal to the process; if it is just being started, as soon as it is."""
        with self._lock:
            self._signal = number
            if self._process is not None and self._process.is_alive():
                with suppress(OSError):  # it has just ended
                    os.kill(self._process.pid or 0, number)

    def _call(self, payload: bytes) -> Any:
        pipe = self._ready()
        try:
            pipe.send_bytes(payload)
            answer = pipe.recv_bytes()
        except (EOFError, OSError):
            raise TrainingFailed(_cause_of_death(self._end(), self._script)) from None
        value, error = pickle.loads(answer)  # noqa: S301  (from our own worker)
        if error is not None:
            raise error
        return value

    def _ready(self) -> Connection[Any, Any]:
        """Give the pipe to a process that is alive."""
        if self._process is not None and wait([self._process.sentinel], timeout=0):
            self._end()  # it died in idleness
        if self._process is None or self._pipe is None:
            context = multiprocessing.get_context("spawn")
            self._pipe, theirs = context.Pipe()
            process = context.Process(target=work, args=(theirs,), daemon=True, name=self.name)
            process.start()
            theirs.close()  # so that its death is the end of the pipe
            with self._lock:
                self._process, number = process, self._signal
            if number is not None:
                self.stop(number)
        return self._pipe

    def _end(self) -> int | None:
        """Let go of the process and give its exit code."""
        with self._lock:
            process, self._process = self._process, None
        if self._pipe is not None:
            self._pipe.close()
        if process is None:
            return None
        process.join()
        return process.exitcode


def pack(obj: object) -> bytes:
    """Pickle for a worker.

    Args:
        obj: What is sent.

    Returns:
        The bytes.

    Raises:
        ConfigError: If it cannot be pickled, or a worker could not find what it names: a class or
            function that was written in a notebook.

    Example:
        >>> from lumin_plugin_farm.processes import pack
        >>> try:
        ...     pack(lambda: 0)
        ... except ValueError as error:
        ...     print(str(error).partition(":")[0])
        it cannot be sent to another process
    """
    buffer = io.BytesIO()
    try:
        _Pickler(buffer).dump(obj)
    except Exception as error:
        raise ConfigError(f"it cannot be sent to another process: {error}") from error
    return buffer.getvalue()


class _Pickler(pickle.Pickler):
    """Looks at every class and function on the way."""

    def persistent_id(self, obj: object) -> None:
        if isinstance(obj, type | FunctionType) and obj.__module__ == "__main__" and not main_module.is_file():
            raise pickle.PicklingError(
                f"{obj.__qualname__} was written in a notebook or at the prompt; put it into a module and import it"
            )


def _cause_of_death(code: int | None, script: str) -> str:
    if code == main_module.STARTS_AGAIN:
        return main_module.starts_again(script)
    if code is None or code >= 0:
        return f"its process ended with exit code {code}"
    hint = ", as the system does when memory runs out" if code == -getattr(signal, "SIGKILL", 0) else ""
    return f"its process was killed by {signal.Signals(-code).name}{hint}"
