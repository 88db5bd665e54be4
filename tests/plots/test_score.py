"""Scores by class and process: sums and errors against numpy and scipy; what is blinded is nowhere."""

import json

import numpy as np
import pytest
from drawings import SMALL, check_redrawn, error_bars, texts
from scipy.stats import chi2

from lumin_core.errors import ConfigError, DataError
from lumin_plugin_plots import plot_score


def events(n=800, seed=1):
    rng = np.random.default_rng(seed)
    truth = rng.integers(2, size=n)
    return {
        "pred": rng.beta(2 + 2 * truth, 4 - 2 * truth).round(3),
        "gen_target": truth,
        "gen_weight": rng.choice([1.0, -1.0], n, p=[0.88, 0.12]),
        "process": np.where(rng.random(n) < 0.3, "top", np.where(truth == 1, "Higgs", "W")),
    }


def observed(n=500, seed=2):
    return {"pred": np.random.default_rng(seed).beta(3, 3, n)}


@pytest.mark.usefixtures("undrawn")
def test_stacked_sums_are_those_of_numpy():
    df = events()
    histograms = plot_score(df, by="process", bins=10, settings=SMALL).numbers.histograms
    assert list(histograms) == ["W", "top (background)", "Higgs", "top (signal)"]
    for label, process, truth in (("W", "W", 0), ("top (background)", "top", 0), ("top (signal)", "top", 1)):
        of = (df["process"] == process) & (df["gen_target"] == truth)
        for found, power in ((histograms[label].values(), 1), (histograms[label].variances(), 2)):
            expected = np.histogram(df["pred"][of], 10, (0, 1), weights=df["gen_weight"][of] ** power)[0]
            np.testing.assert_allclose(found, expected, atol=1e-9)
    total = sum(of.values(flow=True).sum() for of in histograms.values())
    assert total == pytest.approx(df["gen_weight"].sum())


def test_data_have_garwood_intervals_and_the_ratio_too():
    plot = plot_score(events(), observed=observed(), bins=8, settings=SMALL)
    counts = plot.numbers.histograms["data"].values()
    np.testing.assert_array_equal(counts, np.histogram(observed()["pred"], 8, (0, 1))[0])
    main, below = plot.figure.axes[:2]
    (_, y, down, up), *_ = error_bars(main)
    np.testing.assert_allclose(y, counts)
    np.testing.assert_allclose(y - down, chi2.ppf(0.158655, 2 * counts) / 2, rtol=1e-5)
    np.testing.assert_allclose(y + up, chi2.ppf(0.841345, 2 * counts + 2) / 2, rtol=1e-5)
    total = sum(plot.numbers.histograms[label].values() for label in ("background", "signal"))
    (_, ratio, lower, upper), *_ = error_bars(below)
    np.testing.assert_allclose(ratio, counts / total)
    np.testing.assert_allclose([lower, upper], [down / total, up / total], rtol=1e-6)


def test_blinded_data_are_in_no_file(tmp_path):
    seen = observed()
    plot = plot_score(events(), observed=seen, blind=(0.62, 1), bins=10, settings=SMALL)
    data = plot.numbers.histograms["data"]
    np.testing.assert_array_equal(data.values()[6:], 0)  # the bin from 0.6 on is touched
    np.testing.assert_array_equal(data.values()[:6], np.histogram(seen["pred"], 10, (0, 1))[0][:6])
    stored = json.loads(plot.save(tmp_path / "score", formats=[])[0].read_text())["histograms"]["data"]
    assert sum(stored["storage"]["values"]) == (seen["pred"] < 0.6).sum()
    assert "Data from 0.6 to 1 are blinded." in texts(plot)
    assert "blinded" in texts(plot)


def test_pulls_are_differences_over_their_errors():
    plot = plot_score(events(), observed=observed(), panel="pull", bins=8, settings=SMALL)
    histograms = plot.numbers.histograms
    total, variance = (
        sum(getattr(histograms[of], what)() for of in ("background", "signal")) for what in ("values", "variances")
    )
    counts = histograms["data"].values()
    garwood = np.where(
        counts >= total, counts - chi2.ppf(0.158655, 2 * counts) / 2, chi2.ppf(0.841345, 2 * counts + 2) / 2 - counts
    )
    drawn = plot.figure.axes[1].patches[0].get_data().values
    np.testing.assert_allclose(drawn, (counts - total) / np.sqrt(garwood**2 + variance), rtol=1e-4)


