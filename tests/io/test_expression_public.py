"""Expressions of branches of public files, against what awkward and NumPy make of them."""

from pathlib import Path

import numpy as np
import pytest

from lumin_plugin_io import Expression

ak = pytest.importorskip("awkward")
uproot = pytest.importorskip("uproot")

PUBLIC = Path(__file__).parents[3] / "shared" / "data" / "public"
FILES = {"hzz": ("uproot-HZZ.root", "events"), "nano": ("nanoAOD_2015_CMS_Open_Data_ttbar.root", "Events")}
HZZ = ["Jet_Px", "Jet_Py", "Jet_ID", "NJet", "Muon_Px", "Muon_Py", "Muon_Charge", "MET_px", "MET_py", "EventWeight"]
NANO = ["Muon_pt", "Muon_eta", "Muon_phi", "Muon_charge", "Jet_pt", "Jet_eta", "Jet_phi", "nMuon", "event", "run"]


@pytest.fixture(scope="module")
def trees():
    """Give the columns of each tree by name: flat ones of NumPy, jagged ones of awkward."""
    if not PUBLIC.is_dir():
        pytest.skip(f"the public files are not at {PUBLIC}")
    return {name: read(*FILES[name], branches) for name, branches in (("hzz", HZZ), ("nano", NANO))}


def read(file, tree, branches):
    with uproot.open(PUBLIC / file) as opened:
        found = opened[tree].arrays(branches)
    return {name: ak.to_numpy(found[name]) if found[name].ndim == 1 else found[name] for name in branches}


def f8(array):
    return ak.values_astype(array, "float64")


def first(array, i=0):
    return ak.to_numpy(ak.fill_none(ak.pad_none(f8(array), i + 1)[:, i], np.nan))


def filled(array, value=np.nan):
    return ak.to_numpy(ak.fill_none(array, value))


