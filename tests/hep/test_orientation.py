"""Whole events turn, or nothing; only vectors are touched; the caller's frame stays as it is."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
import vector

from lumin_core.errors import ConfigError, DataError, LuminError
from lumin_plugin_hep import event_to_cartesian, fix_event_phi, fix_event_y, fix_event_z, proc_event

N, VECS = 200, ("tau", "lep", "jet")


def events(seed=1):
    """Give three vectors an event, the last missing in every fourth."""
    rng = np.random.default_rng(seed)
    found = {}
    for vec in VECS:
        found[vec] = vector.array({
            "pt": rng.exponential(40, N) + 1, "eta": rng.normal(0, 1.5, N), "phi": rng.uniform(-np.pi, np.pi, N),
            "mass": rng.exponential(5, N) + 0.1,
        })  # fmt: skip
        if vec == "jet":
            for name in ("pt", "eta", "phi", "mass"):
                found[vec][name][::4] = np.nan
    return found


def frame_of(found, names):
    columns = {f"{vec}_{name}": getattr(v, name) for vec, v in found.items() for name in names}
    rng = np.random.default_rng(2)
    others = {"label": rng.integers(0, 2, N), "weight": rng.normal(1, 1, N), "delta_phi": rng.normal(size=N)}
    return pd.DataFrame({**columns, **others}, index=rng.permutation(3 * N)[:N])


def collider_frame():
    return frame_of(events(), ("pt", "eta", "phi"))


def cartesian_frame():
    return frame_of(events(), ("px", "py", "pz"))


@pytest.fixture(params=[cartesian_frame, collider_frame], ids=["cartesian", "collider"])
def df(request):
    return request.param()


def parse(df, vec):
    names = ("px", "py", "pz") if f"{vec}_px" in df else ("pt", "eta", "phi")
    return vector.array({name: df[f"{vec}_{name}"].to_numpy() for name in names})


def assert_same_event(df, turned):
    """Check that sizes, angles between vectors, and all other columns are as they were."""
    assert list(df.columns) == list(turned.columns)
    pd.testing.assert_index_equal(df.index, turned.index)
    for vec in VECS:
        np.testing.assert_allclose(parse(turned, vec).pt, parse(df, vec).pt, rtol=1e-12)
        np.testing.assert_allclose(np.abs(parse(turned, vec).eta), np.abs(parse(df, vec).eta), atol=1e-12)
    for a, b in itertools.combinations(VECS, 2):
        before, after = (parse(frame, a).deltaR(parse(frame, b)) for frame in (df, turned))
        np.testing.assert_allclose(after, before, atol=1e-10)
    pd.testing.assert_frame_equal(df[["label", "weight", "delta_phi"]], turned[["label", "weight", "delta_phi"]])


def test_the_reference_gets_phi_0(df):
    turned = fix_event_phi(df, "lep")
    assert_same_event(df, turned)
    np.testing.assert_array_equal(parse(turned, "lep").phi, 0)
    for vec in VECS:
        expected = parse(df, vec).rotateZ(-parse(df, "lep").phi)
        np.testing.assert_allclose(parse(turned, vec).px, expected.px, atol=1e-9)
        np.testing.assert_allclose(parse(turned, vec).py, expected.py, atol=1e-9)


def test_angles_stay_in_range():
    turned = fix_event_phi(collider_frame().astype(np.float32), "lep")
    for vec in VECS:
        phi = turned[f"{vec}_phi"].dropna().to_numpy(np.float64)
        assert (phi >= -np.pi).all()
        assert (phi < np.pi).all()


@pytest.mark.parametrize("fix", [lambda df: fix_event_z(df, "tau"), lambda df: fix_event_y(df, "lep", "tau")])
def test_fault_a_flip_turns_the_whole_event_or_nothing(df, fix):
    turned = fix(df)
    assert_same_event(df, turned)
    flipped = {
        vec: (parse(df, vec).pz != parse(turned, vec).pz) | (parse(df, vec).py != parse(turned, vec).py) for vec in VECS
    }
    present = df.notna().all(axis=1)
    np.testing.assert_array_equal(flipped["tau"], flipped["lep"])
    np.testing.assert_array_equal(flipped["tau"][present], flipped["jet"][present])
    assert 0.3 < flipped["tau"].mean() < 0.7


def test_the_reference_goes_forwards(df):
    turned = fix_event_z(df, "tau")
    sign = np.where(parse(df, "tau").pz < 0, -1, 1)
    assert (parse(turned, "tau").pz > 0).all()
    np.testing.assert_array_equal(parse(turned, "lep").eta, sign * parse(df, "lep").eta)
    pd.testing.assert_frame_equal(fix_event_z(turned, "tau"), turned)


def test_the_second_reference_is_not_lower_than_the_first(df):
    turned = fix_event_y(df, "tau", "lep")
    assert (parse(turned, "lep").py >= parse(turned, "tau").py).all()
    rotated = fix_event_y(fix_event_phi(df, "tau"), "tau", "lep")
    np.testing.assert_array_equal(parse(rotated, "tau").py, 0)
    assert (parse(rotated, "lep").py >= 0).all()
    pd.testing.assert_frame_equal(fix_event_y(rotated, "tau", "lep"), rotated)


@pytest.mark.parametrize(
    "fix",
    [
        lambda df: fix_event_phi(df, "jet"), lambda df: fix_event_z(df, "jet"),
        lambda df: fix_event_y(df, "tau", "jet"), lambda df: fix_event_y(df, "jet", "tau"),
    ],
)  # fmt: skip
def test_fault_a_missing_reference_leaves_the_event_as_it_is(df, fix):
    turned = fix(df)
    missing = df.isna().any(axis=1)
    assert missing.any()
    pd.testing.assert_frame_equal(turned[missing], df[missing])
    assert not turned[~missing].equals(df[~missing])


def test_missing_objects_stay_missing(df):
    turned = fix_event_z(fix_event_y(fix_event_phi(df, "tau"), "tau", "lep"), "tau")
    pd.testing.assert_frame_equal(turned.isna(), df.isna())


def test_the_callers_frame_stays_unless_inplace(df):
    before = df.copy()
    options = {"fix_phi": True, "fix_y": True, "fix_z": True, "ref_vec_0": "tau", "ref_vec_1": "lep"}
    for change in (
        lambda inplace: fix_event_phi(df, "tau", inplace=inplace),
        lambda inplace: fix_event_y(df, "tau", "lep", inplace=inplace),
        lambda inplace: fix_event_z(df, "tau", inplace=inplace),
        lambda inplace: proc_event(df, **options, use_cartesian=True, default_vals=[0], inplace=inplace),
    ):
        changed = change(False)
        pd.testing.assert_frame_equal(df, before)
        assert change(True) is None
        pd.testing.assert_frame_equal(df, changed)
        before = df.copy()


def test_a_selection_is_oriented_in_place_by_row(df):
    part = df[df["label"] == 1]
    expected = fix_event_phi(df, "tau")[df["label"] == 1]
    fix_event_phi(part, "tau", inplace=True)
    pd.testing.assert_frame_equal(part, expected)


def test_both_systems_turn_together():
    found = events()
    df = frame_of(found, ("px", "py", "pz", "pt", "eta", "phi"))
    turned = fix_event_z(fix_event_y(fix_event_phi(df, "tau"), "tau", "lep"), "tau")
    for vec in VECS:
        np.testing.assert_allclose(turned[f"{vec}_px"], turned[f"{vec}_pt"] * np.cos(turned[f"{vec}_phi"]), atol=1e-9)
        np.testing.assert_allclose(turned[f"{vec}_py"], turned[f"{vec}_pt"] * np.sin(turned[f"{vec}_phi"]), atol=1e-9)
        np.testing.assert_allclose(turned[f"{vec}_pz"], turned[f"{vec}_pt"] * np.sinh(turned[f"{vec}_eta"]), atol=1e-6)


def test_precision_stays_and_integers_become_floats():
    df = pd.DataFrame({"tau_px": [3], "tau_py": [4], "met_px": np.float32([1]), "met_py": np.float32([1])})
    turned = fix_event_phi(df, "tau")
    assert turned.dtypes.astype(str).tolist() == ["float64", "float64", "float32", "float32"]
    np.testing.assert_allclose(turned.to_numpy(), [[5.0, 0.0, 1.4, -0.2]], rtol=1e-6)
    nullable = pd.DataFrame({"tau_px": [3, None], "tau_py": [4, None]}, dtype="Float64")
    np.testing.assert_allclose(fix_event_phi(nullable, "tau").to_numpy(), [[5, 0], [np.nan, np.nan]])


def test_empty_frames_pass(df):
    empty = df.iloc[:0]
    turned = proc_event(empty, True, True, True, ref_vec_0="tau", ref_vec_1="lep")
    assert len(turned) == 0


# Conversion, the whole


def test_events_become_cartesian():
    df = event_to_cartesian(collider_frame(), drop=True, ignore="jet")
    names = [f"{vec}_{c}" for vec in ("tau", "lep") for c in ("px", "py", "pz")]
    assert list(df.columns) == ["jet_pt", "jet_eta", "jet_phi", "label", "weight", "delta_phi", *names]
    np.testing.assert_allclose(df[names], cartesian_frame()[names], rtol=1e-9, atol=1e-9)


def test_proc_event_is_its_parts():
    df = collider_frame()
    options = {"ref_vec_0": "tau", "ref_vec_1": "lep"}
    whole = proc_event(df, fix_phi=True, fix_y=True, fix_z=True, use_cartesian=True, **options)
    parts = fix_event_z(fix_event_y(fix_event_phi(df, "tau"), "tau", "lep"), "tau")
    parts = event_to_cartesian(parts, drop=True).drop(columns="tau_py")
    pd.testing.assert_frame_equal(whole, parts)
    assert "tau_phi" not in proc_event(df, fix_phi=True, **options)
    assert list(proc_event(df, fix_z=True, **options).columns) == list(df.columns)


def test_proc_event_takes_cartesian_frames_too():
    options = {"fix_phi": True, "fix_y": True, "fix_z": True, "ref_vec_0": "tau", "ref_vec_1": "lep"}
    ours = proc_event(cartesian_frame(), **options)
    theirs = proc_event(collider_frame(), use_cartesian=True, **options)
    assert "tau_py" not in ours
    pd.testing.assert_frame_equal(ours, theirs[ours.columns], rtol=1e-9, atol=1e-9)


def test_events_flip_without_rotation_when_asked(df):
    pd.testing.assert_frame_equal(
        proc_event(df, fix_y=True, ref_vec_0="tau", ref_vec_1="lep"), fix_event_y(df, "tau", "lep")
    )


@pytest.mark.parametrize("inplace", [False, True])
@pytest.mark.parametrize("use_cartesian", [False, True])
def test_kept_columns_are_as_before_the_orientation_as_in_lumin(use_cartesian, inplace):
    before = collider_frame()
    keep, df = ["tau_phi", "lep_phi", "lep_eta", "tau_pt", "weight"], before.copy()
    options = {"fix_phi": True, "fix_z": True, "ref_vec_0": "tau", "use_cartesian": use_cartesian, "inplace": inplace}
    turned = proc_event(df, keep_feats=keep, **options)
    turned = df if inplace else turned
    pd.testing.assert_frame_equal(turned[keep], before[keep])
    others = proc_event(before, **{**options, "inplace": False})
    rest = [name for name in others if name not in keep]
    pd.testing.assert_frame_equal(turned[rest], others[rest])
    assert before["tau_phi"].abs().min() > 0


def test_kept_columns_have_nan_where_defaults_say_missing():
    df = pd.DataFrame({"tau_pt": [30.0, -9.0], "tau_phi": [2.0, -9.0]})
    kept = proc_event(df, fix_phi=True, ref_vec_0="tau", keep_feats="tau_phi", default_vals=[-9])
    assert kept["tau_phi"].fillna(7).tolist() == [2.0, 7.0]


def test_default_values_are_numbers_one_or_several():
    df = pd.DataFrame({"tau_pt": [30.0, 0.0, -999.0], "tau_phi": [2.0, 1.0, -999.0]})
    for given, n_missing in ((0, 1), (-999, 1), ([0, -999], 2), (np.array([0.0]), 1), (None, 0), ([], 0)):
        assert proc_event(df, default_vals=given)["tau_pt"].isna().sum() == n_missing
    with pytest.raises(DataError, match="default_vals must hold numbers, got text, such as '-999'"):
        proc_event(df, default_vals=["-999"])


def test_fault_default_values_wipe_vectors_alone():
    df = pd.DataFrame({
        "tau_pt": [30.0, 20.0], "tau_phi": [1.0, 2.0], "jet_pt": np.float32([-999.9, 50]),
        "jet_phi": np.float32([-999.9, 1]), "gen_target": [1, 0], "weight": [0.0, -999.9],
        "higgs_mass": [125.0, -999.9], "score": [np.inf, 1.0],
    })  # fmt: skip
    turned = proc_event(df, fix_phi=True, ref_vec_0="tau", default_vals=[-999.9, 0, 1])
    others = ["gen_target", "weight", "higgs_mass", "score"]
    pd.testing.assert_frame_equal(turned[others], df[others])
    assert turned.loc[0, ["jet_pt", "jet_phi"]].isna().all()
    assert turned["jet_phi"].dtype == np.float32


def test_infinities_in_vectors_become_missing():
    df = pd.DataFrame({"tau_pt": [np.inf, 1.0], "tau_phi": [0.0, -np.inf], "label": [1, 0]})
    assert proc_event(df).isna().sum().tolist() == [1, 1, 0]


def test_fault_columns_come_in_one_order_whatever_the_hash_seed():
    script = (
        "import pandas as pd; from lumin_plugin_hep import proc_event;"
        "names = [f'{v}_{c}' for v in ('tau', 'lep', 'jet', 'met', 'a', 'b') for c in ('pt', 'eta', 'phi')];"
        "df = pd.DataFrame([[1.0] * len(names)], columns=names);"
        "print(*proc_event(df, True, True, True, True, 'tau', 'lep').columns)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, "PYTHONHASHSEED": "1"}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    expected = [f"{vec}_{axis}" for vec in ("tau", "lep", "jet", "met", "a", "b") for axis in ("px", "py", "pz")]
    expected.remove("tau_py")
    assert done.stdout.split() == expected


def test_named_vectors_turn_alone():
    df = collider_frame()
    turned = fix_event_phi(df, "tau", vecs=["lep"])
    pd.testing.assert_series_equal(turned["jet_phi"], df["jet_phi"])
    assert (turned["tau_phi"] == 0).all()
    lone = pd.DataFrame({"tau_pt": [1.0], "tau_phi": [1.0], "met": [1.0], "met_phi": [1.0]})
    assert fix_event_phi(lone, "tau", vecs=["tau", "met"])["met_phi"].tolist() == [0.0]
    with pytest.raises(ConfigError, match="no vector 'ta'"):
        proc_event(df, vecs="ta")
    cartesian = proc_event(df, use_cartesian=True, vecs="tau")
    assert "lep_phi" in cartesian
    assert "tau_phi" not in cartesian


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda df: fix_event_phi(df, "tua"), "no vector 'tua' among the columns; did you mean 'tau'"),
        (lambda df: fix_event_y(df, "tau", "mu"), "no vector 'mu'"),
        (lambda df: fix_event_z(df, "tau", vecs=["leb"]), "did you mean 'lep'"),
        (lambda df: fix_event_phi(df.drop(columns=["lep_py", "lep_phi"], errors="ignore").assign(lep_px=1.0), "tau"),
         "but no py, so that it cannot be turned"),
        (lambda df: fix_event_z(df.assign(prod_eta=1.0), "tau"), "'prod' has eta alone"),
        (lambda df: fix_event_z(df.assign(met_pt=1.0, met_phi=1.0), "met"), "'met' cannot be a reference here: .* eta"),
        (lambda df: fix_event_phi(df.assign(a_pt=1.0, a_eta=1.0), "a"), "'a' cannot be a reference here: .* no phi"),
        (lambda df: fix_event_y(df.assign(a_pt=1.0, a_eta=1.0), "a", "tau"), "'a' cannot be a reference here.* no py"),
        (lambda df: fix_event_z(df.assign(lep_pz="x", lep_px=1.0), "lep"), "must hold numbers"),
        (lambda df: fix_event_z(df.assign(tau_PZ=1.0, tau_pz=1.0), "tau"), "are both the pz of 'tau'"),
        (lambda df: event_to_cartesian(df, ignore="tua"), "no vector 'tua'"),
        (lambda df: proc_event(df, fix_phi=True), "fix_phi=True needs ref_vec_0"),
        (lambda df: proc_event(df, fix_y=True, ref_vec_0="tau"), "fix_y=True needs ref_vec_1"),
        (lambda df: proc_event(df, fix_z=True), "fix_z=True needs ref_vec_0"),
        (lambda df: proc_event(df, keep_feats=["wieght"]), "no column 'wieght'; did you mean 'weight'"),
    ],
)  # fmt: skip
def test_what_cannot_be_done_is_refused_and_the_frame_stays(df, call, words):
    before = df.copy()
    with pytest.raises(LuminError, match=words):
        call(df)
    pd.testing.assert_frame_equal(df, before)


def test_a_failure_in_place_leaves_the_frame(df):
    before = df.copy()
    with pytest.raises(ConfigError, match="no vector 'mu'"):
        proc_event(df, fix_phi=True, fix_y=True, ref_vec_0="tau", ref_vec_1="mu", default_vals=[0], inplace=True)
    pd.testing.assert_frame_equal(df, before)
