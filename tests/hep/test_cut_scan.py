"""The scan against a brute force over every cut, and the rules which cuts count."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from lumin_core.errors import ConfigError, DataError, ShapeError
from lumin_plugin_hep.cut_scan import ams_scan, ams_scan_quick, ams_scan_slow
from lumin_plugin_hep.significance import calc_ams

NAMES = ["pred", "gen_target", "gen_weight"]


def sample(seed=0, n=300, ties=True, sign="negative", dtype="float32"):
    """Give events of both classes, with equal predictions and weights of either sign where that is asked for."""
    rng = np.random.default_rng(seed)
    target = rng.integers(2, size=n)
    pred = rng.beta(1 + 2 * target, 3 - 2 * target)
    weight = rng.exponential(size=n)
    if sign == "negative":
        weight *= rng.choice([1, 1, 1, 1, -0.5, 0], size=n)
    df = pd.DataFrame({"pred": np.round(pred, 2) if ties else pred, "gen_target": target, "gen_weight": weight})
    return df.astype({"pred": dtype})


def brute_force(
    df, wgt_factor=1, br=0, syst_unc_b=0, *, use_stat_unc=False, min_background=0, min_events=0, start_cut=-np.inf
):
    """Try the prediction of every event as a cut, one by one; of equal ones the lowest."""
    pred, target, weight = (df.loc[df.gen_weight != 0, name].to_numpy() for name in NAMES)
    cuts, yields = [], []
    for cut in sorted(set(pred)):
        signal, background = ((pred >= cut) & (target == k) for k in (1, 0))
        s, b = (wgt_factor * weight[chosen].sum() for chosen in (signal, background))
        if b < max(0, min_background) or b + br <= 0 or background.sum() < min_events or cut < start_cut:
            continue
        sigma2 = (syst_unc_b * (b + br)) ** 2 + use_stat_unc * wgt_factor**2 * (weight[background] ** 2).sum()
        cuts.append(float(cut))
        yields.append((s, b, np.sqrt(sigma2) / (b + br)))
    s, b, unc_b = np.array(yields).T
    ams = calc_ams(s, b, br, unc_b)
    return ams.max(), cuts[ams.argmax()]


OPTIONS = [
    {},
    {"br": 10},
    {"syst_unc_b": 0.1},
    {"wgt_factor": 3.5, "br": 2, "syst_unc_b": 0.3},
    {"use_stat_unc": True},
    {"use_stat_unc": True, "syst_unc_b": 0.2, "br": 1, "wgt_factor": 0.2},
    {"min_background": 5, "wgt_factor": 2},
    {"min_events": 12},
]


@pytest.mark.parametrize("options", OPTIONS, ids=str)
@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("sign", ["positive", "negative"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_scan_is_a_brute_force_over_every_cut(options, ties, sign, dtype):
    for seed in range(3):
        df = sample(seed, 150, ties, sign, dtype)
        ams, cut = ams_scan(df, **options)
        expected = brute_force(df, **options)
        assert ams == pytest.approx(expected[0], rel=1e-12)
        assert cut == expected[1]
        assert ams > 0


def test_quick_and_slow_are_the_same_scan():
    df = sample(ties=False)
    assert ams_scan_quick(df, 2, 1, 0.1) == ams_scan(df, 2, 1, 0.1)
    ams, cut = ams_scan_slow(df, 2, 1, 0.1, True, 0.4, 7)
    assert (ams, cut) == ams_scan(df, 2, 1, 0.1, use_stat_unc=True, start_cut=0.4, min_events=7)
    assert ams == pytest.approx(
        brute_force(df, 2, 1, 0.1, use_stat_unc=True, min_events=7, start_cut=0.4)[0], rel=1e-12
    )
    assert 0.4 <= cut <= 1
    assert ams_scan_slow(df) == ams_scan(df, start_cut=0.9, min_events=10)


@pytest.mark.parametrize("dtype", ["float32", "float64", "int64"])
def test_cut_selects_exactly_the_events_of_the_significance(dtype):
    df = sample(ties=False, sign="positive")
    df["pred"] = (100 * df.pred).astype(dtype)
    ams, cut = ams_scan(df, br=1)
    assert isinstance(cut, float)
    chosen = df[df.pred >= cut]
    s, b = (chosen.gen_weight[chosen.gen_target == k].sum() for k in (1, 0))
    assert calc_ams(s, b, br=1) == pytest.approx(ams, rel=1e-12)
    assert len(chosen) == (df.pred.to_numpy() >= cut).sum()


def test_fault_tied_events_are_counted_together():
    """A hundred signals and a hundred backgrounds that share one prediction cannot be told apart."""
    df = pd.DataFrame({"pred": np.full(200, 0.5), "gen_target": np.repeat([1, 0], 100), "gen_weight": np.ones(200)})
    for order in (df, df[::-1]):
        assert ams_scan(order) == (pytest.approx(calc_ams(100, 100)), 0.5)


def test_fault_optimum_is_not_where_no_background_is_left():
    df = pd.DataFrame({
        "pred": [0.9, 0.8, 0.7, 0.6], "gen_target": [1, 1, 0, 0], "gen_weight": [1.0, 5.0, 2.0, 50.0],
    })  # fmt: skip
    assert ams_scan(df) == (pytest.approx(calc_ams(6, 2)), 0.7)
    assert ams_scan(df, br=1e-3) == (pytest.approx(calc_ams(6, 0, br=1e-3)), 0.8)  # with it, it is defined
    assert ams_scan(df, min_background=10) == (pytest.approx(calc_ams(6, 52)), 0.6)
    assert ams_scan(df, min_events=2) == (pytest.approx(calc_ams(6, 52)), 0.6)


def test_fault_br_counts_with_a_systematic_uncertainty_too():
    df = sample(ties=False, sign="positive")
    with_br = ams_scan(df, br=10, syst_unc_b=0.1)
    assert with_br[0] == pytest.approx(brute_force(df, br=10, syst_unc_b=0.1)[0])
    assert with_br[0] < 0.9 * ams_scan(df, syst_unc_b=0.1)[0]


@pytest.mark.parametrize("scan", [ams_scan, ams_scan_quick, ams_scan_slow])
def test_fault_misspelt_columns_are_refused(scan):
    with pytest.raises(DataError, match=r"no column 'gen_weigth'; did you mean 'gen_weight'\?"):
        scan(sample(), wgt_name="gen_weigth")
    with pytest.raises(DataError, match=r"no column 'pred'; did you mean 'preds'\?"):
        scan(sample().rename(columns={"pred": "preds"}))
    with pytest.raises(DataError, match=r"no column 'y'; known are pred, gen_target, gen_weight"):
        scan(sample(), targ_name="y")


def test_statistical_uncertainty_is_that_of_the_weights():
    """Equal weights: LUMIN's 1/n. Unequal ones are known less well."""
    df = pd.DataFrame({"pred": [1.0] * 9, "gen_target": [1] + [0] * 8, "gen_weight": [4.0] + [2.0] * 8})
    assert ams_scan(df, use_stat_unc=True)[0] == pytest.approx(calc_ams(4, 16, unc_b=1 / np.sqrt(8)))
    df.loc[1:, "gen_weight"] = [9.0] + [1.0] * 7
    assert ams_scan(df, use_stat_unc=True)[0] == pytest.approx(calc_ams(4, 16, unc_b=np.sqrt(88) / 16))


