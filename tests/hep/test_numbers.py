"""Kinematics give NaN for what is missing, scans refuse it by column; nobody takes anything but numbers."""

import numpy as np
import pandas as pd
import pytest
import torch
from no_numbers import NO_NUMBERS

from lumin_core.errors import ConfigError, DataError, LuminError
from lumin_plugin_hep import (
    AMS,
    add_abs_mom,
    add_energy,
    add_mass,
    add_mt,
    ams_scan,
    ams_scan_quick,
    ams_scan_slow,
    bin_binary_class_pred,
    binary_class_cut_by_ams,
    boost,
    boost2cm,
    calc_ams,
    calc_pair_mass,
    cos_delta,
    delta_phi,
    delta_r,
    delta_r_boosted,
    event_to_cartesian,
    fix_event_phi,
    fix_event_y,
    fix_event_z,
    get_momentum,
    proc_event,
    to_cartesian,
    to_pt_eta_phi,
    twist,
)

SECOND = np.array([False, True])
EVENTS = {
    "tau_pt": np.array([30.0, 40.0]), "tau_eta": np.array([0.5, -1.0]), "tau_phi": np.array([0.25, 2.0]),
    "tau_mass": np.array([1.0, 1.0]), "tau_E": np.array([100.0, 120.0]), "met_pt": np.array([20.0, 30.0]),
    "met_phi": np.array([1.0, 2.0]), "jet_px": np.array([10.0, 20.0]), "jet_py": np.array([3.0, 4.0]),
    "jet_pz": np.array([5.0, 6.0]), "jet_E": np.array([50.0, 60.0]),
}  # fmt: skip
PAIR = {"0_pt": "tau_pt", "0_eta": "tau_eta", "0_phi": "tau_phi", "1_px": "jet_px", "1_py": "jet_py", "1_pz": "jet_pz"}
KINEMATICS = {
    "to_cartesian": (lambda df: to_cartesian(df, "tau")["tau_px"], "tau_pt"),
    "to_pt_eta_phi": (lambda df: to_pt_eta_phi(df, "jet")["jet_pt"], "jet_px"),
    "add_abs_mom": (lambda df: add_abs_mom(df, "tau")["tau_absp"], "tau_pt"),
    "add_mass": (lambda df: add_mass(df, "tau")["tau_mass"], "tau_pt"),
    "add_energy": (lambda df: add_energy(df, "tau")["tau_E"], "tau_mass"),
    "add_mt": (lambda df: add_mt(df, "tau", "met")["tau_mt"], "met_pt"),
    "get_momentum": (lambda df: get_momentum(df, "tau", include_E=True)[:, 0], "tau_pt"),
    "cos_delta": (lambda df: cos_delta("tau", "jet", df), "tau_phi"),
    "delta_r_boosted": (lambda df: delta_r_boosted("met", "jet", "tau", df), "tau_pt"),
    "boost2cm": (lambda df: boost2cm("tau", df)[:, 0], "tau_pt"),
    "boost": (lambda df: boost("jet", "tau", df, rescale_boost=True)[:, 0], "tau_pt"),
    "calc_pair_mass": (lambda df: calc_pair_mass(df, (1.0, 1.0), PAIR), "tau_pt"),
    "fix_event_phi": (lambda df: fix_event_phi(df, "tau", vecs="jet")["jet_px"], "jet_py"),
    "fix_event_z": (lambda df: fix_event_z(df, "jet", vecs="tau")["tau_eta"], "tau_eta"),
    "fix_event_y": (lambda df: fix_event_y(df, "tau", "met", vecs="jet")["jet_py"], "jet_py"),
    "event_to_cartesian": (lambda df: event_to_cartesian(df)["tau_px"], "tau_pt"),
    "proc_event": (lambda df: proc_event(df, use_cartesian=True, vecs="tau")["tau_px"], "tau_pt"),
}
SCANNED = {
    "pred": np.array([0.2, 0.9]), "gen_target": np.array([0, 1]), "gen_weight": np.array([1.0, 2.0]),
    "gen_sample": np.array(["ttbar", "higgs"]),
}  # fmt: skip
SCANS = {
    "ams_scan": lambda df: ams_scan(df, br=1),
    "ams_scan_quick": lambda df: ams_scan_quick(df, br=1),
    "ams_scan_slow": lambda df: ams_scan_slow(df, br=1, start_cut=0, min_events=0),
    "binary_class_cut_by_ams": lambda df: binary_class_cut_by_ams(df, br=1, min_pred=0),
    "bin_binary_class_pred": lambda df: bin_binary_class_pred(df, 1.5, add_pure_signal_bin=True),
}


