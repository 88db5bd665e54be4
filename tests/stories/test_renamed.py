"""A plugin renames a component and an option of it: what was saved before goes on, and says so once."""

import json
import shutil
import sys
import warnings

import numpy as np
import pytest

from lumin_core import FoldYielder, Model, ModelBuilder, Results, cli, train_models
from lumin_core.data import add_preprocessing
from lumin_core.registry import build, renaming

BODY = """
from torch import nn
from lumin_core import Body, Callback, Transform

class {name}(Body):
    {renamed}
    def __init__(self, n_in, feat_map, {option}=4):
        super().__init__(n_in, feat_map)
        self.layer = nn.Linear(n_in, {option})

    def forward(self, x):
        return self.layer(x).relu()

    def get_out_size(self):
        return self.layer.out_features

class {name}Step(Transform):
    {renamed}
    def __init__(self, {option}=1.0):
        self.scale = {option}

    def transform(self, x):
        return x / self.scale

    def inverse_transform(self, x):
        return x * self.scale

    def to_config(self):
        return {{"{option}": self.scale}}

class {name}Callback(Callback):
    {renamed}
    def __init__(self, {option}=0):
        self.n = {option}

    def on_epoch_end(self, fit_params): ...
"""
OLD = {"name": "Old", "option": "n_hidden", "renamed": ""}
NEW = {"name": "New", "option": "width", "renamed": 'renamed = {"n_hidden": "width"}'}


def entries(name):
    kinds = {"bodies": "", "transforms": "Step", "callbacks": "Callback"}
    return {plural: {f"{name.lower()}{end.lower()}": f"renaming_blocks:{name}{end}"} for plural, end in kinds.items()}


@pytest.fixture
def release(install, monkeypatch):
    """Return a function that installs a release of the plugin: the one of before, or the one of now."""
    monkeypatch.setattr(renaming, "_told", set())

    def make(source, version):
        sys.modules.pop("renaming_blocks", None)
        groups = entries(source["name"])
        if source is NEW:
            groups["aliases"] = {f"old{end}": f"my_blocks:new{end}" for end in ("", "step", "callback")}
        modules = {"renaming_blocks": BODY.format(**source)}
        return install("my-blocks", groups, version=version, modules=modules, folder=version)

    return make


def builder(fy, name, option):
    return ModelBuilder.from_fy(fy, "classification", body={"name": f"my-blocks/{name}", option: 3}, seed=1)


def test_a_saved_model_is_read_and_saved_under_the_new_names(release, fy, tmp_path):
    release(OLD, "1.0")
    model = Model(builder(fy, "old", "n_hidden"))
    path, inputs = model.save(tmp_path / "model"), fy.get_fold(0)["inputs"]
    before = model.predict(inputs)
    release(NEW, "2.0")
    with pytest.warns(FutureWarning) as told:
        again = Model.from_save(path)
    assert [str(warning.message) for warning in told] == [
        "the body 'my-blocks/old' is called 'my-blocks/new' now; write that",
        "the option 'n_hidden' of the body 'my-blocks/new' is called 'width' now; write that",
    ]
    np.testing.assert_array_equal(again.predict(inputs), before)
    assert again.model_builder.to_config()["body"] == {"name": "my-blocks/new", "width": 3}
    np.testing.assert_array_equal(Model.from_save(again.save(tmp_path / "again")).predict(inputs), before)


@pytest.mark.parametrize("names", [("old", "n_hidden", "oldcallback"), ("new", "width", "newcallback")])
def test_a_run_goes_on_with_the_old_names_or_the_new(release, fy, tmp_path, names):
    def train(body, option, callback, n_epochs):
        callbacks = [{"name": f"my-blocks/{callback}", option: 2}]
        settings = {"cb_partials": callbacks, "savepath": tmp_path / "run", "seed": 1}
        return train_models(fy, 1, 8, builder(fy, body, option), n_epochs, resume=True, **settings)

    release(OLD, "1.0")
    train("old", "n_hidden", "oldcallback", 1)
    recorded = json.loads((tmp_path / "run" / "run.json").read_text())
    assert recorded["model_builder"]["body"]["name"] == "my-blocks/old"
    release(NEW, "2.0")
    with pytest.warns(FutureWarning):
        (result,) = train(*names, 2)
    assert len(result["history"]["valid"]["loss"]) == 2
    assert Model.from_save(Results.load(tmp_path / "run")[0]["path"]).get_param_count() > 0


def test_a_run_file_and_a_fold_file_of_before_are_used(release, fy, tmp_path, capsys):
    release(OLD, "1.0")
    path = shutil.copy(fy.foldfile, tmp_path / "data.hdf5")
    add_preprocessing(path, input_pipe=[build("transform", {"name": "oldstep", "n_hidden": 2.0})])
    file = tmp_path / "run.toml"
    file.write_text(
        'foldfile = "data.hdf5"\nobjective = "classification"\nn_models = 1\nbs = 8\nn_epochs = 1\nsavepath = "run"\n'
        'seed = 1\nbody = {name = "my-blocks/old", n_hidden = 3}\n'
    )
    release(NEW, "2.0")
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        assert cli.main(["train", str(file)]) == 0
        (step,) = FoldYielder(path).preprocessing
    assert all(warning.category is FutureWarning for warning in told)
    assert len({str(warning.message) for warning in told}) == 4  # of body and step, and of an option of each
    assert step.scale == 2.0
    assert json.loads((tmp_path / "run" / "run.json").read_text())["model_builder"]["body"]["name"] == "my-blocks/new"


def test_a_file_of_now_has_the_preprocessing_of_a_model_of_before(release, fy, tmp_path):
    def file(name, option):
        path = shutil.copy(fy.foldfile, tmp_path / f"{name}.hdf5")
        add_preprocessing(path, input_pipe=[build("transform", {"name": name, option: 2.0})])
        return FoldYielder(path)

    release(OLD, "1.0")
    with file("oldstep", "n_hidden") as before:
        model = Model(builder(before, "old", "n_hidden"))
        model.fit(1, before, 8, visible_bar=False, seed=1)
        path = model.save(tmp_path / "model")
    release(NEW, "2.0")
    with pytest.warns(FutureWarning), file("newstep", "width") as now:
        Model.from_save(path).predict(now)
