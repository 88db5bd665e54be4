"""Checks of executors: jobs run elsewhere, and each is reported, whatever becomes of it."""

from __future__ import annotations

import os
import threading
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from attrs import field, frozen

from lumin_core.errors import ConfigError
from lumin_core.runs.submitting import open_executor
from lumin_core.testing import samples
from lumin_core.testing.executor_jobs import JobFailed, SmallJob, jobs, jobs_with_a_death
from lumin_core.testing.outcome import CheckFailed, NotApplicable
from lumin_core.testing.promises import Check

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from lumin_core.runs.executor import Job
    from lumin_core.testing.subject import Subject


def check_executor_workers(subject: Subject) -> None:
    """`workers` is the number of jobs at once, 0 where nobody knows."""
    workers = _reported(subject).workers
    if isinstance(workers, bool) or not isinstance(workers, int) or workers < 0:
        raise CheckFailed(f"expected workers to be a whole number, 0 for unknown, got {workers!r}")


def check_executor_elsewhere(subject: Subject) -> None:
    """Jobs run in other processes: threads of this one would share torch's random numbers."""
    reported = _reported(subject)
    for number in reported.of("say"):
        place = reported.place / str(number)
        if place.exists() and place.read_text() == str(os.getpid()):
            raise CheckFailed(
                "expected jobs in other processes, but one ran in this; use a ProcessPoolExecutor with "
                "mp_context=get_context('spawn'), not threads"
            )


def check_executor_reports(subject: Subject) -> None:
    """Each job is reported once, in the thread that asked, before `train` returns."""
    reported = _reported(subject)
    counts = {job.number: reported.numbers.count(job.number) for job in reported.jobs}
    if set(counts.values()) != {1} or reported.is_elsewhere:
        raise CheckFailed(
            f"expected report(job, ...) once for each job in the thread that called train, got it {counts} times"
            f"{', in another thread' if reported.is_elsewhere else ''}; call it for jobs that failed, too"
        )


def check_executor_exception(subject: Subject) -> None:
    """What a job raises comes back with its type."""
    (number,) = _reported(subject).of("raise")
    came = _reported(subject).outcomes.get(number)
    if type(came) is not JobFailed or f"job {number}" not in str(came):
        raise CheckFailed(
            f"expected report(job, error) with the JobFailed that the job raised, got {came!r}; hand on what job.run() "
            "raises, and swallow nothing"
        )


def check_executor_death(subject: Subject) -> None:
    """A job whose process dies is reported with an exception, and the others go on."""
    reported = _run(subject, jobs_with_a_death)
    (number,) = reported.of("die")
    if not isinstance(reported.outcomes.get(number), Exception):
        raise CheckFailed(f"expected an exception for a job whose process died, got {reported.outcomes.get(number)!r}")
    failed = [reported.outcomes.get(other) for other in reported.of("say")]
    if not all(isinstance(outcome, float | int) for outcome in failed):
        raise CheckFailed(
            f"expected that the other jobs go on when the process of one dies, got {failed}; give each worker a "
            "process of its own, and start another: lumin_plugin_farm.Processes does"
        )


@frozen
class _Reported:
    """What an executor reported of the jobs."""

    place: Path
    jobs: list[SmallJob]
    workers: object
    outcomes: dict[int, object] = field(factory=dict)
    numbers: list[int] = field(factory=list)
    threads: set[int] = field(factory=set)

    def of(self, what: str) -> list[int]:
        """Return the numbers of the jobs of a sort."""
        return [job.number for job in self.jobs if job.what == what]

    @property
    def is_elsewhere(self) -> bool:
        """Whether some were reported in another thread."""
        return self.threads != {threading.get_ident()}

    def take(self, job: Job, outcome: object) -> None:
        """Take a report."""
        self.numbers.append(job.number)
        self.outcomes[job.number] = outcome
        self.threads.add(threading.get_ident())


@lru_cache(maxsize=1)
def _reported(subject: Subject) -> _Reported:
    """Have an executor run jobs, once for all checks that are not slow."""
    return _run(subject, jobs)


def _run(subject: Subject, make: Callable[[Path], list[SmallJob]]) -> _Reported:
    place = samples.folder()
    given = make(place)
    try:
        with open_executor(subject.spec() if not subject.is_instance else subject.make()) as opened:
            executor: Any = opened
            reported = _Reported(place, given, executor.workers)
            executor.train(given, reported.take)
    except ConfigError as error:
        if isinstance(error.__cause__, ImportError):
            raise NotApplicable(f"it cannot be used here: {error}") from error
        raise
    return reported


CHECKS = (
    Check(check_executor_workers),
    Check(check_executor_elsewhere),
    Check(check_executor_reports),
    Check(check_executor_exception),
    Check(check_executor_death, is_slow=True),
)
