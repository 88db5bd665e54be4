"""Processes that fill the spool, each with one input at a time."""

from __future__ import annotations

import multiprocessing
import os
import threading
from concurrent.futures import FIRST_EXCEPTION, ProcessPoolExecutor, as_completed, wait
from concurrent.futures.process import BrokenProcessPool
from typing import TYPE_CHECKING

from lumin_core.errors import LuminError, option
from lumin_plugin_io.filling import fill

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from lumin_plugin_io.filling import Job


class WorkerKilled(LuminError, RuntimeError):
    """A process that read an input was killed."""


def fill_all(jobs: Sequence[Job], n_workers: int, on_filled: Callable[[Job], None]) -> None:
    """Fill the spool from inputs.

    Args:
        jobs: The inputs.
        n_workers: Processes; with one, or for one input, it is this one.
        on_filled: Called when an input is read to its end, in this process.

    Raises:
        WorkerKilled: If a process was killed; what others finished is in the spool.
        LuminError: Whatever is wrong with an input.
    """
    if min(n_workers, len(jobs)) <= 1:
        for job in jobs:
            fill(job)
            on_filled(job)
        return
    _fill_in_processes(jobs, min(n_workers, len(jobs)), on_filled)


def _fill_in_processes(jobs: Sequence[Job], n_workers: int, on_filled: Callable[[Job], None]) -> None:
    context = multiprocessing.get_context("spawn")  # a fork would copy the threads' locks of numpy and HDF5
    executor = ProcessPoolExecutor(n_workers, mp_context=context, initializer=_end_with_parent)
    try:
        futures = {executor.submit(fill, job): job for job in jobs}
        for future in as_completed(futures):
            if future.exception() is not None:
                break
            on_filled(futures[future])
        executor.shutdown(wait=False, cancel_futures=True)
        done, _ = wait(futures, return_when=FIRST_EXCEPTION)
        for future in futures:  # in their order, so that the same fault is told each time
            if future in done and not future.cancelled():
                future.result()
    except BrokenProcessPool as error:
        raise WorkerKilled(
            "a process that read an input was killed, perhaps because memory ran out; take fewer workers or less "
            f"memory, and pass {option('resume')}: inputs that were read to their end are not read again"
        ) from error
    finally:
        executor.shutdown(wait=True, cancel_futures=True)


def _end_with_parent() -> None:
    """Let a worker end when the process that started it is killed, rather than wait forever."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_exit_after, args=(parent,), daemon=True).start()


def _exit_after(parent: multiprocessing.process.BaseProcess) -> None:
    parent.join()
    os._exit(1)
