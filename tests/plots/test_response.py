from types import SimpleNamespace

import numpy as np
import pytest

from lumin_core.errors import DataError
from lumin_plugin_plots import PlotSettings, plot_response, redraw

SMALL = PlotSettings(dpi=40, names={"gen_target": "True mass"}, units={"gen_target": "GeV"})
EDGES = [50, 80, 110, 200]


@pytest.fixture
def undrawn(monkeypatch):
    """Spare the drawing where only numbers are looked at."""
    monkeypatch.setattr("lumin_plugin_plots.response.drawn", lambda numbers, settings: SimpleNamespace(numbers=numbers))


def sample(n=3000, seed=1, negative=0.12):
    rng = np.random.default_rng(seed)
    truth = rng.gamma(8, 12, size=n) + 10
    uncert = 0.1 * truth + 2
    weights = rng.uniform(0.5, 1.5, size=n) * np.where(rng.random(n) < negative, -1, 1)
    pred = 0.97 * truth + uncert * rng.normal(size=n)
    return {"pred": pred, "gen_target": truth, "uncert": uncert, "gen_weight": weights}


@pytest.mark.parametrize("relative", [True, False])
def test_numbers_are_weighted_moments(undrawn, relative):
    data = sample()
    numbers = plot_response(data, uncert_name="uncert", relative=relative, bins=EDGES).numbers
    curve = numbers.curves["pred"]
    residual = data["pred"] - data["gen_target"]
    response = data["pred"] / data["gen_target"] if relative else residual
    for i in range(3):
        inside = (data["gen_target"] >= EDGES[i]) & (data["gen_target"] < EDGES[i + 1])
        w, pull = data["gen_weight"][inside], (residual / data["uncert"])[inside]
        for values, names in ((response[inside], ("response", "resolution")), (pull, ("pull", "pull_width"))):
            mean = (w * values).sum() / w.sum()
            assert curve[names[0]][i] == pytest.approx(mean, rel=1e-6)
            assert curve[names[1]][i] == pytest.approx(np.sqrt((w * (values - mean) ** 2).sum() / w.sum()), rel=1e-6)
    for name in ("response", "resolution", "pull", "pull_width"):
        assert (curve[f"{name}_error"] > 0).all()
    assert numbers.about["outside"] == {
        "below": int((data["gen_target"] < 50).sum()),
        "above": int((data["gen_target"] > 200).sum()),
    }


def test_numbers_without_weights_are_those_of_scipy(undrawn):
    stats = pytest.importorskip("scipy.stats")
    data = sample()
    ratio = data["pred"] / data["gen_target"]
    curve = plot_response(data, wgt_name=None, bins=EDGES).numbers.curves["pred"]
    for name, statistic in (("response", "mean"), ("resolution", "std")):
        expected = stats.binned_statistic(data["gen_target"], ratio, statistic, EDGES).statistic
        np.testing.assert_allclose(curve[name], expected, rtol=1e-6)
    n = stats.binned_statistic(data["gen_target"], ratio, "count", EDGES).statistic
    np.testing.assert_allclose(curve["response_error"], curve["resolution"] / np.sqrt(n - 1), rtol=1e-6)
    for i in range(3):
        inside = (data["gen_target"] >= EDGES[i]) & (data["gen_target"] < EDGES[i + 1])
        low, high = np.quantile(ratio[inside], (0.16, 0.84), method="inverted_cdf")
        assert curve["central"][i] == pytest.approx((high - low) / 2, rel=1e-6)


def test_without_uncertainties_the_pull_is_the_bias_over_the_resolution(undrawn):
    curve = plot_response(sample(), relative=False, bins=EDGES).numbers.curves["pred"]
    np.testing.assert_allclose(curve["pull"], curve["response"] / curve["resolution"])
    assert "pull_width" not in curve


def test_bins_whose_weights_give_no_resolution_are_left_empty_and_counted():
    data = {"pred": [1, 2, 9, 3, 4, 3], "gen_target": [1, 1, 1, 3, 3, 3], "gen_weight": [1, 1, -1, 1, 1, 1]}
    plot = plot_response(data, bins=[0, 2, 4], settings=SMALL)
    assert np.isnan(plot.numbers.curves["pred"]["resolution"]).tolist() == [True, False]
    assert plot.numbers.about["empty"] == {"pred": 1}


def test_another_column_may_stand_at_x(undrawn):
    data = sample() | {"eta": np.linspace(-2, 2, 3000)}
    numbers = plot_response(data, by="eta", bins=[-2, 0, 2]).numbers
    assert numbers.about["by"] == "eta"
    assert numbers.curves["pred"]["n"].sum() == 3000


def test_figure_says_what_it_shows(tmp_path):
    plot = plot_response(sample(), uncert_name="uncert", relative=False, bins=EDGES, settings=SMALL)
    texts = "\n".join(text.get_text() for text in plot.figure.findobj(lambda x: hasattr(x, "get_text")))
    for expected in ("True mass [GeV]", "Bias [GeV]", "Resolution [GeV]", "Pull", "Not shown by True mass"):
        assert expected in texts
    *_, path = plot.save(tmp_path / "response", formats=["png"])
    again = redraw(path, SMALL)
    assert again.numbers.to_text() == plot.numbers.to_text()
    assert again.picture() == plot.picture()


def test_what_cannot_be_divided_by_is_refused():
    with pytest.raises(DataError, match=r"is zero in 1 events, .* relative=False"):
        plot_response({"pred": [1.0, 2.0], "gen_target": [0.0, 2.0]})
    with pytest.raises(DataError, match="uncertainties, 'u', must be positive, got -1"):
        plot_response({"pred": [1.0, 2.0], "gen_target": [1.0, 2.0], "u": [1.0, -1.0]}, uncert_name="u")
