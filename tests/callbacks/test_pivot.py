import json
import pickle
from functools import partial

import numpy as np
import pytest
import torch

from lumin_core import (
    BatchLoss,
    Callback,
    EvalMetric,
    FoldFileWriter,
    FoldYielder,
    Head,
    Model,
    ModelBuilder,
    train_models,
    validated,
)
from lumin_core.data import matrix_entry
from lumin_core.errors import ConfigError, DataError, ShapeError
from lumin_plugin_callbacks import BootstrapResample, EpochSaver, PivotTraining

LINEAR = {"objective": "regression", "n_out": 1, "cont_feats": ["f"], "body": "ident_body"}
NETWORK = {**LINEAR, "body": {"name": "fully_connected", "depth": 1, "width": 8, "do": 0.3, "bn": True}}
SIZES = [40, 64, 33, 50]


def write(path, *, matrix=False, change=None):
    """Write folds of unequal size, with the nuisances ``z`` (a number), ``z2`` (two), ``c`` (a class of three)."""
    options = {"matrix_feats": matrix_entry(["m_x"], ["m"], [False], ["x"], True, (1, 1))} if matrix else {}
    with FoldFileWriter(path, cont_feats=["a", "b"], targ_feats="y", wgt_feat="w", **options) as file:
        for i, n in enumerate(SIZES):
            rng = np.random.default_rng(i)
            x, w = rng.normal(size=(n, 2)), rng.uniform(-0.3, 2, n)
            misc = {"z": 3 * x[:, 1], "z2": x * 2, "c": np.digitize(x[:, 1], [-0.5, 0.5]), "text": np.array(["a"] * n)}
            columns = {"matrix_inputs": x[:, 1][:, None, None]} if matrix else {}
            columns |= {"inputs": x, "targets": (x[:, 0] > 0).astype(int), "weights": w, "misc": misc}
            if change is not None:
                change(columns)
            file.append(i, **columns)
    return FoldYielder(path)


@pytest.fixture(scope="module")
def fy(tmp_path_factory):
    with write(tmp_path_factory.mktemp("folds") / "a") as yielder:
        yield yielder


def build(fy, objective="classification", **options):
    body = {"name": "fully_connected", "depth": 1, "width": 4, "do": 0.2, "bn": True}
    return Model(ModelBuilder.from_fy(fy, objective, **{"seed": 1, "body": body, **options}))


def fit(fy, cbs, n_epochs=2, model=None, **options):
    model = model or build(fy)
    options = {"val_idx": 3, "seed": 1, "visible_bar": False, **options}
    model.fit(n_epochs, fy, 16, cbs=cbs, **options)
    return model


def pivot(adversary=NETWORK, n_pretrain_main=0, n_pretrain_adv=1, adv_coef=1.0, adv_targets="z", **options):
    return PivotTraining(n_pretrain_main, n_pretrain_adv, adv_coef, adversary, adv_targets, **options)


def same(model, other):
    pairs = zip(model.get_weights().values(), other.get_weights().values(), strict=True)
    return all(torch.equal(a, b) for a, b in pairs)


# What it is for


@pytest.fixture(scope="module")
def linear(tmp_path_factory):
    """Six folds of the same events: y is seen through a and through b, which the nuisance z shifts."""
    path, (y, z, noise) = tmp_path_factory.mktemp("folds") / "a", np.random.default_rng(1).normal(size=(3, 400))
    with FoldFileWriter(path, cont_feats=["a", "b"], targ_feats="y") as file:
        for i in range(6):
            file.append(i, inputs=np.stack([y + noise, y + z], axis=1), targets=y, misc={"z": z})
    with FoldYielder(path) as yielder:
        yield yielder


def optimum(fy, adv_coef):
    """Minimise the paper's value function, the adversary at its best: the linear regression of z on f."""
    from scipy.optimize import minimize

    fold, z = fy.get_fold(0), fy.get_column("z", fold_idx=0).astype(float)
    x, y = fold["inputs"].astype(float), fold["targets"][:, 0].astype(float)

    def value(theta):
        f = x @ theta[:2] + theta[2]
        return np.mean((f - y) ** 2) - adv_coef * z.var() * (1 - np.corrcoef(f, z)[0, 1] ** 2)

    return minimize(value, [0.3, 0.3, 0]).x


