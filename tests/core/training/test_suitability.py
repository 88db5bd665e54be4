"""What is refused before a fit or a run begins, and that nothing is left behind then."""

import sys
from functools import partial

import numpy as np
import pytest
import torch
from torch import nn

from lumin_core import (
    BatchLoss,
    Body,
    Callback,
    EvalMetric,
    FoldFileWriter,
    FoldYielder,
    Model,
    ModelBuilder,
    Tail,
    train_models,
)
from lumin_core.errors import BrokenPlugin, ConfigError, DataError, LuminError, ShapeError


def one_class(fold, columns):
    if fold == 1:
        columns["targets"] = np.ones_like(columns["targets"])


def out_of_range(fold, columns):
    if fold == 2:
        columns["targets"] = columns["targets"] + 1


class Sample(Body):
    """Normalises over objects of one event too, which goes with single events."""

    def __init__(self, n_in, feat_map):
        super().__init__(n_in, feat_map)
        self.norm = nn.BatchNorm1d(1)

    def forward(self, x):
        return self.norm(x[:, None]).squeeze(1)

    def get_out_size(self):
        return self.n_in


class Fussy(EvalMetric):
    """Says something of predictions that nothing but a training gives."""

    better = "lower"

    def evaluate(self, preds, targets, weights, columns):
        if (preds > 0.98).mean() < 0.1:
            raise ValueError("these are not good enough")
        return 1.0


class Lacking(EvalMetric):
    better, columns = "lower", ("no_such_column",)

    def evaluate(self, preds, targets, weights, columns):
        return 1.0


class Gives(EvalMetric):
    better = "lower"

    def __init__(self, value, columns=()):
        super().__init__()
        self.value, self.columns = value, columns

    def evaluate(self, preds, targets, weights, columns):
        return self.value(preds) if callable(self.value) else self.value


def zero_weights(which):
    def change(fold, columns):
        if fold == which:
            columns["weights"] = np.resize([1.0, -1.0], len(columns["targets"]))

    return change


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


CASES = [
    (None, {"bs": 1, "body": {"name": "fully_connected", "bn": True}}, ConfigError, "bs=1 does not go with batch norm"),
    (one_class, {"metrics": "roc_auc_score"}, DataError, "'roc_auc_score' cannot be computed on the validation fold 1"),
    (out_of_range, {}, DataError, r"must be in \[0, 1\], got 1"),
    (None, {"metrics": Lacking}, ConfigError, "has no 'no_such_column'"),
    (None, {"n_targ": 2, "n_out": 3}, ShapeError, "n_out=3 outputs, but the data have 2"),
    (None, {"cbs": {"name": "targ_replace", "targ_feats": "no_such"}}, ConfigError, "needs the column 'no_such'"),
    (None, {"cbs": [{"name": "cycle_lr", "lr_range": (0, 1)}] * 2}, ConfigError, "both set the learning rate"),
    (None, {"cbs": {"name": "cycle_lr", "lr_ranges": (0, 1)}}, ConfigError, "no option 'lr_ranges'"),
    (None, {"metrics": partial(Gives, value=1.0, columns=3)}, ConfigError, "needed by the metric 'gives'. has no 3"),
    (
        None,
        {"metrics": partial(Gives, value=np.zeros(7))},
        DataError,
        r"'gives' must give one number, got shape \(7,\)",
    ),
    (None, {"metrics": partial(Gives, value=None)}, DataError, "'gives' must give one number, got None"),
    (
        None,
        {"metrics": partial(Gives, value="0.5")},
        DataError,
        "what the metric 'gives' gives must hold numbers, got text",
    ),
    (None, {"metrics": partial(Gives, value=1j)}, DataError, "what the metric 'gives' gives must hold .* got complex"),
    (None, {"metrics": partial(Gives, value=sys.exit)}, DataError, "the metric 'gives' called sys.exit"),
    (zero_weights(1), {}, DataError, "fold 1: the weights of the fold sum to 0, .*; take another fold, or train_on_w"),
    (zero_weights(2), {}, DataError, "fold 2: the weights of the fold sum to 0"),
    (None, {"cbs": {"name": "cycle_mom", "mom_range": (0.1, 0.2)}, "opt": "adagrad"}, ConfigError, "has no momentum"),
]


@pytest.mark.parametrize(("change", "options", "kind", "words"), CASES)
def test_what_does_not_fit_is_refused_and_leaves_nothing(make_fy, make_builder, here, change, options, kind, words):
    with make_fy(here / "a.hdf5", change=change, n_targ=options.get("n_targ", 1)) as fy:
        given = {"opt_args": {"opt": options.get("opt", "sgd"), "lr": 0.1}, "n_out": options.get("n_out")}
        builder = make_builder(fy, body=options.get("body"), **given)
        parts = {"cbs": options.get("cbs"), "metrics": options.get("metrics")}
        bs = options.get("bs", 8)
        with pytest.raises(kind, match=words):
            Model(builder).fit(1, fy, bs, val_idx=1, seed=1, cb_savepath=here / "fit", resume=True, **parts)
        runs = {"cb_partials": parts["cbs"], "metric_partials": parts["metrics"]}
        with pytest.raises(kind, match=words):
            train_models(fy, 2, bs, builder, 1, savepath=here / "deep/run", seed=1, **runs)
    assert [path.name for path in here.iterdir()] == ["a.hdf5"]


