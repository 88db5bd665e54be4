"""FoldReader: files of ours and of others, checked once, read by threads and processes."""

from __future__ import annotations

import multiprocessing
import operator
import pickle
import shutil
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor

import h5py
import numpy as np
import pytest
from written import make_file, make_foreign, matrix_file

from lumin_core.data.fold_reader import FoldReader
from lumin_core.data.fold_yielder import FoldYielder
from lumin_core.errors import ConfigError, DataError, DataReplaced, FoldFileError


def test_files_without_meta_data_take_features_from_the_call(tmp_path):
    path = make_foreign(tmp_path / "a.hdf5", meta=False)
    fy = FoldYielder(path, cont_feats=["pt"], cat_feats=["n_jets"], ignore_feats=["pt"])
    assert fy[0]["inputs"].shape == (6, 1)
    assert fy.get_df(inc_inputs=True, suppress_warn=True).columns.tolist() == ["n_jets", "gen_target", "gen_weight"]
    with pytest.raises(FoldFileError, match="no meta data: pass cont_feats="):
        FoldYielder(path)
    with pytest.raises(FoldFileError, match=r"\(n, 1\)"):
        FoldYielder(path, cont_feats=["pt"])


def test_features_that_contradict_the_file_are_refused(path):
    assert FoldYielder(path, cont_feats=["pt", "eta"]).cont_feats == ["pt", "eta"]
    with pytest.raises(ConfigError, match="leave cont_feats out"):
        FoldYielder(path, cont_feats=["eta", "pt"])
    with pytest.raises(ConfigError, match=r"are \['pt', 'eta'\], got \['pt'\]"):
        FoldYielder(path, cont_feats="pt")


@pytest.mark.parametrize(("column", "name"), [("inputs", "eta"), ("targets", "y"), ("weights", "w")])
def test_bad_values_in_foreign_files_are_refused_on_the_first_load(tmp_path, column, name):
    values = {"inputs": np.ones((6, 2), dtype="float32"), "targets": np.ones(6), "weights": np.ones(6)}[column]
    values[(3, 1) if column == "inputs" else 3] = np.inf if column == "inputs" else np.nan
    fy = FoldYielder(make_foreign(tmp_path / "a.hdf5", **{column: values}))
    for _ in range(2):  # not only the first time
        with pytest.raises(DataError, match=rf"fold 0 of a.hdf5.*'{name}'"):
            fy.get_fold(0)


CHANGES = {
    "inputs": ((3, 1), np.inf, "'eta' has once an infinite value"),
    "targets": (3, np.nan, "'y' has once NaN or infinity"),
    "weights": (3, np.inf, "'weight' has once NaN or infinity"),
    "matrix_inputs": ((2, 0, 1), -np.inf, "'a_y' has once an infinite value"),
    "n_jets": ((3, 2), 0.5, "'n_jets' must hold codes"),
}


@pytest.mark.parametrize("load", ["get_fold", "get_data", "get_df", "get_column"])
@pytest.mark.parametrize("column", CHANGES)
def test_what_another_tool_put_into_our_file_is_found_at_the_first_load(tmp_path, column, load):
    path = (matrix_file if column == "matrix_inputs" else make_file)(tmp_path / "a.hdf5")
    place, value, message = CHANGES[column]
    stored = "inputs" if column == "n_jets" else column
    with h5py.File(path, "r+") as file:
        file[f"fold_0/{stored}"][place] = value
    fy, options = FoldYielder(path), {"n_folds": 1}
    if load == "get_data" and column == "matrix_inputs":
        return  # which is not among what it gives
    call = {
        "get_fold": lambda: fy[0],
        "get_data": lambda: fy.get_data(**options),
        "get_df": lambda: fy.get_df(inc_inputs=True, inc_matrix=True, suppress_warn=True, **options),
        "get_column": lambda: fy.get_column(stored, **options),
    }[load]
    for _ in range(2):
        with pytest.raises(DataError, match=f"fold 0 of a.hdf5, {stored}: column {message}"):
            call()


def test_text_and_dates_in_files_of_others_are_refused(tmp_path):
    targets = np.array([b"1.5"] * 6)
    with pytest.raises(FoldFileError, match=r"a\.hdf5: fold_0/targets must be a dataset of numbers, got |S3"):
        FoldYielder(make_foreign(tmp_path / "a.hdf5", targets=targets)).get_fold(0)


