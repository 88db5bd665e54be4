"""interaction_net against a loop over pairs."""

import pytest
import torch

from lumin_core.errors import ConfigError
from lumin_plugin_gnn import InteractionNet, pairs


def by_loops(net, x, mask):
    """Every pair's message by itself, the first layer whole; then every object's features."""
    rows = []
    for event in range(len(x)):
        present = [i for i in range(x.shape[1]) if mask[event, i]]
        for i in range(x.shape[1]):
            if i not in present:
                rows.append(torch.zeros(net.get_out_size(), dtype=x.dtype))
                continue
            total = torch.zeros(net.fr.layers[-1][0].out_features, dtype=x.dtype)
            for j in present:
                if j != i:
                    total = total + net.fr.layers(torch.cat((x[event, i], x[event, j])))
            rows.append(net.fo.layers(torch.cat((x[event, i], total))))
    return torch.stack(rows).view(*x.shape[:2], -1)


def gradients(function, net, x):
    net.zero_grad()
    x = x.clone().requires_grad_()
    out = function(x)
    (out * torch.linspace(-1, 1, out.numel(), dtype=x.dtype).view(out.shape)).sum().backward()
    return [out.detach(), x.grad, *(p.grad.clone() for p in net.parameters())]


@pytest.mark.parametrize("pairs_per_piece", [1, 20, 50, 120, 10**6])
@pytest.mark.parametrize("act", ["relu", "swish", "selu"])
def test_values_and_gradients_are_those_of_a_loop_over_pairs(act, pairs_per_piece, objects, monkeypatch):
    monkeypatch.setitem(pairs.PAIRS_PER_PIECE, "cpu", pairs_per_piece)
    x, mask = objects(n_fpv=3)
    net = InteractionNet(3, intfunc_outs=[6, 5], outfunc_outs=[8, 4], act=act).double()
    found = gradients(lambda x: net(x, mask, x), net, x)
    expected = gradients(lambda x: by_loops(net, x, mask), net, x)
    assert all(torch.allclose(a, b, atol=1e-12) for a, b in zip(found, expected, strict=True))
    with torch.no_grad():
        assert torch.allclose(net(x, mask, x), expected[0], atol=1e-12)


def test_fault_every_ordered_pair_of_objects_has_a_message():
    net = InteractionNet(2, intfunc_outs=[5], outfunc_outs=[3], act="swish").double()
    torch.manual_seed(1)
    x = torch.randn(1, 6, 2, dtype=torch.float64)
    mask = torch.ones(1, 6, dtype=torch.bool)
    jacobian = torch.autograd.functional.jacobian(lambda x: net(x, mask, x)[0], x).abs().amax((1, 2, 4))
    assert (jacobian > 1e-6).all()  # each of 6 objects on all 6
    swapped = x[:, [1, 0, 2, 3, 4, 5]]
    assert torch.allclose(net(x, mask, x).sum(1), net(swapped, mask, swapped).sum(1), atol=1e-12)


def test_norms_see_the_messages_of_present_pairs_only(objects):
    x, mask = objects(n_fpv=3)
    net = InteractionNet(3, intfunc_outs=[5], outfunc_outs=[4], bn=True, act="linear").double()
    rows = [
        torch.cat((x[e, i], x[e, j]))
        for e in range(4) for i in range(7) for j in range(7) if i != j and mask[e, i] and mask[e, j]
    ]  # fmt: skip
    messages = net.fr.first(torch.stack(rows))
    net(x, mask, x)
    norm = net.fr.layers[0][1].bn
    assert torch.allclose(norm.running_mean, 0.1 * messages.mean(0))
    assert torch.allclose(norm.running_var, 0.9 + 0.1 * messages.var(0))


def test_norms_in_evaluation_are_worked_through_in_pieces_too(objects, monkeypatch):
    x, mask = objects(n_fpv=3)
    net = InteractionNet(3, intfunc_outs=[5], outfunc_outs=[4], bn=True).double()
    net(x, mask, x)
    whole = net.eval()(x, mask, x)
    monkeypatch.setitem(pairs.PAIRS_PER_PIECE, "cpu", 30)
    assert torch.allclose(net(x, mask, x), whole, atol=1e-12)


def test_dropout_is_the_same_in_both_passes(objects, monkeypatch):
    monkeypatch.setitem(pairs.PAIRS_PER_PIECE, "cpu", 30)
    x, mask = objects(n_fpv=3, n_present=(7, 7, 7, 7))
    net = InteractionNet(3, intfunc_outs=[20], outfunc_outs=[4], do=0.5, act="linear").double()

    def out(x):
        torch.manual_seed(5)
        return net(x, mask, x).sum()

    x.requires_grad_()
    torch.autograd.backward(out(x))
    state = torch.get_rng_state()
    step = torch.zeros_like(x)
    step[1, 2, 0] = 1e-3
    with torch.no_grad():
        numerical = (out(x + step) - out(x - step)) / 2e-3  # the network is linear, so this is exact
    assert torch.allclose(x.grad[1, 2, 0], numerical, rtol=1e-9)
    torch.manual_seed(5)
    net(x, mask, x)
    assert torch.equal(torch.get_rng_state(), state)  # the backward pass leaves the generator as it was


def test_it_can_be_differentiated_once_and_says_so(objects):
    x, mask = objects(n_fpv=3)
    net = InteractionNet(3).double()
    x.requires_grad_()
    grad = torch.autograd.grad(net(x, mask, x).sum(), x, create_graph=True)[0]
    with pytest.raises(RuntimeError, match="once_differentiable"):
        grad.sum().backward()


def test_it_compiles_to_the_same_when_not_in_pieces(objects, monkeypatch):
    x, mask = objects(n_fpv=3)
    net = InteractionNet(3, intfunc_outs=[6, 5], outfunc_outs=[4]).double()
    pieced = gradients(lambda x: net(x, mask, x), net, x)
    monkeypatch.setattr(torch.compiler, "is_compiling", lambda: True)
    whole = gradients(lambda x: net(x, mask, x), net, x)
    assert all(torch.allclose(a, b, atol=1e-12) for a, b in zip(pieced, whole, strict=True))


@pytest.mark.parametrize("outs", [[], [0], [4, -1], [2.5], "32"])
def test_layers_need_positive_widths(outs):
    with pytest.raises(ConfigError, match="widths of its layers"):
        InteractionNet(3, intfunc_outs=outs)
    with pytest.raises(ConfigError, match="widths of its layers"):
        InteractionNet(3, outfunc_outs=outs)


@pytest.mark.parametrize("frozen", ["all", "fr.layers.1", "fo"])
def test_frozen_parameters_let_gradients_through(frozen, objects):
    x, mask = objects(n_fpv=3)
    net = InteractionNet(3, intfunc_outs=[6, 5], outfunc_outs=[4], act="swish").double()
    expected = torch.autograd.grad(net(given := x.clone().requires_grad_(), mask, given).square().sum(), given)[0]
    for name, param in net.named_parameters():
        param.requires_grad_(not (frozen == "all" or name.startswith(frozen)))
    (net(given := x.clone().requires_grad_(), mask, given).square().sum()).backward()
    assert torch.allclose(given.grad, expected)
    assert all((p.grad is not None) == p.requires_grad for p in net.parameters())
