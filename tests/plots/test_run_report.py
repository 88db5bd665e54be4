"""Reports and comparisons of runs: what stands in them, also where something is missing."""

import json
import re
import shutil
from html import unescape

import numpy as np
import pytest

from lumin_core import FoldYielder, build, register, registry, train_models
from lumin_core.cli import main
from lumin_core.errors import ConfigError
from lumin_core.runs import Figure, ReportSection, Run, Scored, Text
from lumin_plugin_plots import (
    run_comparison,
    section_inputs,
    section_scores,
    section_training,
    write_comparison,
    write_report,
)
from lumin_plugin_plots.section_metrics import Metrics, on_events


def negative_weights(fold, columns):
    """Give 12 % of the events a negative weight, and make some of the further columns."""
    if columns["weights"] is not None:
        n = len(columns["weights"])
        columns["weights"] = columns["weights"] * np.where(np.arange(n) % 8 == fold % 8, -0.5, 1.0)


@pytest.fixture(scope="module")
def train(make_fy, make_builder):
    """Give a function that trains a run of two small models beside its file."""

    def make(folder, objective="classification", *, name="run", metrics=(), weights=True, held_back=False, **options):
        options = {"n_models": 2, "n_epochs": 2, "seed": 1, **options}
        files = {"train": folder / "train.hdf5", "test": folder / "train.test.hdf5"}
        if not files["train"].exists():
            given = {"n_folds": 4, "n": 64, "objective": objective, "weights": weights, "change": negative_weights}
            make_fy(files["train"], **given).close()
            if held_back:
                make_fy(files["test"], seed=5, **given).close()
        with FoldYielder(files["train"]) as fy:
            n_out = 3 if objective == "multiclass" else 1
            builder = make_builder(fy, objective, n_out=n_out)
            train_models(
                fy,
                options.pop("n_models"),
                16,
                builder,
                options.pop("n_epochs"),
                metric_partials=list(metrics),
                savepath=folder / name,
                visible_bar=False,
                **options,
            )
        return folder / name

    return make


@pytest.fixture(scope="module")
def binary(train, tmp_path_factory):
    return train(tmp_path_factory.mktemp("binary"), metrics=["roc_auc_score"])


@pytest.fixture
def no_drawing(monkeypatch):
    """Have pages without drawing: figures are titles alone."""
    for module in (section_inputs, section_scores, section_training, run_comparison):
        monkeypatch.setattr(module, "picture", lambda title, *_: Figure(title=title, image=b"", format="png"))


def text_of(path):
    """Return the words of a page, without its pictures."""
    return unescape(re.sub(r"<[^>]+>", " ", path.read_text(encoding="utf-8")))


def figures_of(path):
    return re.findall(r'<img alt="([^"]*)"', path.read_text(encoding="utf-8"))


def test_a_report_shows_what_there_is(binary):
    written = write_report(binary)
    assert written.failed == {}
    assert written.path == binary / "report.html"
    assert written.path.stat().st_size < 2_000_000
    page, record = text_of(written.path), json.loads((binary / "run.json").read_text())
    run = Run.open(binary)
    for said in (run.results.summary(), record["foldfile"], f"{record['seed']}", record["versions"]["torch"]):
        assert said in page.replace("\xa0", " ")
    assert "train_one(again, number)" in page
    assert "128 events out of fold" in page
    assert "of their size is negative" in page  # the table of lumin check
    for figure in ("Learning curves", "ROC curve", "Score", "Training and new events", "Calibration", "Significance"):
        assert figure in figures_of(written.path)


def test_metrics_on_new_events_are_those_of_the_predictions(binary):
    reference = pytest.importorskip("sklearn.metrics").roc_auc_score
    run = Run.open(binary)
    df = run.unseen.df
    positive = run.unseen.df[run.unseen.df["gen_weight"] > 0]

    class Taken:
        df = positive

    said = on_events(build("metric", "roc_auc_score"), run, Taken)
    value, error = map(float, said.split(" ± "))
    expected = reference(positive["gen_target"], positive["pred"], sample_weight=positive["gen_weight"])
    assert abs(value - expected) <= 0.51 * 10 ** -len(f"{value:g}".partition(".")[2])
    assert 0 < error < 0.2
    assert len(df) == 128


@pytest.mark.parametrize(
    ("objective", "figures"),
    [
        ("multiclass", ["ROC curves, one class against the rest", "Confusion", "Calibration", "Score of class 0"]),
        ("regression", ["Response of y"]),
    ],
)
def test_each_objective_has_its_figures(train, tmp_path, objective, figures):
    written = write_report(train(tmp_path, objective, weights=objective == "regression"))
    assert written.failed == {}
    assert {*figures} <= {*figures_of(written.path)}


