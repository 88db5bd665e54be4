"""Average-max pooling against loops over the parts."""

from itertools import product

import pytest
import torch

from lumin_core.errors import ConfigError, ShapeError
from lumin_plugin_sequence import (
    AdaptiveAvgMaxConcatPool1d,
    AdaptiveAvgMaxConcatPool2d,
    AdaptiveAvgMaxConcatPool3d,
    AvgMaxPool,
)

POOLS = [AdaptiveAvgMaxConcatPool1d, AdaptiveAvgMaxConcatPool2d, AdaptiveAvgMaxConcatPool3d]
SHAPE = (5, 4, 3)


def channels(x):
    return x.nan_to_num(0).transpose(1, 2)


def part(i, sz, n):
    return range(i * n // sz, -(-(i + 1) * n // sz))


def pooled_grid(x, sz):
    """Maximum and mean of every part of every channel, ``(B, 2C, *sz)``."""
    shape = x.shape[2:]
    maxima, means = [], []
    for event, channel in product(range(len(x)), range(x.shape[1])):
        for place in product(*map(range, sz)):
            cells = product(*(part(i, s, n) for i, s, n in zip(place, sz, shape, strict=True)))
            values = [x[(event, channel, *cell)] for cell in cells]
            maxima.append(torch.stack(values).max())
            means.append(sum(values) / len(values))
    return torch.cat([torch.stack(v).view(*x.shape[:2], *sz) for v in (maxima, means)], dim=1)


@pytest.mark.parametrize("n_axes", [1, 2, 3])
@pytest.mark.parametrize("sz", [1, 2, 3, "mixed"])
def test_pools_give_maxima_and_means_of_parts_in_any_dimension(n_axes, sz, agree):
    x = torch.randn(2, 3, *SHAPE[:n_axes], generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    sizes = (3, 2, 1)[:n_axes] if sz == "mixed" else (sz,) * n_axes
    pool = POOLS[n_axes - 1](sizes if sz == "mixed" else sz)
    assert pool(x).shape == (2, 6, *sizes)
    agree(pool, lambda x: pooled_grid(x, sizes), x)


def test_one_part_is_the_default():
    for pool, shape in zip(POOLS, [(5,), (5, 4), (5, 4, 3)], strict=True):
        assert pool()(torch.zeros(2, 3, *shape)).shape == (2, 6, *[1] * len(shape))


def pooled_sequences(x, mask, sz):
    rows = []
    for event in range(len(x)):
        present = [x[event, :, i] for i in range(x.shape[2]) if mask[event, i]]
        columns = []
        for i in range(sz):
            own = [present[j] for j in part(i, sz, len(present))]
            zeros = torch.zeros(2 * x.shape[1], dtype=x.dtype)
            columns.append(torch.cat((torch.stack(own).amax(0), sum(own) / len(own))) if own else zeros)
        rows.append(torch.stack(columns, dim=1))
    return torch.stack(rows)


@pytest.mark.parametrize("sz", [1, 2, 3, 7])
def test_fault_absent_objects_enter_no_mean_and_no_maximum(sz, sequences, agree):
    x, mask = sequences()
    x = x - 5  # a zero would be the largest
    pool = AvgMaxPool(3, 7, sz)
    agree(lambda x: pool(x, mask)[0], lambda x: pooled_sequences(x, mask, sz), channels(x))
    out_mask = pool(channels(x), mask)[1]
    assert out_mask.shape == (5, sz)
    assert torch.equal(out_mask, mask.any(1, keepdim=True).expand(5, sz))


@pytest.mark.parametrize("sz", [1, 2, 3, 7])
def test_parts_are_those_of_torch_for_each_sequence_alone(sz, sequences):
    x, mask = sequences()
    out, _ = AvgMaxPool(3, 7, sz)(channels(x), mask)
    for e in range(4):
        assert torch.allclose(out[e : e + 1], AdaptiveAvgMaxConcatPool1d(sz)(x[e][mask[e]].T[None]))


@pytest.mark.parametrize("sz", [1, 2, 3])
def test_fault_padding_changes_no_part(sz, sequences):
    x, mask = sequences()
    places = [0, 2, 3, 4, 6, 7, 9]
    longer, longer_mask = torch.zeros(5, 3, 11, dtype=x.dtype), torch.zeros(5, 11, dtype=torch.bool)
    longer[..., places], longer_mask[:, places] = channels(x), mask
    short, long = AvgMaxPool(3, 7, sz)(channels(x), mask)[0], AvgMaxPool(3, 11, sz)(longer, longer_mask)[0]
    assert torch.allclose(short, long, atol=1e-12)


@pytest.mark.parametrize(
    ("sz", "words"), [(0, "positive whole numbers are needed, got sz=0"), (1.5, "sz=1.5"), (8, "the length 7, got 8")]
)
def test_sizes_of_layers_are_checked(sz, words):
    with pytest.raises(ConfigError, match=words):
        AvgMaxPool(3, 7, sz)


@pytest.mark.parametrize(
    ("pool", "sz", "words"),
    [
        (POOLS[0], 0, r"sz\[0\]=0"),
        (POOLS[1], (2, -1), r"sz\[1\]=-1"),
        (POOLS[2], None, r"sz\[0\]=None"),
        (POOLS[1], (1, 2, 3), r"one number or 2, one for each axis, got \(1, 2, 3\)"),
    ],
)
def test_sizes_are_checked(pool, sz, words):
    with pytest.raises(ConfigError, match=words):
        pool(sz)


def test_axes_are_checked():
    with pytest.raises(ShapeError, match=r"expected shape \(B, C, H, W\), got \(2, 3, 4\)"):
        AdaptiveAvgMaxConcatPool2d()(torch.zeros(2, 3, 4))
