"""train_models(resume=True): a run may die between any two operations on files, and goes on to the same end."""

import json
import os
import shutil
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import ClassVar

import pytest
import torch

from lumin_core import Callback, Ensemble, Model, Results, registry, train_models
from lumin_core.errors import ConfigError
from lumin_core.locks import locked
from lumin_core.runs import plan_run, train_one
from lumin_core.runs.folder import RunFolder

BODY = {"name": "fully_connected", "depth": 2, "width": 5, "do": 0.2, "bn": True}


class Death(Exception):
    pass


class DieOnce(Callback):
    """Raises in an epoch of one model, unless the marker is there; makes it."""

    def __init__(self, number, epoch, marker):
        self.number, self.epoch, self.marker = number, epoch, marker

    def on_epoch_end(self, fit_params):
        here = (fit_params.cb_savepath.name, fit_params.epoch)
        if here == (f"model_{self.number}", self.epoch) and not self.marker.exists():
            self.marker.touch()
            raise Death


@pytest.fixture
def dies(tmp_path):
    return lambda number, epoch: partial(DieOnce, number=number, epoch=epoch, marker=tmp_path / "died")


@pytest.fixture
def train(fy, make_builder, tmp_path):
    def run(name="run", n_models=2, **options):
        builder = options.pop("builder", None) or make_builder(
            fy, body=BODY, opt_args={"opt": "adam", "lr": options.pop("lr", 0.01)}
        )
        options = {"n_epochs": 4, "bs": 8, "seed": 7, "metric_partials": "roc_auc_score", "patience": 9, **options}
        return train_models(options.pop("fy", fy), n_models, model_builder=builder, savepath=tmp_path / name, **options)

    return run


def tree(folder):
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*")}


def assert_same(results, others, same_weights):
    assert [{**result, "path": None} for result in results] == [{**other, "path": None} for other in others]
    for result, other in zip(results, others, strict=True):
        assert same_weights(Model.from_save(result["path"]), Model.from_save(other["path"]))


# What is trained again, and what is not


@pytest.mark.parametrize(("number", "epoch"), [(0, 1), (0, 3), (1, 1), (1, 4)])
def test_fault_a_run_that_died_goes_on_bit_for_bit(train, same_weights, tmp_path, number, epoch, dies):
    options = {"cb_partials": [{"name": "epoch_saver"}, dies(number, epoch)]}
    with pytest.raises(Death):
        train(resume=True, **options)  # there is nothing to resume: it begins
    assert not (tmp_path / "run" / "results.json").exists()
    assert (tmp_path / "run" / "model_0" / "result.json").exists() == (number == 1)
    results = train(resume=True, **options)
    whole = train("whole", **options)
    assert_same(results, whole, same_weights)
    assert tree(tmp_path / "run") == tree(tmp_path / "whole")


class Trained(Callback):
    """Notes which models are trained, and whether there are results then."""

    seen: ClassVar = []

    def on_train_begin(self, fit_params):
        folder = fit_params.cb_savepath
        self.seen.append((folder.name, (folder.parent / "results.json").exists()))


def test_fault_finished_models_are_not_trained_again(train, tmp_path):
    seen, folder = Trained.seen, tmp_path / "run"
    seen.clear()
    results = train(cb_partials=Trained)
    assert seen == [("model_0", False), ("model_1", False)]
    for missing, trained in ((None, []), ("model.safetensors", ["model_1"]), ("result.json", ["model_1"])):
        seen.clear()
        if missing is not None:
            (folder / "model_1" / missing).unlink()
        stamps = {path: path.stat().st_mtime_ns for path in (folder / "model_0").iterdir()}
        assert [dict(result) for result in train(resume=True, cb_partials=Trained)] == [
            dict(result) for result in results
        ]
        assert seen == [(name, False) for name in trained]
        assert {path: path.stat().st_mtime_ns for path in (folder / "model_0").iterdir()} == stamps
    assert len(Results.load(folder)) == 2


def test_without_a_seed_that_of_the_run_is_taken(train, tmp_path, same_weights, dies):
    options = {"seed": None, "cb_partials": dies(1, 2)}
    with pytest.raises(Death):
        train(**options)
    seed = json.loads((tmp_path / "run" / "run.json").read_text())["seed"]
    results = train(resume=True, **options)
    assert_same(results, train("whole", **{**options, "seed": seed}), same_weights)


