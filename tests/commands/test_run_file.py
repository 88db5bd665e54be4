"""Run files, run: what does not fit is refused before anything is written, and a run can be repeated."""

import json
import tomllib
from pathlib import Path

import numpy as np
import pytest
from run_files import BASE

from lumin_core import (
    Augmentation,
    Callback,
    CatEmbedder,
    Ensemble,
    EvalMetric,
    FoldYielder,
    Model,
    ModelBuilder,
    Transform,
    registry,
    train_models,
)
from lumin_core.errors import ConfigError, DataError, FoldFileError, LuminError, UnknownComponent
from lumin_plugin_commands import RunFile
from lumin_plugin_commands.run_tables import find_table
from lumin_plugin_commands.run_tables import flat_keys as keys


class Halves(Transform):
    """A transform of the session."""

    def __init__(self, factor=0.5):
        self.factor = factor

    def transform(self, x):
        return x * self.factor

    def inverse_transform(self, x):
        return x / self.factor

    def to_config(self):
        return {"factor": self.factor}


def contents(folder):
    return {path.relative_to(folder): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def models(folder):
    return {name: data for name, data in contents(folder).items() if name.suffix == ".safetensors"}


def test_run_is_train_models_with_the_files_arguments(write, tmp_path, same_weights):
    path = write('metric_partials = ["roc_auc_score"]', "patience = 1", "opt_args = {opt = 'sgd', lr = 0.1}")
    results = RunFile.load(path).run()
    fy = FoldYielder(tmp_path / "data" / "train.hdf5")
    body = {"name": "fully_connected", "depth": 1, "width": 4}
    builder = ModelBuilder.from_fy(fy, "classification", body=body, opt_args={"opt": "sgd", "lr": 0.1})
    by_hand = train_models(
        fy, 2, 8, builder, 2, patience=1, metric_partials="roc_auc_score", savepath=tmp_path / "hand", seed=7
    )
    for result, other in zip(results, by_hand, strict=True):
        assert result["history"] == other["history"]
        assert same_weights(Model.from_save(result["path"]), Model.from_save(other["path"]))


def test_its_run_file_repeats_a_run_bit_for_bit(write, tmp_path):
    """With a fresh seed, subsampling, dropout, an augmentation, callbacks with options, tables in place of names."""

    @registry.register("augmentation", "smear")
    class Smear(Augmentation):
        def __init__(self, width=1.0):
            self.width = width

        def train(self, fold, rng):
            fold.flat[:, 0] += self.width * rng.normal(size=len(fold.flat)).astype(np.float32)
            return fold

    path = write(
        'metric_partials = "roc_auc_score"', 'cb_partials = [{name = "grad_clip", clip = 0.5}]',
        'augmentations = {name = "smear", width = 0.3}', "cont_subsample_rate = 0.7", 'guaranteed_feats = ["b"]',
        'ignore_feats = "c"', 'opt_args = {opt = "adamw", weight_decay = 0.1}', "model_args = {body = {do = 0.2}}",
        "cat_embedder = {max_emb_sz = 1}", "ensemble = {size = 2, metric = 'roc_auc_score'}",
        base=BASE.replace("seed = 7", ""),
    )  # fmt: skip
    RunFile.load(path).run()
    RunFile.load(tmp_path / "run" / "run.toml", {"savepath": str(tmp_path / "again")}).run()
    first, second = models(tmp_path / "run"), models(tmp_path / "again")
    assert {Path("ensemble.safetensors"), Path("model_1/model.safetensors")} < set(first)
    assert first == second
    RunFile.load(path, {"savepath": str(tmp_path / "other")}).run()
    assert models(tmp_path / "other") != first


def test_resolved_file_holds_everything_that_was_chosen(write, tmp_path):
    RunFile.load(write('metric_partials = "roc_auc_score"', base=BASE.replace("seed = 7", ""))).run()
    text = (tmp_path / "run" / "run.toml").read_text(encoding="utf-8")
    values = tomllib.loads(text)
    run = json.loads((tmp_path / "run" / "run.json").read_text(encoding="utf-8"))
    assert values["seed"] == run["seed"]
    assert values["foldfile"] == str(tmp_path / "data" / "train.hdf5")
    assert values["savepath"] == "."
    assert values["n_out"] == 1
    assert values["body"] == {"name": "tabular/fully_connected", "depth": 1, "width": 4}
    assert values["opt_args"] == {"opt": "core/adam", "lr": 2e-3}
    assert values["metric_partials"] == ["metrics/roc_auc_score"]
    has_default = {key.name for key in keys().values() if not key.is_required and key.default is not None}
    assert has_default <= set(values)


def test_resolved_file_holds_qualified_names_at_every_depth(write, tmp_path):
    body = (
        'body = {name = "fully_connected", depth = 1, width = 4, act = "swish", bn = true, bn_class = "batch_norm1d"}'
    )
    base = BASE.replace('body = {name = "fully_connected", depth = 1, width = 4}', body).replace("= 2", "= 1")

    @registry.register("executor", "here")
    class Here:
        workers = 1

        def train(self, jobs, report):
            for job in jobs:
                report(job, job.run())

    RunFile.load(write('loss = "bce_loss"', 'opt_args = {opt = "adam"}', 'executor = "here"', base=base)).run()
    resolved = tomllib.loads((tmp_path / "run" / "run.toml").read_text())
    assert (resolved["body"]["act"], resolved["body"]["bn_class"]) == ("core/swish", "core/batch_norm1d")
    assert (resolved["loss"], resolved["opt_args"]["opt"]) == ("core/bce_loss", "core/adam")
    assert resolved["executor"] == "session/here"


def test_model_is_of_the_files_features_and_embedder(write, tmp_path):
    results = RunFile.load(write('ignore_feats = ["a"]', "cat_embedder = {emb_szs = [1]}")).run()
    builder = Model.from_save(results[0]["path"]).model_builder
    assert builder.cont_feats == ["b", "c"]
    assert builder.cat_embedder == CatEmbedder(["d"], [3], [1])


def test_ensemble_is_that_of_the_results(write, tmp_path, fy):
    results = RunFile.load(write("ensemble = {size = 2, weighting = 'uniform'}")).run()
    x = fy.get_fold(0)["inputs"]
    saved = Ensemble.from_save(tmp_path / "run" / "ensemble.safetensors")
    assert np.array_equal(saved.predict(x), Ensemble.from_results(results, 2, weighting="uniform").predict(x))


@pytest.mark.parametrize(
    ("table", "error", "message"),
    [
        ("size = 3", ConfigError, r"run\.toml: the run has 2 models, from which 3 cannot be taken"),
        ("size = 1, metric = 'auc'", ConfigError, r"the run has no metric 'auc'; it has loss, roc_auc_score"),
        ("size = 1, weighting = 'equal'", ConfigError, r"\[ensemble\] weighting must be one of reciprocal, uniform"),
    ],
)
def test_ensemble_that_cannot_be_is_refused_before_the_training(write, tmp_path, table, error, message):
    run_file = RunFile.load(write('metric_partials = "roc_auc_score"', f"ensemble = {{{table}}}"))
    with pytest.raises(error, match=message):
        run_file.run()
    assert not (tmp_path / "run").exists()


def test_ensemble_that_fails_leaves_the_run(write, tmp_path):
    @registry.register("metric", "minus_one")
    class MinusOne(EvalMetric):
        better = "higher"

        def evaluate(self, preds, targets, weights=None, columns=None):
            return -1.0

    with pytest.raises(ConfigError, match=r"the run in .* is complete, but not its ensemble: reciprocal weights need"):
        RunFile.load(write('metric_partials = "minus_one"', "ensemble = {size = 1, metric = 'minus_one'}")).run()
    assert {"results.json", "run.toml"} <= {path.name for path in (tmp_path / "run").iterdir()}


@pytest.mark.parametrize(
    ("line", "error", "message"),
    [
        ('metric_partials = "roc_auc_scor"', UnknownComponent, "did you mean 'roc_auc_score'"),
        ('metric_partials = "gnn_metric"', UnknownComponent, "there is no metric 'gnn_metric'"),
        ('head = "gnn_haed"', UnknownComponent, r"run\.toml: there is no head 'gnn_haed'"),
        ('tail = {name = "class_reg_multi", rnge = 3}', ConfigError, r"run\.toml: .*rnge"),
        ("lookup_init = 3", ConfigError, r"run\.toml: an initialiser is given as"),
        ("opt_args = {opt = 'adam', lrr = 1}", ConfigError, r"run\.toml: .*lrr"),
        ("cb_partials = [3]", ConfigError, r"run\.toml: a callback is given as a name.*got 3"),
        ("cb_partials = [2026-01-01]", ConfigError, r"run\.toml: .*datetime\.date"),
        ("ignore_feats = 'e'", ConfigError, r"run\.toml: 'e' cannot be ignored"),
        ("excl_idxs = [0, 1]", ConfigError, "training and validation need two folds"),
    ],
)
def test_what_does_not_fit_is_refused_before_anything_is_written(write, tmp_path, line, error, message):
    run_file = RunFile.load(write(line))
    with pytest.raises(error, match=message):
        run_file.run()
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"foldfile": "none.hdf5"}, FoldFileError, r"run\.toml: there is no fold file .*none\.hdf5"),
        ({"bs": 17}, DataError, "fold . has 16 events, less than a batch of bs=17"),
        ({"bs": 0}, ConfigError, "bs must be a positive integer, got 0"),
        ({"n_models": -1}, ConfigError, "n_models must be a positive integer, got -1"),
        ({"objective": "clasify"}, ConfigError, r"run\.toml: objective must be one of classification"),
        ({"seed": -1}, ConfigError, r"run\.toml: seed must be None or an integer of at least 0, got -1"),
        ({"executor": "procesess"}, LuminError, "procesess"),
    ],
)
def test_values_that_do_not_fit_are_refused_before_anything_is_written(write, tmp_path, changes, error, message):
    run_file = RunFile.load(write(), changes)
    with pytest.raises(error, match=message):
        run_file.run()
    assert not (tmp_path / "run").exists()


