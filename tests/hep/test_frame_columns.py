import numpy as np
import pandas as pd
import pytest
import torch
import vector

from lumin_core.errors import ConfigError, DataError
from lumin_plugin_hep import add_abs_mom, add_energy, add_mass, add_mt, get_momentum, get_vecs, to_pt_eta_phi

BOUND = {"float64": 1e-14, "float32": 1e-6}
exact = np.longdouble
needs_more_than_doubles = pytest.mark.skipif(
    np.finfo(exact).eps > 1e-18, reason="long doubles are no finer than doubles on this machine"
)


def columns(library, **values):
    return {f"tau_{name}": library(value) for name, value in values.items()}


def frame(px, py, pz, energy):
    return pd.DataFrame({"tau_px": px, "tau_py": py, "tau_pz": pz, "tau_E": energy})


def mass2(px, py, pz, energy):
    px, py, pz, energy = (np.asarray(values).astype(exact) for values in (px, py, pz, energy))
    return energy**2 - px**2 - py**2 - pz**2


@needs_more_than_doubles
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_masses_do_not_cancel(momenta, library, dtype):
    px, py, pz, mass = momenta(10**6)
    energy = np.sqrt(px.astype(exact) ** 2 + py**2 + pz**2 + mass**2).astype(dtype)
    px, py, pz = (values.astype(dtype) for values in (px, py, pz))
    result = add_mass(columns(library, px=px, py=py, pz=pz, E=energy), "tau")["tau_mass"]
    assert str(result.dtype).endswith(dtype)
    wanted = np.maximum(mass2(px, py, pz, energy), 0)
    wrong = np.abs(np.asarray(result).astype(exact) ** 2 - wanted)
    assert (wrong <= BOUND[dtype] * energy.astype(exact) ** 2).all()


@needs_more_than_doubles
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_masses_from_pt_eta_phi_do_not_cancel(momenta, library, dtype):
    vectors = momenta(10**5)[:, 13:]
    pt, eta, phi = to_pt_eta_phi(vectors[:3].T.astype(dtype)).T
    size = pt.astype(exact) * np.cosh(eta.astype(exact))
    energy = np.sqrt(size**2 + vectors[3] ** 2).astype(dtype)
    result = add_mass(columns(library, pt=pt, eta=eta, phi=phi, E=energy), "tau")["tau_mass"]
    wrong = np.abs(np.asarray(result).astype(exact) ** 2 - np.maximum(energy.astype(exact) ** 2 - size**2, 0))
    assert (wrong <= BOUND[dtype] * energy.astype(exact) ** 2).all()


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_massless_momenta_have_mass_zero(momenta, library, dtype):
    """However their energy was rounded: from doubles, or in the type itself."""
    px, py, pz, _ = momenta(10**5)
    rounded = [values.astype(dtype) for values in (px, py, pz)]
    for energy in (np.sqrt(px**2 + py**2 + pz**2).astype(dtype), np.sqrt(sum(values**2 for values in rounded))):
        result = add_mass(columns(library, px=rounded[0], py=rounded[1], pz=rounded[2], E=energy), "tau")["tau_mass"]
        np.testing.assert_array_equal(np.asarray(result), 0)


def test_energies_below_the_momentum_have_mass_zero(library):
    result = add_mass(columns(library, px=np.array([3.0, np.nan]), py=np.zeros(2), E=np.array([2.0, 5.0])), "tau")
    np.testing.assert_array_equal(np.asarray(result["tau_mass"]), [0, np.nan])


@pytest.mark.parametrize(("dtype", "tolerance"), [("float64", 1e-13), ("float32", 1e-6)])
def test_energies_and_sizes_are_those_of_vector(momenta, library, dtype, tolerance):
    px, py, pz, mass = momenta(10**5)
    reference = vector.array({"px": px, "py": py, "pz": pz, "mass": mass})
    df = columns(library, **dict(zip(("px", "py", "pz", "mass"), momenta(10**5, dtype), strict=True)))
    for name, wanted, function in (("E", reference.E, add_energy), ("absp", reference.mag, add_abs_mom)):
        result = function(df, "tau")[f"tau_{name}"]
        assert str(result.dtype).endswith(dtype)
        np.testing.assert_allclose(np.asarray(result), wanted, rtol=tolerance)
    transverse = add_abs_mom(df, "tau", z=False)["tau_absp"]
    np.testing.assert_allclose(np.asarray(transverse), reference.pt, rtol=tolerance)


