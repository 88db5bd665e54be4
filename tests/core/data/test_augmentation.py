"""Augmentations compose; their variants multiply; their random numbers come from seed, epoch and fold."""

from __future__ import annotations

import numpy as np
import pytest

from lumin_core import registry
from lumin_core.data.augmentation import Augmentation, Fold, split_variant
from lumin_core.data.fold_file import FoldFileWriter
from lumin_core.data.fold_yielder import FoldYielder
from lumin_core.data.transforms import Transform
from lumin_core.errors import ConfigError, ShapeError, UnknownComponent


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


class Notes(Augmentation):
    """Keeps what it was given."""

    n_test = 2

    def train(self, fold, rng):
        return self.test(fold, 0)

    def test(self, fold, idx):
        self.flat, self.matrix = fold.flat.copy(), None if fold.matrix is None else fold.matrix.copy()
        self.pipes = fold.pipes
        return fold


@pytest.fixture
def with_gaps(tmp_path):
    """Write flat inputs and three objects of two features, of which some are missing."""
    nan = np.nan
    rows = np.array([[[1, nan], [3, 4], [5, 6]], [[nan, nan], [3, 4], [0, 0]]])

    def make(row_wise=True, **entry):
        feats = {
            "present_feats": ["a_x", "a_y", "b_x", "b_y", "c_x", "c_y"], "vecs": ["a", "b", "c"], "missing": [0] * 6,
            "feats_per_vec": ["x", "y"], "row_wise": row_wise, "shape": [3, 2] if row_wise else [2, 3], **entry,
        }  # fmt: skip
        matrix = rows if row_wise else rows.transpose(0, 2, 1)
        with FoldFileWriter(
            tmp_path / "m.hdf5", cont_feats=["px", "py"], targ_feats="y", matrix_feats=feats, overwrite=True
        ) as file:
            file.append(0, inputs=np.array([[1.0, nan], [0.0, 2.0]]), targets=np.zeros(2), matrix_inputs=matrix)
        return tmp_path / "m.hdf5"

    return make


@pytest.mark.parametrize("row_wise", [True, False])
def test_augmentations_see_what_is_missing_as_nan(with_gaps, row_wise):
    notes = Notes()
    fy = FoldYielder(with_gaps(row_wise), augmentations=notes)
    for fold in (fy.get_train_fold(0, 0), fy.get_test_fold(0, 1)):
        np.testing.assert_array_equal(notes.flat, [[1, np.nan], [0, 2]])
        rows = notes.matrix if row_wise else notes.matrix.transpose(0, 2, 1)
        np.testing.assert_array_equal(rows[0, 0], [1, np.nan])
        np.testing.assert_array_equal(rows[1, 0], [np.nan, np.nan])
        for ours, stored in zip(fold["inputs"], fy[0]["inputs"], strict=True):
            np.testing.assert_array_equal(ours, stored)
    np.testing.assert_array_equal(fy[0]["inputs"][0], [[1, 0], [0, 2]])


@pytest.mark.parametrize("row_wise", [True, False])
def test_objects_absent_by_zero_padding_are_nan_before_and_after(with_gaps, row_wise):
    notes = Notes()
    fy = FoldYielder(with_gaps(row_wise, zero_padded=True), augmentations=notes)
    yielded = fy.get_train_fold(0, 0)["inputs"][1]
    for matrix in (notes.matrix, yielded):
        rows = matrix if row_wise else matrix.transpose(0, 2, 1)
        assert np.isnan(rows[1, 2]).all()
        np.testing.assert_array_equal(rows[0, 1], [3, 4])
    np.testing.assert_array_equal(yielded, fy[0]["inputs"][1])


def test_missing_values_become_0_whatever_the_memory_layout(path):
    class Sideways(Augmentation):
        def train(self, fold, rng):
            return {**fold, "inputs": np.asfortranarray(np.where(fold.flat == 0, np.nan, 1).astype("float32"))}

    fold = FoldYielder(path, augmentations=Sideways).get_train_fold(0, 0)
    np.testing.assert_array_equal(fold["inputs"], np.zeros((4, 2)))
    assert fold["inputs"].flags.c_contiguous


def test_augmentations_reach_the_recorded_preprocessing_and_it_is_built_on_use_alone(tmp_path):
    with registry.temporary():
        registry.register("transform", "times", Times)
        with FoldFileWriter(
            tmp_path / "p.hdf5", cont_feats=["px"], targ_feats="y", preprocessing={"targets": [Times(3.0)]}
        ) as file:
            file.append(0, inputs=np.ones((1, 1)), targets=np.ones(1))
        notes = Notes()
        fy = FoldYielder(tmp_path / "p.hdf5", augmentations=notes, input_pipe=Times(2.0))
        fy.get_train_fold(0, 0)
        assert [step.factor for step in notes.pipes("inputs")] == [2.0]
        assert [step.factor for step in notes.pipes("targets")] == [3.0]
        assert notes.pipes("matrix") == []
    fy.get_train_fold(0, 0)  # nobody knows the step any more, and nobody asks
    with pytest.raises(UnknownComponent, match="times"):
        notes.pipes("targets")


def test_a_fold_by_itself_has_no_preprocessing():
    fold = Fold({"inputs": np.zeros((1, 2))}, input_feats=["a", "b"])
    assert fold.pipes("inputs") == []
    assert fold.n_cont == 2


class Raises(Augmentation):
    def train(self, fold, rng):
        raise KeyError("px")

    def test(self, fold, idx):
        raise KeyError("px")


class Cuts(Plain):
    def test(self, fold, idx):
        return {"inputs": fold["inputs"][1:], "targets": fold["targets"][1:], "weights": None}


def test_fault_an_augmentation_that_raises_is_named(path):
    fy = FoldYielder(path, augmentations=Raises())
    for ask in (lambda: fy.get_train_fold(0, 0), lambda: fy.get_test_fold(0, 0)):
        with pytest.raises(KeyError, match="px") as raised:
            ask()
        assert raised.value.__notes__ == ["Raised by the augmentation Raises"]


def test_fault_a_variant_that_has_other_events_is_named(path):
    with pytest.raises(ShapeError, match=r"Cuts\.test must return the same 4 events in their order, got 3"):
        FoldYielder(path, augmentations=Cuts()).get_test_fold(0, 0)


class Times(Transform):
    def __init__(self, factor):
        self.factor = factor

    def transform(self, x):
        return x * self.factor

    def inverse_transform(self, x):
        return x / self.factor

    def to_config(self):
        return {"factor": self.factor}
