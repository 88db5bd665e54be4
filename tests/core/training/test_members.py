"""Models with members: the loop takes the loss of each, everybody else sees their mean, and predict their spread."""

import copy

import numpy as np
import pytest
import torch
from torch import nn

from lumin_core import Augmentation, BatchLoss, Ensemble, FoldYielder, Model, ModelBuilder, PredHandler, train_models
from lumin_core.errors import ConfigError, ShapeError
from lumin_core.model import weighted_loss
from lumin_core.runs import score_folds
from lumin_plugin_tabular import ClassRegMulti

K = 3
BODY = {"name": "tabm", "k": K, "depth": 2, "width": 6}
OBJECTIVES = ["classification", "multiclass", "regression"]


@pytest.fixture
def model(fy, make_builder):
    return Model(make_builder(fy, body=BODY))


@pytest.fixture(params=OBJECTIVES)
def case(request, make_fy, make_builder, tmp_path):
    fy = make_fy(tmp_path / "a.hdf5", objective=request.param)
    model = Model(make_builder(fy, request.param, body=BODY))
    model.fit(1, fy, 8, seed=1)
    return model, fy


def members_of(model, x):
    """The predictions of each member, by hand, shape (n, K, n_out)."""
    with torch.no_grad():
        width = model.body.get_out_size() // K
        hidden = model.body(model.head(torch.as_tensor(x))).unflatten(1, (K, width))
        weight = model.tail.dense.weight.unflatten(0, (K, -1))
        z = torch.einsum("bkw,kow->bko", hidden, weight) + model.tail.dense.bias.view(K, -1)
    if model.objective == "classification":
        return z.sigmoid().numpy()
    if model.objective == "multiclass":
        return z.softmax(-1).numpy()
    return (model.tail.scale * z + model.tail.offset).numpy()


class Watch:
    def __init__(self):
        self.batches = []

    def on_forwards_end(self, fit_params):
        fit = fit_params
        y_members = None if fit.state == "valid" else fit.y_members.detach()
        self.batches.append((fit.state, fit.y_pred.detach(), y_members, fit.y, fit.w, fit.loss_val.item()))


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_the_loop_takes_the_loss_of_each_member_and_callbacks_see_the_mean(objective, make_fy, make_builder, tmp_path):
    fy = make_fy(tmp_path / "a.hdf5", objective=objective)
    model, watch = Model(make_builder(fy, objective, body=BODY)), Watch()
    model.fit(1, fy, 8, val_idx=2, cbs=[watch], seed=1)
    for state, y_pred, y_members, y, w, loss_val in watch.batches:
        assert y_pred.shape == (len(y), model.n_out)
        if state == "valid":
            assert loss_val == pytest.approx(float(weighted_loss(model.loss, y_pred, y, w)))
            continue
        assert y_members.shape == (len(y), K, model.n_out)
        values = y_members.exp() if objective == "multiclass" else y_members
        torch.testing.assert_close(model.to_prediction(y_pred), values.mean(1))
        each = [float(weighted_loss(model.loss, y_members[:, m], y, w)) for m in range(K)]
        assert loss_val == pytest.approx(np.mean(each), rel=1e-5)
        assert loss_val != pytest.approx(float(weighted_loss(model.loss, y_pred, y, w)), rel=1e-5)
    assert {state for state, *_ in watch.batches} == {"train", "valid"}
    assert model.fit_params.y_members is None


def test_callbacks_may_ask_in_training_and_have_the_mean(model, fy):
    class Ask:
        def on_batch_end(self, fit_params):
            assert fit_params.model.forward(fit_params.x).shape == (len(fit_params.y), 1)
            before = fit_params.model.predict(fit_params.x)
            assert before.shape == (len(fit_params.y), 1)

    model.fit(1, fy, 8, cbs=[Ask()], seed=1)


