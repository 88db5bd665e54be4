"""train_models: the folder of a run, what is refused before anything is written, and what is kept."""

import json
import os
import re
import shutil
import subprocess
import sys
from functools import partial

import numpy as np
import pytest
import torch

from lumin_core import Callback, Ensemble, EvalMetric, FoldYielder, Model, ModelBuilder, Results, train_models
from lumin_core.errors import ConfigError, DataError, HookError, LuminError, UnknownComponent


@pytest.fixture
def run(fy, make_builder, tmp_path):
    def train(n_models=2, n_epochs=2, **options):
        builder = options.pop("builder", None) or make_builder(fy)
        options = {"savepath": tmp_path / "my run", "seed": 1, **options}
        return train_models(options.pop("fy", fy), n_models, options.pop("bs", 8), builder, n_epochs, **options)

    return train


def tree(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def test_the_folder_holds_models_results_and_how_to_repeat_them(run, tmp_path, fy):
    results = run(metric_partials=["roc_auc_score"], cb_partials=["epoch_saver"])
    folder = tmp_path / "my run"
    models = [f"model_{i}/{name}.safetensors" for i in (0, 1) for name in ("best", "epoch_1", "epoch_2", "model")]
    assert tree(folder) == sorted([*models, *(f"model_{i}/result.json" for i in (0, 1)), "results.json", "run.json"])
    assert not list(folder.rglob("checkpoint"))
    assert tree(tmp_path) == [f"my run/{name}" for name in tree(folder)]
    assert len(results) == 2
    for i, result in enumerate(results):
        assert result.keys() == {"loss", "roc_auc_score", "path", "history", "cycle_losses"}
        assert result["path"] == folder / f"model_{i}" / "model.safetensors"
        model, fold = Model.from_save(result["path"]), fy.get_fold(i)
        assert model.evaluate(*fold.values()) == pytest.approx(result["loss"], rel=1e-6)
        assert result["loss"] == min(result["history"]["valid"]["loss"])
    assert "Results of 2 models" in repr(results)


def test_a_run_can_be_repeated_from_its_json(run, tmp_path, same_weights, fy):
    first = run(cb_partials=[{"name": "grad_clip", "clip": 1.0}], metric_partials=["binary_accuracy"], patience=5)
    record = json.loads((tmp_path / "my run" / "run.json").read_text())
    assert record["schema"] == 1
    assert record["seed"] == 1
    assert record["foldfile"] == str(fy.foldfile)
    assert record["folds"] == [{"train": [1, 2], "valid": 0}, {"train": [0, 2], "valid": 1}]
    plugins = {f"lumin-plugin-{name}" for name in ("callbacks", "metrics", "tabular")}
    assert record["versions"].keys() == {"lumin-core", "torch", "numpy", *plugins}
    assert record["callbacks"][:2] == [{"name": "callbacks/grad_clip", "clip": 1.0}, "callbacks/metric_logger"]
    second = train_models(
        FoldYielder(record["foldfile"], ignore_feats=record["ignore_feats"]),
        len(record["folds"]),
        record["bs"],
        ModelBuilder.from_config(record["model_builder"]),
        record["n_epochs"],
        metric_partials=record["metrics"],
        cb_partials=record["callbacks"][:1],
        patience=5,
        savepath=tmp_path / "again",
        seed=record["seed"],
    )
    for a, b in zip(first, second, strict=True):
        assert same_weights(Model.from_save(a["path"]), Model.from_save(b["path"]))
        assert a["history"] == b["history"]


def test_a_fresh_seed_is_recorded(run, tmp_path, same_weights):
    first = run(1, seed=None)
    seed = json.loads((tmp_path / "my run" / "run.json").read_text())["seed"]
    second = run(1, seed=seed, savepath=tmp_path / "b")
    assert same_weights(Model.from_save(first[0]["path"]), Model.from_save(second[0]["path"]))


def test_fault_each_model_of_a_run_has_its_own_seed_and_subsample(run, fy, make_builder):
    builder = make_builder(fy, cont_subsample_rate=0.4, guaranteed_feats=None)
    config = builder.to_config()
    results = run(6, 1, builder=builder)
    models = [Model.from_save(result["path"]) for result in results]
    seeds = {tuple(sorted(model.record.seeds.items())) for model in models}
    assert len(seeds) == 6
    assert len({tuple(model.input_mask) for model in models}) > 1
    assert builder.to_config() == config


def test_a_run_is_moved_and_still_works(run, tmp_path, fy):
    results = run(3, metric_partials=["roc_auc_score"])
    content = json.loads((tmp_path / "my run" / "results.json").read_text())
    assert [row["path"] for row in content["results"]] == [f"model_{i}/model.safetensors" for i in range(3)]
    moved = tmp_path / "elsewhere" / "ünd"
    shutil.move(tmp_path / "my run", moved)
    for path in (moved, moved / "results.json", str(moved)):
        loaded = Results.load(path)
        assert loaded.direction("roc_auc_score") == "higher"
        assert [r["loss"] for r in loaded] == [r["loss"] for r in results]
    ensemble = Ensemble.from_results(loaded, 2, "roc_auc_score")
    assert ensemble.predict(fy.get_fold(0)["inputs"]).shape == (16, 1)


# An earlier run


def test_fault_an_earlier_run_is_kept_unless_overwritten(run, tmp_path):
    folder = tmp_path / "my run"
    run(2)
    before = {name: (folder / name).read_bytes() for name in tree(folder)}
    with pytest.raises(ConfigError, match="holds an earlier run; choose another savepath, pass resume=True"):
        run(2, seed=2)
    assert {name: (folder / name).read_bytes() for name in tree(folder)} == before


def test_fault_overwriting_removes_what_a_run_writes_and_nothing_else(run, tmp_path):
    folder = tmp_path / "my run"
    (tmp_path / "my").mkdir()
    run(3, cb_partials="epoch_saver")
    for name in ("checkpoint/epoch_7.safetensors", "checkpoint/.epoch_8.safetensors.part", "interrupted.safetensors",
                 "cycle_1.safetensors", "training.log", ".model.safetensors.part", ".result.json.part"):  # fmt: skip
        for i in (1, 2):
            path = folder / f"model_{i}" / name
            path.parent.mkdir(exist_ok=True)
            path.write_text("a run's")
    mine = [
        tmp_path / "my" / "a",
        tmp_path / "run",
        folder / "notes.txt",
        folder / "model_2" / "plot.pdf",
        folder / "model_x" / "model.safetensors",
        folder / "model_1_old" / "b",
        folder / "model_0" / "mine.safetensors",
        folder / "model_2" / "checkpoint" / "mine.txt",
    ]
    for path in mine:
        path.parent.mkdir(exist_ok=True)
        path.write_text("mine")
    run(1, 1, overwrite=True, seed=2)
    assert all(path.read_text() == "mine" for path in mine)
    own = {name for name in tree(folder) if folder / name not in mine}
    of_model = {f"model_0/{name}" for name in ("best.safetensors", "model.safetensors", "result.json")}
    assert own == {*of_model, "results.json", "run.json"}
    assert not (folder / "model_1").exists()


def test_an_overwritten_run_that_is_refused_stays(run, tmp_path, fy):
    folder = tmp_path / "my run"
    run(2)
    before = tree(folder)
    for options in ({"cb_partials": "no_such"}, {"bs": 17}, {"n_epochs": 0}, {"patience": 0}, {"metric_partials": 3}):
        with pytest.raises(LuminError):
            run(**options, overwrite=True)
        assert tree(folder) == before


def test_folders_of_models_that_are_no_run_are_left(run, tmp_path):
    (tmp_path / "my run" / "model_3").mkdir(parents=True)
    for overwrite in (False, True):
        with pytest.raises(ConfigError, match="model folders that belong to no run"):
            run(overwrite=overwrite)
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="is a file; give a folder"):
        run(savepath=tmp_path / "file")
    with pytest.raises(LuminError):
        run(savepath=tmp_path / "file" / "below")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_cannot_be_written_is_said(run, tmp_path):
    (tmp_path / "closed").mkdir(mode=0o500)
    with pytest.raises(ConfigError, match="cannot write to savepath"):
        run(savepath=tmp_path / "closed" / "run")


