"""grav_net and the search for neighbours against loops."""

import pytest
import torch

from lumin_core.errors import ConfigError
from lumin_plugin_gnn import GravNet, SelfAttention
from lumin_plugin_gnn.layers import AGGREGATIONS
from lumin_plugin_gnn.neighbours import FEW, gather_neighbours, nearest, squared_distances, without_ties


def layer_by_loops(layer, x, mask):
    """One layer, object by object and neighbour by neighbour."""
    rows = []
    for e in range(len(x)):
        present = [i for i in range(x.shape[1]) if mask[e, i]]
        own = x[e]
        if layer.cat_means:
            means = x[e, present].mean(0) if present else torch.zeros(x.shape[2], dtype=x.dtype)
            own = torch.stack([torch.cat((x[e, i], means)) for i in range(x.shape[1])])
        slr = layer.f_slr.layers(own)
        s, f = slr[:, : layer.n_s], slr[:, layer.n_s :]
        for i in range(x.shape[1]):
            if i not in present:
                rows.append(torch.zeros(layer.f_out.layers[-1][0].out_features, dtype=x.dtype))
                continue
            others = sorted((j for j in present if j != i), key=lambda j: float((s[i] - s[j]).detach().square().sum()))
            chosen = [i, *others][: layer.k]
            given = torch.stack([torch.exp(-10 * (s[i] - s[j]).square().sum()) * f[j] for j in chosen])
            gathered = []
            for name in layer.agg_methods:
                reduce = {"mean": lambda g: g.mean(0), "sum": lambda g: g.sum(0), "max": lambda g: g.max(0).values,
                          "absmax": lambda g: g.abs().max(0).values}[name]  # fmt: skip
                gathered.append(reduce(given))
            rows.append(layer.f_out.layers(torch.cat((own[i], *gathered))))
    return torch.stack(rows).view(*x.shape[:2], -1)


def by_loops(net, x, mask):
    outputs = []
    for layer in net.layers:
        x = layer_by_loops(layer, x, mask)
        outputs.append(x)
    return torch.cat(outputs, dim=-1)


def gradients(function, net, x):
    net.zero_grad()
    x = x.clone().requires_grad_()
    out = function(x)
    (out * torch.linspace(-1, 1, out.numel(), dtype=x.dtype).view(out.shape)).sum().backward()
    return [out.detach(), x.grad, *(p.grad.clone() for p in net.parameters())]


@pytest.mark.parametrize("k", [1, 3, 7, 20])
@pytest.mark.parametrize("agg_methods", ["mean", ["mean", "max"], ["absmax", "sum"]])
@pytest.mark.parametrize("cat_means", [True, False])
def test_values_and_gradients_are_those_of_a_loop_over_neighbours(cat_means, agg_methods, k, objects):
    x, mask = objects(n_fpv=3)
    net = GravNet(3, cat_means, 2, 2, 4, k, 2, [5, 3], agg_methods, act="swish").double()
    found = gradients(lambda x: net(x, mask, x), net, x)
    expected = gradients(lambda x: by_loops(net, x, mask), net, x)
    assert all(torch.allclose(a, b, atol=1e-11) for a, b in zip(found, expected, strict=True))
    assert net.get_out_size() == found[0].shape[-1] == 8


