"""Results: means and their errors, the best models, the file."""

import numpy as np
import pytest

from lumin_core import Results
from lumin_core.errors import ConfigError


def test_results_that_are_damaged_are_refused(tmp_path):
    for content in (
        "",
        "{}",
        "[]",
        '{"schema": 1, "results": [1], "directions": {}}',
        '{"schema": 1, "results": [], "directions": []}',
        '{"schema": "x", "results": []}',
    ):
        (tmp_path / "results.json").write_text(content)
        with pytest.raises(ConfigError, match="cannot read the results"):
            Results.load(tmp_path)
    with pytest.raises(ConfigError, match="give the folder of a finished run"):
        Results.load(tmp_path / "none")
    (tmp_path / "results.json").write_text('{"schema": 9, "results": [], "directions": {}}')
    with pytest.raises(ConfigError, match="schema"):
        Results.load(tmp_path)


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ([0.41, 0.38, 0.40], "0.397 ± 0.009"),
        ([1.0, 3.0], "2 ± 1"),
        ([120.0, 180.0], "150 ± 30"),
        ([1500.0, 2500.0], "2000 ± 500"),
        ([0.25], "0.25"),
        ([0.25, 0.25], "0.25"),
        ([float("nan"), 1.0, 3.0], "2 ± 1 (of 2 of 3 models)"),
        ([float("inf"), float("nan")], "nan"),
    ],
)
def test_the_summary_is_the_mean_and_its_standard_error(values, text):
    results = Results([{"loss": value, "auc": 1.0} for value in values], {"auc": "higher"})
    assert results.summary() == f"loss {text}, auc 1"
    assert repr(results).splitlines()[-1] == f"  mean: loss {text}, auc 1"


def test_a_long_row_is_wrapped_between_values():
    values = {"loss": 0.73093, "roc_auc_score": 0.48377, "binary_accuracy": 0.48667, "log_loss": 0.73093}
    assert repr(Results([values], dict.fromkeys(values, "lower"))) == (
        "Results of 1 model\n"
        "  0: loss 0.73093, roc_auc_score 0.48377, binary_accuracy 0.48667,\n"
        "    log_loss 0.73093\n"
        "  mean: loss 0.73093, roc_auc_score 0.48377, binary_accuracy 0.48667,\n"
        "    log_loss 0.73093"
    )


def test_the_error_of_the_mean_is_that_of_the_text_books():
    values = np.random.default_rng(0).normal(10, 1, 50)
    mean, error = Results([{"loss": value} for value in values], {}).summary().removeprefix("loss ").split(" ± ")
    assert float(error) == pytest.approx(values.std(ddof=1) / np.sqrt(50), rel=0.3)
    assert float(mean) == pytest.approx(values.mean(), abs=float(error))


@pytest.mark.parametrize(
    ("direction", "values", "order"),
    [
        ("lower", [3.0, 1.0, 2.0], [1, 2, 0]),
        ("higher", [3.0, 1.0, 2.0], [0, 2, 1]),
        ("zero", [3.0, -1.0, 2.0], [1, 2, 0]),
        ("lower", [float("nan"), 1.0, 2.0], [1, 2, 0]),
    ],
)
def test_the_best_come_first_by_what_is_better(direction, values, order):
    results = Results([{"loss": 1.0, "m": value} for value in values], {"m": direction})
    assert results.best(3, "m") == [results[i] for i in order]
    assert results.best(1, "m") == [results[order[0]]]
    assert results.direction("m") == direction


def test_what_cannot_be_taken_is_said():
    results = Results([{"loss": 1.0}] * 2, {})
    for size in (0, -1, 1.5, True, "1"):
        with pytest.raises(ConfigError, match=f"the run has 2 models, from which {size!r} cannot be taken"):
            results.best(size)
    with pytest.raises(ConfigError, match="the run has 2 models, from which 3 cannot be taken"):
        results.best(3)
    with pytest.raises(ConfigError, match="the run has no metric 'auc'; it has loss"):
        results.best(1, "auc")


def test_what_is_saved_is_loaded_with_paths_of_its_folder(tmp_path):
    path = tmp_path / "model_0" / "model.safetensors"
    results = Results([{"loss": float("nan"), "path": path, "history": {}, "cycle_losses": [0.5]}], {"m": "zero"})
    results.save(tmp_path / "results.json")
    (loaded,) = Results.load(tmp_path)
    assert loaded["path"] == path
    assert np.isnan(loaded["loss"])
    assert loaded["cycle_losses"] == [0.5]
    assert Results.load(tmp_path / "results.json").direction("m") == "zero"


def test_paths_hold_when_the_process_goes_elsewhere(tmp_path, monkeypatch):
    path = tmp_path / "run" / "model_0" / "model.safetensors"
    Results([{"loss": 1.0, "path": path, "history": {}, "cycle_losses": []}], {}).save(_made(tmp_path / "run"))
    monkeypatch.chdir(tmp_path)
    (loaded,) = Results.load("run")
    assert loaded["path"] == path


def _made(folder):
    folder.mkdir()
    return folder / "results.json"