def test_a_run_beside_files_of_the_users_is_welcome(run, tmp_path):
    (tmp_path / "my run").mkdir()
    (tmp_path / "my run" / "notes.txt").write_text("mine")
    run(1, 1)
    assert (tmp_path / "my run" / "notes.txt").read_text() == "mine"


# Refused before anything is written


class Noisy(Callback):
    def __init__(self, level=1):
        if level < 0:
            raise ConfigError("level must be at least 0")

    def on_epoch_end(self):
        pass


class Typo:
    def on_epoch_ended(self):
        pass


class Cycling(Callback):
    """A cycle of two epochs, of which every end is saved."""

    def __init__(self, cycle_save=False):
        self.cycle_save = cycle_save

    def on_train_begin(self):
        self.cycle_count, self.cycle_end, self.cycle_losses = 0, False, []

    cycle_count, cycle_end, cycle_losses = 0, False, ()

    def on_epoch_end(self, fit_params):
        self.cycle_end = fit_params.epoch % 2 == 0
        if fit_params.state == "valid" and self.cycle_end:
            self.cycle_count += 1
            fit_params.model.save(fit_params.cb_savepath / f"cycle_{self.cycle_count}")
            self.cycle_losses.append(fit_params.history["valid"]["loss"][-1])

    def delays_stopping(self):
        return False

    def state_dict(self):
        return {"count": self.cycle_count, "losses": self.cycle_losses}

    def load_state_dict(self, state):
        self.cycle_count, self.cycle_losses = state["count"], list(state["losses"])


