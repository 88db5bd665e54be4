"""particle_transformer, its pairs, and class_attention."""

from math import atan2, cos, cosh, hypot, log, pi, sin, sinh, sqrt

import pytest
import torch
from momenta import hard_momenta

from lumin_core.errors import ConfigError
from lumin_core.model.initialisers import normal_initialiser
from lumin_core.model.lookups import lookup_act
from lumin_plugin_gnn import ClassAttention, ParticleTransformer
from lumin_plugin_gnn.pair_features import PairEmbedding, pair_features

MOMENTUM = ["px", "py", "pz", "E"]
TINY = {"embed": [8], "pair_embed": [6], "n_layers": 2, "n_heads": 2, "do": 0}


def by_hand(a, b):
    (ax, ay, az, ae), (bx, by, bz, be) = a, b
    d_phi = (atan2(ay, ax) - atan2(by, bx) + pi) % (2 * pi) - pi
    d_y = 0.5 * log((ae + az) / (ae - az)) - 0.5 * log((be + bz) / (be - bz))
    distance, smaller = sqrt(d_y**2 + d_phi**2), min(hypot(ax, ay), hypot(bx, by))
    mass2 = (ae + be) ** 2 - (ax + bx) ** 2 - (ay + by) ** 2 - (az + bz) ** 2
    return [log(distance), log(smaller * distance), log(smaller / (hypot(ax, ay) + hypot(bx, by))), log(mass2)]


def test_pair_features_are_those_of_the_paper(objects):
    x, _mask = objects(n_present=(7, 7, 7, 7), n=7)
    for e in range(4):
        for i in range(7):
            for j in range(i):
                expected = torch.tensor(by_hand(x[e, i].tolist(), x[e, j].tolist()), dtype=torch.float64)
                assert torch.allclose(pair_features(x[e, i], x[e, j]), expected, atol=1e-8)
                assert torch.allclose(pair_features(x[e, j], x[e, i]), expected, atol=1e-8)


def test_pair_features_do_not_change_with_turns_about_the_beam_and_boosts_along_it(objects):
    x, _ = objects(n_present=(7, 7, 7, 7))
    a, b = x[:, 0], x[:, 1]

    def moved(p, angle=0.7, rapidity=1.1):
        c, s, ch, sh = cos(angle), sin(angle), cosh(rapidity), sinh(rapidity)
        px, py, pz, e = p.unbind(-1)
        return torch.stack((c * px - s * py, s * px + c * py, ch * pz + sh * e, ch * e + sh * pz), dim=-1)

    assert torch.allclose(pair_features(moved(a), moved(b)), pair_features(a, b), atol=1e-8)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_pair_features_are_finite_for_any_momenta(dtype):
    edges = [
        [0, 0, 0, 0], [0, 0, 5, 5], [0, 0, -5, 5], [3, 4, 0, 5], [3, 4, 0, 5], [6, 8, 0, 10], [1e-6, 0, 0, 1e-6],
        [1e4, 0, 1e5, 1.005e5], [-3, -0.0, 1, 4], [-3, 0.0, 1, 4], [1, 0, 0, 0.5], [0, 0, 0, 91], [0, 0, 3000, 1],
    ]  # fmt: skip
    momenta = torch.tensor(edges, dtype=dtype)
    a = momenta.unsqueeze(1).expand(-1, len(edges), -1).clone().requires_grad_()
    b = momenta.unsqueeze(0).expand(len(edges), -1, -1).clone().requires_grad_()
    features = pair_features(a, b)
    features.sum().backward()
    assert features.isfinite().all()
    assert a.grad.isfinite().all()
    assert b.grad.isfinite().all()


def test_pairs_are_embedded_alike_in_both_directions_with_statistics_of_present_ones(objects):
    x, mask = objects()
    embedding = PairEmbedding([5, 2], "gelu", "batch_norm1d", normal_initialiser, lookup_act).double()
    embedded = embedding(x, mask)
    assert embedded.shape == (4, 2, 7, 7)
    assert torch.equal(embedded, embedded.transpose(2, 3))
    pairs = [(e, i, j) for e in range(4) for i in range(7) for j in range(i + 1) if mask[e, i] and mask[e, j]]
    rows = torch.stack([pair_features(x[e, i], x[e, j]) for e, i, j in pairs])
    assert torch.allclose(embedding.norms[0].bn.running_mean, 0.1 * rows.mean(0))

    def normed(norm, rows):
        return (rows - rows.mean(0)) / (rows.var(0, unbiased=False) + norm.bn.eps).sqrt()

    for k, linear in enumerate(embedding.linears):
        rows = (
            normed(embedding.norms[k], rows) if k == 0 else torch.nn.functional.gelu(normed(embedding.norms[k], rows))
        )
        rows = linear(rows)
    rows = normed(embedding.norms[-1], rows)
    for row, (e, i, j) in zip(rows, pairs, strict=True):
        assert torch.allclose(embedded[e, :, i, j], row, atol=1e-10)


