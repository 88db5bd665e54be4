"""Presets: arguments chosen for the data, of which what the user gives takes the place."""

from functools import partial

import pytest

from lumin_core import Model, registry, train_models
from lumin_core.errors import BrokenPlugin, ConfigError, UnknownComponent
from lumin_core.runs import Preset, preset_arguments, preset_keys, with_preset

BODY = {"name": "tabular/fully_connected", "depth": 2, "width": 8}
OPT_ARGS = {"opt": "core/adamw", "lr": 1e-3, "weight_decay": 0.1}


class Small(Preset):
    version = 1

    def __init__(self, epochs: int = 2) -> None:
        self.epochs = epochs

    def arguments(self, fy, objective, n_out=None):
        self.asked = (fy, objective, n_out)
        return {"body": dict(BODY), "opt_args": dict(OPT_ARGS), "bs": len(fy.cont_feats), "n_epochs": self.epochs}


@pytest.fixture(autouse=True)
def registered():
    with registry.temporary():
        registry.register("preset", "small", obj=Small)
        yield


def test_a_preset_trains_models(fy, tmp_path):
    arguments = preset_arguments("small", fy, "regression", savepath=tmp_path / "run", visible_bar=False)
    results = train_models(fy, n_models=1, seed=1, **arguments)
    model = Model.from_save(results[0]["path"])
    assert model.model_builder.to_config()["body"] == BODY
    assert model.model_builder.opt_args == OPT_ARGS
    assert len(results[0]["history"]["valid"]["loss"]) == 2


@pytest.mark.parametrize("spec", ["small", "Small", {"name": "small", "epochs": 3}, Small, partial(Small, epochs=3)])
def test_a_preset_is_given_in_every_form(fy, spec):
    epochs = 2 if spec in ("small", "Small", Small) else 3
    assert preset_arguments(spec, fy, "regression")["n_epochs"] == epochs


def test_what_is_given_wins(fy):
    given = {"bs": 7, "body": "tabular/ident_body", "loss": "l1_loss", "patience": 3, "savepath": "there"}
    found = preset_arguments("small", fy, "regression", **given)
    assert {key: found[key] for key in ("bs", "n_epochs", "patience", "savepath")} == {
        "bs": 7,
        "n_epochs": 2,
        "patience": 3,
        "savepath": "there",
    }
    builder = found["model_builder"]
    assert builder.specs["body"] == "tabular/ident_body"
    assert builder.loss == "l1_loss"


def test_options_alone_change_those_of_their_names(fy):
    builder = preset_arguments(
        "small", fy, "regression", opt_args={"lr": 0.5}, model_args={"Body": {"depth": 3}, "head": {"do_cat": 0.1}}
    )["model_builder"]
    assert builder.opt_args == {**OPT_ARGS, "lr": 0.5}
    assert builder.specs["body"] == {**BODY, "depth": 3}
    assert builder.specs["head"] == {"name": "tabular/cat_emb_head", "do_cat": 0.1}


def test_a_component_that_is_given_takes_none_of_the_presets_options(fy):
    found = {"body": "tabular/fully_connected", "opt_args": {"opt": "sgd"}, "model_args": {"body": {"depth": 5}}}
    builder = preset_arguments("small", fy, "regression", **found)["model_builder"]
    assert builder.opt_args == {"opt": "sgd"}
    assert builder.specs["body"] == {"name": "tabular/fully_connected", "depth": 5}


def test_what_is_given_is_not_changed(fy):
    given = {"opt_args": {"lr": 0.5}, "model_args": {"body": {"depth": 3}}}
    with_preset("small", fy, "regression", given)
    assert given == {"opt_args": {"lr": 0.5}, "model_args": {"body": {"depth": 3}}}


def test_a_preset_is_told_what_is_predicted(fy):
    asked = []
    preset_arguments(partial(Asking, asked=asked), fy, "multiclass", n_out=3, bs=2)
    assert asked == [(fy, "multiclass", 3)]


class Asking(Small):
    def __init__(self, asked) -> None:
        super().__init__()
        self.said = asked

    def arguments(self, *args):
        self.said.append(args)
        return super().arguments(*args)


class Greedy(Preset):
    version = 1

    def arguments(self, fy, objective, n_out=None):
        return {"seed": 1}


class Nameless(Preset):
    def arguments(self, fy, objective, n_out=None):
        return {}


def test_what_a_preset_cannot_give_is_refused(fy):
    with pytest.raises(BrokenPlugin, match="Greedy gives 'seed', which presets cannot"):
        preset_arguments(Greedy, fy, "regression")
    assert not {"seed", "savepath", "n_models", "fy", "objective", "cat_embedder"} & set(preset_keys())
    assert {"head", "body", "tail", "opt_args", "loss", "bs", "n_epochs", "patience", "cb_partials"} <= set(
        preset_keys()
    )


def test_a_preset_without_version_is_refused(fy):
    with pytest.raises(BrokenPlugin, match="Nameless has no version; say version = 1"):
        preset_arguments(Nameless, fy, "regression")


@pytest.mark.parametrize(
    ("preset", "given", "error", "words"),
    [
        ("smal", {}, UnknownComponent, "did you mean"),
        ({"name": "small", "epoch": 2}, {}, ConfigError, "did you mean 'epochs'"),
        ("small", {"n_epoch": 2}, ConfigError, "did you mean 'n_epochs'"),
        ("small", {"fy": 1}, TypeError, "multiple values"),
    ],
)
def test_unknown_names_are_refused(fy, preset, given, error, words):
    with pytest.raises(error, match=words):
        preset_arguments(preset, fy, "regression", **given)