def records(columns, masked=None):
    """Give columns as an array of records, one field masked in the second row."""
    made = pd.DataFrame(columns).to_records(index=False)
    return (
        made
        if masked is None
        else np.ma.masked_array(made, [(False,) * len(columns), tuple(c == masked for c in columns)])
    )


class Foreign:
    """A frame of another library, as far as it shows."""

    __module__ = "polars.dataframe.frame"
    columns = ("tau_pt", "pred")


@pytest.mark.parametrize("name", KINEMATICS)
def test_kinematics_give_nan_for_what_is_missing_however_it_comes(name):
    call, column = KINEMATICS[name]
    right, frame = np.asarray(call(dict(EVENTS))), pd.DataFrame(EVENTS)
    for whole in (frame, records(EVENTS), frame.astype("Float64"), {k: v.tolist() for k, v in EVENTS.items()}):
        np.testing.assert_allclose(np.asarray(call(whole), dtype=float), right, rtol=1e-12)
    masked = np.ma.masked_array(EVENTS[column], SECOND)
    nullable = frame[column].astype("Float64").mask(SECOND)
    for lacking in (
        {**EVENTS, column: masked},
        records(EVENTS, column),
        frame.assign(**{column: nullable}),
        frame.assign(**{column: frame[column].astype(object).mask(SECOND, None)}),
    ):
        np.testing.assert_allclose(np.asarray(call(lacking), dtype=float), [right[0], np.nan], rtol=1e-12)


@pytest.mark.parametrize("name", KINEMATICS)
def test_kinematics_take_no_other_columns(name):
    call, column = KINEMATICS[name]
    for what, values in NO_NUMBERS.items():
        with pytest.raises(DataError, match=f"the column '{column}' must hold numbers, got {what}"):
            call(pd.DataFrame(EVENTS).assign(**{column: values}))
    with pytest.raises(LuminError, match=f"columns '{column}'|'{column}' and '{column}' are both"):
        call(pd.concat([pd.DataFrame(EVENTS), pd.DataFrame({column: EVENTS[column]})], axis=1))
    with pytest.raises(DataError, match=r"got Foreign; pass df.to_pandas\(\)"):
        call(Foreign())


@pytest.mark.parametrize("angle", [delta_phi, delta_r, twist])
def test_angles_of_masked_arrays_are_nan_and_not_what_the_mask_covers(angle):
    given = np.array([1.0, 9.0], dtype="float32")
    found = angle(np.ma.masked_array(given, SECOND), np.float32(0.5))
    assert type(found) is np.ndarray
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, [angle(given, np.float32(0.5))[0], np.nan])
    assert np.isnan(angle(pd.Series([1, None], dtype="Int64"), 0.5)).tolist() == [False, True]
    for values in (*NO_NUMBERS.values(), torch.tensor([1j, 2j])):
        with pytest.raises(DataError, match="must hold numbers"):
            angle(values, np.array([0.5, 0.5]))


