"""Optimisers by name."""

from functools import partial

import numpy as np
import pytest
import torch

from lumin_core import Model, registry
from lumin_core.errors import BrokenPlugin, ConfigError
from lumin_core.model.optimiser import build_optimiser, optimiser_config, optimiser_spec, with_rate

NAMES = [component.name for component in registry.components("optimiser")]


def params():
    return torch.nn.Linear(3, 2).parameters()


@pytest.mark.parametrize("name", NAMES)
def test_every_registered_optimiser_trains(name, fy, make_builder):
    model = Model(make_builder(fy, opt_args={"opt": name}))
    before = model.get_weights()
    model.fit(1, fy, 8, seed=1)
    assert any(not torch.equal(before[key], value) for key, value in model.get_weights().items())
    assert all(value.isfinite().all() for value in model.get_weights().values())


def test_default_is_adam_at_2e_3():
    opt = build_optimiser(None, params())
    assert type(opt) is torch.optim.Adam
    assert opt.defaults["lr"] == 2e-3


@pytest.mark.parametrize(
    "opt_args",
    [
        {"opt": "adamw", "lr": 0.5},
        {"opt": {"name": "AdamW", "lr": 0.5}},
        {"opt": torch.optim.AdamW, "lr": 0.5},
        {"opt": partial(torch.optim.AdamW, lr=0.5)},
        {"opt": "core/adamw", "lr": np.float32(0.5)},
    ],
)
def test_an_optimiser_may_be_given_in_every_form(opt_args):
    opt = build_optimiser(opt_args, params())
    assert type(opt) is torch.optim.AdamW
    assert opt.defaults["lr"] == 0.5


def test_fused_is_used_where_the_device_has_it_and_can_be_chosen():
    assert build_optimiser({"opt": "adam"}, params()).defaults["fused"] is True
    assert build_optimiser({"opt": "adam", "fused": False}, params()).defaults["fused"] is False
    assert build_optimiser({"opt": "adam", "foreach": True}, params()).defaults["fused"] is None


def test_fused_and_plain_optimisers_agree(fy, make_builder):
    models = [Model(make_builder(fy, opt_args={"opt": "adam", "fused": fused, "lr": 0.01})) for fused in (True, False)]
    for model in models:
        model.fit(2, fy, 4, seed=1)
    for a, b in zip(*(model.model.parameters() for model in models), strict=True):
        torch.testing.assert_close(a, b)


def test_an_optimiser_that_needs_a_closure_is_refused():
    for spec in (torch.optim.LBFGS, partial(torch.optim.LBFGS, max_iter=3)):
        with pytest.raises(ConfigError, match=r"needs a closure.*choose another"):
            build_optimiser({"opt": spec}, params())


@pytest.mark.parametrize(
    ("opt_args", "words"),
    [
        ({"lr": -1}, "opt_args cannot be used for Adam"),
        ({"lr": "fast"}, "opt_args cannot be used for Adam"),
        ({"opt": "adam", "betas": 3}, "opt_args cannot be used"),
        ({"opt": "adam", "betas": (0.9, 1.0)}, r"betas must be at least 0 and below 1, got \(0.9, 1.0\)"),
        ({"opt": "sgd", "momentum": -0.1}, "momentum must be at least 0"),
        ({"momentum": 0.9}, "no option 'momentum'"),
        ({"opt": torch.nn.Linear}, "must be a subclass"),
        ({"opt": torch.optim.Adam(params())}, "is given as"),
    ],
)
def test_wrong_options_are_our_errors(opt_args, words):
    with pytest.raises(ConfigError, match=words):
        build_optimiser(opt_args, params())


def test_no_parameters_are_refused():
    with pytest.raises(ConfigError, match="no parameter"):
        build_optimiser(None, [])


def test_the_callers_options_stay_as_they_are():
    options = {"opt": {"name": "sgd"}, "lr": 0.1, "momentum": 0.5}
    spec = optimiser_spec(options)
    assert spec == {"name": "sgd", "lr": 0.1, "momentum": 0.5}
    assert options == {"opt": {"name": "sgd"}, "lr": 0.1, "momentum": 0.5}


def test_rates_and_momenta_are_read_and_set(fy, make_builder):
    model = Model(make_builder(fy, opt_args={"opt": "adam", "betas": (0.8, 0.99)}))
    model.set_lr(0.3)
    model.set_mom(0.7)
    assert (model.get_lr(), model.get_mom(), model.opt.param_groups[0]["betas"]) == (0.3, 0.7, (0.7, 0.99))
    model = Model(make_builder(fy, opt_args={"opt": "sgd", "momentum": 0.4}))
    model.set_mom(0.5)
    assert model.get_mom() == 0.5
    model = Model(make_builder(fy, opt_args={"opt": "adagrad"}))
    for call in (model.get_mom, lambda: model.set_mom(0.5)):
        with pytest.raises(ConfigError, match="Adagrad has no momentum"):
            call()


def test_the_config_of_an_optimiser_is_plain():
    assert optimiser_config(None) == {"opt": "core/adam", "lr": 2e-3}
    spec = partial(torch.optim.AdamW, betas=(0.8, 0.9))
    assert optimiser_config({"opt": spec, "lr": np.float32(0.5)}) == {
        "opt": "core/adamw",
        "betas": [0.8, 0.9],
        "lr": 0.5,
    }


def test_with_rate_leaves_what_it_is_given():
    options = {"opt": {"name": "sgd", "lr": 0.1}, "momentum": 0.5}
    assert with_rate(options, 0.2) == {"opt": {"name": "sgd"}, "momentum": 0.5, "lr": 0.2}
    assert options == {"opt": {"name": "sgd", "lr": 0.1}, "momentum": 0.5}
    assert with_rate({}, 0.2) == {"lr": 0.2}
    for lr in (0, -1, float("nan")):
        with pytest.raises(ConfigError, match="lr must be positive, got"):
            with_rate({}, lr)


class Forgetful(torch.optim.Optimizer):
    def __init__(self, params, lr=1e-3):
        self.lr = lr

    def step(self, closure=None): ...


class Closing(torch.optim.SGD):
    def step(self, closure):
        return super().step(closure)


def test_an_optimiser_that_forgets_torchs_constructor_is_told_so():
    with pytest.raises(BrokenPlugin, match=r"optimiser 'Forgetful': Forgetful.__init__ does not call super"):
        build_optimiser({"opt": Forgetful}, params())


def test_any_step_that_needs_a_closure_is_refused():
    with pytest.raises(ConfigError, match=r"Closing needs a closure.*choose another"):
        build_optimiser({"opt": Closing}, params())


@pytest.mark.parametrize("lr", ["1e-3", float("inf"), float("nan")])
def test_a_rate_that_is_no_finite_number_is_refused(lr):
    with pytest.raises(ConfigError, match=f"cannot be used for Adam: lr must be a finite number, got {lr!r}"):
        build_optimiser({"lr": lr}, params())
    with pytest.raises(ConfigError, match=f"lr must be positive, got {lr!r}"):
        with_rate({}, lr)
