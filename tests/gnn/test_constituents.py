"""constituent_features and deep_sets."""

from math import asinh, atan2, hypot, log, pi, sqrt

import pytest
import torch

from lumin_core.errors import ConfigError
from lumin_plugin_gnn import ConstituentFeatures, DeepSets, GNNHead
from lumin_plugin_gnn.constituent_features import seen_from_the_jet

MOMENTUM = ["px", "py", "pz", "E"]


def by_hand(momenta):
    """The features of one jet's constituents, one by one."""
    jet = [sum(p[i] for p in momenta) for i in range(4)]
    jet_pt, jet_eta, jet_phi = hypot(*jet[:2]), asinh(jet[2] / hypot(*jet[:2])), atan2(jet[1], jet[0])
    rows = []
    for px, py, pz, energy in momenta:
        pt = hypot(px, py)
        d_eta, d_phi = asinh(pz / pt) - jet_eta, (atan2(py, px) - jet_phi + pi) % (2 * pi) - pi
        shares = (0.7 * (log(pt / jet_pt) + 4.7), 0.7 * (log(energy / jet[3]) + 4.7))
        distance = 4 * (sqrt(d_eta**2 + d_phi**2) - 0.2)
        rows.append([d_eta, d_phi, 0.7 * (log(pt) - 1.7), 0.7 * (log(energy) - 2), *shares, distance])
    return torch.tensor(rows, dtype=torch.float64)


def test_features_are_those_of_the_papers(objects):
    x, mask = objects()
    features = ConstituentFeatures(4, MOMENTUM)(torch.zeros_like(x), mask, x)  # whatever norms made of x
    for e in range(4):
        if mask[e].any():
            assert torch.allclose(features[e][mask[e]], by_hand(x[e][mask[e]].tolist()), atol=1e-12)
    assert (features[~mask] == 0).all()


def test_columns_are_found_by_name_and_others_are_passed_on(objects):
    x, mask = objects()
    mixed = torch.stack((x[..., 3], x[..., 0] * 0 + 5, x[..., 2], x[..., 0], x[..., 1]), dim=-1)
    layer = ConstituentFeatures(5, ["E", "charge", "pz", "px", "py"])
    features = layer(mixed, mask, mixed)
    assert torch.equal(features[..., :7], ConstituentFeatures(4, MOMENTUM)(x, mask, x))
    assert layer.get_out_size() == features.shape[-1] == 8
    assert (features[..., 7][mask] == 5).all()
    assert (features[..., 7][~mask] == 0).all()


def test_features_do_not_change_with_turns_about_the_beam(objects):
    x, mask = objects(n_present=(7, 5, 1, 3))
    angle = torch.tensor(2.0, dtype=torch.float64)
    px = angle.cos() * x[..., 0] - angle.sin() * x[..., 1]
    py = angle.sin() * x[..., 0] + angle.cos() * x[..., 1]
    turned = torch.stack((px, py, x[..., 2], x[..., 3]), dim=-1)
    layer = ConstituentFeatures(4, MOMENTUM)
    assert torch.allclose(layer(turned, mask, turned), layer(x, mask, x), atol=1e-12)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_features_and_gradients_are_finite_for_any_momenta(dtype):
    jets = [
        [[0, 0, 0, 0], [0, 0, 0, 0]], [[0, 0, 5, 5], [0, 0, -5, 5]], [[3, 4, 0, 5], [-3, -4, 0, 5]],
        [[1, 0, 0, 1], [0, 0, 0, 0]], [[-1, 0.0, 0, 1], [-1, -0.0, 0, 1]], [[1e5, 0, 1e5, 2e5], [1e-6, 0, 0, 0]],
        [[1, 0, 0, -1], [0, 0, 3000, 3000]],
    ]  # fmt: skip
    momenta = torch.tensor(jets, dtype=dtype, requires_grad=True)
    features = ConstituentFeatures(4, MOMENTUM)(momenta, torch.ones(len(jets), 2, dtype=torch.bool), momenta)
    features.sum().backward()
    assert features.isfinite().all()
    assert momenta.grad.isfinite().all()


@pytest.mark.parametrize(
    "build", [lambda f: ConstituentFeatures(3, f), lambda f: DeepSets(3, f, energy_weighted=True)]
)  # fmt: skip
def test_missing_momenta_are_named(build):
    with pytest.raises(ConfigError, match="px, py, pz, E among feats_per_vec; pz, E missing"):
        build(["px", "py", "charge"])


