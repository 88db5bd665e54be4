import numpy as np
import pandas as pd
import pytest
import torch

from lumin_core import BatchYielder, FoldFileWriter, FoldYielder, Head, Model, ModelBuilder
from lumin_core.data import matrix_entry
from lumin_core.errors import ConfigError
from lumin_plugin_callbacks import ParametrisedPrediction

FEATS = ["pt", "eta", "mass", "spin"]
X = np.random.default_rng(1).normal(size=(20, 4)).astype(np.float32)


def make(mask=None, **options):
    model = Model(ModelBuilder("classification", 1, FEATS, seed=1, **options))
    if mask is not None:
        model = Model(ModelBuilder("classification", 1, [FEATS[i] for i in np.arange(4)[mask]], seed=1))
        whole = ModelBuilder("classification", 1, FEATS, seed=1)
        model.model_builder = whole
        model.set_input_mask(mask)
    return model


def with_columns(x, **values):
    x = x.copy()
    for feat, value in values.items():
        x[:, FEATS.index(feat)] = value
    return x


@pytest.mark.parametrize(
    ("feat", "value", "values"),
    [
        ("mass", 1.5, {"mass": 1.5}),
        (["mass"], [1.5], {"mass": 1.5}),
        (["spin", "pt"], (0, -2), {"spin": 0, "pt": -2}),
        (("pt",), np.array([3]), {"pt": 3}),
    ],
)
@pytest.mark.parametrize("feats", [FEATS, None])
def test_it_is_the_prediction_for_that_value(feats, feat, value, values):
    model, before = make(), X.copy()
    asked = model.predict(X, cbs=[ParametrisedPrediction(feats, feat, value)])
    np.testing.assert_array_equal(asked, model.predict(with_columns(X, **values)))
    np.testing.assert_array_equal(X, before)


@pytest.mark.parametrize("mask", [[0, 2, 3], [2, 3], np.array([False, True, True, True])])
@pytest.mark.parametrize("feats", [FEATS, ["eta", "mass"], None])
def test_fault_the_named_column_where_inputs_are_masked(mask, feats):
    model = make(mask)
    asked = model.predict(X, cbs=[ParametrisedPrediction(feats, "mass", 1.5)])
    np.testing.assert_array_equal(asked, model.predict(with_columns(X, mass=1.5)))
    assert not np.array_equal(asked, model.predict(with_columns(X, spin=1.5)))


def test_a_subsampled_model_that_has_the_feature():
    options = {"cont_subsample_rate": 0.5, "guaranteed_feats": ["mass"], "model_args": {"body": {"depth": 1}}}
    for seed in range(5):
        model = Model(ModelBuilder("classification", 1, FEATS, seed=seed, **options))
        asked = model.predict(X, cbs=ParametrisedPrediction(FEATS, "mass", 1.5))
        np.testing.assert_array_equal(asked, model.predict(with_columns(X, mass=1.5)))


def test_frames_batches_and_tensors():
    model, callback = make(), ParametrisedPrediction(FEATS, "mass", 1.5)
    expected = model.predict(with_columns(X, mass=1.5))
    by = BatchYielder(X.astype(int), 7, "classification")
    np.testing.assert_array_equal(model.predict(pd.DataFrame(X, columns=FEATS)[FEATS[::-1]], cbs=callback), expected)
    np.testing.assert_array_equal(model.predict(torch.from_numpy(X), cbs=callback), expected)
    integers = model.predict(with_columns(X.astype(int).astype(np.float32), mass=1.5))
    np.testing.assert_allclose(model.predict(by, cbs=callback), integers, rtol=1e-6)
    assert by.inputs.dtype == int


def write(path, **options):
    with FoldFileWriter(path, cont_feats=FEATS, targ_feats="y", **options) as file:
        for i in range(2):
            rows = {"inputs": X[i * 10 : (i + 1) * 10], "targets": np.arange(10) % 2}
            if "cat_feats" in options:
                rows["inputs"] = np.hstack([rows["inputs"], np.arange(10)[:, None] % 3])
            if "matrix_feats" in options:
                rows["matrix_inputs"] = np.ones((10, 1, 1))
            file.append(i, **rows)


def test_fault_the_named_column_where_features_are_ignored(tmp_path):
    write(tmp_path / "a")
    with FoldYielder(tmp_path / "a", ignore_feats=["eta"]) as fy:
        model = Model(ModelBuilder.from_fy(fy, "classification", seed=1))
        model.predict(fy, pred_name="at", cbs=[ParametrisedPrediction(FEATS[:1], "mass", 1.5)])
        expected = model.predict(with_columns(X, mass=1.5)[:, [0, 2, 3]])
        np.testing.assert_allclose(fy.get_column("at"), expected[:, 0], rtol=1e-6)
        with pytest.raises(ConfigError, match="the model has no feature 'eta'"):
            model.predict(fy, cbs=[ParametrisedPrediction(FEATS, "mass", 1.5)])


