"""Columns by class, by cut and by sample: sums and moments against numpy, distances against scipy."""

import numpy as np
import pytest
from drawings import SMALL, check_redrawn, texts
from scipy.stats import ks_2samp

from lumin_core.errors import ArgumentError, ConfigError
from lumin_core.statistics import get_moments
from lumin_plugin_plots import PlotSettings, plot_feat, plot_samples


def events(n=300, seed=1):
    rng = np.random.default_rng(seed)
    truth = rng.integers(2, size=n)
    return {
        "mass": rng.normal(100 + 25 * truth, 15),
        "n_jets": rng.integers(0, 4, n),
        "gen_target": truth,
        "gen_weight": rng.choice([1.0, -1.0], n, p=[0.88, 0.12]),
    }


@pytest.mark.usefixtures("undrawn")
def test_sums_and_moments_are_those_of_numpy():
    df, edges = events(), [50, 90, 110, 160]
    numbers = plot_feat(df, "mass", bins=edges, settings=SMALL).numbers
    for label, truth in (("background", 0), ("signal", 1)):
        x, w = (df[name][df["gen_target"] == truth] for name in ("mass", "gen_weight"))
        np.testing.assert_allclose(numbers.histograms[label].values(), np.histogram(x, edges, weights=w)[0])
        mean = (w * x).sum() / w.sum()
        found = numbers.about["moments"][label]
        assert found[0] == pytest.approx(mean)
        assert found[2] == pytest.approx(np.sqrt((w * (x - mean) ** 2).sum() / w.sum()))
        assert found == pytest.approx(list(get_moments(x, w)))


@pytest.mark.usefixtures("undrawn")
def test_what_is_compared_is_a_column_cuts_or_nothing():
    df = events()
    assert list(plot_feat(df, "mass", by="n_jets", settings=SMALL).numbers.histograms) == [
        f"n_jets = {n}" for n in range(4)
    ]
    cuts = {"all": np.ones(300, bool), "two jets": df["n_jets"] >= 2}
    numbers = plot_feat(df, "mass", cuts, settings=SMALL).numbers
    total = numbers.histograms["two jets"].values(flow=True).sum()
    assert total == pytest.approx(df["gen_weight"][df["n_jets"] >= 2].sum())
    assert list(plot_feat(df, "mass", None, settings=SMALL).numbers.histograms) == ["events"]


@pytest.mark.usefixtures("undrawn")
def test_whole_numbers_have_a_bin_each():
    histogram = plot_feat(events(), "n_jets", settings=SMALL).numbers.histograms["signal"]
    assert histogram.axes[0].edges.tolist() == [-0.5, 0.5, 1.5, 2.5, 3.5]


def test_missing_values_are_left_out_and_said():
    df = events()
    df["mass"][:7] = np.nan
    plot = plot_feat(df, "mass", None, settings=SMALL)
    assert plot.numbers.about["missing"] == {"events": 7}
    assert any("Missing: events: 7 events." in text for text in texts(plot))
    assert plot.numbers.histograms["events"].values(flow=True).sum() == pytest.approx(df["gen_weight"][7:].sum())


def test_without_a_positive_variance_there_are_no_moments():
    df = {"x": [0.0, 1.0, 9.0], "gen_weight": [1.0, 1.0, -1.0]}
    plot = plot_feat(df, "x", None, bins=[0, 5, 10], settings=SMALL)
    assert np.isnan(plot.numbers.about["moments"]["events"]).all()
    assert "events\nmean not defined, σ not defined" in texts(plot)


@pytest.mark.parametrize("how", [{}, {"density": False}, {"log": True}])
def test_the_figure_is_that_of_its_numbers_and_is_labelled(tmp_path, how):
    settings = PlotSettings(dpi=40, size=(4, 3), units={"mass": "GeV"})
    plot = plot_feat(events(), "mass", bins=[50, 100, 150], settings=settings, **how)
    check_redrawn(plot, tmp_path)
    assert {"mass [GeV]", "Events / 50 GeV" if how == {"density": False} else "Density [1/GeV]"} <= set(texts(plot))
    assert any(text.startswith("signal\nmean 12") and "GeV" in text for text in texts(plot))


def test_samples_have_the_distances_of_scipy_and_ratios_to_the_baseline(tmp_path):
    rng = np.random.default_rng(1)
    samples = {"old": {"pt": rng.exponential(30, 200)}, "new": {"pt": rng.exponential(40, 150)}}
    plot = plot_samples(samples, "pt", baseline="new", bins=6, settings=SMALL)
    found = plot.numbers.about["distances"]
    expected = ks_2samp(samples["old"]["pt"], samples["new"]["pt"]).statistic
    assert found["old"]["distance"] == pytest.approx(expected, abs=1e-12)
    assert list(found) == ["old"]
    assert "to new" in texts(plot)
    check_redrawn(plot, tmp_path)


def test_samples_that_are_none_are_refused():
    with pytest.raises(ConfigError, match="two or more, got old"):
        plot_samples({"old": {"pt": [1.0]}}, "pt", settings=SMALL)
    with pytest.raises(ConfigError, match="did you mean 'old'"):
        plot_samples({"old": {"pt": [1.0]}, "new": {"pt": [2.0]}}, "pt", baseline="odl", settings=SMALL)
    with pytest.raises(ArgumentError, match="samples must be a"):
        plot_samples([{"pt": [1.0]}], "pt", settings=SMALL)


def test_where_nothing_is_positive_there_is_an_empty_figure_that_says_so():
    df = events() | {"gen_weight": np.full(300, -1.0)}
    plot = plot_feat(df, "mass", bins=[80, 100, 120], log=True, density=False, settings=SMALL)
    assert plot.numbers.about["not_shown"]["not_positive"] == {"background": 2, "signal": 2}
    assert any("without a positive sum: background: 2; signal: 2." in " ".join(text.split()) for text in texts(plot))
    assert plot.picture()