def test_events_held_back_are_shown_with_the_spread_of_models(train, tmp_path):
    written = write_report(train(tmp_path, held_back=True))
    assert written.failed == {}
    page = text_of(written.path)
    assert "256 events of train.test.hdf5, new to all models, scored by the mean of 2 models" in page
    assert "2 models" in page
    assert "Held back" in page


def with_tree(folder, *, n_values=1):
    """Save what a tree would say: the truth for one half of the events, chance for the other."""
    with FoldYielder(folder.parent / "train.hdf5") as fy, fy.writing():
        for fold in range(len(fy)):
            truth = fy.get_column("targets", fold_idx=fold)
            rng = np.random.default_rng(fold)
            pred = np.where(np.arange(len(truth)) % 2, truth, rng.random(len(truth)))
            if n_values > 1:
                pred = np.eye(n_values)[truth.astype(int)] * 0.5 + rng.dirichlet(np.ones(n_values), len(truth)) * 0.5
            fy.save_fold_pred(pred, fold, "pred_tree")
    return Run.open(folder)


def test_a_tree_has_a_row_and_the_baseline_of_the_roc_curve(train, tmp_path, monkeypatch, undrawn):
    reference = pytest.importorskip("sklearn.metrics").roc_auc_score
    run = with_tree(train(tmp_path, metrics=["roc_auc_score"]))
    drawn = {}
    roc = section_scores.plot_roc
    monkeypatch.setattr(section_scores, "plot_roc", lambda *args, **how: drawn.setdefault("roc", roc(*args, **how)))
    monkeypatch.setattr(section_scores, "picture", lambda title, draw, *_: title == "ROC curve" and draw())
    list(section_scores.Scores().build(run))
    numbers = drawn["roc"].numbers
    df = run.unseen.df
    w = df["gen_weight"]
    taken = df[w > 0]
    assert numbers.about["baseline"] == "boosted tree"
    assert {"boosted tree", "models"} <= {*numbers.curves}
    table = Metrics().build(run)[-1]
    assert [row[0] for row in table.rows] == ["roc_auc_score", "roc_auc_score, boosted tree"]
    said = on_events(build("metric", "roc_auc_score"), run, Scored(df=taken, models=(), text=""), "pred_tree")
    value = float(said.split(" ± ")[0])
    expected = reference(taken["gen_target"], taken["pred_tree"], sample_weight=taken["gen_weight"])
    assert abs(value - expected) <= 0.51 * 10 ** -len(f"{value:g}".partition(".")[2])


def test_a_tree_of_several_classes_has_rows_and_curves(train, tmp_path, monkeypatch, undrawn):
    run = with_tree(train(tmp_path, "multiclass", weights=False, n_models=1, n_epochs=1), n_values=3)
    monkeypatch.setattr(section_scores, "picture", lambda title, draw, *_: draw() if "ROC" in title else None)
    (roc,) = (part for part in section_scores.Scores().build(run)[1:] if part is not None)
    areas = roc.numbers.about["areas"]
    assert len(areas) == 6
    assert all(area > 0.8 for name, area in areas.items() if "boosted tree" in name)
    rows = {row[0]: row[1] for row in Metrics().build(run)[-1].rows}
    assert float(rows["multi_accuracy, boosted tree"].split(" ± ")[0]) > 0.6
    assert "multi_accuracy" in rows


def test_a_tree_of_some_of_the_events_is_left_out(train, tmp_path):
    folder = train(tmp_path)
    with FoldYielder(tmp_path / "train.hdf5") as fy:
        fy.save_fold_pred(np.zeros(64), 0, "pred_tree")
    assert "pred_tree" not in Run.open(folder).unseen.df


def test_lumin_baseline_is_what_the_report_shows(train, tmp_path):
    pytest.importorskip("lumin_plugin_tabular.boosting")
    folder = train(tmp_path, held_back=True)
    assert main(["baseline", str(tmp_path / "train.hdf5"), "--set", "max_iter=4", "--balance-classes"]) == 0
    df = Run.open(folder).unseen.df
    assert len(df) == 256
    assert df["pred_tree"].between(0, 1).all()
    assert df["pred_tree"].nunique() > 1


