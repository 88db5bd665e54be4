import math

import numpy as np
import pandas as pd
import pytest
import torch
import vector

from lumin_core.errors import ConfigError, DataError, ShapeError
from lumin_plugin_hep import cos_delta, delta_phi, delta_r, twist


def test_fault_delta_phi_is_in_range(library):
    rng = np.random.default_rng(0)
    angles = [-np.pi, np.pi, 0.0, np.nextafter(np.pi, 4), np.nextafter(-np.pi, -4), 3 * np.pi, -5 * np.pi, 1e6, 1e-300]
    pairs = np.concatenate((np.array(np.meshgrid(angles, angles)).reshape(2, -1), rng.uniform(-20, 20, (2, 10_000))), 1)
    for dtype in ("float64", "float32"):
        a, b = pairs.astype(dtype)
        result = delta_phi(library(a), library(b))
        assert str(result.dtype).endswith(dtype)
        values = np.asarray(result, dtype="float64")
        assert values.min() >= -np.pi
        assert values.max() < np.pi
        turns = (values - (b.astype("float64") - a)) / (2 * np.pi)
        np.testing.assert_allclose(turns, np.rint(turns), atol=1e-6)


def test_delta_phi_is_that_of_vector(library):
    a, b = np.random.default_rng(1).uniform(-np.pi, np.pi, (2, 10**6))
    v, w = (vector.array({"pt": np.ones_like(phi), "phi": phi}) for phi in (a, b))
    np.testing.assert_allclose(np.asarray(delta_phi(library(a), library(b))), w.deltaphi(v), atol=1e-12)
    np.testing.assert_allclose(np.asarray(delta_phi(library(b), library(a))), v.deltaphi(w), atol=1e-12)


def test_delta_phi_does_not_see_a_rotation(library):
    a, b, turn = np.random.default_rng(2).uniform(-3, 3, (3, 1000))
    np.testing.assert_allclose(
        np.asarray(delta_phi(library(a + turn), library(b + turn))), np.asarray(delta_phi(library(a), library(b))),
        atol=1e-14,
    )  # fmt: skip


def test_numbers_give_numbers():
    assert delta_phi(3.0, -3.0) == pytest.approx(2 * math.pi - 6)
    assert delta_r(0.3, 0.4) == pytest.approx(0.5)
    assert twist(1.0, 1.0) == pytest.approx(math.pi / 4)
    assert np.ndim(delta_phi(0, 1)) == 0


def test_columns_are_paired_by_row():
    """Those of a selection have an index of their own, that LUMIN would pair by."""
    a, b = pd.Series([0.0, 1.0], index=[5, 9]), pd.Series([0.5, 3.0], index=[9, 5])
    np.testing.assert_array_equal(delta_phi(a, b), [0.5, 2.0])


def test_delta_r_is_that_of_vector(momenta, library):
    px, py, pz, _ = momenta(100_000)[:, 20:]
    v = vector.array({"px": px, "py": py, "pz": pz})
    half = len(v) // 2
    v, w = v[:half], v[half : 2 * half]
    dphi = delta_phi(library(v.phi), library(w.phi))
    np.testing.assert_allclose(np.asarray(delta_r(dphi, library(w.eta - v.eta))), v.deltaR(w), rtol=1e-12)


def test_twist_is_the_arctangent_of_the_ratio_and_finite(library):
    dphi, deta = np.random.default_rng(3).uniform(-3, 3, (2, 1000))
    np.testing.assert_allclose(np.asarray(twist(library(dphi), library(deta))), np.arctan(np.abs(dphi / deta)))
    edges = twist(library(np.array([1.0, -1.0, 0.0, 0.0])), library(np.array([0.0, 0.0, -2.0, 0.0])))
    np.testing.assert_allclose(np.asarray(edges), [np.pi / 2, np.pi / 2, 0, 0])


def test_absent_objects_stay_nan(library):
    one, absent = library(np.array([1.0])), library(np.array([np.nan]))
    for function in (delta_phi, delta_r, twist):
        assert np.isnan(np.asarray(function(one, absent))).all()
        assert np.isnan(np.asarray(function(absent, one))).all()
    assert np.isnan(
        np.asarray(cos_delta(library(np.array([[1.0, 0, 0]])), library(np.array([[1.0, 0, np.nan]]))))
    ).all()


def test_empty_input_gives_empty_output(library):
    for function in (delta_phi, delta_r, twist):
        assert tuple(function(library(np.zeros(0)), library(np.zeros(0))).shape) == (0,)
    assert tuple(cos_delta(library(np.zeros((0, 3))), library(np.zeros((0, 3)))).shape) == (0,)