class Line(Body):
    def __init__(self, n_in, feat_map, way="plain"):
        super().__init__(n_in, feat_map)
        self.layer, self.way = nn.LazyLinear(4) if way == "lazy" else nn.Linear(n_in, 4), way

    def forward(self, x):
        if self.way == "raises" and self.training:
            raise ValueError("not in training")
        y = self.layer(x)
        return torch.cat([y, y], 1) if self.way == "wide" and self.training else y

    def get_out_size(self):
        return 4


class Logits(Tail):
    def __init__(self, n_in, n_out, objective):
        super().__init__(n_in, n_out, objective)
        self.layer = nn.Linear(n_in, n_out)

    def forward(self, x):
        return 100 + self.layer(x)


class TwoArguments(BatchLoss):
    def forward(self, y_pred, y):
        return (y_pred - y).square().mean()


class NoSuper(torch.optim.Optimizer):
    def __init__(self, params, lr=1e-3):
        self.lr = lr

    def step(self): ...


class Closure(torch.optim.SGD):
    def step(self, closure):
        return super().step(closure)


class Failing(torch.optim.SGD):
    def step(self, closure=None):
        raise RuntimeError("no step")


class Wrapped(Callback):
    def on_batch_begin(self, fit_params):
        fit_params.y = {"y": fit_params.y}


def raises(y_pred, y):
    raise ZeroDivisionError("by nothing")


TRIED = [
    ({"objective": "multiclass", "loss": "bce_loss"}, DataError, r"the loss BCELoss.*shapes \(8, 3\) and \(8,\)"),
    ({"loss": "nll_loss"}, DataError, "the loss NLLLoss.* cannot take these outputs and targets"),
    ({"tail": Logits}, DataError, "the loss BCELoss.* between 0 and 1; .*loss='auto' is that of the objective"),
    ({"loss": lambda y_pred: y_pred}, DataError, "takes 1 positional argument.*called as loss"),
    ({"loss": raises}, DataError, "the loss raises cannot take .*: by nothing"),
    ({"loss": TwoArguments}, DataError, "the loss TwoArguments.*loss.y_pred, y, w"),
    ({"loss": lambda y_pred, y: None}, ConfigError, "must return a tensor, got NoneType"),
    ({"loss": lambda y_pred, y: (y_pred - y) * 1j}, ConfigError, "must return a tensor, got one of complex numbers"),
    ({"body": partial(Line, way="lazy")}, ConfigError, "lazy layers.*build them with their size"),
    ({"opt_args": {"opt": NoSuper}}, BrokenPlugin, "the optimiser 'NoSuper': NoSuper.__init__ does not call super"),
    ({"opt_args": {"opt": Closure}}, ConfigError, "Closure needs a closure"),
    ({"opt_args": {"lr": float("inf")}}, ConfigError, "for Adam: lr must be a finite number, got inf"),
    ({"opt_args": {"lr": "1e-3"}}, ConfigError, "for Adam: lr must be a finite number, got '1e-3'"),
]
IN_TRAINING = [
    ({"body": partial(Line, way="raises")}, ConfigError, "the body 'Line' cannot take inputs of .*: not in training"),
    ({"body": partial(Line, way="wide")}, ShapeError, r"the body 'Line' gave shape \(8, 8\) for 8 events"),
    ({"opt_args": {"opt": Failing}}, ConfigError, "the optimiser 'Failing' cannot train the network: no step"),
]


@pytest.mark.parametrize(("parts", "kind", "words"), [*TRIED, *IN_TRAINING])
def test_what_cannot_be_trained_is_refused_before_a_run_is_written(make_fy, make_builder, here, parts, kind, words):
    parts = {"objective": "classification", **parts}
    with make_fy(here / "a.hdf5", objective=parts["objective"]) as fy:
        builder = make_builder(fy, **parts)
        with pytest.raises(kind, match=words):
            train_models(fy, 2, 8, builder, 1, savepath=here / "deep/run", seed=1)
        if words not in [case[2] for case in IN_TRAINING]:
            with pytest.raises(kind, match=words):
                Model(builder).fit(1, fy, 8, seed=1)
    assert [path.name for path in here.iterdir()] == ["a.hdf5"]


def test_targets_that_callbacks_change_batch_by_batch_are_not_judged_before_a_run(fy, make_builder, here):
    builder = make_builder(fy, loss=lambda y_pred, y: (y_pred - y["y"]) ** 2)
    train_models(fy, 1, 8, builder, 1, cb_partials=Wrapped, savepath="run", seed=1)
    with pytest.raises(ConfigError, match="the optimiser 'Failing' cannot train"):
        train_models(fy, 1, 8, make_builder(fy, opt_args={"opt": Failing}), 1, cb_partials=Wrapped, savepath="b")
    assert not (here / "b").exists()


