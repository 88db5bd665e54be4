import numpy as np
import pandas as pd
import pytest
import torch
import vector

from lumin_core.errors import ConfigError, DataError, ShapeError
from lumin_plugin_hep import boost, boost2cm, delta_r_boosted, to_pt_eta_phi

BACKWARDS = np.array([-1, -1, -1, 1], dtype="float32")


def four_momenta(momenta, n, dtype="float64", seed=1, lightest=0.0, edges=False):
    """Give ``(px, py, pz, E)``, shape ``(n, 4)``."""
    px, py, pz, mass = momenta(n + 13, "float64", seed)[:, 0 if edges else 13 :]
    return np.stack((px, py, pz, np.sqrt(px**2 + py**2 + pz**2 + np.maximum(mass, lightest) ** 2)), axis=-1).astype(
        dtype
    )


def as_vector(momenta):
    return vector.array(dict(zip(("px", "py", "pz", "E"), np.asarray(momenta, dtype="float64").T, strict=True)))


def as_array(momenta):
    return np.stack([momenta.px, momenta.py, momenta.pz, momenta.E], axis=-1)


def frame(a, b, c, index=None):
    values = {
        f"{vec}_{x}": p[:, i]
        for vec, p in zip("abc", (a, b, c), strict=True)
        for i, x in enumerate(("px", "py", "pz", "E"))
    }
    return pd.DataFrame(values, index=index)


@pytest.mark.parametrize(("dtype", "tolerance"), [("float64", 1e-11), ("float32", 1e-6)])
def test_boosts_are_those_of_vector(momenta, library, dtype, tolerance):
    p = four_momenta(momenta, 10**5, dtype, edges=True)
    velocities = np.random.default_rng(1).uniform(-0.57, 0.57, (len(p), 3)).astype(dtype)
    velocities[:3] = 0
    reference = as_vector(p).boost_beta3(vector.array(dict(zip("xyz", velocities.astype("float64").T, strict=True))))
    result = boost(library(p), library(velocities))
    assert str(result.dtype).endswith(dtype)
    assert (np.abs(np.asarray(result) - as_array(reference)) <= tolerance * reference.E[:, None]).all()
    np.testing.assert_array_equal(np.asarray(result)[:3], p[:3])


def test_boosts_along_momenta_are_those_of_vector(momenta, library):
    p, frames = four_momenta(momenta, 10**4), four_momenta(momenta, 10**4, seed=2, lightest=100)
    reference = as_vector(p).boost_p4(as_vector(frames))
    result = np.asarray(boost(library(p), library(frames), rescale_boost=True))
    assert (np.abs(result - as_array(reference)) <= 1e-10 * reference.E[:, None]).all()


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_a_boost_into_its_own_rest_frame_gives_a_particle_at_rest(momenta, library, dtype):
    p = four_momenta(momenta, 10**4, dtype, lightest=5)  # gamma to 600
    mass = np.sqrt(np.maximum(as_vector(p).tau2, 0))
    along = boost(library(p), library(p * BACKWARDS), rescale_boost=True)
    assert np.abs(np.asarray(along)[:, :3]).max() <= 1e-6
    np.testing.assert_allclose(np.asarray(along)[:, 3], mass, rtol=1e-6)
    if library is np.asarray or dtype == "float64":  # a velocity in float32 is too coarse
        by_velocity = np.asarray(boost(library(p), boost2cm(library(p))))
        assert np.abs(by_velocity[:, :3]).max() <= 1e-6
        np.testing.assert_allclose(by_velocity[:, 3], mass, rtol=1e-6)


