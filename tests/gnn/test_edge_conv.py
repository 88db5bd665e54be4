"""edge_conv against a loop over neighbours."""

import pytest
import torch
from torch import nn

from lumin_core.errors import ConfigError
from lumin_plugin_gnn import EdgeConv


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
