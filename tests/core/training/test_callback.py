"""The protocols of callbacks, and what they share: which value decides, and who offers the best model."""

import math

import numpy as np
import pytest
from torch import nn

from lumin_core import Callback, CyclicCallback, LossCallback, Model, PredHandler, best_offer, monitored
from lumin_core.errors import ConfigError, DataError
from lumin_core.training import deciding, repeats, scheduled


class Cycle:
    """A cyclic callback that says only what it must."""

    cycle_count, cycle_end, cycle_save = 0, False, False

    def __init__(self):
        self.cycle_losses = []

    def on_epoch_end(self):
        pass

    def delays_stopping(self):
        return False


class Average:
    """Offers a model of the loss that it is told."""

    label = "average"

    def __init__(self, loss):
        self.loss, self.module = loss, nn.Identity()

    def on_epoch_end(self):
        pass

    def get_values(self):
        return None if self.loss is None else {"loss": self.loss}

    def get_module(self):
        return self.module


def test_what_is_scheduled_and_whether_it_repeats_may_be_left_unsaid():
    cycle = Cycle()
    assert isinstance(cycle, CyclicCallback)
    assert (scheduled(cycle), repeats(cycle)) == ((), True)
    cycle.scheduled, cycle.repeats = ["lr", "mom"], False
    assert (scheduled(cycle), repeats(cycle)) == (("lr", "mom"), False)


def test_a_cycle_without_them_works_beside_ours(make_builder, fy):
    model = Model(make_builder(fy))
    cbs = [Cycle(), {"name": "cycle_lr", "lr_range": (1e-3, 0.1)}, {"name": "swa", "start_epoch": 1}]
    model.fit(3, fy, 8, val_idx=2, cbs=[*cbs, {"name": "early_stopping", "patience": 5}, "metric_logger"], seed=1)
    assert model.fit_params.epoch == 3


@pytest.fixture
def offers(make_builder, fy, tmp_path):
    """Give what is offered after an epoch, for callbacks and the loss of the validation."""

    def make(*callbacks, loss=None, **options):
        found = []

        class Ask(Callback):
            def on_epoch_end(self, fit_params):
                if fit_params.state == "valid":
                    if loss is not None:
                        fit_params.history["valid"]["loss"][-1] = loss
                    found.append((best_offer(fit_params), monitored(fit_params), deciding(fit_params)))

        Model(make_builder(fy)).fit(1, fy, 8, val_idx=2, cbs=[*callbacks, Ask()], seed=1, **options)
        return found[0]

    return make


def test_the_best_offer_is_the_models_own_unless_another_is_better(offers):
    worse, better, none = Average(9.0), Average(0.1), Average(None)
    offer, seen, name = offers(worse, none, loss=0.5)
    assert (offer.value, offer.module, seen, name) == (0.5, None, (0.5, "lower"), ("loss", "lower"))
    offer, *_ = offers(worse, better, none, loss=0.5)
    assert (offer.value, offer.module) == (0.1, better.module)
    offer, *_ = offers(better, loss=math.nan)
    assert offer.value == 0.1


def test_the_main_metric_decides(offers):
    metrics = [{"name": "roc_auc_score", "main_metric": True}]
    _, (value, better), name = offers(metrics=metrics)
    assert name == ("roc_auc_score", "higher")
    assert better == "higher"
    assert 0 <= value <= 1


def test_without_validation_nothing_is_monitored(make_builder, fy):
    class Ask(Callback):
        def on_epoch_end(self, fit_params):
            monitored(fit_params)

    with pytest.raises(ConfigError, match="give val_idx"):
        Model(make_builder(fy)).fit(1, fy, 8, cbs=Ask(), seed=1)


def test_the_protocols_are_told_apart():
    assert not isinstance(Cycle(), LossCallback)
    assert not isinstance(Average(1.0), CyclicCallback)
    assert isinstance(Average(1.0), LossCallback)


def test_a_handler_forgets_what_an_earlier_prediction_left(make_builder, fy):
    model, handler = Model(make_builder(fy)), PredHandler()
    with pytest.raises(DataError, match="no predictions yet"):
        handler.get_preds()
    x = fy.get_fold(0)["inputs"]
    for inputs in (x, x[:3]):
        assert np.array_equal(model.predict(inputs, pred_cb=handler), handler.get_preds())
    assert len(handler.get_preds()) == 3
