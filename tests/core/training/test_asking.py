"""Who is asked, and who watches: callbacks in prediction, and the batches on their way."""

import numpy as np
import pytest

from lumin_core import Ensemble, FoldYielder, Model, PredHandler
from lumin_core.errors import ConfigError, DataError, HookError


@pytest.fixture
def model(fy, make_builder):
    return Model(make_builder(fy))


def test_another_collecting_callback_gives_what_is_returned(model):
    class Mean(PredHandler):
        def get_preds(self):
            return super().get_preds().mean(0, keepdims=True)

    x = np.random.default_rng(0).normal(size=(5, 4))
    x[:, 3] = 0
    np.testing.assert_allclose(model.predict(x, pred_cb=Mean()), model.predict(x).mean(0, keepdims=True))


def test_a_collecting_callback_needs_get_preds(model):
    with pytest.raises(ConfigError, match=r"pred_cb must have get_preds\(\)"):
        model.predict(np.zeros((1, 4)), pred_cb=object())
    handler = PredHandler()
    with pytest.raises(HookError, match="listed twice"):
        model.predict(np.zeros((1, 4)), pred_cb=handler, cbs=handler)


def test_callbacks_are_given_by_name_or_class(model):
    class Halve:
        def on_forwards_end(self, fit_params):
            fit_params.y_pred = fit_params.y_pred / 2

    x = np.zeros((2, 4))
    assert np.array_equal(model.predict(x, cbs=[Halve, {"name": "grad_clip", "clip": 1.0}]), model.predict(x) / 2)


def test_a_handler_keeps_batches_in_prediction_only(model, fy):
    handler = PredHandler()
    model.fit(1, fy, 8, cbs=handler, val_idx=1, seed=1)
    with pytest.raises(DataError, match="no predictions yet"):
        handler.get_preds()


def test_a_callback_that_is_given_is_used_as_it_is(model, fy):
    handler, x = PredHandler(), fy.get_fold(0)["inputs"]
    assert model.predict(x, pred_cb=handler) is handler.get_preds()
    with pytest.raises(ConfigError, match="pred_cb must make a callback for each model: a class or a function, got"):
        Ensemble([model]).predict(x, pred_cb=handler)


def test_a_tensor_that_is_collected_stays_on_its_graph(model, fy):
    class Tensors(PredHandler):
        def on_pred_begin(self, fit_params):
            fit_params.val_requires_grad = True

        def on_forwards_end(self, fit_params):
            self.preds = fit_params.y_pred

        def on_pred_end(self):
            pass

        def get_preds(self):
            return self.preds

    x = fy.get_fold(0)["inputs"]
    assert model.predict(x, pred_cb=Tensors(), as_np=False).requires_grad
    assert np.array_equal(model.predict(x, pred_cb=Tensors()), model.predict(x))


def test_folds_are_given_with_their_source(model, shared_path, tmp_path):
    seen = []

    class Look:
        def on_pred_begin(self, fit_params):
            seen.append(fit_params.fy)

    path = tmp_path / "a.hdf5"
    path.write_bytes(shared_path.read_bytes())
    with FoldYielder(path) as fy:
        model.predict(fy, cbs=Look())
        Ensemble([model]).predict(fy, cbs=Look())
        assert seen == [fy] * 6


def test_what_an_event_is_given_does_not_depend_on_how_many_are_asked(make_builder, fy):
    model = Model(make_builder(fy, body={"name": "fully_connected", "width": 64}))
    x = np.random.default_rng(1).normal(size=(640, 4))
    x[:, 3] = 0
    whole = model.predict(x)
    for n in (1, 2, 3, 7, 29, 92, 134, 295, 302, 491):
        assert np.array_equal(model.predict(x[:n]), whole[:n])
