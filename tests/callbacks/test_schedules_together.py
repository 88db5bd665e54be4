"""Schedules beside each other, and beside the callbacks that look at them."""

import copy
import itertools

import numpy as np
import pytest
import torch

from lumin_core import Callback, CyclicCallback, LossCallback, Model, train_models, validated
from lumin_core.errors import ConfigError
from lumin_plugin_callbacks import CycleLR, CycleMom, CycleStep, EarlyStopping, LRFinder, OneCycle, SaveBest
from lumin_plugin_callbacks.schedule import INTERPOLATIONS

LR = {
    "CycleLR": lambda: CycleLR((0.0, 0.1)),
    "OneCycle": lambda: OneCycle((1, 2), (0.01, 0.1)),
    "CycleStep": lambda: CycleStep(0.5, 1, (1, 2), (0.01, 0.1)),
    "LRFinder": LRFinder,
}
MOM = {
    "CycleMom": lambda: CycleMom((0.8, 0.9)),
    "OneCycle": LR["OneCycle"],
    "CycleStep": LR["CycleStep"],
}


class Rates(Callback):
    def on_train_begin(self):
        self.lr, self.mom = [], []

    def on_backwards_begin(self, fit_params):
        self.lr.append(fit_params.model.get_lr())
        self.mom.append(fit_params.model.get_mom())


class Average(Callback):
    """Stands for an average over weights: a running mean over epochs, and begun anew at the end of a cycle."""

    label = "average"

    def on_train_begin(self):
        self.module, self.n, self.values, self.restarts = None, 0, None, []

    def on_epoch_end(self, fit_params):
        if fit_params.state == "train":
            if any(cb.cycle_end for cb in fit_params.cbs if isinstance(cb, CyclicCallback)):
                self.module, self.n = None, 0
                self.restarts.append(fit_params.epoch)
            self._add(fit_params.model.model)
        else:
            self.values = validated(fit_params, self.module)

    def _add(self, network):
        self.n += 1
        if self.module is None:
            self.module = copy.deepcopy(network)
            return
        with torch.no_grad():
            for mean, new in zip(self.module.parameters(), network.parameters(), strict=True):
                mean += (new - mean) / self.n

    def get_values(self):
        return self.values

    def get_module(self):
        return self.module

    def state_dict(self):
        weights = None if self.module is None else copy.deepcopy(self.module.state_dict())
        return {"weights": weights and dict(weights), "n": self.n, "restarts": self.restarts}

    def load_state_dict(self, state):
        self.n, self.restarts = state["n"], list(state["restarts"])
        if state["weights"] is not None:
            self.module = copy.deepcopy(self.model.model)
            self.module.load_state_dict(state["weights"])


def same(a, b):
    return all(torch.equal(value, b[key]) for key, value in a.items())


@pytest.mark.parametrize(("first", "second"), list(itertools.product(LR, LR)))
def test_two_schedules_of_the_learning_rate_are_refused(fit, model, first, second):
    before = model.get_weights()
    with pytest.raises(ConfigError, match=f"{first} and {second} both set the learning rate") as caught:
        fit([LR[first](), LR[second]()])
    assert "list one of them" in str(caught.value)
    assert same(model.get_weights(), before)


@pytest.mark.parametrize(("first", "second"), [("CycleMom", "OneCycle"), ("CycleStep", "CycleMom")])
def test_two_schedules_of_the_momentum_are_refused(fit, first, second):
    with pytest.raises(ConfigError, match=f"{first} and {second} both set the momentum; list one of them"):
        fit([MOM[first](), MOM[second]()])


def test_two_of_both_are_named_so(fit):
    with pytest.raises(ConfigError, match="both set the learning rate and the momentum"):
        fit([MOM["OneCycle"](), MOM["CycleStep"]()])


def test_schedules_of_others_are_found_by_what_they_set(fit):
    class Theirs:
        scheduled = ("lr",)

        def on_batch_begin(self, fit_params): ...

    for cbs in ([Theirs(), CycleLR((0, 0.1))], [LRFinder(), Theirs()]):
        with pytest.raises(ConfigError, match="both set the learning rate"):
            fit(cbs)
    fit([Theirs(), CycleMom((0.8, 0.9))])


def test_two_that_save_cycles_are_refused(fit):
    saving = [CycleLR((0, 0.1), cycle_save=True), CycleMom((0.8, 0.9), cycle_save=True)]
    with pytest.raises(ConfigError, match="CycleLR and CycleMom both save cycles, under the same names"):
        fit(saving)


def test_learning_rate_and_momentum_may_come_from_two(fit):
    rates, lr, mom = Rates(), OneCycle((1, 2), (0.01, 0.1), mom_range=None), CycleMom((0.8, 0.9), scale=1.5)
    fit([mom, lr, rates])
    assert rates.lr == lr.values(4)["lr"].tolist()
    assert rates.mom == mom.values(4, 3)["mom"].tolist()


@pytest.mark.parametrize("make", [LR["CycleLR"], *MOM.values()])
def test_they_are_cyclic_callbacks_with_a_state(make):
    schedule = make()
    assert isinstance(schedule, CyclicCallback)
    assert not isinstance(schedule, LossCallback)
    assert (schedule.cycle_count, schedule.cycle_end, schedule.cycle_save, schedule.cycle_losses) == (
        0,
        False,
        False,
        [],
    )
    assert schedule.delays_stopping() is True
    other = make()
    other.load_state_dict({**schedule.state_dict(), "batch": 7, "cycle_count": 1})
    assert other.state_dict() == {**schedule.state_dict(), "batch": 7, "cycle_count": 1}
    schedule.state_dict()["cycle_losses"].append(1)
    assert schedule.cycle_losses == []


