"""Dask: an executor whose workers may be on other machines.

The models of a run become tasks of a Dask cluster: one on this machine, or one that is there
already, of a batch system for instance. Each Dask worker is given one job at a time, however many
threads it has, which become torch's. What a worker leaves undone as it dies another goes on with,
from the last checkpoint.

References:
    Rocklin, "Dask: parallel computation with blocked algorithms and task scheduling", Proc. 14th
    Python in Science Conf. (2015) 126, https://doi.org/10.25080/Majora-7b98e3ed-013
"""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
import time
import uuid
from collections import Counter, deque
from contextlib import ExitStack, contextmanager, suppress
from importlib import import_module
from typing import TYPE_CHECKING, Any, Protocol, Self, cast

from attrs import define
from tqdm import tqdm

from lumin_core.checks import positive
from lumin_core.errors import ConfigError, TrainingFailed
from lumin_core.runs import available_cores, introduce
from lumin_plugin_farm import main_module
from lumin_plugin_farm.dask_worker import stop, work
from lumin_plugin_farm.worker import keeping_ctrl_c_out

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
    from types import FrameType, ModuleType

    from lumin_core.runs import Greeting, Job, Report

PATIENCE = 120.0
"""Seconds within which a first worker must be there, and answer."""

LIVES = 3
"""How many workers may die of a job before it has failed."""

_LOOK_EVERY = 0.2  # seconds

_FOR_WORKERS = "distributed.nanny.pre-spawn-environ"


class Future(Protocol):
    """What is used of `distributed.Future`."""

    status: str

    def result(self, timeout: float | None = None) -> Any:
        """Wait for what was returned, or raise what was raised."""

    def exception(self) -> BaseException:
        """Return what was raised."""

    def cancel(self) -> None:
        """Give up."""


class Client(Protocol):
    """What is used of `distributed.Client`."""

    asynchronous: bool

    def submit(
        self, fn: Callable[..., object], *args: object, workers: Sequence[str], pure: bool, retries: int
    ) -> Future:
        """Have a function called by one of these workers."""

    def nthreads(self) -> Mapping[str, int]:
        """Return the number of threads, by the address of a worker."""

    def run(self, fn: Callable[..., object], *args: object, workers: Sequence[str], on_error: str) -> object:
        """Call a function in these workers, whatever they do."""

    def restart_workers(self, workers: Sequence[str]) -> object:
        """Kill workers, and start others in their place."""

    def wait_for_workers(self, n_workers: int, timeout: float) -> None:
        """Wait."""

    def close(self) -> None:
        """Let go."""


@define
class _Running:
    """A job that a worker was given."""

    job: Job
    address: str
    future: Future


class Dask:
    """Trains models in the workers of a Dask cluster.

    Workers must be processes that see the run's folder and the fold file, and have the same
    packages. It needs ``pip install 'lumin-plugin-farm[dask]'``.

    Args:
        cluster: Address of a scheduler (``"tcp://host:8786"``), a `distributed.Client`, or a
            cluster, as of dask-jobqueue; by default one is started on this machine, and closed
            with the executor.
        n_workers: Number of workers of a cluster that is started here; by default one for each
            core that this process may use.

    Raises:
        ConfigError: If the number is not positive, or given beside a cluster; where it is first
            used, if `distributed` is missing.

    Example:
        >>> from lumin_plugin_farm import Dask
        >>> Dask(n_workers=2).workers
        2
    """

    def __init__(self, cluster: object = None, n_workers: int | None = None) -> None:
        if cluster is not None and n_workers is not None:
            raise ConfigError(f"n_workers={n_workers} is for a cluster that is started here: leave it out")
        self._cluster = cluster
        self._n_workers = available_cores() if n_workers is None else positive(n_workers, "n_workers")
        self._client: Client | None = None
        self._opened = ExitStack()

    @property
    def workers(self) -> int:
        """How many there are now; of a cluster that is not started yet, how many there will be."""
        if self._client is None and self._cluster is None:
            return self._n_workers
        return len(self._connected().nthreads())

    def greet(self, jobs: int = 1) -> Greeting:
        """Have a worker a job introduce itself; see `lumin_core.runs.Executor`."""
        client = self._connected()
        client.wait_for_workers(1, timeout=PATIENCE)
        chosen = list(client.nthreads())[: max(1, jobs)]
        answers = [client.submit(introduce, workers=[address], pure=False, retries=0) for address in chosen]
        return cast("Greeting", answers[0].result(PATIENCE))

    @staticmethod
    def pack(obj: object) -> bytes:
        """Pickle as Dask does: classes and functions of the main module go along."""
        return cast("bytes", import_module("distributed.protocol.pickle").dumps(obj))

    def train(self, jobs: Sequence[Job], report: Report) -> None:
        """Run jobs of a run in the workers; see `lumin_core.runs.Executor`."""
        _Round(self._connected(), jobs, report).run()

    def __enter__(self) -> Self:
        """Return the executor; the cluster is connected to at first need."""
        return self

    def __exit__(self, *error: object) -> None:
        """Let go of the cluster, and end the one that was started here."""
        self._client = None
        self._opened.close()

    def _connected(self) -> Client:
        if self._client is None:
            self._client = self._connect(_distributed())
        return self._client

    def _connect(self, distributed: ModuleType) -> Client:
        client = self._cluster
        if not isinstance(client, distributed.Client):
            if client is None:
                client = self._opened.enter_context(_local_cluster(distributed, self._n_workers))
            try:
                client = self._opened.enter_context(distributed.Client(client, timeout=PATIENCE, set_as_default=False))
            except OSError as error:
                raise ConfigError(f"no Dask scheduler answers at {self._cluster}: {error}") from error
        if client.asynchronous:
            raise ConfigError("the client of Dask is asynchronous; make it with asynchronous=False")
        return cast("Client", client)


