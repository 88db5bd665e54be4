"""What a builder, a model, results, an ensemble and a yielder show of themselves, in a console and in a notebook."""

import sys
import types

import numpy as np
import pytest

from lumin_core import Ensemble, FoldYielder, Model, ModelBuilder, Results, train_models
from lumin_core.training import progress

FACES = (ModelBuilder, Model, Results, Ensemble, FoldYielder)


def html_rows(thing):
    """Give label and text of the rows of a thing's HTML."""
    rows = thing._repr_html_().split("<tr>")[1:]
    cells = [[part.partition(">")[2].partition("<")[0] for part in row.split("<t")[1:]] for row in rows]
    return [tuple(row) for row in cells]


def test_a_builder_shows_what_it_builds():
    builder = ModelBuilder(
        "multiclass", 3, ["pt", "eta"], body={"name": "fully_connected", "depth": 2}, freeze_head=True, seed=4
    )
    assert repr(builder).splitlines() == [
        "ModelBuilder for multiclass, 3 outputs",
        "  continuous  2: pt, eta",
        "  head        tabular/cat_emb_head",
        "  body        fully_connected: depth 2",
        "  tail        tabular/class_reg_multi",
        "  loss        core/nll_loss",
        "  optimiser   core/adam: lr 0.002",
        "  frozen      head",
        "  seed        4",
    ]
    assert html_rows(builder)[0] == ("continuous", "2: pt, eta")


def test_a_builder_says_that_it_draws_inputs():
    drawn = ModelBuilder("regression", 1, ["pt", "eta"], cont_subsample_rate=0.5)
    assert "2: pt, eta; a fraction of 0.5 for each model" in repr(drawn)


def test_a_model_shows_its_sizes_and_how_far_it_is_trained(fy, make_builder, tmp_path):
    model = Model(make_builder(fy, opt_args={"opt": "sgd", "lr": 0.1}))
    rows = dict(html_rows(model))
    assert repr(model).startswith(
        "Model for classification, 1 output\n  continuous   3: a, b, c\n  categorical  1: d\n"
    )
    assert rows["body"].endswith(f"; {model.body.get_out_size()} columns, {model.body.get_param_count()} parameters")
    assert rows["parameters"] == f"{model.get_param_count():,}"
    assert (rows["optimiser"], rows["device"], rows["trained"]) == ("sgd: lr 0.1", "cpu", "no")
    model.fit(2, fy, 8, val_idx=0, cbs="save_best", cb_savepath=tmp_path, visible_bar=False, seed=1)
    best = min(model.fit_params.history["valid"]["loss"])
    assert dict(html_rows(model))["trained"] == f"2 of 2 epochs, validation loss {best:.5g}"
    model.fit(1, fy, 8, visible_bar=False, seed=1)
    assert dict(html_rows(model))["trained"].startswith("1 of 1 epoch, training loss 0.")
    model.save(tmp_path / "model")
    loaded = dict(html_rows(Model.from_save(tmp_path / "model", precision="bf16")))
    assert (loaded["trained"], loaded["device"]) == ("not here: its weights were loaded or set", "cpu, precision bf16")


def test_a_model_is_shown_within_its_fit(fy, make_builder):
    shown = []

    class Look:
        def on_epoch_begin(self, fit_params):
            shown.append(repr(fit_params.model).splitlines()[-1].strip())

    Model(make_builder(fy)).fit(1, fy, 8, cbs=Look(), visible_bar=False)
    assert shown == ["trained      1 of 1 epoch"]


def test_results_and_an_ensemble_of_them(fy, make_builder, tmp_path):
    results = train_models(fy, 2, 8, make_builder(fy), 1, metric_partials="roc_auc_score", savepath=tmp_path, seed=1)
    assert html_rows(results)[-1] == ("mean", results.summary().replace("'", "&#x27;"))
    assert repr(results).splitlines()[1:] == [f"  {label}: {text}" for label, text in html_rows(results)]
    ensemble = Ensemble.from_results(results, 2, "roc_auc_score")
    rows = dict(html_rows(ensemble))
    assert repr(ensemble).startswith("Ensemble of 2 models for classification, 1 output\n  weights ")
    assert rows["weights"] == ", ".join(f"{weight:.3g}" for weight in ensemble.weights)
    assert rows["roc_auc_score"] == ", ".join(f"{r['roc_auc_score']:.5g}" for r in results.best(2, "roc_auc_score"))
    assert rows["in all"] == f"{2 * ensemble.models[0].get_param_count():,} parameters"
    other = Model(make_builder(fy, body={"name": "fully_connected", "depth": 3}))
    mixed = dict(html_rows(Ensemble([ensemble.models[0], other])))
    assert mixed["body"].endswith("(of the first; they differ)")
    assert "roc_auc_score" not in mixed


