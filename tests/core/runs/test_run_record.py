"""run.json: alone it is enough to train a model of the run, or says why not."""

import json
import shutil
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest
import torch

from lumin_core import Body, Callback, FoldYielder, Model, ModelBuilder, registry, train_models
from lumin_core.errors import ConfigError, FoldFileError, UnknownComponent
from lumin_core.registry import UnsavableOption
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


PART = {
    "name": "gnn_head",
    "vecs": ["jet"],
    "feats_per_vec": ["pt"],
    "extractor": {"name": "deep_sets", "act": "Swish"},
}


def test_names_are_qualified_at_every_depth(plan, tmp_path):
    class Watch(Callback):
        def __init__(self, others):
            self.others = [registry.build("callback", other) for other in others]

        def on_epoch_end(self): ...

    with registry.temporary():
        registry.register("callback", "watch", Watch)
        head = {"name": "multi_head", "flat_head": "cat-emb-head", "matrix_head": PART}
        body = partial(registry.find("body", "fully_connected").load(), act="swish", bn=True, bn_class="BatchNorm1d")
        builder = ModelBuilder("classification", 1, ["a", "b", "jet_pt"], head=head, body=body)
        config = builder.to_config()
        assert config == ModelBuilder.from_config(config).to_config()
        assert config["head"] == {
            "name": "tabular/multi_head",
            "flat_head": "tabular/cat_emb_head",
            "matrix_head": {
                "name": "gnn/gnn_head",
                "vecs": ["jet"],
                "feats_per_vec": ["pt"],
                "extractor": {"name": "gnn/deep_sets", "act": "core/swish"},
            },
        }
        assert config["body"] == {
            "name": "tabular/fully_connected",
            "act": "core/swish",
            "bn": True,
            "bn_class": "core/batch_norm1d",
        }
        plan(cb_partials={"name": "watch", "others": ["ema", {"name": "grad_clip", "clip": 1.0}]})
    record = json.loads((tmp_path / "run" / "run.json").read_text())
    others = ["callbacks/ema", {"name": "callbacks/grad_clip", "clip": 1.0}]
    assert record["callbacks"][0] == {"name": "session/watch", "others": others}


@pytest.mark.parametrize("value", [Path("here"), lambda x: x], ids=["path", "lambda"])
def test_an_option_that_no_model_could_be_saved_with_is_refused_before_anything_is_written(
    plan, fy, make_builder, tmp_path, value
):
    with registry.temporary():

        @registry.register("body", "reads")
        class Reads(Body):
            def __init__(self, n_in, feat_map, table=None):
                super().__init__(n_in, feat_map)

            def forward(self, x):
                return x

            def get_out_size(self):
                return self.n_in

        builder = make_builder(fy, body={"name": "reads", "table": value})
        with pytest.raises(UnsavableOption, match="the option 'table' of the body 'session/reads' is "):
            plan(builder=builder)
    assert not (tmp_path / "run").exists()


def test_what_has_no_name_is_told_when_the_run_is_planned_and_the_model_saved(plan, fy, make_builder, tmp_path, caplog):
    builder = make_builder(fy, loss=OwnLoss)
    plan(builder=builder, cb_partials=Mine)
    Model(builder).save(tmp_path / "model")
    told = [record.getMessage() for record in caplog.records]
    assert told[0].startswith("the models of the run will need model_builder= to be loaded: OwnLoss has no registered")
    assert told[1].startswith("the run cannot be repeated from its folder alone: Mine has no registered name")
    assert told[2].startswith("the saved model will need model_builder= to be loaded: OwnLoss has no registered name")


@pytest.mark.parametrize("given", ["SaveBest", "callbacks/save_best", {"name": "save-best", "auto_reload": False}])
def test_a_callback_of_ours_that_is_given_is_not_added_again(plan, given):
    names = [spec if isinstance(spec, str) else spec["name"] for spec in plan(cb_partials=given).record["callbacks"]]
    assert names == ["callbacks/save_best", "callbacks/metric_logger", "callbacks/early_stopping"]
