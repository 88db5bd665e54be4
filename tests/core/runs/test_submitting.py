"""Pools as executors: futures are handed out, watched, and stopped."""

import itertools
import threading
from concurrent.futures import BrokenExecutor, Future, ThreadPoolExecutor

import attrs
import pytest

from lumin_core.errors import ConfigError
from lumin_core.runs import Submitting, introduce, submitting
from lumin_core.runs.submitting import adapted, open_executor


class Pool:
    """Does a call at once, unless it is told to wait."""

    def __init__(self, waits=False):
        self.waits, self.futures, self.stops = waits, [], []

    def submit(self, fn):
        future = Future()
        self.futures.append(future)
        if not self.waits:
            try:
                future.set_result(fn())
            except Exception as error:  # noqa: BLE001
                future.set_exception(error)
        return future

    def stop(self, *, at_once=False):
        self.stops.append(at_once)


class Job:
    def __init__(self, number, result):
        self.number, self.result = number, result

    def run(self):
        if isinstance(self.result, Exception):
            raise self.result
        return self.result


class OneByOne:
    """An executor of the protocol."""

    workers = 1

    def train(self, jobs, report):
        for job in jobs:
            report(job, job.run())


def outcomes_of(executor, jobs):
    reported = []
    executor.train(jobs, lambda job, outcome: reported.append((job.number, outcome, threading.current_thread())))
    assert {thread for _, _, thread in reported} == {threading.current_thread()}
    return {number: outcome for number, outcome, _ in reported}


def test_every_job_is_reported_once_in_the_callers_thread():
    error = ValueError("no")
    jobs = [Job(0, 0.5), Job(1, error), Job(2, 1.5)]
    assert outcomes_of(Submitting(Pool()), jobs) == {0: 0.5, 1: error, 2: 1.5}
    with ThreadPoolExecutor(2) as threads:
        assert outcomes_of(Submitting(threads), jobs) == {0: 0.5, 1: error, 2: 1.5}


def test_a_pool_that_breaks_meanwhile_fails_the_jobs_that_it_does_not_take():
    class Breaking(Pool):
        def submit(self, fn):
            if self.futures:
                raise BrokenExecutor("a worker died")
            return super().submit(fn)

    found = outcomes_of(Submitting(Breaking()), [Job(0, 0.5), Job(1, 1.5)])
    assert found[0] == 0.5
    assert isinstance(found[1], BrokenExecutor)


def test_ctrl_c_cancels_stops_and_waits(monkeypatch, capsys):
    pool = Pool(waits=True)

    def interrupted(*args, **options):
        pool.futures[0].set_running_or_notify_cancel()
        threading.Timer(0.05, pool.futures[0].set_result, [1.0]).start()
        raise KeyboardInterrupt

    monkeypatch.setattr(submitting, "_watch", interrupted)
    with pytest.raises(KeyboardInterrupt):
        Submitting(pool).train([Job(0, 1.0), Job(1, 1.0)], lambda *_: None)
    assert pool.stops == [False]
    assert pool.futures[0].done()
    assert pool.futures[1].cancelled()
    assert "Ctrl-C: the models stop after their batch; once more stops at once" in capsys.readouterr().err


def test_a_second_ctrl_c_stops_at_once(monkeypatch):
    pool = Pool(waits=True)

    def interrupted(*args, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr(submitting, "_watch", interrupted)
    monkeypatch.setattr(submitting, "wait", interrupted)
    with pytest.raises(KeyboardInterrupt):
        Submitting(pool).train([Job(0, 1.0)], lambda *_: None)
    assert pool.stops == [False, True]


def test_an_error_of_ours_stops_at_once():
    def report(job, outcome):
        raise RuntimeError("a bar broke")

    pool = Pool()
    with pytest.raises(RuntimeError, match="a bar broke"):
        Submitting(pool).train([Job(0, 1.0)], report)
    assert pool.stops == [True]


def test_the_number_of_workers_is_the_pools_or_unknown():
    with ThreadPoolExecutor(3) as threads:
        assert Submitting(threads).workers == 3
        for unknown in (None, "many", 0):
            threads._max_workers = unknown
            assert Submitting(threads).workers == 0
        threads._max_workers = 3
    assert Submitting(Pool()).workers == 0


def test_a_greeting_is_answered_or_not_within_patience(monkeypatch):
    assert Submitting(Pool()).greet() == introduce()
    monkeypatch.setattr(submitting, "PATIENCE", 0.01)
    pool = Pool(waits=True)
    with pytest.raises(TimeoutError, match=r"no answer within 0.01 s"):
        Submitting(pool).greet()
    assert pool.futures[0].cancelled()


def test_workers_start_together_as_many_as_there_will_be_jobs():
    for workers, jobs, started in ((3, 2, 2), (2, 5, 2), (None, 4, 1), (3, 0, 1)):
        pool = Pool()
        pool._max_workers = workers
        assert Submitting(pool).greet(jobs) == introduce()
        assert len(pool.futures) == started


def test_what_gives_no_future_is_refused():
    class Odd:
        def submit(self, fn):
            return fn()

    with pytest.raises(ConfigError, match=r"submit\(\) must return a concurrent.futures.Future, got Greeting"):
        Submitting(Odd()).greet()


@pytest.mark.parametrize(("n_threads", "jobs", "refused"), [(2, 2, True), (2, 1, False), (1, 3, False)])
def test_threads_of_another_process_are_refused_where_jobs_would_meet(n_threads, jobs, refused):
    class Away(Pool):
        """Calls in another process, in one of its threads after the other."""

        threads = itertools.cycle(range(n_threads))

        def submit(self, fn):
            said = fn()
            future = Future()
            future.set_result(attrs.evolve(said, process=-1, is_main=False, thread=next(self.threads)))
            return future

    if not refused:
        assert Submitting(Away()).greet(jobs).process == -1
        return
    with pytest.raises(ConfigError, match="two workers of Away are threads of one process"):
        Submitting(Away()).greet(jobs)


def test_what_is_made_by_name_is_closed_and_what_is_given_is_not():
    closed = []

    class Closing(OneByOne):
        def __enter__(self):
            return self

        def __exit__(self, *error):
            closed.append(error[0])

    with open_executor(Closing()):
        pass
    assert closed == []
    with open_executor(Closing) as executor:
        assert isinstance(executor, Closing)
    with pytest.raises(ValueError, match="x"), open_executor(Closing):
        raise ValueError("x")
    assert closed == [None, ValueError]
    with open_executor(None) as nothing, open_executor(OneByOne) as made:
        assert nothing is None
        assert isinstance(made, OneByOne)


def test_a_pool_becomes_an_executor_and_an_executor_stays():
    own = OneByOne()
    assert adapted(own) is own
    assert isinstance(adapted(Pool()), Submitting)


@pytest.mark.parametrize("workers", ["2", 2.5, -1, None, True])
def test_workers_are_a_whole_number(workers):
    own = OneByOne()
    own.workers = workers
    with pytest.raises(ConfigError, match=f"workers of OneByOne must be a whole number.*got {workers!r}"):
        adapted(own)
