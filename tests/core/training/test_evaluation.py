"""What a network answers to a whole fold: losses, metrics, and which targets they take."""

import h5py
import numpy as np
import pytest
import torch
from torch import nn

from lumin_core import BatchLoss, Callback, EvalMetric, FoldYielder, Model, validated
from lumin_core.errors import ConfigError, DataError, ShapeError
from lumin_core.model.loss import weighted_loss
from lumin_core.training.evaluation import Answers, FoldLoss, check_targets, evaluate, evaluating


@pytest.fixture
def model(make_builder, fy):
    return Model(make_builder(fy))


def test_the_loss_of_a_fold_is_the_weighted_mean_whatever_the_batches():
    rng = np.random.default_rng(1)
    losses, weights = rng.normal(size=12), rng.normal(size=12)
    for cuts in ([12], [5, 7], [1] * 12):
        total, start = FoldLoss(), 0
        for n in cuts:
            part = slice(start, start + n)
            w = torch.from_numpy(weights[part])[:, None]
            total.add(torch.tensor((losses[part] * weights[part]).mean()), n, w)
            start += n
        assert total.value() == pytest.approx(np.average(losses, weights=weights))


def test_an_event_of_weight_zero_changes_nothing():
    total = FoldLoss()
    total.add(torch.tensor(1.0), 2, torch.tensor([[2.0], [0.0]]))
    assert total.value() == 1.0
    total.add(torch.tensor(0.0), 1, torch.tensor([[-2.0]]))
    with pytest.raises(DataError, match="weights of the fold sum to 0"):
        total.value()


class Spread(BatchLoss):
    """Is asked once of a whole fold."""

    def forward(self, y_pred, y, w):
        return (y_pred - y).std() + (0 if w is None else w.mean())


@pytest.mark.parametrize("weighted", [False, True])
def test_a_batch_loss_is_that_of_the_fold_as_one_batch(weighted):
    rng = torch.Generator().manual_seed(1)
    y_pred, y, w = (torch.rand(8, 1, generator=rng) for _ in range(3))
    answers = Answers(Spread())
    for part in (slice(0, 3), slice(3, 8)):
        answers.add(y_pred[part], y[part], w[part] if weighted else None, torch.tensor(0.0))
    assert answers.loss() == pytest.approx(float(Spread()(y_pred, y, w if weighted else None)))
    assert torch.equal(answers.y_pred(), y_pred)


def test_asking_leaves_modes_and_weights(model, fy, same_weights):
    model.model.train()
    model.model[1].eval()
    before, fold = model.get_weights(), fy.get_fold(0)
    by = model.batches(fold["inputs"], 5, fold["targets"], fold["weights"])
    other = nn.Sequential(nn.Linear(4, 1), nn.Sigmoid()).train()
    mine, theirs = evaluate(model, by), evaluate(model, by, other)
    assert mine.loss() != theirs.loss()
    assert (model.model.training, model.model[1].training, other.training) == (True, False, True)
    assert same_weights(model, before)
    with evaluating(model, other):
        assert not model.model.training
        assert not other.training


def test_the_validation_fold_can_be_asked_about_another_network(model, fy):
    class Ask(Callback):
        def on_epoch_end(self, fit_params):
            if fit_params.state == "valid":
                self.values = validated(fit_params, fit_params.model.model)
            else:
                with pytest.raises(ConfigError, match="works on the validation fold"):
                    validated(fit_params, fit_params.model.model)

    ask = Ask()
    model.fit(1, fy, 8, val_idx=2, cbs=ask, metrics="roc_auc_score", seed=1)
    last = {name: values[-1] for name, values in model.fit_params.history["valid"].items()}
    assert ask.values == pytest.approx(last)


class Needs(EvalMetric):
    """Needs a column."""

    better, columns = "lower", ("event",)

    def evaluate(self, preds, targets, weights, columns):
        return float(columns["event"].mean())


