"""The jobs of one call of `lumin_plugin_farm.dask.Dask.train`, handed to workers one by one.

A job whose worker dies is handed to another; Ctrl-C lets those that run end after their batch.
"""

from __future__ import annotations

import signal
import threading
import time
import uuid
from collections import Counter, deque
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Protocol

from attrs import define

from lumin_core.errors import TrainingFailed
from lumin_core.training import say
from lumin_plugin_farm.dask_worker import stop, work

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence
    from types import FrameType

    from lumin_core.runs import Job, Report

LIVES = 3
"""How many workers may die of a job before it has failed."""

_LOOK_EVERY = 0.2  # seconds


class Future(Protocol):
    """What is used of `distributed.Future`."""

    status: str

    def result(self, timeout: float | None = None) -> Any:
        """Wait for what was returned, or raise what was raised."""

    def exception(self) -> BaseException:
        """Return what was raised."""

    def cancel(self) -> None:
        """Give up."""


class Client(Protocol):
    """What is used of `distributed.Client`."""

    asynchronous: bool

    def submit(
        self, fn: Callable[..., object], *args: object, workers: Sequence[str], pure: bool, retries: int
    ) -> Future:
        """Have a function called by one of these workers."""

    def nthreads(self) -> Mapping[str, int]:
        """Return the number of threads, by the address of a worker."""

    def run(self, fn: Callable[..., object], *args: object, workers: Sequence[str], on_error: str) -> object:
        """Call a function in these workers, whatever they do."""

    def restart_workers(self, workers: Sequence[str]) -> object:
        """Kill workers, and start others in their place."""

    def wait_for_workers(self, n_workers: int, timeout: float) -> None:
        """Wait."""

    def close(self) -> None:
        """Let go."""


@define
class _Running:
    """A job that a worker was given."""

    job: Job
    address: str
    future: Future


class Round:
    """The jobs of one call of `Dask.train`.

    Args:
        client: Of the cluster.
        jobs: What is to be run.
        report: As for `lumin_core.runs.Executor`.
    """

    def __init__(self, client: Client, jobs: Sequence[Job], report: Report) -> None:
        self._client = client
        self._report = report
        self._name = uuid.uuid4().hex
        self._waiting = deque(jobs)
        self._running: list[_Running] = []
        self._deaths: Counter[int] = Counter()
        self._pauses = _Pauses()

    def run(self) -> None:
        """Run all jobs; see `lumin_core.runs.Executor`."""
        with self._pauses:
            try:
                while self._waiting or self._running:
                    self._look()
                    self._pauses.pause()
            except KeyboardInterrupt:
                self._interrupt()
                raise
            except OSError as error:
                raise TrainingFailed(f"Dask's scheduler was lost: {error}; resume=True goes on with the run") from error
            finally:
                self._let_go()

    def _look(self) -> None:
        """Report what has ended, and give every worker that is free a job."""
        threads = self._client.nthreads()
        for running in [running for running in self._running if _has_ended(running, threads)]:
            self._running.remove(running)
            self._end(running)
        busy = {running.address for running in self._running}
        for address in threads:
            if self._waiting and address not in busy:
                self._hand_out(self._waiting.popleft(), address, threads[address])

    def _hand_out(self, job: Job, address: str, threads: int) -> None:
        given = (job, self._name, max(threads, job.threads or 1))
        future = self._client.submit(work, *given, workers=[address], pure=False, retries=0)
        self._running.append(_Running(job, address, future))

    def _end(self, running: _Running) -> None:
        """Report a job, or have another worker go on with it where its own died."""
        job, future = running.job, running.future
        if future.status == "finished":
            self._report(job, future.result())
        elif future.status == "error":
            self._report(job, future.exception())
        else:
            future.cancel()
            self._bury(job, running.address)

    def _bury(self, job: Job, address: str) -> None:
        self._deaths[job.number] += 1
        if self._deaths[job.number] == LIVES:
            died = f"{LIVES} workers died while they trained it, the last at {address}, as happens when memory runs out"
            self._report(job, TrainingFailed(died))
            return
        say(f"model {job.number}: the worker at {address} died; another goes on with it")
        self._waiting.append(job)

    def _interrupt(self) -> None:
        """Let jobs end after their batch and wait for them; Ctrl-C once more ends them at once."""
        say("Ctrl-C: the models stop after their batch; once more stops at once")
        try:
            while self._stop():
                self._pauses.pause()
        except KeyboardInterrupt:
            with suppress(ValueError, OSError):  # without a nanny they end after their batch
                self._client.restart_workers([running.address for running in self._running])
            raise

    def _stop(self) -> bool:
        """Ask those that run to stop: again and again, since one may have been about to begin.

        Returns:
            Whether there are any.
        """
        there = self._client.nthreads()
        self._running = [running for running in self._running if not _has_ended(running, there)]
        addresses = [running.address for running in self._running]
        if addresses:
            self._client.run(stop, self._name, workers=addresses, on_error="ignore")
        return bool(addresses)

    def _let_go(self) -> None:
        """Leave nothing at work on the cluster, whatever went wrong."""
        with suppress(OSError):
            self._stop()
        for running in self._running:
            running.future.cancel()


class _Pauses:
    """Lets Ctrl-C in between calls of Dask alone: in the middle of one it would wait for ever."""

    def __init__(self) -> None:
        self._is_pressed = False
        self._is_ours = False

    def __enter__(self) -> None:
        """Take over from Python's own handler, in the main thread."""
        in_main = threading.current_thread() is threading.main_thread()
        self._is_ours = in_main and signal.getsignal(signal.SIGINT) is signal.default_int_handler
        if self._is_ours:
            signal.signal(signal.SIGINT, self._note)

    def __exit__(self, *error: object) -> None:
        """Give back."""
        if self._is_ours:
            signal.signal(signal.SIGINT, signal.default_int_handler)

    def _note(self, number: int, frame: FrameType | None) -> None:
        self._is_pressed = True

    def pause(self) -> None:
        """Wait for a moment.

        Raises:
            KeyboardInterrupt: If Ctrl-C was pressed since the last one.
        """
        time.sleep(_LOOK_EVERY)
        if self._is_pressed:
            self._is_pressed = False
            raise KeyboardInterrupt


def _has_ended(running: _Running, there: Collection[str]) -> bool:
    return running.future.status != "pending" or running.address not in there
