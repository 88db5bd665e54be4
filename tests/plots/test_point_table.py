"""The table of working points, against the curves of the figure, and as files."""

import csv

import numpy as np
import pytest

from lumin_core.errors import ConfigError
from lumin_plugin_plots import plot_roc, working_points


def events(n=1200, seed=1):
    rng = np.random.default_rng(seed)
    truth = rng.integers(2, size=n)
    weights = rng.choice([1, -1], size=n, p=[0.88, 0.12]) * rng.exponential(size=n)
    return {"gen_target": truth, "gen_weight": weights} | {
        name: rng.normal(1.3 * truth) for name in ("tree", "net_0", "net_1", "net_2")
    }


CLASSIFIERS = {"a & b": "tree", "net": ["net_0", "net_1", "net_2"]}


def test_values_are_those_of_the_curves():
    table = working_points(events(), CLASSIFIERS, n_replicas=50)
    numbers = plot_roc(events(), CLASSIFIERS, n_replicas=50).numbers
    for name, row in table.df.iterrows():
        curve = numbers.curves[name]
        assert row["auc"] == pytest.approx(numbers.about["areas"][name], abs=1e-12)
        assert row["auc_error"] == pytest.approx(numbers.about["area_errors"][name], abs=1e-12)
        for i, x in ((29, "0.3"), (49, "0.5"), (69, "0.7")):
            assert row[f"rejection_{x}"] == pytest.approx(curve["rejection"][i], rel=1e-9)
            half = (curve["sample_high"][i] - curve["sample_low"][i]) / 2
            assert row[f"rejection_{x}_error"] == pytest.approx(half, rel=1e-9)
    assert table.df["models"].tolist() == [1, 3]
    assert np.isnan(table.df.loc["a & b", "auc_spread"])


def test_spread_is_over_the_models():
    table = working_points(events(), CLASSIFIERS, n_replicas=10, efficiencies=0.5)
    alone = [working_points(events(), f"net_{i}", n_replicas=10, efficiencies=0.5).df.iloc[0] for i in range(3)]
    for column in ("auc", "rejection_0.5"):
        values = [row[column] for row in alone]
        assert table.df.loc["net", column] == pytest.approx(np.mean(values))
        assert table.df.loc["net", f"{column}_spread"] == pytest.approx(np.std(values, ddof=1))


def test_files_hold_the_table(tmp_path):
    options = {"parameters": {"net": 123}, "seconds": {"net": 4.5}}
    table = working_points(events(), CLASSIFIERS, n_replicas=20, **options)
    files = table.save(tmp_path / "v1.2" / "points")
    assert [file.name for file in files] == ["points.csv", "points.tex", "points.md"]
    comma, tex, markdown = (file.read_text() for file in files)
    rows = {row["classifier"]: row for row in csv.DictReader(comma.splitlines())}
    assert float(rows["net"]["rejection_0.3"]) == pytest.approx(table.df.loc["net", "rejection_0.3"], rel=1e-12)
    assert float(rows["net"]["parameters"]) == 123
    assert rows["a & b"]["seconds"] == ""
    lines = tex.splitlines()
    body = [line for line in lines if line.endswith(r"\\")]
    assert {line.count(" & ") for line in body} == {len(table.header) - 1}
    assert body[1].startswith(r"a \& b & 0.")
    assert r"$\pm$" in body[2]
    assert lines[1] == r"\begin{tabular}{l" + "r" * (len(table.header) - 1) + "}"
    assert {line.count("|") for line in markdown.splitlines() if line.startswith("|")} == {len(table.header) + 1}
    assert "<table" in table._repr_html_()
    assert repr(table) in markdown


def test_rejection_without_background_is_said():
    data = {"pred": np.linspace(0, 1, 200), "gen_target": np.arange(200) >= 100}
    table = working_points(data, n_replicas=10, efficiencies=[0.3])
    assert table.rows[0][1:3] == ["1", "no background left"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"efficiencies": 30}, "efficiencies must be numbers above 0 and up to 1, got 30"),
        ({"efficiencies": []}, "efficiencies must be"),
        ({"parameters": {"nets": 3}}, "parameters has no 'nets'; did you mean 'net'"),
    ],
)
def test_what_is_wrong_is_said(options, message):
    with pytest.raises(ConfigError, match=message):
        working_points(events(), CLASSIFIERS, n_replicas=5, **options)
