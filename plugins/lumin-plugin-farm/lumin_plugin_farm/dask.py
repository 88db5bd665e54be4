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
from contextlib import ExitStack, contextmanager
from importlib import import_module
from typing import TYPE_CHECKING, ClassVar, Self, cast

from lumin_core.checks import positive
from lumin_core.errors import ConfigError
from lumin_core.runs import available_cores, introduce
from lumin_plugin_farm import main_module
from lumin_plugin_farm.dask_round import Round
from lumin_plugin_farm.worker import keeping_ctrl_c_out

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from types import ModuleType

    from lumin_core.runs import Greeting, Job, Report
    from lumin_plugin_farm.dask_round import Client

PATIENCE = 120.0
"""Seconds within which a first worker must be there, and answer."""

_FOR_WORKERS = "distributed.nanny.pre-spawn-environ"


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

    example_options: ClassVar[Mapping[str, object]] = {"n_workers": 2}

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
        Round(self._connected(), jobs, report).run()

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
