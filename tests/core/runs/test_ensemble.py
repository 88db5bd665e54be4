"""Ensembles: weights, snapshots, predictions with spread and out of fold, one file."""

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from lumin_core import Augmentation, Ensemble, FoldYielder, Model, PredHandler, Results, train_models
from lumin_core.errors import ConfigError, LuminError, SavedModelError
from lumin_core.model import tensor_file


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
    with pytest.raises(ConfigError, match="raw=True needs a recorded preprocessing"):
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
    pull = Ensemble.from_results(results, 3, "pull")  # -0.1, 1, 2: the closest to zero weighs most
    assert pull.weights.tolist() == pytest.approx(np.array([10, 1, 0.5]) / 11.5)


def test_uniform_weights_take_any_values(results):
    assert Ensemble.from_results(results, 2, "bad", "uniform").weights.tolist() == [0.5, 0.5]
    assert Ensemble.from_results(results, 3, "pull", "uniform").weights.tolist() == [1 / 3] * 3


def test_the_best_models_are_taken(results, models, same_weights):
    for metric, order in {"loss": [1, 0, 2], "auc": [1, 0, 2], "pull": [0, 2, 1], "bad": [0, 1]}.items():
        ensemble = Ensemble.from_results(results, len(order), metric, "uniform")
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
        (
            {"size": 2, "metric": "bad"},
            "values of 'bad' that are all positive, got .-1.0, 2.0.; use weighting='uniform'",
        ),
        ({"metric": "bad", "weighting": "uniform"}, "model_2.* has bad nan.*smaller size"),
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
    monkeypatch.setattr("lumin_core.model.tensor_file.save_file", lambda *args, **options: 1 / 0)
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


# Snapshots


@pytest.fixture
def cycles(results, fy, make_builder):
    """Save cycles of the best two models, 1 and 0, of losses 0.8, 0.5, 0.25 and 0.5, 0.4; give them as models."""
    saved = {}
    for i, losses in {1: [0.8, 0.5, 0.25], 0: [0.5, 0.4]}.items():
        results[i]["cycle_losses"] = losses
        for k in range(1, len(losses) + 1):
            saved[i, k] = Model(make_builder(fy, seed=100 + 10 * i + k))
            saved[i, k].save(results[i]["path"].parent / f"cycle_{k}")
    return saved


def taken(ensemble, models, cycles, same_weights):
    """Name the members of an ensemble: 1 is model 1, (1, 2) its second cycle."""
    known = {**dict(enumerate(models)), **cycles}
    return [next(key for key, model in known.items() if same_weights(model, member)) for member in ensemble.models]


@pytest.mark.parametrize(
    ("options", "members", "weights"),
    [
        ({"n_cycles": 2, "load_cycles_only": True}, [(1, 3), (1, 2), (0, 2), (0, 1)], [1, 1, 1, 1]),
        ({"n_cycles": 2, "load_cycles_only": True, "weighting_pwr": 2}, [(1, 3), (1, 2), (0, 2), (0, 1)], [1, 4, 1, 4]),
        ({"n_cycles": 1, "load_cycles_only": True, "patience": 1}, [(1, 2), (0, 1)], [1, 1]),
        # (1, 3) and (0, 1) have the losses of the models themselves
        ({"n_cycles": 1, "weighting_pwr": -1}, [1, (1, 2), 0, (0, 2)], [1, 0.5, 1, 0.5]),
    ],
)
def test_the_last_cycles_join(results, models, cycles, same_weights, options, members, weights):
    ensemble = Ensemble.from_results(results, 2, weighting="uniform", snapshot_args=options)
    assert taken(ensemble, models, cycles, same_weights) == members
    assert ensemble.weights.tolist() == pytest.approx(np.array(weights) / sum(weights))


def test_reciprocal_weights_of_cycles_are_of_their_own_losses(results, models, cycles, same_weights):
    options = {"n_cycles": 1, "load_cycles_only": False, "weighting_pwr": 1}
    ensemble = Ensemble.from_results(results, 2, snapshot_args=options)
    assert taken(ensemble, models, cycles, same_weights) == [1, (1, 2), 0, (0, 2)]
    expected = np.array([1 / 0.25, 2 / 0.5, 1 / 0.5, 2 / 0.4])
    assert ensemble.weights.tolist() == pytest.approx(expected / expected.sum())


