"""Arguments that are unknown, missing or of another sort: what is said of them."""

import inspect

import numpy as np
import pandas as pd
import pytest

from lumin_core import Ensemble, FoldYielder, Model, ModelBuilder, df2foldfile, train_models
from lumin_core.arguments import came, expect, explained
from lumin_core.checks import input_hint, nearest
from lumin_core.errors import ArgumentError, ConfigError, DataError, LuminError
from lumin_core.synonyms import MEANT


@explained
def train(fy: int, bs: int, *, n_epochs: int = 1) -> int:
    if bs == 0:
        raise TypeError("raised inside")
    return fy * bs * n_epochs


def test_a_call_that_fits_passes_untouched():
    assert train(2, 3, n_epochs=4) == 24
    assert list(inspect.signature(train).parameters) == ["fy", "bs", "n_epochs"]
    with pytest.raises(TypeError, match="raised inside") as error:
        train(2, 0)
    assert not isinstance(error.value, LuminError)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"fy": 1, "batch_size": 3}, "train has no argument 'batch_size'; did you mean 'bs'?"),
        ({"fy": 1, "bs": 3, "epochs": 3}, "train has no argument 'epochs'; did you mean 'n_epochs'?"),
        ({"fy": 1, "bs": 3, "n_epoch": 3}, "did you mean 'n_epochs'?"),
        ({"fy": 1, "bs": 3, "learning_rate": 3}, "a builder takes it: .* opt_args={'lr': ...}"),
        ({"fy": 1, "bs": 3, "zzz": 3}, "train has no argument 'zzz'; its arguments are fy, bs, n_epochs"),
        ({"bs": 3}, "train: missing a required argument: 'fy'; its arguments are fy, bs, n_epochs"),
    ],
)
def test_an_argument_that_does_not_fit_is_explained(given, message):
    with pytest.raises(ArgumentError, match=message) as error:
        train(**given)
    assert isinstance(error.value, TypeError)


@pytest.mark.parametrize(
    ("door", "name", "meant"),
    [
        (train_models, "batch_size", "train_models has no argument 'batch_size'; did you mean 'bs'"),
        (train_models, "optimizer", "a builder takes it"),
        (train_models, "callbacks", "did you mean 'cb_partials'"),
        (df2foldfile, "stratify", "did you mean 'strat_key'"),
        (FoldYielder, "ignore", "FoldYielder has no argument 'ignore'; did you mean 'ignore_feats'"),
        (FoldYielder, "batch_size", "a training takes it"),
        (ModelBuilder, "lr", "ModelBuilder has no argument 'lr'; did you mean 'opt_args'"),
        (ModelBuilder.from_fy, "y_range", "a tail takes it"),
        (Ensemble.from_results, "n_models", "Ensemble.from_results has no argument 'n_models'; did you mean 'size'"),
    ],
)
def test_the_doors_of_users_say_what_was_meant(fy, door, name, meant):
    first = {ModelBuilder: ("regression", 1, ["pt"]), ModelBuilder.from_fy: (fy, "regression")}.get(door, ())
    with pytest.raises(ArgumentError, match=meant):
        door(*first, **{name: 3})


def test_synonyms_are_for_names_that_are_there():
    assert nearest("Batch-Size", ["depth", "bs"]) == ["bs"]
    assert nearest("dropout", ["do", "depth"]) == ["do"]
    assert nearest("dropout", ["depth"]) == []
    assert all(len(set(ours)) == len(ours) for ours in MEANT.values())


@pytest.fixture(scope="module")
def fy(tmp_path_factory):
    rng = np.random.default_rng(1)
    df = pd.DataFrame(rng.normal(size=(40, 2)), columns=["pt", "eta"]).assign(y=[0, 1] * 20)
    return FoldYielder(df2foldfile(df, 2, ["pt", "eta"], [], "y", tmp_path_factory.mktemp("fy") / "a", "int"))


@pytest.fixture(scope="module")
def model(fy):
    return Model(ModelBuilder.from_fy(fy, "classification", body={"name": "fully_connected", "width": 4}))


