"""Jobs in a cluster of Dask that is made up, for what goes wrong."""

import signal
from types import SimpleNamespace

import pytest

from lumin_core.errors import TrainingFailed
from lumin_plugin_farm import Dask, dask_round
from lumin_plugin_farm.dask_round import LIVES


class Future:
    def __init__(self, status, value=None):
        self.status, self.value = status, value

    def result(self, timeout=None):
        return self.value

    exception = result

    def cancel(self):
        self.status = "cancelled"


class Cluster:
    """A client of workers that do what ``fate(address, job)`` says, at once."""

    asynchronous = False

    def __init__(self, fate, workers=("a", "b")):
        self.fate, self.there, self.given, self.stopped, self.restarted = fate, dict.fromkeys(workers, 1), [], [], []

    def nthreads(self):
        return dict(self.there)

    def submit(self, fn, job, run, threads, *, workers, pure, retries):
        [address] = workers
        self.given.append((job.number, address, threads))
        return self.fate(self, address, job)

    def run(self, fn, run, *, workers, on_error):
        self.stopped += workers

    def restart_workers(self, workers):
        self.restarted += workers


@pytest.fixture
def train(monkeypatch):
    """Give a function that has a made-up cluster train jobs: by number, what was reported."""
    pauses = []

    def make(cluster, n=3, threads=None, after=None):
        def pause(seconds):
            pauses.append(seconds)
            if after is not None:
                after(len(pauses))

        monkeypatch.setattr(dask_round.time, "sleep", pause)
        reported = {}
        executor = Dask("tcp://made-up:1")
        executor._client = cluster
        jobs = [SimpleNamespace(number=i, threads=threads) for i in range(n)]
        executor.train(jobs, lambda job, outcome: reported.setdefault(job.number, []).append(outcome))
        return reported

    return make


def done(cluster, address, job):
    return Future("finished", 0.5 + job.number)


def test_every_job_is_reported_once_and_a_worker_has_one_at_a_time(train):
    cluster = Cluster(done)
    cluster.there["b"] = 4
    assert train(cluster) == {0: [0.5], 1: [1.5], 2: [2.5]}
    assert cluster.given == [(0, "a", 1), (1, "b", 4), (2, "a", 1)]
    cluster.given.clear()
    train(cluster, 2, threads=2)  # the share of a machine's cores
    assert cluster.given == [(0, "a", 2), (1, "b", 4)]


def test_what_a_dead_worker_leaves_another_goes_on_with(train, capsys):
    def fate(cluster, address, job):
        if address == "a":
            del cluster.there["a"]
            return Future("pending")
        return done(cluster, address, job)

    cluster = Cluster(fate)
    assert train(cluster) == {0: [0.5], 1: [1.5], 2: [2.5]}
    assert [number for number, *_ in cluster.given] == [0, 1, 2, 0]
    assert "model 0: the worker at a died; another goes on with it" in capsys.readouterr().err


def test_a_job_that_kills_its_workers_fails_alone(train):
    def fate(cluster, address, job):
        return Future("lost") if job.number == 1 else done(cluster, address, job)

    cluster = Cluster(fate)
    found = train(cluster)
    assert (found[0], found[2]) == ([0.5], [2.5])
    assert isinstance(found[1][0], TrainingFailed)
    assert f"{LIVES} workers died while they trained it" in str(found[1][0])
    assert sum(number == 1 for number, *_ in cluster.given) == LIVES


def test_errors_are_reported_whether_they_come_back_or_dask_raises_them(train):
    errors = [ValueError("came back"), ImportError("was raised in the worker")]

    def fate(cluster, address, job):
        return Future(("finished", "error")[job.number], errors[job.number])

    assert train(Cluster(fate), 2) == {0: [errors[0]], 1: [errors[1]]}


def test_workers_that_come_later_are_used(train):
    cluster = Cluster(done, workers=())
    assert train(cluster, 2, after=lambda n: cluster.there.update(late=1)) == {0: [0.5], 1: [1.5]}


def test_a_scheduler_that_is_lost_is_said(train):
    def lost(n):
        raise OSError("connection closed")

    with pytest.raises(TrainingFailed, match="Dask's scheduler was lost: connection closed; resume=True goes on"):
        train(Cluster(done), after=lost)


def test_ctrl_c_asks_workers_to_stop_and_waits_for_what_runs(train, capsys):
    cluster = Cluster(lambda cluster, address, job: Future("pending"))

    def ctrl_c(n):
        if n == 1:
            raise KeyboardInterrupt
        cluster.there.pop("a" if n == 2 else "b", None)

    with pytest.raises(KeyboardInterrupt):
        train(cluster, after=ctrl_c)
    assert cluster.stopped == ["a", "b", "b"]
    assert len(cluster.given) == 2
    assert cluster.restarted == []
    assert "Ctrl-C: the models stop after their batch; once more stops at once" in capsys.readouterr().err


def test_a_second_ctrl_c_restarts_the_workers(train):
    cluster = Cluster(lambda cluster, address, job: Future("pending"))

    def ctrl_c(n):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(cluster, after=ctrl_c)
    assert cluster.restarted == ["a", "b"]


def test_ctrl_c_comes_in_between_two_calls_of_dask_alone(train):
    """In the middle of one Dask would wait for ever."""

    def fate(cluster, address, job):
        signal.raise_signal(signal.SIGINT)
        cluster.there.clear()
        return Future("pending")

    cluster = Cluster(fate, workers=["a"])
    with pytest.raises(KeyboardInterrupt):
        train(cluster, 1)
    assert cluster.given == [(0, "a", 1)]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
