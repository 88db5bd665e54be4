"""The look before the first batch: what is refused, by name, and that it leaves no trace."""

import random
from functools import partial

import numpy as np
import pytest
import torch
from torch import nn

from lumin_core import BatchLoss, Body, Callback, Head, Model, Tail
from lumin_core.errors import ConfigError, ShapeError
from lumin_core.training.look import look


class FourWide(Body):
    """Gives four columns, and says what it is told to say."""

    def __init__(self, n_in, feat_map, says=4):
        super().__init__(n_in, feat_map)
        self.says, self.layer, self.n_calls = says, nn.Linear(n_in, 4), 0

    def forward(self, x):
        self.n_calls += 1
        return self.layer(x)

    def get_out_size(self):
        return self.says


class AllIn(Head):
    def __init__(self, cont_feats, cat_embedder=None, says=4, pair=False):
        super().__init__(cont_feats, cat_embedder)
        self.feat_map = {feat: [i] for i, feat in enumerate([*self.cont_feats, *self.cat_feats])}
        self.says, self.pair = says, pair

    def forward(self, x):
        return (x, x) if self.pair else x

    def get_out_size(self):
        return self.says


class Odd(Tail):
    def __init__(self, n_in, n_out, objective, way="flat"):
        super().__init__(n_in, n_out, objective)
        self.layer, self.way = nn.Linear(n_in, 3 if way == "three" else n_out), way

    def forward(self, x):
        y = self.layer(x).sigmoid()
        return (
            {"flat": y.squeeze(1), "three": y, "rows": y[:2], "raises": None}[self.way] if self.way != "dies" else x @ x
        )


def loss_of(function, base=nn.Module):
    return type("Mine", (base,), {"forward": lambda self, *args: function(*args)})


PAIRS = loss_of(lambda p, y: (p - y.squeeze(1)) ** 2)


@pytest.mark.parametrize(
    ("parts", "words"),
    [
        (
            {"head": partial(AllIn, says=5)},
            r"the head 'AllIn' gave shape \(8, 4\).*get_out_size\(\)\), here \(8, 5\)",
        ),
        ({"head": partial(AllIn, pair=True)}, r"the head 'AllIn' must return a tensor.*got tuple"),
        ({"body": partial(FourWide, says=3)}, r"the body 'FourWide' gave shape \(\d, 4\).*here \(\d, 3\)"),
        ({"tail": Odd}, r"the tail 'Odd' gave shape \(\d,\).*\(B, n_out\), here \(\d, 1\)"),
        ({"tail": partial(Odd, way="three")}, r"the tail 'Odd' gave shape \(\d, 3\)"),
        ({"tail": partial(Odd, way="rows")}, r"the tail 'Odd' gave shape \(2, 1\)"),
        ({"tail": partial(Odd, way="dies")}, r"the tail 'Odd' cannot take inputs of shape \(8, 4\): "),
        ({"loss": PAIRS}, r"the loss '.*Mine' gave shape \(5, 5\).*y_pred is \(B, 1\) and y \(B, 1\)"),
        ({"loss": loss_of(lambda p, y: ((p - y) ** 2).mean())}, "one value per event.*derive it from lumin_core.Batch"),
        ({"loss": loss_of(lambda p, y, w: (p - y) ** 2, BatchLoss)}, r"is a BatchLoss, which returns a scalar"),
        ({"loss": loss_of(lambda p, y: (p.detach() - y) ** 2)}, "has no gradient"),
        ({"loss": loss_of(lambda p, y: 0.5)}, r"the loss '.*Mine' must return a tensor, got float"),
    ],
)
def test_what_gives_another_shape_is_refused_by_name(fy, make_builder, parts, words):
    model = Model(make_builder(fy, **{"body": FourWide, **parts}))
    before = model.get_weights()
    with pytest.raises((ConfigError, ShapeError), match=words):
        model.fit(1, fy, 8, seed=1)
    assert all(torch.equal(value, before[name]) for name, value in model.get_weights().items())