@pytest.mark.parametrize(
    "call", [to_cartesian, to_pt_eta_phi, boost2cm, lambda p: cos_delta(p, p), lambda p: boost(p, p, None, True)]
)
def test_momenta_in_masked_arrays_are_nan(call):
    momenta = np.array([[1.0, 0.5, 0.25, 9.0], [2.0, 0.5, 0.25, 9.0]])
    found = call(np.ma.masked_array(momenta, np.outer(SECOND, [True, False, False, False])))
    np.testing.assert_array_equal(found[0], call(momenta)[0])
    assert np.isnan(np.atleast_1d(found[1])[0])
    for bad in (momenta + 0j, momenta.astype(str), momenta.astype("datetime64[s]")):
        with pytest.raises(DataError, match="must hold numbers"):
            call(bad)


def test_records_cannot_be_changed_in_place():
    with pytest.raises(ConfigError, match="inplace=True changes a data frame of pandas, got rec"):
        add_energy(records(EVENTS), "tau", inplace=True)
    with pytest.raises(ConfigError, match="inplace=True changes a data frame of pandas, got dict"):
        proc_event(dict(EVENTS), inplace=True)


@pytest.mark.parametrize("name", SCANS)
@pytest.mark.parametrize("column", ["pred", "gen_target", "gen_weight"])
def test_scans_refuse_what_is_missing_or_no_number_by_column(name, column):
    call, frame = SCANS[name], pd.DataFrame(SCANNED)
    for what, values in NO_NUMBERS.items():
        if name != "bin_binary_class_pred" or column != "gen_target":  # there a class may have any name
            with pytest.raises(DataError, match=f"the column '{column}' must hold numbers, got {what}"):
                call(frame.assign(**{column: values}))
    for lacking in (
        {**SCANNED, column: np.ma.masked_array(SCANNED[column], SECOND)},
        records(SCANNED, column),
        frame.assign(**{column: frame[column].convert_dtypes().mask(SECOND)}),
    ):
        with pytest.raises(DataError, match=f"the column '{column}' (must be finite, got 1 NaN|has 1 missing)"):
            call(lacking)


@pytest.mark.parametrize("name", SCANS)
def test_scans_take_columns_however_they_come(name):
    call, frame = SCANS[name], pd.DataFrame(SCANNED)
    right = call(SCANNED)
    for whole in (frame, frame.convert_dtypes(), records(SCANNED), SCANNED | {"jets": np.ones((5, 2))}):
        np.testing.assert_array_equal(call(whole), right)
    with pytest.raises(DataError, match=r"got Foreign; pass df.to_pandas\(\)"):
        call(Foreign())
    with pytest.raises(LuminError, match="'pred' must be one column"):
        call(pd.concat([frame, frame[["pred"]]], axis=1))


def test_missing_samples_are_refused_by_name():
    for samples in (np.ma.masked_array(SCANNED["gen_sample"], SECOND), ["ttbar", None], pd.Series(["ttbar", pd.NA])):
        with pytest.raises(DataError, match="the column 'gen_sample' has 1 missing values of 2"):
            bin_binary_class_pred({**SCANNED, "gen_sample": samples}, 1.5)


def test_the_significance_of_what_is_missing_is_nan_or_refused():
    s = np.ma.masked_array([10.0, 20.0], SECOND)
    np.testing.assert_array_equal(calc_ams(s, 100), [calc_ams(10, 100), np.nan])
    for values in NO_NUMBERS.values():
        for arguments in ((values, 1), (1, values), (1, 1, 0, values)):
            with pytest.raises(DataError, match="must hold numbers"):
                calc_ams(*arguments)
    with pytest.raises(ConfigError, match="unc_b must not be negative"):
        calc_ams(1, 1, unc_b=np.ma.masked_array([0.1, 0.2], SECOND))
    metric = AMS(2, "gen_weight", br=1)
    for weights in (np.ma.masked_array([1.0, 2.0], SECOND), pd.Series([1.0, None])):
        with pytest.raises(DataError, match="'gen_weight' must be finite, got 1"):
            metric(SCANNED["pred"], SCANNED["gen_target"], columns={"gen_weight": weights})
    with pytest.raises(DataError, match="'pred' must be finite, got 1"):
        metric(np.ma.masked_array(SCANNED["pred"], SECOND), SCANNED["gen_target"], columns=SCANNED)
