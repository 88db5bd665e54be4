"""Averages, cycles, early stopping and the best model in one fit, and in runs of many models."""

from functools import partial

import numpy as np
import pytest
import torch

from lumin_core import FoldFileWriter, FoldYielder, Head, Model, ModelBuilder, train_models, validated
from lumin_plugin_callbacks import EMA, SWA, EarlyStopping, LsuvInit, MetricLogger, SaveBest

NORMED = {"name": "fully_connected", "depth": 2, "width": 4, "bn": True, "do": 0.2}


class Cycles:
    """A stand-in for a schedule, with cycles of two epochs."""

    cycle_count, cycle_end, cycle_save, cycle_losses = 0, False, False, ()

    def on_epoch_begin(self, fit_params):
        if fit_params.state == "train":
            self.cycle_end = False

    def on_fold_end(self, fit_params):
        if fit_params.state == "train":
            self.cycle_count, self.cycle_end = fit_params.epoch // 2, fit_params.epoch % 2 == 0

    def delays_stopping(self):
        return not self.cycle_end


class Candidates:
    """Keeps loss and weights of the model and of all averages, epoch by epoch."""

    def __init__(self, *averages):
        self.averages, self.seen = averages, []

    def on_epoch_end(self, fit_params):
        if fit_params.state != "valid":
            return
        modules = [fit_params.model.model, *(average.get_module() for average in self.averages)]
        for module in modules:
            if module is not None:
                weights = {key: value.clone() for key, value in module.state_dict().items()}
                self.seen.append((validated(fit_params, module)["loss"], weights))


def same(weights, others):
    return all(torch.equal(value, others[key]) for key, value in weights.items())


@pytest.mark.parametrize("lr", [0.01, 3.0])
def test_the_fit_ends_with_the_best_of_all_offers(fit, make_model, lr):
    averages = [SWA(2, renewal_period=2), EMA(0.7)]
    candidates = Candidates(*averages)
    model = make_model(opt_args={"opt": "sgd", "lr": lr}, body=NORMED, model_args=None)
    fit(
        [LsuvInit(), Cycles(), *averages, candidates, MetricLogger(), EarlyStopping(20), SaveBest()],
        n_epochs=10,
        model=model,
    )
    loss, weights = min(candidates.seen, key=lambda entry: entry[0])
    assert model.fit_params.kept["loss"] == loss
    assert same(model.get_weights(), weights)
    own = min(model.fit_params.history["valid"]["loss"])
    assert loss < own if lr == 3 else loss == own


def test_an_average_that_gets_better_keeps_the_training_going(fit, model, scripted):
    """Each epoch evaluates the model and the average, in this order: only the average gets better, up to epoch 4."""
    values = [5, 4, 5, 3, 5, 2, 5, 1, 5, 9, 5, 9, 5, 9]
    ema, stopping = EMA(0.9), EarlyStopping(2)
    fit([ema, stopping, SaveBest()], n_epochs=9, metrics=scripted(values))
    assert len(model.fit_params.history["valid"]["loss"]) == 6
    assert model.fit_params.kept["scripted"] == 1


def test_averages_do_not_disturb_each_other(fit, make_model):
    alone = []
    for average in (SWA(2), EMA(0.8)):
        fit(average, n_epochs=4, model=make_model())
        alone.append(average)
    together = [EMA(0.8), SWA(2), EMA(0.5), SaveBest(auto_reload=False)]
    fit(together, n_epochs=4, model=make_model())
    for average, other in zip(alone, (together[1], together[0]), strict=True):
        assert average.get_values() == other.get_values()
        assert same(average.get_module().state_dict(), other.get_module().state_dict())


@pytest.mark.parametrize("epochs", [(2,), (3, 4), (5, 5, 6)])
def test_a_fit_that_died_with_all_of_them_goes_on_bit_for_bit(fit, make_model, tmp_path, epochs, capsys, die_at):
    def run(folder, *deaths):
        for death in (*deaths, -1):
            averages = [SWA(1, renewal_period=1, update_on_cycle_end=False), SWA(2), EMA(0.9)]
            model = make_model(body=NORMED, model_args=None)
            cbs = [LsuvInit(), Cycles(), *averages, MetricLogger(), EarlyStopping(20), SaveBest(), die_at(death)]
            try:
                fit(cbs, n_epochs=6, model=model, resume=True, cb_savepath=tmp_path / folder)
            except InterruptedError:
                continue
        return model, averages

    (model, averages), (resumed, theirs) = run("whole"), run("died", *epochs)
    assert same(model.get_weights(), resumed.get_weights())
    assert model.fit_params.history == resumed.fit_params.history
    assert model.fit_params.kept == resumed.fit_params.kept
    for average, other in zip(averages, theirs, strict=True):
        assert average.get_values() == other.get_values()
        assert same(average.get_module().state_dict(), other.get_module().state_dict())


