"""lorentz_net against loops over pairs, and in other frames of reference."""

import pytest
import torch
from torch import nn

from lumin_core.errors import ConfigError
from lumin_core.model.initialisers import normal_initialiser
from lumin_core.model.lookups import lookup_act
from lumin_plugin_gnn import LorentzNet, pairs
from lumin_plugin_gnn.lorentz_block import LorentzBlock, invariants, psi
from lumin_plugin_gnn.lorentz_net import BEAMS
from lumin_plugin_gnn.ordered_pairs import GridOfPairs, ListedPairs

MOMENTUM = ["px", "py", "pz", "E"]
METRIC = torch.diag(torch.tensor([-1.0, -1.0, -1.0, 1.0], dtype=torch.float64))


def make(feats=MOMENTUM, seed=1, **options):
    torch.manual_seed(seed)
    net = LorentzNet(len(feats), feats, **{"width": 6, "n_layers": 3, "c_weight": 0.05, "act": "swish", **options})
    for buffer in (b for name, b in net.named_buffers() if "running" in name):
        buffer.uniform_(0.5, 1.5)
    return net.double()


def boost(x=0.0, y=0.0, z=0.0):
    """Give the boost by a rapidity of the length of ``(x, y, z)``, along it: the exponential of its generator."""
    generator = torch.zeros(4, 4, dtype=torch.float64)
    generator[3, :3] = generator[:3, 3] = torch.tensor([x, y, z], dtype=torch.float64)
    return torch.linalg.matrix_exp(generator)


def rotation(x=0.0, y=0.0, z=0.0):
    """Give the rotation about ``(x, y, z)`` by an angle of its length."""
    generator = torch.zeros(4, 4, dtype=torch.float64)
    generator[:3, :3] = torch.tensor([[0, -z, y], [z, 0, -x], [-y, x, 0]], dtype=torch.float64)
    return torch.linalg.matrix_exp(generator)


def reflection(*axes):
    return torch.diag(torch.tensor([-1.0 if i in axes else 1.0 for i in range(4)], dtype=torch.float64))


FRAMES = {
    "boost along z": boost(z=1.3),
    "boost": boost(0.8, -0.5, 0.9),
    "rotation": rotation(0.4, 1.0, -2.0),
    "reflection": reflection(0, 1, 2),
    "both": boost(-0.7, 0.2, 0.4) @ rotation(1.0, 0.3, 0.5) @ boost(0.1, 1.0, 0.0),
}


def in_frame(frame, x):
    """Give objects ``(*, F)``, momenta first, as seen from another frame."""
    assert torch.allclose(frame.T @ METRIC @ frame, METRIC, atol=1e-12)
    return torch.cat((x[..., :4] @ frame.T, x[..., 4:]), dim=-1)


def same(net, x, other, mask):
    return torch.allclose(net(x, mask, x), net(other, mask, other), rtol=1e-8, atol=1e-9)


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("frame", FRAMES)
def test_features_are_the_same_in_any_frame_of_reference(frame, training, objects):
    x, mask = objects()
    net = make(beams=False).train(training)
    other = in_frame(FRAMES[frame], x)
    assert not torch.allclose(other, x, rtol=0.1)
    assert same(net, x, other, mask)
    if frame != "reflection":
        assert not same(make().train(training), x, other, mask)  # the beams fix a frame


@pytest.mark.parametrize(
    "frame", [rotation(z=0.7), rotation(z=-2.9), reflection(0), reflection(1), reflection(2), rotation(x=torch.pi)]
)
def test_beams_leave_rotations_about_them_and_reflections(frame, objects):
    x, mask = objects()
    assert same(make().eval(), x, in_frame(frame, x), mask)


@pytest.mark.parametrize("frame", [boost(z=0.5), boost(x=0.5), rotation(x=0.5)])
def test_beams_break_boosts_and_other_rotations_unless_they_take_part(frame, objects):
    x, mask = objects()
    net, moved = make().eval(), make().eval()
    other = in_frame(frame, x)
    assert not same(net, x, other, mask)
    moved._beams.copy_(in_frame(frame, moved._beams))
    assert torch.allclose(net(x, mask, x), moved(other, mask, other), rtol=1e-8, atol=1e-9)


def test_a_boost_along_the_beams_scales_them():
    beams, factors = torch.tensor(BEAMS, dtype=torch.float64), torch.tensor([0.5, -0.5]).double().exp()
    assert torch.allclose(in_frame(boost(z=0.5), beams), factors.unsqueeze(1) * beams)


