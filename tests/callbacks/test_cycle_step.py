from functools import partial

import numpy as np
import pytest
import torch

from lumin_core import Callback, train_models
from lumin_core.errors import ConfigError
from lumin_plugin_callbacks import CycleStep, EarlyStopping, OneCycle, SaveBest

OPTIONS = {"lengths": (1, 2), "lr_range": (0.01, 0.1, 0.05)}


class Rates(Callback):
    """Notes what each batch is trained at, and the models at the ends of epochs, in training."""

    def on_train_begin(self):
        self.lr, self.mom, self.weights, self.moments = [], [], {}, {}

    def on_backwards_begin(self, fit_params):
        self.lr.append(fit_params.model.get_lr())
        self.mom.append(fit_params.model.get_mom())
        if fit_params.sub_epoch % 2 and fit_params.batch == 1:
            self.weights[fit_params.epoch - 0.5] = fit_params.model.get_weights()  # as the epoch begins
            self.moments[fit_params.epoch - 0.5] = moments(fit_params)

    def on_epoch_end(self, fit_params):
        self.weights[fit_params.epoch] = fit_params.model.get_weights()
        self.moments[fit_params.epoch] = moments(fit_params)


def moments(fit_params):
    state = fit_params.opt.state_dict()["state"]
    return {(key, name): value.clone() for key, entry in state.items() for name, value in entry.items()}


def same(a, b):
    return a.keys() == b.keys() and all(torch.equal(value, b[key]) for key, value in a.items())


def test_the_cycle_is_that_of_one_cycle(fit):
    schedule, rates = CycleStep(0.5, 1, **OPTIONS), Rates()
    fit([schedule, rates])
    for values in (schedule.values(4), {"lr": rates.lr, "mom": rates.mom}):
        for name, expected in OneCycle(**OPTIONS).values(4).items():
            assert np.array_equal(values[name], expected)


@pytest.mark.parametrize(("better", "sign"), [("lower", 1), ("higher", -1)])
@pytest.mark.parametrize("best", [1, 2, 3])
def test_after_the_cycle_the_best_model_goes_on_with_its_optimiser_and_rates(fit, scripted, better, sign, best):
    script = [sign * (0 if epoch == best else 2) for epoch in (1, 2, 3)] + [sign, sign]
    schedule, rates = CycleStep(0.5, 9, **OPTIONS), Rates()
    fit([schedule, rates], n_epochs=5, metrics=scripted(script, better))
    assert schedule.stepping
    assert same(rates.weights[3.5], rates.weights[best])
    assert same(rates.moments[3.5], rates.moments[best])
    assert set(rates.lr[12:]) == {rates.lr[4 * best - 1]}
    assert set(rates.mom[12:]) == {rates.mom[4 * best - 1]}
    assert best == 3 or not same(rates.weights[3.5], rates.weights[3])


@pytest.mark.parametrize("patience", [1, 2, 3])
def test_steps_equal_torchs_reduction_on_a_plateau(fit, scripted, patience):
    cycle, rng = [3.0, 2.0, 1.0], np.random.default_rng(patience)
    after = list(rng.uniform(0.5, 1.5, 17))
    rates = Rates()
    fit([CycleStep(0.5, patience, **OPTIONS), rates], n_epochs=20, metrics=scripted([*cycle, *after]))
    opt = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=rates.lr[11])
    plateau = torch.optim.lr_scheduler.ReduceLROnPlateau(opt, factor=0.5, patience=patience - 1, threshold=0, eps=0)
    plateau.step(cycle[-1])
    expected = []
    for value in after:
        expected.append(opt.param_groups[0]["lr"])
        plateau.step(value)
    assert rates.lr[12::4] == expected
    assert len(set(expected)) > 3
    stepped = next(i for i, lr in enumerate(expected) if lr < expected[0])
    assert set(rates.mom[12 + 4 * stepped :]) == {0.95}


def test_without_a_finite_value_the_last_model_goes_on(fit, scripted):
    rates = Rates()
    fit([CycleStep(0.5, 1, **OPTIONS), rates], n_epochs=5, metrics=scripted([float("nan")] * 5))
    assert same(rates.weights[3.5], rates.weights[3])
    assert rates.lr[12::4] == [rates.lr[11], rates.lr[11] / 2]


def test_stopping_waits_until_steps_are_made(fit, model, scripted):
    fit([CycleStep(0.5, 1, **OPTIONS), EarlyStopping(2)], n_epochs=9, metrics=scripted([0, *[1] * 8]))
    assert len(model.fit_params.history["valid"]["loss"]) == 4


