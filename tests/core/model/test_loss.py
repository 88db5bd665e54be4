"""Losses: per event, weighted in one place; an event of weight zero is none, of weight two is two."""

import copy
from functools import partial

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from lumin_core import BatchLoss, BatchYielder, EvalMetric, FoldFileWriter, FoldYielder, Model, ModelBuilder, registry
from lumin_core.errors import ConfigError, LuminError, ShapeError
from lumin_core.model.loss import build_loss, weighted_loss

LOSSES = {
    "classification": ["auto", "bce_loss", "mse_loss", "l1_loss", "weighted_mse", "weighted_mae"],
    "multiclass": ["auto", "nll_loss", {"name": "weighted_cce", "class_weights": [1.0, 2.0, 0.5]}, nn.CrossEntropyLoss],
    "regression": [
        "auto",
        "l1_loss",
        "huber_loss",
        "smooth_l1_loss",
        "weighted_mse",
        "weighted_mae",
        {"name": "weighted_fractional_mse", "min_true": 0.1},
        {"name": "weighted_binned_huber", "perc": 0.7, "bins": [-10.0, 0.0, 10.0]},
        {"name": "weighted_fractional_binned_huber", "perc": 0.7, "bins": [-10.0, 10.0], "min_true": 0.1},
    ],
}
CASES = [
    pytest.param(objective, n_targ, loss, id=f"{objective}-{n_targ}-{loss['name'] if isinstance(loss, dict) else loss}")
    for objective, losses in LOSSES.items()
    for n_targ in ((1,) if objective == "multiclass" else (1, 2))
    for loss in losses
]
N = 12


def name_of(loss):
    return registry.qualified_name(loss) if isinstance(loss, type) else loss if isinstance(loss, str) else loss["name"]


def test_every_registered_loss_is_tested():
    here = ("lumin-core", "lumin-plugin-losses")  # other plugins test theirs
    ours = {component.name for component in registry.components("loss") if component.distribution in here}
    assert ours <= {name_of(loss) for losses in LOSSES.values() for loss in losses if not isinstance(loss, type)}


class WeightedBias(EvalMetric):
    better = "zero"

    def evaluate(self, preds, targets, weights, columns):
        first = targets if targets.ndim == 1 else targets[:, 0]
        return float(np.average(preds[:, 0] - first, weights=weights[:, 0]))


def data(make_fy, folder, objective, n_targ, variant):
    """Two folds alike: as they are, with four events more of weight zero, or with one event twice or of weight two."""

    def change(fold, columns):
        for name, values in columns.items():
            if isinstance(values, dict):
                continue
            if variant in ("zero", "none"):
                columns[name] = np.concatenate([values, values[:4] * (1 if name == "targets" else 2)])
            if variant == "twice":
                columns[name] = np.concatenate([values, values[:1]])
        if variant in ("zero", "none"):
            columns["inputs"][N:, 3] = 1
            columns["weights"][N:] = 0
        if variant == "double":
            columns["weights"][0] *= 2
        if variant == "none":
            columns.update({name: values[:N] for name, values in columns.items() if name != "misc"})
        n = len(columns["weights"])
        columns["misc"] = {"event": np.arange(n)}

    return make_fy(
        folder / f"{variant}.hdf5", n_folds=2, n=N, objective=objective, n_targ=n_targ, change=change, seed=5
    )


def trained(make_builder, fy, objective, loss):
    """Train one step on a whole fold, by SGD whose rate is that of one event times their number: B L = sum of w l."""
    n = fy.get_data_count(0)
    builder = make_builder(
        fy,
        objective,
        loss=loss,
        n_out=3 if objective == "multiclass" else None,
        opt_args={"opt": "sgd", "lr": 0.01 * n},
    )
    model = Model(builder)
    model.fit(1, fy, n, val_idx=1, metrics=WeightedBias(), seed=2)
    return model