def correlation(fy, model):
    return np.corrcoef(model.predict(fy.get_fold(0)["inputs"])[:, 0], fy.get_column("z", fold_idx=0))[0, 1]


def fit_linear(fy, cbs):
    plain = {"name": "class_reg_multi", "y_mean": 0, "y_std": 1}  # weights are compared
    model = build(fy, "regression", body="ident_body", tail=plain, opt_args={"opt": "sgd", "lr": 0.05})
    model.fit(40, fy, 400, cbs=cbs, seed=1, visible_bar=False)
    return model, np.concatenate([value.numpy().ravel() for value in model.get_weights().values()])


@pytest.mark.parametrize(
    ("adv_coef", "adv_update_on"), [(0.3, "batch"), (1, "batch"), (5, "batch"), (1, "fold"), (5, "epoch")]
)
def test_it_ends_at_the_optimum_of_the_papers_value_function(linear, adv_coef, adv_update_on):
    adversary = {**LINEAR, "opt_args": {"opt": "sgd", "lr": 0.4}}
    callback = pivot(adversary, n_pretrain_adv=20, adv_coef=adv_coef, adv_update_on=adv_update_on)
    _, theta = fit_linear(linear, callback)
    np.testing.assert_allclose(theta, optimum(linear, adv_coef), atol=1e-4)


def test_the_dependence_on_the_nuisance_falls_by_more_than_five_times(linear):
    plain, theta = fit_linear(linear, None)
    np.testing.assert_allclose(theta, optimum(linear, 0), atol=1e-4)
    pivoted, _ = fit_linear(linear, pivot({**LINEAR, "opt_args": {"opt": "sgd", "lr": 0.4}}, adv_coef=5))
    assert correlation(linear, plain) > 0.35
    assert abs(correlation(linear, pivoted)) < correlation(linear, plain) / 5


@pytest.fixture(scope="module")
def gaussians(tmp_path_factory):
    """Two classes, told apart by a and, shifted by the nuisance, by b."""
    path, rng = tmp_path_factory.mktemp("folds") / "a", np.random.default_rng(1)
    with FoldFileWriter(path, cont_feats=["a", "b"], targ_feats="y") as file:
        for i in range(4):
            y, z, noise = rng.integers(0, 2, 1000), rng.normal(size=1000), rng.normal(size=1000)
            file.append(i, inputs=np.stack([2 * y - 1 + noise, 2 * y - 1 + z], 1), targets=y, misc={"z": z})
    with FoldYielder(path) as yielder:
        yield yielder


def shift(fy, model):
    """The largest distance of the cumulated predictions for class 1, between both halves of the nuisance."""
    from scipy.stats import ks_2samp

    data, z = fy.get_data(), fy.get_column("z")
    preds, is_one = model.predict(data["inputs"])[:, 0], data["targets"][:, 0] == 1
    return ks_2samp(preds[is_one & (z > 0)], preds[is_one & (z < 0)]).statistic


@pytest.mark.parametrize("adv_update_on", ["batch", "fold"])
def test_a_network_as_adversary_takes_the_nuisance_from_a_class(gaussians, adv_update_on):
    adversary = {
        **LINEAR, "seed": 1, "body": {"name": "fully_connected", "depth": 1, "width": 20, "act": "swish"},
        "opt_args": {"opt": "sgd", "lr": 0.2},
    }  # fmt: skip
    models = []
    for cbs in (None, pivot(adversary, n_pretrain_main=10, n_pretrain_adv=5, adv_coef=20, adv_update_on=adv_update_on)):
        model = build(gaussians, body="ident_body", opt_args={"opt": "sgd", "lr": 0.3 if cbs is None else 0.02})
        model.fit(12 if cbs is None else 30, gaussians, 100, cbs=cbs, trn_idxs=[0, 1, 2], seed=1, visible_bar=False)
        models.append(model)
    plain, pivoted = (shift(gaussians, model) for model in models)
    assert plain > 0.4
    assert pivoted < plain / 5
    assert models[1].evaluate(gaussians.get_fold(3)["inputs"], gaussians.get_fold(3)["targets"]) < 0.45


