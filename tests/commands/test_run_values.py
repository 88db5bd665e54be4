"""Run files, read: every key checked, with its default; paths absolute."""

from pathlib import Path

import pytest
from run_files import BASE

from lumin_core.errors import ConfigError
from lumin_plugin_commands import RunFile
from lumin_plugin_commands.run_tables import flat_keys as keys

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


def test_defaults_stand_in_for_what_is_left_out(write):
    values = RunFile.load(write()).values
    assert values["save_best"] is True
    assert values["head"] == "tabular/cat_emb_head"
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
        ("head.do_cat", 0.1, "head", {"name": "tabular/cat_emb_head", "do_cat": 0.1}),
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
        ("input_pipe = 3", r"run\.toml: input_pipe must be text or a table or a list.*, got 3"),
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


@pytest.mark.parametrize("example", ["ditau", "jets"])
def test_example_is_a_run_file(example):
    assert RunFile.load(EXAMPLES / example / "run.toml").values["seed"] == 2026