def test_gradients_are_right_and_finite_at_zero():
    a = torch.tensor([1.0, -3.0], dtype=torch.float64, requires_grad=True)
    b = torch.tensor([0.5, 3.0], dtype=torch.float64, requires_grad=True)
    for function in (delta_phi, delta_r, twist):
        assert torch.autograd.gradcheck(function, (a, b))
    zero = torch.zeros(1, requires_grad=True)
    (delta_r(zero, zero) + twist(zero, zero) + delta_phi(zero, zero)).sum().backward()
    assert zero.grad.isfinite().all()
    momenta = torch.tensor([[1.0, 2.0, 3.0], [-1.0, 0.5, 2.0]], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda p: cos_delta(p[:1], p[1:]), momenta)


@pytest.mark.parametrize(("dtype", "tolerance"), [("float64", 1e-12), ("float32", 1e-5)])
def test_cos_delta_is_that_of_vector(momenta, library, dtype, tolerance):
    first, second = (momenta(10**5, dtype, seed)[:3, 20:].T for seed in (1, 2))
    v, w = (vector.array(dict(zip(("x", "y", "z"), p.astype("float64").T, strict=True))) for p in (first, second))
    result = cos_delta(library(first), library(second))
    assert str(result.dtype).endswith(dtype)
    np.testing.assert_allclose(np.asarray(result), np.cos(v.deltaangle(w)), atol=tolerance)


def test_cos_delta_of_parallel_momenta_is_exact(momenta, library):
    vectors = momenta(10_000, "float32")[:3, 20:].T
    for factor in (3, -3):
        values = np.asarray(cos_delta(library(vectors), library(factor * vectors)))
        np.testing.assert_allclose(values, np.sign(factor), rtol=1e-6)
        assert np.abs(values).max() <= 1


def test_cos_delta_of_nothing_is_nan_and_energies_do_not_matter(library):
    first, second = library(np.array([[0.0, 0, 0], [1, 0, 0]])), library(np.array([[1.0, 0, 0], [1, 1, 0]]))
    np.testing.assert_allclose(np.asarray(cos_delta(first, second)), [np.nan, 1 / np.sqrt(2)])
    with_energy = library(np.array([[1.0, 0, 0, 70], [1, 1, 0, 80]]))
    np.testing.assert_array_equal(np.asarray(cos_delta(first, with_energy)), np.asarray(cos_delta(first, second)))


def test_cos_delta_of_columns_in_either_system():
    df = pd.DataFrame(
        {"a_px": [3.0, 0], "a_py": [0.0, 1], "a_pz": [4.0, 0], "b_pt": [2.0, 2], "b_eta": [0.0, 0], "b_phi": [0.0, 0]},
        index=[4, 2],
    )
    before = df.copy()
    np.testing.assert_allclose(cos_delta("a", "b", df), [0.6, 0], atol=1e-15)
    np.testing.assert_allclose(cos_delta("a", np.array([[0.0, 0, 1]]), df), [0.8, 0], atol=1e-15)
    pd.testing.assert_frame_equal(df, before)
    assert cos_delta("a", "b", df, inplace=True) is None
    assert cos_delta("b", "a", df, name="angle", inplace=True) is None
    np.testing.assert_allclose(df["cosdelta_a_b"], [0.6, 0], atol=1e-15)
    np.testing.assert_array_equal(df["angle"], df["cosdelta_a_b"])


def test_errors_name_the_way_out(library):
    with pytest.raises(ConfigError, match="'a' names columns: pass df="):
        cos_delta("a", "b")
    with pytest.raises(ConfigError, match="inplace=True adds the column 'cosdelta' to a frame: pass df="):
        cos_delta(library(np.ones((1, 3))), library(np.ones((1, 3))), inplace=True)
    with pytest.raises(ShapeError, match=r"\(px, py, pz\), shape \(\*, 3\), got shape \(1, 2\)"):
        cos_delta(library(np.ones((1, 2))), library(np.ones((1, 3))))
    with pytest.raises(ShapeError, match=r"got list"):
        cos_delta([[1.0, 2.0, 3.0]], library(np.ones((1, 3))))
    with pytest.raises(ShapeError, match=r"broadcast to one, got \(2,\), \(3,\)"):
        delta_phi(library(np.ones(2)), library(np.ones(3)))
    with pytest.raises(DataError, match="must hold numbers"):
        delta_r(np.array(["a"]), 1.0)
    with pytest.raises(DataError, match=r"vector 'aa' needs columns 'aa_px', .* did you mean 'a'"):
        cos_delta("aa", "a", {"a_px": [1.0], "a_py": [1.0]})
