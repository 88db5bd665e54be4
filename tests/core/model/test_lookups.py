import pickle
from functools import partial

import pytest
import torch
from torch import nn

from lumin_core import ModelBuilder, registry
from lumin_core.errors import ConfigError, UnknownComponent
from lumin_core.model.initialisers import normal_initialiser
from lumin_core.model.layers import dense_layer
from lumin_core.model.lookups import (
    act_by_bare_name,
    act_name,
    by_bare_name,
    canonical_act,
    lookup_act,
)


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


@pytest.mark.parametrize("name", ["softmax", "logsoftmax", "log_softmax", "core/LogSoftmax"])
def test_softmaxes_normalise_the_last_axis(name):
    x = torch.randn(2, 3, 5)
    y = lookup_act(name)(x)
    y = y.exp() if "log" in name.lower() else y
    torch.testing.assert_close(y.sum(-1), torch.ones(2, 3))


@pytest.mark.parametrize("name", [c.name for c in registry.components("activation")])
def test_every_registered_activation_keeps_the_shape(name):
    assert lookup_act(name)(torch.randn(4, 3)).shape == (4, 3)


def test_lookup_act_knows_activations_of_the_session():
    with registry.temporary():
        registry.register("activation", "twice", nn.Hardtanh)
        assert isinstance(lookup_act("twice"), nn.Hardtanh)


def test_lookup_act_suggests_a_name():
    with pytest.raises(UnknownComponent, match="relu"):
        lookup_act("relu6x")


def test_canonical_act_drops_prefix_and_separators():
    assert [canonical_act(name) for name in ("Linear", "core/linear", "LOG-SOFTMAX")] == ["linear"] * 2 + ["logsoftmax"]


def test_by_bare_name_hands_on_all_but_the_distribution():
    told = []
    lookup = by_bare_name(lambda name, *args, **options: told.append((name, args, options)))
    lookup("core/Log-Softmax", 3, fan_out=5)
    by_bare_name(lookup)("relu")
    assert told == [("Log-Softmax", (3,), {"fan_out": 5}), ("relu", (), {})]


def test_by_bare_name_leaves_the_registry_s_look_up_as_it_is():
    assert by_bare_name(lookup_act) is lookup_act
    with registry.temporary():
        registry.register("activation", "relu", nn.Tanh, override=True)
        assert isinstance(lookup_act("core/relu"), nn.ReLU)


def test_by_bare_name_of_a_function_can_be_pickled():
    assert pickle.loads(pickle.dumps(by_bare_name(normal_initialiser)))("core/relu")


FORMS = [
    "prelu",
    {"name": "core/prelu", "init": 0.3},
    nn.PReLU,
    partial(nn.PReLU, init=0.3),
]


@pytest.mark.parametrize("act", FORMS)
def test_an_activation_is_given_in_any_form(act):
    layer = lookup_act(act)
    assert isinstance(layer, nn.PReLU)
    assert layer.weight.item() == pytest.approx(0.25 if act in ("prelu", nn.PReLU) else 0.3)
    assert act_name(act) == "prelu"
    assert normal_initialiser(act)(torch.empty(200, 80)).var().item() == pytest.approx(2 / 80, rel=0.05)


def test_a_class_without_a_name_counts_as_a_rectifier_of_its_own_name():
    class Mine(nn.Module): ...

    assert (act_name(Mine), canonical_act(nn.SELU), canonical_act({"name": "linear"})) == ("Mine", "selu", "linear")


@pytest.mark.parametrize("act", [3, {"negative_slope": 0.3}, None])
def test_what_is_no_activation_is_refused(act):
    with pytest.raises(ConfigError, match="an activation is given as a name, a dict"):
        act_name(act)


def test_fault_functions_of_the_user_are_asked_by_name_and_the_registry_for_the_rest():
    asked = []

    def mine(name):
        asked.append(name)
        return nn.Tanh()

    lookup = act_by_bare_name(mine)
    assert isinstance(lookup("core/relu"), nn.Tanh)
    assert isinstance(lookup({"name": "prelu"}), nn.Tanh)
    assert isinstance(lookup({"name": "prelu", "init": 0.1}), nn.PReLU)
    assert isinstance(lookup(nn.ReLU), nn.ReLU)
    assert asked == ["relu", "prelu"]
    assert by_bare_name(asked.append)({"name": "core/prelu", "init": 0.1}) is None
    assert asked[-1] == "prelu"


@pytest.mark.parametrize("gives", [None, 3.0, torch.tanh])
def test_a_function_of_the_users_that_gives_no_layer_is_told_so(gives):
    def mine(name):
        return gives

    with pytest.raises(ConfigError, match=r"mine must return a torch.nn.Module for 'relu', got"):
        dense_layer(2, 3, act="relu", lookup_act=mine)


def fills_nothing(act, fan_in=None, fan_out=None): ...


def takes_act_only(act):
    return nn.init.zeros_


def breaks(act, fan_in=None, fan_out=None):
    raise KeyError("inside")


def test_an_initialiser_that_fills_nothing_is_told_so():
    builder = ModelBuilder("regression", 1, ["a"], lookup_init=fills_nothing)
    with pytest.raises(ConfigError, match="fills_nothing must return a function that fills a weight, got None"):
        builder.build_model()


@pytest.mark.parametrize(("mine", "error"), [(takes_act_only, TypeError), (breaks, KeyError)])
def test_an_initialiser_that_raises_is_named(mine, error):
    with pytest.raises(error) as raised:
        ModelBuilder("regression", 1, ["a"], lookup_init=mine).build_model()
    assert raised.value.__notes__ == [f"raised by {mine.__name__}"]