@pytest.mark.parametrize(("objective", "n_targ", "loss"), CASES)
@pytest.mark.parametrize(("variant", "same"), [("zero", "none"), ("double", "twice")])
def test_weight_zero_is_no_event_and_weight_two_is_two(
    make_fy, make_builder, tmp_path, objective, n_targ, loss, variant, same
):
    results = []
    for kind in (variant, same):
        fy = data(make_fy, tmp_path, objective, n_targ, kind)
        model = trained(make_builder, fy, objective, loss)
        fold = fy.get_fold(0)
        history = model.fit_params.history
        results.append(
            {
                "weights": torch.cat([p.detach().flatten() for p in model.model.parameters()]).numpy(),
                "train": history["train"]["loss"],
                "valid": history["valid"]["loss"],
                "metric": history["valid"]["weighted_bias"],
                "evaluate": model.evaluate(fold["inputs"], fold["targets"], fold["weights"]),
                "evaluate in batches": model.evaluate(fold["inputs"], fold["targets"], fold["weights"], bs=5),
            }
        )
    for key, value in results[0].items():
        np.testing.assert_allclose(value, results[1][key], rtol=2e-5, atol=1e-6, err_msg=key)


@pytest.mark.parametrize(("objective", "n_targ", "loss"), CASES)
def test_negative_weights_train_and_undo_the_positive(make_fy, make_builder, tmp_path, objective, n_targ, loss):
    def negate(fold, columns):
        columns["weights"][::5] *= -0.5

    fy = make_fy(tmp_path / "a.hdf5", n_folds=2, n=N, objective=objective, n_targ=n_targ, change=negate)
    model = trained(make_builder, fy, objective, loss)
    assert all(p.isfinite().all() for p in model.model.parameters())
    assert np.isfinite(model.fit_params.history["train"]["loss"] + model.fit_params.history["valid"]["loss"]).all()


@pytest.mark.parametrize(("objective", "n_targ", "loss"), CASES)
def test_reported_loss_is_the_weighted_mean_over_all_events(make_fy, make_builder, tmp_path, objective, n_targ, loss):
    fy = make_fy(tmp_path / "a.hdf5", n_folds=2, n=N, objective=objective, n_targ=n_targ)
    model = trained(make_builder, fy, objective, loss)
    fold = fy.get_fold(0)
    whole = model.evaluate(fold["inputs"], fold["targets"], fold["weights"])
    # the mean of single events' losses; the scale of the weights does not matter
    single = [model.evaluate(fold["inputs"][i : i + 1], fold["targets"][i : i + 1]) for i in range(N)]
    assert whole == pytest.approx(np.average(single, weights=fold["weights"][:, 0]), rel=1e-5)
    assert model.evaluate(fold["inputs"], fold["targets"], 7 * fold["weights"][:, 0]) == pytest.approx(whole, rel=1e-5)
    assert model.evaluate(fold["inputs"], fold["targets"]) == pytest.approx(np.mean(single), rel=1e-5)


@pytest.mark.parametrize("bs", [5, 12, 1000])
def test_fault_mean_loss_does_not_depend_on_the_batch_size(fy, make_builder, bs):
    model = Model(make_builder(fy))
    fold = fy.get_fold(0)
    expected = model.evaluate(fold["inputs"], fold["targets"], fold["weights"], bs=16)
    assert model.evaluate(fold["inputs"], fold["targets"], fold["weights"], bs=bs) == pytest.approx(expected, rel=1e-6)


def test_train_on_weights_false_ignores_weights_everywhere(make_fy, make_builder, tmp_path, same_weights):
    models = []
    for weights in (True, False):
        fy = make_fy(tmp_path / f"{weights}.hdf5", weights=weights)
        models.append(Model(make_builder(fy)))
        models[-1].fit(2, fy, 8, val_idx=0, train_on_weights=False, seed=1)
    fys = [tmp_path / f"{weights}.hdf5" for weights in (True, False)]
    from lumin_core import FoldYielder

    first, second = (FoldYielder(path).get_fold(0)["targets"] for path in fys)
    assert np.array_equal(first, second)
    assert models[0].fit_params.history == models[1].fit_params.history
    plain = Model(make_builder(FoldYielder(fys[0])))
    plain.fit(2, FoldYielder(fys[0]), 8, val_idx=0, seed=1)
    assert not same_weights(plain, models[0])


def test_the_objective_of_a_batch_is_one_over_b_times_the_weighted_sum():
    y_pred, y = torch.tensor([[1.0, 2.0], [3.0, 0.0]]), torch.zeros(2, 2)
    w = torch.tensor([[2.0], [-1.0]])
    assert weighted_loss(nn.MSELoss(reduction="none"), y_pred, y, w).item() == (2 * 2.5 - 4.5) / 2
    assert weighted_loss(nn.MSELoss(reduction="none"), y_pred, y, None).item() == (2.5 + 4.5) / 2
    flat = weighted_loss(lambda a, b: (a - b).square().sum(1), y_pred, y, w)
    assert flat.item() == (2 * 5 - 9) / 2


