"""Ensembles: weights, predictions, one file."""

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from lumin_core import Ensemble, FoldYielder, Model, PredHandler
from lumin_core.errors import ConfigError, LuminError, SavedModelError
from lumin_core.training.runs import Results


@pytest.fixture
def models(fy, make_builder):
    return [Model(make_builder(fy, seed=seed)) for seed in (1, 2, 3)]


@pytest.fixture
def results(models, tmp_path):
    """Three models of losses 0.5, 0.25, 1, and metrics."""
    values = [
        {"loss": 0.5, "auc": 0.6, "pull": -0.1, "bad": -1.0}, {"loss": 0.25, "auc": 0.9, "pull": 2.0, "bad": 2.0},
        {"loss": 1.0, "auc": 0.3, "pull": 1.0, "bad": float("nan")},
    ]  # fmt: skip
    rows = [
        {**v, "path": m.save(tmp_path / f"model_{i}" / "model")}
        for i, (v, m) in enumerate(zip(values, models, strict=True))
    ]
    return Results(rows, {"auc": "higher", "pull": "zero", "bad": "lower"})


def test_prediction_is_the_weighted_mean(models, fy):
    x = fy.get_fold(0)["inputs"]
    ensemble = Ensemble(models, [1, 2, 5])
    assert ensemble.weights.tolist() == [0.125, 0.25, 0.625]
    assert len(ensemble) == 3
    expected = np.average([model.predict(x) for model in models], axis=0, weights=[1, 2, 5])
    assert ensemble.predict(x).dtype == np.float32
    np.testing.assert_allclose(ensemble.predict(x), expected, rtol=1e-6)
    tensor = ensemble.predict(torch.from_numpy(x), as_np=False)
    assert np.array_equal(tensor.numpy(), ensemble.predict(x))
    assert ensemble.predict(x[:0]).shape == (0, 1)
    np.testing.assert_allclose(ensemble.predict(x, pred_cb=PredHandler, bs=5), expected, rtol=1e-5)


def test_multiclass_probabilities_sum_to_one(make_fy, make_builder, tmp_path):
    fy = make_fy(tmp_path / "a.hdf5", objective="multiclass")
    ensemble = Ensemble([Model(make_builder(fy, "multiclass", seed=s)) for s in (1, 2)])
    np.testing.assert_allclose(ensemble.predict(fy.get_fold(0)["inputs"]).sum(1), 1, rtol=1e-5)


def test_folds_are_predicted_into_the_file(models, shared_path, tmp_path):
    path = tmp_path / "a.hdf5"
    path.write_bytes(shared_path.read_bytes())
    fy, ensemble = FoldYielder(path), Ensemble(models, [1, 2, 5])
    assert ensemble.predict(fy, pred_name="ensemble") is None
    expected = np.concatenate([ensemble.predict(fold["inputs"]) for fold in fy])[:, 0]
    np.testing.assert_allclose(fy.get_column("ensemble"), expected, rtol=1e-6)
    with pytest.raises(ConfigError, match="raw=True is for arrays"):
        ensemble.predict(fy, raw=True)


def test_models_with_other_input_masks_each_see_their_own(fy, make_builder):
    models = [Model(make_builder(fy, seed=seed, cont_subsample_rate=0.4)) for seed in range(4)]
    x = fy.get_fold(0)["inputs"]
    expected = np.mean([model.predict(x) for model in models], axis=0)
    np.testing.assert_allclose(Ensemble(models).predict(x), expected, rtol=1e-6)


@pytest.mark.parametrize(
    "weights",
    [
        [1, 2],
        [1, 2, 3, 4],
        [1, 0, 1],
        [1, -1, 1],
        [1, float("nan"), 1],
        [1, float("inf"), 1],
        [],
        ["a", 1, 1],
        [[1], [1], [1]],
        [None] * 3,
    ],
)
def test_weights_must_be_positive_one_a_model(models, weights):
    with pytest.raises(ConfigError, match="weights must be 3 positive numbers, one a model"):
        Ensemble(models, weights)


def test_no_models_or_models_of_other_outputs_are_refused(models, fy, make_builder):
    with pytest.raises(ConfigError, match="at least one model"):
        Ensemble([])
    with pytest.raises(ConfigError, match="one objective and number of outputs"):
        Ensemble([models[0], Model(make_builder(fy, "regression"))])


def test_reciprocal_weights_follow_the_direction(results):
    loss = Ensemble.from_results(results, 3)
    assert loss.weights.tolist() == pytest.approx(np.array([4, 2, 1]) / 7)  # best first
    auc = Ensemble.from_results(results, 2, "auc")
    assert auc.weights.tolist() == pytest.approx([0.9 / 1.5, 0.6 / 1.5])


