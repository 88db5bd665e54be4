"""An executor: where the models of a run are trained side by side."""

from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor, as_completed
from multiprocessing import get_context
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lumin_core.runs import Job, Report


class ExampleExecutor:
    """A fresh process of this machine for each model.

    Args:
        max_workers: How many models are trained at once.

    Example:
        >>> from lumin_core import build
        >>> build("executor", {"name": "example_executor", "max_workers": 2}).workers
        2
    """

    def __init__(self, max_workers: int = 1) -> None:
        self.workers = max_workers

    def train(self, jobs: Sequence[Job], report: Report) -> None:
        """Run all jobs, and report each with its seconds, or with what it raised."""
        with ThreadPoolExecutor(self.workers) as threads:
            running = {threads.submit(_in_a_process, job): job for job in jobs}
            for future in as_completed(running):
                report(running[future], future.exception() or future.result())


def _in_a_process(job: Job) -> float:
    """Run a job in a process of its own, so that one that dies takes no other along."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:
        return process.submit(job.run).result()
