import numpy as np
import pytest

from lumin_core.errors import ConfigError
from lumin_plugin_callbacks import EarlyStopping

NAN = float("nan")


@pytest.mark.parametrize(
    ("better", "values", "patience", "n_epochs"),
    [
        ("lower", [3, 2, 1, 0, -1, -2], 2, 6),
        ("lower", [1, 2, 3, 0, 0, 0], 2, 3),
        ("lower", [1, 2, 0, 2, 3, 0], 2, 5),
        ("lower", [1, 1, 1, 1, 1, 1], 3, 4),
        ("higher", [1, 2, 3, 2, 2, 2], 2, 5),
        ("higher", [1, 0, 9, 9, 9, 9], 1, 2),
        ("zero", [0, -5, 5, -1, 1, 0], 3, 4),
        ("zero", [-5, 3, -1, 0.5, 0, 0], 2, 6),
        ("lower", [NAN] * 6, 2, 2),
        ("lower", [1, NAN, 0.5, NAN, NAN, NAN], 2, 5),
        ("higher", [1, float("inf"), 2, 3, 4, 5], 1, 2),
    ],
)
def test_training_stops_after_epochs_without_improvement(fit, model, scripted, better, values, patience, n_epochs):
    stopping = EarlyStopping(patience)
    fit(stopping, n_epochs=6, metrics=scripted(values, better))
    assert len(model.fit_params.history["valid"]["loss"]) == n_epochs
    assert stopping.stopped is (n_epochs < 6)


def test_without_a_main_metric_the_loss_decides(fit, model, scripted):
    model.set_lr(0.0)
    fit(EarlyStopping(2), n_epochs=6, metrics=scripted([6, 5, 4, 3, 2, 1], main_metric=False))
    assert len(model.fit_params.history["valid"]["loss"]) == 3


def test_a_change_must_exceed_the_smallest(fit, model, scripted):
    fit(EarlyStopping(1, min_change=0.5), n_epochs=6, metrics=scripted([3, 2, 1.6, 0, 0, 0]))
    assert len(model.fit_params.history["valid"]["loss"]) == 3


def test_a_reused_callback_begins_anew(fit, model, scripted):
    stopping = EarlyStopping(1)
    fit(stopping, n_epochs=4, metrics=scripted([0, 1, 1, 1]))
    assert stopping.stopped
    fit(stopping, n_epochs=4, metrics=scripted([9, 8, 7, 6]))
    assert not stopping.stopped
    assert len(model.fit_params.history["valid"]["loss"]) == 4


def test_a_cycle_may_delay_stopping(fit, model, scripted):
    class Cycle:
        cycle_count, cycle_end, cycle_save, cycle_losses = 0, False, False, []

        def delays_stopping(self):
            return self.epoch < 4

        def on_epoch_begin(self, fit_params):
            self.epoch = fit_params.epoch

    fit([Cycle(), EarlyStopping(1)], n_epochs=6, metrics=scripted([0, 1, 1, 1, 1, 1]))
    assert len(model.fit_params.history["valid"]["loss"]) == 4


@pytest.mark.parametrize("patience", [0, -1, 1.5, True, "3", None])
def test_patience_must_be_positive(patience):
    with pytest.raises(ConfigError, match="patience must be a positive number of epochs"):
        EarlyStopping(patience)


@pytest.mark.parametrize("min_change", [-1, float("nan"), "a", None])
def test_min_change_must_not_be_negative(min_change):
    with pytest.raises(ConfigError, match="min_change must be at least 0"):
        EarlyStopping(1, min_change)


def test_numpy_numbers_are_welcome():
    assert EarlyStopping(np.int64(3), np.float32(0.5)).patience == 3


def test_a_fit_without_validation_is_refused(fit):
    with pytest.raises(ConfigError, match="reads the validation loss: give val_idx") as caught:
        fit(EarlyStopping(1), val_idx=None)
    assert caught.value.__notes__ == ["raised by the callback EarlyStopping in on_train_begin"]
