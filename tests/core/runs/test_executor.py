"""A job: the training of one model, in any process."""

import multiprocessing
import os
import pickle
import sys
import threading

import pytest
import torch

from lumin_core import Model, registry
from lumin_core.errors import TrainingFailed, UnknownComponent
from lumin_core.registry.lookup import session
from lumin_core.runs import Job, RunFolder, plan_run


class Loud:
    def on_train_begin(self):
        sys.stdout.write(f"printed with {torch.get_num_threads()} threads\n")
        sys.stderr.write("warned\n")


@pytest.fixture
def job(fy, make_builder, tmp_path):
    def make(**options):
        plan = plan_run(fy, 2, 8, make_builder(fy), 1, savepath=tmp_path / "run", seed=1, **options)
        return Job(1, RunFolder(tmp_path / "run"), plan)

    return make


def test_a_job_trains_its_model_and_says_so_in_its_folder(job, tmp_path, capsys):
    seconds = job(cb_partials=Loud).run(threads=1, device="cpu")
    assert 0 < seconds < 600
    folder = tmp_path / "run" / "model_1"
    assert Model.from_save(folder / "model").n_out == 1
    log = (folder / "training.log").read_text()
    assert "printed with 1 threads\n" in log
    assert "warned\n" in log
    assert capsys.readouterr() == ("", "")
    assert not (tmp_path / "run" / "model_0").exists()
    assert not list((tmp_path / "run").glob(".*lock"))


def test_a_job_is_pickled_with_what_the_session_registered(job):
    with registry.temporary():
        registry.register("callback", "loud", Loud)
        made = job(cb_partials="loud")
        components = tuple(session().values())
    with pytest.raises(UnknownComponent):
        made.run()
    again = pickle.loads(pickle.dumps(Job(1, made.folder, made.plan, components)))
    again.run()
    assert again.folder.is_finished(1)
    assert not session()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork, to be quick")
def test_a_job_runs_in_another_process(job):
    made = job()
    process = multiprocessing.get_context("fork").Process(target=made.run)
    process.start()
    process.join()
    assert process.exitcode == 0
    assert made.folder.is_finished(1)


def test_threads_and_device_are_the_jobs_unless_told(job, monkeypatch):
    made = job()
    told = []
    monkeypatch.setattr(
        type(made.plan), "train", lambda *_, device, **__: told.append((torch.get_num_threads(), device))
    )
    shared = Job(1, made.folder, made.plan, threads=1, device="mine")
    before = torch.get_num_threads()
    shared.run()
    shared.run(device="other")
    Job(1, made.folder, made.plan).run()
    assert told == [(1, "mine"), (1, "other"), (before, None)]
    assert torch.get_num_threads() == before


def test_two_jobs_in_one_process_are_refused(job, monkeypatch):
    made = job()
    begun, ended = threading.Event(), threading.Event()

    def wait(*args, **options):
        begun.set()
        ended.wait()

    monkeypatch.setattr(type(made.plan), "train", wait)
    thread = threading.Thread(target=made.run)
    thread.start()
    begun.wait()
    try:
        with pytest.raises(TrainingFailed, match="another model is being trained in this process"):
            made.run()
    finally:
        ended.set()
        thread.join()
    made.run()
