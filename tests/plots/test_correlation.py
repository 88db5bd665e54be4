"""The matrix of correlations and its tree: numbers, and what is written."""

import numpy as np
import pandas as pd
import pytest
from drawings import SMALL, check_redrawn, texts

from lumin_core.errors import ConfigError, DataError
from lumin_plugin_plots import plot_correlation


def events(n=120, n_feats=4, seed=1):
    x = np.random.default_rng(seed).normal(size=(n, n_feats))
    x[:, 1] -= 3 * x[:, 0]
    return pd.DataFrame(x, columns=[f"x{i}" for i in range(n_feats)])


@pytest.mark.usefixtures("undrawn")
def test_numbers_are_those_of_pandas():
    df = events()
    plot = plot_correlation(df, list(df), method="pearson", settings=SMALL)
    table = plot.numbers.curves["matrix"]
    np.testing.assert_allclose(np.stack([table[name] for name in df]), df.corr("pearson"), atol=1e-9)
    assert plot.numbers.about["groups"] == [["x0", "x1"]]
    assert plot.numbers.curves["tree"]["distance"][0] == pytest.approx(1 - abs(df.corr().iloc[0, 1]))


@pytest.mark.parametrize("n_feats", [4, 22])
def test_the_figure_is_that_of_its_numbers_and_is_labelled(tmp_path, n_feats):
    df = events(n_feats=n_feats).assign(gen_weight=np.tile([1.0, 1, 1, -1], 30))
    feats = [name for name in df if name != "gen_weight"]
    plot = plot_correlation(df, feats, settings=SMALL)
    check_redrawn(plot, tmp_path)
    assert {*feats, "Spearman's ρ", "1 − |ρ|"} <= set(texts(plot))
    order = plot.numbers.about["order"]
    assert abs(order.index("x0") - order.index("x1")) == 1
    assert "−" in texts(plot) if n_feats == 22 else any(text.startswith("−0.9") for text in texts(plot))


def test_pairs_without_a_coefficient_are_counted_and_said():
    df = events().assign(x3=1.0)
    plot = plot_correlation(df, list(df), settings=SMALL)
    assert plot.numbers.about["empty"] == 3
    assert "3 pairs have no coefficient." in texts(plot)


@pytest.mark.parametrize(
    ("how", "error", "words"),
    [
        ({"feats": ["x0"]}, ConfigError, "two columns or more"),
        ({"feats": ["x0", "x0"]}, ConfigError, "x0"),
        ({"feats": ["x0", "y"]}, DataError, "no column 'y'"),
        ({"feats": ["x0", "x1"], "method": "kendall"}, ConfigError, "'spearman' or 'pearson'"),
        ({"feats": ["x0", "x1"], "threshold": 2}, ConfigError, "from 0 to 1"),
    ],
)
def test_what_cannot_be_shown_is_refused(how, error, words):
    with pytest.raises(error, match=words):
        plot_correlation(events(), settings=SMALL, **how)