class NeedsColumn(EvalMetric):
    better = "lower"
    columns = ("mass",)

    def evaluate(self, preds, targets, weights, columns):
        return 0.0


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"n_models": 0}, ConfigError, "n_models must be a positive integer"),
        ({"n_models": 1.5}, ConfigError, "n_models must be"),
        ({"n_epochs": 0}, ConfigError, "n_epochs must be"),
        ({"n_epochs": "5"}, ConfigError, "n_epochs must be"),
        ({"bs": 0}, ConfigError, "bs must be"),
        ({"bs": "64"}, ConfigError, "bs must be"),
        ({"bs": 17}, DataError, "less than a batch"),
        ({"patience": 0}, ConfigError, "patience"),
        ({"patience": "3"}, ConfigError, "patience"),
        ({"seed": -1}, ConfigError, "seed must be"),
        ({"excl_idxs": 3}, ConfigError, "excl_idxs must be among the folds 0 to 2"),
        ({"excl_idxs": [0, 1]}, ConfigError, "need two folds"),
        ({"cb_partials": Noisy()}, ConfigError, "an instance would be shared between models"),
        ({"cb_partials": [Noisy, Noisy()]}, ConfigError, "an instance would be shared"),
        ({"metric_partials": NeedsColumn()}, ConfigError, "an instance would be shared"),
        ({"cb_partials": partial(Noisy, level=-1)}, ConfigError, "level must be at least 0"),
        ({"cb_partials": partial(Noisy, lvel=1)}, ConfigError, "no option 'lvel'"),
        ({"cb_partials": Typo}, HookError, "on_epoch_ended"),
        ({"cb_partials": "grad_clp"}, UnknownComponent, "grad_clip"),
        ({"cb_partials": "grad_clip"}, ConfigError, "needs the option 'clip'"),
        ({"metric_partials": NeedsColumn}, ConfigError, "needed by the metric 'needs_column'"),
        ({"metric_partials": ["roc_auc_score"] * 2}, ConfigError, "two metrics are called roc_auc_score"),
        ({"metric_partials": {"name": "roc_auc_score", "label": "path"}}, ConfigError, "cannot be called path"),
        ({"resume": True, "overwrite": True}, ConfigError, "choose one"),
        ({"overwrite": "false"}, ConfigError, "True or False is needed, got overwrite='false'"),
        ({"resume": "no", "retry_failed": 1}, ConfigError, "got resume='no', retry_failed=1"),
        ({"excl_idxs": [False, True, False]}, ConfigError, "excl_idxs must be among the folds 0 to 2"),
        ({"cb_partials": [partial(Cycling, cycle_save=True)] * 2}, ConfigError, "one callback can save its cycles"),
    ],
)
def test_what_would_fail_later_is_refused_before_anything_is_written(run, tmp_path, options, error, words):
    with pytest.raises(error, match=words):
        run(**options)
    assert list(tmp_path.iterdir()) == []


