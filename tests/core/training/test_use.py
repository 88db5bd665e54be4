"""Threads and networks: any number may ask one; while a thread fits it, others are refused."""

import copy
import pickle
import re
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch

from lumin_core import Callback, Ensemble, FoldYielder, Model, ModelBuilder, PredHandler
from lumin_core.errors import ConfigError, FoldFileError, TrainingFailed
from lumin_core.training.use import Use, only_fit

BODY = {"name": "fully_connected", "depth": 2, "width": 8, "do": 0.5, "bn": True}


@pytest.fixture
def model(make_builder, fy):
    return Model(make_builder(fy, body=BODY))


def in_thread(call, *args, **options):
    """Return what another thread's call gives, or raise what it raises."""
    with ThreadPoolExecutor(1) as threads:
        return threads.submit(call, *args, **options).result()


def together(n, call):
    """Call from several threads, which begin at the same time."""
    barrier = threading.Barrier(n)

    def begin(i):
        barrier.wait()
        return call(i)

    with ThreadPoolExecutor(n) as threads:
        return list(threads.map(begin, range(n)))


class Meeting(Callback):
    """Holds every thread in the middle of its prediction until all are there."""

    def __init__(self, n):
        self.barrier = threading.Barrier(n)

    def on_batch_begin(self):
        self.barrier.wait()


@pytest.mark.parametrize("by_hand", [False, True], ids=["as it is", "in training mode by hand"])
def test_predictions_of_threads_are_those_of_one(model, by_hand):
    x = np.random.default_rng(1).normal(size=(40, 4)).astype("float32") * [1, 1, 1, 0]
    expected, state = model.predict(x), {key: value.clone() for key, value in model.state_dict().items()}
    model.set_mode(training=by_hand)
    meeting = Meeting(3)
    for answer in together(3, lambda i: model.predict(x[: 40 - 8 * i], cbs=meeting)):
        assert np.array_equal(answer, expected[: len(answer)])
    assert all(torch.equal(value, state[key]) for key, value in model.state_dict().items())
    assert {module.training for module in model.model.modules()} == {by_hand}


def test_evaluations_and_ensembles_of_threads_are_those_of_one(model, make_builder, fy):
    other = Model(make_builder(fy, body=BODY, seed=2))
    ensemble, fold = Ensemble([model, other]), fy.get_fold(0)
    loss, mean = model.evaluate(fold["inputs"], fold["targets"]), ensemble.predict(fold["inputs"])
    found = together(
        4, lambda i: model.evaluate(fold["inputs"], fold["targets"]) if i % 2 else ensemble.predict(fold["inputs"])
    )
    assert found[1::2] == [loss] * 2
    assert all(np.array_equal(answer, mean) for answer in found[::2])


def test_the_first_who_is_done_does_not_switch_under_the_others():
    use, net = Use(), torch.nn.Dropout()
    first, second = use.asking([net]), use.asking([net])
    first.__enter__()
    in_thread(second.__enter__)
    first.__exit__(None, None, None)
    assert not net.training
    in_thread(second.__exit__, None, None, None)
    assert net.training


class Elsewhere(Callback):
    """Calls in another thread while the model is fitted, and notes what that raises."""

    def __init__(self, call):
        self.call, self.raised, self.here = call, None, None

    def on_fold_begin(self, fit_params):
        if fit_params.state == "train" and self.raised is None:
            with pytest.raises((ConfigError, TrainingFailed)) as raised:
                in_thread(self.call)
            self.raised = str(raised.value)
            self.here = self.model.predict(np.zeros((3, 4))).shape


BEING_TRAINED = "the model is being trained in another thread, .*wait until the fit is done, or ask a copy"


@pytest.mark.parametrize("what", ["predict", "file", "evaluate", "ensemble", "fit"])
def test_during_a_fit_other_threads_are_refused_and_its_own_is_not(model, fy, tmp_path, what, same_weights):
    x, columns = np.zeros((3, 4)), fy.columns()
    calls = {
        "predict": lambda: model.predict(x),
        "file": lambda: model.predict(fy),
        "evaluate": lambda: model.evaluate(x, np.zeros(3)),
        "ensemble": lambda: Ensemble([model]).predict(x),
        "fit": lambda: model.fit(1, fy, 8, trn_idxs=[2], cb_savepath=tmp_path, visible_bar=False),
    }
    undisturbed = copy.deepcopy(model)
    elsewhere = Elsewhere(calls[what])
    model.fit(1, fy, 8, trn_idxs=[0], cbs=elsewhere, cb_savepath=tmp_path, visible_bar=False, seed=1)
    undisturbed.fit(1, fy, 8, trn_idxs=[0], cb_savepath=tmp_path, visible_bar=False, seed=1)
    assert re.match(BEING_TRAINED, elsewhere.raised)
    assert elsewhere.here == (3, 1)
    assert same_weights(model, undisturbed)
    assert model.record.trn_idxs == [0]
    assert fy.columns() == columns
    assert in_thread(model.predict, x).shape == (3, 1)


