import logging

import pytest
import torch

from lumin_core import Model
from lumin_core.errors import ConfigError
from lumin_plugin_callbacks import EarlyStopping, EpochSaver, SaveBest

NAN = float("nan")


def same(model, other):
    return all(torch.equal(value, other.get_weights()[key]) for key, value in model.get_weights().items())


@pytest.mark.parametrize(
    ("better", "values", "best"),
    [
        ("lower", [3, 1, 2, 4], 2), ("lower", [1, 1, 1, 1], 1), ("higher", [3, 1, 5, 4], 3), ("zero", [0, -5, 5, 1], 1),
        ("zero", [-5, 3, -1, 2], 3), ("lower", [NAN, 2, 1, NAN], 3), ("higher", [1, float("inf"), 3, 2], 3),
    ],
)  # fmt: skip
def test_fault_the_training_ends_with_the_best_model(fit, model, scripted, tmp_path, better, values, best):
    saving, seen = SaveBest(), {}

    class Look:
        def on_epoch_end(self, fit_params):
            if fit_params.state == "train":
                seen[fit_params.epoch] = fit_params.model.get_weights()

    fit([saving, Look()], n_epochs=4, metrics=scripted(values, better))
    assert saving.path == tmp_path / "cbs" / "best.safetensors"
    assert all(torch.equal(value, seen[best][key]) for key, value in model.get_weights().items())
    assert same(Model.from_save(saving.path), model)
    kept = model.fit_params.kept
    assert kept["scripted"] == values[best - 1]
    assert kept["loss"] == model.fit_params.history["valid"]["loss"][best - 1]


def test_without_reloading_the_last_model_stays(fit, model, scripted):
    saving = SaveBest(auto_reload=False, name="mine")
    fit(saving, metrics=scripted([0, 1, 2]))
    assert saving.path.name == "mine.safetensors"
    assert model.fit_params.kept is None
    assert not same(Model.from_save(saving.path), model)


def test_nothing_to_save_is_logged(fit, scripted, caplog, tmp_path):
    saving = SaveBest()
    with caplog.at_level(logging.WARNING):
        fit(saving, metrics=scripted([NAN] * 3))
    assert "save_best saved nothing" in caplog.text
    assert saving.path is None
    assert not (tmp_path / "cbs").exists()


def test_a_reused_callback_forgets_the_best_of_before(fit, make_model, scripted):
    saving, second = SaveBest(), make_model(seed=2)
    fit(saving, metrics=scripted([0, 1, 2]))
    fit(saving, model=second, metrics=scripted([9, 8, 7]))
    assert same(Model.from_save(saving.path), second)
    assert second.fit_params.kept["scripted"] == 7


def test_it_is_the_best_of_a_training_that_was_stopped(fit, model, scripted, tmp_path):
    fit([EarlyStopping(1), SaveBest(), EpochSaver()], n_epochs=9, metrics=scripted([3, 2, 5]))
    assert same(model, Model.from_save(tmp_path / "cbs" / "epoch_2"))


def test_a_fit_without_validation_is_refused(fit):
    with pytest.raises(ConfigError, match="reads the validation loss: give val_idx"):
        fit(SaveBest(), val_idx=None)
