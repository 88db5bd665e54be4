"""Trainings of a run that diverged: what is written of them, and how they are trained again."""

import json
from functools import partial

import numpy as np
import pytest

from lumin_core import Callback, Ensemble, Model, Results, train_models
from lumin_core.errors import ConfigError
from lumin_core.runs.result import result_from_json, result_to_json


class Poison(Callback):
    """Lets model 1 diverge from an epoch on, as long as its seed is the first one."""

    def __init__(self, epoch=2, always=False):
        self.epoch, self.always = epoch, always

    def on_forwards_end(self, fit_params):
        again = (fit_params.cb_savepath / "retry.json").exists() and not self.always
        if fit_params.val_idx == 1 and fit_params.epoch >= self.epoch and fit_params.state == "train" and not again:
            fit_params.loss_val = fit_params.loss_val * float("nan")


@pytest.fixture
def run(fy, make_builder, tmp_path):
    def train(**options):
        options = {"cb_partials": Poison, "savepath": tmp_path / "run", "seed": 1, **options}
        return train_models(fy, 3, 8, make_builder(fy), 3, **options)

    return train


def test_results_are_json_and_come_back():
    nan, inf = float("nan"), float("inf")
    result = {"loss": 0.5, "auc": nan, "history": {"valid": {"loss": [0.5, nan, inf]}}, "cycle_losses": [nan]}
    text = json.dumps(result_to_json(result), allow_nan=False)
    back = result_from_json(json.loads(text))
    assert (back["loss"], np.isnan(back["auc"]), np.isnan(back["cycle_losses"]).all()) == (0.5, True, True)
    np.testing.assert_array_equal(back["history"]["valid"]["loss"], [0.5, nan, nan])


@pytest.mark.parametrize("save_best", [True, False])
def test_a_model_that_diverges_ends_with_its_last_good_epoch_and_is_left_out(run, fy, save_best, capsys):
    results = run(save_best=save_best, metric_partials="roc_auc_score")
    bad = results[1]
    assert bad["failed"] == results.failures()[1]
    assert ["failed" in result for result in results] == [False, True, False]
    assert bad["loss"] == bad["history"]["valid"]["loss"][0]
    assert bad["roc_auc_score"] == bad["history"]["valid"]["roc_auc_score"][0]
    assert Model.from_save(bad["path"]).evaluate(*fy.get_fold(1).values()) == pytest.approx(bad["loss"])
    assert results.best(2) == sorted([results[0], results[2]], key=lambda result: result["loss"])
    with pytest.raises(ConfigError, match="has 3 models, 1 of which failed, from which 3 cannot be taken"):
        Ensemble.from_results(results, 3)
    good = Results([results[0], results[2]], {"roc_auc_score": "higher"})
    assert results.summary() == good.summary()
    assert "  1: failed: the training loss of fold" in repr(results)
    assert results.get_df()["failed"].isna().tolist() == [True, False, True]
    said = capsys.readouterr().err
    assert "model 1 failed: the training loss" in said
    assert f"mean of 2 models: {good.summary()}" in said


def test_a_failure_is_kept_by_resume_and_trained_again_when_asked(run, tmp_path, same_weights):
    first = run()
    folder = tmp_path / "run"
    times = [path.stat().st_mtime_ns for path in sorted(folder.glob("model_*/result.json"))]
    again = run(resume=True)
    assert [path.stat().st_mtime_ns for path in sorted(folder.glob("model_*/result.json"))] == times
    assert again.failures() == first.failures()
    with pytest.raises(ConfigError, match="retry_failed=True is for a run that goes on: give resume=True"):
        run(retry_failed=True)
    mended = run(resume=True, retry_failed=True)
    assert mended.failures() == {}
    assert mended[1]["retried"]["failed"] == [first[1]["failed"]]
    seeds = [Model.from_save(mended[i]["path"]).record.seeds["fit"] for i in range(3)]
    assert len(set(seeds)) == 3
    assert mended[0]["history"] == first[0]["history"]
    assert "retried" not in mended[0]
    assert mended[1]["history"]["valid"]["loss"][0] != first[1]["history"]["valid"]["loss"][0]
    assert mended[1]["retried"] == json.loads((folder / "model_1/retry.json").read_text())
    assert mended[1]["retried"] == Results.load(folder)[1]["retried"]
    before = Model.from_save(mended[1]["path"])
    (folder / "model_1/result.json").unlink()  # killed in between: the same seed goes on
    once_more = run(resume=True)
    assert same_weights(Model.from_save(once_more[1]["path"]), before)


def test_without_a_good_epoch_there_is_no_model(run, tmp_path):
    poison = partial(Poison, epoch=1, always=True)
    results = run(cb_partials=poison)
    assert (results[1]["loss"], results[1]["path"]) == (None, None)
    loaded = Results.load(tmp_path / "run")[1]
    assert (loaded["loss"], loaded["path"], loaded["failed"]) == (None, None, results[1]["failed"])
    assert np.isnan(loaded["history"]["train"]["loss"]).all()
    assert not (tmp_path / "run/model_1/model.safetensors").exists()
    text = (tmp_path / "run/results.json").read_text()
    json.loads(text, parse_constant=lambda name: pytest.fail(name))
    twice = run(cb_partials=poison, resume=True, retry_failed=True)
    assert len(twice[1]["retried"]["failed"]) == 1
    thrice = run(cb_partials=poison, resume=True, retry_failed=True)
    assert len(thrice[1]["retried"]["failed"]) == 2
    assert thrice[1]["retried"]["seed"] != twice[1]["retried"]["seed"]
