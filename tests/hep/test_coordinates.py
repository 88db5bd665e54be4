import numpy as np
import pandas as pd
import pytest
import torch
import vector

from lumin_core.errors import ConfigError, DataError, ShapeError
from lumin_plugin_hep import to_cartesian, to_pt_eta_phi

TOLERANCE = {"float64": 1e-12, "float32": 1e-5}


def turn(phi):
    """Bring differences of angles into [-pi, pi]."""
    return np.remainder(phi + np.pi, 2 * np.pi) - np.pi


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_pt_eta_phi_are_those_of_vector(momenta, library, dtype):
    px, py, pz, _ = momenta(10**6)
    result = to_pt_eta_phi(library(np.stack((px, py, pz), axis=-1).astype(dtype)))
    assert str(result.dtype).endswith(dtype)
    pt, eta, phi = np.asarray(result, dtype="float64").T
    reference = vector.array({"px": px, "py": py, "pz": pz})
    at_beam = reference.pt == 0
    assert at_beam.sum() == 4
    np.testing.assert_allclose(pt, reference.pt, rtol=TOLERANCE[dtype])
    np.testing.assert_allclose(eta[~at_beam], reference.eta[~at_beam], rtol=TOLERANCE[dtype], atol=TOLERANCE[dtype])
    assert np.abs(turn(phi - reference.phi)).max() <= TOLERANCE[dtype]
    assert phi.min() >= -np.pi
    assert phi.max() < np.pi


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_cartesian_components_are_those_of_vector(momenta, library, dtype):
    reference = vector.array(dict(zip(("px", "py", "pz"), momenta(10**6)[:3], strict=True)))
    eta = np.clip(reference.eta, -10, 10)
    collider = np.stack((reference.pt, eta, reference.phi), axis=-1).astype(dtype)
    expected = vector.array(dict(zip(("pt", "eta", "phi"), collider.astype("float64").T, strict=True)))
    result = np.asarray(to_cartesian(library(collider)), dtype="float64").T
    for component, name in zip(result, ("px", "py", "pz"), strict=True):
        scale = expected.pz if name == "pz" else expected.pt
        assert (np.abs(component - getattr(expected, name)) <= TOLERANCE[dtype] * np.abs(scale)).all()


@pytest.mark.parametrize(("dtype", "tolerance"), [("float64", 1e-12), ("float32", 2e-5)])
def test_conversions_are_inverse(momenta, library, dtype, tolerance):
    vectors = momenta(10_000, dtype).T
    vectors = library(vectors[np.hypot(vectors[:, 0], vectors[:, 1]) > 1e-3])
    there = to_pt_eta_phi(vectors)
    back = np.asarray(to_cartesian(there))
    size = np.linalg.norm(np.asarray(vectors)[:, :3], axis=1)[:, None]
    assert (np.abs(back - np.asarray(vectors)) <= tolerance * size).all()
    np.testing.assert_array_equal(np.asarray(there)[:, 3], np.asarray(vectors)[:, 3])


@pytest.mark.parametrize("dtype", ["float64", "float32", "float16"])
def test_phi_of_pi_is_minus_pi(library, dtype):
    vectors = library(np.array([[-1, 0.0, 0], [-1, -0.0, 0], [-1, 1e-30, 0], [-1, -1e-30, 0]], dtype=dtype))
    phi = np.asarray(to_pt_eta_phi(vectors), dtype="float64")[:, 2]
    assert (phi >= -np.pi).all()
    np.testing.assert_allclose(phi, -np.pi, rtol=1e-3)


def test_eta_along_the_beam_is_finite_and_returns(library):
    vectors = library(np.array([[0.0, 0.0, 5.0], [0.0, -0.0, -5.0], [0.0, 0.0, 0.0]], dtype="float32"))
    result = to_pt_eta_phi(vectors)
    np.testing.assert_array_equal(np.asarray(result)[:, :2], [[0, 88], [0, -88], [0, 0]])
    assert np.isfinite(np.sinh(np.asarray(result)[:, 1])).all()
    np.testing.assert_array_equal(np.asarray(to_cartesian(result)), np.zeros((3, 3)))


def test_absent_objects_stay_nan(library):
    nan = np.nan
    vectors = library(np.array([[nan, nan, nan], [nan, 1.0, 0.0], [1.0, nan, 0.0], [0.0, 0.0, nan], [1.0, 1.0, nan]]))
    absent = [[True] * 3, [True] * 3, [True] * 3, [False, True, False], [False, True, False]]
    np.testing.assert_array_equal(np.isnan(np.asarray(to_pt_eta_phi(vectors))), absent)
    assert np.isnan(np.asarray(to_cartesian(library(np.full((2, 3), nan))))).all()


