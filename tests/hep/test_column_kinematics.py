import numpy as np
import pytest

from lumin_plugin_hep import delta_phi, delta_r, formulas
from lumin_plugin_hep.column_kinematics import DeltaPhi, DeltaR, PairMass, TransverseMass


@pytest.fixture
def pairs():
    rng = np.random.default_rng(1)
    momenta = [rng.exponential(50, 500), rng.normal(0, 2, 500), rng.uniform(-np.pi, np.pi, 500)]
    others = [rng.exponential(50, 500), rng.normal(0, 2, 500), rng.uniform(-np.pi, np.pi, 500)]
    return momenta, others, rng.exponential(5, 500), rng.exponential(5, 500)


def test_angles_are_those_of_the_functions_of_that_name(pairs):
    (_, eta_0, phi_0), (_, eta_1, phi_1), _, _ = pairs
    np.testing.assert_allclose(DeltaPhi()(phi_0, phi_1), delta_phi(phi_0, phi_1), atol=1e-14)
    np.testing.assert_allclose(DeltaR()(phi_0, eta_1 - eta_0), delta_r(phi_0, eta_1 - eta_0))


def test_differences_in_phi_are_below_pi():
    phi = np.array([np.pi, -np.pi, 3 * np.pi, np.nextafter(np.pi, 4), -1e-17 - np.pi, 100.0])
    found = DeltaPhi()(np.zeros_like(phi), phi)
    assert ((found >= -np.pi) & (found < np.pi)).all()
    assert DeltaPhi()(np.array([1.0]), np.array([1.0 + 1e-12])) == 1.0 + 1e-12 - 1.0


def test_masses_are_those_of_the_formulas(pairs):
    first, second, mass_0, mass_1 = pairs
    expected = formulas.pair_mass(formulas.cartesian(*first), formulas.cartesian(*second), mass_0, mass_1)
    np.testing.assert_allclose(PairMass()(*first, mass_0, *second, mass_1), expected, rtol=1e-10)
    expected = formulas.transverse_mass(first[0], first[2], second[0], second[2])
    np.testing.assert_allclose(TransverseMass()(first[0], first[2], second[0], second[2]), expected, rtol=1e-10)


def test_masses_of_nothing_and_of_what_is_missing():
    nothing = np.zeros((8, 1))
    assert PairMass()(*nothing) == 0
    nothing[6] = np.nan
    assert np.isnan(PairMass()(*nothing))
