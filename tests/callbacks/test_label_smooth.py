import numpy as np
import pytest
import torch

from lumin_core import Callback, EvalMetric
from lumin_core.errors import ConfigError
from lumin_plugin_callbacks import BinaryLabelSmooth


class Look(Callback):
    """Keeps the targets of batches and folds by state."""

    def __init__(self):
        self.batches, self.folds = {"train": [], "valid": []}, []

    def on_batch_begin(self, fit_params):
        self.batches[fit_params.state].append(fit_params.y.clone())

    def on_fold_end(self, fit_params):
        self.folds.append(fit_params.by.targets)


class Targets(EvalMetric):
    better = "lower"

    def evaluate(self, preds, targets, weights, columns):
        self.seen = targets
        return 0.0


@pytest.mark.parametrize(
    ("coefs", "low", "high"),
    [
        (0.1, 0.1, 0.9),
        ((0.1, 0.02), 0.1, 0.98),
        ([0, 0.3], 0, 0.7),
        ((0.6, 0), 0.6, 1),
        (np.float32(0.25), 0.25, 0.75),
    ],
)
def test_fault_each_class_goes_to_its_own_label(fit, coefs, low, high):
    look, metric = Look(), Targets()
    fit([BinaryLabelSmooth(coefs), look], metrics=metric)
    trained = torch.cat(look.batches["train"]).unique()
    assert torch.equal(trained, torch.tensor([low, high], dtype=torch.float32))
    assert torch.cat(look.batches["valid"]).unique().tolist() == [0, 1]
    assert np.unique(metric.seen).tolist() == [0, 1]
    assert all(np.unique(fold).tolist() == [0, 1] for fold in look.folds)


def test_the_default_changes_nothing(fit, make_model):
    models = [make_model(), make_model()]
    for model, cbs in zip(models, ([], [BinaryLabelSmooth()]), strict=True):
        fit(cbs, model=model)
    assert all(torch.equal(a, b) for a, b in zip(*(m.get_weights().values() for m in models), strict=True))


def test_soft_targets_go_to_what_lies_between(fit):
    class Soften(Callback):
        def on_fold_begin(self, fit_params):
            fit_params.by.targets = np.linspace(0, 1, len(fit_params.by.targets))

    look, smooth = Look(), BinaryLabelSmooth((0.1, 0.3))
    fit([smooth, Soften(), look], n_epochs=1)
    expected = np.sort(np.tile(0.1 + 0.6 * np.linspace(0, 1, 16), 2))
    np.testing.assert_allclose(np.sort(torch.cat(look.batches["train"]).numpy().ravel()), expected, rtol=1e-6)


def test_it_learns_the_smoothed_label(fit, make_model):
    """A network that only has a bias ends at the mean of the smoothed labels, weighted."""

    class SameInputs(Callback):
        def on_fold_begin(self, fit_params):
            fit_params.by.inputs = np.zeros_like(fit_params.by.inputs)
            fit_params.by.targets = np.ones(len(fit_params.by.targets))

    model = make_model(model_args={}, body="ident_body", opt_args={"opt": "sgd", "lr": 5.0})
    fit([SameInputs(), BinaryLabelSmooth((0.3, 0.2))], n_epochs=10, model=model)
    assert model.predict(np.zeros((1, 2)))[0, 0] == pytest.approx(0.8, abs=1e-4)


def test_several_labels_are_smoothed_each(make_model, fit):
    class TwoLabels(Callback):
        def on_batch_begin(self, fit_params):
            fit_params.y = torch.tensor([[0.0, 1.0]]).repeat(len(fit_params.y), 1)

    look = Look()
    fit([TwoLabels(), BinaryLabelSmooth((0.1, 0.2)), look], n_epochs=1, model=make_model(loss=FirstColumn()))
    assert torch.equal(look.batches["train"][0][0], torch.tensor([0.1, 0.8]))


class FirstColumn(torch.nn.Module):
    def forward(self, y_pred, y):
        return (y_pred - y[:, :1]).square()


@pytest.mark.parametrize("coefs", [-0.1, 1, (0.1, 1.0), (0.5, 0.5), 0.5, (0.1,), (1, 2, 3), "0.1", True, None, np.nan])
def test_coefficients_out_of_range_are_refused(coefs):
    with pytest.raises(ConfigError, match=r"coefs must be a number in \[0, 0.5\), or two in \[0, 1\)"):
        BinaryLabelSmooth(coefs)


@pytest.mark.parametrize("objective", ["regression", "multiclass"])
def test_other_objectives_are_refused(fit, make_model, objective):
    with pytest.raises(ConfigError, match=f"for the objective 'classification'.* the model's is '{objective}'"):
        fit(BinaryLabelSmooth(0.1), model=make_model(objective))