def test_fault_string_paths_work(results, models, cycles, same_weights):
    texts = Results([{**result, "path": str(result["path"])} for result in results], {})
    ensemble = Ensemble.from_results(texts, 1, snapshot_args={"n_cycles": 1, "load_cycles_only": True})
    assert taken(ensemble, models, cycles, same_weights) == [(1, 3)]


def test_the_options_are_left_as_they_are(results, cycles):
    options = {"n_cycles": 1}
    Ensemble.from_results(results, 2, snapshot_args=options)
    assert options == {"n_cycles": 1}


@pytest.mark.parametrize(
    ("size", "options", "words"),
    [
        (2, {"n_cycels": 1}, "snapshot_args has no 'n_cycels'; did you mean 'n_cycles'"),
        (2, {}, "n_cycles in snapshot_args must be a positive integer, got None"),
        (2, {"n_cycles": 0}, "n_cycles in snapshot_args must be a positive integer"),
        (2, {"n_cycles": 1, "patience": -1}, "patience in snapshot_args"),
        (2, {"n_cycles": 1, "weighting_pwr": "2"}, "weighting_pwr in snapshot_args must be a number, got '2'"),
        (2, {"n_cycles": 2}, "model_0 has 2 saved cycles, of which 1 can be taken, got n_cycles=2"),
        (1, {"n_cycles": 1, "patience": 3}, "model_1 has 3 saved cycles, of which 0 can be taken"),
        (3, {"n_cycles": 1}, "model_2 has no saved cycles: train with cycle_save=True"),
    ],
)
def test_wrong_snapshots_are_refused(results, cycles, size, options, words):
    with pytest.raises(ConfigError, match=words):
        Ensemble.from_results(results, size, snapshot_args=options)


def test_a_missing_cycle_is_named(results, cycles):
    (results[1]["path"].parent / "cycle_3.safetensors").unlink()
    with pytest.raises(ConfigError, match=r"there is no .*cycle_3.safetensors.*cycle_save=True"):
        Ensemble.from_results(results, 1, snapshot_args={"n_cycles": 1, "load_cycles_only": True})


def test_cycles_have_no_metric_to_be_weighed_by(results, cycles):
    with pytest.raises(ConfigError, match="no 'auc' to be weighed by: take metric='loss' or weighting='uniform'"):
        Ensemble.from_results(results, 1, "auc", snapshot_args={"n_cycles": 1})


def test_a_run_with_cycles_becomes_an_ensemble(trained, make_builder, tmp_path):
    fy, _ = trained
    cycle = {"name": "cycle_lr", "lr_range": (1e-3, 0.1), "cycle_save": True}
    results = train_models(
        fy, 3, 8, make_builder(fy), 3, cb_partials=cycle, save_best=False, savepath=tmp_path / "run", seed=1
    )
    assert [len(result["cycle_losses"]) for result in results] == [3, 3, 3]
    options = {"n_cycles": 2, "load_cycles_only": True}
    ensemble = Ensemble.from_results(Results.load(tmp_path / "run"), 3, snapshot_args=options)
    last = [result["cycle_losses"][-1 - i] for result in results.best(3) for i in range(2)]
    assert ensemble.weights.tolist() == pytest.approx(1 / np.array(last) / np.sum(1 / np.array(last)))
    assert sorted(model.record.trn_idxs for model in ensemble.models) == [[0, 1]] * 2 + [[0, 2]] * 2 + [[1, 2]] * 2
    ensemble.predict_with_spread(fy, out_of_fold=True)
    for fold in range(3):
        asked = [i for i, model in enumerate(ensemble.models) if fold not in model.record.trn_idxs]
        assert len(asked) == 2
        answers = [ensemble.models[i].predict(fy.get_fold(fold)["inputs"]) for i in asked]
        expected = np.average(answers, 0, ensemble.weights[asked])[:, 0]
        np.testing.assert_allclose(fy.get_column("pred", fold_idx=fold), expected, rtol=1e-5)


@pytest.mark.parametrize("loss", [float("nan"), float("inf"), 0.0, -1.0])
def test_fault_reciprocal_weights_of_odd_losses_are_refused(results, loss):
    odd = Results([{**results[0], "loss": loss}, results[1]], {})
    words = "all positive" if np.isfinite(loss) else "model_0.* has loss (nan|inf): its training went wrong"
    with pytest.raises(ConfigError, match=words):
        Ensemble.from_results(odd, 2)