def test_categories_behind_the_continuous_features(tmp_path):
    write(tmp_path / "a", cat_feats=["channel"], cat_maps={"channel": {0: "e", 1: "mu", 2: "tau"}})
    with FoldYielder(tmp_path / "a") as fy:
        model = Model(ModelBuilder.from_fy(fy, "classification", seed=1))
        inputs = fy.get_fold(0)["inputs"]
        asked = model.predict(inputs, cbs=[ParametrisedPrediction(None, ["channel", "mass"], [2, 1.5])])
        expected = inputs.copy()
        expected[:, 2], expected[:, 4] = 1.5, 2
        np.testing.assert_array_equal(asked, model.predict(expected))
        with pytest.raises(ConfigError, match=r"'channel' takes one of its codes 0, 1, 2, ..., got 0.5"):
            model.predict(inputs, cbs=[ParametrisedPrediction(None, "channel", 0.5)])


class BothHead(Head):
    """Joins flat inputs and the matrix."""

    def __init__(self, cont_feats, cat_embedder):
        super().__init__(cont_feats, cat_embedder)
        self.feat_map = {feat: [i] for i, feat in enumerate([*cont_feats, *cat_embedder.cat_names])}

    def forward(self, x):
        return torch.cat([x[0], x[1].flatten(1)], dim=1)

    def get_out_size(self):
        return 6


def test_the_features_of_a_matrix_do_not_shift_the_columns(tmp_path):
    entry = matrix_entry(["tau_px"], ["tau"], [False], ["px"], True, (1, 1))
    cats = {"cat_feats": ["channel"], "cat_maps": {"channel": {0: "e", 1: "mu", 2: "tau"}}}
    write(tmp_path / "a", matrix_feats=entry, **cats)
    with FoldYielder(tmp_path / "a") as fy:
        model = Model(ModelBuilder.from_fy(fy, "classification", seed=1, head=BothHead))
        assert model.model_builder.cont_feats == [*FEATS, "tau_px"]
        flat, matrix = fy.get_fold(0)["inputs"]
        asked = model.predict((flat, matrix), cbs=[ParametrisedPrediction(None, ["channel", "mass"], [2, 1.5])])
        expected = flat.copy()
        expected[:, 2], expected[:, 4] = 1.5, 2
        np.testing.assert_array_equal(asked, model.predict((expected, matrix)))
        with pytest.raises(ConfigError, match="the model has in its matrix the feature 'tau_px'; set one of pt, eta"):
            model.predict((flat, matrix), cbs=[ParametrisedPrediction(None, "tau_px", 1.5)])


def test_by_name_and_by_dict():
    model = make()
    spec = {"name": "parametrised_prediction", "feats": FEATS, "param_feat": "mass", "param_val": 1.5}
    np.testing.assert_array_equal(model.predict(X, cbs=spec), model.predict(with_columns(X, mass=1.5)))


def test_two_of_them_work_together():
    cbs = [ParametrisedPrediction(FEATS, "mass", 1.5), ParametrisedPrediction(FEATS, "spin", 1)]
    model = make()
    np.testing.assert_array_equal(model.predict(X, cbs=cbs), model.predict(with_columns(X, mass=1.5, spin=1)))


@pytest.mark.parametrize(("feats", "feat"), [(FEATS, "masss"), ([*FEATS, "masss"], "mass")])
def test_an_unknown_feature_is_refused(feats, feat):
    with pytest.raises(ConfigError, match="the model has no feature 'masss'; did you mean 'mass'"):
        make().predict(X, cbs=[ParametrisedPrediction(feats, feat, 1.5)])


def test_fault_a_feature_that_the_model_is_not_given_is_refused():
    with pytest.raises(ConfigError, match="the model is not given the feature 'eta'; set one of pt, mass, spin"):
        make([0, 2, 3]).predict(X, cbs=[ParametrisedPrediction(FEATS, "eta", 1.5)])


@pytest.mark.parametrize(
    ("feat", "value"),
    [
        ("mass", [1, 2]),
        (["mass", "spin"], 1),
        ("mass", np.nan),
        ("mass", "x"),
        ("mass", None),
        ([], []),
        ("mass", np.inf),
    ],
)
def test_values_must_match_the_features(feat, value):
    with pytest.raises(ConfigError, match="param_val must be a finite number for each feature of param_feat"):
        ParametrisedPrediction(FEATS, feat, value)


def test_a_feature_cannot_be_set_twice():
    with pytest.raises(ConfigError, match="param_feat names 'mass' twice"):
        ParametrisedPrediction(FEATS, ["mass", "mass"], [1, 2])
