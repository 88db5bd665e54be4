"""Models side by side: the plan of a run handed to an executor, model by model.

The parent trains nothing. It looks at the run's folder for how far each model is, so that any
executor will do whose workers see the same folder, and says in a line what became of each.
"""

from __future__ import annotations

import pickle
import sys
from concurrent.futures import (
    FIRST_COMPLETED,
    BrokenExecutor,
    CancelledError,
    Executor,
    Future,
    ThreadPoolExecutor,
    wait,
)
from contextlib import contextmanager, nullcontext, redirect_stderr, redirect_stdout
from time import perf_counter
from typing import TYPE_CHECKING, Any

import torch
from tqdm import tqdm

from lumin_core import registry
from lumin_core.errors import ConfigError, TrainingFailed, option
from lumin_core.registry.lookup import session
from lumin_core.runs.executors import Processes, available_cores, pack
from lumin_core.training import checkpoint
from lumin_core.training.progress import progress_bar

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence
    from contextlib import AbstractContextManager

    from lumin_core.registry import Component
    from lumin_core.runs.plan import RunPlan


_LOOK_EVERY = 0.5  # seconds


def open_executor(spec: Any) -> AbstractContextManager[Executor | None]:
    """Give an executor for the length of a block; one that was made here is shut down at its end.

    Args:
        spec: A name, a dict with one, a class, a partial, an executor, or ``None``.

    Raises:
        ConfigError: If it is no executor, or one of threads.

    Example:
        >>> from lumin_core.runs.side_by_side import open_executor
        >>> with open_executor({"name": "processes", "max_workers": 2}) as executor:
        ...     print(type(executor).__name__)
        Processes
    """
    executor = spec if spec is None or isinstance(spec, Executor) else registry.build("executor", spec)
    if isinstance(executor, ThreadPoolExecutor):
        raise ConfigError(
            f"threads share torch's random numbers, so that executor must be one of processes, got {spec!r}; "
            "say executor='processes'"
        )
    if executor is not None and not isinstance(executor, Executor):
        raise ConfigError(f"executor must be a name or a concurrent.futures.Executor of processes, got {spec!r}")
    return nullcontext(executor) if executor is None or executor is spec else executor


def check_sendable(plan: RunPlan, used: Collection[Component], executor: Executor) -> list[Component]:
    """Refuse a plan that cannot be sent to another process.

    Args:
        plan: The plan.
        used: The components that it uses.
        executor: Where it is sent to.

    Returns:
        What this session registered, to be registered there too: all that can be sent.

    Raises:
        ConfigError: Naming the part that cannot be sent.
    """
    for what, part in _parts(plan):
        _send(what, part, executor)
    sent = []
    for component in session().values():
        try:
            _send(f"the registered {component.kind} {component.name!r}", component, executor)
        except ConfigError:
            if component in used:
                raise
        else:
            sent.append(component)
    return sent


def train_all(plan: RunPlan, numbers: Sequence[int], executor: Executor, components: Sequence[Component]) -> None:
    """Train models of a plan.

    Args:
        plan: The plan.
        numbers: Which models.
        executor: Where.
        components: What this session registered.

    Raises:
        TrainingFailed: If some failed, when all others have finished.
        KeyboardInterrupt: After Ctrl-C, when all have stopped after their batch; at once
            after the second.
    """
    n_threads = threads_each(executor, len(numbers))
    futures: dict[Future[float], int] = {}
    try:
        for number in numbers:
            futures[_submit(executor, plan, number, n_threads, components)] = number
        failures = _watch(plan, futures)
    except KeyboardInterrupt:
        _stop(executor, futures)
        raise
    except BaseException:
        for future in futures:
            future.cancel()
        if isinstance(executor, Processes):
            executor.stop(at_once=True)
        raise
    if failures:
        raise _failed(failures, plan) from failures[min(failures)]


