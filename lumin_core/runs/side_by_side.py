"""Models side by side: the plan of a run handed to an executor, model by model.

The parent trains nothing. It looks at the run's folder for how far each model is, so that any
executor will do whose workers see the same folder, and says in a line what became of each.
"""

from __future__ import annotations

import pickle
import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from attrs import define

from lumin_core.errors import ConfigError, TrainingFailed, option
from lumin_core.registry.lookup import session
from lumin_core.runs.executor import Job
from lumin_core.runs.greeting import Greeting, available_cores, check_greeting
from lumin_core.runs.submitting import Submitting, adapted
from lumin_core.training import checkpoint
from lumin_core.training.progress import progress_bar, say

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from lumin_core.registry import Component
    from lumin_core.runs.executor import Executor
    from lumin_core.runs.folder import RunFolder
    from lumin_core.runs.plan import RunPlan
    from lumin_core.runs.result import Result

_LOOK_EVERY = 0.5  # seconds


def check_sendable(plan: RunPlan, executor: Executor) -> list[Component]:
    """Refuse a plan that cannot be sent to another process.

    Args:
        plan: The plan.
        executor: Where it is sent to.

    Returns:
        What this session registered, to be registered there too: all that can be sent.

    Raises:
        ConfigError: Naming the part that cannot be sent.
    """
    parts: list[tuple[str, object]] = [("the fold yielder", plan.fy), ("the model builder", plan.builder)]
    parts += [(f"the callback {spec!r}", spec) for spec in plan.callbacks]
    parts += [(f"the metric {spec!r}", spec) for spec in plan.metrics]
    for what, part in parts:
        _send(what, part, executor)
    sent = []
    for component in session().values():
        try:
            _send(f"the registered {component.kind} {component.name!r}", component, executor)
        except ConfigError:
            if component in plan.components:
                raise
        else:
            sent.append(component)
    return sent


def _send(what: str, part: object, executor: Executor) -> None:
    try:
        getattr(executor, "pack", pickle.dumps)(part)
    except Exception as error:
        raise ConfigError(
            f"{what} cannot be sent to another process: {error}; "
            "define what it holds at the top level of a module, or train without executor"
        ) from error


def greet(executor: Executor, jobs: int) -> Greeting | None:
    """Greet one worker of an executor.

    Args:
        executor: Where to.
        jobs: How many are to come.

    Returns:
        What the worker said; ``None`` where the executor greets nobody.

    Raises:
        ConfigError: If there is no answer, with the cause, or it comes from this process.
    """
    ask = getattr(executor, "greet", None)
    if ask is None:
        return None
    name = type(executor.pool if isinstance(executor, Submitting) else executor).__name__
    try:
        greeting = ask(jobs)
    except ConfigError:  # says what to do
        raise
    except Exception as error:
        raise ConfigError(
            f"no worker of {name} answered, and nothing was written: {_cause(error)}; its processes must start, and "
            'import lumin_core; a script that starts them needs the line   if __name__ == "__main__":   above what '
            "it does"
        ) from error
    if not isinstance(greeting, Greeting):
        raise ConfigError(f"greet() of {name} must return what introduce() answers in a worker, got {greeting!r}")
    check_greeting(greeting, name)
    return greeting


