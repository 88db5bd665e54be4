import math

import numpy as np
import pytest
import torch
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from lumin_core import LossCallback, Model, ModelBuilder
from lumin_core.errors import ConfigError
from lumin_plugin_callbacks import EMA

NORMED = {"name": "fully_connected", "depth": 2, "width": 4, "bn": True, "do": 0.2}


class Look:
    """Keeps the weights after every batch of training."""

    def on_train_begin(self):
        self.seen = []

    def on_batch_end(self, fit_params):
        if fit_params.state == "train":
            self.seen.append(fit_params.model.get_weights())


def check(module, states, decay):
    """Compare with the sum over all batches, by brute force."""
    shares = torch.tensor([decay**age for age in reversed(range(len(states)))], dtype=torch.double)
    for key, value in module.state_dict().items():
        expected = sum(share * state[key].double() for share, state in zip(shares, states, strict=True)) / shares.sum()
        if "num_batches" not in key:
            torch.testing.assert_close(value.double(), expected, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("decay", [0.0, 0.5, 0.9, 0.999])
def test_it_is_the_sum_over_all_batches(fit, make_model, decay):
    ema, look = EMA(decay), Look()
    fit([ema, look], n_epochs=4, model=make_model(body=NORMED, model_args=None))
    assert isinstance(ema, LossCallback)
    assert len(look.seen) == 16
    check(ema.get_module(), look.seen, decay)


def test_without_memory_it_is_the_model(fit, model):
    ema = EMA(0)
    fit(ema)
    assert all(torch.equal(v, model.get_weights()[k]) for k, v in ema.get_module().state_dict().items())
    assert ema.get_values() == {"loss": model.fit_params.history["valid"]["loss"][-1]}


def test_with_a_long_memory_it_is_the_plain_mean(fit):
    ema, look = EMA(1 - 1e-9), Look()
    fit([ema, look])
    check(ema.get_module(), look.seen, 1)


def test_it_is_torchs_but_for_the_share_of_the_first_weights(fit):
    class Torchs(Look):
        def on_train_begin(self, fit_params):
            super().on_train_begin()
            self.average = AveragedModel(fit_params.model.model, multi_avg_fn=get_ema_multi_avg_fn(0.8))

        def on_batch_end(self, fit_params):
            super().on_batch_end(fit_params)
            if fit_params.state == "train":
                self.average.update_parameters(fit_params.model.model)

    ema, torchs = EMA(0.8), Torchs()
    fit([ema, torchs])
    for key, value in ema.get_module().state_dict().items():
        expected = (1 - 0.8**12) * value + 0.8**12 * torchs.seen[0][key]
        torch.testing.assert_close(torchs.average.module.state_dict()[key], expected)


def test_the_training_is_the_one_without(fit, make_model):
    models = [make_model(body=NORMED, model_args=None) for _ in range(2)]
    for model, cbs in zip(models, ([], [EMA(0.9)]), strict=True):
        fit(cbs, model=model)
    weights, others = (model.get_weights() for model in models)
    assert all(torch.equal(value, others[key]) for key, value in weights.items())
    assert models[0].fit_params.history == models[1].fit_params.history


def test_values_are_those_of_the_average_on_the_validation_fold(fit, make_model, fy):
    ema, model = EMA(0.9), make_model(body=NORMED, model_args=None)
    fit(ema, model=model, metrics=["roc_auc_score"])
    other = make_model(body=NORMED, model_args=None)
    other.set_weights(ema.get_module().state_dict())
    assert ema.get_values().keys() == {"loss", "roc_auc_score"}
    assert ema.get_values()["loss"] == pytest.approx(other.evaluate(*fy.get_fold(2).values(), bs=8), rel=1e-6)
    assert ema.get_values()["loss"] != model.fit_params.history["valid"]["loss"][-1]


def test_values_of_the_epoch_before_are_not_offered(fit):
    ema, seen = EMA(0.9), []

    class Ask:
        def on_epoch_end(self, fit_params):
            seen.append((fit_params.state, ema.get_values() is None))

    assert (ema.get_values(), ema.get_module()) == (None, None)
    fit([ema, Ask()], n_epochs=2)
    assert seen == [("train", True), ("valid", False)] * 2


def test_without_validation_it_averages_all_the_same(fit):
    ema, look = EMA(0.9), Look()
    fit([ema, look], val_idx=None)
    assert ema.get_values() is None
    check(ema.get_module(), look.seen, 0.9)


def test_frozen_weights_stay_bit_for_bit(fit, make_model):
    ema, model = EMA(0.7), make_model(freeze_body=True)
    before = model.get_weights()
    fit(ema, model=model)
    after = ema.get_module().state_dict()
    assert all(torch.equal(before[key], after[key]) for key in before if key.startswith("1."))
    assert any(not torch.equal(before[key], after[key]) for key in before)


def test_a_reused_callback_begins_anew(fit, make_model):
    ema, look = EMA(0.9), Look()
    fit([ema, look])
    fit([ema, look], n_epochs=1, model=make_model(seed=2))
    check(ema.get_module(), look.seen, 0.9)


@pytest.mark.parametrize("epoch", [2, 3, 4])
def test_a_resumed_average_is_the_same_bit_for_bit(fit, make_model, tmp_path, epoch, die_at):
    def run(folder, *deaths):
        for death in (*deaths, -1):
            ema, model = EMA(0.97), make_model(body=NORMED, model_args=None)
            try:
                fit([ema, die_at(death)], n_epochs=4, model=model, resume=True, cb_savepath=tmp_path / folder)
            except InterruptedError:
                continue
        return ema

    whole, resumed = run("whole"), run("died", epoch)
    assert whole.get_values() == resumed.get_values()
    assert whole.state_dict()["average"]["n"] == resumed.state_dict()["average"]["n"]
    theirs = resumed.get_module().state_dict()
    assert all(torch.equal(value, theirs[key]) for key, value in whole.get_module().state_dict().items())


def test_two_with_other_memories_do_not_disturb_each_other(fit):
    emas, look = [EMA(0.5), EMA(0.9)], Look()
    fit([*emas, look])
    for ema in emas:
        check(ema.get_module(), look.seen, ema.decay)


def test_the_average_is_in_single_precision(fit, fy):
    ema, look = EMA(0.9), Look()
    fit([ema, look], model=Model(ModelBuilder.from_fy(fy, "classification", seed=1), precision="bf16"))
    assert {parameter.dtype for parameter in ema.get_module().parameters()} == {torch.float32}
    check(ema.get_module(), look.seen, 0.9)
    assert math.isfinite(ema.get_values()["loss"])


@pytest.mark.parametrize("decay", [1, -0.1, 2, float("nan"), "0.9", None])
def test_a_decay_out_of_range_is_refused(decay):
    with pytest.raises(ConfigError, match=r"decay must be in \[0, 1\), got .*; swa gives all epochs the same weight"):
        EMA(decay)


def test_numpy_numbers_are_welcome():
    assert EMA(np.float32(0.5)).decay == 0.5
