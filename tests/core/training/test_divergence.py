"""A training that diverges ends with its last good epoch, or raises where there is none."""

import re

import numpy as np
import pytest
import torch

from lumin_core import BatchLoss, Callback, Model
from lumin_core.errors import DataError, Diverged
from lumin_core.training import FoldLoss


class Spoil(Callback):
    """Makes the loss NaN from an epoch on, with its gradients or alone."""

    def __init__(self, epoch=1, state="train", *, alone=False, value=float("nan")):
        self.epoch, self.state, self.alone, self.value = epoch, state, alone, value

    def on_forwards_end(self, fit_params):
        if fit_params.state == self.state and fit_params.epoch >= self.epoch:
            loss = fit_params.loss_val
            fit_params.loss_val = loss + self.value if self.alone else loss * self.value


class LastStep(Callback):
    """Spoils a weight in the last step of an epoch, after its last loss."""

    def on_fold_end(self, fit_params):
        if fit_params.state == "train" and fit_params.sub_epoch == 6:
            fit_params.model.model[2].dense.bias.data.fill_(float("inf"))


class Points(Callback):
    def on_train_begin(self):
        self.seen = []

    def on_epoch_end(self, fit_params):
        self.seen.append((fit_params.epoch, fit_params.state))

    def on_train_end(self, fit_params):
        self.seen.append(fit_params.failed)


OBJECTIVES = ("classification", "multiclass", "regression")


@pytest.fixture(scope="module")
def data(make_fy, tmp_path_factory):
    folder = tmp_path_factory.mktemp("diverging")
    return {name: make_fy(folder / f"{name}.hdf5", objective=name) for name in OBJECTIVES}


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_a_fit_without_a_good_epoch_raises_and_leaves_the_model_as_it_was(data, make_builder, same_weights, objective):
    fy = data[objective]
    model = Model(make_builder(fy, objective, opt_args={"opt": "adam", "lr": 0.1}))
    before = model.get_weights()
    with pytest.raises(Diverged, match=r"training loss of fold 0 in epoch 1 is nan.*no epoch was good.*smaller learn"):
        model.fit(2, fy, 8, seed=1, cbs=Spoil(), trn_idxs=[0])
    assert same_weights(before, model.get_weights())
    model.fit(1, fy, 8, seed=1, trn_idxs=[0])  # the optimiser remembers nothing of it
    assert all(value.isfinite().all() for value in model.get_weights().values())
    assert issubclass(Diverged, DataError)


@pytest.mark.parametrize("objective", OBJECTIVES)
@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        (Spoil(3), r"training loss of fold \d in epoch 3 is nan"),
        (Spoil(3, alone=True, value=float("inf")), r"training loss of fold \d in epoch 3 is inf"),
        (Spoil(3, "valid", alone=True), "loss of the validation fold 0 in epoch 3 is nan"),
        (LastStep(), "weights 2.dense.bias are not finite after epoch 3"),
    ],
)
def test_a_fit_ends_with_its_last_good_epoch(data, make_builder, same_weights, objective, spoil, why, caplog):
    fy, points = data[objective], Points()
    model, shorter = (Model(make_builder(fy, objective)) for _ in range(2))
    model.fit(6, fy, 8, seed=1, val_idx=0, cbs=[spoil, points])
    shorter.fit(2, fy, 8, seed=1, val_idx=0)
    fit, history = model.fit_params, model.fit_params.history
    assert same_weights(model, shorter)
    assert fit.failed in caplog.text
    assert "ends with epoch 2, the last good one" in caplog.text
    assert re.search(why, fit.failed)
    assert fit.kept == {"loss": history["valid"]["loss"][1]}
    assert history["valid"]["loss"][:2] == shorter.fit_params.history["valid"]["loss"]
    goods = [(epoch, state) for epoch in (1, 2) for state in ("train", "valid")]
    assert points.seen == [*goods, *([(3, "train")] if "validation" in why else []), fit.failed]


@pytest.mark.parametrize("point", ["on_fold_begin", "on_forwards_end", "on_epoch_end"])
def test_callbacks_may_tell_of_a_divergence(data, make_builder, same_weights, point):
    def tell(fit_params):
        if fit_params.epoch == 2:
            raise Diverged("the adversary is lost")

    model, shorter = (Model(make_builder(data["regression"], "regression")) for _ in range(2))
    model.fit(3, data["regression"], 8, seed=1, val_idx=0, cbs=type("Own", (), {point: staticmethod(tell)})())
    shorter.fit(1, data["regression"], 8, seed=1, val_idx=0)
    assert same_weights(model, shorter)
    assert model.fit_params.failed is not None
    assert model.fit_params.by is None


def test_finite_losses_of_nan_predictions_do_not_hide_them(data, make_builder):
    class Forgiving(torch.nn.Module):
        def forward(self, y_pred, y):
            return (y_pred.nan_to_num() - y).square()

    class Hide(Callback):
        def on_epoch_begin(self, fit_params):
            if fit_params.state == "valid" and fit_params.epoch == 2:
                fit_params.model.model[2].dense.bias.data.fill_(float("nan"))

    model = Model(make_builder(data["regression"], "regression", loss=Forgiving()))
    model.fit(3, data["regression"], 8, seed=1, val_idx=0, cbs=Hide())
    assert "validation fold 0 in epoch 2 is nan" in model.fit_params.failed
    assert np.isfinite(model.predict(data["regression"].get_fold(0)["inputs"])).all()


def test_masks_that_never_were_finite_do_not_count(data, make_builder):
    model = Model(make_builder(data["regression"], "regression"))
    model.body.register_buffer("mask", torch.tensor([0.0, -torch.inf, torch.nan]))
    model.fit(2, data["regression"], 8, seed=1)
    assert model.fit_params.failed is None


def test_batches_for_which_a_loss_is_not_defined_are_left_out():
    total = FoldLoss(leave_out_nan=True)
    for loss, n in ((1.0, 2), (float("nan"), 5), (3.0, 2)):
        total.add(torch.tensor(loss), n, None)
    assert total.value() == 2.0
    empty = FoldLoss(leave_out_nan=True)
    empty.add(torch.tensor(float("nan")), 2, None)
    assert np.isnan(empty.value())
    assert not BatchLoss.may_be_undefined