def test_momentum_is_left_alone_on_request(fit, make_model, scripted):
    model = make_model(opt_args={"opt": "adagrad"})

    class Lr(Callback):
        seen = ()

        def on_backwards_begin(self, fit_params):
            self.seen = (*self.seen, fit_params.model.get_lr())

    rates = Lr()
    fit(
        [CycleStep(0.5, 1, **OPTIONS, mom_range=None), rates],
        model=model,
        n_epochs=5,
        metrics=scripted([0, 1, 1, 1, 1]),
    )
    assert rates.seen[-1] == rates.seen[3] / 2


def test_a_reused_schedule_begins_anew(fit, make_model):
    schedule, rates, seen = CycleStep(0.5, 1, **OPTIONS), Rates(), []
    for _ in range(2):
        fit([schedule, rates], model=make_model(), n_epochs=6)
        seen.append((rates.lr, rates.mom))
    assert seen[0] == seen[1]


@pytest.mark.parametrize("death", [2, 3, 4, 5, 7])
def test_a_resumed_fit_goes_on_bit_for_bit(fit, make_model, scripted, tmp_path, death, die_at):
    """Killed within the cycle, as it ends, before the best model is put back, and while stepping."""
    script = [3, 1, 2, 1.5, 0.5, 0.6, 0.7, 0.8]

    def run(folder, death, done=0):
        model, rates = make_model(), Rates()
        schedule = CycleStep(0.5, 1, **OPTIONS)
        fit(
            [rates, schedule, die_at(death)], model=model, n_epochs=8, resume=True, cb_savepath=tmp_path / folder,
            metrics=scripted(script[done:]),
        )  # fmt: skip
        return model, rates

    whole, rates = run("whole", 0)
    with pytest.raises(InterruptedError):
        run("killed", death)
    resumed, rest = run("killed", 0, done=death - 1)
    assert (rest.lr, rest.mom) == (rates.lr[4 * (death - 1) :], rates.mom[4 * (death - 1) :])
    assert same(whole.get_weights(), resumed.get_weights())
    assert resumed.fit_params.history == whole.fit_params.history


STEPS = {"frac_reduction": 0.5, "patience": 1, "lengths": [1, 1], "lr_range": [0.01, 0.1, 0.05]}
SPECS = {"dict": {"name": "cycle_step", **STEPS}, "partial": partial(CycleStep, **STEPS)}


@pytest.mark.parametrize("how", list(SPECS))
@pytest.mark.parametrize("patience", [None, 3])
def test_fault_cycle_step_in_train_models_finishes(fy, make_model, tmp_path, how, patience):
    results = train_models(
        fy, 2, 8, make_model().model_builder, n_epochs=6, patience=patience, cb_partials=SPECS[how],
        savepath=tmp_path / "run", seed=1,
    )  # fmt: skip
    assert len(results) == 2
    assert all(3 <= len(result["history"]["valid"]["loss"]) <= 6 for result in results)


def test_the_best_model_is_kept_beside_save_best(fit, model, scripted):
    saving = SaveBest()
    fit([CycleStep(0.5, 1, **OPTIONS), saving], n_epochs=6, metrics=scripted([1, 0, 2, 3, 4, 5]))
    assert model.fit_params.kept["scripted"] == 0


def test_a_fit_without_validation_is_refused(fit):
    with pytest.raises(ConfigError, match="cycle_step reads the validation loss: give val_idx, or take one_cycle"):
        fit(CycleStep(0.5, 1, **OPTIONS), val_idx=None)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"frac_reduction": 0}, "frac_reduction must be between 0 and 1, got 0"),
        ({"frac_reduction": 1}, "frac_reduction must be between 0 and 1"),
        ({"frac_reduction": "half"}, "frac_reduction must be between 0 and 1"),
        ({"frac_reduction": float("nan")}, "frac_reduction must be between 0 and 1"),
        ({"patience": 0}, "patience must be a positive integer"),
        ({"patience": 1.5}, "patience must be a positive integer"),
        ({"lengths": (0, 1)}, r"lengths\[0\] must be a positive number of epochs"),
        ({"lr_range": (1, 0)}, "the highest in the middle"),
    ],
)
def test_bad_options_are_refused(options, message):
    with pytest.raises(ConfigError, match=message):
        CycleStep(**{"frac_reduction": 0.5, "patience": 1, **OPTIONS, **options})
