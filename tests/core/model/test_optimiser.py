"""Optimisers by name."""

from functools import partial

import numpy as np
import pytest
import torch

from lumin_core import Model, ModelBuilder, registry
from lumin_core.errors import BrokenPlugin, ConfigError
from lumin_core.model.optimiser import build_optimiser, optimiser_config, optimiser_spec, with_rate

NAMES = [component.name for component in registry.components("optimiser")]


def layer():
    return torch.nn.Linear(3, 2)


@pytest.mark.parametrize("name", NAMES)
def test_every_registered_optimiser_trains(name, fy, make_builder):
    model = Model(make_builder(fy, opt_args={"opt": name}))
    before = model.get_weights()
    model.fit(1, fy, 8, seed=1)
    assert any(not torch.equal(before[key], value) for key, value in model.get_weights().items())
    assert all(value.isfinite().all() for value in model.get_weights().values())


def test_default_is_adam_at_2e_3():
    opt = build_optimiser(None, layer())
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
    opt = build_optimiser(opt_args, layer())
    assert type(opt) is torch.optim.AdamW
    assert opt.defaults["lr"] == 0.5


def test_fused_is_used_where_the_device_has_it_and_can_be_chosen():
    assert build_optimiser({"opt": "adam"}, layer()).defaults["fused"] is True
    assert build_optimiser({"opt": "adam", "fused": False}, layer()).defaults["fused"] is False
    assert build_optimiser({"opt": "adam", "foreach": True}, layer()).defaults["fused"] is None


def test_fused_and_plain_optimisers_agree(fy, make_builder):
    models = [Model(make_builder(fy, opt_args={"opt": "adam", "fused": fused, "lr": 0.01})) for fused in (True, False)]
    for model in models:
        model.fit(2, fy, 4, seed=1)
    for a, b in zip(*(model.model.parameters() for model in models), strict=True):
        torch.testing.assert_close(a, b)


def test_an_optimiser_that_needs_a_closure_is_refused():
    for spec in (torch.optim.LBFGS, partial(torch.optim.LBFGS, max_iter=3)):
        with pytest.raises(ConfigError, match=r"needs a closure.*choose another"):
            build_optimiser({"opt": spec}, layer())


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
        ({"opt": torch.optim.Adam(layer().parameters())}, "is given as"),
    ],
)
def test_wrong_options_are_our_errors(opt_args, words):
    with pytest.raises(ConfigError, match=words):
        build_optimiser(opt_args, layer())


def test_no_parameters_are_refused():
    with pytest.raises(ConfigError, match="no parameter"):
        build_optimiser(None, torch.nn.Identity())


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
        build_optimiser({"opt": Forgetful}, layer())


def test_any_step_that_needs_a_closure_is_refused():
    with pytest.raises(ConfigError, match=r"Closing needs a closure.*choose another"):
        build_optimiser({"opt": Closing}, layer())


@pytest.mark.parametrize("lr", ["1e-3", float("inf"), float("nan")])
def test_a_rate_that_is_no_finite_number_is_refused(lr):
    with pytest.raises(ConfigError, match=f"cannot be used for Adam: lr must be a finite number, got {lr!r}"):
        build_optimiser({"lr": lr}, layer())
    with pytest.raises(ConfigError, match=f"lr must be positive, got {lr!r}"):
        with_rate({}, lr)


class Scale(torch.nn.Module):
    no_decay = True

    def __init__(self):
        super().__init__()
        self.factor = torch.nn.Parameter(torch.ones(1, 3))

    def forward(self, x):
        return self.factor * x


class Parts(torch.nn.Module):
    """One module of every sort, and one below a module that does not decay."""

    def __init__(self):
        super().__init__()
        self.emb = torch.nn.Embedding(3, 2)
        self.norm = torch.nn.LayerNorm([2, 3])
        self.bn = torch.nn.BatchNorm1d(3)
        self.scale = Scale()
        self.below = torch.nn.Sequential(torch.nn.Linear(3, 3))
        self.below.no_decay = True
        self.many = torch.nn.Module()
        self.many.bias = torch.nn.Parameter(torch.zeros(2, 3))
        self.linear = torch.nn.Linear(3, 2)
        self.tied = torch.nn.Linear(3, 2)
        self.tied.weight = self.linear.weight