def test_weights_that_cancel_are_no_tiny_background():
    """0.1 + 0.2 - 0.3 is 6e-17 in doubles, of which any signal would be very significant."""
    df = pd.DataFrame({
        "pred": [0.9, 0.8, 0.8, 0.8, 0.1], "gen_target": [1, 0, 0, 0, 0], "gen_weight": [1, 0.1, 0.2, -0.3, 4],
    })  # fmt: skip
    assert 0.1 + 0.2 - 0.3 > 0
    assert ams_scan(df) == (pytest.approx(calc_ams(1, 4)), 0.1)


def test_negative_background_does_not_count():
    df = pd.DataFrame({"pred": [0.9, 0.8, 0.1], "gen_target": [1, 0, 0], "gen_weight": [1.0, -2.0, 6.0]})
    assert ams_scan(df, br=5) == (pytest.approx(calc_ams(1, 0, br=5)), 0.9)


def test_where_no_cut_counts_nothing_is_selected():
    df = sample()
    for options in ({"min_events": 10_000}, {"start_cut": 2.0}, {"min_background": 1e9}):
        assert ams_scan(df, **options) == (0.0, np.inf)
    assert ams_scan(df[df.gen_target == 1]) == (0.0, np.inf)
    ams, cut = ams_scan(df[df.gen_target == 0])
    assert ams == 0
    assert np.isfinite(cut)


def test_one_event_is_enough():
    assert ams_scan({"pred": [0.5], "gen_target": [0], "gen_weight": [1.0]}) == (0.0, 0.5)
    assert ams_scan({"pred": [0.5], "gen_target": [1], "gen_weight": [1.0]}, br=1) == (calc_ams(1, 0, br=1), 0.5)