SCHEDULES = {
    "one_cycle": lambda: [OneCycle((2, 3), (0.01, 0.1))],
    "cycle_step": lambda: [CycleStep(0.5, 1, (1, 2), (0.01, 0.1, 0.05))],
    "cycles": lambda: [CycleLR((0.0, 0.1), scale=2, cycle_save=True), CycleMom((0.8, 0.9), scale=2)],
}


@pytest.mark.parametrize("name", list(SCHEDULES))
@pytest.mark.parametrize("reverse", [False, True])
def test_a_schedule_an_average_the_best_and_early_stopping_go_together(fit, make_model, name, reverse, fy):
    schedules, average, saving = SCHEDULES[name](), Average(), SaveBest()
    cbs = [*schedules, average] if not reverse else [average, *schedules]
    model = make_model()
    fit([*cbs, EarlyStopping(2), saving], model=model, n_epochs=8)
    history, kept = model.fit_params.history["valid"]["loss"], model.fit_params.kept
    assert {"one_cycle": average.restarts == [5], "cycles": average.restarts[:2] == [2, 4]}.get(name, True)
    assert kept["loss"] <= min(history)
    assert model.evaluate(*fy.get_fold(2).values()) == pytest.approx(kept["loss"], rel=1e-5)
    assert same(Model.from_save(saving.path).get_weights(), model.get_weights())


@pytest.mark.parametrize("name", list(SCHEDULES))
def test_together_they_go_on_bit_for_bit(fit, make_model, tmp_path, name, die_at):
    def run(folder, death):
        model = make_model(model_args={"body": {"depth": 1, "width": 3, "do": 0.2}}, opt_args={"opt": "adamw"})
        cbs = [*SCHEDULES[name](), Average(), EarlyStopping(9), SaveBest(), die_at(death)]
        fit(cbs, model=model, n_epochs=6, resume=True, cb_savepath=tmp_path / folder)
        return model

    whole = run("whole", 0)
    for death in (1, 2, 4, 5):
        with pytest.raises(InterruptedError):
            run(f"killed_{death}", death)
        resumed = run(f"killed_{death}", 0)
        assert same(whole.get_weights(), resumed.get_weights())
        assert whole.fit_params.history == resumed.fit_params.history
        assert whole.fit_params.kept == resumed.fit_params.kept


def test_they_go_together_in_train_models(fy, make_model, tmp_path):
    cbs = [
        {"name": "cycle_lr", "lr_range": [0.0, 0.1], "scale": 2, "cycle_save": True},
        {"name": "cycle_mom", "mom_range": [0.85, 0.95], "scale": 2},
        Average,
    ]
    results = train_models(
        fy, 3, 8, make_model().model_builder, 6, patience=2, cb_partials=cbs, savepath=tmp_path / "run", seed=1
    )
    for result in results:
        assert result["cycle_losses"] == result["history"]["valid"]["loss"][1::2][: len(result["cycle_losses"])]
        assert len(result["cycle_losses"]) >= 1


def test_two_of_a_kind_in_train_models_say_so(fy, make_model, tmp_path):
    cbs = [{"name": "one_cycle", "lengths": [1, 1], "lr_range": [0.01, 0.1]}, {"name": "cycle_lr", "lr_range": [0, 1]}]
    with pytest.raises(ConfigError, match="OneCycle and CycleLR both set the learning rate"):
        train_models(fy, 1, 8, make_model().model_builder, 1, cb_partials=cbs, savepath=tmp_path / "run", seed=1)


@pytest.mark.parametrize("objective", ["multiclass", "regression"])
def test_other_objectives_train_too(fit, make_model, objective):
    model = make_model(objective, n_out=2 if objective == "multiclass" else 1)
    for make in LR.values():
        fit(make(), model=model)


def test_a_model_that_is_kept_is_put_back_whole(fit, make_model):
    body = {"name": "fully_connected", "depth": 1, "width": 3, "bn": True}
    model, twin = (make_model(model_args=None, body=body) for _ in range(2))
    for each in (model, twin):
        fit(None, model=each, n_epochs=1)
    kept = copy.deepcopy(model.training_state())
    for _ in range(2):
        fit(CycleLR((0.1, 0.5)), model=model)
        model.load_training_state(kept)
        assert same(model.get_weights(), twin.get_weights())
        mine, theirs = model.opt.state_dict(), twin.opt.state_dict()
        assert mine["param_groups"] == theirs["param_groups"]
        assert all(same(mine["state"][key], theirs["state"][key]) for key in theirs["state"])


@pytest.mark.parametrize("interp", list(INTERPOLATIONS))
def test_interpolations_go_from_0_to_1_evenly_about_the_middle(interp):
    share = np.array([INTERPOLATIONS[interp](done) for done in np.linspace(0, 1, 101)])
    assert (share[0], share[-1]) == (0, 1)
    assert (np.diff(share) > 0).all()
    np.testing.assert_allclose(share + share[::-1], 1, rtol=1e-12)