@pytest.mark.parametrize("frame", FRAMES)
def test_momenta_inside_turn_with_the_frame(frame, objects):
    x, mask = objects()
    torch.manual_seed(1)
    given = {"lookup_init": normal_initialiser, "lookup_act": lookup_act}
    block = LorentzBlock(5, 0.05, act="relu", bn_class="batch_norm1d", **given).double()
    h, listed = torch.randn(4, 7, 5, dtype=torch.float64), ListedPairs(mask)
    new_h, new_x = block(h, x, mask, listed)
    other_h, other_x = block(h, in_frame(FRAMES[frame], x), mask, listed)
    assert not torch.allclose(new_x, x)
    assert torch.allclose(other_h, new_h, rtol=1e-8, atol=1e-9)
    assert torch.allclose(other_x, in_frame(FRAMES[frame], new_x), rtol=1e-8, atol=1e-9)


def norm_of(norm, rows, training):
    """Normalise a list of rows by their own statistics, or the running ones."""
    statistics = norm.bn.running_mean.clone(), norm.bn.running_var.clone()
    return list(nn.functional.batch_norm(torch.stack(rows), *statistics, norm.bn.weight, norm.bn.bias, training))


def signed_log(z):
    return z.sign() * (z.abs() + 1).log()


def block_by_loops(block, h, p, training):
    """One block, pair by pair, of scalars and momenta by event and object; the first layer as one of a long row."""
    places = [(i, j) for i in h for j in h if i != j and i[0] == j[0]]
    rows = []
    for i, j in places:
        difference = p[i] - p[j]
        invariant = torch.stack((signed_log(difference @ METRIC @ difference), signed_log(p[i] @ METRIC @ p[j])))
        rows.append(block.first_e.weight @ torch.cat((h[i], h[j], invariant)))
    messages = [block.act(block.last_e(block.act(row))) for row in norm_of(block.norm_e, rows, training)]
    received = {i: torch.zeros_like(h[i]) for i in h}
    moved = dict(p)
    for (i, j), message in zip(places, messages, strict=True):
        received[i] = received[i] + block.phi_m(message) * message
        moved[i] = moved[i] if block.phi_x is None else moved[i] + block.c * block.phi_x(message) * p[j]
    rows = norm_of(block.norm_h, [block.first_h(torch.cat((h[i], received[i]))) for i in h], training)
    return {i: h[i] + block.last_h(block.act(row)) for i, row in zip(h, rows, strict=True)}, moved


def by_loops(net, x, mask, *, beams, training):
    h, p = {}, {}
    for event in range(len(x)):
        present = [i for i in range(x.shape[1]) if mask[event, i]]
        for i in present:
            momentum = p[event, i] = x[event, i, :4]
            row = torch.cat((signed_log(momentum @ METRIC @ momentum).view(1), x[event, i, 4:]))
            h[event, i] = net.embedding(torch.cat((row, torch.zeros(1))) if beams else row)
        for beam in range(2 if beams and present else 0):
            p[event, f"beam {beam}"] = torch.tensor(BEAMS[beam], dtype=x.dtype)
            row = torch.tensor([0.0] * (net.embedding.in_features - 1) + [1.0], dtype=x.dtype)
            h[event, f"beam {beam}"] = net.embedding(row)
    for block in net.blocks:
        h, p = block_by_loops(block, h, p, training)
    nothing = torch.zeros(net.get_out_size(), dtype=x.dtype)
    rows = [h.get((event, i), nothing) for event in range(len(x)) for i in range(x.shape[1])]
    return torch.stack(rows).view(*x.shape[:2], -1)


def gradients(function, net, x):
    net.zero_grad()
    x = x.clone().requires_grad_()
    out = function(x)
    (out * torch.linspace(-1, 1, out.numel(), dtype=x.dtype).view(out.shape)).sum().backward()
    return [out.detach(), x.grad, *(p.grad.clone() for p in net.parameters())]


@pytest.mark.parametrize("beams", [True, False])
@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("n_more", [0, 2])
def test_values_and_gradients_are_those_of_a_loop_over_pairs(n_more, training, beams, objects):
    x, mask = objects(n=5, n_present=(5, 3, 1, 0))
    more, _ = objects(n=5, n_present=(5, 3, 1, 0), n_fpv=2)
    x = torch.cat((x, more), dim=-1) if n_more else x
    net = make([*MOMENTUM, "charge", "d0"][: 4 + n_more], beams=beams).train(training)
    expected = gradients(lambda x: by_loops(net, x, mask, beams=beams, training=training), net, x)
    found = gradients(lambda x: net(x, mask, x), net, x)
    assert all(torch.allclose(a, b, rtol=1e-9, atol=1e-9) for a, b in zip(found, expected, strict=True))


