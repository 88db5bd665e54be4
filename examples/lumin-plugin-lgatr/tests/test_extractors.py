"""Both extractors: frames of reference, padding, order, coordinates, messages."""

import pytest
import torch

from lumin_core.errors import ConfigError
from lumin_plugin_lgatr import Lgatr, LgatrSlim
from lumin_plugin_lgatr.momenta import Momenta

CARTESIAN = ["px", "py", "pz", "E"]
BOTH = pytest.mark.parametrize("cls", [Lgatr, LgatrSlim])
LORENTZ, ROTATIONS, ALONG_Z, ABOUT_Z = (
    {"boost along z", "boost", "rotation about z", "rotation"},
    {"rotation about z", "rotation"},
    {"boost along z", "rotation about z"},
    {"rotation about z"},
)


def make(cls, feats=CARTESIAN, seed=1, **options):
    torch.manual_seed(seed)
    return cls(len(feats), feats, **{**cls.example_options, "n_blocks": 2, **options}).double().eval()


def far(net, momenta, other, mask):
    """Give the largest change, relative to the spread of what comes out."""
    first, second = net(momenta, mask, momenta).detach(), net(other, mask, other).detach()
    return float((first - second).abs().max() / first[mask].std())


@pytest.mark.parametrize(
    ("cls", "spurions", "symmetries"),
    [
        (Lgatr, (None, False), LORENTZ),
        (Lgatr, (None, True), ROTATIONS),
        (Lgatr, ("xyplane", False), ALONG_Z),
        (Lgatr, ("xyplane", True), ABOUT_Z),
        (LgatrSlim, (None, False), LORENTZ),
        (LgatrSlim, (None, True), ROTATIONS),
        (LgatrSlim, ("lightlike", True), ABOUT_Z),
    ],
)
def test_scalars_stay_in_the_frames_that_spurions_leave(cls, spurions, symmetries, frame, objects):
    momenta, mask = objects
    name, matrix = frame
    net = make(cls, beam_spurion=spurions[0], time_spurion=spurions[1])
    change = far(net, momenta, momenta @ matrix.T, mask)
    assert change < 1e-4 if name in symmetries else change > 1e-3


@BOTH
def test_absent_objects_change_nothing_and_give_zero(cls, objects):
    momenta, mask = objects
    net = make(cls)
    found = net(momenta, mask, momenta)
    assert found[mask].ne(0).any(-1).all()
    assert found[~mask].eq(0).all()
    padded, wider = torch.nn.functional.pad(momenta, (0, 0, 0, 5)), torch.nn.functional.pad(mask, (0, 5))
    assert torch.allclose(net(padded, wider, padded)[:, :6], found, atol=1e-12)
    other = momenta.masked_fill(~mask.unsqueeze(-1), 7.0)
    assert torch.allclose(net(other, mask, other), found, atol=1e-12)


@BOTH
def test_the_order_of_objects_is_that_of_the_output_and_changes_nothing_else(cls, objects):
    momenta, mask = objects
    net, order = make(cls), torch.tensor([3, 0, 5, 1, 4, 2])
    moved = momenta[:, order]
    assert torch.allclose(net(moved, mask[:, order], moved), net(momenta, mask, momenta)[:, order], atol=1e-12)


@BOTH
def test_objects_are_seen_by_others(cls, objects):
    momenta, mask = objects
    net, other = make(cls), momenta.clone()
    other[0, 0] *= 2
    change = net(other, mask, other) - net(momenta, mask, momenta)
    assert change[0].abs().amax(-1).gt(1e-8).all()
    assert change[1:].eq(0).all()


@BOTH
def test_other_features_are_scalars_that_count(cls, objects):
    momenta, mask = objects
    charge = torch.ones_like(momenta[..., :1])
    net = make(cls, feats=["charge", *CARTESIAN])
    one, other = (torch.cat((sign * charge, momenta), dim=-1) for sign in (1, -1))
    assert not torch.allclose(net(one, mask, one), net(other, mask, other))


@BOTH
def test_every_parameter_has_a_gradient(cls, objects):
    momenta, mask = objects
    net = make(cls).train()
    net(momenta, mask, momenta).square().sum().backward()
    without = [name for name, p in net.named_parameters() if p.requires_grad and (p.grad is None or not p.grad.any())]
    assert without == []


@BOTH
def test_collider_coordinates_are_the_same_momenta(cls, objects):
    momenta, mask = objects
    px, py, pz, energy = momenta.unbind(-1)
    pt = torch.hypot(px, py)
    mass = (energy.square() - pt.square() - pz.square()).clamp_min(0).sqrt()
    collider = torch.stack((mass, (pz / pt).nan_to_num().asinh(), torch.atan2(py, px), pt), dim=-1)
    net = make(cls, feats=["mass", "eta", "phi", "pt"], coords="collider")
    expected = make(cls)(momenta, mask, momenta)
    assert torch.allclose(net(collider, mask, collider), expected, atol=1e-8)


def test_momenta_are_scaled():
    p, others = Momenta(["E", "px", "py", "pz"], "cartesian", 20.0)(torch.tensor([[40.0, 20.0, 0.0, 10.0]]))
    assert p.tolist() == [[2.0, 1.0, 0.0, 0.5]]
    assert others.shape == (1, 0)


@pytest.mark.parametrize(
    ("cls", "options", "message"),
    [
        (Lgatr, {"coords": "colider"}, "coords must be one of .*; did you mean 'collider'"),
        (Lgatr, {"coords": "collider"}, r"pt, eta, phi, mass missing in .* coords='cartesian' takes E, px, py, pz"),
        (Lgatr, {"unit": 0}, "unit must be a positive energy in GeV, got 0"),
        (Lgatr, {"n_heads": 0}, "positive whole numbers are needed, got n_heads=0"),
        (Lgatr, {"dropout": 1.5}, r"dropout must be in \[0, 1\), got 1.5"),
        (Lgatr, {"beam_spurion": "xy_plane"}, "beam_spurion must be one of .* or None, got 'xy_plane'"),
        (LgatrSlim, {"beam_spurion": "xyplane"}, "beam_spurion must be one of lightlike, spacelike, timelike or None"),
    ],
)
def test_options_are_checked(cls, options, message):
    with pytest.raises(ConfigError, match=message):
        make(cls, **options)