@pytest.fixture
def other_fy(tmp_path):
    """Make files of another sort: matrices beside flat inputs, folds of unequal size, weights of any sign."""

    def make(objective):
        rng, path = np.random.default_rng(1), tmp_path / "other.hdf5"
        vecs, feats = ["j0", "j1"], ["px", "py"]
        present = [f"{vec}_{feat}" for vec in vecs for feat in feats]
        matrix_feats = {
            "present_feats": present, "vecs": vecs, "missing": [], "feats_per_vec": feats, "row_wise": True,
            "shape": (2, 2),
        }  # fmt: skip
        with FoldFileWriter(
            path, cont_feats=["a", "b"], targ_feats="y", wgt_feat="w", matrix_feats=matrix_feats
        ) as file:
            for i, n in enumerate((16, 21, 19)):
                x = rng.normal(size=(n, 2))
                y = {"multiclass": rng.integers(0, 3, n), "regression": x[:, 0] + rng.normal(size=n)}[objective]
                weights = rng.choice([-0.5, 0.0, 1.0, 2.0], n)
                file.append(i, inputs=x, targets=y, weights=weights, matrix_inputs=rng.normal(size=(n, 2, 2)))
        return FoldYielder(path)

    return make


class PairHead(Head):
    """Puts flat inputs and matrix side by side."""

    def __init__(self, cont_feats):
        super().__init__(cont_feats)
        self.feat_map = {feat: [i] for i, feat in enumerate(cont_feats)}

    def forward(self, x):
        flat, matrix = x
        return torch.cat((flat, matrix.flatten(1)), 1)

    def get_out_size(self):
        return len(self.cont_feats)  # those of the matrix are among them


@pytest.mark.parametrize("objective", ["multiclass", "regression"])
def test_values_hold_for_other_data(other_fy, objective):
    """With matrices, weights of any sign and folds of unequal size they are those of `Model.evaluate`."""
    swa, ema = SWA(2), EMA(0.9)
    with other_fy(objective) as fy:
        model = Model(ModelBuilder.from_fy(fy, objective, seed=1, head=PairHead, body=NORMED))
        model.fit(4, fy, 8, val_idx=2, cbs=[LsuvInit(), swa, ema], visible_bar=False, seed=1)
        for average in (swa, ema):
            model.set_weights(average.get_module().state_dict())
            expected = model.evaluate(*fy.get_fold(2).values(), bs=8)
            assert average.get_values()["loss"] == pytest.approx(expected, rel=1e-5)


def test_values_hold_with_an_input_mask(fit, fy, make_model):
    swa, ema, model = SWA(2), EMA(0.9), make_model(cont_subsample_rate=0.5)
    fit([LsuvInit(), swa, ema], model=model)
    assert len(model.input_mask) == 1
    for average in (swa, ema):
        model.set_weights(average.get_module().state_dict())
        assert average.get_values()["loss"] == pytest.approx(model.evaluate(*fy.get_fold(2).values(), bs=8), rel=1e-5)


def test_train_models_takes_them_by_name_dict_and_partial(fy, tmp_path, capsys):
    builder = ModelBuilder.from_fy(fy, "classification", body=NORMED, opt_args={"opt": "sgd", "lr": 3.0})
    cbs = ["lsuv_init", {"name": "swa", "start_epoch": 2}, partial(EMA, decay=0.8)]
    results = train_models(
        fy, 2, 8, builder, 6, patience=20, cb_partials=cbs, metric_partials=["roc_auc_score"], savepath=tmp_path, seed=1
    )
    header = capsys.readouterr().err.splitlines()[1]
    assert header.split()[-5:-1] == ["swa", "loss", "ema", "loss"]
    for i, result in enumerate(results):
        assert result["loss"] <= min(result["history"]["valid"]["loss"])
        saved = Model.from_save(result["path"])
        assert saved.evaluate(*fy.get_fold(i).values(), bs=8) == pytest.approx(result["loss"], rel=1e-5)
    assert any(result["loss"] < min(result["history"]["valid"]["loss"]) for result in results)
