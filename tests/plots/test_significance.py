"""The significance against the cut: equal to lumin-plugin-hep's formula and scan, and to the equation as printed."""

import numpy as np
import pytest

from lumin_core.errors import ConfigError, DataError
from lumin_plugin_plots import PlotSettings, plot_significance, redraw
from lumin_plugin_plots.asimov import asimov

SMALL = PlotSettings(dpi=40, size=(4, 3))
NEW = {"n_replicas": 20, "settings": SMALL}


def events(n=1500, negative=0.12, seed=1):
    rng = np.random.default_rng(seed)
    truth = rng.integers(2, size=n)
    w = rng.choice([1, -1], size=n, p=[1 - negative, negative]) * rng.exponential(size=n)
    scores = {f"net_{i}": rng.normal(1.5 * truth).round(2) for i in range(2)}
    return {"gen_target": truth, "gen_weight": np.where(truth == 1, 0.05, 1.0) * w, **scores}


def test_formula_is_the_printed_one():
    s, b, sigma = (each.ravel() for each in np.meshgrid([1.0, 10, 300], [5.0, 100], [2.0, 30]))
    first = (s + b) * np.log((s + b) * (b + sigma**2) / (b**2 + (s + b) * sigma**2))
    second = b**2 / sigma**2 * np.log1p(sigma**2 * s / (b * (b + sigma**2)))
    np.testing.assert_allclose(asimov(s, b, sigma), np.sqrt(2 * (first - second)), rtol=1e-9)
    np.testing.assert_allclose(asimov(s, b), np.sqrt(2 * ((s + b) * np.log1p(s / b) - s)), rtol=1e-9)


def test_formula_is_that_of_hep():
    hep = pytest.importorskip("lumin_plugin_hep")
    grids = np.meshgrid(10.0 ** np.arange(-6, 7), 10.0 ** np.arange(-3, 7), [0, 1e-8, 1e-3, 0.1, 2])
    s, b, unc = (each.ravel() for each in grids)
    np.testing.assert_allclose(asimov(s, b, unc * b), hep.calc_ams(s, b, unc_b=unc), rtol=1e-12)
    assert asimov(np.array([-1.0]), np.array([5.0]))[0] == 0


@pytest.mark.parametrize("negative", [0, 0.12])
@pytest.mark.parametrize("stat", [True, False])
def test_best_cut_is_that_of_heps_scan(negative, stat):
    hep = pytest.importorskip("lumin_plugin_hep")
    data = events(negative=negative)
    options = {"wgt_factor": 3.0, "br": 2.0, "syst_unc_b": 0.1, "use_stat_unc": stat}
    plot = plot_significance(data, "net_0", min_events=0, **options, **NEW)
    best = plot.numbers.about["best"]
    for name, of in (("with", options), ("without", {"wgt_factor": 3.0, "br": 2.0})):
        ams, cut = hep.ams_scan(data, pred_name="net_0", **of)
        found = best[f"net_0, {name} uncertainty"]
        assert found["significance"] == pytest.approx(ams, rel=1e-9)
        assert found["cut"] == cut


def test_events_of_equal_scores_are_selected_together():
    data = {"pred": [0.9, 0.5, 0.5, 0.5], "gen_target": [1, 1, 0, 1], "gen_weight": [1.0, 2.0, 3.0, 4.0]}
    best = plot_significance(data, min_events=0, **NEW).numbers.about["best"]["pred, without uncertainty"]
    assert (best["cut"], best["signal"], best["background"]) == (0.5, 7, 3)


def test_best_cut_is_not_where_background_is_gone():
    data = {"pred": np.arange(40.0), "gen_target": np.arange(40) >= 20}
    for least in (0, 5):
        best = plot_significance(data, min_events=least, **NEW).numbers.about["best"]["pred, without uncertainty"]
        assert best["background"] == max(least, 1)
    assert plot_significance(data, min_events=99, **NEW).numbers.about["best"] == {
        "pred, without uncertainty": {},
        "pred, with uncertainty": {},
    }


