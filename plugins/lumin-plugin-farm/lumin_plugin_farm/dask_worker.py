"""The worker's side of `lumin_plugin_farm.dask`: a job in a thread of a Dask worker.

Errors go back as values: Dask would run a job again that raises, and end a worker in which a
`KeyboardInterrupt` is raised.
"""

from __future__ import annotations

import socket
import traceback
from contextlib import contextmanager
from typing import TYPE_CHECKING

from lumin_core.errors import TrainingFailed
from lumin_core.training import stop_fits
from lumin_plugin_farm.worker import portable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lumin_core.runs import Job

_at_work: set[str] = set()
_stopped: set[str] = set()


def work(job: Job, run: str, threads: int) -> float | BaseException:
    """Train a model.

    Args:
        job: Which.
        run: What tells this call of the executor from others.
        threads: As many threads as the Dask worker has, which it may use for torch.

    Returns:
        What `Job.run` returned or raised.
    """
    if run in _stopped:
        return KeyboardInterrupt("stopped before it began")
    _at_work.add(run)
    try:
        _check_folder(job)
        with _at_least(threads):
            return job.run()
    except BaseException as error:  # noqa: BLE001  (whatever it is, it is the answer)
        error.add_note(f"In the worker on {socket.gethostname()}:\n{traceback.format_exc()}")
        return portable(error)
    finally:
        _at_work.discard(run)


def stop(run: str) -> None:
    """Have the job of a run that is at work in this process end after its batch.

    Args:
        run: As in `work`.
    """
    _stopped.add(run)
    if run in _at_work:
        stop_fits()


def _check_folder(job: Job) -> None:
    if not job.folder.path.is_dir():
        raise TrainingFailed(
            f"the worker on {socket.gethostname()} does not see the folder of the run, {job.folder.path}: choose a "
            "savepath on a disk that all machines share"
        )


@contextmanager
def _at_least(threads: int) -> Iterator[None]:
    """Give torch the threads of the Dask worker, whose nanny allows but one by default."""
    import torch  # here, since executors are loaded without it

    before = torch.get_num_threads()
    torch.set_num_threads(max(before, threads))
    try:
        yield
    finally:
        torch.set_num_threads(before)