def test_an_event_of_weight_zero_changes_nothing(make_fy, make_builder, same_weights, tmp_path):
    """Whatever its inputs and its target are."""

    def strange(_, columns):
        columns["weights"][:4] = 0
        columns["inputs"][:4, :3] = 50
        columns["targets"][:4] = 1

    def plain(_, columns):
        columns["weights"][:4] = 0
        columns["weights"][4] = -0.5

    trained = []
    for name, change in (("a", plain), ("b", lambda *args: (plain(*args), strange(*args)))):
        fy = make_fy(tmp_path / f"{name}.hdf5", change=change)
        trained.append(Model(make_builder(fy, body=BODY)))
        trained[-1].fit(2, fy, 16, seed=1)
    first, second = (model.get_weights() for model in trained)
    for key in first:
        torch.testing.assert_close(first[key], second[key], rtol=1e-4, atol=1e-6)


def test_a_batch_loss_is_that_of_each_member(fy, make_builder):
    class Mean(BatchLoss):
        def forward(self, y_pred, y, w):
            assert y_pred.shape == y.shape == w.shape
            return (w * (y_pred - y)).mean().square()

    model, watch = Model(make_builder(fy, body=BODY, loss=Mean)), Watch()
    model.fit(1, fy, 8, cbs=[watch], seed=1)
    for _, _, y_members, y, w, loss_val in watch.batches:
        each = [float((w * (y_members[:, m] - y)).mean().square()) for m in range(K)]
        assert loss_val == pytest.approx(np.mean(each), rel=1e-4, abs=1e-7)


def test_a_frozen_tail_still_has_members(fy, make_builder):
    model, watch = Model(make_builder(fy, body=BODY, freeze_tail=True)), Watch()
    before = model.get_weights()
    model.fit(1, fy, 8, cbs=[watch], seed=1)
    assert watch.batches[0][2].shape == (8, K, 1)
    assert torch.equal(model.get_weights()["2.dense.weight"], before["2.dense.weight"])
    assert not torch.equal(model.get_weights()["1.layers.1.0.weight"], before["1.layers.1.0.weight"])


@pytest.mark.parametrize(
    ("method", "words"),
    [
        ("forward", r"gave shape \(\d, 1\) for \d events; it must return \(B, members, n_out\), here \(\d, 3, 1\)"),
        ("of_members", r"gave shape \(\d, 1, 3\) for \d events; it must return \(B, members, n_out\), here"),
    ],
)
def test_a_tail_that_gives_another_shape_is_refused_before_the_run_is_written(
    method, words, fy, tmp_path, make_builder
):
    class Odd(ClassRegMulti):
        pass

    def forward(self, x):
        outputs = ClassRegMulti.of_members(self, x)
        return outputs.mean(1)

    def of_members(self, x):
        return ClassRegMulti.of_members(self, x).transpose(1, 2)

    setattr(Odd, method, {"forward": forward, "of_members": of_members}[method])
    with pytest.raises(ShapeError, match=words):
        train_models(fy, 1, 8, make_builder(fy, body=BODY, tail=Odd), 1, savepath=tmp_path / "run", patience=1)
    assert not (tmp_path / "run").exists()


def test_evaluation_mode_in_training_is_refused_with_the_way_out(model, fy):
    class Freeze:
        def on_batch_begin(self, fit_params):
            fit_params.model.model.eval()

    with pytest.raises(ShapeError, match="keeps the network in evaluation mode"):
        model.fit(1, fy, 8, cbs=[Freeze()], seed=1)


# Predictions