# In parts, and with the spread


def test_the_first_models_alone_can_be_asked(models, fy):
    x = fy.get_fold(0)["inputs"]
    ensemble = Ensemble(models, [1, 2, 5])
    for n in (1, 2, 3):
        expected = np.average([m.predict(x) for m in models[:n]], axis=0, weights=[1, 2, 5][:n])
        np.testing.assert_allclose(ensemble.predict(x, n_models=n), expected, rtol=1e-6)
    for n, words in ((4, "has 3 models, from which 4"), (0, "positive integer"), (True, "positive integer")):
        with pytest.raises(ConfigError, match=words):
            ensemble.predict(x, n_models=n)


def test_the_spread_is_the_weighted_standard_deviation(models, fy):
    x = fy.get_fold(0)["inputs"]
    mean, spread = Ensemble(models, [1, 2, 5]).predict_with_spread(x)
    answers = np.stack([model.predict(x).astype(float) for model in models])
    expected = np.sqrt(np.average((answers - np.average(answers, axis=0, weights=[1, 2, 5])) ** 2, 0, [1, 2, 5]))
    np.testing.assert_allclose(spread, expected, rtol=1e-5)
    assert spread.dtype == np.float32
    assert np.array_equal(mean, Ensemble(models, [1, 2, 5]).predict(x))
    tensors = Ensemble(models, [1, 2, 5]).predict_with_spread(x, as_np=False)
    assert np.array_equal(tensors[1].numpy(), spread)


def test_weights_of_two_are_models_twice(models, fy):
    x = fy.get_fold(0)["inputs"]
    once = Ensemble(models[:2], [2, 1]).predict_with_spread(x)
    twice = Ensemble([models[0], models[1], models[0]]).predict_with_spread(x)
    np.testing.assert_allclose(once, twice, rtol=1e-5)


def test_equal_models_have_no_spread_and_one_cannot_tell(models, fy):
    x = fy.get_fold(0)["inputs"]
    assert not Ensemble(models[:1] * 3, [1, 2, 5]).predict_with_spread(x)[1].any()
    with pytest.raises(ConfigError, match="a spread needs at least two models"):
        Ensemble(models[:1]).predict_with_spread(x)
    with pytest.raises(ConfigError, match="a spread needs at least two models"):
        Ensemble(models).predict_with_spread(x, n_models=1)


class Shifts(Augmentation):
    """Two variants in prediction: as stored, and shifted."""

    n_test = 2

    def train(self, fold, rng):
        return fold

    def test(self, fold, idx):
        fold["inputs"][:, 0] += idx
        return fold


def test_the_spread_is_a_column_beside_the_mean(models, shared_path, tmp_path):
    path = tmp_path / "a.hdf5"
    path.write_bytes(shared_path.read_bytes())
    fy = FoldYielder(path, augmentations=Shifts())
    assert Ensemble(models, [1, 2, 5]).predict_with_spread(fy, pred_name="ens") is None
    for fold in range(len(fy)):
        variants = [fy.get_test_fold(fold, i)["inputs"] for i in range(2)]
        answers = [np.mean([model.predict(x) for x in variants], axis=0) for model in models]
        mean = np.average(answers, 0, [1, 2, 5])
        np.testing.assert_allclose(fy.get_column("ens", fold_idx=fold), mean[:, 0], rtol=1e-5)
        expected = np.sqrt(np.average((answers - mean) ** 2, 0, [1, 2, 5]))[:, 0]
        np.testing.assert_allclose(fy.get_column("ens_spread", fold_idx=fold), expected, rtol=1e-3)


# Out of fold


@pytest.fixture
def trained(shared_path, make_builder, tmp_path):
    """A file, and a model for each of its three folds that was trained on the other two."""
    path = tmp_path / "train.hdf5"
    path.write_bytes(shared_path.read_bytes())
    fy = FoldYielder(path)
    models = [Model(make_builder(fy, seed=seed)) for seed in range(3)]
    for i, model in enumerate(models):
        model.fit(1, fy, 8, val_idx=i, visible_bar=False, seed=1)
    return fy, models