def test_a_block_that_needs_another_device_is_left_to_it(fy, make_builder, here, monkeypatch):
    """What the CPU cannot do is seen in the training itself, on the device that it asks for."""
    monkeypatch.setattr("lumin_core.runs.plan.pick_device", lambda device: torch.device("cuda"))
    with pytest.raises(ValueError, match="not in training") as raised:
        train_models(fy, 1, 8, make_builder(fy, body=partial(Line, way="raises")), 1, savepath="run", seed=1)
    assert not isinstance(raised.value, LuminError)
    assert (here / "run/run.json").exists()


def test_an_error_says_which_callback_refuses(fy, make_builder):
    class Never(Callback):
        def check_fit(self, fit_params):
            raise ConfigError(f"not with bs={fit_params.bs}")

        def on_epoch_end(self): ...

    with pytest.raises(ConfigError, match="not with bs=8") as raised:
        Model(make_builder(fy)).fit(1, fy, 8, seed=1, cbs=Never)
    assert raised.value.__notes__ == ["raised by the callback Never in check_fit"]


def test_single_events_are_trained_on_where_nothing_forbids_it(fy, make_builder):
    for body in ({"name": "fully_connected", "depth": 1}, Sample):
        model = Model(make_builder(fy, body=body))
        before = model.model.state_dict()["1.norm.running_mean"].clone() if body is Sample else None
        model.fit(1, fy, 1, seed=1, trn_idxs=[0])
        assert before is None or not torch.equal(before, model.model.state_dict()["1.norm.running_mean"])


def test_a_metric_that_is_fussy_about_predictions_is_let_through(fy, make_builder, here):
    model = Model(make_builder(fy))
    with pytest.raises(ValueError, match="not good enough") as raised:
        model.fit(1, fy, 8, val_idx=0, seed=1, metrics=Fussy)
    assert not isinstance(raised.value, LuminError)


def test_a_metric_says_which_it_is_when_it_raises(fy, make_builder, here):
    with pytest.raises(ValueError, match="not good enough") as raised:
        Model(make_builder(fy)).fit(1, fy, 8, val_idx=0, seed=1, metrics=Fussy)
    assert raised.value.__notes__ == ["raised by the metric 'fussy'"]


@pytest.mark.parametrize("value", [1, np.float32(1), torch.tensor(1.0), np.array([1.0]), True])
def test_numbers_of_any_library_are_metrics(fy, make_builder, here, value):
    model = Model(make_builder(fy))
    model.fit(1, fy, 8, val_idx=0, seed=1, metrics=partial(Gives, value=value))
    assert model.fit_params.history["valid"]["gives"] == [1.0]


def test_weights_of_zero_are_taken_where_none_are_used_or_a_callback_makes_them(make_fy, make_builder, here):
    class Ones(Callback):
        def on_fold_begin(self, fit_params):
            fit_params.by.weights = np.ones(fit_params.by.n_events)

    with make_fy(here / "a.hdf5", change=zero_weights(1)) as fy:
        Model(make_builder(fy)).fit(1, fy, 8, val_idx=1, seed=1, train_on_weights=False)
        Model(make_builder(fy)).fit(1, fy, 8, val_idx=1, seed=1, cbs=Ones)


def test_targets_that_a_callback_makes_are_not_judged_before(make_fy, make_builder, here):
    class Both(Callback):
        def on_fold_begin(self, fit_params):
            fit_params.by.targets = np.arange(fit_params.by.n_events) % 2

    with make_fy(here / "a.hdf5", change=out_of_range) as fy:
        Model(make_builder(fy)).fit(1, fy, 8, val_idx=1, seed=1, cbs=Both, metrics="roc_auc_score")


@pytest.mark.parametrize(
    "cbs", ["save_best", "epoch_saver", {"name": "cycle_lr", "lr_range": (0, 1), "cycle_save": True}]
)
def test_a_place_that_cannot_be_written_to_is_refused_before_the_first_batch(fy, make_builder, here, cbs):
    (here / "file").touch()
    model = Model(make_builder(fy))
    with pytest.raises(ConfigError, match=r"cannot save to the folder .*file/deep: .*file is a file; choose another"):
        model.fit(1, fy, 8, val_idx=0, seed=1, cbs=cbs, cb_savepath=here / "file/deep")
    assert model.fit_params is None
    model.fit(1, fy, 8, seed=1, cb_savepath=here / "file/deep")  # who saves nothing needs no place


def test_regression_metrics_are_tried_on_targets_of_any_scale(here):
    rng = np.random.default_rng(1)
    with FoldFileWriter("a", cont_feats=["a"], targ_feats="mass") as file:
        for i in range(2):
            file.append(i, inputs=rng.normal(size=(16, 1)), targets=rng.uniform(1e5, 1e6, 16))
    with FoldYielder("a") as fy:
        model = Model(ModelBuilder.from_fy(fy, "regression", opt_args={"lr": 1e-9}, seed=1))
        model.fit(1, fy, 8, val_idx=0, seed=1, metrics=["r2", {"name": "reg_pull", "return_mean": True}])