def test_a_metric_is_given_the_columns_that_it_names(model, fy, make_fy, make_builder, tmp_path):
    model.fit(1, fy, 8, val_idx=2, metrics=Needs(), seed=1)
    assert model.fit_params.history["valid"]["needs"] == [np.arange(32, 48).mean()]

    make_fy(tmp_path / "a.hdf5").close()
    with h5py.File(tmp_path / "a.hdf5", "r+") as file:
        del file["fold_2/event"]
    lacking = FoldYielder(tmp_path / "a.hdf5")
    with pytest.raises(DataError, match="fold 2 lacks the column 'event', which the metric 'needs' needs"):
        Model(make_builder(lacking)).fit(1, lacking, 8, val_idx=2, metrics=Needs(), seed=1)


# Which targets


class Mine(nn.MSELoss):
    """A loss derived from torch's."""


class Own(nn.Module):
    """A loss with rules of its own."""

    def forward(self, y_pred, y):
        return y_pred - y


def of(model, loss, n_out, objective="regression"):
    model.loss, model.n_out, model.objective = loss, n_out, objective
    return model


@pytest.mark.parametrize("loss", [nn.MSELoss(), nn.L1Loss(), nn.HuberLoss(), nn.BCEWithLogitsLoss()])
def test_torch_losses_take_as_many_targets_as_outputs(model, loss):
    check_targets(np.zeros((4, 2)), of(model, loss, 2))
    for targets in (np.zeros(4), np.zeros((4, 1)), np.zeros((4, 3))):
        with pytest.raises(ShapeError, match="n_out=2 outputs, but the data have"):
            check_targets(targets, of(model, loss, 2))
    with pytest.raises(DataError, match="targets must be numbers"):
        check_targets(np.array(["a"] * 4), of(model, loss, 1))


@pytest.mark.parametrize(("n_out", "n_targ"), [(3, 1), (1, 3)])
def test_one_derived_from_torch_is_checked_against_broadcasting_alone(model, n_out, n_targ):
    with pytest.raises(ShapeError, match=r"Mine would compare with each other in all pairs; derive it from nn.Module"):
        check_targets(np.zeros((4, n_targ)), of(model, Mine(), n_out))
    check_targets(np.zeros((4, n_targ)), of(model, Own(), n_out))
    check_targets(np.full((4, n_out), 7.0), of(model, Mine(), n_out))
    check_targets(np.zeros((4, 3)), of(model, Mine(), 2))  # torch refuses these itself


def test_ranges_are_those_of_the_objective(model):
    with pytest.raises(DataError, match=r"must be in \[0, 1\], got 0.0 to 2.0"):
        check_targets(np.array([0.0, 2.0]), of(model, nn.BCELoss(), 1, "classification"))
    check_targets(np.array([0.0, 2.0]), of(model, nn.NLLLoss(), 3, "multiclass"))
    with pytest.raises(DataError, match=r"below n_out=2, got 2\.0"):
        check_targets(np.array([0.0, 2.0]), of(model, nn.NLLLoss(), 2, "multiclass"))
    with pytest.raises(ShapeError, match="one target an event"):
        check_targets(np.zeros((4, 2)), of(model, nn.NLLLoss(), 2, "multiclass"))
    for nothing, words in ((None, "no targets"), (np.zeros((0, 1)), "no events")):
        with pytest.raises(DataError, match=words):
            check_targets(nothing, of(model, Own(), 1))


@pytest.mark.parametrize("small", [1e-9, 1e-4])
def test_ten_million_weights_are_summed_in_double_precision(small):
    """Beside ones, small weights, or a difference of large sums, were lost in single precision."""
    w = torch.ones(10_000_000, 1)
    w[1::2] = small
    w[0] = -4_999_999 + 3  # the ones sum up to 3
    loss, zeros = torch.nn.L1Loss(reduction="none"), torch.zeros_like(w)
    total, expected = FoldLoss(), float(w.double().sum())
    with torch.no_grad():
        total.add(weighted_loss(loss, zeros + 2, zeros, w), len(w), w)
        total.add(weighted_loss(loss, zeros[:2] + 2, zeros[:2], zeros[:2]), 2, zeros[:2])  # of single precision
    assert float(torch.cat(total._weights).sum()) == pytest.approx(expected, rel=1e-9)
    assert total.value() == pytest.approx(2, rel=1e-5)
