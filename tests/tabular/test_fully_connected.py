from functools import partial

import pytest
import torch
from torch import nn

from lumin_core import Model, ModelBuilder, build
from lumin_core.errors import ConfigError
from lumin_plugin_tabular import FullyConnected

VARIANTS = [{}, {"res": True}, {"dense": True}, {"growth_rate": 0.5}, {"dense": True, "growth_rate": -0.2}]
MAP = {"a": [0], "b": [1], "c": [2]}


def body(**options):
    torch.manual_seed(0)
    return FullyConnected(3, MAP, **{"depth": 3, "width": 8, **options})


def norms(block):
    return [module for module in block.modules() if isinstance(module, nn.BatchNorm1d)]


def linears(block):
    return [module for module in block.modules() if isinstance(module, nn.Linear)]


def test_defaults_are_four_layers_of_a_hundred_with_relu():
    block = FullyConnected(3, MAP)
    assert [layer.out_features for layer in linears(block)] == [100] * 4
    assert {type(module) for layer in block.layers for module in layer} == {nn.Linear, nn.ReLU}


@pytest.mark.parametrize("options", VARIANTS)
@pytest.mark.parametrize("act", ["relu", "selu", "linear", "swish"])
@pytest.mark.parametrize("bn", [False, True])
@pytest.mark.parametrize("depth", [1, 2, 5])
def test_output_has_the_stated_width_and_gradients_reach_every_parameter(options, act, bn, depth):
    block = body(**options, act=act, bn=bn, do=0.1, depth=depth)
    y = block(torch.randn(16, 3))
    assert y.shape == (16, block.get_out_size())
    (y * torch.randn_like(y)).sum().backward()
    assert all(parameter.grad is not None for parameter in block.parameters())


@pytest.mark.parametrize("options", VARIANTS)
def test_events_do_not_see_each_other(options):
    block, x = body(**options), torch.randn(16, 3)
    order = torch.randperm(16)
    torch.testing.assert_close(block(x)[order], block(x[order]))


def test_fault_residual_without_norm_has_none():
    assert norms(body(res=True, bn=False, depth=5)) == []


def test_residual_with_norm_normalises_behind_each_addition():
    block = body(res=True, bn=True, depth=5)
    x = torch.randn(64, 3)
    assert len(norms(block)) == 1 + 2 + 2  # first layer, first half of two pairs, two additions
    torch.testing.assert_close(block(x).mean(0), torch.zeros(8), atol=1e-5, rtol=0)


def test_residual_skips_every_two_layers():
    block, x = body(res=True, depth=5), torch.randn(4, 3)
    first, one, two = block.layers
    y = first(x)
    y = one(y) + y
    torch.testing.assert_close(block(x), two(y) + y)


def test_residual_of_even_depth_has_one_layer_more():
    assert [len(linears(body(res=True, depth=depth))) for depth in range(1, 6)] == [1, 3, 3, 5, 5]


def test_dense_gives_each_layer_all_before_it():
    block, x = body(dense=True), torch.randn(4, 3)
    assert [layer.in_features for layer in linears(block)] == [3, 3 + 8, 3 + 8 + 8]
    first, second, third = block.layers
    y = torch.cat((first(x), x), 1)
    torch.testing.assert_close(block(x), third(torch.cat((second(y), y), 1)))


def test_growth_changes_the_width_and_stops_at_one():
    assert [layer.out_features for layer in linears(body(growth_rate=0.5))] == [8, 12, 16]
    assert [layer.out_features for layer in linears(body(growth_rate=-0.6))] == [8, 4, 1]


def test_freeze_and_unfreeze():
    block = body(freeze=True, bn=True)
    assert block.get_param_count() == 0
    block.unfreeze_layers()
    assert block.get_param_count() == block.get_param_count(trainable=False) > 0


@pytest.mark.parametrize("options", [{}, {"res": True}])
def test_norm_is_chosen_by_name(options):
    block = body(bn=True, bn_class="running_batch_norm1d", **options)
    assert any(type(module).__name__ == "RunningBatchNorm1d" for module in block.modules())
    assert norms(block) == []


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"depth": 0}, "depth=0"),
        ({"width": 0}, "width=0"),
        ({"res": True, "dense": True}, "leave out dense and growth_rate"),
        ({"res": True, "growth_rate": 0.1}, "growth_rate=0.1"),
        ({"do": 1.5}, "dropout rate"),
    ],
)
def test_contradictions_are_refused(options, message):
    with pytest.raises(ConfigError, match=message):
        body(**options)


def test_is_built_by_name_and_suggests_options():
    given = {"n_in": 3, "feat_map": MAP, "freeze": True}
    assert build("body", {"name": "fully_connected", "width": 7}, **given).get_out_size() == 7
    with pytest.raises(ConfigError, match="width"):
        build("body", {"name": "fully_connected", "widht": 7}, **given)


@pytest.mark.parametrize("act", [{"name": "prelu", "init": 0.1}, nn.PReLU, partial(nn.PReLU, init=0.1)])
def test_fault_an_activation_has_options_and_is_saved_with_them(act, tmp_path):
    builder = ModelBuilder("regression", 1, ["a"], body={"name": "fully_connected", "depth": 1, "act": act}, seed=1)
    model = Model(builder)
    again = Model.from_save(model.save(tmp_path / "model"))
    for network in (model, again):
        layer = network.body.layers[0][1]
        assert isinstance(layer, nn.PReLU)
        assert layer.weight.item() == pytest.approx(0.25 if act is nn.PReLU else 0.1)
    assert torch.equal(again.predict(torch.ones(2, 1), as_np=False), model.predict(torch.ones(2, 1), as_np=False))
