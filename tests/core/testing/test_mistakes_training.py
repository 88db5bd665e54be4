"""Mistakes in callbacks and augmentations: each fails in the check of its name, with what to do."""

import random

import numpy as np
import pytest
import torch

from lumin_core import Augmentation, Callback
from lumin_core.testing import Case, checks_of, samples, subject_of


def run(thing, kind, name):
    (check,) = [check for check in checks_of(kind) if check.name == name]
    return Case(subject_of(thing, kind), check).run()


# Callbacks


class KeepsStateToItself(Callback):
    """Shrinks the loss with every epoch."""

    def on_train_begin(self):
        self.factor = 1.0

    def on_epoch_begin(self, fit_params):
        self.factor *= 0.5 if fit_params.state == "train" else 1.0

    def on_forwards_end(self, fit_params):
        if fit_params.state == "train":
            fit_params.loss_val = fit_params.loss_val * self.factor


class GoodCallback(KeepsStateToItself):
    """Shrinks the loss with every epoch, and says how far it is."""

    def state_dict(self):
        return {"factor": self.factor}

    def load_state_dict(self, state):
        self.factor = state["factor"]


class ForgetsHalf(GoodCallback):
    def load_state_dict(self, state):
        self.factor = 1.0


class NeverBeginsAnew(GoodCallback):
    def __init__(self):
        self.factor = 1.0

    def on_train_begin(self):
        pass


class DrawsFromNumpy(GoodCallback):
    def on_forwards_end(self, fit_params):
        if fit_params.state == "train":
            fit_params.loss_val = fit_params.loss_val * (1 + np.random.uniform())


class DrawsFromTorch(GoodCallback):
    def on_batch_begin(self, fit_params):
        fit_params.x = fit_params.x + 0.01 * torch.randn_like(fit_params.x)


class LeavesEvaluationMode(GoodCallback):
    def on_epoch_begin(self, fit_params):
        super().on_epoch_begin(fit_params)
        fit_params.model.model.eval()


class NeedsValidation(GoodCallback):
    def on_epoch_end(self, fit_params):
        fit_params.history["valid"]["loss"][-1]


class NeedsTargets(GoodCallback):
    def on_forwards_end(self, fit_params):
        fit_params.loss_val = fit_params.loss_val * 2


class FlatInputsOnly(GoodCallback):
    def on_batch_begin(self, fit_params):
        fit_params.x = fit_params.x.clamp(-1e6, 1e6)


class Misspelt(GoodCallback):
    def on_epoch_finish(self, fit_params):
        pass


class GoodOffer(Callback):
    """Offers the newest weights, as another model."""

    label = "newest"

    def on_train_begin(self):
        self.loss = None

    def on_epoch_end(self, fit_params):
        if fit_params.state == "valid":
            self.loss = {label: values[-1] for label, values in fit_params.history["valid"].items()}

    def get_values(self):
        return self.loss

    def get_module(self):
        return self.model.model


class OffersTheLossAlone(GoodOffer):
    def get_values(self):
        return None if self.loss is None else {"loss": self.loss["loss"]}


class MovesTheModel(GoodOffer):
    def on_batch_end(self, fit_params):
        with torch.no_grad():
            for parameter in fit_params.model.model.parameters():
                parameter.mul_(0.9)


class CountFalls(Callback):
    """Counts cycles, wrongly."""

    cycle_count, cycle_end, cycle_save, cycle_losses = 1, False, False, []

    def on_epoch_end(self, fit_params):
        self.cycle_count = 4 - fit_params.epoch

    def delays_stopping(self):
        return False


# Augmentations


class GoodAugmentation(Augmentation):
    """Mirrors events along the beam."""

    n_test = 2

    def train(self, fold, rng):
        self._mirror(fold, rng.choice([-1, 1], len(fold.flat)))
        return fold

    def test(self, fold, idx):
        self._mirror(fold, (1, -1)[idx])
        return fold

    def _mirror(self, fold, signs):
        for vec in samples.VECS:
            fold.column(f"{vec}_pz")[:] *= signs


class GlobalGenerator(GoodAugmentation):
    def train(self, fold, rng):
        return super().train(fold, np.random)


class PythonsGenerator(GoodAugmentation):
    def train(self, fold, rng):
        self._mirror(fold, random.choice([-1.0, 1.0]))
        return fold


class OwnGenerator(GoodAugmentation):
    def __init__(self):
        self.rng = np.random.default_rng(1)

    def train(self, fold, rng):
        return super().train(fold, self.rng)


class ReordersTheView(GoodAugmentation):
    def test(self, fold, idx):
        fold = super().test(fold, idx)
        fold["inputs"] = fold["inputs"][::-1].copy() if idx else fold["inputs"]
        return fold