def test_gradients_are_right(objects):
    x, mask = objects(n_events=2, n=4, n_present=(4, 2))
    net = make(n_layers=2, width=4)
    x = (x / 10).requires_grad_()

    def function(x):
        present = x * mask.unsqueeze(-1)
        return net(present, mask, present)

    assert torch.autograd.gradcheck(function, x, atol=1e-5)


def test_psi_is_odd_and_of_slope_one_at_zero():
    z = torch.tensor([-1e6, -0.5, 0.0, 0.5, 1e6], dtype=torch.float64, requires_grad=True)
    assert torch.allclose(psi(z), signed_log(z))
    assert torch.allclose(torch.autograd.grad(psi(z).sum(), z)[0], 1 / (1 + z.abs()))


@pytest.mark.parametrize("beams", [True, False])
@pytest.mark.parametrize("training", [True, False])
def test_order_and_padding_change_nothing(training, beams, objects):
    x, mask = objects()
    net, order = make(beams=beams).train(training), torch.tensor([3, 0, 6, 1, 5, 2, 4])
    out = net(x, mask, x)
    assert (out[~mask] == 0).all()
    assert torch.allclose(net(x[:, order], mask[:, order], x[:, order]), out[:, order], atol=1e-11)
    longer = torch.cat((torch.zeros(4, 3, 4).double(), x), dim=1)
    longer_mask = torch.cat((torch.zeros(4, 3, dtype=torch.bool), mask), dim=1)
    padded = net(longer, longer_mask, longer)
    assert torch.allclose(padded[:, 3:], out, atol=1e-11)
    assert (padded[:, :3] == 0).all()


def test_single_precision_is_that_of_the_result(objects):
    """Constituents of some hundred GeV: in single precision squares of energies round by some 0.05 GeV²."""
    x, mask = objects(dtype=torch.float32)
    x = 20 * x
    net = make(act="relu").eval()
    exact = net(x.double(), mask, x.double())
    single = net.float()
    out = single(x, mask, x)
    assert torch.allclose(out.double(), exact, rtol=1e-5, atol=1e-5)
    longer = torch.cat((x, torch.zeros(4, 60, 4)), dim=1)
    longer_mask = torch.cat((mask, torch.zeros(4, 60, dtype=torch.bool)), dim=1)
    assert torch.allclose(single(longer, longer_mask, longer)[:, :7], out, rtol=1e-6, atol=1e-6)


def test_norms_see_pairs_and_objects_that_are_present_only(objects):
    x, mask = objects()
    net = make(beams=False, n_layers=1)
    for norm in (net.blocks[0].norm_e.bn, net.blocks[0].norm_h.bn):
        norm.reset_running_stats()
    h = net.embedding(psi(torch.einsum("bni,ij,bnj->bn", x, METRIC, x)).unsqueeze(-1))
    rows = [
        net.blocks[0].first_e(torch.cat((h[e, i], h[e, j], invariants(x[e, i], x[e, j]))))
        for e in range(4) for i in range(7) for j in range(7) if i != j and mask[e, i] and mask[e, j]
    ]  # fmt: skip
    net(x, mask, x)
    norm = net.blocks[0].norm_e.bn
    assert torch.allclose(norm.running_mean, 0.1 * torch.stack(rows).mean(0))
    assert torch.allclose(norm.running_var, 0.9 + 0.1 * torch.stack(rows).var(0))


@pytest.mark.parametrize("beams", [True, False])
def test_absent_objects_and_events_without_any_leave_the_statistics_as_they_are(beams, objects):
    x, mask = objects()
    net, padded = make(beams=beams), make(beams=beams)
    net(x[:3], mask[:3], x[:3])
    more = torch.cat((x, torch.zeros(4, 5, 4)), dim=1)
    padded(more, torch.cat((mask, torch.zeros(4, 5, dtype=torch.bool)), dim=1), more)
    buffers = dict(padded.named_buffers())
    assert all(torch.allclose(b.double(), buffers[name].double()) for name, b in net.named_buffers())


@pytest.mark.parametrize("beams", [True, False])
def test_evaluation_is_the_same_in_pieces(beams, objects, monkeypatch):
    x, mask = objects()
    net = make(beams=beams).eval()
    whole = net(x, mask, x)
    for n_pairs in (1, 100):
        monkeypatch.setitem(pairs.PAIRS_PER_PIECE, "cpu", n_pairs)
        assert torch.allclose(net(x, mask, x), whole, atol=1e-12)


