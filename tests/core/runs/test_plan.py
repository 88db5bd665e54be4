"""The plan: training one model of a run by it."""

import multiprocessing
import os
from functools import partial

import pytest
import run_parts

from lumin_core import Callback, Ensemble, Model, train_models
from lumin_core.errors import ConfigError
from lumin_core.runs import RunFolder, plan_run, train_one


class Trained(Callback):
    seen = 0

    def on_train_begin(self):
        type(self).seen += 1


@pytest.fixture
def plan(fy, make_builder, tmp_path):
    def make(**options):
        options = {"savepath": tmp_path / "run", "seed": 1, **options}
        return plan_run(fy, 2, 8, make_builder(fy), options.pop("n_epochs", 1), **options)

    return make


@pytest.fixture
def folder(tmp_path):
    return RunFolder(tmp_path / "run")


def test_a_plan_is_written_and_trains_model_by_model(plan, folder, fy, make_builder, tmp_path, same_weights):
    planned = plan()
    assert [path.name for path in folder.path.iterdir()] == ["run.json"]
    assert folder.recorded()["folds"] == [{"train": t, "valid": v} for t, v in planned.folds]
    for number in (1, 0):
        planned.train(folder, number, visible_bar=False)
    whole = train_models(fy, 2, 8, make_builder(fy), 1, savepath=tmp_path / "whole", seed=1)
    for number, result in enumerate(whole):
        assert folder.result(number)["loss"] == result["loss"]
        assert same_weights(Model.from_save(folder.result(number)["path"]), Model.from_save(result["path"]))


def test_a_finished_model_is_left_as_it_is(plan, folder):
    planned = plan(cb_partials=Trained)
    Trained.seen = 0
    planned.train(folder, 0)
    planned.train(folder, 0)
    assert Trained.seen == 1


def test_a_run_that_was_replaced_meanwhile_is_left_alone(plan, folder):
    before = plan()
    plan(n_epochs=2, overwrite=True)
    with pytest.raises(ConfigError, match="was replaced by another meanwhile:\n  n_epochs was 2, is 1"):
        before.train(folder, 0)
    assert not folder.of_model(0).exists()


def test_a_plan_that_is_wrong_writes_nothing(plan, folder):
    for options in ({"n_epochs": 0}, {"cb_partials": Trained()}, {"resume": True, "overwrite": True}):
        with pytest.raises(ConfigError):
            plan(**options)
    assert not folder.path.exists()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork, to be quick")
def test_two_processes_train_different_models_of_one_run(plan, folder, tmp_path):
    (tmp_path / "marker").touch()
    os.mkfifo(tmp_path / "pipe")
    holding = partial(run_parts.Holding, pipe=tmp_path / "pipe", marker=tmp_path / "marker")
    planned = plan(n_epochs=2, cb_partials=holding)
    other = multiprocessing.get_context("fork").Process(target=planned.train, args=(folder, 0))
    other.start()
    with (tmp_path / "pipe").open() as begun:
        begun.readline()  # in the middle of its training
        (tmp_path / "marker").unlink()
        planned.train(folder, 1)
        with pytest.raises(ConfigError, match=r"model 0 of the run .* is being written by another process"):
            planned.train(folder, 0)
        with pytest.raises(ConfigError, match=r"model 0 of the run .* is being written by another process"):
            plan(overwrite=True)
        assert folder.is_finished(1)
        other.kill()
        assert begun.read() == ""
    other.join()
    planned.train(folder, 0)
    assert folder.is_finished(0)


def test_fault_a_run_has_device_and_precision(fy, make_builder, tmp_path, folder, monkeypatch):
    monkeypatch.setenv("LUMIN_DEVICE", "cpu")
    options = {"savepath": tmp_path / "run", "seed": 1, "precision": "bf16"}
    for wrong, words in (
        ({"precision": "8"}, "precision must be one of"),
        ({"device": "moon"}, "'moon' cannot be used"),
    ):
        with pytest.raises(ConfigError, match=words):
            train_models(fy, 1, 8, make_builder(fy), 1, **{**options, **wrong})
        assert not folder.path.exists()
    results = train_models(fy, 1, 8, make_builder(fy), 1, device="cpu", **options)
    assert folder.recorded()["precision"] == "bf16"
    assert Model.from_save(results[0]["path"]).precision == "bf16"
    assert Ensemble.from_results(results, 1, precision="32", device="cpu").models[0].precision == "32"
    monkeypatch.setenv("LUMIN_DEVICE", "moon")
    plan_run(fy, 2, 8, make_builder(fy), 1, device="cpu", resume=True, **options).train(folder, 1, device="moon")
    (folder.of_model(1) / "result.json").unlink()
    assert train_one(folder.path, 1, device="cpu")["loss"] > 0
    assert Model.from_save(folder.result(1)["path"], device="cpu").precision == "bf16"