@pytest.mark.parametrize("adv_update_on", ["batch", "fold", "epoch"])
@pytest.mark.parametrize("bulk_move", [True, False])
def test_without_a_coefficient_the_model_is_trained_as_without_the_callback(fy, adv_update_on, bulk_move):
    """Bit for bit, dropout and running statistics of both networks included."""
    callback = pivot(n_pretrain_adv=2, adv_coef=0, adv_update_on=adv_update_on)
    models = [fit(fy, cbs, bulk_move=bulk_move) for cbs in (None, callback)]
    assert same(*models)
    assert models[0].fit_params.history == models[1].fit_params.history
    assert not same(models[0], fit(fy, pivot(adv_coef=0.1, adv_update_on=adv_update_on)))


# Folds, batches, events


class Look(Callback):
    """Keeps folds, and checks that each event of a batch has its own nuisance, three times its second feature."""

    def __init__(self, column=1):
        self.folds, self.n_batches, self.column = [], 0, column

    def on_fold_begin(self, fit_params):
        assert fit_params.by.inputs.shape[1] == 2
        if fit_params.state == "train":
            self.folds.append((fit_params.epoch, fit_params.trn_idx))

    def on_batch_begin(self, fit_params):
        flat = fit_params.x[0] if isinstance(fit_params.x, tuple) else fit_params.x
        torch.testing.assert_close(fit_params.by.companion, 3 * flat[:, [self.column]])
        self.n_batches += 1


@pytest.mark.parametrize("adv_update_on", ["batch", "fold", "epoch"])
def test_fault_every_fold_is_trained_once_an_epoch(fy, adv_update_on):
    look = Look()
    fit(fy, [look, pivot(adv_update_on=adv_update_on)], n_epochs=3)
    assert sorted(look.folds) == [(epoch, fold) for epoch in (1, 2, 3) for fold in range(3)]


@pytest.mark.parametrize("bulk_move", [True, False])
@pytest.mark.parametrize("order", [1, -1])
@pytest.mark.parametrize("mask", [None, [1], [False, True]])
def test_each_event_has_its_own_nuisance(fy, bulk_move, order, mask):
    look = Look(column=0 if mask else 1)
    model = build(fy)
    if mask is not None:
        model = Model(ModelBuilder("classification", 1, ["b"], seed=1))
        model.model_builder = ModelBuilder("classification", 1, ["a", "b"], seed=1)
        model.set_input_mask(mask)
    fit(fy, [*[BootstrapResample(), pivot()][::order], look], model=model, bulk_move=bulk_move)
    assert look.n_batches == 2 * (2 + 4 + 2 + 4)


class BothHead(Head):
    """Joins flat inputs and the matrix."""

    def __init__(self, cont_feats):
        super().__init__(cont_feats)
        self.feat_map = {feat: [i] for i, feat in enumerate(cont_feats)}

    def forward(self, x):
        return torch.cat([x[0], x[1].flatten(1)], dim=1)

    def get_out_size(self):
        return 3


def test_with_matrix_inputs(tmp_path):
    look, callback = Look(), pivot(n_pretrain_main=1)
    with write(tmp_path / "m", matrix=True) as fy:
        fit(fy, [callback, look], model=build(fy, head=BothHead))
        fit(fy, pivot(adv_coef=0), model=build(fy, head=BothHead))
    assert look.n_batches == 24
    assert np.isfinite(callback.history["valid"]["adversary"]).all()


@pytest.mark.parametrize(("freq", "n_steps"), [(1, 8), (2, 4), (3, 4), (4, 3)])
def test_steps_of_the_adversary_on_batches(fy, freq, n_steps):
    """At the first batch of a fold, and every so many after it: folds have 2, 4 and 2 batches."""
    callback = pivot(n_pretrain_adv=0, adv_update_freq=freq)
    fit(fy, callback, n_epochs=2)
    assert steps(callback) == 2 * n_steps