GROUPED = {"opt": "adamw", "weight_decay": 0.1, "decay_groups": "weights"}


def test_weights_of_layers_alone_decay():
    module = Parts()
    decaying, others = build_optimiser(GROUPED, module).param_groups
    assert (decaying["weight_decay"], others["weight_decay"]) == (0.1, 0.0)
    assert [id(parameter) for parameter in decaying["params"]] == [id(module.linear.weight)]
    assert {id(p) for p in [*decaying["params"], *others["params"]]} == {id(p) for p in module.parameters()}
    assert len(build_optimiser({**GROUPED, "decay_groups": "all"}, module).param_groups) == 1


def test_a_parameter_that_is_an_embedding_elsewhere_does_not_decay():
    module = torch.nn.Sequential(torch.nn.Linear(2, 3, bias=False), torch.nn.Embedding(3, 2))
    module[1].weight = module[0].weight
    (group,) = build_optimiser(GROUPED, module).param_groups
    assert group["weight_decay"] == 0.0


def test_decay_pulls_at_weights_and_leaves_the_others():
    module = Parts()
    for parameter in module.parameters():
        torch.nn.init.ones_(parameter)
        parameter.grad = torch.zeros_like(parameter)
    build_optimiser({**GROUPED, "lr": 0.5}, module).step()
    torch.testing.assert_close(module.linear.weight, torch.full((2, 3), 0.95))
    for name, parameter in module.named_parameters():
        assert name == "linear.weight" or (parameter == 1).all()


@pytest.mark.parametrize(
    ("opt_args", "words"),
    [
        ({"decay_groups": "weight"}, r"must be 'all' or 'weights', got 'weight'; did you mean 'weights'\?"),
        ({"decay_groups": None}, "must be 'all' or 'weights', got None"),
        ({"opt": "rprop", "decay_groups": "weights"}, "Rprop has no weight_decay"),
    ],
)
def test_wrong_groups_are_refused(opt_args, words):
    with pytest.raises(ConfigError, match=words):
        ModelBuilder("regression", 1, ["pt"], opt_args=opt_args).get_model()


def test_parameters_in_place_of_a_module_are_refused():
    with pytest.raises(ConfigError, match="module must be"):
        build_optimiser(None, list(layer().parameters()))


def test_groups_stand_in_the_config_and_are_shown():
    builder = ModelBuilder("regression", 1, ["pt"], opt_args=GROUPED)
    config = builder.to_config()
    assert config["opt_args"] == {"opt": "core/adamw", "weight_decay": 0.1, "lr": 2e-3, "decay_groups": "weights"}
    assert ModelBuilder.from_config(config).to_config() == config
    assert "weight decay on weights alone" in repr(builder)
    assert "decay_groups" not in optimiser_config({"decay_groups": "all"})


def test_a_model_with_groups_is_scheduled_saved_and_goes_on(fy, make_builder, tmp_path):
    builder = make_builder(fy, opt_args={**GROUPED, "lr": 0.01}, seed=1)
    whole, halves = Model(builder), Model(builder)
    cbs = [{"name": "one_cycle", "lengths": [1, 1], "lr_range": [0.001, 0.01]}]
    options = {"bs": 8, "seed": 1, "cbs": cbs, "resume": True}
    whole.fit(2, fy, cb_savepath=tmp_path / "whole", **options)
    Model(builder).fit(1, fy, cb_savepath=tmp_path / "halves", **options)
    halves.fit(2, fy, cb_savepath=tmp_path / "halves", **options)
    assert all(torch.equal(value, halves.get_weights()[name]) for name, value in whole.get_weights().items())
    whole.set_lr(0.5)
    assert [group["lr"] for group in whole.opt.param_groups] == [0.5, 0.5]
    assert [group["weight_decay"] for group in whole.opt.param_groups] == [0.1, 0.0]
    state = whole.training_state()
    halves.load_training_state(state)
    assert halves.get_lr() == 0.5
    loaded = Model.from_save(whole.save(tmp_path / "model"))
    assert [len(group["params"]) for group in loaded.opt.param_groups] == [
        len(group["params"]) for group in whole.opt.param_groups
    ]