def test_bins_without_a_positive_sum_are_empty_counted_and_said():
    df = {"pred": [0.1, 0.1, 0.3, 0.9], "gen_target": [0, 0, 0, 1], "gen_weight": [1.0, -2.0, 1.0, 1.0]}
    plot = plot_score(df, bins=5, settings=SMALL)
    assert plot.numbers.about["not_shown"] == {"not_positive": {"background": 1}}
    assert "Bins left empty, without a positive sum: background: 1." in texts(plot)
    assert plot.numbers.histograms["background"].values().tolist() == [-1, 1, 0, 0, 0]


def test_the_figure_is_that_of_its_numbers_and_is_labelled(tmp_path):
    plot = plot_score(events(), observed=observed(), by="process", blind=(0.7, 1), log=True, settings=SMALL)
    check_redrawn(plot, tmp_path)
    written = texts(plot)
    for text in ("score (pred)", "Events / 0.04", "data / sim.", "data", "W", "sample (± 1 σ)"):
        assert text in written


@pytest.mark.usefixtures("undrawn")
def test_one_class_of_several_and_scores_beyond_one():
    rng = np.random.default_rng(1)
    df = {"logit": rng.normal(0, 3, 90), "gen_target": np.arange(90) % 3}
    plot = plot_score(df, "logit", class_names={2: "b jets"}, settings=SMALL)
    assert list(plot.numbers.histograms) == ["class 0", "class 1", "b jets"]
    assert not plot.numbers.histograms["b jets"].axes[0].edges[0] >= 0


@pytest.mark.usefixtures("undrawn")
@pytest.mark.parametrize(
    ("how", "error", "words"),
    [
        ({"panel": "difference"}, ConfigError, "'ratio' or 'pull'"),
        ({"observed": {"pred": [0.5]}, "blind": 0.6}, ConfigError, "a range of the score"),
        ({"observed": {"pred": [0.5]}, "blind": (0.9, 0.6)}, ConfigError, "a range of the score"),
        ({"observed": {"pred": [0.5]}, "blind": (2, 3)}, ConfigError, "within 0 to 1"),
        ({"observed": {"score": [0.5]}}, DataError, "no column 'pred'"),
        ({"by": "proces"}, DataError, "did you mean 'process'"),
        ({"targ_name": "pred"}, DataError, "different values"),
    ],
)
def test_what_cannot_be_shown_is_refused(how, error, words):
    with pytest.raises(error, match=words):
        plot_score(events(), settings=SMALL, **how)


@pytest.mark.usefixtures("undrawn")
def test_a_process_called_data_is_refused():
    df = {"pred": [0.1, 0.2], "gen_target": [0, 1], "process": ["data", "top"]}
    with pytest.raises(DataError, match="observed="):
        plot_score(df, by="process", observed={"pred": [0.1]}, settings=SMALL)


def test_several_models_have_a_mean_and_a_band(tmp_path):
    df = events()
    rng = np.random.default_rng(3)
    names = [f"pred_{i}" for i in range(3)]
    df |= {name: np.clip(df["pred"] + rng.normal(0, 0.1, 800), 0, 1) for name in names}
    plot = plot_score(df, names, bins=6, settings=SMALL)
    alone = [plot_score(df, name, bins=6, settings=SMALL).numbers.histograms for name in names]
    for label in ("background", "signal"):
        expected = np.mean([of[label].values() for of in alone], axis=0)
        np.testing.assert_allclose(plot.numbers.histograms[label].values(), expected)
    totals = np.array([of["background"].values() + of["signal"].values() for of in alone])
    band = plot.numbers.curves["models"]
    np.testing.assert_allclose(band["high"] - band["low"], 2 * totals.std(axis=0, ddof=1))
    np.testing.assert_allclose(band["high"] + band["low"], 2 * totals.mean(axis=0))
    assert {"sample (± 1 σ)", "models (± 1 σ)", "score (3 models)"} <= set(texts(plot))
    check_redrawn(plot, tmp_path)
    with pytest.raises(ConfigError, match="one pred_name"):
        plot_score(df, names, observed=observed(), settings=SMALL)