def test_the_spread_is_the_standard_deviation_over_members(case):
    model, fy = case
    x = fy.get_fold(0)["inputs"]
    mean, spread = model.predict(x, spread=True)
    by_hand = members_of(model, x).astype(float)
    np.testing.assert_allclose(mean, by_hand.mean(1), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(spread, by_hand.std(1), rtol=1e-3, atol=1e-6)
    assert spread.min() > 0
    assert np.array_equal(mean, model.predict(x))
    tensors = model.predict(x, as_np=False, spread=True)
    assert all(isinstance(tensor, torch.Tensor) for tensor in tensors)
    assert [part.shape for part in model.predict(x[:0], spread=True)] == [(0, model.n_out)] * 2


def test_the_spread_is_a_column_of_a_fold_file(model, make_fy, tmp_path):
    fy = make_fy(tmp_path / "a.hdf5")
    assert model.predict(fy, spread=True) is None
    mean, spread = model.predict(fy.get_fold(1)["inputs"], spread=True)
    np.testing.assert_allclose(fy.get_column("pred", fold_idx=1), mean[:, 0], rtol=1e-6)
    np.testing.assert_allclose(fy.get_column("pred_spread", fold_idx=1), spread[:, 0], rtol=1e-5)


def test_a_model_without_members_names_both_ways(fy, make_builder):
    model = Model(make_builder(fy))
    with pytest.raises(ConfigError, match="make an Ensemble of several, and ask that; or train one with members"):
        model.predict(fy.get_fold(0)["inputs"], spread=True)
    with pytest.raises(ConfigError, match="two models, or one with members"):
        Ensemble([model]).predict(fy.get_fold(0)["inputs"], spread=True)


class Shifts(Augmentation):
    """Three variants in prediction."""

    n_test = 3

    def train(self, fold, rng):
        return fold

    def test(self, fold, idx):
        fold.flat[:, :3] += idx
        return fold


def test_members_are_averaged_over_views_first(case):
    model, fy = case
    with FoldYielder(fy.foldfile, augmentations=[Shifts()]) as views:
        model.predict(views, spread=True, overwrite=True)
        inputs = [views.get_test_fold(0, i)["inputs"] for i in range(3)]
        by_hand = np.mean([members_of(model, x) for x in inputs], axis=0).astype(float)
        for name, expected in (("pred", by_hand.mean(1)), ("pred_spread", by_hand.std(1))):
            column = views.get_column(name, fold_idx=0)
            np.testing.assert_allclose(column.reshape(expected.shape), expected, rtol=1e-3, atol=1e-6)


def test_a_collecting_callback_of_ones_own_gives_the_mean(model, fy):
    x = fy.get_fold(0)["inputs"]

    class Halved(PredHandler):
        def get_preds(self):
            return super().get_preds() / 2

    class Summed(PredHandler):
        def get_preds(self):
            return super().get_preds().sum()

    mean, spread = model.predict(x, spread=True)
    halved, same = model.predict(x, pred_cb=Halved(), spread=True)
    assert np.array_equal(halved, mean / 2)
    assert np.array_equal(same, spread)
    with pytest.raises(ConfigError, match="leave out pred_cb, or spread"):
        model.predict(x, pred_cb=Summed(), spread=True)


def test_an_ensemble_spreads_over_all_members_of_all_models(fy, make_builder):
    models = [Model(make_builder(fy, body=BODY, seed=seed)) for seed in (1, 2)] + [Model(make_builder(fy))]
    x, weights = fy.get_fold(0)["inputs"], [1, 2, 4]
    mean, spread = Ensemble(models, weights).predict(x, spread=True)
    answers = [*(members_of(model, x) for model in models[:2]), models[2].predict(x)[:, None]]
    values = np.concatenate(answers, axis=1).astype(float)
    w = np.repeat([1 / K, 2 / K, 4], [K, K, 1])
    expected = np.average(values, axis=1, weights=w)
    np.testing.assert_allclose(mean, expected, rtol=1e-5)
    variance = np.average((values - expected[:, None]) ** 2, axis=1, weights=w)
    np.testing.assert_allclose(spread, np.sqrt(variance), rtol=1e-4)
    alone = Ensemble(models[:1]).predict_with_spread(x)
    np.testing.assert_allclose(alone[1], models[0].predict(x, spread=True)[1], rtol=1e-5)


def test_scores_of_fold_files_have_the_spread(model, make_fy, tmp_path):
    pytest.importorskip("pyarrow", reason="pyarrow is not installed: pip install 'lumin-plugin-io[parquet]'")
    fy = make_fy(tmp_path / "a.hdf5")
    out = score_folds(model, fy, tmp_path / "scores.parquet", keys="event", spread=True)
    import pandas as pd

    scores = pd.read_parquet(out).sort_values("event")
    model.predict(fy, spread=True)
    np.testing.assert_allclose(scores["pred_spread"], fy.get_column("pred_spread"), rtol=1e-6)


# What else a model does


def test_a_killed_fit_goes_on_bit_for_bit(fy, make_builder, same_weights, tmp_path):
    body = BODY | {"do": 0.3}
    builder = make_builder(fy, body=body, opt_args={"opt": "adamw", "lr": 0.01})

    class Die:
        def __init__(self, epoch):
            self.epoch = epoch

        def on_epoch_end(self, fit_params):
            if fit_params.epoch == self.epoch:
                raise ArithmeticError

    def run(folder, epoch=-1):
        model = Model(builder)
        model.fit(3, fy, 8, cbs=[Die(epoch)], cb_savepath=tmp_path / folder, seed=1, resume=True, visible_bar=False)
        return model

    whole = run("whole")
    with pytest.raises(ArithmeticError):
        run("killed", 2)
    assert same_weights(run("killed"), whole)


def test_a_saved_model_and_a_copy_are_the_same(case, tmp_path):
    model, fy = case
    x = fy.get_fold(0)["inputs"]
    loaded = Model.from_save(model.save(tmp_path / "model"))
    expected = model.predict(x, spread=True)
    for other in (loaded, copy.deepcopy(model)):
        assert other.members == K
        assert all(map(np.array_equal, other.predict(x, spread=True), expected))
    path = Ensemble([model]).save(tmp_path / "ensemble")
    assert np.array_equal(Ensemble.from_save(path).predict(x, spread=True)[1], expected[1])


def test_averages_and_the_best_are_kept(fy, make_builder, tmp_path):
    cbs = [{"name": "swa", "start_epoch": 1}, {"name": "cycle_lr", "lr_range": (0.01, 0.1)}]
    options = {"patience": 3, "savepath": tmp_path / "run", "seed": 1}
    builder = make_builder(fy, body=BODY)
    results = train_models(fy, 2, 8, builder, 3, cb_partials=cbs, metric_partials=["roc_auc_score"], **options)
    mean, spread = Ensemble.from_results(results, 2).predict(fy.get_fold(0)["inputs"], spread=True)
    assert mean.shape == spread.shape == (16, 1)
    assert spread.min() > 0


def test_mixed_precision_has_the_same_mean_with_its_spread(fy, make_builder):
    model = Model(make_builder(fy, body=BODY), precision="bf16")
    model.fit(1, fy, 8, seed=1)
    x = fy.get_fold(0)["inputs"]
    mean, spread = model.predict(x, spread=True)
    assert np.array_equal(mean, model.predict(x))
    assert spread.shape == mean.shape


def test_raw_outputs_are_of_each_member(make_fy, make_builder, tmp_path):
    """The logarithm of a target is not undone on the mean."""

    class Exponent:
        def transform(self, y):
            return np.log(y)

        def inverse_transform(self, y):
            return np.exp(y)

    fy = make_fy(tmp_path / "a.hdf5", objective="regression")
    model = Model(make_builder(fy, "regression", body=BODY))
    model.record.features["targ_feats"] = fy.targ_feats
    model.output_pipes = [Exponent()]
    x = fy.get_fold(0)["inputs"]
    mean, spread = model.predict(x, raw=True, spread=True)
    np.testing.assert_allclose(mean, np.exp(model.predict(x)), rtol=1e-5)
    np.testing.assert_allclose(spread, np.exp(members_of(model, x).astype(float)).std(1), rtol=1e-3, atol=1e-6)


def test_subsampled_features_are_those_of_the_scales(fy):
    builder = ModelBuilder.from_fy(fy, "classification", body=BODY, cont_subsample_rate=0.5, seed=2)
    model = Model(builder)
    assert model.body.layers[0][0].scale.weight.shape == (K, model.head.get_out_size())
    assert isinstance(model.model, nn.Sequential)
    model.fit(1, fy, 8, seed=1)