@pytest.mark.parametrize("n_lr", [1, 2, 3, 8])
def test_fault_attention_is_finite_for_few_features(n_lr, objects):
    x, mask = objects(n_fpv=3)
    net = GravNet(3, n_lr=n_lr, k=3, n_out=4, use_sa=True).double()
    assert net.layers[0].attention.n_a == max(1, n_lr // 4)
    assert all(g.isfinite().all() for g in gradients(lambda x: net(x, mask, x), net, x))


def test_neighbours_attend_to_each_other_and_to_nothing_else(objects):
    x, mask = objects(n_fpv=3)
    net = GravNet(3, cat_means=False, n_lr=4, k=3, n_out=4, use_sa=True, act="swish").double()
    layer = net.layers[0]
    slr = layer.f_slr.layers(x)
    s, f = slr[..., : layer.n_s], slr[..., layer.n_s :]
    out = net(x, mask, x)
    for e in range(4):
        present = [i for i in range(7) if mask[e, i]]
        for i in present:
            near = sorted(present, key=lambda j: float((s[e, i] - s[e, j]).detach().square().sum()))[:3]
            given = torch.stack([torch.exp(-10 * (s[e, i] - s[e, j]).square().sum()) * f[e, j] for j in near])
            attended = layer.attention(given[None], torch.ones(1, len(near), dtype=torch.bool), given[None])[0]
            expected = layer.f_out.layers(torch.cat((x[e, i], attended.mean(0), attended.max(0).values)))
            assert torch.allclose(out[e, i], expected, atol=1e-11)
    assert isinstance(layer.attention, SelfAttention)


def test_fault_absent_objects_enter_neither_means_nor_maxima(objects):
    x, mask = objects(n_fpv=3, n_present=(5, 5, 2, 1))
    net = GravNet(3, k=7, n_out=[4, 4]).double()
    junk = x.clone()
    junk[~mask] = 1e3
    assert torch.equal(net(x, mask, x), net(junk * mask.unsqueeze(-1), mask, x))
    trimmed = torch.stack([x[0][mask[0]], x[1][mask[1]]])
    alone = net(trimmed, torch.ones(2, 5, dtype=torch.bool), trimmed)
    assert torch.allclose(alone[0], net(x, mask, x)[0][mask[0]], atol=1e-12)


@pytest.mark.parametrize("n_dimensions", [1, 2, FEW, FEW + 1, 30])
def test_distances_are_those_of_pairs(n_dimensions):
    coords = torch.randn(2, 5, n_dimensions, dtype=torch.float64)
    expected = torch.cdist(coords, coords).square()
    assert torch.allclose(squared_distances(coords), expected, atol=1e-10)


@pytest.mark.parametrize("n_dimensions", [3, 32])
def test_fault_distances_are_as_exact_in_mixed_precision(n_dimensions):
    """Two jets far apart, whose objects are near each other: in 16 bits the squares hide the differences."""
    coords = 0.05 * torch.randn(4, 64, n_dimensions) + 1
    coords[:, ::2, 0] += 20
    mask = torch.ones(4, 64, dtype=torch.bool)
    with torch.autocast("cpu", torch.bfloat16):
        mixed = squared_distances(coords, mask)
        halves = squared_distances(coords.bfloat16(), mask)  # as a layer gives them
    assert mixed.dtype == halves.dtype == torch.float32
    for given, exact in ((mixed, coords.double()), (halves, coords.bfloat16().double())):
        torch.testing.assert_close(given, torch.cdist(exact, exact).square().float(), rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("include_self", [True, False])
@pytest.mark.parametrize("k", [1, 3, 6, 7, 9])
def test_neighbours_are_the_nearest_present_ones(k, include_self, objects):
    x, mask = objects(n_fpv=2)
    distances = squared_distances(x)
    index, valid = nearest(distances, mask, k, include_self=include_self)
    assert index.shape == valid.shape == (min(k, 7 if include_self else 6), 4, 7)
    for e in range(4):
        for i in range(7):
            others = [j for j in range(7) if mask[e, j] and j != i]
            order = sorted(others, key=lambda j: float(distances[e, i, j]))
            expected = ([i, *order] if include_self else order)[:k] if mask[e, i] else []
            assert sorted(index[:, e, i][valid[:, e, i]].tolist()) == sorted(expected)
    gathered = gather_neighbours(x, index)
    assert torch.equal(gathered[0, 1, 2], x[1, index[0, 1, 2]])


def test_an_object_is_its_own_neighbour_among_identical_ones():
    x, mask = torch.zeros(1, 6, 2), torch.ones(1, 6, dtype=torch.bool)
    index, _ = nearest(squared_distances(x), mask, 2, include_self=True)
    assert all(i in index[:, 0, i] for i in range(6))
    index, _ = nearest(squared_distances(x), mask, 2, include_self=False)
    assert all(i not in index[:, 0, i] for i in range(6))


@pytest.mark.parametrize("options", [{"k": 0}, {"n_s": 0}, {"n_lr": -1}, {"f_slr_depth": 0}, {"f_out_depth": 0}])
def test_numbers_must_be_positive(options):
    with pytest.raises(ConfigError, match=next(iter(options))):
        GravNet(3, **options)


def test_aggregations_are_named():
    with pytest.raises(ConfigError, match="did you mean 'mean'"):
        GravNet(3, agg_methods=["meen"])
    with pytest.raises(ConfigError, match="at least one of mean, max"):
        GravNet(3, agg_methods=[])
    assert list(AGGREGATIONS) == ["mean", "max", "absmax", "sum"]


@pytest.mark.parametrize("use_sa", [False, True])
def test_fault_order_and_padding_do_not_matter_where_objects_lie_on_one_point(use_sa, objects):
    """The default activation, relu, brings many objects to one point; which of them count is not a matter of place."""
    torch.manual_seed(1)
    net = GravNet(3, k=3, n_s=2, n_out=[16, 16], agg_methods=["mean", "max", "sum"], use_sa=use_sa).eval()
    x, mask = objects(n_events=60, n=10, n_fpv=3, n_present=[i % 11 for i in range(60)], dtype=torch.float32)
    order = torch.randperm(10, generator=torch.Generator().manual_seed(2))
    wide, wide_mask = torch.zeros(60, 17, 3), torch.zeros(60, 17, dtype=torch.bool)
    wide[:, 3:13], wide_mask[:, 3:13] = x, mask
    with torch.no_grad():
        out = net(x, mask, x)
        coords = net.layers[0].f_slr(torch.cat((x, x), -1), mask)[..., :2]
        assert (coords[mask] == 0).all(-1).float().mean() > 0.1
        tolerance = {"atol": 1e-5 * float(out.abs().max()), "rtol": 1e-4}
        torch.testing.assert_close(net(x[:, order], mask[:, order], x[:, order]), out[:, order], **tolerance)
        torch.testing.assert_close(net(wide, wide_mask, wide)[:, 3:13], out, **tolerance)


def test_marks_of_a_kind_tell_objects_apart_whose_features_add_up_to_the_same():
    marks = torch.eye(3).unsqueeze(0)
    told = without_ties(torch.zeros(1, 3, 3), marks)[0, 0]
    turned = without_ties(torch.zeros(1, 3, 3), marks[:, [2, 0, 1]])[0, 0]
    assert told.unique().numel() == 3
    assert torch.equal(turned, told[[2, 0, 1]])


@pytest.mark.parametrize("n_dimensions", [2, FEW + 4])
def test_distances_far_from_the_origin_are_those_of_pairs(n_dimensions):
    coords = 1e4 + torch.randn(2, 6, n_dimensions, generator=torch.Generator().manual_seed(1))
    mask = torch.tensor([[True] * 6, [True] * 4 + [False] * 2])
    coords = coords.masked_fill(~mask.unsqueeze(-1), 0)
    expected = (coords.double().unsqueeze(2) - coords.double().unsqueeze(1)).square().sum(-1)
    counts = mask.unsqueeze(1) & mask.unsqueeze(2)
    torch.testing.assert_close(squared_distances(coords, mask).double()[counts], expected[counts], atol=1e-4, rtol=1e-4)
