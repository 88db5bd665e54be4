import numpy as np
import pandas as pd
import pytest
import torch
import vector

from lumin_core.errors import ConfigError, DataError
from lumin_plugin_hep import calc_pair_mass, to_pt_eta_phi

BOUND = {"float64": 1e-14, "float32": 1e-6}
FEATS = {f"{i}_{c}": f"{'ab'[i]}_{c}" for i in range(2) for c in ("px", "py", "pz")}
exact = np.longdouble
needs_more_than_doubles = pytest.mark.skipif(
    np.finfo(exact).eps > 1e-18, reason="long doubles are no finer than doubles on this machine"
)


def pairs(library, first, second):
    names = ("px", "py", "pz")
    return {f"{vec}_{c}": library(p[i]) for vec, p in (("a", first), ("b", second)) for i, c in enumerate(names)}


def reference(first, second, mass_0, mass_1):
    """Give squared masses and energies, in long doubles."""
    first, second, mass_0, mass_1 = (np.asarray(values).astype(exact) for values in (first, second, mass_0, mass_1))
    energy = np.sqrt((first**2).sum(0) + mass_0**2) + np.sqrt((second**2).sum(0) + mass_1**2)
    return energy**2 - ((first + second) ** 2).sum(0), energy


@needs_more_than_doubles
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_masses_do_not_cancel(momenta, library, dtype):
    *first, mass_0 = momenta(10**6, dtype)
    *second, mass_1 = momenta(10**6, dtype, seed=2)
    first, second = np.stack(first), np.stack(second)
    near = np.arange(1000, 200_000)  # collinear, but for some rounding
    second[:, near] = first[:, near] * mass_1[near].clip(0.1)
    result = calc_pair_mass(pairs(library, first, second), (library(mass_0), library(mass_1)), FEATS)
    assert str(result.dtype).endswith(dtype)
    wanted, energy = reference(first, second, mass_0, mass_1)
    wrong = np.abs(np.asarray(result).astype(exact) ** 2 - wanted)
    assert (wrong <= BOUND[dtype] * energy**2).all()


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_massless_collinear_pairs_have_mass_zero(momenta, library, dtype):
    vectors = np.stack(momenta(10_000, "float32")[:3])
    for factor in (1, 2, 3, 0):
        first = vectors.astype(dtype)
        second = (factor * vectors).astype(dtype)
        exact_multiple = second.astype("float64") == factor * vectors.astype("float64")
        result = np.asarray(calc_pair_mass(pairs(library, first, second), (0, 0), FEATS))
        assert np.isfinite(result).all()
        assert (result[exact_multiple.all(axis=0)] == 0).all()
        assert (result <= 1e-7 * np.linalg.norm(first, axis=0)).all()


def test_masses_are_those_of_vector(momenta, library):
    first, second = (momenta(10_000, seed=seed)[:, 13:] for seed in (1, 2))
    v, w = (vector.array(dict(zip(("px", "py", "pz", "mass"), p, strict=True))) for p in (first, second))
    total = v + w
    masses = library(first[3]), library(second[3])
    result = np.asarray(calc_pair_mass(pairs(library, first, second), masses, FEATS))
    assert (np.abs(result**2 - total.tau2) <= 2e-13 * total.E**2).all()


def test_masses_do_not_see_the_order_or_a_rotation(momenta):
    first, second = (momenta(1000, seed=seed)[:3] for seed in (1, 2))
    cos, sin = np.cos(0.7), np.sin(0.7)
    turn = np.array([[cos, -sin, 0], [sin, cos, 0], [0, 0, -1]])
    masses = calc_pair_mass(pairs(np.asarray, first, second), (0.1, 1.8), FEATS)
    swapped = calc_pair_mass(pairs(np.asarray, second, first), (1.8, 0.1), FEATS)
    turned = calc_pair_mass(pairs(np.asarray, turn @ first, turn @ second), (0.1, 1.8), FEATS)
    np.testing.assert_allclose(swapped, masses, rtol=1e-14)
    np.testing.assert_allclose(turned, masses, rtol=1e-9)


def test_fault_momenta_given_as_pt_eta_phi_work(momenta):
    first, second = (momenta(1000, seed=seed)[:3, 13:] for seed in (1, 2))
    df = pd.DataFrame(pairs(np.asarray, first, second)).set_index(np.arange(987)[::-1])
    feats = {f"{i}_{c}": f"{'ab'[i]}_{c}" for i in range(2) for c in ("pt", "eta", "phi")}
    other = to_pt_eta_phi(to_pt_eta_phi(df, "a", drop=True), "b", drop=True)
    wanted = calc_pair_mass(df, (0.1, 1.8), FEATS)
    np.testing.assert_allclose(calc_pair_mass(other, (0.1, 1.8), feats), wanted, rtol=1e-6)
    mixed = dict([*list(FEATS.items())[:3], *list(feats.items())[3:]])
    np.testing.assert_allclose(calc_pair_mass(to_pt_eta_phi(df, "b"), (0.1, 1.8), mixed), wanted, rtol=1e-6)


def test_absent_objects_and_no_events(library):
    one, absent = np.ones((3, 1)), np.full((3, 1), np.nan)
    assert np.isnan(np.asarray(calc_pair_mass(pairs(library, one, absent), (0, 0), FEATS))).all()
    assert np.isnan(np.asarray(calc_pair_mass(pairs(library, one, one), (0, library(np.array([np.nan]))), FEATS))).all()
    assert tuple(calc_pair_mass(pairs(library, one[:, :0], one[:, :0]), (0, 0), FEATS).shape) == (0,)


def test_gradients_are_right_and_finite_where_masses_vanish():
    def mass(first, second):
        return calc_pair_mass(pairs(lambda values: values, first.T, second.T), (0.1, 0.0), FEATS)

    values = torch.tensor([[[3.0, 1.0, -2.0]], [[2.0, 0.0, 1.0]]], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(mass, tuple(values))
    zero = torch.zeros((1, 3), requires_grad=True)
    same = torch.ones((1, 3), requires_grad=True)
    for vectors in (zero, same):
        calc_pair_mass(pairs(lambda values: values, vectors.T, vectors.T), (0, 0), FEATS).sum().backward()
        assert vectors.grad.isfinite().all()


def test_wrong_maps_masses_and_columns_are_named(library):
    df = pairs(library, np.ones((3, 1)), np.ones((3, 1)))
    with pytest.raises(ConfigError, match=r"feat_map has '0_pX', .* did you mean '0_px'"):
        calc_pair_mass(df, (0, 0), {"0_pX": "a_px"})
    with pytest.raises(ConfigError, match=r"must name '1_px', '1_py', '1_pz' or .*, got \['1_px', '1_py'\]"):
        calc_pair_mass(df, (0, 0), {key: name for key, name in FEATS.items() if key != "1_pz"})
    with pytest.raises(DataError, match="there is no column 'a_x'; did you mean 'a_p"):
        calc_pair_mass(df, (0, 0), {**FEATS, "0_px": "a_x"})
    with pytest.raises(ConfigError, match="masses must be two"):
        calc_pair_mass(df, 0.1, FEATS)
    with pytest.raises(DataError, match="masses must not be negative"):
        calc_pair_mass(pairs(np.asarray, np.ones((3, 1)), np.ones((3, 1))), (0, -1.0), FEATS)
