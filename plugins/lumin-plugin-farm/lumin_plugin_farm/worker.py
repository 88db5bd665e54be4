"""The worker's side of `lumin_plugin_farm.processes`: imported first of all, and light.

Ctrl-C is kept waiting but while a call runs, where it raises `KeyboardInterrupt`: so a worker is
never interrupted in the middle of an answer, and one that comes during the start is not lost.
"""

from __future__ import annotations

import multiprocessing
import os
import pickle
import signal
import threading
import traceback
from contextlib import contextmanager, suppress
from multiprocessing import resource_tracker
from typing import TYPE_CHECKING, Any

from lumin_core.errors import TrainingFailed

if TYPE_CHECKING:
    from collections.abc import Iterator
    from multiprocessing.connection import Connection


def work(pipe: Connection[Any, Any]) -> None:
    """Answer calls until the pipe is closed; the main function of a worker.

    Args:
        pipe: Gives pickled ``(function, args, kwargs)`` and takes pickled ``(value, error)``.
    """
    if hasattr(os, "setpgrp"):
        os.setpgrp()
    block_ctrl_c()
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a parent in the background may have ignored it
    threading.Thread(target=_end_with_parent, daemon=True).start()
    with suppress(EOFError, OSError):  # whoever asked is gone
        while True:
            pipe.send_bytes(_answer(pipe.recv_bytes()))


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _answer(payload: bytes) -> bytes:
    """Call, and pickle ``(value, error)``."""
    try:
        with _letting_ctrl_c_in():
            fn, args, kwargs = pickle.loads(payload)  # noqa: S301  (from our own parent)
            value = fn(*args, **kwargs)
        return pickle.dumps((value, None))
    except BaseException as error:  # noqa: BLE001  (whatever it is, it is the answer)
        error.add_note(f"In the worker:\n{traceback.format_exc()}")
        return pickle.dumps((None, portable(error)))


def portable(error: BaseException) -> BaseException:
    """Give the exception, or where it cannot be pickled one that says the same."""
    try:
        pickle.loads(pickle.dumps(error))  # noqa: S301
    except Exception:  # noqa: BLE001  (an exception's own way to be pickled may raise anything)
        other = TrainingFailed(f"{type(error).__name__}: {error}")
        other.add_note(error.__notes__[-1])
        return other
    return error


def block_ctrl_c() -> None:
    """Keep Ctrl-C waiting, in this thread and the processes that it starts."""
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})


def _let_ctrl_c_in() -> None:
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})


@contextmanager
def keeping_ctrl_c_out() -> Iterator[None]:
    """Keep Ctrl-C waiting inside the block; in threads and processes that it starts, for good."""
    if hasattr(signal, "pthread_sigmask"):
        resource_tracker.ensure_running()  # the first process that is started would let it in for that
    block_ctrl_c()
    try:
        yield
    finally:
        _let_ctrl_c_in()


@contextmanager
def _letting_ctrl_c_in() -> Iterator[None]:
    _let_ctrl_c_in()
    try:
        yield
    finally:
        block_ctrl_c()
