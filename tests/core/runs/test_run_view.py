"""What there is of a run: finished, in the middle of it, without its data."""

import json
import shutil

import numpy as np
import pytest
from converters import ShiftAndScale

from lumin_core import Callback, Ensemble, Model, register, registry, train_models
from lumin_core.errors import ConfigError, FoldFileError
from lumin_core.runs import ReportSection, Run, Text


@pytest.fixture(scope="module")
def trained(tmp_path_factory, make_fy, make_builder):
    """Give a run of two models on four folds of which two were left out, with its file and results."""
    folder = tmp_path_factory.mktemp("run")
    fy = make_fy(folder / "train.hdf5", n_folds=4)
    results = train_models(
        fy, 2, 8, make_builder(fy), 2, metric_partials="roc_auc_score", savepath=folder / "run", seed=1
    )
    return folder, fy, results


def test_a_finished_run_shows_what_train_models_gave(trained):
    folder, fy, results = trained
    run = Run.open(folder / "run")
    assert run.is_finished
    assert run.n_models == 2
    assert run.config == json.loads((folder / "run" / "run.json").read_text())
    assert [dict(result) for result in run.results] == [dict(result) for result in results]
    assert run.results.direction("roc_auc_score") == "higher"
    assert run.histories == {i: result["history"] for i, result in enumerate(results)}
    assert run.fy.identity == fy.identity
    assert sorted(run.models) == [0, 1]
    assert len(run.ensemble) == 2
    assert run.held_back is None


def test_unseen_events_are_predicted_by_models_that_were_not_trained_on_them(trained):
    folder, fy, results = trained
    scored = Run.open(folder / "run").unseen
    expected = [Model.from_save(results[i]["path"]).predict(fy.get_fold(i)["inputs"])[:, 0] for i in (0, 1)]
    np.testing.assert_allclose(scored.df["pred"], np.concatenate(expected), rtol=1e-6)
    np.testing.assert_array_equal(scored.df["event"], np.arange(32))
    assert {"a", "b", "c", "d", "gen_target", "gen_weight"} <= {*scored.df.columns}
    assert scored.models == []
    assert scored.text == "32 events out of fold, each scored by the models that were not trained on it"


def test_seen_events_are_predicted_by_models_that_were_trained_on_them(trained):
    folder, fy, results = trained
    scored = Run.open(folder / "run").seen
    models = [Model.from_save(result["path"]) for result in results]
    asked = [[1], [0], [0, 1], [0, 1]]
    expected = [
        np.mean([models[i].predict(fold["inputs"]) for i in those], 0) for those, fold in zip(asked, fy, strict=False)
    ]
    np.testing.assert_allclose(scored.df["pred"], np.concatenate(expected)[:, 0], rtol=1e-5)
    assert scored.text == "64 events of the training, each scored by the models that were trained on it"


def test_events_held_back_are_predicted_by_all_models(trained, make_fy, tmp_path, make_builder):
    fy = make_fy(tmp_path / "train.hdf5")
    test = make_fy(tmp_path / "train.test.hdf5", n_folds=2, seed=9)
    results = train_models(fy, 2, 8, make_builder(fy), 1, savepath=tmp_path / "run", seed=1)
    Ensemble.from_results(results, 2).predict(test)  # whose column is left aside
    scored = Run.open(tmp_path / "run").unseen
    inputs = np.concatenate([fold["inputs"] for fold in test])
    both = [Model.from_save(result["path"]).predict(inputs)[:, 0] for result in results]
    assert scored.models == [0, 1]
    for i in (0, 1):
        np.testing.assert_allclose(scored.df[f"model_{i}"], both[i], rtol=1e-5)
    np.testing.assert_allclose(scored.df["pred"], np.mean(both, 0), rtol=1e-5)
    assert scored.text == "32 events of train.test.hdf5, new to all models, scored by the mean of 2 models"


