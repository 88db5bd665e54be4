"""Executors: where the models of a run are trained side by side.

The core knows a protocol of one number and one method. Whatever can call `Job.run` in a process
that sees the run's folder is an executor: processes on this machine, a batch farm.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from time import perf_counter
from typing import TYPE_CHECKING, Protocol

from attrs import define

from lumin_core import registry
from lumin_core.errors import TrainingFailed
from lumin_core.registry.lookup import session

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from lumin_core.registry import Component
    from lumin_core.runs.folder import RunFolder
    from lumin_core.runs.plan import RunPlan

Report = Callable[["Job", "float | BaseException"], None]
"""What an executor calls for each job: with the seconds that it took, or what it raised."""

_one_at_a_time = threading.Lock()


class Executor(Protocol):
    """What trains models side by side; there is no need to inherit from it.

    It may have two more methods. ``greet(jobs) -> Greeting`` has a worker call `introduce` and
    returns what it answers, or raises: it is called once, before anything is written, with the
    number of jobs to come, so that other workers may start meanwhile. An answer from this process
    is refused; who has no such method is taken at his word. ``pack(obj) -> bytes``
    pickles as the executor does, to find what cannot be sent; without it, `pickle` does. An
    executor that is made by name and is a context manager is closed after the run.

    Example:
        >>> class OneByOne:
        ...     workers = 1
        ...
        ...     def train(self, jobs, report):
        ...         for job in jobs:
        ...             try:
        ...                 report(job, job.run())
        ...             except Exception as error:
        ...                 report(job, error)
    """

    @property
    def workers(self) -> int:
        """How many jobs it runs at once; 0 where nobody knows."""

    def train(self, jobs: Sequence[Job], report: Report) -> None:
        """Run all jobs, and return when all were reported.

        On `KeyboardInterrupt` jobs end after their batch, which `Job.run` does where one comes in
        its process; on a second one they end at once. It is raised again when they have ended.

        Args:
            jobs: What is to be run, each once, in any order.
            report: To be called once for each job, in the thread that called this, with the seconds
                that `Job.run` returned or the exception that it raised.
        """


@define(frozen=True)
class Job:
    """The training of one model, to be pickled and run in any process that sees the folder.

    Attributes:
        number: Which model of the run.
        folder: The folder of the run.
        plan: What the model is trained with.
        components: What the session registered that made the plan.
        threads: Its share of the cores, ``None`` where they are another machine's.
        device: Where it is trained, ``None`` for what the process finds by itself.
    """

    number: int
    folder: RunFolder
    plan: RunPlan
    components: Sequence[Component] = ()
    threads: int | None = None
    device: str | None = None

    def run(self, threads: int | None = None, device: str | None = None) -> float:
        """Train the model, or go on from its last checkpoint.

        What it has to say goes to ``training.log`` in the model's folder.

        Args:
            threads: Highest number of threads for torch; by default the job's share.
            device: Where to train; by default the job's device.

        Returns:
            The time it took, in seconds.

        Raises:
            TrainingFailed: If another job runs in this process.
            ConfigError: If another process trains this model, or the run is another by now.
            KeyboardInterrupt: After Ctrl-C in this process, when the batch is done.
        """
        start = perf_counter()
        with _alone(), registry.temporary(), _threads(threads or self.threads), self._logging():
            session().update({(component.kind, component.key): component for component in self.components})
            self.plan.train(self.folder, self.number, device=device or self.device, visible_bar=False)
        return perf_counter() - start

    @contextmanager
    def _logging(self) -> Iterator[None]:
        folder = self.folder.of_model(self.number)
        folder.mkdir(exist_ok=True)
        with (
            (folder / "training.log").open("a", encoding="utf-8", buffering=1) as log,
            redirect_stdout(log),
            redirect_stderr(log),
        ):
            yield


def problem_of(executor: object) -> str | None:
    """Say why what a class builds cannot be an executor, or None.

    Args:
        executor: The class; what a function builds is not known.

    Example:
        >>> from lumin_core.runs.executor import problem_of
        >>> problem_of(dict)
        'dict has neither train(jobs, report), see lumin_core.runs.Executor, nor submit(function)'
    """
    if not isinstance(executor, type) or callable(getattr(executor, "train", getattr(executor, "submit", None))):
        return None
    return f"{executor.__name__} has neither train(jobs, report), see lumin_core.runs.Executor, nor submit(function)"


@contextmanager
def _alone() -> Iterator[None]:
    """Refuse a second job in this process: threads share torch's random numbers."""
    if not _one_at_a_time.acquire(blocking=False):
        raise TrainingFailed(
            "another model is being trained in this process, with which it would share torch's random numbers; "
            "an executor runs one job in a process at a time"
        )
    try:
        yield
    finally:
        _one_at_a_time.release()


@contextmanager
def _threads(highest: int | None) -> Iterator[None]:
    import torch  # here, since executors are loaded without it

    before = torch.get_num_threads()
    torch.set_num_threads(min(before, highest or before))
    try:
        yield
    finally:
        torch.set_num_threads(before)