def test_many_results_are_counted_and_long_rows_wrapped():
    result = {f"metric_{i}": 0.123456 for i in range(9)}
    results = Results([{"loss": 0.5, **result}] * 60, dict.fromkeys(result, "lower"))
    lines = repr(results).splitlines()
    assert max(map(len, lines)) <= 80
    assert "  ...: 10 models more, which get_df() shows" in lines
    assert "1 of which failed" in repr(Results([{"loss": 0.4}, {"loss": None, "failed": "it diverged"}], {}))


def test_a_yielder_shows_its_file_open_or_closed_or_gone(make_fy, tmp_path):
    make_fy(tmp_path / "a.hdf5").close()
    fy = FoldYielder(tmp_path / "a.hdf5", ignore_feats="b")
    fy.save_fold_pred(np.zeros(16), 0, "score")
    file, *rows = html_rows(fy)
    assert file == ("file", str(tmp_path / "a.hdf5"))
    assert rows == [
        ("folds", "3, each of 16 events, 48 in all"),
        ("continuous", "2: a, c"),
        ("categorical", "1: d (3 values)"),
        ("targets", "1: y"),
        ("weights", "weight"),
        ("further columns", "1: event"),
        ("predictions", "1: score"),
        ("ignored", "1: b"),
    ]
    assert repr(fy).startswith("FoldYielder of a.hdf5\n  file             /")
    assert "\n  continuous       2: a, c\n  categorical      1: d (3 values)\n" in repr(fy)
    fy.close()
    (tmp_path / "a.hdf5").unlink()
    assert dict(html_rows(fy))["file"] == str(tmp_path / "a.hdf5")
    assert "incomplete" not in repr(fy)


@pytest.mark.parametrize("face", FACES)
def test_what_is_half_made_is_shown(face):
    half = object.__new__(face)
    assert repr(half).startswith(f"{face.__name__}\n  incomplete")
    assert face.__name__ in half._repr_html_()


# Bars and lines


@pytest.fixture
def notebook(monkeypatch):
    """Give a function that opens a notebook: what is written to its output, and the texts of output areas."""
    written, shown = [], []

    class Handle:
        def update(self, data, *, raw):
            shown.append(data["text/plain"])

    class Stream:
        write = staticmethod(written.append)
        flush = staticmethod(lambda: None)
        isatty = staticmethod(lambda: False)

    Stream.__module__ = "ipykernel.iostream"
    module = types.ModuleType("IPython.display")
    module.display = lambda data, *, raw, display_id: Handle()
    for name in ("IPython", "IPython.display"):
        monkeypatch.setitem(sys.modules, name, module)

    def begin():
        monkeypatch.setattr(sys, "stdout", Stream())
        return written, shown

    return begin


def test_in_a_notebook_lines_go_where_print_writes_and_a_bar_beside_them(notebook, capsys):
    written, shown = notebook()
    sys.stdout.write("before\n")
    with progress.progress_bar(total=2, desc="Training", unit="fold") as bar:
        progress.say("epoch 1")
        bar.update(2)
        bar.refresh()
    sys.stdout.write("after\n")
    assert "".join(written) == "before\nepoch 1\nafter\n"
    assert shown[0].startswith("Training:   0%")
    assert any(text.startswith("Training: 100%") for text in shown)
    assert shown[-1] == ""
    assert max(map(len, shown)) <= 80
    assert capsys.readouterr().err == ""


def test_without_notebook_and_terminal_lines_go_to_the_standard_error(capsys):
    with progress.progress_bar(total=2, desc="Training", unit="fold") as bar:
        progress.say("epoch 1")
        bar.update(2)
    assert capsys.readouterr() == ("", "epoch 1\n")


@pytest.mark.parametrize("visible", [True, False])
def test_bars_are_switched_off_by_one_argument(monkeypatch, fy, make_builder, tmp_path, visible):
    asked = []

    def bar(*, visible, **options):
        asked.append(visible)
        return progress.tqdm(total=options["total"], disable=True)

    monkeypatch.setattr("lumin_core.training.loop.progress_bar", bar)
    train_models(fy, 1, 8, make_builder(fy), 1, savepath=tmp_path, seed=1, visible_bar=visible)
    assert asked[-1] is visible
