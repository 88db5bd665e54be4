"""The network: abstract, built and loaded by one constructor, in evaluation mode outside of a fit."""

import ast
import inspect

import numpy as np
import pytest
import torch

from lumin_core import Callback, Ensemble, FoldYielder, Model, registry
from lumin_core.errors import ConfigError, DataError, SavedModelError
from lumin_core.training import FitParams, Network
from lumin_core.training import model as model_module
from lumin_plugin_callbacks import lr_find


@pytest.fixture
def model(make_builder, fy):
    body = {"name": "fully_connected", "depth": 1, "width": 4, "do": 0.5, "bn": True}
    return Model(make_builder(fy, body=body))


def modes(network):
    return {module.training for module in [*network.model.modules(), network.loss]}


def test_a_network_is_abstract_and_the_model_its_one_class(make_builder, fy):
    with pytest.raises(TypeError, match="abstract"):
        Network(make_builder(fy))
    assert Network.__abstractmethods__ == {"fit", "predict", "evaluate"}
    assert Network.__subclasses__()[0] is Model


@pytest.mark.parametrize("verb", sorted(Network.__abstractmethods__))
def test_the_model_takes_what_the_network_declares(verb):
    assert inspect.signature(getattr(Network, verb)) == inspect.signature(getattr(Model, verb))


def test_the_network_knows_neither_loop_nor_callbacks():
    """Callbacks, loop and state name the network; it may name none of them, not even as types."""
    tree = ast.parse(inspect.getsource(inspect.getmodule(Network)))
    modules = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert not {f"lumin_core.training.{name}" for name in ("fit_params", "loop", "fitting", "model")} & modules
    assert FitParams.__annotations__["model"] == "Network"
    assert Callback.__annotations__["model"] == "Network | None"


# Modes


def test_a_model_is_in_evaluation_mode_outside_of_a_fit(model, fy, tmp_path):
    seen = []

    class Look(Callback):
        def on_batch_begin(self, fit_params):
            seen.append((fit_params.state, *modes(self.model)))

    assert modes(model) == {False}
    model.fit(1, fy, 8, val_idx=2, cbs=Look(), seed=1)
    assert set(seen) == {("train", True), ("valid", False)}
    assert modes(model) == {False}
    model.fit(1, fy, 8, seed=1)  # ends with a training fold
    assert modes(model) == {False}
    path = model.save(tmp_path / "m")
    assert modes(Model.from_save(path)) == {False}
    model.load(path)
    assert modes(model) == {False}
    assert modes(Ensemble.load(Ensemble([model]).save(tmp_path / "e")).models[0]) == {False}


@pytest.mark.parametrize("point", ["on_train_begin", "on_fold_begin", "on_batch_end", "on_train_end"])
def test_a_fit_that_fails_leaves_it_in_evaluation_mode(model, fy, point):
    def fail(self):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        model.fit(1, fy, 8, cbs=type("Bad", (), {point: fail})(), seed=1)
    assert modes(model) == {False}


def test_the_models_of_a_range_test_end_in_evaluation_mode(make_builder, fy):
    kept = []

    class Keep(Callback):
        def on_train_begin(self):
            kept.append(self.model)

    lr_find(fy, make_builder(fy), 8, n_repeats=2, lr_bounds=(1e-4, 1), cb_partials=Keep, visible_bar=False, seed=1)
    assert len(kept) == 2
    assert [modes(network) for network in kept] == [{False}, {False}]


def test_a_fit_within_a_fit_goes_on_in_training_mode(model, fy):
    seen = []

    class Within(Callback):
        def on_fold_begin(self, fit_params):
            if fit_params.state == "train":
                self.model.fit(1, fy, 8, trn_idxs=[0], visible_bar=False, seed=2)

        def on_batch_begin(self, fit_params):
            seen.append((fit_params.state, *modes(self.model)))

    model.fit(1, fy, 8, val_idx=2, cbs=Within(), seed=1)
    assert set(seen) == {("train", True), ("valid", False)}


def test_new_and_loaded_models_answer_alike_to_a_bare_call(model, fy, tmp_path):
    x = torch.from_numpy(fy.get_fold(0)["inputs"])
    loaded = Model.from_save(model.save(tmp_path / "m"))
    assert torch.equal(model.model(x), loaded.model(x))
    assert torch.equal(model.model(x), model.model(x))  # no dropout


# One constructor


def test_loading_calls_the_constructor(make_builder, fy, tmp_path):
    model, calls = Model(make_builder(fy, cont_subsample_rate=0.6)), []

    class Noting(Model):
        def __init__(self, *args, **options):
            calls.append(options)
            super().__init__(*args, **options)

    loaded = Noting.from_save(model.save(tmp_path / "m"))
    assert type(loaded) is Noting
    [options] = calls
    assert options.keys() == {"input_mask", "record"}
    assert options["record"] is loaded.record
    assert loaded.input_mask.tolist() == options["input_mask"] == model.input_mask.tolist()


def test_there_is_no_second_constructor():
    source = inspect.getsource(model_module) + inspect.getsource(inspect.getmodule(Network))
    assert "__new__" not in source


