"""Same seed, same weights, bit for bit; nobody else's generator is touched."""

import random

import numpy as np
import pytest
import torch

from lumin_core import FoldYielder, Model, seeds, train_models
from lumin_core.data.augmentation import Augmentation
from lumin_core.errors import ConfigError


class Jitter(Augmentation):
    def train(self, fold, rng):
        fold.flat[:, :3] += rng.normal(size=(len(fold.flat), 3))
        return fold


BODY = {"name": "fully_connected", "depth": 2, "width": 6, "do": 0.4}


@pytest.fixture
def fit(make_builder, shared_path):
    def run(init=1, seed=1, n_epochs=2, **options):
        fy = FoldYielder(shared_path, augmentations=Jitter(), seed=5)
        model = Model(make_builder(fy, body=BODY, seed=init, cont_subsample_rate=0.7))
        model.fit(n_epochs, fy, 8, val_idx=1, seed=seed, **options)
        return model

    return run


def test_same_seed_same_weights_with_dropout_subsampling_augmentation(fit, same_weights):
    first, second = fit(), fit()
    assert same_weights(first, second)
    assert first.fit_params.history == second.fit_params.history


def test_other_seeds_other_weights(fit, same_weights):
    reference = fit()
    assert not same_weights(reference, fit(seed=2))
    assert not same_weights(reference, fit(init=4))


def test_no_seed_is_fresh_and_recorded(fit, same_weights):
    first, second = fit(init=None, seed=None), fit(init=None, seed=None)
    assert first.record.seeds["initialisation"] != second.record.seeds["initialisation"]
    assert first.record.seeds["fit"] != second.record.seeds["fit"]
    repeated = fit(init=first.record.seeds["initialisation"], seed=first.record.seeds["fit"])
    assert same_weights(first, repeated)


def test_a_fresh_model_each_time_without_a_seed(make_builder, fy, same_weights):
    builder = make_builder(fy, seed=None)
    assert not same_weights(Model(builder), Model(builder))
    builder = make_builder(fy, seed=8)
    assert same_weights(Model(builder), Model(builder))


@pytest.mark.parametrize("bulk_move", [True, False])
def test_bulk_move_changes_nothing(fit, same_weights, bulk_move):
    assert same_weights(fit(), fit(bulk_move=bulk_move))


def test_what_was_drawn_before_changes_nothing(fit, same_weights):
    first = fit()
    torch.rand(5), np.random.random(5), random.random()
    assert same_weights(first, fit())


def test_callbacks_may_draw_from_seeded_generators(fit, same_weights):
    class Noise:
        def on_train_begin(self, fit_params):
            self.add(fit_params)

        def on_batch_begin(self, fit_params):
            self.add(fit_params)

        def add(self, fit_params):
            with torch.no_grad():
                for parameter in fit_params.model.model.parameters():
                    parameter += 0.01 * torch.randn_like(parameter) + float(fit_params.rng.normal()) / 100

    assert same_weights(fit(cbs=Noise()), fit(cbs=Noise()))
    assert not same_weights(fit(cbs=Noise()), fit())


def generators():
    return torch.get_rng_state(), np.random.get_state()[1].copy(), random.getstate()


def unchanged(before):
    now = generators()
    return torch.equal(before[0], now[0]) and np.array_equal(before[1], now[1]) and before[2] == now[2]


def test_fault_global_generators_are_untouched(fit, fy, make_builder, tmp_path):
    before = generators()
    model = fit()
    assert unchanged(before)
    model.predict(fy.get_fold(0)["inputs"])
    model.save(tmp_path / "a")
    Model.from_save(tmp_path / "a")
    assert unchanged(before)
    train_models(fy, 2, 8, make_builder(fy, body=BODY), 1, savepath=tmp_path / "run", seed=1)
    assert unchanged(before)


def test_global_generators_are_restored_after_a_failed_fit(fit):
    class Bad:
        def on_fold_end(self):
            raise ZeroDivisionError

    before = generators()
    with pytest.raises(ZeroDivisionError):
        fit(cbs=Bad())
    assert unchanged(before)


def test_an_epoch_depends_on_its_number_and_not_on_those_before(fit):
    orders = {}

    class Order:
        def __init__(self, key):
            self.key = key

        def on_batch_begin(self, fit_params):
            if fit_params.epoch == 2 and fit_params.state == "train":
                orders.setdefault(self.key, []).append((fit_params.trn_idx, fit_params.y.tolist()))

    class Drawing:
        def on_batch_end(self, fit_params):
            if fit_params.epoch == 1:
                torch.rand(3), fit_params.rng.random()

    fit(cbs=Order("plain"))
    fit(cbs=[Drawing(), Order("drawn")])
    assert orders["plain"] == orders["drawn"]


@pytest.mark.parametrize("seed", [-1, 1.0, True, "1"])
def test_what_is_no_seed_is_refused(fit, seed):
    with pytest.raises(ConfigError, match="seed must be None or an integer of at least 0"):
        fit(seed=seed)


@pytest.mark.parametrize("seed", [np.int64(7), np.uint32(7), 2**60])
def test_numpy_integers_and_large_ones_are_seeds(fit, same_weights, seed):
    assert same_weights(fit(seed=seed), fit(seed=int(seed)))


def test_streams_differ_by_purpose_and_key():
    values = {seeds.seed_of(1, purpose, *key) for purpose in ("a", "b") for key in ((), (0,), (1,), (0, 1), (1, 0))}
    assert len(values) == 10
    assert all(0 <= value < 2**53 for value in values)