@pytest.mark.parametrize("shape", [(0, 3), (3,), (2, 5, 3), (0, 4)])
def test_any_shape_is_kept(library, shape):
    for convert in (to_cartesian, to_pt_eta_phi):
        assert tuple(convert(library(np.ones(shape))).shape) == shape


def test_gradients_are_those_of_finite_differences():
    momenta = torch.tensor([[3.0, -4.0, 10.0], [-1.0, 0.5, -200.0]], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(to_pt_eta_phi, momenta)
    assert torch.autograd.gradcheck(to_cartesian, torch.tensor([[3.0, -2.0, 1.0]]).double().requires_grad_())


def test_gradients_are_finite_along_the_beam():
    momenta = torch.tensor([[0.0, 0.0, 5.0], [0.0, 0.0, 0.0]], requires_grad=True)
    to_pt_eta_phi(momenta).sum().backward()
    assert momenta.grad.isfinite().all()


def frame():
    return pd.DataFrame(
        {"label": [0, 1], "tau_pt": [2.0, 3.0], "tau_eta": [0.0, 1.0], "tau_phi": [0.0, -2.0]}, index=[7, 3]
    )


def test_fault_momenta_given_as_pt_eta_phi_work():
    df = frame()
    before = df.copy()
    result = to_cartesian(df, "tau")
    pd.testing.assert_frame_equal(df, before)
    assert list(result) == ["label", "tau_pt", "tau_eta", "tau_phi", "tau_px", "tau_py", "tau_pz"]
    expected = to_cartesian(df[["tau_pt", "tau_eta", "tau_phi"]].to_numpy())
    np.testing.assert_array_equal(result[["tau_px", "tau_py", "tau_pz"]], expected)
    assert list(result.index) == [7, 3]


def test_drop_and_inplace_change_the_frame_that_came():
    df = frame()
    expected = to_cartesian(df, "tau", drop=True)
    assert to_cartesian(df, "tau", drop=True, inplace=True) is None
    pd.testing.assert_frame_equal(df, expected)
    assert list(df) == ["label", "tau_px", "tau_py", "tau_pz"]
    back = to_pt_eta_phi(df, "tau", drop=True)
    pd.testing.assert_frame_equal(back[list(frame())], frame())


def test_a_transverse_vector_has_no_third_component():
    df = pd.DataFrame({"met_pT": [5.0], "met_phi": [0.0]})
    result = to_cartesian(df, "met")
    assert list(result) == ["met_pT", "met_phi", "met_px", "met_py"]
    assert list(to_pt_eta_phi(result, "met")) == list(result)  # pT keeps its name
    assert list(to_pt_eta_phi(result[["met_px", "met_py"]], "met", drop=True)) == ["met_pt", "met_phi"]


def test_a_mapping_of_tensors_is_converted_and_left_alone():
    columns = {"tau_px": torch.tensor([3.0]), "tau_py": torch.tensor([4.0]), "tau_pz": torch.tensor([0.0])}
    result = to_pt_eta_phi(columns, "tau", drop=True)
    assert list(columns) == ["tau_px", "tau_py", "tau_pz"]
    assert list(result) == ["tau_pt", "tau_eta", "tau_phi"]
    assert result["tau_pt"].item() == 5


def test_integers_and_missing_values_of_pandas_are_taken():
    df = pd.DataFrame({"a_px": [3, -3], "a_py": pd.array([4, None], dtype="Int64"), "a_pz": [0, 0]})
    pt = to_pt_eta_phi(df, "a")["a_pt"].to_numpy()
    assert pt.dtype == np.float64
    np.testing.assert_array_equal(pt, [5, np.nan])


def test_a_missing_column_is_named_with_the_nearest():
    with pytest.raises(DataError, match=r"there is no column 'tua_pt'; did you mean 'tau_pt'"):
        to_cartesian(frame(), "tua")
    with pytest.raises(DataError, match="there is no column 'tau_px'"):
        to_pt_eta_phi(frame(), "tau")
    with pytest.raises(DataError, match="'tau_pt' must hold numbers, got"):
        to_cartesian(frame().assign(tau_pt=["a", "b"]), "tau")
    double = pd.concat([frame(), frame()[["tau_pt"]]], axis=1)
    with pytest.raises(ShapeError, match="2 columns 'tau_pt'"):
        to_cartesian(double, "tau")


def test_other_shapes_and_options_are_refused(library):
    with pytest.raises(ShapeError, match=r"\(pt, eta, phi\), shape \(\*, 3\) or \(\*, 4\), got shape \(2, 2\)"):
        to_cartesian(library(np.ones((2, 2))))
    with pytest.raises(ShapeError, match=r"\(px, py, pz\)"):
        to_pt_eta_phi(library(np.array(1.0)))
    with pytest.raises(ConfigError, match="for columns of a frame"):
        to_cartesian(library(np.ones((2, 3))), drop=True)
    with pytest.raises(ConfigError, match="vec= must name"):
        to_pt_eta_phi(frame())