def test_matrix_losses_are_averaged_over_all_but_the_first_axis():
    assert (
        weighted_loss(lambda a, b: torch.ones(3, 2, 2) * torch.arange(3.0)[:, None, None], torch.ones(3, 1), None, None)
        == 1
    )


@pytest.mark.parametrize(
    "loss", [F.mse_loss, nn.MSELoss(), lambda a, b: (a - b).square().mean(), lambda a, b: torch.ones(3)]
)
def test_a_loss_that_averages_by_itself_is_refused(loss):
    with pytest.raises(ShapeError, match=r"one value per event, \(2, \.\.\.\), got .*reduction='none'.*BatchLoss"):
        weighted_loss(loss, torch.ones(2, 1), torch.zeros(2, 1), None)


@pytest.mark.parametrize(
    "spec",
    [
        "mse_loss",
        "MSELoss",
        "core/mse_loss",
        {"name": "mse_loss"},
        {"name": "mse_loss", "reduction": "none"},
        nn.MSELoss,
        partial(nn.MSELoss, reduction="none"),
        nn.MSELoss(),
        nn.MSELoss(reduction="sum"),
        "weighted_mse",
        partial(F.mse_loss, reduction="none"),
        lambda y_pred, y: (y_pred - y).square(),
    ],
)
def test_a_loss_may_be_given_in_every_form(fy, make_builder, spec, same_weights):
    reference, model = (Model(make_builder(fy, "regression", loss=loss)) for loss in ("auto", spec))
    for each in (reference, model):
        each.fit(1, fy, 8, seed=1)
    assert same_weights(model, reference)


@pytest.mark.parametrize(
    "spec",
    [
        {"name": "mse_loss", "reduction": "mean"},
        partial(nn.MSELoss, reduction="sum"),
        partial(F.mse_loss, reduction="mean"),
    ],
)
def test_a_chosen_reduction_is_refused(spec):
    with pytest.raises(ConfigError, match=r"reduction='(mean|sum)' cannot be chosen.*leave reduction out"):
        build_loss(spec, "regression")


@pytest.mark.parametrize(
    "spec",
    [3, None, [nn.MSELoss], {"nam": "mse_loss"}, "no_such_loss", nn.MSELoss, {"name": "mse_loss", "redcution": 1}],
)
def test_what_is_no_loss_is_refused(spec):
    if spec is nn.MSELoss:
        return
    with pytest.raises(LuminError):
        build_loss(spec, "regression")


def test_an_instance_is_neither_changed_nor_shared(fy, make_builder):
    from lumin_plugin_losses import WeightedBinnedHuber

    for given in (nn.MSELoss(), nn.HuberLoss(delta=0.5), WeightedBinnedHuber(perc=0.5, bins=[-10, 10])):
        before = copy.deepcopy(given.__dict__)
        given.eval()
        builder = make_builder(fy, "regression", loss=given)
        first, second = Model(builder), Model(builder)
        first.fit(1, fy, 8, seed=1)
        assert first.loss is not given
        assert first.loss is not second.loss
        assert not given.training
        assert getattr(given, "reduction", None) == before.get("reduction")
        for name, buffer in given.named_buffers():
            assert torch.equal(buffer, before["_buffers"][name])
            assert torch.equal(buffer, dict(second.loss.named_buffers())[name])


def test_an_instance_that_is_no_module_is_not_shared_either(fy, make_builder):
    class Counting:
        def __init__(self):
            self.calls = 0
            self.reduction = "mean"

        def __call__(self, y_pred, y):
            self.calls += 1
            return (y_pred - y).square()

    given = Counting()
    Model(make_builder(fy, "regression", loss=given)).fit(1, fy, 8, seed=1)
    assert (given.calls, given.reduction) == (0, "mean")


# BatchLoss


class MeanBias(BatchLoss):
    """A loss that is no sum over events: the squared weighted mean of the errors."""

    def forward(self, y_pred, y, w):
        w = torch.ones_like(y[:, :1]) if w is None else w
        return (((y_pred - y) * w).sum() / w.sum()).square()