def test_a_forward_particle_of_3_tev_in_float32_comes_to_rest(library):
    """Its energy and momentum differ by 5 in 10^7 alone, of which float32 resolves 1."""
    p = np.array([[0.5, 0.1, 3000.0, np.sqrt(3000.0**2 + 3.0**2 + 0.26)]] * 2, dtype="float32")
    exact = p.astype(np.float64)
    size = np.sqrt((exact[:, :3] ** 2).sum(axis=1))
    mass = np.sqrt((exact[:, 3] - size) * (exact[:, 3] + size))
    at_rest = np.asarray(boost(library(p), library(p * BACKWARDS), rescale_boost=True))
    np.testing.assert_allclose(at_rest, np.stack((*[0 * mass] * 3, mass), axis=-1), rtol=1e-6, atol=1e-6)
    back = np.asarray(boost(library(at_rest), library(p), rescale_boost=True))
    np.testing.assert_allclose(back, p, rtol=1e-6, atol=1e-5)
    if library is np.asarray:
        np.testing.assert_allclose(boost(p, boost2cm(p))[:, :3], 0, atol=1e-5)


def test_boosts_there_and_back_and_in_two_steps(momenta, library):
    p = library(four_momenta(momenta, 1000))
    velocity = np.zeros((1000, 3))
    velocity[:, 2] = 0.6
    there = boost(p, library(velocity))
    np.testing.assert_allclose(np.asarray(boost(there, library(-velocity))), np.asarray(p), rtol=1e-10, atol=1e-10)
    twice = boost(there, library(velocity))
    once = boost(p, library(velocity / 0.6 * (1.2 / 1.36)))
    np.testing.assert_allclose(np.asarray(twice), np.asarray(once), rtol=1e-10, atol=1e-10)


def test_boosts_keep_masses(momenta):
    p, frames = four_momenta(momenta, 1000), four_momenta(momenta, 1000, seed=2, lightest=50)
    result = boost(p, frames, rescale_boost=True)
    wrong = np.abs(as_vector(result).tau2 - as_vector(p).tau2)
    assert (wrong <= 1e-13 * np.maximum(result[:, 3], p[:, 3]) ** 2).all()


def test_velocities_are_those_of_vector(momenta, library):
    p = four_momenta(momenta, 1000, lightest=1)
    beta = as_vector(p).to_beta3()
    result = boost2cm(library(p))
    np.testing.assert_allclose(np.asarray(result), -np.stack((beta.x, beta.y, beta.z), axis=-1), rtol=1e-12)
    assert boost2cm(np.float32([[3, 0, 0, 5]])).dtype == np.float64
    assert boost2cm(torch.tensor([[3.0, 0, 0, 5]])).dtype == torch.float32


@pytest.mark.parametrize(("dtype", "tolerance"), [("float64", 1e-8), ("float32", 1e-3)])
def test_delta_r_boosted_is_that_of_vector(momenta, library, dtype, tolerance):
    a, b = (four_momenta(momenta, 1000, dtype, seed=seed, lightest=0.1) for seed in (1, 2))
    frames = a + b + four_momenta(momenta, 1000, dtype, seed=3, lightest=50)
    v, w = (as_vector(p).boostCM_of_p4(as_vector(frames)) for p in (a, b))
    central = (np.abs(v.eta) < 4) & (np.abs(w.eta) < 4)
    result = delta_r_boosted(library(a), library(b), library(frames))
    assert str(result.dtype).endswith(dtype)
    np.testing.assert_allclose(np.asarray(result)[central], v.deltaR(w)[central], rtol=tolerance, atol=tolerance)
    assert np.isfinite(np.asarray(result)).all()


def test_decays_are_back_to_back_in_the_rest_frame(momenta, library):
    a, b = (four_momenta(momenta, 1000, seed=seed, lightest=0.1) for seed in (1, 2))
    v = to_pt_eta_phi(boost(a, (a + b) * BACKWARDS, rescale_boost=True))
    wanted = np.hypot(np.pi, 2 * v[:, 1])
    result = delta_r_boosted(library(a), library(b), library(a + b))
    np.testing.assert_allclose(np.asarray(result), wanted, rtol=1e-5)