@pytest.mark.usefixtures("no_drawing")
def test_without_its_file_a_report_says_so_and_shows_the_rest(binary, tmp_path):
    folder = tmp_path / "run"
    shutil.copytree(binary, folder)
    record = json.loads((folder / "run.json").read_text())
    (folder / "run.json").write_text(json.dumps({**record, "foldfile": str(tmp_path / "gone.hdf5")}))
    written = write_report(folder, tmp_path / "page.html")
    assert sorted(written.failed) == ["Data", "Inputs", "Metrics", "Predictions"]
    assert all("there is no fold file" in why for why in written.failed.values())
    assert "Learning curves" in figures_of(written.path)
    assert "This is not shown: there is no fold file" in text_of(written.path)


@pytest.mark.usefixtures("no_drawing")
def test_a_run_of_which_nothing_is_finished_has_a_report(binary, tmp_path):
    folder = tmp_path / "run"
    folder.mkdir()
    shutil.copy(binary / "run.json", folder)
    written = write_report(folder)
    page = text_of(written.path)
    assert written.failed == {}
    assert "2 models have not finished an epoch yet" in page
    assert "0 of 2 finished" in page
    shutil.copytree(binary / "model_1", folder / "model_1")
    written = write_report(folder)
    assert written.failed == {}
    assert "1 of 2 finished" in text_of(written.path)
    assert "64 events out of fold" in text_of(written.path)


@pytest.mark.usefixtures("no_drawing")
def test_models_that_failed_are_named(binary, tmp_path):
    folder = tmp_path / "run"
    shutil.copytree(binary, folder)
    for number in (0, 1):
        result = json.loads((folder / f"model_{number}" / "result.json").read_text())
        result |= {"failed": "the loss is nan <here>", "loss": None, "roc_auc_score": None, "path": None}
        (folder / f"model_{number}" / "result.json").write_text(json.dumps(result))
        written = write_report(folder)
        assert written.failed == {}
        assert "failed: the loss is nan <here>" in text_of(written.path)
    assert "2 of which failed" in text_of(written.path)


@pytest.mark.usefixtures("no_drawing")
def test_others_add_sections_and_one_that_fails_says_so(binary, tmp_path):
    class Mine(ReportSection):
        title, order = "Mine", 1

        def build(self, run):
            return [Text(text=f"seed {run.config['seed']} & more")]

    class Wrong(Mine):
        title = "Wrong"

        def build(self, run):
            return ["no part"]

    class Ends(Mine):
        title = "Ends"

        def build(self, run):
            raise ValueError("no luck")

    with registry.temporary():
        for section in (Mine, Wrong, Ends):
            register("report_section", obj=section)
        written = write_report(binary, tmp_path / "page.html")
    assert written.failed.keys() == {"Wrong", "Ends"}
    assert written.failed["Ends"] == "ValueError: no luck"
    page = text_of(written.path)
    assert "seed 1 & more" in page
    assert page.index("The run") < page.index("seed 1 & more") < page.index("Learning curves")


def test_a_comparison_shows_runs_side_by_side(binary, train, tmp_path):
    other = train(binary.parent, name="other", metrics=["roc_auc_score"], seed=2, n_epochs=1)
    written = write_comparison([binary, other], tmp_path / "page.html")
    assert written.failed == {}
    page = text_of(written.path)
    for said in ("n epochs", "roc_auc_score", "other", "128 events out of fold"):
        assert said in page
    assert figures_of(written.path) == ["Learning curves", "ROC curves"]
    fewer = train(binary.parent, name="fewer", metrics=[], n_models=1, n_epochs=1)
    written = write_comparison([binary, fewer], tmp_path / "page.html")
    assert written.failed == {}
    assert "which are not the same" in text_of(written.path)


def test_what_cannot_be_compared_is_refused(binary, tmp_path):
    with pytest.raises(ConfigError, match="two runs or more, got 1"):
        write_comparison([binary])
    with pytest.raises(ConfigError, match="twice"):
        write_comparison([binary, binary])
    with pytest.raises(ConfigError, match="holds no run"):
        write_comparison([binary, tmp_path])
    with pytest.raises(ConfigError, match="is a folder"):
        write_report(binary, tmp_path)
    with pytest.raises(ConfigError, match="holds no run"):
        write_report(tmp_path / "nothing")


@pytest.mark.usefixtures("no_drawing")
def test_commands_write_pages_and_say_what_is_not_shown(binary, tmp_path, run):
    code, out, err = run("report", str(binary), "-o", str(tmp_path / "a.html"))
    assert (code, err) == (0, "")
    assert out == f"The report is in {tmp_path / 'a.html'}\n"
    code, out, err = run("compare", str(binary))
    assert code == 1
    assert "two runs or more" in err
    code, _, err = run("report", str(tmp_path))
    assert code == 1
    assert "holds no run" in err
