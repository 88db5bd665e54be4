"""Side by side: executors of the protocol, of pools and of neither; what is said of their models."""

import multiprocessing
import os
from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor, as_completed

import attrs
import pytest

from lumin_core import registry, train_models
from lumin_core.errors import ConfigError, TrainingFailed
from lumin_core.runs import available_cores, introduce, side_by_side, submitting
from lumin_core.runs.side_by_side import SideBySide, greet, threads_each

forks = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork, to be quick")


def forked(n=1, **options):
    return ProcessPoolExecutor(n, mp_context=multiprocessing.get_context("fork"), **options)


class Own:
    """An executor of the protocol."""

    workers = 2

    def train(self, jobs, report):
        with forked(self.workers) as pool:
            futures = {pool.submit(job.run): job for job in jobs}
            for future in as_completed(futures):
                report(futures[future], future.exception() or future.result())


class Here:
    """A pool that is none."""

    def submit(self, fn):
        future = Future()
        future.set_result(fn())
        return future


@pytest.fixture
def run(fy, make_builder, tmp_path):
    def train(executor, n_models=2, **options):
        options = {"savepath": tmp_path / "run", "seed": 1, **options}
        return train_models(fy, n_models, 8, make_builder(fy), 1, executor=executor, **options)

    return train


@forks
@pytest.mark.parametrize("make", [Own, lambda: Own, lambda: "own", forked], ids=["object", "class", "name", "pool"])
def test_any_executor_trains_what_a_serial_run_does(run, tmp_path, same_weights, make):
    from lumin_core import Model

    with registry.temporary():
        registry.register("executor", "own", Own)
        results = run(make())
    serial = run(None, savepath=tmp_path / "serial")
    for result, other in zip(results, serial, strict=True):
        assert {**result, "path": None} == {**other, "path": None}
        assert same_weights(Model.from_save(result["path"]), Model.from_save(other["path"]))


class Greeted(Own):
    answer = None

    def greet(self, jobs):
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


def greeted(answer):
    executor = Greeted()
    executor.answer = answer
    return executor


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (Here, "Here calls in this very process.*leave executor out"),
        (lambda: greeted(introduce()), "Greeted calls in this very process"),
        (lambda: ThreadPoolExecutor(1), "threads share torch's random numbers"),
        (lambda: greeted("hello"), r"greet\(\) of Greeted must return what introduce\(\) answers .*got 'hello'"),
        (lambda: greeted(OSError("no route")), "no worker of Greeted answered.*OSError: no route.*must start"),
        (lambda: greeted(TrainingFailed("killed")), "no worker of Greeted answered, and nothing was written: killed"),
        (lambda: 3, "executor"),
        (lambda: dict, "executor must be a name or a concurrent.futures.Executor"),
        (lambda: {"name": "processes", "wrkers": 1}, "no option 'wrkers'"),
    ],
)
def test_what_is_no_other_process_is_refused_before_anything_is_written(run, tmp_path, make, words):
    with pytest.raises(ConfigError, match=words):
        run(make())
    assert not (tmp_path / "run").exists()


@forks
def test_a_worker_that_dies_at_the_greeting_is_told_with_the_cause(run, tmp_path):
    with (
        forked(initializer=os._exit, initargs=(3,)) as pool,
        pytest.raises(ConfigError, match=r"no worker of ProcessPoolExecutor answered.*BrokenProcessPool: ") as refused,
    ):
        run(pool)
    assert "__main__" in str(refused.value)
    assert refused.value.__cause__ is not None
    assert not (tmp_path / "run").exists()


def test_no_answer_is_refused(run, tmp_path, monkeypatch):
    class Silent:
        def submit(self, fn):
            return Future()

    monkeypatch.setattr(submitting, "PATIENCE", 0.01)
    with pytest.raises(ConfigError, match=r"no worker of Silent answered.*there was no answer within 0.01 s"):
        run(Silent())
    assert not (tmp_path / "run").exists()


def test_who_greets_nobody_is_taken_at_his_word():
    assert greet(Own(), 2) is None
    away = attrs.evolve(introduce(), host="elsewhere")
    assert greet(greeted(away), 2) is away


def test_cores_are_shared_out_among_workers_that_are_known():
    assert threads_each(Own(), 1) == available_cores()
    assert threads_each(Own(), 9) == max(1, available_cores() // 2)
    assert threads_each(Here(), 9) is None


class Noting(Own):
    def __init__(self, outcomes):
        self.outcomes, self.jobs = outcomes, []

    def train(self, jobs, report):
        self.jobs += jobs
        for job in jobs:
            if job.number in self.outcomes:
                report(job, self.outcomes[job.number])


class Plan:
    folds, n_epochs = range(3), 1


@pytest.fixture
def folder(tmp_path):
    from lumin_core.runs import RunFolder

    return RunFolder(tmp_path)


def test_jobs_get_their_share_and_their_device(folder, monkeypatch):
    said = []
    monkeypatch.setattr(side_by_side, "say", said.append)
    monkeypatch.setattr(side_by_side, "_failure", lambda job, outcome: None)
    monkeypatch.setattr(type(folder), "result", lambda self, number: {})
    here = introduce()

    def shares(greeting):
        executor = Noting({0: 1.0, 1: 1.0, 2: 1.0})
        SideBySide(executor, greeting=greeting).train(Plan(), folder, [0, 1, 2])
        return [(job.threads, job.device) for job in executor.jobs]

    half = max(1, available_cores() // 2)
    assert shares(None) == shares(here) == [(half, None)] * 3
    gpus = attrs.evolve(here, devices=("cuda:0", "cuda:1"))
    assert shares(gpus) == [(half, "cuda:0"), (half, "cuda:1"), (half, "cuda:0")]
    assert shares(attrs.evolve(here, host="elsewhere")) == [(None, None)] * 3
    assert shares(attrs.evolve(here, threads=8)) == [(4, None)] * 3
    assert not any("forks" in line for line in said)
    assert shares(attrs.evolve(here, threads=8, is_fork=True)) == [(1, None)] * 3  # it would wait for ever with two
    assert "the workers are forks of this process, where torch has one thread; those of 'processes' have more" in said


def test_what_is_not_reported_or_left_no_result_has_failed(folder, capsys):
    with pytest.raises(TrainingFailed, match="3 of 3 models failed") as failed:
        SideBySide(Noting({0: 1.0, 1: ValueError("no")})).train(Plan(), folder, [0, 1, 2])
    text = str(failed.value)
    assert "model 0: it was trained, but" in text
    assert "workers must see it" in text
    assert "model 1: ValueError: no" in text
    assert "model 2: the executor did not report it" in text
    assert "resume=True trains only these" in text
    assert failed.value.__cause__ is not None
    assert "model 1 failed: ValueError: no" in capsys.readouterr().err