def test_fault_delta_r_boosted_in_place_gives_each_row_its_own(momenta):
    a, b = (four_momenta(momenta, 6, seed=seed, lightest=1) for seed in (1, 2))
    df = frame(a, b, a + b)
    selected = df[[False, True, False, True, True, False]]
    before = selected.copy()
    wanted = delta_r_boosted(a, b, a + b)[[1, 3, 4]]
    np.testing.assert_allclose(delta_r_boosted("a", "b", "c", selected), wanted)
    pd.testing.assert_frame_equal(selected, before)
    assert delta_r_boosted("a", "b", "c", selected, inplace=True) is None
    np.testing.assert_allclose(selected["dR_a_b_boosted_c"], wanted)
    delta_r_boosted("a", b[[1, 3, 4]], "c", selected, name="mixed", inplace=True)
    np.testing.assert_allclose(selected["mixed"], wanted)
    delta_r_boosted(a[[1, 3, 4]], "b", "c", selected, inplace=True)
    np.testing.assert_allclose(selected["dR_boosted"], wanted)
    assert list(selected.index) == [1, 3, 4]


def test_fault_momenta_given_as_pt_eta_phi_work(momenta):
    a, b, c = (four_momenta(momenta, 50, seed=seed, lightest=1) for seed in (1, 2, 3))
    df = frame(a, b, c, index=np.arange(50)[::-1])
    other = df
    for vec in "abc":
        other = to_pt_eta_phi(other, vec, drop=True)
    before = other.copy()
    np.testing.assert_allclose(boost2cm("a", other), boost2cm(a), rtol=1e-9, atol=1e-12)
    wanted = boost(a, c, rescale_boost=True)
    for columns in (df, other):
        result = boost("a", "c", columns, rescale_boost=True)
        assert (np.abs(result - wanted) <= 1e-7 * wanted[:, 3:]).all()
    central = np.abs(to_pt_eta_phi(boost(a, c * BACKWARDS, rescale_boost=True))[:, 1]) < 5
    np.testing.assert_allclose(
        delta_r_boosted("a", "b", "c", other)[central], delta_r_boosted(a, b, c)[central], rtol=1e-4
    )
    pd.testing.assert_frame_equal(other, before)


def test_columns_of_velocities_and_without_energy():
    df = pd.DataFrame(
        {"p_px": [3.0], "p_py": [0.0], "p_pz": [0.0], "p_mass": [4.0], "v_px": [0.0], "v_py": [0.0], "v_pz": [0.6]}
    )
    np.testing.assert_allclose(boost("p", "v", df), [[3, 0, 3.75, 6.25]])
    np.testing.assert_allclose(boost2cm("p", df), [[-0.6, 0, 0]])
    np.testing.assert_allclose(boost("p", boost2cm("p", df)[0], df), [[0, 0, 0, 4]], atol=1e-12)


def test_massless_particles_have_no_rest_frame(library):
    p = library(np.array([[0.0, 0, 1, 2], [0, 0, 1, 1], [0, 0, 1 + 1e-6, 1], [0, 0, 0, 0]]))
    apart = library(np.array([[1.0, 0, 0, 2]] * 4))
    for result in (boost(p, p, rescale_boost=True), boost2cm(p), delta_r_boosted(apart, p, p)[:, None]):
        nan = np.isnan(np.asarray(result))
        assert nan.all(axis=1).tolist() == nan.any(axis=1).tolist() == [False, True, True, True]
    assert np.isnan(np.asarray(boost(p, boost2cm(p)))).any(axis=1).tolist() == [False, True, True, True]
    assert np.isnan(np.asarray(boost(p[:1], library(np.array([[0.0, 0, 1]]))))).all()


