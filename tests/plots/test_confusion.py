from types import SimpleNamespace

import numpy as np
import pytest

from lumin_core.errors import ConfigError, DataError
from lumin_plugin_plots import PlotSettings, plot_confusion, redraw

SMALL = PlotSettings(dpi=40)


@pytest.fixture
def undrawn(monkeypatch):
    """Spare the drawing where only numbers are looked at."""
    monkeypatch.setattr(
        "lumin_plugin_plots.confusion.drawn", lambda numbers, settings: SimpleNamespace(numbers=numbers)
    )


def sample(n=1000, negative=0.12, seed=1):
    rng = np.random.default_rng(seed)
    truth = rng.integers(3, size=n)
    scores = rng.dirichlet(np.ones(3), size=n)
    scores[np.arange(n), truth] += 0.3
    weights = rng.uniform(0.5, 1.5, size=n) * np.where(rng.random(n) < negative, -1, 1)
    return {f"pred_{k}": scores[:, k] for k in range(3)} | {"gen_target": truth, "gen_weight": weights}


@pytest.mark.parametrize(("share_of", "normalize"), [("truth", "true"), ("prediction", "pred")])
def test_numbers_of_positive_weights_are_those_of_scikit_learn(undrawn, share_of, normalize):
    metrics = pytest.importorskip("sklearn.metrics")
    data = sample(negative=0)
    numbers = plot_confusion(data, share_of=share_of).numbers
    taken = np.stack([data[f"pred_{k}"] for k in range(3)]).argmax(axis=0)
    args = {"y_true": data["gen_target"], "y_pred": taken, "sample_weight": data["gen_weight"]}
    matrix = numbers.curves["matrix"]
    np.testing.assert_allclose(matrix["sum_w"].reshape(3, 3), metrics.confusion_matrix(**args), rtol=1e-6)
    expected = metrics.confusion_matrix(**args, normalize=normalize)
    np.testing.assert_allclose(matrix["share"].reshape(3, 3), expected, rtol=1e-6)
    assert numbers.about["accuracy"] == pytest.approx(metrics.accuracy_score(**args), rel=1e-6)


def test_numbers_are_sums_of_signed_weights(undrawn):
    data = sample()
    matrix = plot_confusion(data).numbers.curves["matrix"]
    w = data["gen_weight"]
    taken = np.stack([data[f"pred_{k}"] for k in range(3)]).argmax(axis=0)
    for row, (t, p) in enumerate(np.ndindex(3, 3)):
        of_class, cell = data["gen_target"] == t, (data["gen_target"] == t) & (taken == p)
        share = w[cell].sum() / w[of_class].sum()
        assert matrix["share"][row] == pytest.approx(share, rel=1e-6)
        assert matrix["sum_w_error"][row] == pytest.approx(np.sqrt((w[cell] ** 2).sum()), rel=1e-6)
        variance = (1 - share) ** 2 * (w[cell] ** 2).sum() + share**2 * (w[of_class & (taken != p)] ** 2).sum()
        assert matrix["share_error"][row] == pytest.approx(np.sqrt(variance) / w[of_class].sum(), rel=1e-6)


def test_one_score_is_cut_on(undrawn):
    data = {"pred": [0.9, 0.7, 0.2, 0.7], "gen_target": [1, 1, 0, 0]}
    matrix = plot_confusion(data, cut=0.7, classes=["QCD", "tau"]).numbers.curves["matrix"]
    assert matrix["truth"].tolist() == ["QCD", "QCD", "tau", "tau"]
    assert matrix["sum_w"].tolist() == [1, 1, 0, 2]


def test_cells_without_a_positive_sum_are_left_empty_and_counted():
    data = {"pred": [0.9, 0.2, 0.8, 0.1], "gen_target": [1, 1, 0, 0], "gen_weight": [2, -1, 1, 1]}
    plot = plot_confusion(data, settings=SMALL)
    assert plot.numbers.about["not_positive"] == 1
    texts = [text.get_text() for text in plot.figure.axes[0].texts]
    assert texts.count("not\npositive") == 1


def test_figure_is_drawn_again_from_its_file(tmp_path):
    plot = plot_confusion(sample(), classes=["H", "Z", "tt"], settings=SMALL)
    texts = "\n".join(text.get_text() for text in plot.figure.findobj(lambda x: hasattr(x, "get_text")))
    for expected in ("Truth", "Taken for", "tt", "Share of the class", "Accuracy"):
        assert expected in texts
    *_, path = plot.save(tmp_path / "confusion", formats=["png"])
    again = redraw(path, SMALL)
    assert again.numbers.to_text() == plot.numbers.to_text()
    assert again.picture() == plot.picture()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"share_of": "true"}, "share_of must be one of truth, prediction, none"),
        ({"classes": ["a"]}, "classes must name all 3 of them"),
    ],
)
def test_options_that_are_none_are_refused(options, message):
    with pytest.raises(ConfigError, match=message):
        plot_confusion(sample(30), **options)


def test_targets_that_are_no_class_are_refused():
    with pytest.raises(DataError, match=r"'gen_target' must be the number of a class, 0 to 1, got \[2.0\] too"):
        plot_confusion({"pred": [0.1, 0.2], "gen_target": [0, 2]})