def test_values_that_toml_cannot_hold_are_refused_before_anything_is_written(write, tmp_path):
    run_file = RunFile.load(write(), {"ensemble": {"size": 1, "metric": "loss", "snapshot_args": {"n_cycles": None}}})
    with pytest.raises(ConfigError, match=r"run\.toml: a run file holds what TOML can hold"):
        run_file.run()
    assert not (tmp_path / "run").exists()


def test_folder_of_another_run_is_left_as_it_is(write, tmp_path):
    RunFile.load(write("ensemble = {size = 1}")).run()
    before = contents(tmp_path / "run")
    with pytest.raises(ConfigError, match="earlier run"):
        RunFile.load(write(), {"n_epochs": 1}).run()
    assert contents(tmp_path / "run") == before


def test_overwriting_replaces_the_ensemble_of_before_too(write, tmp_path):
    RunFile.load(write("ensemble = {size = 1}")).run()
    (tmp_path / "run" / "notes.txt").write_text("mine", encoding="utf-8")
    RunFile.load(write(), {"seed": 8}).run(overwrite=True)
    assert not (tmp_path / "run" / "ensemble.safetensors").exists()
    assert (tmp_path / "run" / "notes.txt").read_text(encoding="utf-8") == "mine"
    assert tomllib.loads((tmp_path / "run" / "run.toml").read_text(encoding="utf-8"))["seed"] == 8


