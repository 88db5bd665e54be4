"""Squeeze and excitation against loops over events and channels."""

from itertools import product

import pytest
import torch

from lumin_core.errors import ConfigError, ShapeError
from lumin_plugin_sequence import SEBlock1d, SEBlock2d, SEBlock3d, SqueezeExcitation

BLOCKS = [(SEBlock1d, (4,)), (SEBlock2d, (4, 6)), (SEBlock3d, (4, 3, 2))]


def make(block, *args, **options):
    torch.manual_seed(1)
    net = block(*args, **options).double()
    for param in net.parameters():
        param.data.uniform_(-1, 1)
    return net


def scaled(block, x, events):
    """Scale every channel by what the means over the given cells of each event say."""
    first, second, out = block.squeeze[0][0], block.excite[0][0], torch.zeros_like(x)
    for e, cells in enumerate(events):
        if not cells:
            continue
        means = [sum(x[(e, c, *cell)] for cell in cells) / len(cells) for c in range(x.shape[1])]
        hidden = []
        for weights, bias in zip(first.weight, first.bias, strict=True):
            value = bias + sum(w * m for w, m in zip(weights, means, strict=True))
            hidden.append(value / (1 + torch.exp(-value)))  # swish
        for c in range(x.shape[1]):
            value = second.bias[c] + sum(w * h for w, h in zip(second.weight[c], hidden, strict=True))
            for cell in cells:
                place = torch.zeros_like(x)
                place[(e, c, *cell)] = 1
                out = out + place * x[(e, c, *cell)] / (1 + torch.exp(-value))
    return out


@pytest.mark.parametrize(("block", "shape"), BLOCKS)
@pytest.mark.parametrize(("n_in", "r"), [(4, 2), (3, 16)])
def test_channels_are_scaled_by_what_their_means_say(block, shape, n_in, r, agree):
    x = torch.randn(2, n_in, *shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    se, cells = make(block, n_in, r, act="swish"), list(product(*map(range, shape)))
    agree(se, lambda x: scaled(se, x, [cells] * 2), x, se.parameters())


@pytest.mark.parametrize(("n_in", "r", "between"), [(8, 2, 4), (64, 16, 4), (8, 16, 2), (3, 16, 2)])
def test_the_layer_between_is_narrower_by_r(n_in, r, between):
    assert SEBlock1d(n_in, r).squeeze[0][0].out_features == between
    assert SEBlock1d(64).squeeze[0][0].out_features == 4


def test_fault_absent_objects_enter_no_mean(sequences, agree):
    x, mask = sequences()
    se = make(SqueezeExcitation, 3, 7, act="swish")
    cells = [[(i,) for i in range(7) if mask[e, i]] for e in range(5)]
    inputs = x.nan_to_num(0).transpose(1, 2)
    absent = ~mask.unsqueeze(1)
    agree(
        lambda x: se(x.masked_fill(absent, 0), mask)[0], lambda x: scaled(se.block, x, cells), inputs, se.parameters()
    )
    assert torch.equal(se(inputs, mask)[1], mask)


def test_what_absent_objects_hold_does_not_matter(sequences):
    x, mask = sequences()
    se, absent = make(SqueezeExcitation, 3, 7, act="tanh"), ~mask.unsqueeze(1)
    zeros, numbers = (x.transpose(1, 2).masked_fill(absent, value) for value in (0, 100))
    first, second = (se(x, mask)[0].masked_fill(absent, 0) for x in (zeros, numbers))
    assert torch.equal(first, second)


@pytest.mark.parametrize(("block", "options", "words"), [
    (SEBlock1d, {"n_in": 0}, "n_in=0"),
    (SEBlock3d, {"n_in": 4, "r": 0}, "r=0"),
    (SqueezeExcitation, {"in_c": 4, "length": 7, "r": 1.5}, "r=1.5"),
])  # fmt: skip
def test_options_are_checked(block, options, words):
    with pytest.raises(ConfigError, match=f"positive whole numbers are needed, got {words}"):
        block(**options)


@pytest.mark.parametrize("shape", [(2, 3, 4), (2, 4), (2, 4, 5, 6)])
def test_shapes_are_checked(shape):
    with pytest.raises(ShapeError, match=r"expected shape \(B, C, N\) with C = 4, got \(2, "):
        SEBlock1d(4)(torch.zeros(shape))
