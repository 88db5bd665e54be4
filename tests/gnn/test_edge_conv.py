"""edge_conv against a loop over neighbours."""

import pytest
import torch
from torch import nn

from lumin_core.errors import ConfigError
from lumin_plugin_gnn import ConstituentFeatures, EdgeConv


def norm_of(norm, rows, training):
    """Normalise a list of rows by their own statistics, or the running ones."""
    x = torch.stack(rows)
    return nn.functional.batch_norm(
        x, norm.bn.running_mean.clone(), norm.bn.running_var.clone(), norm.bn.weight, norm.bn.bias, training
    )


def block_by_loops(block, x, mask, coords, training):
    """One block, edge by edge; the first layer as one of both objects together."""
    weight = torch.cat((block.own.weight, block.other.weight), dim=1)
    places = [(e, i) for e in range(len(x)) for i in range(x.shape[1]) if mask[e, i]]
    owners, rows = [], []
    for e, i in places:
        others = [j for j in range(x.shape[1]) if mask[e, j] and j != i]
        others.sort(key=lambda j: float((coords[e, i] - coords[e, j]).detach().square().sum()))
        for j in others[: block.k]:
            owners.append((e, i))
            edge = weight @ torch.cat((x[e, i], x[e, j] - x[e, i]))
            rows.append(edge if block.own.bias is None else edge + block.own.bias)
    for n, linear in enumerate([None, *block.linears]):
        rows = [row if linear is None else linear(row) for row in rows]
        rows = list(norm_of(block.norms[n], rows, training)) if block.bn else rows
        rows = [block.act(row) for row in rows]
    shortcut = [block.shortcut(x[e, i]) for e, i in places]
    shortcut = list(norm_of(block.norms[-1], shortcut, training)) if block.bn else shortcut
    out = torch.zeros(*x.shape[:2], block.n_out, dtype=x.dtype)
    for place, short in zip(places, shortcut, strict=True):
        edges = [row for owner, row in zip(owners, rows, strict=True) if owner == place]
        out[place] = block.act(short + (sum(edges) / len(edges) if edges else 0))
    return out


def gradients(function, net, x):
    net.zero_grad()
    x = x.clone().requires_grad_()
    out = function(x)
    (out * torch.linspace(-1, 1, out.numel(), dtype=x.dtype).view(out.shape)).sum().backward()
    return [out.detach(), x.grad, *(p.grad.clone() for p in net.parameters())]


@pytest.mark.parametrize("k", [1, 3, 10])
@pytest.mark.parametrize("bn", [True, False])
@pytest.mark.parametrize("training", [True, False])
def test_values_and_gradients_are_those_of_a_loop_over_neighbours(training, bn, k, objects):
    x, mask = objects(n_fpv=3)
    net = EdgeConv(3, k=k, widths=[[6, 5], [4, 4, 7]], coords=(1, 2), bn=bn, act="swish").double().train(training)

    def loops(x):
        coords = x[..., [1, 2]]
        for block in net.blocks:
            x = coords = block_by_loops(block, x, mask, coords, training)
        return x

    expected = gradients(loops, net, x)
    found = gradients(lambda x: net(x, mask, x), net, x)
    assert all(torch.allclose(a, b, atol=1e-10) for a, b in zip(found, expected, strict=True))


def test_presets_are_those_of_the_paper():
    assert [block.n_out for block in EdgeConv(7).blocks] == [64, 128, 256]
    assert [block.n_out for block in EdgeConv(7, preset="lite").blocks] == [32, 64]
    assert EdgeConv(7).blocks[0].k == 16
    assert EdgeConv(7, preset="lite").blocks[0].k == 7
    assert EdgeConv(7, preset="lite", k=3).blocks[1].k == 3


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"preset": "light"}, "did you mean 'lite'"),
        ({"k": -1}, "positive whole numbers are needed, got k=-1"),
        ({"k": 2.5}, "positive whole numbers are needed, got k=2.5"),
        ({"widths": [[3, 0]]}, "positive widths"),
        ({"widths": []}, "a list of widths for each block"),
        ({"widths": [32, 64]}, "a list of widths for each block"),
        ({"coords": (0, 7)}, "columns of the 7 features"),
        ({"coords": ()}, "columns of the 7 features"),
        ({"coords": 0}, "columns of the 7 features"),
    ],
)
def test_options_are_checked(options, words):
    with pytest.raises(ConfigError, match=words):
        EdgeConv(7, **options)


def on_a_grid(n_jets=20, n=16):
    """Give constituents in cells of 0.1 x 0.1, where many are as far from each other, and the mask."""
    generator = torch.Generator().manual_seed(1)
    cells = torch.randint(-4, 5, (n_jets, n, 2), generator=generator) / 10
    pt = torch.rand(n_jets, n, generator=generator) * 50 + 1
    momenta = torch.stack((pt * cells[..., 1].cos(), pt * cells[..., 1].sin(), pt * cells[..., 0].sinh()), dim=-1)
    energy = momenta.norm(dim=-1, keepdim=True)
    return torch.cat((momenta, energy), dim=-1), torch.ones(n_jets, n, dtype=torch.bool)


@pytest.mark.parametrize("preset", ["lite", "paper"])
def test_fault_equal_distances_depend_on_neither_padding_nor_order(preset):
    momenta, mask = on_a_grid()
    features = ConstituentFeatures(4, ["px", "py", "pz", "E"])
    torch.manual_seed(1)
    net = EdgeConv(7, preset=preset).eval()
    order = torch.randperm(16, generator=torch.Generator().manual_seed(2))
    wide, wide_mask = torch.zeros(20, 26, 4), torch.zeros(20, 26, dtype=torch.bool)
    wide[:, 5:21], wide_mask[:, 5:21] = momenta, mask
    out = net(features(momenta, mask, momenta), mask, momenta)
    turned = net(features(momenta[:, order], mask, momenta[:, order]), mask, momenta)
    padded = net(features(wide, wide_mask, wide), wide_mask, wide)
    assert torch.allclose(turned, out[:, order], atol=1e-5)
    assert torch.allclose(padded[:, 5:21], out, atol=1e-5)


def test_of_objects_at_the_same_distance_one_is_chosen_by_its_features():
    torch.manual_seed(1)
    net, mask = EdgeConv(3, k=1, widths=[[8]], bn=False).eval(), torch.ones(1, 3, dtype=torch.bool)
    x = torch.tensor([[[0.0, 0, 1], [1, 0, 2], [-1, 0, 5]]])
    assert torch.equal(net(x, mask, x)[0, 0], net(x[:, [0, 2, 1]], mask, x)[0, 0])
    at_one_place = torch.tensor([[[0.0, 0, 1], [0, 0, 2], [0, 0, 5]]])
    assert torch.equal(
        net(at_one_place, mask, at_one_place)[0, 0], net(at_one_place[:, [0, 2, 1]], mask, at_one_place)[0, 0]
    )