def test_ensemble_that_somebody_put_there_is_left_alone(write, tmp_path):
    path = write()
    RunFile.load(path).run()
    (tmp_path / "run" / "ensemble.safetensors").write_bytes(b"mine")
    RunFile.load(path).run(resume=True)
    assert (tmp_path / "run" / "ensemble.safetensors").read_bytes() == b"mine"


def test_users_own_run_file_is_not_replaced(write, tmp_path):
    path = write(base=BASE.replace('savepath = "run"', 'savepath = "."'))
    before = contents(tmp_path)
    with pytest.raises(ConfigError, match=r"stands where the run would leave its own run\.toml; rename it"):
        RunFile.load(path).run()
    assert contents(tmp_path) == before
    path.rename(tmp_path / "mine.toml")
    RunFile.load(tmp_path / "mine.toml").run()
    assert (tmp_path / "mine.toml").read_text(encoding="utf-8") == before[Path("run.toml")].decode()
    RunFile.load(tmp_path / "run.toml", {"n_epochs": 1}).run(overwrite=True)
    assert tomllib.loads((tmp_path / "run.toml").read_text(encoding="utf-8"))["n_epochs"] == 1


def test_run_that_dies_leaves_its_run_file(write, tmp_path):
    register_killer()
    with pytest.raises(RuntimeError, match="killed"):
        RunFile.load(write('cb_partials = "kill"')).run()
    assert tomllib.loads((tmp_path / "run" / "run.toml").read_text(encoding="utf-8"))["seed"] == 7


def register_killer():
    @registry.register("callback", "kill")
    class Kill(Callback):
        """Die in the second epoch, unless a file is there that says not to."""

        def on_epoch_begin(self, fit_params):
            if fit_params.epoch == 2 and not (fit_params.cb_savepath.parent.parent / "spare").exists():
                raise RuntimeError("killed")


def test_resumed_run_takes_up_its_seed_and_ends_as_if_never_killed(write, tmp_path):
    register_killer()
    path = write('cb_partials = "kill"', "ensemble = {size = 2}", base=BASE.replace("seed = 7", ""))
    with pytest.raises(RuntimeError, match="killed"):
        RunFile.load(path).run()
    (tmp_path / "spare").touch()
    RunFile.load(path).run(resume=True)
    RunFile.load(tmp_path / "run" / "run.toml", {"savepath": str(tmp_path / "again")}).run()
    assert models(tmp_path / "run") == models(tmp_path / "again")


def test_resume_of_a_damaged_run_is_refused(write, tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "run.json").write_text("{", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"run\.toml: cannot read the seed of the run in .*run\.json"):
        RunFile.load(write(base=BASE.replace("seed = 7", ""))).run(resume=True)


def test_executor_of_the_call_takes_the_place_of_the_files(write):
    run_file = RunFile.load(write('executor = "of_the_file"'))
    with pytest.raises(LuminError, match="of_the_file"):
        run_file.run()
    with pytest.raises(LuminError, match="of_the_call"):
        run_file.run(executor="of_the_call")


def test_fault_transforms_are_chosen_by_name(write):
    registry.register("transform", "halves", Halves)
    stored = [{"name": "session/halves", "factor": 0.5}]
    for value in ('"halves"', '["halves"]', '[{name = "halves", factor = 0.5}]'):
        values = RunFile.load(write(f"input_pipe = {value}")).values
        assert (
            find_table("data")(**{key: values[key] for key in ("foldfile", "input_pipe")})
            .arguments(values)["fy"]
            .preprocessing_config
            == stored
        )
