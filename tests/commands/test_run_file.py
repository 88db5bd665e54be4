"""Run files: every key checked, and a run that says all that is needed to repeat it."""

import inspect
import json
import re
import tomllib
from pathlib import Path

import numpy as np
import pytest

from lumin_core import Callback, Ensemble, FoldYielder, Model, ModelBuilder, registry, train_models
from lumin_core.data.augmentation import Augmentation
from lumin_core.errors import ConfigError, DataError, FoldFileError, LuminError, UnknownComponent
from lumin_core.model.embedding import CatEmbedder
from lumin_core.runs.run_file import RunFile
from lumin_core.runs.run_keys import _LEFT_OUT, _TYPES, keys
from lumin_core.training.metric import EvalMetric

DOCS = Path(__file__).resolve().parents[2] / "docs" / "run_files.md"
BASE = """
foldfile = "data/train.hdf5"
objective = "classification"
n_models = 2
bs = 8
n_epochs = 2
savepath = "run"
seed = 7
body = {name = "fully_connected", depth = 1, width = 4}
"""


@pytest.fixture
def write(tmp_path, make_fy):
    """Give a function that writes a run file beside a fold file."""
    (tmp_path / "data").mkdir()
    make_fy(tmp_path / "data" / "train.hdf5").close()

    def make(*lines, base=BASE):
        path = tmp_path / "run.toml"
        path.write_text("\n".join([base, *lines]), encoding="utf-8")
        return path

    return make


@pytest.fixture(autouse=True)
def session():
    """Forget what a test registers."""
    with registry.temporary():
        yield


