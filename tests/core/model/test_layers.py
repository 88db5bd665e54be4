from functools import partial

import pytest
import torch
from torch import nn

from lumin_core import build, registry
from lumin_core.errors import ConfigError
from lumin_core.model.initialisers import uniform_initialiser
from lumin_core.model.layers import LCBatchNorm1d, dense_layer, dense_stack


def test_dense_layer_has_linear_activation_norm_dropout_in_this_order():
    layer = dense_layer(3, 5, act="prelu", bn=True, do=0.1)
    assert [type(module) for module in layer] == [nn.Linear, nn.PReLU, nn.BatchNorm1d, nn.Dropout]


def test_dense_layer_adds_nothing_for_linear():
    assert [type(module) for module in dense_layer(3, 5, act="core/Linear")] == [nn.Linear]


def test_dense_layer_takes_alpha_dropout_for_selu():
    assert isinstance(dense_layer(3, 5, act="SELU", do=0.1)[-1], nn.AlphaDropout)


def test_dense_layer_starts_with_its_initialiser_and_zero_biases():
    torch.manual_seed(0)
    layer = dense_layer(30, 50, lookup_init=uniform_initialiser)
    assert layer[0].weight.abs().max().item() <= (6 / 30) ** 0.5
    assert not layer[0].bias.any()


def test_dense_layer_tells_the_initialiser_what_follows():
    told = []

    def lookup_init(act, fan_in=None, fan_out=None):
        told.append((act, fan_in, fan_out))
        return nn.init.ones_

    assert dense_layer(3, 5, act="swish", lookup_init=lookup_init)[0].weight.eq(1).all()
    assert told == [("swish", 3, 5)]


@pytest.mark.parametrize(
    "bn_class",
    ["batch_norm1d", {"name": "batch_norm1d", "eps": 0.1}, nn.BatchNorm1d, partial(nn.BatchNorm1d, eps=0.1)],
)
def test_dense_layer_takes_a_norm_in_any_form(bn_class):
    layer = dense_layer(3, 5, bn=True, bn_class=bn_class)
    assert isinstance(layer[2], nn.BatchNorm1d)
    assert layer[2].num_features == 5


@pytest.mark.parametrize("options", [{"n_in": 0}, {"n_out": 0}, {"do": 1}, {"do": -0.1}])
def test_dense_layer_refuses_sizes_and_rates_out_of_range(options):
    with pytest.raises(ConfigError, match="positive widths and a dropout rate"):
        dense_layer(**{"n_in": 3, "n_out": 5, **options})


def test_dense_stack_joins_the_widths():
    stack = dense_stack([3, 7, 2], act="mish", bn=True)
    assert [layer[0].weight.shape for layer in stack] == [(7, 3), (2, 7)]
    assert stack(torch.randn(4, 3)).shape == (4, 2)


def test_dense_stack_takes_matrices_with_a_norm_for_them():
    stack = dense_stack([3, 7, 2], bn=True, bn_class="lc_batch_norm1d")
    assert stack(torch.randn(4, 6, 3)).shape == (4, 6, 2)


@pytest.mark.parametrize("shape", [(40, 3), (10, 6, 3), (5, 4, 6, 3)])
def test_lc_batch_norm1d_normalises_channels_over_all_other_axes(shape):
    torch.manual_seed(0)
    y = LCBatchNorm1d(num_features=3)(2 + 3 * torch.randn(shape)).flatten(0, -2)
    torch.testing.assert_close(y.mean(0), torch.zeros(3), atol=1e-5, rtol=0)
    torch.testing.assert_close(y.var(0, correction=0), torch.ones(3), atol=1e-4, rtol=0)


def test_lc_batch_norm1d_equals_batch_norm_of_the_transposed():
    torch.manual_seed(0)
    x = torch.randn(10, 6, 3)
    ours, torchs = LCBatchNorm1d(nn.BatchNorm1d(3)), nn.BatchNorm1d(3)
    torch.testing.assert_close(ours(x), torchs(x.transpose(1, 2)).transpose(1, 2))
    torch.testing.assert_close(ours.bn.running_var, torchs.running_var)
    torch.testing.assert_close(ours.eval()(x), torchs.eval()(x.transpose(1, 2)).transpose(1, 2))


def test_lc_batch_norm1d_keeps_the_order_of_objects():
    torch.manual_seed(0)
    x, order = torch.randn(10, 6, 3), torch.randperm(6)
    norm = LCBatchNorm1d(num_features=3).eval()
    torch.testing.assert_close(norm(x[:, order]), norm(x)[:, order])


def test_lc_batch_norm1d_is_built_around_a_norm_by_name():
    norm = build("norm", {"name": "lc_batch_norm1d", "bn": {"name": "batch_norm1d", "eps": 0.5}}, num_features=4)
    assert (norm.bn.num_features, norm.bn.eps) == (4, 0.5)


@pytest.mark.parametrize("options", [{}, {"bn": nn.BatchNorm1d(3), "num_features": 3}])
def test_lc_batch_norm1d_asks_for_a_module_or_a_number(options):
    with pytest.raises(ConfigError, match="a norm module, or num_features"):
        LCBatchNorm1d(**options)


def test_lc_batch_norm_takes_its_statistics_from_the_rows_that_count():
    x, mask = torch.randn(4, 3, 2), torch.tensor([[1, 1, 0], [1, 0, 0], [0, 0, 0], [1, 1, 1]]).bool()
    x[~mask] = 1e6
    norm, alone = LCBatchNorm1d(num_features=2), nn.BatchNorm1d(2)
    normed = norm(x, mask)
    assert torch.allclose(normed[mask], alone(x[mask]))
    assert (normed[~mask] == 0).all()
    assert torch.equal(norm.bn.running_var, alone.running_var)
    assert torch.equal(norm.eval()(x, mask)[mask], alone.eval()(x[mask]))
    assert (norm(x, mask)[~mask] == 0).all()


@pytest.mark.parametrize("n", [0, 1])
def test_lc_batch_norm_of_fewer_than_two_rows_is_that_of_evaluation(n):
    x, mask = torch.randn(1, 3, 2), torch.zeros(1, 3, dtype=torch.bool)
    mask[0, :n] = True
    norm = LCBatchNorm1d(num_features=2)
    normed = norm(x, mask)
    assert norm.bn.training
    assert norm.bn.num_batches_tracked == 0
    assert torch.equal(normed, norm.eval()(x, mask))


def test_defaults_are_ours_whatever_is_registered():
    with registry.temporary():
        registry.register("activation", "relu", nn.Tanh, override=True)
        registry.register("norm", "batch_norm1d", nn.Identity, override=True)
        layer = dense_layer(3, 5, bn=True)
        assert [type(module) for module in layer] == [nn.Linear, nn.ReLU, nn.BatchNorm1d]
        assert isinstance(LCBatchNorm1d(num_features=3).bn, nn.BatchNorm1d)
        assert isinstance(dense_layer(3, 5, act="relu")[1], nn.Tanh)


def test_functions_of_the_user_are_handed_bare_names():
    told = []

    def lookup_act(name):
        told.append(name)
        return nn.Tanh()

    def lookup_init(act, fan_in=None, fan_out=None):
        told.append(act)
        return nn.init.ones_

    dense_layer(3, 5, lookup_act=lookup_act, lookup_init=lookup_init)
    assert told == ["relu", "relu"]