def test_blocks_that_cannot_be_built_are_refused_before_anything_is_written(run, tmp_path, fy, make_builder):
    for builder in (make_builder(fy, width=0), make_builder(fy, opt_args={"lr": -1})):
        with pytest.raises(ConfigError):
            run(builder=builder)
    fy.add_ignore("a")
    with pytest.raises(ConfigError, match="features"):
        run(builder=make_builder(FoldYielder(fy.foldfile)))
    assert list(tmp_path.iterdir()) == []


def test_preprocessing_that_cannot_be_stored_is_refused_before_anything_is_written(run, tmp_path, shared_path):
    class Odd:
        def transform(self, x):
            return x

        inverse_transform = transform

    with pytest.raises(ConfigError, match="Odd"):
        run(fy=FoldYielder(shared_path, input_pipe=Odd()))
    assert list(tmp_path.iterdir()) == []


def test_targets_that_do_not_fit_are_refused_before_anything_is_written(run, tmp_path, make_fy, make_builder):
    (tmp_path / "data").mkdir()
    fy = make_fy(tmp_path / "data" / "a.hdf5", objective="regression")
    with pytest.raises(DataError, match=r"classification must be in \[0, 1\]"):
        run(fy=fy, builder=make_builder(fy, "classification"))
    assert [path.name for path in tmp_path.iterdir()] == ["data"]


def test_a_missing_plugin_is_named_before_anything_is_written(shared_path, tmp_path):
    script = f"""
from lumin_core import FoldYielder, ModelBuilder, train_models
from lumin_core.errors import UnknownComponent
fy = FoldYielder({str(shared_path)!r})
try:
    train_models(fy, 2, 8, ModelBuilder.from_fy(fy, "classification"), 1, savepath={str(tmp_path / "run")!r})
except UnknownComponent as error:
    print(error, *error.__notes__)
"""
    environment = {**os.environ, "LUMIN_DISABLE_PLUGINS": "callbacks", "LUMIN_DEVICE": "cpu"}
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, env=environment, cwd=tmp_path
    )
    assert "metric_logger" in done.stdout
    assert "pip install lumin-plugin-callbacks" in done.stdout
    assert list(tmp_path.iterdir()) == []


# What is kept


@pytest.mark.parametrize(
    ("better", "values", "best"),
    [
        ("lower", [3.0, 1.0, 2.0], 1),
        ("higher", [1.0, 3.0, 2.0], 1),
        ("zero", [0.5, -5.0, 1.0], 0),
        ("zero", [-5.0, 0.0, 1.0], 1),
        ("lower", [float("nan"), 2.0, float("nan")], 1),
        ("higher", [float("inf"), 2.0, 1.0], 1),
    ],
)
def test_fault_the_model_that_is_kept_is_the_best_by_the_main_metric(
    run, same_weights, fy, tmp_path, better, values, best
):
    class Scripted(EvalMetric):
        def evaluate(self, preds, targets, weights, columns):
            self.n = getattr(self, "n", -1) + 1
            return values[self.n]

    Scripted.better = better
    results = run(1, 3, metric_partials=partial(Scripted, main_metric=True), cb_partials="epoch_saver")
    assert results[0]["scripted"] == values[best]
    assert results[0]["loss"] == results[0]["history"]["valid"]["loss"][best]
    kept = Model.from_save(results[0]["path"])
    assert same_weights(kept, Model.from_save(tmp_path / "my run" / "model_0" / f"epoch_{best + 1}"))
    assert results.direction("scripted") == better