def contents(folder):
    return {path.relative_to(folder): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def models(folder):
    return {name: data for name, data in contents(folder).items() if name.suffix == ".safetensors"}


# Keys


def test_keys_types_and_defaults_are_those_of_the_signatures():
    functions = (FoldYielder, ModelBuilder, train_models)
    parameters = {p.name: p for function in functions for p in inspect.signature(function).parameters.values()}
    for key in keys().values():
        if key.name not in ("n_out", "cat_embedder", "ensemble"):
            assert key.default is parameters[key.name].default
    left_out = {name for function in functions for name in _LEFT_OUT[function]}
    assert set(parameters) - left_out == set(keys()) - {"ensemble"} - left_out
    assert "seed" in keys()


def test_every_annotation_is_one_that_can_be_checked():
    known = {*_TYPES, "Any", "Sequence[Any]", "None", "h5py.File"}
    assert {kind for key in keys().values() for kind in key.types} <= known


def test_docs_list_every_key():
    cells = re.findall(r"^\| (`\w+`(?:, `\w+`)*) \|", DOCS.read_text(encoding="utf-8"), re.MULTILINE)
    assert sorted(re.findall(r"\w+", " ".join(cells))) == sorted(keys())


def test_defaults_stand_in_for_what_is_left_out(write):
    values = RunFile.load(write()).values
    assert values["save_best"] is True
    assert values["head"] == "cat_emb_head"
    assert values["patience"] is None
    assert set(values) == set(keys())


def test_paths_in_the_file_are_relative_to_it(write, tmp_path, monkeypatch):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    path = write('pretrain_file = "old.safetensors"', '[cat_embedder]\nemb_load_path = "emb.safetensors"')
    monkeypatch.chdir(elsewhere)
    values = RunFile.load("../run.toml").values
    assert values["foldfile"] == str(tmp_path / "data" / "train.hdf5")
    assert values["pretrain_file"] == str(tmp_path / "old.safetensors")
    assert values["cat_embedder"]["emb_load_path"] == str(tmp_path / "emb.safetensors")
    assert RunFile.load(write(base=BASE.replace('savepath = "run"', ""))).folder == tmp_path / "train_weights"
    assert RunFile.load(path, {"savepath": "here"}).folder == elsewhere / "here"


@pytest.mark.parametrize(
    ("name", "value", "key", "expected"),
    [
        ("bs", 16, "bs", 16),
        ("opt_args.lr", 3e-3, "opt_args", {"lr": 3e-3}),
        ("body.depth", 3, "body", {"name": "fully_connected", "depth": 3, "width": 4}),
        ("body", "ident_body", "body", "ident_body"),
        ("head.do_cat", 0.1, "head", {"name": "cat_emb_head", "do_cat": 0.1}),
        ("cb_partials.1.clip", 2.0, "cb_partials", ["epoch_saver", {"name": "grad_clip", "clip": 2.0}]),
        ("cb_partials.0.every", 2, "cb_partials", [{"name": "epoch_saver", "every": 2}, {"name": "grad_clip"}]),
        ("ensemble.size", 2, "ensemble", {"size": 2}),
    ],
)
def test_changes_take_the_place_of_what_is_there(write, name, value, key, expected):
    path = write('cb_partials = ["epoch_saver", {name = "grad_clip"}]')
    changes = {name: value}
    run_file = RunFile.load(path, changes)
    assert run_file.values[key] == expected
    assert changes == {name: value}
    others = {k: v for k, v in run_file.values.items() if k != key}
    assert others == {k: v for k, v in RunFile.load(path).values.items() if k != key}


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("n_epoch = 3", r"run\.toml: a run file has no 'n_epoch'; did you mean 'n_epochs'\?"),
        ("resume = true", r"run\.toml: resume is no key, but an option of the call: lumin train --resume"),
        ("input_pipe = 3", r"a run file has no 'input_pipe'"),
        ("patience = '5'", r"run\.toml: patience must be an integer, got '5'"),
        ("patience = 2.0", r"patience must be an integer, got 2\.0"),
        ("patience = true", r"patience must be an integer, got True"),
        ("save_best = 1", r"save_best must be true or false, got 1"),
        ("ignore_feats = ['a', 1]", r"ignore_feats must be text or a list of text, got \['a', 1\]"),
        ("excl_idxs = ['a']", r"excl_idxs must be a list of integers or an integer, got \['a'\]"),
        ("opt_args = 'adam'", r"opt_args must be a table, got 'adam'"),
        ("clip = '1'", r"clip must be a number, got '1'"),
        ("pretrain_file = 3", r"pretrain_file must be text, got 3"),
        ("ensemble = {sise = 2}", r"run\.toml, \[ensemble\] has no 'sise'; did you mean 'size'\?"),
        ("ensemble = {metric = 'loss'}", r"\[ensemble\] needs size"),
        ("ensemble = {size = '2'}", r"\[ensemble\]: size must be an integer, got '2'"),
        ("cat_embedder = {emb_sz = [2]}", r"\[cat_embedder\] has no 'emb_sz'; did you mean 'emb_szs'"),
        ("bs = 3", r"run\.toml is no TOML: Cannot overwrite a value"),
        ("bs == 3", r"run\.toml is no TOML: Invalid value \(at line 11"),
        ("excl_idxs = [", r"run\.toml is no TOML"),
    ],
)
def test_wrong_keys_and_types_are_refused_by_name(write, line, message):
    with pytest.raises(ConfigError, match=message):
        RunFile.load(write(line))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("epochs", r"run\.toml, changed: a run file has no 'epochs'; did you mean 'n_epochs'\?"),
        ("", "a run file has no ''"),
        ("overwrite", "overwrite is no key, but an option of the call"),
        ("cb_partials.1.lr", r"run\.toml: cb_partials has 1 entries, counted from 0, got the number '1'"),
        ("cb_partials.first.lr", "got the number 'first'"),
        ("bs.size", r"run\.toml: bs is 8, no table that could have 'size'"),
        ("body.depth.more", r"body\.depth is 1, no table"),
    ],
)
def test_changes_of_what_is_not_there_are_refused(write, name, message):
    with pytest.raises(ConfigError, match=message):
        RunFile.load(write('cb_partials = ["epoch_saver"]'), {name: 1})


def test_missing_keys_are_named_together(write):
    with pytest.raises(ConfigError, match=r"run\.toml needs foldfile, objective, n_models, n_epochs$"):
        RunFile.load(write(base="bs = 8"))


def test_files_that_cannot_be_read_are_refused(tmp_path):
    with pytest.raises(ConfigError, match=r"cannot read the run file .*none\.toml: No such file"):
        RunFile.load(tmp_path / "none.toml")
    with pytest.raises(ConfigError, match="Is a directory"):
        RunFile.load(tmp_path)
    (tmp_path / "run.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match="is no TOML"):
        RunFile.load(tmp_path / "run.toml")


# Training


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


@pytest.mark.parametrize("example", ["ditau", "jets"])
def test_example_is_a_run_file(example):
    assert RunFile.load(DOCS.parents[1] / "examples" / example / "run.toml").values["seed"] == 2026