def test_a_device_that_is_not_there_is_no_fault_of_the_file(model, tmp_path):
    path = model.save(tmp_path / "m")
    with pytest.raises(ConfigError, match="the device 'gpu' cannot be used") as caught:
        Model.from_save(path, device="gpu")
    assert not isinstance(caught.value, SavedModelError)


class Odd:
    """A pipeline that cannot be stored."""

    def transform(self, x):
        return x

    def inverse_transform(self, x):
        return x


def test_an_error_is_made_where_it_is_raised_and_kept_nowhere(model, shared_path, tmp_path):
    fy = FoldYielder(shared_path, input_pipe=Odd())
    model.fit(1, fy, 8, seed=1)
    assert not any(isinstance(value, BaseException) for value in vars(model).values())
    errors = []
    for _ in range(2):
        with pytest.raises(ConfigError, match="Odd cannot be stored") as caught:
            model.save(tmp_path / "m")
        errors.append(caught.value)
    assert errors[0] is not errors[1]
    model.fit(1, FoldYielder(shared_path), 8, seed=1)
    assert model.save(tmp_path / "m").exists()


# Exporters, by name


@pytest.mark.parametrize("many", [False, True])
def test_an_exporter_is_built_by_name(model, monkeypatch, tmp_path, many):
    asked = []

    class Exporter:
        suffix = ".any"

        def write(self, models, weights, path, *, raw):
            asked.append((list(models), weights, path, raw))
            return path

    monkeypatch.setattr(registry, "build", lambda kind, spec: asked.append((kind, spec)) or Exporter())
    exported = Ensemble([model, model], [1, 3]) if many else model
    assert exported.export(str(tmp_path / "m"), "any", raw=True) == tmp_path / "m.any"
    models, weights = ([model, model], [0.25, 0.75]) if many else ([model], None)
    assert asked == [("exporter", "any"), (models, weights, tmp_path / "m.any", True)]


def test_the_record_says_what_was_trained_on(model, fy):
    model.record_training(fy, [0, 1], 7)
    assert model.record.seeds["fit"] == 7
    assert model.record.trn_idxs == [0, 1]
    assert model.record.features["targ_feats"] == ["y"]
    assert model.record.cat_maps == {"d": {"0": "low", "1": "mid", "2": "high"}}
    assert np.array_equal(model.describe()["trn_idxs"], [0, 1])


def test_fault_precision_and_compile_come_back_unless_said_otherwise(make_builder, fy, tmp_path, monkeypatch):
    model = Model(make_builder(fy), precision="bf16")
    path, x = model.save(tmp_path / "model"), fy.get_fold(0)["inputs"]
    plain = Model(make_builder(fy))
    assert np.abs(model.predict(x) - plain.predict(x)).max() > 1e-6
    assert np.array_equal(Model.from_save(path).predict(x), model.predict(x))
    assert np.array_equal(Model.from_save(path, precision="32").predict(x), plain.predict(x))
    both = Ensemble.from_models([model, plain]).save(tmp_path / "both")
    assert [m.precision for m in Ensemble.from_save(both).models] == ["bf16", "32"]
    assert [m.precision for m in Ensemble.from_save(both, precision="32").models] == ["32", "32"]
    monkeypatch.setattr(torch, "compile", lambda module: module)  # which takes long
    compiled = Model(make_builder(fy), compile=True).save(tmp_path / "compiled")
    assert (Model.from_save(compiled).compile, Model.from_save(compiled, compile=False).compile) == (True, False)
    with pytest.raises(ConfigError, match=r"^precision must be one of '32', 'bf16', '16', got '8'"):
        Model.from_save(path, precision="8")


# Where the training data came from, and data without labels


def test_the_recipe_of_the_training_file_goes_with_models_and_ensembles(make_fy, make_builder, tmp_path, caplog):
    recipe = {"name": "not_installed/recipe", "variables": {"a": "x[0]"}}
    fy = make_fy(tmp_path / "made.hdf5", recipe=recipe)
    model = Model(make_builder(fy))
    assert "recipe" not in model.describe()
    model.fit(1, fy, 8, visible_bar=False, seed=1)
    assert Model.from_save(model.save(tmp_path / "one")).record.recipe == recipe
    both = Ensemble.from_save(Ensemble([model, model]).save(tmp_path / "two"))
    assert [member.record.recipe for member in both.models] == [recipe, recipe]
    assert not caplog.records


@pytest.mark.parametrize("objective", ["classification", "multiclass", "regression"])
def test_data_without_labels_are_predicted_and_not_trained_on(make_fy, make_builder, fy, tmp_path, objective):
    def without_targets(_, columns):
        del columns["targets"]

    plain = make_fy(tmp_path / "plain.hdf5", weights=False, targ_feats=None, change=without_targets)
    model = Model(make_builder(fy))
    model.predict(plain)
    assert plain.get_column("pred").shape == (48,)
    for refused in (
        lambda: model.fit(1, plain, 8, visible_bar=False),
        lambda: model.evaluate(plain),
        lambda: make_builder(plain, objective),
    ):
        with pytest.raises(DataError, match="the data have no targets: the file is of events without labels; train on"):
            refused()