def test_masses_and_energies_are_inverse(momenta):
    px, py, pz, mass = momenta(1000)[:, 13:]
    df = add_energy(frame(px, py, pz, mass).rename(columns={"tau_E": "tau_mass"}), "tau")
    back = add_mass(df.drop(columns="tau_mass"), "tau")["tau_mass"]
    assert (np.abs(back**2 - mass**2) <= 1e-14 * df["tau_E"] ** 2).all()


def test_fault_momenta_given_as_pt_eta_phi_work(momenta):
    px, py, pz, mass = momenta(200)[:, 13:]
    df = add_energy(pd.DataFrame({"tau_px": px, "tau_py": py, "tau_pz": pz, "tau_mass": mass}), "tau")
    other = to_pt_eta_phi(df, "tau", drop=True)
    np.testing.assert_allclose(add_energy(other, "tau")["tau_E"], df["tau_E"], rtol=1e-13)
    np.testing.assert_allclose(add_abs_mom(other, "tau")["tau_absp"], add_abs_mom(df, "tau")["tau_absp"], rtol=1e-13)
    np.testing.assert_allclose(
        get_momentum(other, "tau", include_E=True, as_cart=True), get_momentum(df, "tau", include_E=True),
        rtol=1e-12, atol=1e-12,
    )  # fmt: skip
    np.testing.assert_array_equal(get_momentum(other, "tau"), other[["tau_pt", "tau_eta", "tau_phi"]])


def test_transverse_mass_is_that_of_the_formula_and_does_not_cancel(library):
    rng = np.random.default_rng(3)
    pt, met = 10 ** rng.uniform(0, 3, (2, 10_000))
    phi, met_phi = rng.uniform(-np.pi, np.pi, (2, 10_000))
    met_phi[:100] = phi[:100] + 1e-9
    met_phi[100:110] = phi[100:110]
    df = {"tau_pt": pt, "tau_phi": phi, "met_pt": met, "met_phi": met_phi}
    result = np.asarray(add_mt({name: library(values) for name, values in df.items()}, "tau", "met")["tau_mt"])
    dphi = met_phi.astype(exact) - phi
    np.testing.assert_allclose(result, (2 * np.sqrt(pt * met) * np.abs(np.sin(dphi / 2))).astype(float), rtol=1e-6)
    np.testing.assert_allclose(result[110:] ** 2, (2 * pt * met * (1 - np.cos(dphi)))[110:].astype(float), rtol=1e-6)
    assert (result[100:110] == 0).all()


def test_transverse_mass_takes_either_system_and_names_as_lumin():
    df = pd.DataFrame({"tau_pT": [20.0], "tau_phi": [1.0], "mpt_px": [30.0], "mpt_py": [0.0], "mpt": [30.0]})
    result = add_mt(df, "tau")
    assert list(result) == [*df, "tau_mT"]
    assert result["tau_mT"][0] == pytest.approx(np.sqrt(2 * 20 * 30 * (1 - np.cos(1))))


def test_absent_objects_stay_nan(library):
    absent = library(np.array([np.nan]))
    df = {f"tau_{name}": absent for name in ("px", "py", "pz", "E")} | {"met_pt": absent + 1, "met_phi": absent}
    for function, name in ((add_abs_mom, "absp"), (add_mass, "mass"), (add_energy, "E")):
        assert np.isnan(np.asarray(function(df, "tau")[f"tau_{name}"])).all()
    assert np.isnan(np.asarray(add_mt(df, "tau", "met")["tau_mt"])).all()


FUNCTIONS = [add_abs_mom, add_mass, add_energy, lambda df, vec, **options: add_mt(df, vec, vec, **options)]


@pytest.mark.parametrize("function", FUNCTIONS)
def test_the_frame_stays_as_it_was_unless_inplace(function):
    df = frame([3.0, 0.0], [0.0, 1.0], [4.0, 0.0], [5.0, 6.0]).set_index(pd.Index([9, 4]))
    before = df.copy()
    result = function(df, "tau")
    pd.testing.assert_frame_equal(df, before)
    assert function(df, "tau", inplace=True) is None
    pd.testing.assert_frame_equal(df, result)
    assert list(result.index) == [9, 4]


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_selection_is_changed_by_row(function):
    df = frame(*np.random.default_rng(0).uniform(1, 2, (4, 6)))
    selected = df[[False, True, False, True, True, False]]
    result = function(selected, "tau")
    pd.testing.assert_frame_equal(result, function(df, "tau").loc[selected.index])
    function(selected, "tau", inplace=True)
    pd.testing.assert_frame_equal(selected, result)
    assert len(df.columns) == 4


