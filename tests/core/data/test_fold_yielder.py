"""FoldYielder: what it reads, what it writes, and what it refuses."""

from __future__ import annotations

import pickle
import subprocess
import sys
import tracemalloc

import h5py
import numpy as np
import pytest
from written import make_file, matrix_file

from lumin_core.data.augmentation import Augmentation
from lumin_core.data.batch_yielder import BatchYielder
from lumin_core.data.fold_file import FoldFileWriter
from lumin_core.data.fold_yielder import FoldYielder
from lumin_core.data.matrix import object_mask
from lumin_core.errors import ConfigError

# Reading


def test_folds_have_the_documented_shapes_and_types(path):
    fy = FoldYielder(path)
    fold = fy.get_fold(1)
    assert {name: (values.shape, values.dtype) for name, values in fold.items()} == {
        "inputs": ((10, 3), np.float32), "targets": ((10, 1), np.float32), "weights": ((10, 1), np.float32)
    }  # fmt: skip
    assert fold["inputs"][1, 0] == 0  # NaN in the file
    assert fold["inputs"][2].tolist() == [102, 1, 2]
    assert len(fy) == fy.n_folds == 3
    assert fy.fld_szs == {0: 10, 1: 10, 2: 10}
    assert [f["weights"][0, 0] for f in fy] == [1, 2, 3]
    assert fy.columns() == ["event", "inputs", "targets", "weights"]
    assert (fy.cont_feats, fy.cat_feats, fy.targ_feats, fy.wgt_feat) == (["pt", "eta"], ["n_jets"], ["y"], "weight")
    assert fy.get_data_count() == 30
    assert fy.get_data_count(1) == 10
    assert fy.get_data_count([0, 2]) == 20


def test_fault_more_than_ten_folds_are_ordered_by_number(tmp_path):
    fy = FoldYielder(make_file(tmp_path / "a.hdf5", n_folds=12))
    assert fy.get_column("event").tolist() == list(range(120))
    assert [fold["inputs"][0, 0] for fold in fy] == [100 * i for i in range(12)]
    assert fy.get_df(n_folds=11).shape[0] == 110


def test_ignored_features_are_left_out_but_known(path):
    fy = FoldYielder(path, ignore_feats="pt")
    assert fy[0]["inputs"].shape == (10, 2)
    assert fy.get_use_cont_feats() == fy.cont_feats == ["eta"]
    assert fy.input_feats == ["pt", "eta", "n_jets"]
    fy.add_ignore(["n_jets"])
    assert fy.get_ignore() == ["pt", "n_jets"]
    assert fy.get_use_cat_feats() == []
    np.testing.assert_array_equal(fy[0]["inputs"][:, 0], np.arange(10) / 2)
    assert fy.get_data(fold_idx=0)["inputs"].shape == (10, 3)
    with pytest.raises(ConfigError, match="did you mean 'eta'"):
        fy.add_ignore("etaa")


def test_columns_are_read_by_fold_number_of_folds_and_as_a_column(path):
    fy = FoldYielder(path)
    assert fy.get_column("event", n_folds=2).tolist() == list(range(20))
    assert fy.get_column("event", fold_idx=2).tolist() == list(range(20, 30))
    assert fy.get_column("event", fold_idx=2, add_newaxis=True).shape == (10, 1)
    assert fy.get_column("no_such") is None
    with pytest.raises(ConfigError, match="not both"):
        fy.get_column("event", n_folds=1, fold_idx=1)


@pytest.mark.parametrize("idx", [3, -1, 1.0, True, "0"])
def test_a_fold_that_does_not_exist_is_refused(path, idx):
    with pytest.raises(ConfigError, match="folds are 0 to 2"):
        FoldYielder(path).get_fold(idx)


# Matrices


def test_matrices_are_yielded_beside_flat_inputs(tmp_path):
    path = matrix_file(tmp_path / "a.hdf5")
    flat, matrix = FoldYielder(path)[0]["inputs"]
    np.testing.assert_array_equal(matrix, [[[1, 2], [3, 0]], [[1, 0], [0, 0]], [[0, 2], [np.nan, np.nan]]])
    assert object_mask(matrix).tolist() == [[True, True], [True, True], [True, False]]
    assert FoldYielder(path, yield_matrix=False)[0]["inputs"].shape == flat.shape == (3, 1)
    df = FoldYielder(path).get_df(inc_inputs=True, inc_matrix=True)
    assert df.columns.tolist() == ["pt", "a_x", "a_y", "b_x", "gen_target_0"]


def test_pickled_yielders_keep_path_and_options(path):
    fy = FoldYielder(path, ignore_feats=["pt"], seed=5)
    again = pickle.loads(pickle.dumps(fy))
    assert (again.foldfile, again.get_ignore(), again.seed) == (fy.foldfile, ["pt"], 5)
    np.testing.assert_array_equal(again[0]["inputs"], fy[0]["inputs"])


