"""The folder of a run: who may write what in it, and which models are finished."""

import pytest

from lumin_core.errors import ConfigError
from lumin_core.runs.folder import RunFolder

RECORD = {"schema": 1, "seed": 1, "n_models": 3, "foldfile": "/data/train.hdf5", "versions": {"torch": "2"}}


@pytest.fixture
def folder(tmp_path):
    folder = RunFolder(tmp_path / "run")
    folder.begin(RECORD, resume=False, overwrite=False)
    assert folder.unfinished(3) == [0, 1, 2]
    return folder


def finish(folder, number):
    folder.of_model(number).mkdir()
    (folder.of_model(number) / "model.safetensors").write_text("a model")
    folder.finish(number, {"loss": 0.5})


def test_different_models_are_trained_at_the_same_time_and_the_same_one_is_not(folder):
    held = pytest.raises(ConfigError, match=r"model 1 of the run in .*cannot be trained: .*by another process")
    with folder.training(0), folder.training(1):
        with held, folder.training(1):
            pass
        folder.begin(RECORD, resume=True, overwrite=False)
    assert [path.name for path in folder.path.iterdir()] == ["run.json"]


def test_a_run_is_not_replaced_while_a_model_of_it_is_trained(folder):
    finish(folder, 0)
    finish(folder, 1)
    before = sorted(folder.path.rglob("*"))
    with folder.training(1), pytest.raises(ConfigError, match=r"model 1 of the run .* by another process"):
        folder.begin({**RECORD, "seed": 2}, resume=False, overwrite=True)
    assert sorted(folder.path.rglob("*")) == before
    assert folder.required()["seed"] == 1
    folder.begin({**RECORD, "seed": 2}, resume=False, overwrite=True)
    assert folder.unfinished(3) == [0, 1, 2]
    assert folder.required()["seed"] == 2


def test_finished_models_are_tidied_but_by_who_trains_them(folder):
    finish(folder, 0)
    lock = folder.path / ".model_0.lock"
    lock.touch()  # of a process that was killed
    (folder.of_model(0) / "interrupted.safetensors").touch()
    with folder.training(0):
        folder.begin(RECORD, resume=True, overwrite=False)
        assert (folder.of_model(0) / "interrupted.safetensors").exists()
    lock.touch()
    folder.begin(RECORD, resume=True, overwrite=False)
    assert folder.unfinished(3) == [1, 2]
    assert not (folder.of_model(0) / "interrupted.safetensors").exists()
    assert not lock.exists()
    assert folder.result(0) == {"loss": 0.5, "path": folder.of_model(0) / "model.safetensors"}


def test_where_no_run_is_that_is_said(tmp_path):
    assert RunFolder(tmp_path).recorded() is None
    with pytest.raises(ConfigError, match=r"holds no run; plan_run\(..., savepath=...\) begins one"):
        RunFolder(tmp_path).required()


def test_a_path_may_be_relative_or_of_home(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert RunFolder.at("run").path == RunFolder.at("~/run").path == (tmp_path / "run").resolve()


def test_more_epochs_reopen_what_was_trained_for_all_of_them(tmp_path):
    folder, record = RunFolder(tmp_path / "run"), {**RECORD, "n_epochs": 2, "folds": [[0], [1], [2]]}
    folder.begin(record, resume=False, overwrite=False)
    for number, losses in enumerate(([0.5, 0.4], [0.5], None)):
        finish(folder, number)
        history = {} if losses is None else {"history": {"valid": {"loss": losses}}}
        folder.finish(number, {"loss": 0.4, **history})
    longer = {**record, "n_epochs": 3}
    with folder.training(1), pytest.raises(ConfigError, match=r"model 1 of the run .* by another process"):
        folder.begin(longer, resume=True, overwrite=False)
    assert folder.unfinished(3) == []
    folder.begin(longer, resume=True, overwrite=False)
    assert folder.unfinished(3) == [0, 2]
    assert folder.required()["n_epochs"] == 3
    with pytest.raises(ConfigError, match="n_epochs was 3, is 2"):
        folder.begin(record, resume=True, overwrite=False)


def test_a_folder_that_nothing_could_be_written_into_is_not_left(tmp_path, monkeypatch):
    def fail(path, content):
        raise ConfigError("the disk is full")

    monkeypatch.setattr("lumin_core.runs.folder.write_json", fail)
    with pytest.raises(ConfigError, match="the disk is full"):
        RunFolder(tmp_path / "run").begin(RECORD, resume=False, overwrite=False)
    assert list(tmp_path.iterdir()) == []