@pytest.mark.parametrize("what", ["set_weights", "load", "load_state_dict", "load_training_state"])
def test_fault_weights_are_not_set_in_another_thread_during_a_fit(model, fy, tmp_path, what, same_weights):
    path = model.save(tmp_path / "model")
    zeros = {key: torch.zeros_like(value) for key, value in model.get_weights().items()}
    calls = {
        "set_weights": lambda: model.set_weights(zeros),
        "load": lambda: model.load(path),
        "load_state_dict": lambda: model.load_state_dict(zeros),
        "load_training_state": lambda: model.load_training_state({**model.training_state(), "weights": zeros}),
    }
    undisturbed, elsewhere = copy.deepcopy(model), Elsewhere(calls[what])
    model.fit(1, fy, 8, trn_idxs=[0], cbs=elsewhere, cb_savepath=tmp_path, visible_bar=False, seed=1)
    undisturbed.fit(1, fy, 8, trn_idxs=[0], cb_savepath=tmp_path, visible_bar=False, seed=1)
    assert re.match(BEING_TRAINED, elsewhere.raised)
    assert same_weights(model, undisturbed)
    in_thread(calls["set_weights"])
    assert same_weights(model, zeros)


def test_another_models_fit_in_a_thread_is_refused_for_the_random_numbers(model, make_builder, fy, tmp_path):
    other = Model(make_builder(fy, body=BODY))
    elsewhere = Elsewhere(lambda: other.fit(1, fy, 8, cb_savepath=tmp_path, visible_bar=False))
    model.fit(1, fy, 8, cbs=elsewhere, cb_savepath=tmp_path, visible_bar=False)
    assert "would share torch's random numbers" in elsewhere.raised
    assert "executor='processes'" in elsewhere.raised
    with only_fit(), only_fit():  # a fit within a fit
        other.fit(1, fy, 8, trn_idxs=[0], cb_savepath=tmp_path, visible_bar=False)
    assert not other.model.training


def test_a_fit_is_refused_while_another_thread_asks(model, make_fy, tmp_path):
    fy = make_fy(tmp_path / "own.hdf5")

    class Fitting(Callback):
        def on_batch_begin(self):
            with pytest.raises(ConfigError, match="is being asked in another thread, whose predictions a fit would"):
                in_thread(model.fit, 1, fy, 8, trn_idxs=[1], cb_savepath=tmp_path, visible_bar=False)

    model.predict(fy, cbs=Fitting())
    assert model.record.trn_idxs is None
    assert "pred" in fy.columns()


def test_a_fit_does_not_come_between_two_folds_of_a_prediction(model, make_fy, tmp_path):
    fy = make_fy(tmp_path / "own.hdf5")

    class Slow(FoldYielder):
        def get_test_fold(self, idx, aug_idx, **options):
            with pytest.raises(ConfigError, match="is being asked in another thread"):
                in_thread(model.fit, 1, fy, 8, trn_idxs=[1], cb_savepath=tmp_path, visible_bar=False)
            return super().get_test_fold(idx, aug_idx, **options)

    model.predict(Slow(fy.foldfile))


def test_a_handler_collects_one_prediction_at_a_time(model):
    class Again(PredHandler):
        def on_forwards_end(self, fit_params):
            with pytest.raises(ConfigError, match="collects another prediction just now, and would mix the two"):
                in_thread(model.predict, np.zeros((3, 4)), pred_cb=self)
            super().on_forwards_end(fit_params)

    handler = Again()
    for _ in range(2):
        assert model.predict(np.zeros((5, 4)), pred_cb=handler).shape == (5, 1)


def test_models_that_threads_build_are_what_their_seeds_make(same_weights):
    body = {"name": "fully_connected", "depth": 4, "width": 64}

    def make(seed):
        return Model(ModelBuilder("classification", 1, ["a", "b"], body=body, seed=seed))

    before = torch.get_rng_state()
    built = together(4, make)
    assert torch.equal(torch.get_rng_state(), before)
    assert all(same_weights(model, make(seed)) for seed, model in enumerate(built))


def test_threads_that_save_into_one_file_lose_nothing(make_fy, tmp_path):
    """The second is refused, whether by the same yielder or another; each thread has its own columns."""
    fy = make_fy(tmp_path / "own.hdf5")
    values = np.arange(16.0)
    with fy.writing():
        fy.save_fold_pred(values, 0, "mine")
        for yielder in (fy, FoldYielder(fy.foldfile)):
            with pytest.raises(FoldFileError, match="is being written by another"):
                in_thread(yielder.save_fold_pred, values, 0, "theirs")
        fy.save_fold_pred(values, 1, "mine")
    in_thread(fy.save_fold_pred, values, 0, "theirs")
    assert np.array_equal(fy.get_column("mine", n_folds=2), np.tile(values, 2))
    assert np.array_equal(fy.get_column("theirs", fold_idx=0), values)


def test_a_copy_has_no_users(model):
    with model.use.fitting():
        for other in (copy.deepcopy(model), pickle.loads(pickle.dumps(model.use))):
            use = other.use if isinstance(other, Model) else other
            in_thread(use.fitting().__enter__)
