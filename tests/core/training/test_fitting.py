"""Before a fit: folds, features, callbacks and metrics are looked at, and nothing is trained."""

import numpy as np
import pytest

from lumin_core import Callback, Model
from lumin_core.errors import ConfigError, DataError, HookError
from lumin_core.training import (
    Fit,
    build_callbacks,
    build_metrics,
    check_batch_size,
    check_features,
    choose_folds,
    prepare_fit,
    run_fit,
)


@pytest.fixture
def model(make_builder, fy):
    return Model(make_builder(fy))


class Mine(Callback):
    def on_train_end(self):
        self.ended = True


@pytest.mark.parametrize(
    ("given", "chosen"),
    [
        ((None, None), ([0, 1, 2], None)),
        ((None, 1), ([0, 2], 1)),
        (([2, 0], 1), ([2, 0], 1)),
        ((range(2), None), ([0, 1], None)),
    ],
)
def test_folds_are_all_but_that_of_validation(fy, given, chosen):
    assert choose_folds(fy, *given) == chosen


def test_specs_become_objects_in_their_order():
    mine = Mine()
    built = build_callbacks([{"name": "grad_clip", "clip": 1.0}, Mine, mine])
    assert [type(callback).__name__ for callback in built] == ["GradClip", "Mine", "Mine"]
    assert built[2] is mine
    assert (build_callbacks(None), build_metrics(None)) == ([], [])
    assert [metric.label for metric in build_metrics("roc_auc_score")] == ["roc_auc_score"]


def test_labels_that_results_hold_are_refused():
    with pytest.raises(ConfigError, match="a metric cannot be called history"):
        build_metrics({"name": "roc_auc_score", "label": "history"})


def test_a_batch_is_at_most_a_fold(fy):
    check_batch_size(fy, [0], 16)
    with pytest.raises(DataError, match="fold 1 has 16 events, less than a batch of bs=17"):
        check_batch_size(fy, [1], 17)


def test_features_are_those_of_the_builder(make_builder, fy, make_fy, tmp_path):
    check_features(make_builder(fy), fy)
    with pytest.raises(ConfigError, match="the data lack d"):
        check_features(make_builder(fy), make_fy(tmp_path / "a.hdf5", cats=False))


def test_a_fit_is_prepared_and_then_run_as_by_the_model(model, fy, make_builder, same_weights):
    mine, before = Mine(), model.get_weights()
    fit = prepare_fit(model, 2, fy, 8, val_idx=2, cbs=mine, metrics="roc_auc_score", visible_bar=False, seed=1)
    assert isinstance(fit, Fit)
    assert same_weights(model, before)
    assert mine.model is model
    assert (fit.seed, fit.params.n_epochs, fit.params.trn_idxs, fit.params.val_idx) == (1, 2, [0, 1], 2)
    assert fit.checkpoints is None
    run_fit(fit)
    assert mine.ended
    other = Model(make_builder(fy))
    other.fit(2, fy, 8, val_idx=2, metrics="roc_auc_score", seed=1)
    assert same_weights(model, other)
    assert fit.params.history == other.fit_params.history


def test_a_seed_is_drawn_and_recorded(model, fy):
    fits = [prepare_fit(model, 1, fy, 8) for _ in range(2)]
    assert fits[0].seed != fits[1].seed
    assert model.record.seeds["fit"] == fits[1].seed


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"cbs": type("Typo", (), {"on_epoch_edn": lambda self: None})}, HookError, "did you mean"),
        ({"metrics": "roc_auc_score"}, ConfigError, "give val_idx"),
        ({"seed": -1}, ConfigError, "seed must be"),
        ({"bs": 0}, ConfigError, "bs must be a positive integer"),
    ],
)
def test_what_would_fail_later_is_refused_and_nothing_noted(model, fy, options, error, words):
    with pytest.raises(error, match=words):
        prepare_fit(model, **{"n_epochs": 1, "fy": fy, "bs": 8, **options})
    assert model.record.trn_idxs is None
    assert "fit" not in model.record.seeds


def test_numbers_of_numpy_are_numbers(model, fy):
    fit = prepare_fit(model, np.int64(1), fy, np.int64(8), val_idx=np.int64(2), trn_idxs=np.array([0]))
    assert {type(n) for n in (fit.params.n_epochs, fit.params.bs, fit.params.val_idx, *fit.params.trn_idxs)} == {int}