@pytest.mark.parametrize("function", FUNCTIONS)
def test_no_event_and_integers_are_taken(function):
    assert len(function(frame([], [], [], []).astype("float32"), "tau")) == 0
    result = function(frame([3], [0], [4], [6]), "tau").iloc[:, -1]
    assert result.dtype == np.float64


def test_existing_columns_are_replaced_where_they_are():
    df = frame([3.0], [0.0], [4.0], [5.0]).assign(tau_mass=12.0, label=1)
    assert add_energy(df, "tau")["tau_E"][0] == 13
    assert list(add_mass(df, "tau")) == list(df)
    add_mass(df, "tau", inplace=True)
    assert df["tau_mass"][0] == 0
    assert list(df) == ["tau_px", "tau_py", "tau_pz", "tau_E", "tau_mass", "label"]


def test_momenta_of_columns_leave_the_frame_alone():
    df = pd.DataFrame({"met_pt": np.float32([2]), "met_phi": np.float32([0])})
    momentum = get_momentum(df, "met", include_E=True, as_cart=True)
    np.testing.assert_array_equal(momentum, [[2, 0, 0, 2]])
    assert momentum.dtype == np.float32
    np.testing.assert_array_equal(get_momentum(df, "met"), [[2, 0, 0]])
    assert list(df) == ["met_pt", "met_phi"]
    tensors = {"met_px": torch.ones(2), "met_py": torch.zeros(2)}
    assert get_momentum(tensors, "met", include_E=True).tolist() == [[1, 0, 0, 1]] * 2


def test_masses_have_gradients_also_where_they_vanish():
    values = torch.tensor([[3.0, 0.0, 4.0, 7.0]], dtype=torch.float64, requires_grad=True)

    def mass(p):
        return add_mass(dict(zip(("t_px", "t_py", "t_pz", "t_E"), p.unbind(-1), strict=True)), "t")["t_mass"]

    assert torch.autograd.gradcheck(mass, values)
    massless = torch.tensor([[3.0, 0.0, 4.0, 5.0], [0.0, 0.0, 0.0, 0.0]], requires_grad=True)
    mass(massless).sum().backward()
    assert massless.grad.isfinite().all()


def test_fault_vectors_are_found_in_order_whatever_the_hash_seed():
    feats = ["tau_px", "jet_pT", "tau_py", "jet_phi", "met_phi", "delta_phi", "tau_abs_eta", "eta", "mu_E", "vis_mass"]
    assert get_vecs(feats) == ["tau", "jet"]
    assert get_vecs(feats, strict=False) == ["tau", "jet", "met"]
    assert get_vecs(pd.DataFrame(columns=feats).columns) == ["tau", "jet"]
    assert get_vecs([]) == []
    with pytest.raises(ConfigError, match="'tau_pt' and 'tau_pT' are both the pt of 'tau'"):
        get_vecs(["tau_pt", "tau_pT"])


def test_missing_columns_and_wrong_values_are_named():
    df = frame([3.0], [0.0], [4.0], [5.0])
    with pytest.raises(DataError, match=r"vector 'tua' needs columns 'tua_px', 'tua_py' or .* did you mean 'tau'\?"):
        add_energy(df, "tua")
    with pytest.raises(DataError, match=r"got \['tau_px'\]"):
        add_energy(df[["tau_px"]], "tau")
    with pytest.raises(DataError, match="there is no column 'tau_E'"):
        add_mass(df[["tau_px", "tau_py"]], "tau")
    with pytest.raises(DataError, match="vector 'mpt' needs columns"):
        add_mt(df, "tau")
    with pytest.raises(DataError, match=r"masses must not be negative, got 1 of 1; .* make them NaN"):
        add_energy(df.assign(tau_mass=-999.0), "tau")


def test_the_least_precise_column_tells_what_is_rounding():
    """An energy in float64 does not make momenta of float32 any better."""
    values = {"px": np.float32([100.1]), "py": np.float32([200.3]), "pz": np.float32([-1000.6])}
    energy = np.sqrt(100.1**2 + 200.3**2 + 1000.6**2)
    assert frame(**values, energy=[energy])["tau_E"].dtype == np.float64
    assert add_mass(frame(**values, energy=[energy]), "tau")["tau_mass"][0] == 0
    assert add_mass(frame(**values, energy=[energy]).astype("float64"), "tau")["tau_mass"][0] > 0.1