@pytest.mark.parametrize(
    ("on", "freq", "n_steps"), [("fold", 1, 24), ("epoch", 1, 24), ("epoch", 2, 16), ("epoch", 9, 8)]
)
def test_passes_of_the_adversary_on_folds(fy, on, freq, n_steps):
    callback = pivot(n_pretrain_adv=0, adv_update_on=on, adv_update_freq=freq)
    fit(fy, callback, n_epochs=3)
    assert steps(callback) == n_steps


def test_passes_on_every_second_fold(fy):
    look, callback = Look(), pivot(n_pretrain_adv=0, adv_update_on="fold", adv_update_freq=2)
    fit(fy, [look, callback], n_epochs=3)
    assert steps(callback) == sum(SIZES[idx] // 16 for _, idx in look.folds[::2])


def test_the_adversary_is_held_fast_while_the_model_learns(fy):
    class Held(Callback):
        def on_backwards_begin(self):
            adversary = callback.adversary.model
            assert not any(part.training for part in adversary.modules())
            assert not any(parameter.requires_grad for parameter in adversary.parameters())

    callback = pivot()
    fit(fy, [callback, Held()])
    assert steps(callback) > 0


def steps(callback):
    states = callback.adversary.opt.state_dict()["state"].values()
    return int(next(iter(states))["step"]) if states else 0


def test_the_adversary_is_pretrained_on_the_models_predictions(fy):
    """It ends at the weighted linear regression of the nuisance on the predictions."""

    class Hold(Callback):
        def on_epoch_begin(self, fit_params):
            fit_params.model.set_lr(0)

    model = build(fy, body="ident_body", opt_args={"opt": "sgd", "lr": 1})
    adversary = {**LINEAR, "opt_args": {"opt": "sgd", "lr": 0.5}}
    callback = pivot(adversary, n_pretrain_adv=400, adv_update_freq=10**6)
    model.fit(1, fy, 33, cbs=[Hold(), callback], trn_idxs=[2], seed=1, visible_bar=False)
    fold, z = fy.get_fold(2), fy.get_column("z", fold_idx=2).astype(float)
    f, w = model.predict(fold["inputs"])[:, 0], fold["weights"][:, 0]
    design = np.stack([f, np.ones_like(f)], axis=1).astype(float)
    expected = np.linalg.solve(design.T @ (w[:, None] * design), design.T @ (w * z))
    found = [value.item() for value in callback.adversary.get_weights().values()]
    np.testing.assert_allclose(found, expected, rtol=0.02)


# Losses


class MeanPrediction(EvalMetric):
    better = "lower"

    def evaluate(self, preds, targets, weights, columns):
        return float(preds.mean())


def test_the_reported_losses_are_the_difference_and_its_parts_are_kept(fy):
    callback, metric = pivot(adv_coef=2.5), MeanPrediction()
    model = fit(fy, callback, n_epochs=3, metrics=metric)
    for state, n in (("train", 9), ("valid", 3)):
        parts = callback.history[state]
        assert len(parts["main"]) == len(parts["adversary"]) == n
        difference = np.array(parts["main"]) - 2.5 * np.array(parts["adversary"])
        np.testing.assert_allclose(model.fit_params.history[state]["loss"], difference, rtol=1e-5)
    fold, z = fy.get_fold(3), fy.get_column("z", fold_idx=3)
    preds = model.predict(fold["inputs"])
    main = model.evaluate(fold["inputs"], fold["targets"], fold["weights"])
    assert callback.history["valid"]["main"][-1] == pytest.approx(main, rel=1e-5)
    loss = np.average((callback.adversary.predict(preds)[:, 0] - z) ** 2, weights=fold["weights"][:, 0])
    assert callback.history["valid"]["adversary"][-1] == pytest.approx(loss, rel=1e-5)


def test_a_model_that_is_offered_is_validated_by_itself(fy):
    class Offer(Callback):
        def on_epoch_end(self, fit_params):
            if fit_params.state == "valid":
                self.value = validated(fit_params, fit_params.model.model)["loss"]

    offer, callback = Offer(), pivot(adv_coef=2.5)
    fit(fy, [callback, offer])
    assert offer.value == pytest.approx(callback.history["valid"]["main"][-1], rel=1e-6)


@pytest.mark.parametrize("adv_update_on", ["batch", "fold"])
def test_an_event_of_weight_zero_changes_nothing(tmp_path, adv_update_on):
    def change(columns, factor):
        zero = np.arange(len(columns["weights"])) % 3 == 0
        columns["weights"] = np.where(zero, 0, columns["weights"])
        columns["misc"]["z"] = np.where(zero, factor * columns["misc"]["z"], columns["misc"]["z"])

    models = []
    for factor in (1, -50):
        with write(tmp_path / f"a{factor}", change=partial(change, factor=factor)) as fy:
            models.append(fit(fy, pivot(n_pretrain_adv=3, adv_update_on=adv_update_on)))
    assert same(*models)


def test_without_weights_events_count_alike(fy):
    callback = pivot(n_pretrain_main=1, adv_update_on="fold")
    model = fit(fy, callback, train_on_weights=False)
    fold, z = fy.get_fold(3), fy.get_column("z", fold_idx=3)
    preds = callback.adversary.predict(model.predict(fold["inputs"]))[:, 0]
    assert callback.history["valid"]["adversary"][-1] == pytest.approx(np.mean((preds - z) ** 2), rel=1e-5)


class Classes(Callback):
    """Gives the three classes as the model's targets too."""

    def on_fold_begin(self, fit_params):
        idx = fit_params.trn_idx if fit_params.state == "train" else fit_params.val_idx
        fit_params.by.targets = fit_params.fy.get_column("c", fold_idx=idx)


def test_several_classes_on_both_sides(fy):
    adversary = {"objective": "multiclass", "n_out": 3, "cont_feats": ["p0", "p1", "p2"], "seed": 1}
    callback = pivot(adversary, adv_targets="c", adv_update_on="fold")
    model = fit(fy, [Classes(), callback], model=build(fy, "multiclass", n_out=3))
    fold, c = fy.get_fold(3), fy.get_column("c", fold_idx=3)
    preds = model.predict(fold["inputs"])  # probabilities
    probabilities = callback.adversary.predict(preds)[np.arange(50), c]
    loss = np.average(-np.log(probabilities), weights=fold["weights"][:, 0])
    assert callback.history["valid"]["adversary"][-1] == pytest.approx(loss, rel=1e-4)


@pytest.mark.parametrize("names", ["z2", ["z", "c"]])
def test_several_nuisances(fy, names):
    callback = pivot({**NETWORK, "n_out": 2}, adv_targets=names)
    fit(fy, callback)
    assert np.isfinite(callback.history["train"]["adversary"]).all()


class Bias(BatchLoss):
    def forward(self, y_pred, y, w):
        return (y_pred.mean() - y.mean()).square()


def test_losses_of_whole_batches(fy):
    callback = pivot({**NETWORK, "loss": Bias})
    model = fit(fy, callback, model=build(fy, loss=Bias))
    difference = np.array(callback.history["train"]["main"]) - np.array(callback.history["train"]["adversary"])
    np.testing.assert_allclose(model.fit_params.history["train"]["loss"], difference, rtol=1e-4, atol=1e-6)


# Pretraining of the model


class Spy(Callback):
    """Keeps the weights at the begin and the end of a training."""

    log: list

    def on_batch_begin(self, fit_params):
        if fit_params.sub_epoch == 1 and fit_params.batch == 1:
            self.log.append((fit_params.n_epochs, "begin", fit_params.model.get_weights(), fit_params.model.get_lr()))

    def on_train_end(self, fit_params):
        self.log.append((fit_params.n_epochs, "end", fit_params.model.get_weights(), fit_params.model.get_lr()))


def test_the_model_is_pretrained_in_a_fit_of_its_own(fy):
    class Slow(Callback):
        def on_train_begin(self, fit_params):
            fit_params.model.set_lr(1e-9)

    spy, seen = Spy(), []
    spy.log = seen
    callback = pivot(n_pretrain_main=3, main_pretrain_cb_partials=[spy])
    outer = Spy()
    outer.log = seen
    model = build(fy)
    initial = model.get_weights()
    fit(fy, [Slow(), callback, outer], n_epochs=2, model=model)
    assert [(n, where) for n, where, *_ in seen] == [(3, "begin"), (3, "end"), (2, "begin"), (2, "end")]
    assert [lr for *_, lr in seen] == [2e-3, 2e-3, 1e-9, 1e-9]
    weights = [values for _, _, values, _ in seen]
    assert all(torch.equal(initial[key], weights[0][key]) for key in initial)
    assert not all(torch.equal(weights[0][key], weights[1][key]) for key in initial)
    assert all(torch.equal(weights[1][key], weights[2][key]) for key in initial)
    assert model.fit_params.n_epochs == 2
    assert model.record.seeds["fit"] == 1
    assert {int(entry["step"]) for entry in model.opt.state_dict()["state"].values()} == {16}


def test_a_pretraining_that_fails_leaves_the_model_as_it_was(fy):
    class Fail(Callback):
        def on_epoch_end(self):
            raise RuntimeError("enough")

    model = build(fy)
    opt = model.opt
    with pytest.raises(RuntimeError, match="enough"):
        fit(fy, pivot(n_pretrain_main=1, main_pretrain_cb_partials=Fail), model=model)
    assert model.opt is opt
    assert model.fit_params.n_epochs == 2


# Seeds, resuming, runs


def test_the_same_seed_gives_the_same_weights_and_a_callback_begins_anew(fy):
    callback = pivot(n_pretrain_main=1, adv_update_on="fold")
    models = [fit(fy, callback, seed=seed) for seed in (1, 1, 2)]
    assert same(models[0], models[1])
    assert not same(models[0], models[2])
    assert len(callback.history["valid"]["main"]) == 2


def test_the_adversary_starts_from_the_fits_seed_unless_its_builder_has_one(fy):
    def start(seed, builder):
        callback = pivot(builder, n_pretrain_adv=0, adv_update_freq=10**6, adv_coef=0)
        callback.on_train_begin(
            type(
                "Fit",
                (),
                {"fy": fy, "model": build(fy), "device": torch.device("cpu"), "rng": np.random.default_rng(seed)},
            )
        )
        return callback.adversary

    assert same(start(1, NETWORK), start(1, NETWORK))
    assert not same(start(1, NETWORK), start(2, NETWORK))
    assert same(start(1, {**NETWORK, "seed": 3}), start(2, {**NETWORK, "seed": 3}))


@pytest.mark.parametrize("adv_update_on", ["batch", "epoch"])
@pytest.mark.parametrize("last", [1, 2, 3])
def test_a_fit_that_was_killed_goes_on_bit_for_bit(fy, tmp_path, adv_update_on, last):
    class Kill(Callback):
        def on_fold_end(self, fit_params):
            if self.epoch and fit_params.epoch > self.epoch:
                raise RuntimeError("killed")

    def run(epoch, folder):
        kill = Kill()
        kill.epoch = epoch
        callback = pivot(n_pretrain_main=1, adv_update_on=adv_update_on, adv_update_freq=2)
        options = {"n_epochs": 4, "resume": True, "cb_savepath": tmp_path / folder}
        if epoch:
            with pytest.raises(RuntimeError, match="killed"):
                fit(fy, [callback, kill], **options)
            return run(None, folder)
        return fit(fy, [callback, kill], **options), callback

    (whole, own), (resumed, other) = run(None, "whole"), run(last, "killed")
    assert same(whole, resumed)
    assert same(own.adversary, other.adversary)
    assert own.history == other.history
    assert whole.fit_params.history == resumed.fit_params.history


def forms():
    config = {**NETWORK, "cont_feats": ["prediction"]}
    options = {
        "n_pretrain_main": 1, "n_pretrain_adv": 1, "adv_coef": 1, "adv_targets": "z", "adv_update_on": "fold"
    }  # fmt: skip
    yield "config", {"name": "pivot_training", "adv_model_builder": config, **options}
    yield "builder", {"name": "PivotTraining", "adv_model_builder": ModelBuilder.from_config(config), **options}
    yield "partial", partial(PivotTraining, adv_model_builder=config, **options)


def test_in_a_run_each_model_has_its_own_adversary(fy, tmp_path):
    builder = ModelBuilder.from_fy(fy, "classification", model_args={"body": {"depth": 1, "width": 3}})
    losses = []
    for name, spec in forms():
        results = train_models(fy, 2, 16, builder, 2, cb_partials=[spec], savepath=tmp_path / name, seed=1)
        losses.append([result["loss"] for result in results])
        described = json.loads((tmp_path / name / "run.json").read_text())["callbacks"][0]
        assert pickle.loads(pickle.dumps(spec)) is not None
        if name == "builder":
            assert "unnamed" in described
        else:
            assert described["name"] == "callbacks/pivot_training"
            assert described["adv_model_builder"]["cont_feats"] == ["prediction"]
    assert losses[0] == losses[1] == losses[2]
    assert losses[0][0] != losses[0][1]


def test_with_others_it_reads_what_the_file_holds(fy, tmp_path):
    spoken = {"name": "targ_replace", "targ_feats": "y2"}
    with pytest.raises(ConfigError, match="targ_replace needs the column 'y2'"):
        fit(fy, [spoken, pivot()])
    fit(
        fy,
        [EpochSaver(), "metric_logger", {"name": "grad_clip", "clip": 1.0}, pivot(), "save_best"],
        cb_savepath=tmp_path,
    )
    assert {path.name for path in tmp_path.iterdir()} == {
        "best.safetensors",
        "epoch_1.safetensors",
        "epoch_2.safetensors",
    }


def test_predictions_are_left_alone(fy):
    callback = pivot()
    model = fit(fy, callback)
    inputs = fy.get_fold(0)["inputs"]
    np.testing.assert_array_equal(model.predict(inputs, cbs=[callback]), model.predict(inputs))


# What is refused


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n_pretrain_main": -1}, "n_pretrain_main must be a number of epochs, 0 or more, got -1"),
        ({"n_pretrain_adv": 1.5}, "n_pretrain_adv must be a number of epochs, 0 or more, got 1.5"),
        ({"adv_coef": -1}, r"adv_coef must be a number of at least 0 \(it is subtracted\), got -1"),
        ({"adv_coef": "1"}, "adv_coef must be a number"),
        ({"adv_coef": float("nan")}, "adv_coef must be a number"),
        ({"adversary": "fully_connected.toml"}, "cannot read the config"),
        ({"adversary": None}, "adv_model_builder must be a ModelBuilder or the config of one, got None"),
        ({"adversary": {**LINEAR, "bodyy": 1}}, "did you mean 'body'"),
        ({"adv_targets": []}, "adv_targets must name a column of the fold file, got none"),
        ({"adv_targets": ["z", "z"]}, "adv_targets names 'z' twice"),
        ({"adv_update_freq": 0}, "adv_update_freq must be a positive integer, got 0"),
        ({"adv_update_on": "step"}, "adv_update_on must be one of batch, fold, epoch, got 'step'"),
    ],
)
def test_options_out_of_range_are_refused(options, message):
    with pytest.raises(ConfigError, match=message):
        pivot(**options)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"adv_targets": "zz"}, ConfigError, r"pivot_training needs the column 'zz', .*did you mean"),
        ({"adv_targets": "text"}, DataError, r"fold \d: the column 'text' must hold numbers"),
        ({"adv_targets": "z2"}, ShapeError, "n_out=1 outputs, but the data have 2 targets"),
        ({"adversary": {**LINEAR, "objective": "classification"}}, DataError, r"must be in \[0, 1\]"),
        ({"adversary": {**LINEAR, "objective": "multiclass", "n_out": 9}}, DataError, "must be classes 0, 1, 2"),
        (
            {"adversary": {**LINEAR, "cont_feats": ["f", "g"]}},
            ConfigError,
            "is given the model's 1 outputs: .* are f, g",
        ),
    ],
)
def test_what_the_adversary_cannot_be_trained_on_is_refused(fy, options, error, message):
    with pytest.raises(error, match=message):
        fit(fy, pivot(**options, n_pretrain_adv=0))