def test_a_run_that_has_moved_goes_on(train, tmp_path, fy, same_weights, dies):
    options = {"cb_partials": dies(1, 2)}
    with pytest.raises(Death):
        train(**options)
    shutil.move(tmp_path / "run", tmp_path / "moved")
    (tmp_path / "data").mkdir()
    copy = shutil.copy(fy.foldfile, tmp_path / "data")
    results = train("moved", fy=type(fy)(copy), resume=True, **options)
    assert_same(results, train("whole", **options), same_weights)


@pytest.mark.parametrize("more", [{"n_epochs": 3}, {"n_models": 3}, {"n_epochs": 2, "n_models": 2}])
def test_a_finished_run_grows_to_the_larger_one(train, tmp_path, same_weights, more):
    options = {"n_epochs": 1, "n_models": 1, "bs": 16, "patience": 9}
    train(**options)
    before = (tmp_path / "run" / "model_0" / "model.safetensors").stat().st_mtime_ns
    results = train(resume=True, **{**options, **more}, bulk_move=False)
    again = (tmp_path / "run" / "model_0" / "model.safetensors").stat().st_mtime_ns != before
    assert again == ("n_epochs" in more)
    whole = train("whole", **{**options, **more})
    assert_same(results, whole, same_weights)
    assert tree(tmp_path / "run") == tree(tmp_path / "whole")
    record = json.loads((tmp_path / "run" / "run.json").read_text())
    assert {key: record[key] for key in more} == more
    assert len(record["folds"]) == len(results) == len(Results.load(tmp_path / "run"))


def test_a_run_that_was_cut_off_goes_on_to_more_epochs_and_models(train, same_weights, dies):
    options = {"cb_partials": dies(1, 2), "bs": 16}
    with pytest.raises(Death):
        train(n_epochs=2, **options)
    results = train(n_epochs=3, n_models=3, resume=True, **options)
    assert_same(results, train("whole", n_epochs=3, n_models=3, **options), same_weights)


def test_averages_and_stopped_trainings_grow_with_the_run_and_so_does_an_ensemble(train, tmp_path, same_weights):
    """A model that is stopped before its epochs are over stays; the others begin anew."""
    options = {"n_models": 3, "cb_partials": {"name": "swa", "start_epoch": 2}, "patience": 1, "lr": 0.3, "bs": 16}
    files = [tmp_path / "run" / f"model_{i}" / "model.safetensors" for i in range(3)]
    stopped = [len(result["history"]["valid"]["loss"]) < 4 for result in train(n_epochs=4, **options)]
    assert any(stopped)
    assert not all(stopped)
    times = [file.stat().st_mtime_ns for file in files]
    results = train(n_epochs=5, resume=True, **options)
    assert [file.stat().st_mtime_ns == time for file, time in zip(files, times, strict=True)] == stopped
    whole = train("whole", n_epochs=5, **options)
    assert_same(results, whole, same_weights)
    x = torch.rand(9, 4, generator=torch.Generator().manual_seed(1)).floor()
    grown, at_once = (Ensemble.from_results(found, 3).predict(x) for found in (results, whole))
    assert (grown == at_once).all()


def test_the_process_that_trains_a_model_sees_the_run_grow(train, tmp_path, fy, make_builder):
    """More models change nothing for those of before; more epochs do."""
    options = {"savepath": tmp_path / "run", "seed": 7, "resume": True}
    builder = make_builder(fy, body=BODY)
    small = plan_run(fy, 1, 16, builder, 1, **options)
    plan_run(fy, 2, 16, builder, 1, **options)
    small.train(RunFolder(tmp_path / "run"), 0, visible_bar=False)
    plan_run(fy, 2, 16, builder, 2, **options)
    with pytest.raises(ConfigError, match="replaced by another meanwhile:\n  n_epochs was 2, is 1"):
        small.train(RunFolder(tmp_path / "run"), 0, visible_bar=False)
    assert len(train_one(tmp_path / "run", 0, visible_bar=False)["history"]["valid"]["loss"]) == 2


def test_a_schedule_over_the_whole_run_is_not_made_longer(train, tmp_path):
    cycle = {"name": "one_cycle", "lengths": [0.5, 0.5], "lr_range": [1e-4, 1e-2]}
    train(n_models=1, n_epochs=1, cb_partials=cycle)
    before = tree(tmp_path / "run")
    with pytest.raises(ConfigError, match=r"n_epochs was 1, is 2, but the shape of callbacks/one_cycle"):
        train(n_models=1, n_epochs=2, cb_partials=cycle, resume=True)
    assert tree(tmp_path / "run") == before
    assert len(train(n_models=2, n_epochs=1, cb_partials=cycle, resume=True)) == 2