class _Round:
    """The jobs of one call of `Dask.train`."""

    def __init__(self, client: Client, jobs: Sequence[Job], report: Report) -> None:
        self._client = client
        self._report = report
        self._name = uuid.uuid4().hex
        self._waiting = deque(jobs)
        self._running: list[_Running] = []
        self._deaths: Counter[int] = Counter()
        self._pauses = _Pauses()

    def run(self) -> None:
        """Run all jobs; see `lumin_core.runs.Executor`."""
        with self._pauses:
            self._run()

    def _run(self) -> None:
        try:
            while self._waiting or self._running:
                self._look()
                self._pauses.pause()
        except KeyboardInterrupt:
            self._interrupt()
            raise
        except OSError as error:
            raise TrainingFailed(f"Dask's scheduler was lost: {error}; resume=True goes on with the run") from error
        finally:
            self._let_go()

    def _look(self) -> None:
        """Report what has ended, and give every worker that is free a job."""
        threads = self._client.nthreads()
        for running in [running for running in self._running if _has_ended(running, threads)]:
            self._running.remove(running)
            self._end(running)
        busy = {running.address for running in self._running}
        for address in threads:
            if self._waiting and address not in busy:
                self._hand_out(self._waiting.popleft(), address, threads[address])

    def _hand_out(self, job: Job, address: str, threads: int) -> None:
        given = (job, self._name, max(threads, job.threads or 1))
        future = self._client.submit(work, *given, workers=[address], pure=False, retries=0)
        self._running.append(_Running(job, address, future))

    def _end(self, running: _Running) -> None:
        """Report a job, or have another worker go on with it where its own died."""
        job, future = running.job, running.future
        if future.status == "finished":
            self._report(job, future.result())
        elif future.status == "error":
            self._report(job, future.exception())
        else:
            future.cancel()
            self._bury(job, running.address)

    def _bury(self, job: Job, address: str) -> None:
        self._deaths[job.number] += 1
        if self._deaths[job.number] == LIVES:
            died = f"{LIVES} workers died while they trained it, the last at {address}, as happens when memory runs out"
            self._report(job, TrainingFailed(died))
            return
        _say(f"model {job.number}: the worker at {address} died; another goes on with it")
        self._waiting.append(job)

    def _interrupt(self) -> None:
        """Let jobs end after their batch and wait for them; Ctrl-C once more ends them at once."""
        _say("Ctrl-C: the models stop after their batch; once more stops at once")
        try:
            while self._stop():
                self._pauses.pause()
        except KeyboardInterrupt:
            with suppress(ValueError, OSError):  # without a nanny they end after their batch
                self._client.restart_workers([running.address for running in self._running])
            raise

    def _stop(self) -> bool:
        """Ask those that run to stop: again and again, since one may have been about to begin.

        Returns:
            Whether there are any.
        """
        there = self._client.nthreads()
        self._running = [running for running in self._running if not _has_ended(running, there)]
        addresses = [running.address for running in self._running]
        if addresses:
            self._client.run(stop, self._name, workers=addresses, on_error="ignore")
        return bool(addresses)

    def _let_go(self) -> None:
        """Leave nothing at work on the cluster, whatever went wrong."""
        with suppress(OSError):
            self._stop()
        for running in self._running:
            running.future.cancel()


class _Pauses:
    """Lets Ctrl-C in between calls of Dask alone: in the middle of one it would wait for ever."""

    def __init__(self) -> None:
        self._is_pressed = False
        self._is_ours = False

    def __enter__(self) -> None:
        """Take over from Python's own handler, in the main thread."""
        in_main = threading.current_thread() is threading.main_thread()
        self._is_ours = in_main and signal.getsignal(signal.SIGINT) is signal.default_int_handler
        if self._is_ours:
            signal.signal(signal.SIGINT, self._note)

    def __exit__(self, *error: object) -> None:
        """Give back."""
        if self._is_ours:
            signal.signal(signal.SIGINT, signal.default_int_handler)

    def _note(self, number: int, frame: FrameType | None) -> None:
        self._is_pressed = True

    def pause(self) -> None:
        """Wait for a moment.

        Raises:
            KeyboardInterrupt: If Ctrl-C was pressed since the last one.
        """
        time.sleep(_LOOK_EVERY)
        if self._is_pressed:
            self._is_pressed = False
            raise KeyboardInterrupt


def _has_ended(running: _Running, there: Collection[str]) -> bool:
    return running.future.status != "pending" or running.address not in there


def _say(line: str) -> None:
    tqdm.write(line, file=sys.stderr)


def _distributed() -> ModuleType:
    try:
        return import_module("distributed")
    except ImportError as error:
        raise ConfigError(
            f"the executor 'dask' needs distributed, which is missing ({error}): pip install 'lumin-plugin-farm[dask]'"
        ) from error


@contextmanager
def _local_cluster(distributed: ModuleType, n_workers: int) -> Iterator[object]:
    """Start workers on this machine, of one thread each, and end them."""
    main_module.may_start_workers()
    main_module.forget_no_file()
    with _same_environment():
        with keeping_ctrl_c_out():  # which comes to workers from the terminal, too: they are told to stop
            cluster = distributed.LocalCluster(
                n_workers=n_workers,
                threads_per_worker=1,
                processes=True,
                dashboard_address=":0",  # any port that is free
                silence_logs=logging.ERROR,
            )
        with cluster:
            yield cluster


@contextmanager
def _same_environment() -> Iterator[None]:
    """Take back the variables that Dask sets for the workers, and with them for this process."""
    before = {name: os.environ.get(name) for name in import_module("dask").config.get(_FOR_WORKERS)}
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value