def test_a_yielder_closes_and_opens_again(path):
    with FoldYielder(path) as fy:
        fy.close()
        assert fy[0]["inputs"].shape == (10, 3)
    fy.close()


# Trainings


@pytest.mark.parametrize("zero_padded", [True, False])
@pytest.mark.parametrize("epoch", [None, 3])
def test_batches_of_training_folds_are_those_of_folds_filled_when_read(tmp_path, zero_padded, epoch):
    """Bitwise: of flat inputs, of single missing values of objects, of absent objects."""
    with h5py.File(matrix_file(tmp_path / "a.hdf5", zero_padded), "r+") as file:
        file["fold_0/inputs"][1, 0] = np.nan
    fy = FoldYielder(tmp_path / "a.hdf5")
    for idx, fold in fy.training_folds([0], epoch):
        assert np.isnan(fold["inputs"][0][1, 0])
        by = fy.batches(fold, 3, "regression", shuffle=False)
        expected = fy.get_fold(idx)["inputs"]
        for ours, filled in zip((by.inputs, by.matrix_inputs), expected, strict=True):
            np.testing.assert_array_equal(ours, filled)
        (flat, matrix), _, _ = next(iter(by))
        np.testing.assert_array_equal(flat, expected[0])
        np.testing.assert_array_equal(matrix, expected[1])


def test_a_head_may_keep_what_is_missing(tmp_path):
    fy = FoldYielder(matrix_file(tmp_path / "a.hdf5"))
    _, fold = next(fy.training_folds([0]))
    (_, matrix), _, _ = next(iter(fy.batches(fold, 3, "regression", shuffle=False, missing="keep")))
    np.testing.assert_array_equal(matrix[2], [[np.nan, 2], [np.nan, np.nan]])  # one with a gap, one absent
    assert matrix[0, 1, 1] == 0  # an element that never exists


def test_training_folds_are_augmented_as_their_epoch_says(path):
    class Noise(Augmentation):
        def train(self, fold, rng):
            fold.flat[:] += rng.normal(size=fold.flat.shape)
            return fold

    fy = FoldYielder(path, augmentations=Noise(), seed=1)
    for epoch, seed in ((1, None), (2, None), (1, 5)):
        for idx, fold in fy.training_folds([2, 0], epoch, seed):
            by = fy.batches(fold, 5, "classification")
            np.testing.assert_array_equal(by.inputs, fy.get_train_fold(idx, epoch, seed)["inputs"])
    validation = [fold["inputs"] for _, fold in fy.training_folds([1])]
    np.testing.assert_array_equal(np.nan_to_num(validation[0]), fy.get_fold(1)["inputs"])


# Memory


def test_iterating_holds_at_most_two_folds_and_a_permuted_copy(tmp_path):
    """Torch's tensors are not traced: the permuted copy is taken into account as what the tensors share or own."""
    n, n_feats = 20_000, 30
    with FoldFileWriter(tmp_path / "a.hdf5", cont_feats=[f"x{i}" for i in range(n_feats)], targ_feats="y") as file:
        for i in range(6):
            file.append(i, inputs=np.full((n, n_feats), i), targets=np.zeros(n))
    fold_bytes = n * (n_feats + 1) * 4
    fy = FoldYielder(tmp_path / "a.hdf5")
    list(BatchYielder(**fy[0], bs=256, objective="classification"))
    tracemalloc.start()
    for i in range(6):
        for _ in BatchYielder(**fy[i], bs=256, objective="classification"):
            pass
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2.1 * fold_bytes


MEMORY = """
import resource, sys
from lumin_core import BatchYielder, FoldYielder
small, large = sys.argv[1:]
def iterate(path):
    fy = FoldYielder(path, ignore_feats=["x0"])
    for i in range(len(fy)):
        for x, y, w in BatchYielder(**fy[i], bs=256, objective="classification"):
            pass
iterate(small)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
iterate(large)
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the peak of the resident memory is read as on Linux")
def test_the_whole_process_holds_at_most_two_folds_and_a_permuted_copy(tmp_path):
    """Here torch's memory counts too. Folds are large enough to be given back to the system when they are freed."""
    n_feats, sizes = 30, {"small": 1000, "large": 300_000}
    for name, n in sizes.items():
        with FoldFileWriter(tmp_path / name, cont_feats=[f"x{i}" for i in range(n_feats)], targ_feats="y") as file:
            for i in range(5):
                file.append(i, inputs=np.full((n, n_feats), i, dtype="float32"), targets=np.zeros(n))
    paths = [tmp_path / f"{name}.hdf5" for name in sizes]
    done = subprocess.run([sys.executable, "-c", MEMORY, *paths], capture_output=True, text=True, check=True)
    assert float(done.stdout) < 3.2 * sizes["large"] * (n_feats + 1) * 4
