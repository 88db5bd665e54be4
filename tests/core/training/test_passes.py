"""What callbacks see and change batch by batch takes effect in the pass over a fold."""

import numpy as np
import pytest
import torch

from lumin_core import Callback, Model
from lumin_core.errors import HookError, LuminError, ShapeError


@pytest.fixture
def model(make_builder, fy):
    return Model(make_builder(fy))


@pytest.fixture
def train(model, fy):
    def run(cbs, **options):
        return model.fit(2, fy, 6, cbs=cbs, seed=1, **{"val_idx": 2, **options})  # two whole batches in training

    return run


def test_batch_begin_may_change_inputs_targets_and_weights(train, model):
    seen = []

    class Change:
        def on_batch_begin(self, fit_params):
            fit_params.x, fit_params.y, fit_params.w = (t[:2] for t in (fit_params.x, fit_params.y, fit_params.w))
            fit_params.x = torch.zeros_like(fit_params.x)
            fit_params.y = torch.ones_like(fit_params.y)
            fit_params.w = torch.full_like(fit_params.w, 5.0)

        def on_forwards_end(self, fit_params):
            expected = 5 * -fit_params.y_pred.log().mean()
            assert torch.allclose(fit_params.loss_val, expected)
            assert torch.equal(fit_params.y_pred, fit_params.model.model(torch.zeros(2, 4)))
            seen.append(fit_params.loss_val.item() / 5)

    train([Change()], val_idx=None, trn_idxs=[0])
    assert np.allclose(model.fit_params.history["train"]["loss"], np.reshape(seen, (-1, 2)).mean(1))


def test_forwards_end_may_replace_the_loss(train, model, same_weights):
    class Nothing:
        def on_forwards_end(self, fit_params):
            fit_params.loss_val = fit_params.loss_val * 0

    before = model.get_weights()
    train([Nothing()])
    assert same_weights(model, before)
    assert model.fit_params.history["train"]["loss"] == [0] * 4


def test_backwards_begin_sees_zeroed_and_backwards_end_fresh_gradients(train):
    seen = []

    class Gradients:
        def on_backwards_begin(self, fit_params):
            parameters = fit_params.model.model.parameters()
            seen.append(all(p.grad is None or not p.grad.any() for p in parameters))

        def on_backwards_end(self, fit_params):
            seen.append(any(p.grad.any() for p in fit_params.model.model.parameters()))

    train([Gradients()])
    assert seen == [True] * len(seen)


def test_backwards_end_may_change_gradients(train, model, same_weights):
    class Zero:
        def on_backwards_end(self, fit_params):
            for parameter in fit_params.model.model.parameters():
                parameter.grad.zero_()

    before = model.get_weights()
    train([Zero()])
    assert same_weights(model, before)


def test_batch_end_comes_after_the_step(train):
    class Step:
        def on_backwards_end(self, fit_params):
            self.before = fit_params.model.get_weights()

        def on_batch_end(self, fit_params):
            if fit_params.state == "train":
                after = fit_params.model.get_weights()
                assert any(not torch.equal(after[key], self.before[key]) for key in after)

    train([Step()])


def test_gradients_are_there_in_validation_and_prediction_on_request(train, model):
    seen = {}

    class Ask:
        def on_train_begin(self, fit_params):
            fit_params.val_requires_grad = True

        def on_pred_begin(self, fit_params):
            fit_params.val_requires_grad = True

        def on_forwards_end(self, fit_params):
            seen[fit_params.state] = fit_params.y_pred.requires_grad

    train([Ask()])
    model.predict(np.zeros((2, 4)), cbs=[Ask()])
    assert seen == {"train": True, "valid": True, "test": True}


def test_gradients_are_off_in_validation_and_prediction(train, model):
    seen = {}

    class Look:
        def on_forwards_end(self, fit_params):
            seen[fit_params.state] = fit_params.y_pred.requires_grad

    train([Look()])
    model.predict(np.zeros((2, 4)), cbs=[Look()])
    assert seen == {"train": True, "valid": False, "test": False}


@pytest.mark.parametrize("state", ["train", "valid"])
@pytest.mark.parametrize(
    ("value", "came"),
    [
        (lambda fit: 0.5, "0.5"),
        (lambda fit: None, "None"),
        (lambda fit: fit.y_pred, r"shape \(\d+, 1\)"),
        (lambda fit: fit.loss_val[None], r"shape \(1,\)"),
    ],
)
def test_a_loss_that_is_no_scalar_any_more_is_refused_with_its_callback(train, state, value, came):
    class Change:
        def on_forwards_end(self, fit_params):
            if fit_params.state == state:
                fit_params.loss_val = value(fit_params)

    with pytest.raises(HookError, match=f"loss_val must stay a scalar tensor, got {came} from Change"):
        train([Change()])


@pytest.mark.parametrize("state", ["train", "valid"])
@pytest.mark.parametrize("point", ["on_batch_begin", "on_forwards_end", "on_batch_end"])
def test_what_a_callback_raises_is_not_taken_for_that(train, state, point):
    def fail(self, fit_params):
        if fit_params.state == state:
            raise KeyError("mine")

    with pytest.raises(KeyError, match="mine") as raised:
        train([type("Failing", (Callback,), {point: fail})()])
    assert not isinstance(raised.value, LuminError)


@pytest.mark.parametrize(
    ("change", "kind", "words"),
    [
        (lambda fit: setattr(fit, "by", None), HookError, "must have batches after on_fold_begin, .* got None"),
        (lambda fit: setattr(fit, "by", [1, 2]), HookError, r"as a BatchYielder has, got \[1, 2\]"),
        (lambda fit: setattr(fit.by, "targets", fit.by.targets[:5]), ShapeError, "targets must have one row for each"),
        (lambda fit: setattr(fit.by, "weights", np.ones((16, 2))), ShapeError, r"weights must be \(16,\) or"),
    ],
)
def test_batches_that_cannot_be_gone_through_are_refused_with_the_callbacks(train, change, kind, words):
    class Change:
        def on_fold_begin(self, fit_params):
            change(fit_params)

    with pytest.raises(kind, match=words) as raised:
        train([Change()])
    assert raised.value.__notes__ == ["callbacks that act in on_fold_begin: Change"]