def test_no_model_is_asked_twice_about_a_fold(trained, monkeypatch):
    from lumin_core.runs import scored

    asked = []
    real = scored.fold_answers
    monkeypatch.setattr(
        scored,
        "fold_answers",
        lambda model, fy, folds, question: asked.extend(folds) or real(model, fy, folds, question),
    )
    run = Run.open(trained[0] / "run")
    assert run.unseen is run.unseen
    assert run.seen is run.seen
    assert sorted(asked) == [0, 0, 1, 1, 2, 2, 3, 3]


def test_what_a_tree_predicts_is_beside_the_models_in_the_unit_of_the_target(tmp_path, make_fy, make_builder):
    with registry.temporary():
        register("transform", "shift_and_scale")(ShiftAndScale)
        steps = {"targets": ShiftAndScale([90.0], [20.0])}
        fy = make_fy(tmp_path / "train.hdf5", objective="regression", preprocessing=steps)
        train_models(fy, 1, 8, make_builder(fy, "regression"), 1, savepath=tmp_path / "run", seed=1)
        with fy.writing():
            for fold in range(3):
                fy.save_fold_pred(np.arange(16.0) - fold, fold, "pred_tree")
        scored = Run.open(tmp_path / "run").unseen
    np.testing.assert_allclose(scored.df["pred_tree"], np.arange(16.0) * 20 + 90)
    assert len(scored.df["pred"]) == 16


def test_of_many_events_the_first_folds_are_taken(trained, monkeypatch):
    monkeypatch.setattr("lumin_core.runs.scored.MOST", 17)
    scored = Run.open(trained[0] / "run").seen
    assert len(scored.df) == 32
    assert scored.text.endswith("trained on it; those of the first 2 of 4 folds")


def test_a_run_in_training_shows_what_is_finished_and_how_far_the_others_are(make_fy, make_builder, tmp_path):
    seen = []

    class Look(Callback):
        def on_epoch_begin(self, fit_params):
            if fit_params.state == "train" and fit_params.epoch == 2:
                seen.append(Run.open(tmp_path / "run"))
                seen[-1].finished, seen[-1].histories  # read now

    fy = make_fy(tmp_path / "train.hdf5")
    with registry.temporary():
        register("callback", "look", Look)
        results = train_models(fy, 2, 8, make_builder(fy), 2, cb_partials="look", savepath=tmp_path / "run", seed=1)
    first, second = seen
    assert not first.is_finished
    assert not first.finished
    assert first.histories == {
        0: {part: {"loss": v["loss"][: 2 if part == "train" else 1]} for part, v in results[0]["history"].items()}
    }
    assert [*second.finished] == [0]
    assert [*second.histories] == [0, 1]
    assert len(second.results) == 1
    with pytest.raises(ConfigError, match="none of its models is finished yet"):
        _ = first.models


def test_a_run_whose_file_is_gone_or_another_still_shows_its_results(trained, make_fy, tmp_path):
    shutil.copytree(trained[0] / "run", tmp_path / "run")
    record = json.loads((tmp_path / "run" / "run.json").read_text())
    (tmp_path / "run" / "run.json").write_text(json.dumps({**record, "foldfile": str(tmp_path / "train.hdf5")}))
    run = Run.open(tmp_path / "run")
    assert len(run.results) == 2
    with pytest.raises(FoldFileError, match="there is no fold file"):
        _ = run.unseen
    make_fy(tmp_path / "train.hdf5", n_folds=4, seed=5)
    with pytest.raises(ConfigError, match="has other data"):
        _ = Run.open(tmp_path / "run").unseen


def test_a_folder_without_a_run_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="holds no run"):
        Run.open(tmp_path)


def test_a_section_is_built_of_a_run(trained):
    class Seed(ReportSection):
        title, order = "Seed", 5

        def build(self, run):
            return [Text(text=str(run.config["seed"]))]

    assert Seed().build(Run.open(trained[0] / "run")) == [Text(text="1")]
