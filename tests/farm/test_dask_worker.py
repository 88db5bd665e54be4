"""The worker's side of Dask: outcomes as values, in whatever thread; and how a job is stopped."""

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from lumin_core import Callback, Model
from lumin_core.errors import TrainingFailed
from lumin_plugin_farm import dask_worker
from lumin_plugin_farm.dask_worker import stop, work


class Job:
    def __init__(self, path, run):
        self.folder, self.run = SimpleNamespace(path=path), run


def test_outcomes_are_values(tmp_path):
    def fail(error):
        raise error

    assert work(Job(tmp_path, lambda: 0.5), "run", 1) == 0.5
    for kind in (ValueError, KeyboardInterrupt, SystemExit):
        error = work(Job(tmp_path, lambda kind=kind: fail(kind("no"))), "run", 1)
        assert type(error) is kind
        assert "In the worker on" in error.__notes__[0]
    assert dask_worker._at_work == set()


def test_torch_has_the_threads_of_the_worker(tmp_path, monkeypatch):
    threads = [torch.get_num_threads()]
    monkeypatch.setattr(torch, "get_num_threads", lambda: threads[-1])
    monkeypatch.setattr(torch, "set_num_threads", threads.append)
    assert work(Job(tmp_path, torch.get_num_threads), "run", threads[0] + 3) == threads[0] + 3
    assert threads[-1] == threads[0]


def test_a_folder_that_the_worker_does_not_see_is_said():
    error = work(Job(Path("/no/such/disk/run"), None), "run", 1)
    assert type(error) is TrainingFailed
    assert "does not see the folder of the run, /no/such/disk/run: choose a savepath on a disk that all" in str(error)


def test_a_job_stops_after_its_batch_and_others_of_its_run_do_not_begin(tmp_path, fy, make_builder):
    model, begun, asked = Model(make_builder(fy)), threading.Event(), threading.Event()

    class Holding(Callback):
        def on_batch_end(self):
            begun.set()
            asked.wait()

    def fit():
        return model.fit(9, fy, 8, cbs=Holding(), cb_savepath=tmp_path, visible_bar=False)

    with ThreadPoolExecutor(1) as thread:
        outcome = thread.submit(work, Job(tmp_path, fit), "mine", 1)
        begun.wait()
        stop("another's")
        stop("mine")
        asked.set()
        assert isinstance(outcome.result(), KeyboardInterrupt)
    assert "interrupted in epoch 1 of 9, after batch 1" in str(outcome.result())
    assert (tmp_path / "interrupted.safetensors").exists()
    assert isinstance(work(Job(tmp_path, pytest.fail), "mine", 1), KeyboardInterrupt)
    assert work(Job(tmp_path, lambda: 1.0), "new", 1) == 1.0
