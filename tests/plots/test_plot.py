"""Figures with their numbers: files, look, labels, legends that cover nothing."""

import json

import hist
import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.figure import Figure

from lumin_core.errors import ConfigError, DataError
from lumin_plugin_plots import Numbers, PlotSettings, axes, plot_learning_curves, plot_roc, redraw

SMALL = PlotSettings(dpi=40, size=(4, 3))


def events(n=300):
    truth = np.arange(n) % 2
    return {"pred": np.random.default_rng(1).normal(truth), "gen_target": truth}


def numbers():
    curve = {"x": np.array([0.0, np.nan, np.inf, -np.inf]), "n": np.array([1, 2, 3, 4]), "name": np.array(list("abcd"))}
    weighted = hist.Hist(hist.axis.Regular(3, 0, 1, flow=True), storage=hist.storage.Weight())
    weighted.fill([0.1, 0.5, 0.5, 2.0], weight=[1.0, -2.0, 0.5, 3.0])
    about = {"seed": 3, "cuts": [0.1, float("nan")], "of": {"a": np.float64(2.0)}}
    return Numbers(figure="roc", curves={"net": curve}, histograms={"mass": weighted}, about=about)


def test_numbers_come_back_from_json():
    before = numbers()
    text = before.to_text()
    after = Numbers.from_text(text)
    for key, column in before.curves["net"].items():
        np.testing.assert_array_equal(after.curves["net"][key], column)
    for flow in (True, False):
        np.testing.assert_array_equal(after.histograms["mass"].values(flow), before.histograms["mass"].values(flow))
        np.testing.assert_array_equal(
            after.histograms["mass"].variances(flow), before.histograms["mass"].variances(flow)
        )
    assert after.about == {"seed": 3, "cuts": [0.1, None], "of": {"a": 2.0}}
    assert after.to_text() == text


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("no json", "must be JSON, and these are not"),
        ("[1]", "'lumin_plots' is missing"),
        ('{"lumin_plots": 99, "figure": "roc"}', "newer than 1; update lumin-plugin-plots"),
    ],
)
def test_other_files_are_refused(text, message):
    with pytest.raises(DataError, match=message):
        Numbers.from_text(text)


def test_unknown_figure_is_refused(tmp_path):
    Numbers(figure="pie").save(tmp_path / "pie.json")
    with pytest.raises(DataError, match=r"of the figure 'pie', which is not known here; known are .*roc"):
        redraw(tmp_path / "pie.json")


def test_saved_files(tmp_path):
    plot = plot_roc(events(), n_replicas=5, settings=SMALL)
    files = plot.save(tmp_path / "v1.0" / "roc", formats=["png", "svg", "pdf"])
    assert [file.name for file in files] == ["roc.png", "roc.svg", "roc.pdf", "roc.json"]
    begins = [b"\x89PNG", b"<?xml", b"%PDF", b'{"lumin_plots"']
    assert all(file.read_bytes().startswith(begin) for file, begin in zip(files, begins, strict=True))
    assert [file.name for file in plot.save(tmp_path / "one.svg")] == ["one.svg", "one.json"]
    assert json.loads(files[-1].read_text())["about"]["seed"] == 0
    with pytest.raises(ConfigError, match="formats must be of png, pdf, svg, got gif"):
        plot.save(tmp_path / "roc", formats=["gif"])


def test_settings_of_the_user_change_nothing():
    plain = plot_roc(events(), n_replicas=5, settings=SMALL).picture()
    before = dict(mpl.rcParams)
    with mpl.rc_context({"font.size": 30, "lines.linewidth": 9, "axes.grid": True, "figure.facecolor": "black"}):
        assert plot_roc(events(), n_replicas=5, settings=SMALL).picture() == plain
    assert dict(mpl.rcParams) == before


def test_label_of_the_experiment():
    settings = PlotSettings(dpi=40, experiment="CMS", label="Simulation", lumi=138, energy=13.6)
    plot = plot_roc(events(), n_replicas=5, settings=settings)
    texts = [text.get_text().strip() for text in plot.figure.axes[0].texts]
    assert {"CMS", "Simulation", "138 fb$^{-1}$ (13.6 TeV)"} <= set(texts)
    only = plot_roc(events(), n_replicas=5, settings=PlotSettings(dpi=40, energy=13))
    assert "13 TeV" in [text.get_text() for text in only.figure.axes[0].texts]
    without = plot_roc(events(), n_replicas=5, settings=SMALL)
    assert not without.figure.axes[0].texts