# What is refused


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"seed": 8}, "  seed was 7, is 8"),
        ({"n_models": 1}, "  n_models was 2, is 1"),
        ({"n_epochs": 3}, "  n_epochs was 4, is 3"),
        ({"precision": "bf16"}, '  precision was "32", is "bf16"'),
        ({"n_models": 3, "unique_trn_idxs": True}, r"another:\n  folds\[0\].train was \[1, 2\], is \[1\]"),
        ({"bs": 16}, "  bs was 8, is 16"),
        ({"lr": 0.02}, "  model_builder.opt_args.lr was 0.01, is 0.02"),
        ({"patience": 3}, r"  callbacks\[1\].patience was 9, is 3"),
        ({"save_best": False}, "  callbacks was "),
        ({"metric_partials": []}, r'  metrics was \["metrics/roc_auc_score"\], is \[\]'),
        ({"train_on_weights": False}, "  train_on_weights was true, is false"),
        ({"unique_trn_idxs": True}, r"  folds\[0\].train was \[1, 2\], is \[1\]"),
    ],
)
def test_another_config_is_refused_by_key(train, tmp_path, options, words):
    train()
    before = {path: path.read_bytes() for path in (tmp_path / "run").rglob("*") if path.is_file()}
    with pytest.raises(ConfigError, match=words) as refused:
        train(resume=True, **options)
    assert "give these as they were, or choose another savepath" in str(refused.value)
    assert {path: path.read_bytes() for path in (tmp_path / "run").rglob("*") if path.is_file()} == before


def test_other_data_are_refused(train, make_fy, tmp_path, fy):
    train()
    (tmp_path / "data").mkdir()
    other = make_fy(tmp_path / "data" / Path(fy.foldfile).name, seed=5)
    with pytest.raises(ConfigError, match=r"fold_ids\[0\] was .* is "):
        train(fy=other, resume=True)
    renamed = shutil.copy(fy.foldfile, tmp_path / "data" / "other.hdf5")
    train(fy=type(fy)(renamed), resume=True)
    assert json.loads((tmp_path / "run" / "run.json").read_text())["foldfile"] == str(renamed)


def test_other_versions_are_worth_a_warning(train, tmp_path, caplog):
    results = train(n_models=1)
    path = tmp_path / "run" / "run.json"
    record = json.loads(path.read_text())
    path.write_text(json.dumps({**record, "versions": {**record["versions"], "torch": "1.0"}}))
    assert [dict(result) for result in train(n_models=1, resume=True)] == [dict(result) for result in results]
    assert "was begun with torch 1.0 and goes on with" in caplog.text


@pytest.mark.parametrize("registered", [True, False])
def test_what_has_no_name_is_compared_by_what_it_looks_like(train, registered):
    """An address in memory is no difference."""

    class Option:
        def __init__(self, value):
            self.value = value

        def __repr__(self):
            return f"<{self.value} at {id(self):#x}>"

    with registry.temporary():
        registry.register("callback", "takes", _Takes)
        kept = []
        for value in (1, 1, 2):
            option = Option(value)
            kept.append(option)  # so that the next has another address
            spec = {"name": "takes", "option": option} if registered else partial(_Takes, option=option)
            options = {"cb_partials": spec, "n_models": 1, "resume": True}
            if value == 1:
                train(**options)
            else:
                with pytest.raises(ConfigError, match=r"callbacks\[0\].*was"):
                    train(**options)


def test_a_builder_without_names_is_compared_too(train, fy, make_builder):
    class Loss(torch.nn.Module):
        def forward(self, y_pred, y):
            return (y_pred - y).square()

    for lr in (0.1, 0.1, 0.2):
        builder = make_builder(fy, loss=Loss, opt_args={"opt": "sgd", "lr": lr})
        if lr == 0.1:
            train(n_models=1, builder=builder, resume=True)
        else:
            with pytest.raises(ConfigError, match=r"model_builder.opt_args was"):
                train(n_models=1, builder=builder, resume=True)


class _Takes(Callback):
    def __init__(self, option):
        self.option = option

    def on_epoch_end(self):
        pass


