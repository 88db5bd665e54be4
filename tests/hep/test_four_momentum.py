import numpy as np
import pytest
import torch
import vector

from lumin_core.errors import ShapeError
from lumin_plugin_hep.four_momentum import boost_to_rest, complete_energy, pair_cosines

TOLERANCE = {torch.float64: 1e-9, torch.float32: 1e-4}


def momenta(n, seed, *, pt=30.0, mass=5.0, dtype=torch.float64):
    """Make particles with pseudorapidities of up to about 3."""
    rng = np.random.default_rng(seed)
    vectors = rng.normal(0, pt, (n, 3)) * [1, 1, 3]
    masses = rng.uniform(0.5, 2, n) * mass
    energies = np.sqrt((vectors**2).sum(1) + masses**2)
    return torch.tensor(np.column_stack((vectors, energies)), dtype=dtype)


def in_vector(tensor):
    px, py, pz, energy = tensor.double().numpy().T
    return vector.array({"px": px, "py": py, "pz": pz, "E": energy})


def mass2(tensor):
    return tensor[..., 3].square() - tensor[..., :3].square().sum(-1)


@pytest.mark.parametrize("dtype", TOLERANCE)
def test_boosts_are_those_of_vector(dtype):
    p, frame = momenta(2000, 1, dtype=dtype), momenta(2000, 2, mass=60.0, dtype=dtype)
    expected = in_vector(p).boostCM_of_p4(in_vector(frame))
    boosted = boost_to_rest(p, frame)
    assert boosted.dtype == dtype
    for column, name in enumerate(["px", "py", "pz", "E"]):
        difference = np.abs(boosted[:, column].double().numpy() - expected[name]) / expected["E"]
        assert difference.max() < TOLERANCE[dtype]


@pytest.mark.parametrize("dtype", TOLERANCE)
def test_a_particle_is_at_rest_in_its_own_frame(dtype):
    p = momenta(1000, 3, mass=30.0, dtype=dtype)
    at_rest = torch.cat((torch.zeros_like(p[:, :3]), mass2(p.double()).sqrt().unsqueeze(1).to(dtype)), 1)
    torch.testing.assert_close(boost_to_rest(p, p), at_rest, rtol=TOLERANCE[dtype], atol=30 * TOLERANCE[dtype])


def test_a_frame_at_rest_changes_nothing():
    p = momenta(100, 4)
    torch.testing.assert_close(boost_to_rest(p, torch.tensor([0.0, 0.0, 0.0, 7.0]).double()), p)


def test_the_opposite_frame_undoes_a_boost():
    p, frame = momenta(100, 5), momenta(100, 6, mass=50.0)
    back = frame * torch.tensor([-1.0, -1.0, -1.0, 1.0])
    torch.testing.assert_close(boost_to_rest(boost_to_rest(p, frame), back), p)


def test_boosts_keep_products_of_momenta():
    p, q, frame = (momenta(100, seed) for seed in (7, 8, 9))
    total = boost_to_rest(p, frame) + boost_to_rest(q, frame)
    torch.testing.assert_close(mass2(total), mass2(p + q))


def test_the_scale_of_a_frame_does_not_matter():
    p, frame = momenta(100, 10), momenta(100, 11)
    torch.testing.assert_close(boost_to_rest(p, 1e4 * frame), boost_to_rest(p, frame))


def test_frames_broadcast():
    p, frame = momenta(12, 12).view(4, 3, 4), momenta(4, 13).view(4, 1, 4)
    torch.testing.assert_close(boost_to_rest(p, frame)[1, 2], boost_to_rest(p[1, 2], frame[1, 0]))


def awkward():
    """Momenta at which formulas break: none, at rest, massless, forward at 3 TeV, nearly collinear, unphysical."""
    return [
        [0.0, 0, 0, 0],
        [0, 0, 0, 91],
        [0, 0, 3000, 3000],
        [0, 3, 4, 5],
        [1e-4, 0, -3000, 3000.0002],
        [3000, 1e-3, 0, 3000],
        [0, 0, 1e-4, 1e-4],
        [50, 20, 0, 0],
        [0, 0, 1e8, 1e8],
    ]


@pytest.mark.parametrize("dtype", TOLERANCE)
def test_values_and_gradients_are_finite_for_whatever_comes(dtype):
    rows = torch.tensor(awkward(), dtype=dtype)
    n = len(rows)
    p = rows.repeat(n, 1).requires_grad_()
    frame = rows.repeat_interleave(n, 0).requires_grad_()
    boosted = boost_to_rest(p, frame)
    cosines = pair_cosines(boosted.view(n, n, 4))
    assert boosted.isfinite().all()
    assert cosines.isfinite().all()
    assert cosines.abs().max() <= 1 + 1e-5
    (boosted.sum() + cosines.sum()).backward()
    assert p.grad.isfinite().all()
    assert frame.grad.isfinite().all()