class RandomView(GoodAugmentation):
    def test(self, fold, idx):
        self._mirror(fold, np.random.default_rng().choice([-1, 1], len(fold.flat)))
        return fold


class SameViews(GoodAugmentation):
    def test(self, fold, idx):
        return fold


class NoIdentity(GoodAugmentation):
    def test(self, fold, idx):
        fold.column("tau_pz")[:] *= (-1, -2)[idx]
        return fold


class ReturnsNothing(GoodAugmentation):
    def train(self, fold, rng):
        super().train(fold, rng)


class DoublePrecision(GoodAugmentation):
    def train(self, fold, rng):
        fold["inputs"] = fold["inputs"] * 1.5 * np.ones(14)
        return fold


class DropsEvents(GoodAugmentation):
    def test(self, fold, idx):
        for name in ("inputs", "targets", "weights"):
            fold[name] = fold[name][1:] if idx else fold[name]
        return fold


class ChangesWeights(GoodAugmentation):
    def train(self, fold, rng):
        fold["weights"] *= rng.uniform(0.5, 1.5, fold["weights"].shape)
        return super().train(fold, rng)


MISTAKES = {
    KeepsStateToItself: ("callback", "check_callback_resume", r"in epoch 3 it differs: .*state_dict\(\)"),
    ForgetsHalf: ("callback", "check_callback_resume", r"take it back in load_state_dict\(state\)"),
    NeverBeginsAnew: ("callback", "check_callback_reuse", "set back in on_train_begin"),
    DrawsFromNumpy: ("callback", "check_callback_streams", r"numpy in on_forwards_end; draw from fit_params.rng"),
    DrawsFromTorch: ("callback", "check_callback_streams", "torch in on_batch_begin; .*fit_params.generator"),
    LeavesEvaluationMode: ("callback", "check_callback_mode", "mode in on_epoch_begin; .*lumin_core.validated"),
    NeedsValidation: ("callback", "check_callback_without_validation", "look at fit_params.val_idx"),
    NeedsTargets: ("callback", "check_callback_prediction", "fit_params.state is 'test', and y, w, loss_val"),
    FlatInputsOnly: ("callback", "check_callback_matrix", r"fit_params.x is \(flat, matrix\)"),
    Misspelt: ("callback", "check_callback_points", "on_epoch_finish is no callback point"),
    OffersTheLossAlone: ("callback", "check_callback_offer", "without .*lumin_core.validated"),
    MovesTheModel: ("callback", "check_callback_own_weights", "model's weights in on_batch_end.*copy of the module"),
    CountFalls: ("callback", "check_callback_cyclic", "expected cycle_count to rise"),
    GlobalGenerator: ("augmentation", "check_augmentation_streams", r"numpy was drawn from; use rng.uniform"),
    PythonsGenerator: ("augmentation", "check_augmentation_streams", "random was drawn from; use rng"),
    OwnGenerator: ("augmentation", "check_augmentation_generator", "expected other events for another seed"),
    ReordersTheView: ("augmentation", "check_augmentation_order", "leave the order as it is"),
    RandomView: ("augmentation", "check_augmentation_views", "a fixed seed: lumin_core.seeds.stream"),
    SameViews: ("augmentation", "check_augmentation_different_views", "lower n_test, or use idx"),
    NoIdentity: ("augmentation", "check_augmentation_different_views", r"let test\(fold, 0\) return the fold"),
    ReturnsNothing: ("augmentation", "check_augmentation_fold", "got NoneType; end with return fold"),
    DoublePrecision: ("augmentation", "check_augmentation_shape", "got float64 .*change values in place"),
    DropsEvents: ("augmentation", "check_augmentation_order", "the same 8 events in the view 1, got 7"),
    ChangesWeights: ("augmentation", "check_augmentation_targets", "expected the weights unchanged"),
}


@pytest.mark.parametrize(
    ("good", "kind"), [(GoodCallback, "callback"), (GoodOffer, "callback"), (GoodAugmentation, "augmentation")]
)
def test_what_is_right_passes(good, kind):
    outcomes = [run(good, kind, check.name) for check in checks_of(kind)]
    assert [outcome for outcome in outcomes if outcome.state == "failed"] == []
    assert sum(outcome.state == "passed" for outcome in outcomes) > 8


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda cls: cls.__name__)
def test_a_mistake_fails_in_the_check_of_its_name(mistake):
    kind, name, message = MISTAKES[mistake]
    outcome = run(mistake, kind, name)
    assert outcome.state == "failed"
    with pytest.raises(AssertionError, match=f"(?s){message}"):
        raise outcome.error
