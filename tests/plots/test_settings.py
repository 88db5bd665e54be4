"""Units from the file: in settings, at axes, in the numbers, in reports."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from lumin_core import FoldYielder, df2foldfile
from lumin_core.errors import ConfigError, DataError
from lumin_plugin_plots import (
    PlotSettings,
    plot_efficiency,
    plot_event,
    plot_feat,
    plot_response,
    plot_samples,
    plot_sculpting,
    redraw,
)
from lumin_plugin_plots.section_inputs import Inputs
from lumin_plugin_plots.section_scores import Scores

UNITS = {"pt": "GeV", "mass": "TeV", "energy": "MeV"}


def frame(n=80):
    rng = np.random.default_rng(1)
    columns = {"pt": rng.exponential(30, n), "mass": rng.normal(1, 0.1, n), "n": np.arange(n) % 3}
    return pd.DataFrame({**columns, "label": np.arange(n) % 2, "energy": columns["pt"] + rng.normal(0, 3, n)})


def file(path, targets="energy", units=UNITS):
    cols = ["pt", "n"], [], targets, path, "float32"
    fy = FoldYielder(df2foldfile(frame(), 2, *cols, misc_feats=["mass", "label"], units=units, seed=1))
    with fy.writing():
        for i in range(2):
            fy.save_fold_pred(fy[i]["inputs"][:, 0], i)
    return fy


def texts(plot):
    return {text.get_text() for text in plot.figure.findobj(lambda artist: hasattr(artist, "get_text"))}


def test_settings_of_a_file_have_its_units_and_those_of_targets(tmp_path):
    one, two = file(tmp_path / "one"), file(tmp_path / "two", ["label", "energy"])
    assert PlotSettings.of(one).units == UNITS | {"gen_target": "MeV", "gen_target_0": "MeV"}
    assert PlotSettings.of(two).units == UNITS | {"gen_target_1": "MeV"}
    assert PlotSettings.of(file(tmp_path / "none", units=None)) == PlotSettings()
    others = PlotSettings.of(one, experiment="CMS", units={"pt": "MeV", "n": "1"})
    assert (others.experiment, others.lumi, others.axis("pt"), others.axis("n")) == ("CMS", None, "pt [MeV]", "n [1]")
    assert others.axis("mass") == "mass [TeV]"


def test_figures_of_a_file_have_its_units_unless_settings_are_given(tmp_path):
    fy = file(tmp_path / "a")
    assert "mass [TeV]" in texts(plot_feat(fy, "mass", "label"))
    assert {"gen_target [MeV]"} <= texts(plot_response(fy, relative=False, bins=2))
    assert "mass [TeV]" in texts(plot_sculpting(fy, "mass", cut=30.0, targ_name="label"))
    assert "pt [GeV]" in texts(plot_efficiency(fy, "pt", cut=30.0, targ_name="label", bins=2))
    assert "mass [TeV]" in texts(plot_samples({"frame": frame(), "file": fy}, "mass"))
    assert "mass" in texts(plot_feat(fy, "mass", "label", settings=PlotSettings()))
    assert "mass" in texts(plot_feat(frame(), "mass", "label"))


def test_numbers_say_the_units_so_that_a_figure_drawn_again_has_them(tmp_path):
    plot = plot_feat(file(tmp_path / "a"), "mass", "label")
    assert plot.numbers.about["units"] == {"mass": "TeV"}
    *_, path = plot.save(tmp_path / "mass", formats=["svg"])
    again = redraw(path)
    assert again.numbers.to_text() == plot.numbers.to_text()
    assert again.picture() == plot.picture()
    assert "mass [GeV]" in texts(redraw(path, PlotSettings(units={"mass": "GeV"})))
    assert "units" not in plot_feat(frame(), "mass", "label").numbers.about


def test_momenta_are_in_the_unit_of_their_file():
    vectors = {"tau_px": [3.0], "tau_py": [4.0], "met_pt": [5.0], "met_phi": [0.0]}
    assert "$p_x$ [GeV]" in texts(plot_event(vectors))
    settings = PlotSettings(units={"tau_px": "MeV"})
    assert {"$p_x$ [MeV]", "$p_y$ [MeV]"} <= texts(plot_event(vectors, settings=settings))
    with pytest.raises(DataError, match="must be in one unit, got MeV, GeV; choose vectors= of one"):
        plot_event(vectors, settings=PlotSettings(units={"tau_px": "MeV", "met_pt": "GeV"}))


def test_reports_have_the_units_of_the_file(tmp_path, monkeypatch):
    fy, plots = file(tmp_path / "a"), {}
    for section in ("section_inputs", "section_scores"):
        monkeypatch.setattr(
            f"lumin_plugin_plots.{section}.picture", lambda title, draw, *_: plots.update({title: draw})
        )

    def run(objective, held_back):
        model = SimpleNamespace(objective=objective, n_out=1, model_builder=SimpleNamespace(cont_feats=["pt"]))
        return SimpleNamespace(
            finished={0: {}}, results=SimpleNamespace(failures=list), ensemble=SimpleNamespace(models=[model]),
            unseen=SimpleNamespace(df=fy.get_df(inc_inputs=True, verbose=False), text="events"),
            config={"augmentations": []}, fy=fy, held_back=held_back,
        )  # fmt: skip

    Scores().build(run("regression", None))
    Inputs().build(run("classification", file(tmp_path / "b", units={"pt": "MeV"})))
    assert "gen_target [MeV]" in texts(plots["Response of energy"]())
    assert plots["pt"].keywords["settings"].axis("pt") == "pt [MeV]"


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"lumi": "138"}, "lumi must be a number, got '138'"),
        ({"energy": True}, "energy must be a number"),
        ({"size": 3}, "size must be width and height in inches"),
        ({"size": (3, 0)}, "size must be width and height in inches"),
        ({"dpi": 0}, "dpi=0"),
    ],
)
def test_a_look_that_cannot_be_drawn_is_refused(wrong, words):
    with pytest.raises(ConfigError, match=words):
        PlotSettings(**wrong)


def test_a_single_colour_is_a_palette():
    assert PlotSettings(palette="black").palette == ("black",)