def test_a_light_like_frame_has_a_bounded_boost():
    photon = torch.tensor([0.0, 0.0, 3000.0, 3000.0])
    opposite = photon * torch.tensor([1.0, 1.0, -1.0, 1.0])
    gamma = boost_to_rest(torch.tensor([0.0, 0.0, 0.0, 1.0]), photon)[3].item()
    assert 900 < gamma < 1100
    assert boost_to_rest(opposite, photon)[3] == pytest.approx(2 * gamma * 3000, rel=1e-3)


@pytest.mark.parametrize("gamma", [1.001, 2, 30, 300])
def test_a_3_tev_particle_stands_in_its_own_frame_in_float32(gamma):
    direction = torch.nn.functional.normalize(torch.tensor([0.01, -0.02, 1.0]), dim=0)
    size = 3000 * (1 - gamma**-2) ** 0.5
    p = torch.cat((size * direction, torch.tensor([3000.0])))
    boosted = boost_to_rest(p, p)
    assert boosted[:3].norm() < 1e-6 * gamma * 3000
    assert boosted[3] == pytest.approx(3000 / gamma, rel=max(1e-5, 2e-7 * gamma**2))


@pytest.mark.parametrize("function", [boost_to_rest, lambda p, frame: pair_cosines(boost_to_rest(p, frame))])
def test_gradients_are_the_derivatives(function):
    p, frame = momenta(4, 14), momenta(4, 15, mass=40.0)
    assert torch.autograd.gradcheck(function, (p.requires_grad_(), frame.requires_grad_()))


def test_energies_below_the_momentum_are_raised_to_it():
    p = torch.tensor([[3.0, 0, 4, -1], [3, 0, 4, 5.5], [0, 0, 0, 0]])
    assert complete_energy(p)[:, 3].tolist() == [5, 5.5, 0]
    assert complete_energy(p[:, :3])[:, 3].tolist() == [5, 5, 0]
    assert complete_energy(p)[:, :3].equal(p[:, :3])


def test_completing_energies_has_finite_gradients_where_nothing_is():
    p = torch.zeros(2, 4, requires_grad=True)
    complete_energy(p).sum().backward()
    assert p.grad.isfinite().all()


def test_cosines_are_those_of_numpy():
    p = momenta(20, 16).view(4, 5, 4)
    unit = (p / p[..., :3].norm(dim=-1, keepdim=True)).numpy()[..., :3]
    first, second = np.triu_indices(5, 1)
    expected = np.einsum("bnc,bnc->bn", unit[:, first], unit[:, second])
    np.testing.assert_allclose(pair_cosines(p), expected, atol=1e-12)


def test_cosines_do_not_know_the_scale():
    p = momenta(6, 17)
    torch.testing.assert_close(pair_cosines(1e3 * p), pair_cosines(p))


def test_cosines_vanish_smoothly_for_particles_at_rest():
    other = [1.0, 0.0, 0.0, 1.0]
    cosines = [pair_cosines(torch.tensor([other, [px, 0.0, 0.0, 100.0]])).item() for px in (0, 1e-3, 1e-2, 0.1)]
    assert cosines[0] == 0
    assert 0 < cosines[1] < cosines[2] < 1
    assert cosines[3] == pytest.approx(1)


def test_one_particle_has_no_pair():
    assert pair_cosines(torch.ones(7, 1, 4)).shape == (7, 0)


def test_empty_batches_keep_their_shapes():
    assert boost_to_rest(torch.ones(0, 3, 4), torch.ones(0, 3, 4)).shape == (0, 3, 4)
    assert pair_cosines(torch.ones(0, 3, 4)).shape == (0, 3)
    assert complete_energy(torch.ones(0, 3)).shape == (0, 4)


def test_other_shapes_are_refused():
    good, bad = torch.ones(2, 4), torch.ones(2, 3)
    for p, frame in ((bad, good), (good, bad), (torch.tensor(1.0), good)):
        with pytest.raises(ShapeError, match=r"momenta must end in \(px, py, pz, E\), got shape"):
            boost_to_rest(p, frame)
    with pytest.raises(ShapeError, match=r"got shape \(2, 3\)"):
        pair_cosines(bad)
    with pytest.raises(ShapeError, match=r"\(\*, N, 4\), got \(4,\)"):
        pair_cosines(torch.ones(4))
    with pytest.raises(ShapeError, match=r"\(px, py, pz\) or \(px, py, pz, E\), got shape \(2, 5\)"):
        complete_energy(torch.ones(2, 5))