@define
class SideBySide:
    """Trains models of a plan by an executor.

    Attributes:
        executor: Where.
        components: What this session registered, and can be sent.
        greeting: What a worker said.
    """

    executor: Executor
    components: Sequence[Component] = ()
    greeting: Greeting | None = None

    def meet(self, plan: RunPlan) -> None:
        """Refuse what cannot work, before anything is written: look at the plan, greet a worker."""
        self.components = check_sendable(plan, self.executor)
        self.greeting = greet(self.executor, len(plan.folds))

    def train(self, plan: RunPlan, folder: RunFolder, numbers: Sequence[int], *, visible_bar: bool = True) -> None:
        """Train models.

        Args:
            plan: The plan.
            folder: The run's folder.
            numbers: Which models.
            visible_bar: Whether to show a progress bar.

        Raises:
            TrainingFailed: If some failed, when all others have finished.
            KeyboardInterrupt: After Ctrl-C, when all have stopped after their batch; at once
                after the second.
        """
        failures: dict[int, BaseException] = {
            number: TrainingFailed("the executor did not report it") for number in numbers
        }

        def report(job: Job, outcome: float | BaseException) -> None:
            if error := _failure(job, outcome):
                failures[job.number] = error
                say(f"model {job.number} failed: {_cause(error)}")
            elif failures.pop(job.number, None):
                result = folder.result(job.number)
                what = f"failed: {result['failed']}" if "failed" in result else _values(result)
                say(f"model {job.number}: {what}, {outcome:.1f} s")

        with _progress(plan, folder, visible=visible_bar):
            self.executor.train(self._jobs(plan, folder, numbers), report)
        if failures:
            raise _failed(failures, plan) from failures[min(failures)]

    def _jobs(self, plan: RunPlan, folder: RunFolder, numbers: Sequence[int]) -> list[Job]:
        """Give each model its share of the cores, and the devices in turn.

        A fork lacks the threads that torch started before, and would wait for them for ever.
        """
        said = self.greeting
        cores = available_cores() if said is None else said.threads
        threads = threads_each(self.executor, len(numbers), cores) if said is None or said.is_local else None
        if said is not None and said.is_fork and threads != 1:
            say("the workers are forks of this process, where torch has one thread; those of 'processes' have more")
            threads = 1
        devices = said.devices if said is not None and len(said.devices) > 1 else (None,)
        return [
            Job(number, folder, plan, self.components, threads, devices[i % len(devices)])
            for i, number in enumerate(numbers)
        ]


def threads_each(executor: object, n_models: int, cores: int | None = None) -> int | None:
    """Return the number of threads for each worker.

    All together have the cores; it is ``None`` where the number of workers is unknown.

    Args:
        executor: The executor, or a pool.
        n_models: How many models are trained.
        cores: How many there are; by default as many as this process may use.

    Example:
        >>> from concurrent.futures import ProcessPoolExecutor
        >>> from lumin_core.runs import available_cores
        >>> from lumin_core.runs.side_by_side import threads_each
        >>> threads_each(ProcessPoolExecutor(8), n_models=1) == available_cores()
        True
    """
    workers = adapted(executor).workers
    return max(1, (cores or available_cores()) // min(workers, n_models)) if workers > 0 else None


@contextmanager
def _progress(plan: RunPlan, folder: RunFolder, *, visible: bool) -> Iterator[None]:
    """Show how far the models of a run are, inside the block."""
    over = threading.Event()

    def epochs(number: int) -> int:
        """Count those that are done; a finished model has no more to come."""
        return plan.n_epochs if folder.is_finished(number) else checkpoint.last_epoch(folder.of_model(number))

    def show() -> None:
        with suppress(OSError):  # a checkpoint that was looked at has gone
            bar.update(sum(map(epochs, range(len(plan.folds)))) - bar.n)

    def keep_showing() -> None:
        while not over.wait(_LOOK_EVERY):
            show()

    total = len(plan.folds) * plan.n_epochs
    with progress_bar(total=total, desc="Training", unit="epoch", visible=visible) as bar:
        thread = threading.Thread(target=keep_showing, daemon=True, name="lumin progress")
        show()
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()
            show()


def _failure(job: Job, outcome: float | BaseException) -> BaseException | None:
    if isinstance(outcome, BaseException):
        return outcome
    if job.folder.is_finished(job.number):
        return None
    return TrainingFailed(f"it was trained, but {job.folder.of_model(job.number)} has no result: workers must see it")


def _values(result: Result) -> str:
    """Write loss and metrics, which alone are single numbers with a point."""
    return ", ".join(f"{name} {value:.5g}" for name, value in result.items() if isinstance(value, float))


def _cause(error: BaseException) -> str:
    return str(error) if isinstance(error, TrainingFailed) else f"{type(error).__name__}: {error}"


def _failed(failures: dict[int, BaseException], plan: RunPlan) -> TrainingFailed:
    lines = [f"  model {number}: {_cause(failures[number])}" for number in sorted(failures)]
    return TrainingFailed(
        "\n".join([f"{len(failures)} of {len(plan.folds)} models failed:", *lines])
        + f"\nthe others are finished; the same call with {option('resume')} trains only these"
    )