@pytest.mark.parametrize("scale", ["linear", "log"])
@pytest.mark.parametrize("n_curves", [1, 7])
def test_legend_covers_nothing(scale, n_curves):
    with axes.look():
        figure, main = axes.one_panel(SMALL)
        x = np.linspace(0, 1, 30)
        for i in range(n_curves):
            main.plot(x, np.exp(2 * np.sin(9 * x + i)), label=f"curve {i}", **axes.line(SMALL, i))
            main.fill_between(x, 0.1, np.exp(2 * np.sin(9 * x + i)))
        main.set_yscale(scale)
        axes.finish(figure, main, SMALL)
        box = main.get_legend().get_window_extent()
    panel = main.get_window_extent()
    assert panel.y0 < box.y0
    assert box.y1 <= panel.y1 + 1
    assert panel.x0 < box.x0
    assert box.x1 <= panel.x1 + 1
    for drawn in main.lines:
        fine = np.linspace(0, 1, 2000)
        points = main.transData.transform(np.stack([fine, np.interp(fine, *drawn.get_data())], axis=1))
        assert not box.count_contains(points)


def test_legend_is_not_put_into_an_area():
    with axes.look():
        figure, main = axes.one_panel(SMALL)
        main.fill_between([0, 1], [0, 0], [1, 1], label="all of it")
        main.set_ylim(0, 1)
        axes.finish(figure, main, SMALL)
        box = main.get_legend().get_window_extent()
    assert box.y0 > main.transData.transform((0, 1))[1]


def test_lines_are_told_apart_in_grey():
    looks = [axes.line(SMALL, i) for i in range(6)]
    assert len({str(look["linestyle"]) for look in looks}) == 6
    assert len({axes.points(SMALL, i)["marker"] for i in range(10)}) == 10


def test_figures_belong_to_no_window():
    import sys

    plot = plot_roc(events(), n_replicas=5, settings=SMALL)
    assert isinstance(plot.figure, Figure)
    assert plot._repr_png_() == plot.picture()
    pyplot = sys.modules.get("matplotlib.pyplot")
    assert pyplot is None or not pyplot.get_fignums()


def test_bands_without_an_upper_end_reach_the_highest():
    with axes.look():
        _, main = axes.one_panel(SMALL)
        curve = {"sample_low": np.array([1.0, 2, 3]), "sample_high": np.array([np.inf, 4, np.nan])}
        drawn = axes.draw_bands(main, np.arange(3.0), curve, SMALL, 0)
    assert list(drawn) == ["sample"]
    vertices = np.concatenate([path.vertices for path in drawn["sample"].get_paths()])
    assert vertices[:, 1].max() == 4
    assert vertices[:, 0].max() == 1


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (None, "cannot read .*curves.json.*give a .json that Plot.save wrote"),
        ("curves", "must be JSON"),
        ("[1]", "'lumin_plots' is missing"),
        ('{"lumin_plots": "1", "figure": "roc"}', "'lumin_plots' is missing"),
        ('{"lumin_plots": 99}', "newer than 1; update"),
        ('{"lumin_plots": 1, "figure": "roc"}', "damaged: KeyError"),
        ('{"lumin_plots": 1, "figure": "roc", "about": {}, "curves": 3, "histograms": {}}', "damaged"),
        ('{"lumin_plots": 1, "figure": "roc", "about": {}, "curves": {}, "histograms": {}}', "lacks numbers of its"),
        ('{"lumin_plots": 1, "figure": "cock", "about": {}, "curves": {}, "histograms": {}}', "'cock', which is not"),
    ],
)
def test_what_is_not_a_figures_numbers_is_refused(tmp_path, text, words):
    path = tmp_path / "curves.json"
    if text is not None:
        path.write_text(text)
    with pytest.raises(DataError, match=words):
        redraw(path)


def test_pictures_of_other_formats_are_refused(tmp_path):
    history = {"train": {"loss": [0.9, 0.7]}, "valid": {"loss": [0.8, 0.6]}}
    with pytest.raises(ConfigError, match="formats must be of png, pdf, svg, got gif"):
        plot_learning_curves([history]).save(tmp_path / "curves.gif")