def test_uniform_weights_take_any_values(results):
    assert Ensemble.from_results(results, 2, "bad", "uniform").weights.tolist() == [0.5, 0.5]
    assert Ensemble.from_results(results, 3, "pull", "uniform").weights.tolist() == [1 / 3] * 3


def test_the_best_models_are_taken(results, models, same_weights):
    for metric, order in {"loss": [1, 0, 2], "auc": [1, 0, 2], "pull": [0, 2, 1], "bad": [0, 1, 2]}.items():
        ensemble = Ensemble.from_results(results, 3, metric, "uniform")
        for model, i in zip(ensemble.models, order, strict=True):
            assert same_weights(model, models[i])


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"size": 4}, "has 3 models, from which 4 cannot be taken"),
        ({"size": 0}, "from which 0 cannot"),
        ({"size": 1.5}, "from which 1.5 cannot"),
        ({"metric": "acu"}, "no metric 'acu'.*auc"),
        ({"weighting": "equal"}, "weighting must be one of reciprocal, uniform"),
        ({"metric": "bad"}, "reciprocal weights need values of 'bad' that are all positive.*weighting='uniform'"),
        ({"metric": "pull"}, "all positive"),
        ({"snapshot_args": {}}, "snapshot_args is not available"),
    ],
)
def test_wrong_requests_are_refused(results, options, words):
    with pytest.raises(ConfigError, match=words):
        Ensemble.from_results(results, **{"size": 3, **options})


def test_an_ensemble_comes_back_bit_for_bit(models, fy, tmp_path, same_weights):
    ensemble = Ensemble(models, [1, 2, 3])
    path = ensemble.save(tmp_path / "ens")
    for load in (Ensemble.load, Ensemble.from_save):
        loaded = load(tmp_path / "ens")
        assert all(same_weights(a, b) for a, b in zip(ensemble.models, loaded.models, strict=True))
        assert loaded.weights.tolist() == ensemble.weights.tolist()
        x = fy.get_fold(0)["inputs"]
        assert np.array_equal(loaded.predict(x), ensemble.predict(x))
    assert loaded.save(tmp_path / "again").read_bytes() == path.read_bytes()
    assert len(list(tmp_path.iterdir())) == 2


def test_a_model_that_comes_twice_is_stored_once(models, tmp_path):
    once, twice = (Ensemble(ms).save(tmp_path / f"{len(ms)}") for ms in (models[:1], models[:1] * 2))
    assert load_file(twice).keys() == load_file(once).keys()
    x = np.ones((2, 4))
    assert np.array_equal(Ensemble.load(twice).predict(x), models[0].predict(x))


def test_fault_saving_an_ensemble_leaves_other_files_alone(models, tmp_path):
    others = ["ens_tau.safetensors", "ens_tau_0.h5", "ens_0.h5", "ens.pkl", "ens"]
    for name in others:
        (tmp_path / name).write_text("mine")
    Ensemble(models[:1]).save(tmp_path / "ens.safetensors")
    assert {path.name for path in tmp_path.iterdir()} == {*others, "ens.safetensors"}
    assert all((tmp_path / name).read_text() == "mine" for name in others)


def test_fault_a_failed_save_keeps_the_old_ensemble(models, tmp_path, monkeypatch):
    path = Ensemble(models).save(str(tmp_path / "ens"))
    before = path.read_bytes()
    monkeypatch.setattr("lumin_core.model.saving.save_file", lambda *args, **options: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        Ensemble(models[:1]).save(tmp_path / "ens")
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_a_damaged_ensemble_is_refused(models, tmp_path):
    with pytest.raises(SavedModelError, match="there is no file"):
        Ensemble.load(tmp_path / "none")
    path = Ensemble(models).save(tmp_path / "ens")
    path.write_bytes(path.read_bytes()[:-50])
    with pytest.raises(SavedModelError, match="damaged"):
        Ensemble.load(path)


def test_frames_are_read_by_name_for_every_model(models, fy):
    import pandas as pd

    x = fy.get_fold(0)["inputs"]
    frame = pd.DataFrame(x, columns=list("abcd"))[list("dcba")]
    np.testing.assert_array_equal(Ensemble(models).predict(frame), Ensemble(models).predict(x))
    with pytest.raises(LuminError, match="no 'a'"):
        Ensemble(models).predict(frame.drop(columns="a"))