def test_without_save_best_the_last_model_is_kept(run, same_weights, tmp_path):
    results = run(1, 3, save_best=False, cb_partials="epoch_saver")
    assert results[0]["loss"] == results[0]["history"]["valid"]["loss"][-1]
    assert same_weights(Model.from_save(results[0]["path"]), Model.from_save(tmp_path / "my run/model_0/epoch_3"))


def test_losses_that_are_never_numbers_are_failures(run, fy, make_builder, caplog, tmp_path):
    class Nothing(torch.nn.Module):
        def forward(self, y_pred, y):
            return (y_pred - y) * float("nan") if not self.training else (y_pred - y).square()

    builder = make_builder(fy, loss=Nothing)
    results = run(2, 5, builder=builder, patience=2, metric_partials="roc_auc_score")
    assert "save_best saved nothing" in caplog.text
    loaded = Results.load(tmp_path / "my run")
    for result in (*results, *loaded):
        assert (result["loss"], result["roc_auc_score"], result["path"]) == (None, None, None)
        assert np.isnan(result["history"]["valid"]["loss"]).tolist() == [True]
        assert re.fullmatch(r"the loss of the validation fold \d in epoch 1 is nan: .* diverged", result["failed"])
    with pytest.raises(ConfigError, match="2 models, 2 of which failed, from which 2 cannot be taken"):
        Ensemble.from_results(results, 2)


def test_losses_of_saved_cycles_belong_to_their_files(run, fy, tmp_path):
    results = run(2, 5, cb_partials=[Cycling, partial(Cycling, cycle_save=True)])
    for i, result in enumerate(results):
        assert result["cycle_losses"] == result["history"]["valid"]["loss"][1::2]
        for k, loss in enumerate(result["cycle_losses"], 1):
            saved = Model.from_save(result["path"].parent / f"cycle_{k}.safetensors")
            assert saved.evaluate(*fy.get_fold(i).values()) == pytest.approx(loss, rel=1e-6)
    assert run(1, 2, cb_partials=Cycling, savepath=tmp_path / "b")[0]["cycle_losses"] == []


def test_fold_file_and_yielder_are_as_before(run, shared_path, fy):
    before = shared_path.read_bytes()
    run(2, 1)
    assert shared_path.read_bytes() == before
    assert fy.get_ignore() == []


def test_nothing_that_is_passed_is_changed(run, fy, make_builder):
    cbs, metrics = [{"name": "grad_clip", "clip": 1.0}], ["roc_auc_score"]
    builder = make_builder(fy)
    before = builder.to_config()
    run(2, 1, cb_partials=cbs, metric_partials=metrics, builder=builder)
    assert cbs == [{"name": "grad_clip", "clip": 1.0}]
    assert metrics == ["roc_auc_score"]
    assert builder.to_config() == before


# What is shown


def test_a_data_frame_has_a_row_a_model(run):
    results = run(3, 1, metric_partials="roc_auc_score")
    frame = results.get_df()
    assert frame.index.tolist() == [0, 1, 2]
    assert frame.columns.tolist() == ["loss", "roc_auc_score", "path"]
    assert frame["loss"].tolist() == [result["loss"] for result in results]


def test_a_run_ends_with_its_mean(run, capsys):
    results = run(2, 1)
    assert capsys.readouterr().err.splitlines()[-1] == f"mean of 2 models: {results.summary()}"


def test_unique_folds_reach_the_training(run, tmp_path):
    run(3, 1, unique_trn_idxs=True)
    record = json.loads((tmp_path / "my run" / "run.json").read_text())
    assert record["folds"] == [{"train": [1], "valid": 0}, {"train": [2], "valid": 1}, {"train": [0], "valid": 2}]