def bias(y_pred, y, w):
    return float((np.sum((y_pred - y) * w) / np.sum(w)) ** 2)


def test_batch_loss_trains_validates_and_evaluates_on_the_whole(fy, make_builder):
    model = Model(make_builder(fy, "regression", loss=MeanBias))
    model.fit(3, fy, 8, val_idx=2, seed=1, metrics=WeightedBias())
    fold = fy.get_fold(2)
    expected = bias(model.predict(fold["inputs"]), fold["targets"], fold["weights"])
    assert model.evaluate(fold["inputs"], fold["targets"], fold["weights"], bs=5) == pytest.approx(
        expected, rel=1e-5, abs=1e-9
    )
    assert model.fit_params.history["valid"]["loss"][-1] == pytest.approx(expected, rel=1e-5, abs=1e-9)
    plain = model.evaluate(fold["inputs"], fold["targets"], bs=5)
    assert plain == pytest.approx(
        bias(model.predict(fold["inputs"]), fold["targets"], np.ones((16, 1))), rel=1e-5, abs=1e-9
    )


def test_batch_loss_sees_what_callbacks_make_of_targets_in_validation(fy, make_builder):
    class Replace:
        def on_batch_begin(self, fit_params):
            fit_params.y = fit_params.y + 5

    model = Model(make_builder(fy, "regression", loss=MeanBias(), opt_args={"opt": "sgd", "lr": 1e-9}))
    model.fit(1, fy, 8, val_idx=2, seed=1, cbs=Replace())
    fold = fy.get_fold(2)
    expected = bias(model.predict(fold["inputs"]), fold["targets"] + 5, fold["weights"])
    assert model.fit_params.history["valid"]["loss"] == [pytest.approx(expected, rel=1e-5)]


def test_batch_loss_must_define_forward():
    with pytest.raises(NotImplementedError, match="must define forward"):
        BatchLoss()(torch.ones(1, 1), torch.ones(1, 1), None)


def test_batch_loss_of_multiclass_gets_class_numbers(make_fy, make_builder, tmp_path):
    class Seen(BatchLoss):
        def forward(self, y_pred, y, w):
            assert y.dtype == torch.int64
            assert y.shape == y_pred.shape[:1]
            return F.nll_loss(y_pred, y)

    fy = make_fy(tmp_path / "m.hdf5", objective="multiclass")
    Model(make_builder(fy, "multiclass", loss=Seen)).fit(1, fy, 8, val_idx=0, seed=1)


def test_evaluate_takes_a_batch_yielder_whole_and_in_order(fy, make_builder):
    model, fold = Model(make_builder(fy)), fy.get_fold(0)
    by = BatchYielder(fold["inputs"], 5, "classification", fold["targets"], fold["weights"])
    assert model.evaluate(by) == pytest.approx(model.evaluate(*fold.values()), rel=1e-6)
    assert (by.shuffle, by.drop_last) == (True, True)


class MeanSquaredBias(BatchLoss):
    """Divides by its own weights."""

    def forward(self, y_pred, y, w):
        w = torch.ones_like(y) if w is None else w
        return ((y_pred - y) * w).sum().square() / w.sum().square()


def test_the_training_history_of_a_batch_loss_is_its_mean_whatever_the_weights(make_fy, tmp_path):
    """Weights of five change nothing where the loss divides by them itself."""
    rng = np.random.default_rng(3)
    x, y = rng.normal(size=(2, 32, 2)), rng.normal(size=(2, 32))
    losses = []
    for weight in (1.0, 5.0):
        with FoldFileWriter(tmp_path / f"{weight}", cont_feats=["a", "b"], targ_feats="y", wgt_feat="w") as file:
            for fold in range(2):
                file.append(fold, inputs=x[fold], targets=y[fold], weights=np.full(32, weight))
        builder = ModelBuilder("regression", 1, ["a", "b"], loss=MeanSquaredBias, opt_args={"opt": "sgd"}, seed=1)
        model = Model(builder, device="cpu")
        model.fit(1, FoldYielder(tmp_path / f"{weight}"), bs=8, val_idx=1, visible_bar=False, seed=1)
        losses.append(model.fit_params.history)
    assert losses[0]["train"]["loss"] == pytest.approx(losses[1]["train"]["loss"], rel=1e-4)
    assert losses[0]["valid"]["loss"] == pytest.approx(losses[1]["valid"]["loss"], rel=1e-4)