def test_fault_infinities_of_foreign_files_are_clipped_by_choice(tmp_path):
    values = np.array([[np.inf, 1.0], [-np.inf, np.nan]], dtype="float32")
    fy = FoldYielder(make_foreign(tmp_path / "a.hdf5", inputs=values, targets=np.ones(2), weights=np.ones(2)), clip=9)
    assert fy[0]["inputs"].tolist() == [[9, 1], [-9, 0]]


def test_fault_read_only_files_are_read_by_several_processes(path):
    path.chmod(0o444)
    fy = FoldYielder(path)
    read = operator.methodcaller("get_column", "event")
    with ProcessPoolExecutor(2, multiprocessing.get_context("spawn")) as pool:
        for events in pool.map(read, [fy, fy]):
            np.testing.assert_array_equal(events, np.arange(30))
    with pytest.raises(FoldFileError, match="read-only"):
        fy.save_fold_pred(np.ones(10), 0)


def test_a_file_replaced_by_another_is_noticed(path):
    fy = FoldYielder(path)
    make_file(path, n_folds=2, overwrite=True)
    with pytest.raises(FoldFileError, match="replaced by a file with other data"):
        fy.get_fold(0)
    with pytest.raises(FoldFileError, match="replaced by a file with other data"):
        fy.get_fold(0)


def test_threads_share_one_reader_while_predictions_are_added(path):
    """The file is opened anew under the readers: each of their answers is whole."""
    fy, writer = FoldYielder(path), FoldYielder(path)
    expected = fy.get_fold(1)

    def read(_):
        fold = fy.get_fold(1)
        return all(np.array_equal(fold[name], expected[name]) for name in expected) and "event" in fy.columns()

    with ThreadPoolExecutor(4) as pool:
        answers = [pool.submit(read, i) for i in range(100)]
        for value in range(20):
            writer.save_fold_pred(np.full(10, value), 0)
        assert all(answer.result() for answer in answers)
    assert fy.get_column("pred", fold_idx=0).tolist() == [19] * 10


def test_readers_pickle_without_the_open_file(path):
    reader = FoldReader(path, clip=5)
    again = pickle.loads(pickle.dumps(reader))
    assert (again.path, again.clip, again.schema, again.sizes) == (reader.path, 5, reader.schema, reader.sizes)
    np.testing.assert_array_equal(again.read("event", 2), np.arange(20, 30))


def test_folds_are_read_whole_with_nan(path):
    fold = FoldReader(path).read_fold(2)
    assert np.isnan(fold["inputs"][1, 0])
    assert (fold["targets"].shape, fold["weights"].shape) == ((10, 1), (10, 1))


@pytest.mark.parametrize("n_folds", [0, -1, True, 1.5])
def test_the_number_of_folds_is_positive(path, n_folds):
    with pytest.raises(ConfigError, match="n_folds must be 1 or more"):
        FoldReader(path).fold_range(n_folds, None)


def test_more_folds_than_there_are_are_all(path):
    assert FoldReader(path).fold_range(7, None) == [0, 1, 2]
    assert FoldReader(path).fold_range(2, None) == [0, 1]


def test_fault_a_file_without_check_sums_that_is_overwritten_in_place_is_noticed(tmp_path):
    """Shape and names are the same: what was read already tells it from the other."""
    path, other = make_foreign(tmp_path / "a.hdf5"), make_foreign(tmp_path / "b.hdf5", targets=np.zeros(6))
    fy = FoldYielder(path)
    fy.get_fold(0)
    shutil.copyfile(make_foreign(tmp_path / "c.hdf5"), path)  # of equal content
    fy.get_fold(1)
    shutil.copyfile(other, path)
    with pytest.raises(DataReplaced, match="replaced by a file with other data"):
        fy.get_fold(0)


def test_what_lumin_adds_in_place_to_a_file_of_its_own_is_read(tmp_path):
    fy = FoldYielder(make_foreign(tmp_path / "a.hdf5"))
    before = fy.get_fold(0)
    fy.close()  # HDF5 lets nobody write into what is open
    with h5py.File(tmp_path / "a.hdf5", "r+") as file:
        file["fold_0/pred"] = np.ones(6)
    assert "pred" in fy.columns()
    np.testing.assert_array_equal(fy.get_fold(0)["inputs"], before["inputs"])
    fy.save_fold_pred(np.zeros(6), 1, pred_name="of_ours")
    fy.get_fold(1)