def test_pairs_matter_and_can_be_left_out(objects):
    x, mask = objects()
    torch.manual_seed(1)
    net = ParticleTransformer(4, MOMENTUM, **TINY).double().eval()
    other = x * torch.tensor([1.0, -1.0, 1.0, 1.0])  # reflected: the same pairs
    assert torch.allclose(net(x, mask, x), net(x, mask, other), atol=1e-9)
    assert not torch.allclose(net(x, mask, x), net(x, mask, 2 * x))
    without = ParticleTransformer(4, ["a", "b"], pair_features=False, **TINY).double().eval()
    assert torch.equal(without(x, mask, x), without(x, mask, 2 * x))


def test_gradients_are_right(objects):
    x, mask = objects(n_events=2, n=3, n_present=(3, 2))
    torch.manual_seed(1)
    net = ParticleTransformer(4, MOMENTUM, **TINY).double()
    collapser = ClassAttention(3, 8, depth=1).double()
    x[..., 3] = (x[..., :3].square().sum(-1) + 400).sqrt()  # heavy ones, whose logarithms bend little
    x = (x / 10).requires_grad_()

    def function(x):
        present = x * mask.unsqueeze(-1)
        return collapser(net(present, mask, present), mask)

    assert torch.autograd.gradcheck(function, x, atol=1e-5)


def test_presets_are_those_of_the_paper():
    net = ParticleTransformer(7, MOMENTUM)
    assert (net.get_out_size(), len(net.blocks), net.blocks[0].n_heads) == (128, 8, 8)
    assert [linear.out_features for linear in net.pairs.linears] == [64, 64, 64, 8]
    lite = ParticleTransformer(7, MOMENTUM, preset="lite", n_layers=2)
    assert (lite.get_out_size(), len(lite.blocks), lite.blocks[0].n_heads) == (64, 2, 4)


def test_the_token_sees_all_present_objects_and_itself(objects):
    x, mask = objects(n_fpv=6)
    collapser = ClassAttention(7, 6).double()
    out = collapser(x, mask)
    assert torch.allclose(out, collapser(x.flip(1), mask.flip(1)), atol=1e-12)
    jacobian = torch.autograd.functional.jacobian(lambda x: collapser(x, mask).sum(0), x).abs().amax((0, 3))
    assert torch.equal(jacobian > 0, mask)
    alone = collapser(x[:1, mask[0]], torch.ones(1, 7, dtype=torch.bool))
    assert torch.allclose(out[0], alone[0], atol=1e-12)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"feats_per_vec": ["px", "py", "pz"]}, "E missing in .*"),
        ({"preset": "tiny"}, "preset must be one of paper, lite"),
        ({"embed": []}, "widths of its layers"),
        ({"n_heads": 3}, "n_heads must divide"),
    ],
)
def test_options_are_checked(options, words):
    with pytest.raises(ConfigError, match=words):
        ParticleTransformer(**{"n_fpv": 4, "feats_per_vec": MOMENTUM, **options})


@pytest.mark.parametrize(("options", "words"), [({"depth": 0}, "depth"), ({"n_heads": 5}, "n_heads must divide")])
def test_options_of_class_attention_are_checked(options, words):
    with pytest.raises(ConfigError, match=words):
        ClassAttention(5, 16, **options)


def test_heads_of_class_attention_fit_the_width():
    assert [ClassAttention(5, width).blocks[0].n_heads for width in (128, 64, 7, 9, 11, 1)] == [8, 8, 7, 3, 1, 1]


def test_pair_features_of_forward_and_collimated_particles_are_those_of_double_precision():
    momenta = hard_momenta()
    first, second = momenta[:, [0, 0, 1]], momenta[:, [1, 2, 3]]
    found = pair_features(first, second)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found.double(), pair_features(first.double(), second.double()), atol=1e-3, rtol=1e-3)