def test_deep_sets_work_on_each_object_alone(objects):
    x, mask = objects(n_fpv=3)
    net = DeepSets(3, widths=[6, 5], act="swish").double()
    out = net(x, mask, x)
    for e in range(4):
        for i in range(7):
            expected = net.phi.layers(x[e, i]) if mask[e, i] else torch.zeros(5, dtype=torch.float64)
            assert torch.allclose(out[e, i], expected)


def energy_flow():
    torch.manual_seed(1)
    spec = {"name": "deep_sets", "energy_weighted": True, "widths": [8, 6], "act": "swish"}
    summed = {"name": "graph_collapser", "agg_methods": "sum"}
    return GNNHead([], [f"v{i}" for i in range(9)], MOMENTUM, ["constituent_features", spec], summed).double()


def padded(x, mask):
    jet = torch.full((len(x), 9, 4), torch.nan, dtype=x.dtype)
    jet[:, :7] = x.masked_fill(~mask.unsqueeze(-1), torch.nan)
    return jet


def test_energy_flow_is_collinear_safe(objects):
    x, mask = objects(n_present=(7, 5, 3, 1))
    mask[:, 0] = True
    x[:, 0] = torch.tensor([40.0, 3.0, 5.0, 41.0])
    jet, split = padded(x, mask), padded(x, mask)
    split[:, 0], split[:, 7] = 0.3 * jet[:, 0], 0.7 * jet[:, 0]
    head = energy_flow()
    assert torch.allclose(head(split), head(jet), atol=1e-12)
    particle_flow = GNNHead([], head.vecs, MOMENTUM, ["constituent_features", "deep_sets"]).double()
    assert not torch.allclose(particle_flow(split), particle_flow(jet), atol=1e-3)


def test_energy_flow_is_infrared_safe(objects):
    x, mask = objects(n_present=(7, 5, 3, 1))
    head = energy_flow()
    jet = padded(x, mask)
    for softness, closeness in ((1e-3, 1e-3), (1e-6, 1e-6)):
        soft = jet.clone()
        soft[:, 8] = softness * torch.tensor([1.0, 0.1, 0.2, 1.1])
        assert torch.allclose(head(soft), head(jet), atol=closeness)


def test_energy_flow_weighs_by_the_share_of_transverse_momentum(objects):
    x, mask = objects()
    net = DeepSets(4, MOMENTUM, widths=[5], energy_weighted=True, coords=(2, 0)).double()
    out = net(x, mask, x)
    for e in range(4):
        pts = [hypot(*x[e, i, :2].tolist()) for i in range(7)]
        for i in range(7):
            expected = net.phi.layers(x[e, i, [2, 0]]) * pts[i] / sum(pts) if mask[e, i] else torch.zeros(5)
            assert torch.allclose(out[e, i], torch.as_tensor(expected).double(), atol=1e-12)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"widths": []}, "needs the positive widths"),
        ({"preset": "lit"}, "did you mean 'lite'"),
        ({"energy_weighted": True, "coords": (0, 9)}, "columns of the 4 features"),
        ({"widths": [3, -1]}, "positive widths"),
    ],
)
def test_options_are_checked(options, words):
    with pytest.raises(ConfigError, match=words):
        DeepSets(4, MOMENTUM, **options)
    assert DeepSets(4).get_out_size() == 256
    assert DeepSets(4, preset="lite").get_out_size() == 64


def test_features_of_a_forward_narrow_jet_are_those_of_double_precision():
    generator = torch.Generator().manual_seed(1)
    eta, phi = (1e-3 * torch.randn(2, 50, 6, generator=generator, dtype=torch.float64)).unbind(0)
    pt = 1 + 20 * torch.rand(50, 6, generator=generator, dtype=torch.float64)
    momenta = torch.stack((pt * phi.cos(), pt * phi.sin(), pt * (5 + eta).sinh(), pt * (5 + eta).cosh()), -1).float()
    mask = torch.ones(50, 6, dtype=torch.bool)
    exact = seen_from_the_jet(momenta.double(), mask)
    given = seen_from_the_jet(momenta, mask)
    assert given.dtype == torch.float32
    torch.testing.assert_close(given.double(), exact, atol=1e-6, rtol=1e-3)
