"""An unknown category: from a frame to a prediction for what training never saw."""

import h5py
import numpy as np
import pandas as pd
import pytest
import torch

from lumin_core import (
    Callback,
    CatEmbedder,
    Ensemble,
    FoldYielder,
    Model,
    ModelBuilder,
    add_meta_data,
    df2foldfile,
    fold2foldfile,
)
from lumin_core.errors import DataError
from lumin_plugin_tabular import proc_cats

MEANS = {"e": 0.0, "mu": 1.0, "tau": 2.0}
ASKED = pd.DataFrame({"lepton": ["e", "mu", "tau", "pion", None, np.nan], "x": 0.0})


@pytest.fixture
def made(tmp_path):
    """Events whose target is the mean of their category, which are equally frequent."""

    def write(name="train", *, unknown=True):
        leptons = np.tile(list(MEANS), 200)
        df = pd.DataFrame({"lepton": leptons, "x": np.random.default_rng(1).normal(size=600)})
        df["y"] = df["lepton"].map(MEANS)
        cats = proc_cats(df, ["lepton"], unknown=unknown)
        options = {"cat_maps": cats.cat_maps, "seed": 1}
        return FoldYielder(df2foldfile(cats.train_df, 3, ["x"], ["lepton"], "y", tmp_path / name, "float", **options))

    return write


def builder_of(fy, rate=0.2, **options):
    embedder = CatEmbedder.from_fy(fy, unknown_rate=rate)
    options = {"body": "ident_body", "opt_args": {"lr": 0.03}, "seed": 1, **options}
    return ModelBuilder.from_fy(fy, "regression", cat_embedder=embedder, **options)


def fitted(fy, rate=0.2, n_epochs=12, **options):
    model = Model(builder_of(fy, rate))
    model.fit(n_epochs, fy, bs=20, seed=1, visible_bar=False, **options)
    return model


def test_an_unseen_category_is_predicted_as_the_mean_of_those_that_training_had(made, tmp_path):
    fy = made()
    model = fitted(fy)
    asked = model.predict(ASKED, raw=True).ravel()
    np.testing.assert_allclose(asked[:3], [0, 1, 2], atol=0.1)
    np.testing.assert_allclose(asked[3:], 1, atol=0.15)
    np.testing.assert_allclose(asked[3:], asked[3])  # what is missing is unknown, too
    again = Model.from_save(model.save(tmp_path / "model"))
    together = Ensemble.from_models([model, again])
    for other in (again, together):
        np.testing.assert_allclose(other.predict(ASKED, raw=True).ravel(), asked, rtol=1e-6)
    codes = np.array([[0.0, 3.0]], dtype=np.float32)
    assert model.predict(codes).item() == pytest.approx(asked[3])
    untrained = fitted(fy, rate=0).predict(ASKED, raw=True).ravel()
    np.testing.assert_allclose(untrained[:3], [0, 1, 2], atol=0.1)
    assert abs(untrained[3] - 1) > 0.3


def test_without_it_an_unseen_category_is_refused_as_ever(made):
    fy = made(unknown=False)
    builder = builder_of(fy)
    assert builder.cat_embedder.unknown_feats == ()
    assert "unknown_rate" not in builder.to_config()["cat_embedder"]
    model = fitted(fy, n_epochs=1)
    with pytest.raises(
        DataError, match=r"did not have: \['pion', (None, )?nan\]; .*leave these events out, or train with"
    ):
        model.predict(ASKED, raw=True)
    with pytest.raises(DataError, match=r"has 3 where codes are 0 to 2; .*unknown=True"):
        model.predict(np.array([[0.0, 3.0]]))


@pytest.mark.parametrize(
    ("values", "words"),
    [([0, 1], "'lepton' has 0 where training had text, as 'e'"), ([["e"], "mu"], "one value for each event")],
)
def test_what_was_read_in_another_way_is_not_taken_for_unknown(made, values, words):
    model = Model(builder_of(fy := made()))
    model.fit(1, fy, bs=20, seed=1, visible_bar=False)
    with pytest.raises(DataError, match=words):
        model.predict(pd.DataFrame({"lepton": values, "x": 0.0}), raw=True)


def test_a_row_that_nobody_trained_is_not_asked(made):
    fy = made()
    embedder = CatEmbedder(["lepton"], [4])
    model = Model(ModelBuilder.from_fy(fy, "regression", cat_embedder=embedder, body="ident_body", seed=1))
    model.fit(1, fy, bs=20, seed=1, visible_bar=False)
    with pytest.raises(DataError, match="training did not have"):
        model.predict(ASKED, raw=True)


def test_further_folds_and_files_take_the_code(made, tmp_path):
    fy = made()
    train = pd.DataFrame({"lepton": list(MEANS), "x": 0.0, "y": 0.0})
    new = pd.DataFrame({"lepton": ["pion", "e"], "x": 0.0, "y": 0.0})
    cats = proc_cats(train, ["lepton"], test_df=new, unknown=True)
    assert cats.cat_maps == fy.cat_maps == {"lepton": {0: "e", 1: "mu", 2: "tau", 3: "<unknown>"}}
    with h5py.File(tmp_path / "new.hdf5", "w") as file:
        fold2foldfile(cats.test_df, file, 0, ["x"], ["lepton"], "y", "float32")
        add_meta_data(file, ["x", "lepton"], ["x"], ["lepton"], cats.cat_maps, "y")
    found = FoldYielder(tmp_path / "new.hdf5")
    assert found[0]["inputs"][:, 1].tolist() == [3, 0]
    assert CatEmbedder.from_fy(found) == CatEmbedder.from_fy(fy)
    model = fitted(fy, n_epochs=1)
    model.predict(found)
    np.testing.assert_allclose(found.get_column("pred"), model.predict(new, raw=True).ravel(), rtol=1e-6)


class Interrupted(Exception):
    pass


class StopAfter(Callback):
    def __init__(self, epoch):
        self.epoch = epoch

    def on_epoch_begin(self, fit_params):
        if fit_params.epoch > self.epoch:
            raise Interrupted


def test_it_is_trained_by_the_seed_of_the_run_and_goes_on_bit_for_bit(made, tmp_path):
    fy = made()
    whole, again = (fitted(fy, n_epochs=3, cb_savepath=tmp_path / name) for name in ("a", "b"))
    with pytest.raises(Interrupted):
        fitted(fy, n_epochs=3, cb_savepath=tmp_path / "c", cbs=[StopAfter(2)])
    resumed = fitted(fy, n_epochs=3, cb_savepath=tmp_path / "c", resume=True)
    for other in (again, resumed):
        for name, weights in whole.get_weights().items():
            assert torch.equal(weights, other.get_weights()[name]), name


def test_validation_does_not_take_categories_away(made):
    fy = made()
    model = Model(builder_of(fy, 0.9))
    fold = fy[0]
    losses = {model.evaluate(fold["inputs"], fold["targets"]) for _ in range(3)}
    assert len(losses) == 1