def test_lowest_of_equally_good_cuts_is_taken():
    df = {"pred": [0.9, 0.9, 0.8, 0.8], "gen_target": [1, 0, 1, 1], "gen_weight": [1.0, 1.0, 1.0, -1.0]}
    assert ams_scan(df) == (pytest.approx(calc_ams(1, 1)), 0.8)


def test_order_index_and_events_of_weight_zero_change_nothing():
    df = sample(ties=False)
    expected = ams_scan(df, br=1, syst_unc_b=0.1, use_stat_unc=True, min_events=3)
    nothing = pd.DataFrame({"pred": [0.0, 0.5, 1.0], "gen_target": [0, 1, 0], "gen_weight": 0.0})
    for other in (
        df.sample(frac=1, random_state=1),
        df.set_index(np.arange(1000, 1000 + len(df))),
        pd.concat([df, nothing.astype({"pred": "float32"})]),
        {name: df[name].to_numpy() for name in NAMES},
    ):
        ams, cut = ams_scan(other, br=1, syst_unc_b=0.1, use_stat_unc=True, min_events=3)
        assert (pytest.approx(ams, rel=1e-12), cut) == expected


def test_weight_factor_scales_weights():
    df = sample(ties=False)
    scaled = df.assign(gen_weight=7 * df.gen_weight)
    for options in ({}, {"br": 3, "syst_unc_b": 0.2, "use_stat_unc": True, "min_background": 4}):
        assert ams_scan(df, wgt_factor=7, **options) == pytest.approx(ams_scan(scaled, **options), rel=1e-12)


def test_frame_is_not_changed():
    df = sample()
    before = df.copy()
    ams_scan(df, br=1)
    ams_scan_slow(df)
    pd.testing.assert_frame_equal(df, before)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"pred": [np.nan, 0.1]}, r"column 'pred' must be finite, got 1 NaN or infinite of 2; select before"),
        ({"gen_weight": [1, np.inf]}, r"column 'gen_weight' must be finite"),
        ({"pred": ["a", "b"]}, r"column 'pred' must hold numbers, got"),
        ({"gen_target": [0, 2]}, r"'gen_target' must be 0 \(background\) or 1 \(signal\), got \[2\] too"),
        ({"gen_target": [0.5, 1]}, r"got \[0.5\] too"),
        ({"gen_weight": [0, 0]}, r"at least one event of non-zero weight is needed, got none of 2"),
    ],
)
def test_bad_values_are_refused(changes, message):
    df = {"pred": [0.2, 0.8], "gen_target": [0, 1], "gen_weight": [1.0, 1.0], **changes}
    with pytest.raises(DataError, match=message):
        ams_scan(df)


def test_empty_frames_lengths_and_options_are_refused():
    with pytest.raises(DataError, match=r"at least one event of non-zero weight is needed, got none of 0"):
        ams_scan(sample()[:0])
    with pytest.raises(ShapeError, match=r"columns must have one length, got 2 of 'pred', 1 of 'gen_target' and 2"):
        ams_scan({"pred": [0.2, 0.8], "gen_target": [0], "gen_weight": [1.0, 1.0]})
    with pytest.raises(ShapeError, match=r"'pred' must be one column, \(n,\), got shape \(2, 2\)"):
        ams_scan({"pred": np.ones((2, 2)), "gen_target": [0, 1], "gen_weight": [1.0, 1.0]})
    for options in ({"wgt_factor": 0}, {"wgt_factor": -1}, {"wgt_factor": np.nan}):
        with pytest.raises(ConfigError, match=r"wgt_factor must be positive and finite"):
            ams_scan(sample(), **options)
    with pytest.raises(ConfigError, match=r"br must not be negative"):
        ams_scan(sample(), br=-1)
    for option in ("br", "syst_unc_b", "start_cut", "min_background", "min_events"):
        for value in (float("nan"), "2", [1.0]):
            with pytest.raises(ConfigError, match=rf"{option} must be a number, got"):
                ams_scan(sample(), **{option: value})
    with pytest.raises(ConfigError, match=r"wgt_factor must be positive and finite, got '2'"):
        ams_scan(sample(), wgt_factor="2")
    for use_stat_unc in (False, True):  # in quadrature a sign would be lost
        with pytest.raises(ConfigError, match=r"unc_b must not be negative"):
            ams_scan(sample(), syst_unc_b=-1, use_stat_unc=use_stat_unc)