def test_each_event_is_predicted_by_models_that_were_not_trained_on_it(trained, tmp_path):
    fy, models = trained
    extra = Model(models[0].model_builder)
    extra.fit(1, fy, 8, trn_idxs=[2], visible_bar=False, seed=1)
    ensemble = Ensemble([*models, extra], [1, 2, 3, 4])
    ensemble.predict(fy, pred_name="oof", out_of_fold=True)
    asked = {0: ([0, 3], [1, 4]), 1: ([1, 3], [2, 4]), 2: ([2], [3])}
    everyone = [*models, extra]
    for fold, (numbers, weights) in asked.items():
        x = fy.get_fold(fold)["inputs"]
        expected = np.average([everyone[i].predict(x) for i in numbers], 0, weights)[:, 0]
        np.testing.assert_allclose(fy.get_column("oof", fold_idx=fold), expected, rtol=1e-5)
    Ensemble.load(ensemble.save(tmp_path / "ens")).predict(fy, pred_name="again", out_of_fold=True)
    assert np.array_equal(fy.get_column("oof"), fy.get_column("again"))
    with pytest.raises(ConfigError, match=r"at least two models, or one with .* one for the folds \[2\]"):
        ensemble.predict_with_spread(fy, out_of_fold=True)


def test_a_renamed_copy_is_the_same_file_and_another_is_refused(trained, make_fy, tmp_path):
    fy, models = trained
    copy = tmp_path / "copy.hdf5"
    copy.write_bytes(fy.foldfile.read_bytes())
    Ensemble(models).predict(FoldYielder(copy), out_of_fold=True)
    other = make_fy(tmp_path / "train2.hdf5", seed=7)
    before = other.foldfile.read_bytes()
    with pytest.raises(ConfigError, match="was trained on other data, or other folds, than those of train2"):
        Ensemble(models).predict(other, out_of_fold=True)
    assert other.foldfile.read_bytes() == before


def test_folds_of_earlier_fits_count(trained):
    fy, models = trained
    models[0].fit(1, fy, 8, trn_idxs=[0], visible_bar=False)
    assert models[0].record.trn_idxs == [0, 1, 2]
    with pytest.raises(ConfigError, match=r"all 3 models were trained on the folds \[0\].*n_models=3 or more"):
        Ensemble(models).predict(fy, out_of_fold=True)
    assert "pred" not in fy.columns()
    with pytest.raises(ConfigError, match="all 2 models"):
        Ensemble(models).predict(fy, out_of_fold=True, n_models=2)


def test_out_of_fold_needs_folds_and_models_that_know_theirs(trained, make_builder):
    fy, models = trained
    with pytest.raises(ConfigError, match="pass the FoldYielder of the training"):
        Ensemble(models).predict(fy.get_fold(0)["inputs"], out_of_fold=True)
    with pytest.raises(ConfigError, match="model 1 of the ensemble does not know which folds"):
        Ensemble([models[0], Model(make_builder(fy))]).predict(fy, out_of_fold=True)


def test_files_of_before_the_folds_were_noted_load(trained, tmp_path):
    from lumin_core.model import tensor_file

    fy, models = trained
    content = {key: value for key, value in models[0].describe().items() if key not in ("trn_idxs", "folds")}
    path = tensor_file.write_tensors(tmp_path / "old", "model", models[0].state_dict(), content)
    old = Model.from_save(path)
    assert old.record.trn_idxs is None
    assert np.array_equal(old.predict(fy.get_fold(0)["inputs"]), models[0].predict(fy.get_fold(0)["inputs"]))


@pytest.mark.parametrize("damage", [{"trn_idxs": [-1]}, {"trn_idxs": ["0"]}, {"trn_idxs": 3}, {"folds": [1]}])
def test_a_damaged_record_of_folds_is_refused(trained, tmp_path, damage):

    _, models = trained
    path = tensor_file.write_tensors(
        tmp_path / "bad", "model", models[0].state_dict(), {**models[0].describe(), **damage}
    )
    with pytest.raises(SavedModelError, match="damaged: its header does not fit"):
        Model.from_save(path)


@pytest.mark.parametrize("seed", range(5))
def test_any_weights_come_back_bit_for_bit(models, tmp_path, seed):
    ensemble = Ensemble(models, np.random.default_rng(seed).uniform(0.1, 3, 3))
    path = ensemble.save(str(tmp_path / "ens"))
    loaded = Ensemble.load(str(path))
    assert loaded.weights.tolist() == ensemble.weights.tolist()
    assert loaded.save(tmp_path / "again").read_bytes() == path.read_bytes()
