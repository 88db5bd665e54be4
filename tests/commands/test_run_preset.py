"""Run files with a preset: it gives what the file does not have, and is written out in the folder."""

import tomllib

import pytest
from run_files import BASE

from lumin_core import FoldYielder, Model, registry, train_models
from lumin_core.errors import ConfigError, LuminError
from lumin_core.runs import Preset, preset_arguments
from lumin_plugin_commands import RunFile

SHORT = """
foldfile = "data/train.hdf5"
objective = "classification"
n_models = 1
savepath = "run"
seed = 7
"""


class Small(Preset):
    """Chosen for tests."""

    version = 3

    def __init__(self, width: int = 4) -> None:
        self.width = width

    def arguments(self, fy, objective, n_out=None):
        return {
            "body": {"name": "fully_connected", "depth": 2, "width": self.width},
            "opt_args": {"opt": "adamw", "lr": 0.01, "decay_groups": "weights"},
            "cb_partials": [{"name": "callbacks/grad_clip", "clip": 0.5}],
            "bs": 8,
            "n_epochs": len(fy),
        }


@pytest.fixture(autouse=True)
def small(session):
    registry.register("preset", "small", obj=Small)


def weights(path):
    return Model.from_save(path).get_weights()


def equal(first, second):
    return all((value == second[name]).all() for name, value in first.items())


def resolved(tmp_path):
    return tomllib.loads((tmp_path / "run" / "run.toml").read_text(encoding="utf-8"))


def test_a_preset_gives_what_train_models_takes(write, tmp_path):
    (result,) = RunFile.load(write('preset = {name = "small", width = 5}', base=SHORT)).run()
    fy = FoldYielder(tmp_path / "data" / "train.hdf5")
    arguments = preset_arguments({"name": "small", "width": 5}, fy, "classification", savepath=tmp_path / "hand")
    (by_hand,) = train_models(fy, n_models=1, seed=7, **arguments)
    assert result["history"] == by_hand["history"]
    assert equal(weights(result["path"]), weights(by_hand["path"]))


def test_keys_of_the_file_and_of_the_call_win(write, tmp_path):
    path = write('preset = "small"', "bs = 4", "opt_args = {lr = 0.1}", "model_args = {body = {depth = 1}}", base=SHORT)
    RunFile.load(path, {"n_epochs": 1, "preset.width": 6}).run()
    found = resolved(tmp_path)
    assert (found["bs"], found["n_epochs"]) == (4, 1)
    assert found["opt_args"] == {"opt": "core/adamw", "lr": 0.1, "decay_groups": "weights"}
    assert found["body"] == {"name": "tabular/fully_connected", "depth": 1, "width": 6}
    assert found["cb_partials"] == [{"name": "callbacks/grad_clip", "clip": 0.5}]


def test_a_component_of_the_file_replaces_the_presets(write, tmp_path):
    body = 'body = {name = "fully_connected", depth = 1, width = 3}'
    RunFile.load(write('preset = "small"', body, "cb_partials = []", base=SHORT)).run()
    found = resolved(tmp_path)
    assert found["body"] == {"name": "tabular/fully_connected", "depth": 1, "width": 3}
    assert found["cb_partials"] == []


def test_the_resolved_file_repeats_the_run_without_the_preset(write, tmp_path):
    RunFile.load(write('preset = "small"', base=SHORT)).run()
    text = (tmp_path / "run" / "run.toml").read_text(encoding="utf-8")
    assert "# What follows was given by version 3 of a preset" in text
    assert '# preset = "session/small"' in text
    assert "preset" not in tomllib.loads(text)
    with registry.temporary():
        Small.version, before = 4, Small.version
        try:
            RunFile.load(tmp_path / "run" / "run.toml", {"savepath": str(tmp_path / "again")}).run()
        finally:
            Small.version = before
    name = "model_0/model.safetensors"
    assert (tmp_path / "run" / name).read_bytes() == (tmp_path / "again" / name).read_bytes()


def test_a_run_with_a_preset_goes_on(write, tmp_path):
    path = write('preset = "small"', base=SHORT)
    RunFile.load(path).run()
    first = (tmp_path / "run" / "model_0" / "model.safetensors").read_bytes()
    results = RunFile.load(path, {"n_models": 2}).run(resume=True)
    assert len(results) == 2
    assert (tmp_path / "run" / "model_0" / "model.safetensors").read_bytes() == first
    with pytest.raises(LuminError, match="another"):
        RunFile.load(path, {"preset.width": 9}).run(resume=True)


def test_a_preset_spares_no_key_that_it_cannot_give(write):
    with pytest.raises(ConfigError, match="needs n_models"):
        RunFile.load(write('preset = "small"', base=SHORT.replace("n_models = 1", "")))
    with pytest.raises(ConfigError, match="needs bs, n_epochs"):
        RunFile.load(write(base=SHORT))


class Nothing(Preset):
    version = 1

    def arguments(self, fy, objective, n_out=None):
        return {"bs": 4}


def test_what_a_preset_does_not_give_is_asked_for(write, tmp_path):
    registry.register("preset", "nothing", obj=Nothing)
    with pytest.raises(ConfigError, match=r"run.toml: the preset does not give n_epochs; write n_epochs = "):
        RunFile.load(write('preset = "nothing"', base=SHORT)).run()
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("line", "words"),
    [('preset = "smal"', "did you mean"), ('preset = {name = "small", wide = 1}', "no option 'wide'")],
)
def test_wrong_presets_are_refused_before_anything_is_written(write, tmp_path, line, words):
    with pytest.raises(LuminError, match=words):
        RunFile.load(write(line, base=BASE)).run()
    assert not (tmp_path / "run").exists()