def test_arrays_of_frames_faster_than_light_are_refused_by_number():
    p = np.array([[0.0, 0, 1, 2], [0, 0, 2, 1], [0, 0, 1.1, 1], [0, 0, 0, 0], [np.nan] * 4])
    message = r"faster than light, got 2 of 5 rows .* rescale_boost=True; and make absent objects NaN"
    with pytest.raises(DataError, match=message):
        boost2cm(p)
    with pytest.raises(DataError, match=message):
        boost(p, p, rescale_boost=True)
    with pytest.raises(DataError, match=message):
        delta_r_boosted(p, p, p)
    with pytest.raises(DataError, match="got 1 of 1 rows"):
        boost(p[:1], np.array([[0.0, 0, 1.1]]))
    with pytest.raises(DataError, match="rescale_boost=True"):
        boost("a", "b", frame(p[:1], 3 * p[:1], p[:1]))


def test_tensors_of_frames_faster_than_light_are_nan():
    p = torch.tensor([[0.0, 0, 1, 2], [0, 0, 2, 1]])
    for result in (boost(p, p, rescale_boost=True), boost2cm(p), boost(p, 0.9 * p[:, :3])):
        assert result.isnan().all(dim=-1).tolist() == [False, True]
        assert result[0].isfinite().all()


def test_absent_objects_stay_nan_alone(library):
    p = np.array([[0.0, 0, 1, 2], [np.nan] * 4, [1, 0, 0, 2]])
    other = np.array([[1.0, 0, 1, 2], [1, 0, 0, 2], [np.nan] * 4])
    result = np.asarray(boost(library(p), library(other), rescale_boost=True))
    np.testing.assert_array_equal(np.isnan(result).all(axis=1), [False, True, True])
    assert np.isfinite(result[0]).all()
    assert np.isnan(np.asarray(boost2cm(library(p)))).all(axis=1).tolist() == [False, True, False]
    third = np.array([[0.0, 1, 0, 2]] * 3)
    distances = np.asarray(delta_r_boosted(library(p), library(third), library(other)))
    np.testing.assert_array_equal(np.isnan(distances), [False, True, True])


def test_shapes_are_kept_and_broadcast(library):
    p = library(np.array([[0.0, 0, 1, 2]]))
    assert tuple(boost(p[:0], p[:0, :3]).shape) == (0, 4)
    assert tuple(boost2cm(p[:0]).shape) == (0, 3)
    assert tuple(delta_r_boosted(p[:0], p[:0], p[:0]).shape) == (0,)
    assert tuple(boost(p, p[0], rescale_boost=True).shape) == (1, 4)


def test_gradients_are_those_of_finite_differences():
    p = torch.tensor([[3.0, 1, -2, 6]], dtype=torch.float64, requires_grad=True)
    q = torch.tensor([[1.0, -1, 2, 5]], dtype=torch.float64, requires_grad=True)
    r = torch.tensor([[1.0, 2, 5, 9]], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda p, q: boost(p, q, rescale_boost=True), (p, q))
    assert torch.autograd.gradcheck(lambda p, q: boost(p, boost2cm(q)), (p, q))
    assert torch.autograd.gradcheck(delta_r_boosted, (p, q, r))


def test_errors_name_the_way_out(library):
    p = library(np.array([[0.0, 0, 1, 2]]))
    with pytest.raises(
        ShapeError, match=r"velocities, shape \(\*, 3\), or with rescale_boost=True .* got shape \(1, 4\)"
    ):
        boost(p, p)
    with pytest.raises(ShapeError, match=r"\(px, py, pz, E\), shape \(\*, 4\), got shape \(1, 3\)"):
        boost(p, p[:, :3], rescale_boost=True)
    with pytest.raises(ConfigError, match="'tau' names columns: pass df="):
        boost2cm("tau")
    with pytest.raises(ConfigError, match="adds the column 'dR_boosted' to a frame: pass df="):
        delta_r_boosted(p, p, p, inplace=True)
    with pytest.raises(DataError, match="did you mean 'tau'"):
        boost2cm("tua", {"tau_px": [1.0], "tau_py": [1.0]})