def test_both_layouts_of_pairs_sum_the_same(objects):
    x, mask = objects()
    listed, grid = ListedPairs(mask), GridOfPairs(mask)
    sums = [p.total(p.receivers(x) * p.senders(x).sin()) for p in (listed, grid)]
    assert torch.allclose(*sums)
    expected = torch.zeros_like(x)
    for e, i, j in [(e, i, j) for e in range(4) for i in range(7) for j in range(7) if i != j]:
        expected[e, i] += x[e, i] * x[e, j].sin() * (mask[e, i] & mask[e, j])
    assert torch.allclose(sums[0], expected)


EDGES = {
    "massless": [[3.0, 4.0, 0.0, 5.0], [0.0, 0.0, 5.0, 5.0], [0.0, 0.0, -7.0, 7.0], [6.0, 8.0, 0.0, 10.0]],
    "zero": [[0.0, 0.0, 0.0, 0.0], [0.0, 0.0, 0.0, 0.0], [1.0, 2.0, 3.0, 4.0], [0.0, 0.0, 0.0, 91.0]],
    "identical": [[1.0, 2.0, 3.0, 4.0]] * 4,
    "huge": [[1e7, -1e7, 3e7, 4e7], [0.0, 1e8, 0.0, 1e8], [1.0, 0.0, 0.0, 1.0], [0.0, 0.0, -1e10, 1e10]],
    "of imaginary mass": [[3.0, 0.0, 0.0, 1.0], [0.0, 0.0, 1e3, 1.0], [1.0, 1.0, 1.0, 0.0], [1.0, 0.0, 0.0, -5.0]],
}


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("beams", [True, False])
@pytest.mark.parametrize("edge", EDGES)
def test_values_and_gradients_are_finite_for_any_momenta(edge, beams, training, dtype):
    x = torch.tensor([EDGES[edge], [[0.0] * 4] * 4], dtype=dtype)
    mask = torch.tensor([[True] * 4, [False] * 4])
    net = make(beams=beams, act="relu").to(dtype).train(training)
    assert all(t.isfinite().all() for t in gradients(lambda x: net(x, mask, x), net, x))


def test_what_an_extractor_in_front_made_is_not_looked_at(objects):
    x, mask = objects()
    net = make().eval()
    assert torch.equal(net(torch.full_like(x, torch.nan), mask, x), net(x, mask, x))


def test_columns_may_be_in_any_order(objects):
    x, mask = objects(n_fpv=5)
    net, other = make([*MOMENTUM, "charge"]).eval(), make(["E", "charge", "pz", "py", "px"]).eval()
    mixed = x[..., [3, 4, 2, 1, 0]]
    assert torch.equal(net(x, mask, x), other(mixed, mask, mixed))
    assert not torch.allclose(net(x, mask, x), net(x, mask, x + torch.tensor([0, 0, 0, 0, 1.0])))


def test_presets_are_those_of_the_paper():
    net = LorentzNet(4, MOMENTUM)
    assert (net.get_out_size(), len(net.blocks), net.blocks[0].c) == (72, 6, 5e-3)
    n_phi_e = (2 * 72 + 2) * 72 + 2 * 72 + 72 * 72 + 72
    n_phi_h = 2 * 72 * 72 + 2 * 72 + 72 * 72 + 72
    n_phi_x, n_phi_m, n_embedding = 72 * 72 + 72 + 72, 73, 3 * 72
    n_params = 6 * (n_phi_e + n_phi_h + n_phi_m) + 5 * n_phi_x + n_embedding
    assert sum(p.numel() for p in net.parameters()) == n_params == 217_374
    lite = LorentzNet(4, MOMENTUM, preset="lite", n_layers=3, beams=False)
    assert (lite.get_out_size(), len(lite.blocks), lite.embedding.in_features) == (16, 3, 1)


def test_without_a_weight_momenta_stay(objects):
    x, mask = objects()
    net = make(c_weight=0.0)
    assert all(block.phi_x is None for block in net.blocks)
    assert all(t.isfinite().all() for t in gradients(lambda x: net(x, mask, x), net, x))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"feats_per_vec": ["px", "py", "pz"]}, "lorentz_net needs the 4-momenta .* E missing in"),
        ({"preset": "tiny"}, "preset must be one of paper, lite"),
        ({"preset": "light"}, "did you mean 'lite'"),
        ({"width": 0}, "positive whole numbers are needed, got width=0"),
        ({"n_layers": 0}, "positive whole numbers are needed, got n_layers=0"),
    ],
)
def test_options_are_checked(options, words):
    with pytest.raises(ConfigError, match=words):
        LorentzNet(**{"n_fpv": 4, "feats_per_vec": MOMENTUM, **options})
