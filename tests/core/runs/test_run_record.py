"""run.json: alone it is enough to train a model of the run, or says why not."""

import json
import shutil
import subprocess
import sys
from functools import partial

import pytest
import torch

from lumin_core import Callback, FoldYielder, Model, registry, train_models
from lumin_core.errors import ConfigError, FoldFileError, UnknownComponent
from lumin_core.runs import RunFolder, collect, plan_run, train_one
from lumin_core.runs.run_record import read_plan

OPTIONS = {"cb_partials": {"name": "grad_clip", "clip": 1.0}, "metric_partials": "roc_auc_score", "patience": 3}


@pytest.fixture
def plan(fy, make_builder, tmp_path):
    def make(**options):
        data = options.pop("fy", fy)
        builder = options.pop("builder", None) or make_builder(data, opt_args={"opt": "adam", "lr": 0.01})
        return plan_run(data, 2, 8, builder, 2, savepath=tmp_path / "run", seed=5, **{**OPTIONS, **options})

    return make


def test_a_fresh_process_trains_from_run_json_alone_what_a_serial_run_does(
    plan, fy, make_builder, tmp_path, same_weights
):
    planned = plan()
    script = "import sys; from lumin_core.runs import train_one; print(train_one(sys.argv[1], 1)['loss'])"
    done = subprocess.run(
        [sys.executable, "-c", script, tmp_path / "run"], capture_output=True, text=True, check=False, cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    assert train_one(tmp_path / "run", 0, visible_bar=False)["loss"] > 0
    results = collect(tmp_path / "run")
    assert done.stdout == f"{results[1]['loss']}\n"
    assert results.direction("roc_auc_score") == "higher"
    serial = train_models(fy, 2, 8, planned.builder, 2, savepath=tmp_path / "serial", seed=5, **OPTIONS)
    for result, other in zip(results, serial, strict=True):
        assert {**result, "path": None} == {**other, "path": None}
        assert same_weights(Model.from_save(result["path"]), Model.from_save(other["path"]))


def test_the_plan_of_a_record_is_the_plan(plan, tmp_path):
    planned = plan()
    read = read_plan(RunFolder(tmp_path / "run"))
    for name in ("folds", "n_epochs", "bs", "train_on_weights", "bulk_move", "seed"):
        assert getattr(read, name) == getattr(planned, name)
    assert read.builder.to_config() == planned.builder.to_config()
    assert read.record == json.loads(json.dumps(planned.record))


def test_what_is_not_finished_is_named(plan, tmp_path):
    plan()
    train_one(tmp_path / "run", 1)
    with pytest.raises(ConfigError, match=r"models 0 of the run in .* are not finished; train_one trains"):
        collect(tmp_path / "run")
    for wrong in (2, -1, True, "0"):
        with pytest.raises(ConfigError, match=f"has models 0 to 1, got {wrong!r}"):
            train_one(tmp_path / "run", wrong)


class Mine(Callback):
    def on_epoch_end(self):
        pass


class OwnLoss(torch.nn.Module):
    def forward(self, y_pred, y):
        return (y_pred - y).square()


class OwnYielder(FoldYielder):
    pass


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda fy, make: {"cb_partials": Mine}, r"callbacks\[0\]: Mine has no registered name"),
        (lambda fy, make: {"cb_partials": partial(Mine)}, r"callbacks\[0\]: Mine has no registered name"),
        (lambda fy, make: {"builder": make(fy, loss=OwnLoss)}, "model_builder: OwnLoss has no registered name"),
        (lambda fy, make: {"fy": OwnYielder(fy.foldfile)}, "fold file: it is opened by a class of its own, OwnYielder"),
    ],
)
def test_what_has_no_name_is_refused_with_the_reason(plan, fy, make_builder, tmp_path, change, words):
    plan(**change(fy, make_builder))
    with pytest.raises(ConfigError, match=words) as refused:
        train_one(tmp_path / "run", 0)
    assert "train the run with train_models, or plan it with what has a name" in str(refused.value)
    assert not (tmp_path / "run" / "model_0").exists()


def test_what_the_session_registered_is_not_known_elsewhere(plan, tmp_path):
    with registry.temporary():
        registry.register("callback", "my_own", Mine)
        plan(cb_partials="my_own")
        train_one(tmp_path / "run", 0)
    with pytest.raises(UnknownComponent, match="my_own"):
        train_one(tmp_path / "run", 1)


def test_data_that_the_file_cannot_tell_are_given(plan, fy, tmp_path):
    data = OwnYielder(fy.foldfile)
    plan(fy=data)
    assert train_one(tmp_path / "run", 0, fy=data)["loss"] > 0


def test_how_the_file_is_opened_is_recorded(plan, fy, tmp_path):
    data = FoldYielder(fy.foldfile, ignore_feats="a", clip=2)
    plan(fy=data)
    read = read_plan(RunFolder(tmp_path / "run")).fy
    assert (read.clip, read.get_ignore(), read.foldfile) == (2, ["a"], data.foldfile)


def test_a_file_that_moved_is_given_and_another_is_refused(plan, make_fy, tmp_path):
    (tmp_path / "a").mkdir()
    data = make_fy(tmp_path / "a" / "data.hdf5")
    data.close()
    plan(fy=data)
    shutil.move(tmp_path / "a", tmp_path / "b")
    with pytest.raises(FoldFileError, match=r"data.hdf5"):
        train_one(tmp_path / "run", 0)
    other = make_fy(tmp_path / "data.hdf5", seed=9)
    with pytest.raises(ConfigError, match="has other data, or other folds, than"):
        train_one(tmp_path / "run", 0, fy=other)
    assert train_one(tmp_path / "run", 0, fy=FoldYielder(tmp_path / "b" / "data.hdf5"))["loss"] > 0


def test_a_record_of_an_earlier_version_goes_on(plan, fy, tmp_path):
    planned = plan()
    path = tmp_path / "run" / "run.json"
    record = json.loads(path.read_text())
    old = {key: value for key, value in record.items() if key not in ("opened", "directions")}
    path.write_text(json.dumps(old))
    train_one(tmp_path / "run", 0)
    options = {"savepath": tmp_path / "run", "seed": 5, "resume": True, **OPTIONS}
    results = train_models(fy, 2, 8, planned.builder, 2, **options)
    assert results.direction("roc_auc_score") == "higher"
    assert json.loads(path.read_text()) == old
    assert collect(tmp_path / "run").direction("roc_auc_score") == "higher"


@pytest.mark.parametrize("lacks", ["folds", "model_builder", "callbacks", "fold_ids"])
def test_a_damaged_record_is_said_to_be(plan, tmp_path, lacks):
    plan()
    path = tmp_path / "run" / "run.json"
    record = json.loads(path.read_text())
    del record[lacks]
    path.write_text(json.dumps(record))
    with pytest.raises(ConfigError, match=f"run.json is damaged: KeyError.*{lacks}"):
        train_one(tmp_path / "run", 0)
