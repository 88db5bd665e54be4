"""Executors, as they are given: by name, as objects, or as pools.

Whatever has `submit` and gives futures is made an executor of the run's protocol here.
"""

from __future__ import annotations

from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, CancelledError, Future, wait
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING, Protocol, TypeVar, cast

from lumin_core import registry
from lumin_core.checks import is_positive
from lumin_core.errors import ConfigError
from lumin_core.runs.greeting import check_apart, introduce, linger
from lumin_core.training.progress import say

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

    from lumin_core.runs.executor import Executor, Job, Report
    from lumin_core.runs.greeting import Greeting

T = TypeVar("T")

PATIENCE = 120.0
"""Seconds within which a worker must answer a greeting: it starts, and imports torch."""

_TOGETHER = 16
"""How many threads at most are asked at the same time whether they are of one process."""

_LOOK_EVERY = 0.5  # seconds: on Windows Ctrl-C is not seen by who waits without end


class Pool(Protocol):
    """What can be asked to call something elsewhere, as `concurrent.futures.Executor`.

    It may have ``stop(at_once=False)``, which interrupts what runs as Ctrl-C does, or kills it.
    """

    def submit(self, fn: Callable[[], T], /) -> Future[T]:
        """Have a function called."""


class Submitting:
    """The executor that hands jobs to a pool.

    Args:
        pool: Its workers must be processes, which are found out by a greeting.

    Attributes:
        pool: As given.

    Example:
        >>> from concurrent.futures import ProcessPoolExecutor
        >>> from lumin_core.runs import Submitting
        >>> Submitting(ProcessPoolExecutor(3)).workers
        3
    """

    def __init__(self, pool: Pool) -> None:
        self.pool = pool

    @property
    def workers(self) -> int:
        """As many as the pool says, 0 where it does not."""
        number = getattr(self.pool, "_max_workers", None)
        return number if isinstance(number, int) and number > 0 else 0

    def greet(self, jobs: int = 1) -> Greeting:
        """Have as many workers introduce themselves as there will be jobs for: they start together.

        Args:
            jobs: How many are to come.

        Returns:
            What the first one says that answers.

        Raises:
            TimeoutError: If none does within two minutes.
            ConfigError: If the pool gives no future, or its workers are threads of one process.
            Exception: Whatever else went wrong.
        """
        said = self._greet(max(1, min(self.workers, jobs)))
        if not (said.is_main or said.is_here):
            together = [self._asked(linger) for _ in range(min(jobs, _TOGETHER))]
            check_apart([future.result(PATIENCE) for future in together], type(self.pool).__name__)
        return said

    def _greet(self, n: int) -> Greeting:
        futures = [self._asked(introduce) for _ in range(n)]
        answered, _ = wait(futures, timeout=PATIENCE, return_when=FIRST_COMPLETED)
        for future in answered:
            return future.result()
        for future in futures:
            future.cancel()
        raise TimeoutError(f"there was no answer within {PATIENCE:g} s")

    def _asked(self, greeting: Callable[[], Greeting]) -> Future[Greeting]:
        future = self.pool.submit(greeting)
        if not isinstance(future, Future):
            raise ConfigError(
                f"submit() must return a concurrent.futures.Future, got {future!r}; a client of Dask is given as "
                "executor={'name': 'dask', 'cluster': client}"
            )
        return future

    def train(self, jobs: Sequence[Job], report: Report) -> None:
        """Run all jobs; see `Executor.train`."""
        futures: dict[Future[float], Job] = {}
        try:
            for job in jobs:
                futures[self._submit(job)] = job
            _watch(futures, report)
        except KeyboardInterrupt:
            self._interrupt(futures)
            raise
        except BaseException:
            self._stop(futures, at_once=True)
            raise

    def _submit(self, job: Job) -> Future[float]:
        try:
            return self.pool.submit(job.run)
        except BrokenExecutor as error:  # a dead worker took the pool along, while jobs were still being handed over
            future: Future[float] = Future()
            future.set_exception(error)
            return future

    def _interrupt(self, futures: Collection[Future[float]]) -> None:
        """Let jobs end after their batch and wait for them; Ctrl-C once more ends ours at once."""
        try:
            say("Ctrl-C: the models stop after their batch; once more stops at once")
            self._stop(futures)
            wait([future for future in futures if not future.cancelled()])  # others' got Ctrl-C from the terminal
        except KeyboardInterrupt:
            self._stop(futures, at_once=True)
            raise

    def _stop(self, futures: Collection[Future[float]], *, at_once: bool = False) -> None:
        for future in futures:
            future.cancel()
        if (stop := getattr(self.pool, "stop", None)) is not None:
            stop(at_once=at_once)


@contextmanager
def open_executor(spec: object) -> Iterator[Executor | None]:
    """Give an executor for the length of a block; one that was made here is closed at its end.

    Args:
        spec: A name, a dict with one, a class, a partial, an executor, a pool, or ``None``.

    Raises:
        ConfigError: If it is not an executor.

    Example:
        >>> from concurrent.futures import ProcessPoolExecutor
        >>> from lumin_core.runs.submitting import open_executor
        >>> with open_executor(ProcessPoolExecutor(2)) as executor:
        ...     print(executor.workers)
        2
    """
    given = _as_executor(spec)
    if spec is None or given is not None:
        yield given
        return
    made: object = registry.build("executor", spec)
    with made if isinstance(made, AbstractContextManager) else nullcontext():
        yield adapted(made)


def adapted(executor: object) -> Executor:
    """Return an executor of the protocol, made of a pool where need be.

    Args:
        executor: The executor, or something with `submit`.

    Raises:
        ConfigError: If it is neither.

    Example:
        >>> from concurrent.futures import ProcessPoolExecutor
        >>> from lumin_core.runs.submitting import adapted
        >>> type(adapted(ProcessPoolExecutor(2))).__name__
        'Submitting'
    """
    found = _as_executor(executor)
    if found is None:
        raise ConfigError(
            "executor must be a name or a concurrent.futures.Executor of processes, or have workers and train(jobs, "
            f"report), got {executor!r}"
        )
    return found


def _as_executor(given: object) -> Executor | None:
    """Return an executor or what has `submit` as an executor, ``None`` for what is neither."""
    if isinstance(given, type):
        return None
    if callable(getattr(given, "train", None)) and hasattr(given, "workers"):
        if not (is_positive(given.workers) or given.workers == 0):
            name = type(given).__name__
            raise ConfigError(f"workers of {name} must be a whole number, 0 for unknown; got {given.workers!r}")
        return cast("Executor", given)
    return Submitting(cast("Pool", given)) if callable(getattr(given, "submit", None)) else None


def _watch(futures: Mapping[Future[float], Job], report: Report) -> None:
    pending = set(futures)
    while pending:
        done, pending = wait(pending, timeout=_LOOK_EVERY, return_when=FIRST_COMPLETED)
        for future in sorted(done, key=lambda done: futures[done].number):
            report(futures[future], _outcome(future))


def _outcome(future: Future[float]) -> float | BaseException:
    error = CancelledError("cancelled") if future.cancelled() else future.exception()
    return future.result() if error is None else error
