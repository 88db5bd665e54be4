"""Augmentations compose; their variants multiply; their random numbers come from seed, epoch and fold."""

from __future__ import annotations

import numpy as np
import pytest

from lumin_core.data.augmentation import Augmentation, split_variant
from lumin_core.data.fold_file import FoldFileWriter
from lumin_core.data.fold_yielder import FoldYielder
from lumin_core.errors import ConfigError


class Shift(Augmentation):
    """Shifts one column: at random in training, by 0, 1, ... in prediction."""

    def __init__(self, column, n_test=1):
        self.column, self.n_test = column, n_test

    def train(self, fold, rng):
        fold.column(self.column)[:] += rng.normal()
        return fold

    def test(self, fold, idx):
        fold.column(self.column)[:] += idx
        return fold


class Plain(Augmentation):
    """Works on the keys alone, and gives a plain dict."""

    def train(self, fold, rng):
        return {"inputs": fold["inputs"] * 2, "targets": fold["targets"], "weights": fold["weights"]}


class Loses(Augmentation):
    def train(self, fold, rng):
        return None


@pytest.fixture
def path(tmp_path):
    with FoldFileWriter(tmp_path / "a.hdf5", cont_feats=["px", "py"], targ_feats="gen_px") as file:
        for i in range(2):
            file.append(i, inputs=np.zeros((4, 2)), targets=np.zeros(4))
    return tmp_path / "a.hdf5"


def first(fold):
    return float(fold["inputs"][0, 0])


def test_without_augmentation_there_is_one_variant_as_stored(path):
    fy = FoldYielder(path)
    assert fy.aug_mult == 1
    for fold in (fy.get_train_fold(0, 3), fy.get_test_fold(0, 0)):
        np.testing.assert_array_equal(fold["inputs"], fy[0]["inputs"])


def test_random_numbers_depend_on_seed_epoch_and_fold_alone(path):
    fy = FoldYielder(path, augmentations=Shift("px"), seed=1)
    assert first(fy.get_train_fold(0, 2)) == first(fy.get_train_fold(0, 2))
    assert first(fy.get_train_fold(0, 2)) == first(
        FoldYielder(path, augmentations=[Shift("px")], seed=1).get_train_fold(0, 2)
    )
    values = {first(fy.get_train_fold(i, epoch)) for i in range(2) for epoch in range(3)}
    values.add(first(FoldYielder(path, augmentations=[Shift("px")], seed=2).get_train_fold(0, 0)))
    assert len(values) == 7


def test_augmentations_in_a_chain_draw_different_numbers(path):
    fold = FoldYielder(path, augmentations=[Shift("px"), Shift("py")], seed=1).get_train_fold(0, 0)
    assert fold["inputs"][0, 0] != fold["inputs"][0, 1]


def test_variants_multiply_and_validation_folds_are_as_stored(path):
    fy = FoldYielder(path, augmentations=[Shift("px", 2), Plain, Shift("py", 3)])
    assert fy.aug_mult == 6
    assert [fy.get_test_fold(0, i)["inputs"][0].tolist() for i in range(6)] == [
        [i, j] for i in range(2) for j in range(3)
    ]
    assert first(fy.get_fold(0)) == 0
    for idx in (6, -1):
        with pytest.raises(ConfigError, match="aug_idx must be 0 to 5"):
            fy.get_test_fold(0, idx)


def test_fault_ignored_features_are_augmented_before_they_are_left_out(path):
    fy = FoldYielder(path, augmentations=[Shift("px", 2)], ignore_feats=["px"])
    assert fy.get_test_fold(0, 1)["inputs"].shape == (4, 1)


def test_targets_are_augmented_too(path):
    assert FoldYielder(path, augmentations=[Shift("gen_px", 2)]).get_test_fold(0, 1)["targets"].tolist() == [[1.0]] * 4


def test_plain_dicts_may_be_returned(path):
    fold = FoldYielder(path, augmentations=[Plain(), Shift("px")]).get_train_fold(0, 0)
    assert set(fold) == {"inputs", "targets", "weights"}


def test_what_is_no_fold_or_no_column_is_refused(path):
    with pytest.raises(ConfigError, match="Loses must return the fold"):
        FoldYielder(path, augmentations=[Loses]).get_train_fold(0, 0)
    with pytest.raises(ConfigError, match="did you mean 'px'"):
        FoldYielder(path, augmentations=[Shift("pxx")]).get_train_fold(0, 0)
    with pytest.raises(ConfigError, match="n_test"):
        FoldYielder(path, augmentations=[Shift("px", 0)])


def test_the_last_augmentation_varies_fastest():
    parts = [Shift("px", 2), Shift("py", 3)]
    assert [split_variant(parts, i) for i in range(6)] == [[0, 0], [0, 1], [0, 2], [1, 0], [1, 1], [1, 2]]