CASES = {
    "hzz": [
        ("Jet_Px[0]", lambda t: first(t["Jet_Px"])),
        ("Jet_Px[2]", lambda t: first(t["Jet_Px"], 2)),
        ("hypot(Jet_Px, Jet_Py)", lambda t: np.hypot(f8(t["Jet_Px"]), f8(t["Jet_Py"]))),
        ("sqrt(Jet_Px**2 + Jet_Py**2)[0]", lambda t: first(np.sqrt(f8(t["Jet_Px"]) ** 2 + f8(t["Jet_Py"]) ** 2))),
        ("sum(Jet_Px)", lambda t: ak.sum(f8(t["Jet_Px"]), axis=1)),
        ("sum(Jet_Px) + MET_px", lambda t: ak.sum(f8(t["Jet_Px"]), axis=1) + t["MET_px"]),
        ("len(Jet_Px) == NJet", lambda t: ak.num(t["Jet_Px"]) == t["NJet"]),
        ("max(abs(Jet_Px))", lambda t: filled(ak.max(abs(f8(t["Jet_Px"])), axis=1))),
        ("min(Jet_Px)", lambda t: filled(ak.min(f8(t["Jet_Px"]), axis=1))),
        ("sort(Jet_Px)", lambda t: ak.sort(f8(t["Jet_Px"]), axis=1)),
        (
            "Jet_Px[argmax(Jet_Py)]",
            lambda t: filled(ak.firsts(f8(t["Jet_Px"])[ak.argmax(t["Jet_Py"], axis=1, keepdims=True)])),
        ),
        (
            "Jet_Px[argmin(Jet_Py)]",
            lambda t: filled(ak.firsts(f8(t["Jet_Px"])[ak.argmin(t["Jet_Py"], axis=1, keepdims=True)])),
        ),
        ("first(Muon_Px) - last(Muon_Px)", lambda t: first(t["Muon_Px"]) - first(t["Muon_Px"][:, ::-1])),
        ("Muon_Px[Muon_Charge > 0]", lambda t: f8(t["Muon_Px"][t["Muon_Charge"] > 0])),
        ("any(Jet_ID)", lambda t: ak.any(t["Jet_ID"], axis=1)),
        ("all(Jet_ID)", lambda t: ak.all(t["Jet_ID"], axis=1)),
        ("sum(Muon_Charge) == 0", lambda t: ak.sum(t["Muon_Charge"], axis=1) == 0),
        ("atan2(Jet_Py, Jet_Px)", lambda t: np.arctan2(f8(t["Jet_Py"]), f8(t["Jet_Px"]))),
        ("where(Jet_Px > 0, Jet_Px, 0)", lambda t: ak.where(t["Jet_Px"] > 0, f8(t["Jet_Px"]), 0)),
        ("log(EventWeight + 1)", lambda t: np.log(t["EventWeight"].astype("float64") + 1)),
        ("exp(-abs(MET_px) / 50)", lambda t: np.exp(-np.abs(t["MET_px"].astype("float64")) / 50)),
        (
            "NJet >= 2 and hypot(MET_px, MET_py) > 20",
            lambda t: (t["NJet"] >= 2) & (np.hypot(t["MET_px"], t["MET_py"]) > 20),
        ),
        ("isfinite(Jet_Px[1])", lambda t: t["NJet"] > 1),
        ("min(NJet, 3)", lambda t: np.minimum(t["NJet"], 3)),
    ],
    "nano": [
        ("Muon_pt * cosh(Muon_eta)", lambda t: f8(t["Muon_pt"]) * np.cosh(f8(t["Muon_eta"]))),
        ("Muon_pt * sinh(Muon_eta)", lambda t: f8(t["Muon_pt"]) * np.sinh(f8(t["Muon_eta"]))),
        ("Muon_pt * sin(Muon_phi)", lambda t: f8(t["Muon_pt"]) * np.sin(f8(t["Muon_phi"]))),
        ("Muon_pt * cos(Muon_phi)", lambda t: f8(t["Muon_pt"]) * np.cos(f8(t["Muon_phi"]))),
        ("tan(Muon_phi)", lambda t: np.tan(f8(t["Muon_phi"]))),
        ("sum(Muon_pt[abs(Muon_eta) < 2.4])", lambda t: ak.sum(f8(t["Muon_pt"])[abs(f8(t["Muon_eta"])) < 2.4], axis=1)),
        ("len(Muon_pt) == nMuon", lambda t: np.ones(len(t["nMuon"]), bool)),
        ("Jet_pt[Jet_pt > 30][1]", lambda t: first(t["Jet_pt"][f8(t["Jet_pt"]) > 30], 1)),
        ("max(Jet_pt, 30)", lambda t: np.maximum(f8(t["Jet_pt"]), 30)),
        ("sum(Muon_charge)", lambda t: ak.sum(t["Muon_charge"], axis=1)),
        ("event", lambda t: t["event"]),
        ("event % 7", lambda t: t["event"] % 7),
        ("run in (1, 2)", lambda t: np.isin(t["run"], (1, 2))),
        (
            "delta_phi(Jet_phi[0], Jet_phi)",
            lambda t: (f8(t["Jet_phi"]) - first(t["Jet_phi"]) + np.pi) % (2 * np.pi) - np.pi,
        ),
        ("0 < Jet_pt < 50", lambda t: f8(t["Jet_pt"]) < 50),
    ],
}


@pytest.mark.parametrize(
    ("tree", "text", "by_hand"), [(tree, *case) for tree, cases in CASES.items() for case in cases]
)
def test_branches_of_public_files(trees, tree, text, by_hand):
    columns = trees[tree]
    expression = Expression.parse(text, "variable 'a'")
    n = len(next(iter(columns.values())))
    found, expected = expression({name: columns[name] for name in expression.names}, n), by_hand(columns)
    if isinstance(found, ak.Array):
        assert ak.num(found).tolist() == ak.num(expected).tolist()
        found, expected = ak.to_numpy(ak.flatten(found)), ak.to_numpy(ak.flatten(expected))
    assert found.dtype.kind == np.asarray(expected).dtype.kind
    if found.dtype.kind == "f":
        np.testing.assert_allclose(found, expected, rtol=1e-6 if "MET" in text else 1e-12, atol=1e-12)
    else:
        np.testing.assert_array_equal(found, expected)
