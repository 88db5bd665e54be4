import json

import numpy as np
import pytest

from lumin_core import Results
from lumin_core.errors import ConfigError, DataError
from lumin_plugin_plots import PlotSettings, plot_learning_curves, redraw
from lumin_plugin_plots.learning_curves import per_epoch

SMALL = PlotSettings(dpi=40)


def history(n_epochs, shift=0.0, n_folds=4):
    valid = 0.4 + 0.3 * np.exp(-np.arange(n_epochs) / 2) + shift
    train = np.repeat(valid, n_folds) - 0.05 + np.tile([-0.02, 0.02], n_epochs * n_folds // 2)
    return {"train": {"loss": train.tolist()}, "valid": {"loss": valid.tolist(), "ROC AUC": (1 - valid / 2).tolist()}}


def results(**failed):
    good = [{"loss": 0.4, "history": history(n, shift)} for n, shift in ((6, 0.0), (8, 0.02), (7, -0.01))]
    return Results([*good, *([{"loss": None, "history": history(2), **failed}] if failed else [])], {})


def test_means_and_spreads_are_those_of_the_epochs_that_all_reached(tmp_path):
    plot = plot_learning_curves(results(), settings=SMALL)
    curve = plot.numbers.curves["run: loss"]
    losses = np.stack([result["history"]["valid"]["loss"][:6] for result in results()])
    np.testing.assert_allclose(curve["mean"][:6], losses.mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(curve["spread"][:6], losses.std(axis=0, ddof=1), rtol=1e-12)
    assert np.isnan(curve["mean"][6:]).all()
    assert curve["epoch"].tolist() == list(range(1, 9))
    np.testing.assert_allclose(plot.numbers.curves["run: training loss"]["mean"][:6], losses.mean(axis=0) - 0.05)
    assert plot.numbers.about["best"] == {"run": 6}
    *_, path = plot.save(tmp_path / "curves", formats=["png"])
    again = redraw(path, SMALL)
    assert again.numbers.to_text() == plot.numbers.to_text()
    assert again.picture() == plot.picture()


def test_a_model_that_failed_is_shown_and_not_in_the_mean():
    plot = plot_learning_curves({"wide": results(failed="diverged"), "deep": [history(5)]}, settings=SMALL)
    curve = plot.numbers.curves["wide: loss"]
    np.testing.assert_allclose(curve["mean"][0], np.mean([0.7, 0.72, 0.69]))
    assert np.isfinite(curve["model_3"]).sum() == 2
    texts = "\n".join(text.get_text() for text in plot.figure.findobj(lambda x: hasattr(x, "get_text")))
    for expected in ("Loss", "ROC AUC", "Epoch", "wide, validation", "deep, training", "1 of which failed"):
        assert expected in texts


def test_folds_of_an_epoch_that_was_cut_short_are_averaged():
    assert per_epoch([4.0, 2.0, 1.0], 2) == [3.0, 1.0]
    assert per_epoch([4.0, 2.0, 1.0, 1.0, np.inf], 2, has_failed=True) == [3.0, 1.0]
    assert per_epoch([4.0, 2.0], 0) == [4.0, 2.0]


def test_without_validation_each_training_fold_is_shown():
    plot = plot_learning_curves([{"train": {"loss": [0.5, 0.4]}, "valid": {"loss": []}}], settings=SMALL)
    assert list(plot.numbers.curves) == ["run: training loss"]
    assert plot.figure.axes[-1].get_xlabel() == "Training fold"


def test_a_folder_of_a_run_that_goes_on_is_read(tmp_path):
    (tmp_path / "run.json").write_text(json.dumps({"schema": 1, "seed": 1, "n_models": 2, "directions": {}}))
    with pytest.raises(DataError, match=r"none of the 2 models .* has finished an epoch"):
        plot_learning_curves(tmp_path)
    (tmp_path / "model_1").mkdir()
    result = {"loss": None, "path": None, "history": history(3), "cycle_losses": [], "failed": "diverged"}
    (tmp_path / "model_1" / "result.json").write_text(json.dumps(result))
    curves = plot_learning_curves(tmp_path, settings=SMALL).numbers.curves
    np.testing.assert_allclose(curves["run: loss"]["model_0"], history(3)["valid"]["loss"])
    assert np.isnan(curves["run: loss"]["mean"]).all()


def test_metrics_are_chosen_by_name():
    plot = plot_learning_curves(results(), metrics=[], settings=SMALL)
    assert set(plot.numbers.curves) == {"run: loss", "run: training loss"}
    with pytest.raises(ConfigError, match="have no metric 'ROC'; did you mean 'ROC AUC'"):
        plot_learning_curves(results(), metrics=["ROC"])


@pytest.mark.parametrize("runs", [[], [{"loss": 0.3}], 7])
def test_what_is_no_run_is_refused(runs):
    with pytest.raises(DataError, match="runs must be results"):
        plot_learning_curves(runs)