@pytest.mark.parametrize("content", ["", "[]", "{", '"text"'])
def test_a_damaged_record_is_refused_and_can_be_overwritten(train, tmp_path, content):
    results = train(n_models=1)
    (tmp_path / "run" / "run.json").write_text(content)
    with pytest.raises(ConfigError, match="choose another savepath, or pass overwrite=True"):
        train(n_models=1, resume=True)
    again = train(n_models=1, overwrite=True)
    assert [dict(result) for result in again] == [dict(result) for result in results]


def test_a_damaged_seed_is_refused(train, tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "run.json").write_text("{}")
    with pytest.raises(ConfigError, match="holds no run"):
        train(seed=None, resume=True)


def test_folders_of_models_without_a_record_are_refused(train, tmp_path):
    (tmp_path / "run" / "model_0").mkdir(parents=True)
    with pytest.raises(ConfigError, match="belong to no run"):
        train(resume=True)
    (tmp_path / "run" / "results.json").write_text("{}")
    with pytest.raises(ConfigError, match="holds an earlier run"):
        train(resume=True)


def test_a_run_that_another_process_trains_is_left_to_it(train, tmp_path):
    (tmp_path / "run").mkdir()
    with locked(tmp_path / "run" / "run.json"), pytest.raises(ConfigError, match="is being written by another process"):
        train()
    assert tree(tmp_path / "run") == set()
    assert len(train(n_models=1)) == 1
    with RunFolder(tmp_path / "run").held(), pytest.raises(ConfigError, match="is being written by another process"):
        train(n_models=1, resume=True)


# Killed anywhere

KILLED = '''
import hashlib, json, os, shutil, sys
from pathlib import Path
from lumin_core import FoldYielder, ModelBuilder, train_models

data = Path(sys.argv[1])

def train(folder, n, **options):
    fy = FoldYielder(data)
    builder = ModelBuilder.from_fy(fy, "classification", body="ident_body")
    train_models(fy, n, 8, builder, n, savepath=folder, **{"seed": 1, **options})

def content(folder):
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}

def leave_all_that_kills_may_leave(folder, n, **options):
    """Train in a process of its own, and keep a copy of the folder before each operation that finds another in it."""
    if pid := os.fork():
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    seen = []
    def keeping(function):
        def wrapped(*args, **kwargs):
            state = sorted(folder.rglob("*")), content(folder)
            if folder.exists() and state not in seen:
                shutil.copytree(folder, folder.parent / f"left_{len(seen):03}")
                seen.append(state)
            return function(*args, **kwargs)
        return wrapped
    os.replace = keeping(os.replace)
    for name in ("unlink", "rmdir", "mkdir", "write_text"):
        setattr(Path, name, keeping(getattr(Path, name)))
    train(folder, n, **options)
    os._exit(0)

def found(base, way, n):
    folder = base / "run"
    train(base / "whole", n)
    if way == "overwrite":
        train(folder, n, seed=2)
    code = leave_all_that_kills_may_leave(folder, n, **{way: True})
    runs = [content(folder)]
    for left in sorted(base.glob("left_*")):
        shutil.rmtree(folder)
        left.rename(folder)
        train(folder, n, **{way: True})
        runs.append(content(folder))
    return {"whole": content(base / "whole"), "runs": runs, "code": code}

os.fsync = lambda descriptor: None  # here no power fails, and it takes time
print(json.dumps({way: found(Path(sys.argv[2], way), way, n) for way, n in (("resume", 2), ("overwrite", 1))}))
'''


@pytest.fixture(scope="module")
def killed(shared_path, tmp_path_factory):
    """By the way in which it goes on: what a whole run is, and what those are that go on with what a kill may leave."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "LUMIN_DEVICE": "cpu", "CUDA_VISIBLE_DEVICES": ""}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", KILLED, shared_path, tmp_path_factory.mktemp("killed")],
        capture_output=True, text=True, env=environment, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork, to be quick")
@pytest.mark.parametrize("way", ["resume", "overwrite"])
def test_a_run_may_be_killed_before_any_operation_on_a_file(killed, way):
    found = killed[way]
    assert found["code"] == 0
    assert len(found["runs"]) > 20
    assert {"run.json", "results.json", "model_0/result.json", "model_0/model.safetensors"} < found["whole"].keys()
    for n, run in enumerate(found["runs"]):
        assert run == found["whole"], f"killed where it left {n} states behind it"