def test_constant_background_is_uncertain_too():
    data = {"pred": [0.5] * 4, "gen_target": [0, 1, 0, 1]}
    plot = plot_significance(data, br=8, syst_unc_b=0.5, use_stat_unc=False, min_events=0, **NEW)
    assert plot.numbers.curves["pred, with uncertainty"]["uncertainty"][0] == 5


def test_curve_is_the_written_out_sums():
    data = events()
    plot = plot_significance(data, "net_0", wgt_factor=2, br=1, syst_unc_b=0.2, **NEW)
    curve, without = (plot.numbers.curves[f"net_0, {name} uncertainty"] for name in ("with", "without"))
    for i in (20, 90):
        passing = data["net_0"] >= curve["cut"][i]
        of_signal = passing & (data["gen_target"] == 1)
        w = data["gen_weight"][passing & (data["gen_target"] == 0)]
        s, b = 2 * data["gen_weight"][of_signal].sum(), 2 * w.sum() + 1
        sigma = np.sqrt((0.2 * b) ** 2 + 4 * (w @ w))
        row = [curve[name][i] for name in ("signal", "background", "uncertainty", "significance")]
        np.testing.assert_allclose(row, [s, b, sigma, asimov(s, b, sigma)], rtol=1e-6)
        assert without["significance"][i] == pytest.approx(float(asimov(s, b)), rel=1e-6)


def test_cuts_with_too_little_background_are_empty_counted_and_said():
    plot = plot_significance(events(), "net_0", min_events=20, **NEW)
    curve = plot.numbers.curves["net_0, without uncertainty"]
    n = int(np.isnan(curve["significance"]).sum())
    assert n > 0
    assert plot.numbers.about["not_shown"]["net_0, without uncertainty"] == n
    note = " ".join(plot.figure.get_supxlabel().split())
    assert f"{2 * n} points with fewer than 20 effective background events" in note
    assert not np.isnan(curve["significance"][0])


def test_several_models_have_mean_and_spread():
    data, cuts = events(), {}
    plot = plot_significance(data, {"network": ["net_0", "net_1"]}, use_stat_unc=False, syst_unc_b=0, **NEW)
    assert list(plot.numbers.curves) == ["network, without uncertainty"]
    curve = plot.numbers.curves["network, without uncertainty"]
    for i in range(2):
        s, b = (
            np.array(
                [
                    data["gen_weight"][(data[f"net_{i}"] >= cut) & (data["gen_target"] == t)].sum()
                    for cut in curve["cut"]
                ]
            )
            for t in (1, 0)
        )
        cuts[i] = asimov(s, b)
    shown = np.isfinite(curve["significance"])
    np.testing.assert_allclose(curve["significance"][shown], (cuts[0] + cuts[1])[shown] / 2)
    half = (curve["models_high"] - curve["models_low"]) / 2
    np.testing.assert_allclose(half[shown], np.std([cuts[0], cuts[1]], axis=0, ddof=1)[shown], atol=1e-12)


def test_redrawn_figure_is_the_same(tmp_path):
    settings = PlotSettings(dpi=40, size=(4, 3), experiment="LUMIN", lumi=138, names={"net_0": "network"})
    plot = plot_significance(events(), "net_0", n_replicas=20, settings=settings)
    files = plot.save(tmp_path / "z", formats=["png"])
    again = redraw(files[-1], settings)
    assert again.numbers.to_text() == plot.numbers.to_text()
    assert again.picture() == files[0].read_bytes()
    axes = plot.figure.axes[0]
    assert axes.get_ylabel() == "Expected significance [σ]"
    assert any(text.get_text().startswith("network, no uncertainty") for text in axes.get_legend().get_texts())


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"wgt_factor": 0}, ConfigError, "wgt_factor must be positive"),
        ({"br": -1}, ConfigError, "br must not be negative"),
        ({"syst_unc_b": float("nan")}, ConfigError, "syst_unc_b must be a number"),
        ({"pred_name": "net"}, DataError, "a cut is on one column of predictions, 'net' has 2"),
    ],
)
def test_what_is_wrong_is_said(options, error, message):
    with pytest.raises(error, match=message):
        plot_significance(events(), **({"pred_name": "net_0"} | NEW | options))
