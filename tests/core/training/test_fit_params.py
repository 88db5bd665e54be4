"""The state of a fit: what is there within a phase, and nothing of it outside."""

import numpy as np
import pytest

from lumin_core import Callback, FitParams, Model
from lumin_core.training.fit_params import empty_history

WITHIN = ("by", "x", "y", "w", "y_pred", "loss_val", "events")


@pytest.fixture
def model(make_builder, fy):
    return Model(make_builder(fy))


def test_a_new_state_is_empty(model):
    fit = FitParams(model=model, device=model.device)
    assert all(getattr(fit, name) is None for name in (*WITHIN, "fy", "opt", "rng", "generator", "val_idx", "kept"))
    assert (fit.state, fit.epoch, fit.stop, fit.history, fit.data) == ("train", 0, False, empty_history(), {})
    assert fit.data is not FitParams(model=model, device=model.device).data


def test_what_belongs_to_a_fold_is_forgotten_after_it(model, fy):
    left = []

    class Look(Callback):
        def on_fold_begin(self, fit_params):
            left.append([name for name in WITHIN if getattr(fit_params, name) is not None])
            fit_params.events = np.arange(16)

        def on_batch_end(self, fit_params):
            assert all(getattr(fit_params, name) is not None for name in WITHIN)

        def on_fold_end(self, fit_params):
            assert np.array_equal(fit_params.events, np.arange(16))

    model.fit(2, fy, 8, val_idx=2, cbs=Look(), seed=1)
    assert left == [["by"]] * 6
    assert [name for name in WITHIN if getattr(model.fit_params, name) is not None] == []


def test_what_is_kept_at_the_end_is_a_field(model, fy, tmp_path):
    model.fit(1, fy, 8, val_idx=2, seed=1)
    assert model.fit_params.kept is None
    model.fit(2, fy, 8, val_idx=2, cbs="save_best", cb_savepath=tmp_path, seed=1)
    assert model.fit_params.kept["loss"] == min(model.fit_params.history["valid"]["loss"])
    assert model.fit_params.data == {}


def test_events_of_a_sample_are_told_and_heeded(model, fy):
    """`bootstrap_resample` says which events it drew, and `targ_replace` reads its columns for these."""
    seen = []

    class Look(Callback):
        def on_fold_begin(self, fit_params):
            if fit_params.state == "train":
                column = fit_params.fy.get_column("event", fold_idx=fit_params.trn_idx)
                seen.append(np.array_equal(fit_params.by.targets[:, 0], column[fit_params.events]))

    regression = Model(type(model.model_builder).from_model_builder(model.model_builder, objective="regression"))
    replace = {"name": "targ_replace", "targ_feats": "event"}
    regression.set_lr(1e-6)
    regression.fit(1, fy, 8, cbs=["bootstrap_resample", replace, Look()], seed=1)
    assert seen == [True] * 3


def test_batches_per_epoch_are_the_whole_ones(model, fy):
    counts = []

    class Count(Callback):
        def on_train_begin(self, fit_params):
            counts.append(fit_params.batches_per_epoch)

    for bs in (5, 8, 16):
        model.fit(1, fy, bs, val_idx=0, cbs=Count(), seed=1)
    assert counts == [6, 4, 2]