def test_callbacks_that_change_the_number_of_columns_are_refused(fy, make_builder):
    class Wider(Callback):
        def on_fold_begin(self, fit_params):
            fit_params.by.inputs = np.hstack([fit_params.by.inputs, fit_params.by.inputs[:, :1]])

    with pytest.raises(
        ShapeError, match=r"have 5 columns of flat inputs, but the model is given 4 features.*on_fold_begin"
    ):
        Model(make_builder(fy)).fit(1, fy, 8, cbs=Wider, seed=1)


def test_the_number_of_events_is_no_width(make_fy, make_builder, tmp_path):
    fy = make_fy(tmp_path / "a.hdf5", n_targ=5)
    Model(make_builder(fy, loss=loss_of(lambda p, y: (p - y) ** 2), body={"name": "fully_connected", "width": 7})).fit(
        1, fy, 8, seed=1
    )


@pytest.mark.parametrize("fold_size", [3, 16])
@pytest.mark.parametrize(
    "loss",
    [
        loss_of(
            lambda p, y: (p - y).square() if len(p) == 3 or len(p) == 8 else torch.zeros(1).view(7)
        ),  # needs whole batches
        loss_of(lambda p, y: (p - y).square().repeat(1, 5)),  # five values an event, whatever their number
    ],
)
def test_losses_that_need_more_events_are_not_refused(make_fy, make_builder, tmp_path, loss, fold_size):
    fy = make_fy(tmp_path / "a.hdf5", n=fold_size)
    Model(make_builder(fy, loss=loss)).fit(1, fy, 3 if fold_size == 3 else 8, seed=1)


def test_targets_that_callbacks_change_batch_by_batch_are_not_judged(fy, make_builder):
    class Squeeze(Callback):
        def on_batch_begin(self, fit_params):
            fit_params.y = fit_params.y.squeeze(1)

    loss = loss_of(lambda p, y: (p.squeeze(1) - y) ** 2)
    Model(make_builder(fy, loss=loss)).fit(1, fy, 8, cbs=Squeeze, seed=1)


def test_it_leaves_no_trace(fy, make_builder, same_weights):
    class Counting(nn.Module):
        def __init__(self):
            super().__init__()
            self.register_buffer("n", torch.zeros(()))

        def forward(self, y_pred, y):
            self.n += 1
            return (y_pred - y).square() * torch.rand(()) * random.random() * np.random.rand()

    class Watch(Callback):
        def on_batch_begin(self, fit_params):
            if fit_params.batch == 1 and fit_params.sub_epoch == 1:
                self.calls, self.n = fit_params.model.body.n_calls, float(fit_params.loss_func.n)

    class Ask(Callback):
        """Looks as often as it is told to, and compares what there is before and after."""

        def on_fold_begin(self, fit_params):
            before = self.state(fit_params)
            look(fit_params)
            assert before == self.state(fit_params)

        def state(self, fit):
            states = random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist()
            weights = {name: value.tolist() for name, value in fit.model.state_dict().items()}
            modes = [module.training for module in fit.model.model.modules()]
            held = (fit.x, fit.y, fit.w, fit.y_pred, fit.loss_val, id(fit.by), fit.generator.get_state().tolist())
            return states, weights, modes, held, [p.grad for p in fit.model.model.parameters()]

    def trained(cbs):
        torch.manual_seed(1), np.random.seed(1), random.seed(1)
        model = Model(make_builder(fy, body=FourWide, loss=Counting()))
        model.fit(1, fy, 8, cbs=cbs, seed=1, trn_idxs=[0])
        return model

    watch = Watch()
    looked, plain = trained([Ask(), watch]), trained([])
    assert (watch.calls, watch.n) == (0, 0)
    assert same_weights(looked, plain)
    assert float(looked.loss.n) == float(plain.loss.n) == 2


def test_fault_blocks_without_a_copy_are_trained_in_training_mode(fy, make_builder):
    """They stayed in evaluation mode until the second epoch: without dropout, norms kept."""

    class Single(FourWide):
        def __deepcopy__(self, memo):
            raise TypeError("there is but one")

        def forward(self, x):
            modes.append(self.training)
            return super().forward(x)

    modes = []
    Model(make_builder(fy, body=Single)).fit(1, fy, 8, seed=1, trn_idxs=[0])
    assert modes[0] is False
    assert len(modes) > 1
    assert all(modes[1:])