MISTAKES = [
    (lambda fy, _: train_models("a.hdf5", 1, 8, fy, 1), "fy must be a FoldYielder, got 'a.hdf5'; FoldYielder.path"),
    (lambda fy, m: train_models(fy, 1, 8, m, 1), "model_builder must be a ModelBuilder, got .*model.model_builder is"),
    (lambda fy, m: m.fit(1, pd.DataFrame({"pt": range(99)}), 8), "fy must be a FoldYielder, got a DataFrame"),
    (lambda fy, m: m.fit(1, fy, 8, resume="yes"), "True or False is needed, got resume='yes'"),
    (lambda fy, m: m.fit(1, fy, 8, cb_savepath=3), "the name of a file is needed, got 3; give a path"),
    (lambda fy, _: train_models(fy, 1, 8, ModelBuilder.from_fy(fy, "regression"), 1, savepath=fy), "give its foldfile"),
    (lambda fy, _: ModelBuilder.from_fy("a.hdf5", "regression"), "fy must be a FoldYielder"),
    (lambda fy, _: ModelBuilder.from_fy(fy, "classification", opt_args="adam"), "opt_args must be a dict of options"),
    (lambda fy, _: ModelBuilder.from_fy(fy, "classification", model_args="x"), "model_args must be a dict of options"),
    (lambda fy, _: ModelBuilder.from_fy(fy, "classification", opt_args={"optimizer": "sgd"}), "did you mean 'opt'"),
    (lambda fy, _: ModelBuilder.from_fy(fy, "classification", freeze_head="no"), "freeze_head='no'"),
    (
        lambda fy, _: ModelBuilder.from_fy(fy, "classification", cat_embedder=["a"]),
        "cat_embedder must be a CatEmbedder",
    ),
    (lambda fy, _: ModelBuilder.from_fy(fy, "classification", cont_subsample_rate="half"), r"in \(0, 1\], got 'half'"),
    (
        lambda fy, _: ModelBuilder.from_fy(fy, "classification", body={"name": "fully_connected", "depth": "3"}),
        "the option 'depth' of the body 'tabular/fully_connected' must be a number, got '3'",
    ),
    (lambda fy, _: Model("model.safetensors"), r"must be a ModelBuilder, got 'model.safetensors'"),
    (lambda fy, m: m.set_lr("fast"), "lr must be a number of at least 0, got 'fast'"),
    (lambda fy, m: m.set_lr(-1), "lr must be a number of at least 0, got -1"),
    (lambda fy, m: m.predict("a.hdf5"), "inputs must be events, got 'a.hdf5'; give FoldYielder"),
    (lambda fy, m: m.predict(fy[0]), r"got a whole fold; give its fold\['inputs'\]"),
    (lambda fy, m: Ensemble(["model"]), "a member of an ensemble must be a Model, got 'model'"),
    (lambda fy, m: Ensemble("model"), "a member of an ensemble must be a Model, got 'model'"),
    (lambda fy, m: Ensemble.from_results("run", 1), "results must be a Results, got 'run'; train_models returns them"),
    (lambda fy, m: df2foldfile(fy, 2, ["pt"], [], "y", "a", "int"), r"pass df.get_df\(inc_inputs=True\)"),
    (lambda fy, m: df2foldfile("a.csv", 2, ["pt"], [], "y", "a", "int"), "got 'a.csv'; read it first"),
]


@pytest.mark.parametrize(("mistake", "message"), MISTAKES)
def test_something_of_another_sort_is_named(fy, model, mistake, message):
    with pytest.raises(LuminError, match=message):
        mistake(fy, model)


@pytest.mark.parametrize("lr", ["fast", -1, None, 1j, float("nan")])
def test_a_learning_rate_that_is_none_is_refused(fy, lr):
    builder = ModelBuilder.from_fy(fy, "classification", opt_args={"lr": lr})
    with pytest.raises(ConfigError, match=r"lr must (be a finite number|not be negative), got"):
        builder.get_model()


def test_what_came_is_shown_where_it_is_short():
    assert [came(given) for given in (None, "a", 3)] == ["None", "'a'", "3"]
    assert came(pd.DataFrame({"pt": [1.0, 2.0]})) == "a DataFrame"
    expect(3, int, "n")


def test_an_unknown_feature_suggests_inputs_and_no_truth(fy, model):
    df = pd.DataFrame({"gen_ptt": [1.0, 2], "pt_": [1.0, 2], "ptt": [0, 1]})
    with pytest.raises(DataError, match=r"cont_feats: the data frame has no column 'pt'; did you mean 'pt_'\?"):
        df2foldfile(df, 2, ["pt"], [], "ptt", "a", "int")
    with pytest.raises(DataError, match=r"the data frame has no 'eta'; known are pt$"):
        model.predict(pd.DataFrame({"pt": [1.0], "gen_eta": [1.0]}))
    assert input_hint("gen_eta", ["eta", "gen_etas"]) == "; did you mean 'gen_etas' or 'eta'?"
