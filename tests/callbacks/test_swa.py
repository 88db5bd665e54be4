import logging
import math

import numpy as np
import pytest
import torch
from torch.optim.swa_utils import AveragedModel

from lumin_core import FoldFileWriter, FoldYielder, LossCallback, Model, ModelBuilder, validated
from lumin_core.errors import ConfigError
from lumin_plugin_callbacks import SWA

NORMED = {"name": "fully_connected", "depth": 2, "width": 4, "bn": True, "do": 0.2}


class Look:
    """Keeps the weights at the end of the training of every epoch."""

    def on_train_begin(self):
        self.seen = []

    def on_epoch_end(self, fit_params):
        if fit_params.state == "train":
            self.seen.append(fit_params.model.get_weights())


class Cycles:
    """A stand-in for a schedule, whose cycles end in the epochs given."""

    cycle_count, cycle_end, cycle_save, cycle_losses = 0, False, False, ()

    def __init__(self, *ends):
        self.ends = ends

    def on_epoch_begin(self, fit_params):
        if fit_params.state == "train":
            self.cycle_count, self.cycle_end = sum(end < fit_params.epoch for end in self.ends), False

    def on_fold_end(self, fit_params):
        if fit_params.state == "train":
            self.cycle_end = fit_params.epoch in self.ends

    def delays_stopping(self):
        return not self.cycle_end


def mean(states):
    return {key: torch.stack([state[key].double() for state in states]).mean(0) for key in states[0]}