def threads_each(executor: Executor, n_models: int) -> int | None:
    """Return the number of threads for each worker.

    All together have the cores; it is ``None`` where their number is unknown.

    Example:
        >>> from lumin_core.runs.executors import Processes, available_cores
        >>> from lumin_core.runs.side_by_side import threads_each
        >>> threads_each(Processes(max_workers=8), n_models=1) == available_cores()
        True
    """
    workers = getattr(executor, "_max_workers", None)
    return max(1, available_cores() // min(workers, n_models)) if isinstance(workers, int) and workers > 0 else None


def train_one(plan: RunPlan, number: int, n_threads: int | None, components: Sequence[Component]) -> float:
    """Train a model, in a worker.

    What it has to say goes to ``training.log`` in the model's folder.

    Args:
        plan: The plan.
        number: Which model.
        n_threads: Highest number of threads for torch.
        components: What the session registered that sent the plan.

    Returns:
        The time it took, in seconds.
    """
    start = perf_counter()
    folder = plan.folder.of_model(number)
    folder.mkdir(exist_ok=True)
    with (
        registry.temporary(),
        _threads(n_threads),
        (folder / "training.log").open("a", encoding="utf-8", buffering=1) as log,
        redirect_stdout(log),
        redirect_stderr(log),
    ):
        session().update({(component.kind, component.key): component for component in components})
        plan.train(number, visible_bar=False)
    return perf_counter() - start


@contextmanager
def _threads(highest: int | None) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(min(before, highest or before))
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _parts(plan: RunPlan) -> Iterator[tuple[str, Any]]:
    yield "the fold yielder", plan.fy
    yield "the model builder", plan.builder
    yield from ((f"the callback {spec!r}", spec) for spec in plan.callbacks)
    yield from ((f"the metric {spec!r}", spec) for spec in plan.metrics)


def _send(what: str, part: Any, executor: Executor) -> None:
    try:
        pack(part) if isinstance(executor, Processes) else pickle.dumps(part)
    except Exception as error:
        raise ConfigError(
            f"{what} cannot be sent to another process: {error}; "
            "define what it holds at the top level of a module, or train without executor"
        ) from error


def _submit(executor: Executor, *args: Any) -> Future[float]:
    try:
        return executor.submit(train_one, *args)
    except BrokenExecutor as error:  # a pool that a dead worker took along, while models were still being handed over
        future: Future[float] = Future()
        future.set_exception(error)
        return future


def _watch(plan: RunPlan, futures: dict[Future[float], int]) -> dict[int, BaseException]:
    """Show how far the models are until all are done; give what went wrong, by model."""
    failures: dict[int, BaseException] = {}
    pending = set(futures)
    with progress_bar(total=len(plan.folds) * plan.n_epochs, desc="Training", unit="epoch") as bar:
        bar.update(_epochs(plan))
        while pending:
            done, pending = wait(pending, timeout=_LOOK_EVERY, return_when=FIRST_COMPLETED)
            for future in sorted(done, key=futures.__getitem__):
                number = futures[future]
                if error := _error(future):
                    failures[number] = error
                    _say(f"model {number} failed: {_cause(error)}")
                else:
                    _say(f"model {number}: {_values(plan.folder.result(number))}, {future.result():.1f} s")
            bar.update(_epochs(plan) - bar.n)
    return failures


def _values(result: dict[str, Any]) -> str:
    """Write loss and metrics, which alone are single numbers with a point."""
    return ", ".join(f"{name} {value:.5g}" for name, value in result.items() if isinstance(value, float))


def _epochs(plan: RunPlan) -> int:
    """Count the epochs that are done; a finished model has no more to come."""
    folder, numbers = plan.folder, range(len(plan.folds))
    return sum(
        plan.n_epochs if folder.is_finished(number) else checkpoint.last_epoch(folder.of_model(number))
        for number in numbers
    )


def _stop(executor: Executor, futures: dict[Future[float], int]) -> None:
    """Let the workers stop after their batch and wait for them.

    Ctrl-C once more ends ours at once.
    """
    try:
        _say("Ctrl-C: the models stop after their batch; once more stops at once")
        for future in futures:
            future.cancel()
        if isinstance(executor, Processes):
            executor.stop()
        wait([future for future in futures if not future.cancelled()])  # others' got Ctrl-C from the terminal
    except KeyboardInterrupt:
        if isinstance(executor, Processes):
            executor.stop(at_once=True)
        raise


def _error(future: Future[float]) -> BaseException | None:
    return CancelledError("cancelled") if future.cancelled() else future.exception()


def _cause(error: BaseException) -> str:
    return str(error) if isinstance(error, TrainingFailed) else f"{type(error).__name__}: {error}"


def _failed(failures: dict[int, BaseException], plan: RunPlan) -> TrainingFailed:
    lines = [f"  model {number}: {_cause(failures[number])}" for number in sorted(failures)]
    return TrainingFailed(
        "\n".join([f"{len(failures)} of {len(plan.folds)} models failed:", *lines])
        + f"\nthe others are finished; the same call with {option('resume')} trains only these"
    )


def _say(line: str) -> None:
    tqdm.write(line, file=sys.stderr)
