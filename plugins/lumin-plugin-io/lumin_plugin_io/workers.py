"""Processes that fill the spool, each with one input at a time; this is one of them."""

from __future__ import annotations

import multiprocessing
import os
import threading
from collections import deque
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import closing
from typing import TYPE_CHECKING

from lumin_core.errors import LuminError, option
from lumin_plugin_io.filling import fill

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from lumin_plugin_io.filling import Job


class WorkerKilled(LuminError, RuntimeError):
    """A process that read an input was killed."""


def fill_all(jobs: Sequence[Job], n_workers: int, on_filled: Callable[[Job], None]) -> None:
    """Fill the spool from inputs.

    Args:
        jobs: The inputs.
        n_workers: Processes, of which this is one.
        on_filled: Called when an input is read to its end, in this process: when that is done with
            the one that it reads itself.

    Raises:
        WorkerKilled: If a process was killed; what others finished is in the spool.
        LuminError: Whatever is wrong with an input.
    """
    n_others = min(n_workers, len(jobs)) - 1
    if n_others > 0:
        _fill_with_others(jobs, n_others, on_filled)
        return
    for job in jobs:
        fill(job)
        on_filled(job)


def _fill_with_others(jobs: Sequence[Job], n_others: int, on_filled: Callable[[Job], None]) -> None:
    context = multiprocessing.get_context("spawn")  # a fork would copy the threads' locks of numpy and HDF5
    others = ProcessPoolExecutor(n_others, mp_context=context, initializer=_end_with_parent)
    try:
        with others, closing(_Inputs(jobs, others)) as inputs:
            for _ in range(n_others):
                inputs.hand_on()
            for job in inputs.as_filled():
                on_filled(job)
        inputs.raise_first()
    except BrokenProcessPool as error:
        raise WorkerKilled(
            "a process that read an input was killed, perhaps because memory ran out; take fewer workers or less "
            f"memory, and pass {option('resume')}: inputs that were read to their end are not read again"
        ) from error


class _Inputs:
    """Inputs that are taken in their order by whatever process is free, of which this is one.

    Another process is handed its next one by the thread that hears of its last: this one may be
    reading at that moment.
    """

    def __init__(self, jobs: Sequence[Job], others: ProcessPoolExecutor) -> None:
        self._left = deque(jobs)
        self._taken: list[tuple[Job, Future[None]]] = []
        self._lock = threading.Lock()
        self._others = others

    def hand_on(self, last: Future[None] | None = None) -> None:
        """Hand the next input to another process, unless its last one failed."""
        if last is not None and last.exception() is not None:
            self.close()
        elif taken := self._take(lambda job: self._others.submit(fill, job)):
            taken[1].add_done_callback(self.hand_on)

    def as_filled(self) -> Iterator[Job]:
        """Fill inputs here, and yield what is filled, here and elsewhere, until one fails."""
        told: set[int] = set()
        while True:
            if here := self._take(lambda _: Future()):
                _fill_here(*here)
            untold = {number: taken for number, taken in enumerate(self._taken) if number not in told}
            if not untold:
                return
            wait([future for _, future in untold.values()], return_when=FIRST_COMPLETED)
            for number, (job, future) in untold.items():
                if future.done() and future.exception() is not None:
                    return
                if future.done():
                    told.add(number)
                    yield job

    def _take(self, begin: Callable[[Job], Future[None]]) -> tuple[Job, Future[None]] | None:
        with self._lock:
            if not self._left:
                return None
            job = self._left.popleft()
            self._taken.append((job, begin(job)))
            return self._taken[-1]

    def raise_first(self) -> None:
        """Raise for the first input that failed, so that the same fault is told each time."""
        for _, future in self._taken:
            future.result()

    def close(self) -> None:
        """Let nobody take another."""
        with self._lock:
            self._left.clear()


def _fill_here(job: Job, future: Future[None]) -> None:
    try:
        fill(job)
    except Exception as error:  # noqa: BLE001  (it is raised when all know of it)
        future.set_exception(error)
    else:
        future.set_result(None)


def _end_with_parent() -> None:
    """Let a worker end when the process that started it is killed, rather than wait forever."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_exit_after, args=(parent,), daemon=True).start()


def _exit_after(parent: multiprocessing.process.BaseProcess) -> None:
    parent.join()
    os._exit(1)