def check(module, states):
    for key, value in mean(states).items():
        if "num_batches" not in key:
            torch.testing.assert_close(module.state_dict()[key].double(), value, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("start_epoch", [1, 2, 4, 5])
def test_it_is_the_mean_of_the_weights_from_the_start_on(fit, make_model, start_epoch):
    swa, look, model = SWA(start_epoch), Look(), make_model(body=NORMED, model_args=None)
    fit([swa, look], n_epochs=5, model=model)
    assert isinstance(swa, LossCallback)
    assert swa.n_averaged == 6 - start_epoch
    check(swa.get_module(), look.seen[start_epoch - 1 :])


def test_it_equals_torchs(fit, make_model):
    class Torchs:
        def on_train_begin(self, fit_params):
            self.average = AveragedModel(fit_params.model.model, use_buffers=True)

        def on_epoch_end(self, fit_params):
            if fit_params.state == "train" and fit_params.epoch >= 2:
                self.average.update_parameters(fit_params.model.model)

    swa, torchs = SWA(2), Torchs()
    fit([torchs, swa], n_epochs=6, model=make_model(body=NORMED, model_args=None))
    theirs = torchs.average.module.state_dict()
    for key, value in swa.get_module().state_dict().items():
        if "num_batches" not in key:
            torch.testing.assert_close(value, theirs[key], rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("options", [{}, {"renewal_period": 1}])
def test_the_training_is_the_one_without(fit, make_model, options):
    models = [make_model(body=NORMED, model_args=None) for _ in range(2)]
    for model, cbs in zip(models, ([], [SWA(1, **options)]), strict=True):
        fit(cbs, n_epochs=4, model=model)
    weights, others = (model.get_weights() for model in models)
    assert all(torch.equal(value, others[key]) for key, value in weights.items())
    assert models[0].fit_params.history == models[1].fit_params.history
    assert [m.training for m in models[0].model.modules()] == [m.training for m in models[1].model.modules()]


def test_values_are_those_of_the_average_on_the_validation_fold(fit, make_model, fy):
    swa, model = SWA(2), make_model(body=NORMED, model_args=None)
    fit(swa, n_epochs=4, model=model, metrics=["roc_auc_score"])
    other = make_model(body=NORMED, model_args=None)
    other.set_weights(swa.get_module().state_dict())
    values = swa.get_values()
    assert values.keys() == {"loss", "roc_auc_score"}
    assert values["loss"] == pytest.approx(other.evaluate(*fy.get_fold(2).values(), bs=8), rel=1e-6)
    assert values["loss"] != model.fit_params.history["valid"]["loss"][-1]


def test_before_the_start_nothing_is_offered(fit):
    swa, seen = SWA(3), []

    class Ask:
        def on_epoch_end(self, fit_params):
            seen.append((fit_params.state, swa.get_values() is None, swa.get_module() is None))

    assert (swa.get_values(), swa.get_module(), swa.n_averaged) == (None, None, 0)
    fit([swa, Ask()])
    nothing, begun, offered = (True, True), (True, False), (False, False)
    expected = [nothing, nothing, nothing, nothing, begun, offered]
    assert [answers for _, *answers in seen] == [list(answers) for answers in expected]


def test_without_validation_it_averages_all_the_same(fit):
    swa, look = SWA(2), Look()
    fit([swa, look], n_epochs=4, val_idx=None)
    assert swa.get_values() is None
    check(swa.get_module(), look.seen[1:])


@pytest.mark.parametrize(("lock", "ends"), [(None, (2, 5)), (True, (2, 5)), (False, (1, 2, 3, 4, 5, 6))])
@pytest.mark.parametrize("is_first", [True, False])
def test_fault_it_locks_to_the_ends_of_cycles(fit, lock, ends, is_first):
    swa, look, cycles = SWA(1, update_on_cycle_end=lock), Look(), Cycles(2, 5)
    fit([swa, cycles, look] if is_first else [cycles, look, swa], n_epochs=6)
    assert swa.n_averaged == len(ends)
    check(swa.get_module(), [look.seen[end - 1] for end in ends])


@pytest.mark.parametrize(("lock", "n"), [(None, 6), (False, 6), (True, 1)])
def test_a_cycle_that_does_not_repeat_locks_on_request_alone(fit, lock, n):
    cycles, swa = Cycles(6), SWA(1, update_on_cycle_end=lock)
    cycles.repeats = False
    fit([cycles, swa], n_epochs=6)
    assert swa.n_averaged == n


def test_the_start_counts_epochs_with_cycles_too(fit):
    swa, look = SWA(3), Look()
    fit([Cycles(2, 4, 6), swa, look], n_epochs=6)
    check(swa.get_module(), [look.seen[3], look.seen[5]])


def test_fault_without_a_cyclic_callback_it_takes_every_epoch(fit):
    swa = SWA(1, update_on_cycle_end=None)
    fit(swa)
    assert swa.n_averaged == 3


def test_locking_needs_a_cyclic_callback(fit):
    with pytest.raises(ConfigError, match="update_on_cycle_end=True needs a cyclic callback: add one"):
        fit(SWA(1, update_on_cycle_end=True))


def test_fault_the_default_has_no_second_average(fit):
    swa = SWA(1)
    fit(swa, n_epochs=8)
    assert swa.renewal_period is None
    assert swa.n_averaged == 8


# The model, the average, and in an epoch of comparison the second average are evaluated, in this order.
@pytest.mark.parametrize(
    ("better", "values", "averaged"),
    [
        # The second average holds epochs 3 and 4, and is better.
        ("lower", [9, 5, 9, 5, 9, 5, 9, 5, 4], [3, 4]),
        ("lower", [9, 5, 9, 5, 9, 5, 9, 5, 6], [1, 2, 3, 4]),
        ("lower", [9, 5, 9, 5, 9, 5, 9, 5, 5], [1, 2, 3, 4]),
        ("higher", [9, 5, 9, 5, 9, 5, 9, 5, 6], [3, 4]),
        ("zero", [9, 5, 9, 5, 9, 5, 9, 5, -4], [3, 4]),
        ("zero", [9, 5, 9, 5, 9, 5, 9, 5, -9], [1, 2, 3, 4]),
        ("lower", [9, 5, 9, 5, 9, 5, 9, math.nan, 6], [3, 4]),
        # Then the next second one, epochs 5 and 6, is compared too.
        ("lower", [9, 5, 9, 5, 9, 5, 9, 5, 4, 9, 4, 9, 4, 3], [5, 6]),
        # Where the first was kept, the next has four epochs rather than two: 5 to 8.
        ("lower", [9, 5, 9, 5, 9, 5, 9, 5, 6, 9, 5, 9, 5, 9, 5, 9, 5, 4], [5, 6, 7, 8]),
    ],
)
def test_a_second_average_replaces_the_first_where_it_is_better(fit, scripted, better, values, averaged):
    swa, look = SWA(1, renewal_period=2), Look()
    fit([swa, look], n_epochs=averaged[-1], metrics=scripted(values, better))
    assert swa.n_averaged == len(averaged)
    check(swa.get_module(), [look.seen[epoch - 1] for epoch in averaged])


def test_the_second_average_is_compared_by_the_loss_without_a_main_metric(fit, scripted):
    swa, look = SWA(1, renewal_period=1), Look()
    metric = scripted(range(99), main_metric=False)
    fit([swa, look], n_epochs=2, metrics=metric)
    others = [loss_of_mean(states, fit) for states in (look.seen[:2], look.seen[1:])]
    assert swa.get_values()["loss"] == min(others)


def loss_of_mean(states, fit):
    """Evaluate a mean of weights, in a fit of its own."""
    losses = []

    class Judge:
        def on_epoch_end(self, fit_params):
            if fit_params.state == "valid":
                fit_params.model.set_weights({key: value.float() for key, value in mean(states).items()})
                losses.append(validated(fit_params, fit_params.model.model)["loss"])

    fit(Judge(), n_epochs=1)
    return losses[0]


def test_fault_averages_are_compared_on_validation_data(tmp_path):
    """Training folds and validation fold want opposite things: the average of before, worse in training, is kept."""
    rng = np.random.default_rng(1)
    with FoldFileWriter(tmp_path / "a.hdf5", cont_feats=["a"], targ_feats="y") as file:
        for i in range(3):
            x = rng.normal(size=(32, 1))
            file.append(i, inputs=x, targets=(x[:, 0] > 0) if i < 2 else (x[:, 0] < 0))
    with FoldYielder(tmp_path / "a.hdf5") as fy:
        for val_idx, first in ((2, 1), (1, 5)):
            model = Model(ModelBuilder.from_fy(fy, "classification", seed=1), device="cpu")
            swa, look = SWA(1, renewal_period=1), Look()
            trn_idxs = [0] if val_idx == 1 else [0, 1]
            model.fit(5, fy, 8, trn_idxs=trn_idxs, val_idx=val_idx, cbs=[swa, look], visible_bar=False, seed=1)
            check(swa.get_module(), look.seen[first - 1 :])


def test_a_second_average_needs_a_validation_fold(fit):
    with pytest.raises(ConfigError, match="renewal_period compares two averages on the validation fold: give val_idx"):
        fit(SWA(1, renewal_period=2), val_idx=None)


@pytest.mark.parametrize(("start_epoch", "n"), [(9, 0), (3, 1)])
def test_too_little_to_average_is_logged(fit, caplog, start_epoch, n):
    with caplog.at_level(logging.WARNING):
        fit(SWA(start_epoch))
    assert f"swa averaged {n} sets of weights: begin before epoch {start_epoch}, train longer, or" in caplog.text


def test_enough_is_not_logged(fit, caplog):
    with caplog.at_level(logging.WARNING):
        fit(SWA(2))
    assert not caplog.text


def test_a_reused_callback_begins_anew(fit, make_model):
    swa, look = SWA(1, renewal_period=1), Look()
    fit([swa, look])
    fit([swa, look], n_epochs=1, model=make_model(seed=2))
    assert swa.n_averaged == 1
    check(swa.get_module(), look.seen)


def test_stopping_in_the_middle_of_an_epoch_takes_its_weights(fit):
    class Stop:
        def on_fold_end(self, fit_params):
            fit_params.stop = True

    swa, look = SWA(1), Look()
    fit([Stop(), swa, look])
    check(swa.get_module(), look.seen)
    assert swa.get_values() is not None


@pytest.mark.parametrize("options", [{}, {"renewal_period": 1}, {"renewal_period": 2}])
def test_a_resumed_average_is_the_same_bit_for_bit(fit, make_model, tmp_path, options, die_at):
    def run(folder, *deaths):
        for death in (*deaths, -1):
            swa, model = SWA(1, **options), make_model(body=NORMED, model_args=None)
            try:
                fit([swa, die_at(death)], n_epochs=5, model=model, resume=True, cb_savepath=tmp_path / folder)
            except InterruptedError:
                continue
        return swa

    whole = run("whole")
    for epoch in (2, 4, 5):
        resumed = run(f"died_{epoch}", epoch)
        assert whole.get_values() == resumed.get_values()
        assert whole.n_averaged == resumed.n_averaged
        theirs = resumed.get_module().state_dict()
        assert all(torch.equal(value, theirs[key]) for key, value in whole.get_module().state_dict().items())
        mine, its = whole.state_dict(), resumed.state_dict()
        assert mine["n_kept"] == its["n_kept"]
        if mine["second"] is not None:
            assert mine["second"]["n"] == its["second"]["n"]
            assert all(torch.equal(v, its["second"]["weights"][k]) for k, v in mine["second"]["weights"].items())


def test_a_finished_fit_that_is_resumed_still_offers(fit, make_model):
    values = []
    for _ in range(2):
        swa = SWA(1)
        fit(swa, model=make_model(), resume=True)
        values.append(swa.get_values())
    assert values[0] == values[1] is not None


@pytest.mark.parametrize("precision", ["32", "bf16"])
def test_the_average_is_in_single_precision(fit, fy, precision):
    model = Model(ModelBuilder.from_fy(fy, "classification", seed=1), precision=precision)
    swa, look = SWA(1), Look()
    fit([swa, look], model=model)
    assert {parameter.dtype for parameter in swa.get_module().parameters()} == {torch.float32}
    check(swa.get_module(), look.seen)
    assert math.isfinite(swa.get_values()["loss"])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"start_epoch": 0}, "start_epoch must be a positive integer, got 0"),
        ({"start_epoch": 1.5}, "start_epoch must be a positive integer"),
        ({"start_epoch": None}, "start_epoch must be a positive integer"),
        ({"start_epoch": 1, "renewal_period": 0}, "renewal_period must be a positive integer, got 0"),
        ({"start_epoch": 1, "update_on_cycle_end": "yes"}, "must be True, False or None, got 'yes'"),
    ],
)
def test_options_out_of_range_are_refused(options, message):
    with pytest.raises(ConfigError, match=message):
        SWA(**options)


def test_numpy_numbers_are_welcome():
    assert SWA(np.int64(3), np.int32(2)).start_epoch == 3


@pytest.mark.parametrize(("cycle", "n"), [("one_cycle", 4), ("cycle_lr", 2)])
def test_it_locks_to_cycles_that_repeat_and_to_no_single_one(fit, cycle, n):
    options = {"one_cycle": {"lengths": (2, 2)}, "cycle_lr": {"scale": 2}}[cycle]
    swa = SWA(1)
    fit([{"name": cycle, "lr_range": (1e-3, 1e-2), **options}, swa], n_epochs=4)
    assert swa.n_averaged == n
