"""Predictions: gathered, written into a copy, and never half of them."""

from __future__ import annotations

import pickle
import shutil

import h5py
import numpy as np
import pytest
from written import make_file

from lumin_core.data.fold_reader import FoldReader
from lumin_core.data.fold_yielder import FoldYielder
from lumin_core.data.predictions import Predictions
from lumin_core.errors import ConfigError, DataError, FoldFileError, ShapeError
from lumin_core.locks import locked


def test_predictions_are_saved_and_replaced(path):
    fy, other = FoldYielder(path), FoldYielder(path)
    for value in (1.0, 2.0):
        with fy.writing():
            for i in range(3):
                fy.save_fold_pred(np.full(10, value + i), i)
        assert fy.get_column("pred")[::10].tolist() == [value, value + 1, value + 2]
        assert other.get_column("pred").dtype == np.float32
    assert "pred" in other.columns()
    assert [entry.name for entry in path.parent.iterdir()] == [path.name]


def test_masked_predictions_are_missing_and_dates_are_refused(path):
    fy = FoldYielder(path)
    fy.save_fold_pred(np.ma.masked_array(np.ones(10), np.arange(10) == 3), 0)
    assert np.isnan(fy.get_column("pred", fold_idx=0)).nonzero()[0].tolist() == [3]
    with pytest.raises(DataError, match="predictions of fold 1 must hold numbers, got dates"):
        fy.save_fold_pred(np.full(10, "2020", dtype="M8[D]"), 1)


def test_predictions_of_one_name_do_not_make_the_file_grow(path):
    fy, sizes = FoldYielder(path), set()
    for _ in range(5):
        fy.save_fold_pred(np.ones((10, 4)), 0)
        sizes.add(path.stat().st_size)
    assert len(sizes) == 1


def test_predictions_of_another_shape_replace_the_old_ones(path):
    fy = FoldYielder(path)
    fy.save_fold_pred(np.ones(10), 0)
    fy.save_fold_pred(np.ones((10, 2)), 0)
    assert fy.get_column("pred", fold_idx=0).shape == (10, 2)
    with pytest.raises(DataError, match=r"not in folds \[1, 2\]"):
        fy.get_column("pred")


def test_a_failure_while_writing_leaves_the_file_as_it_was(path):
    before = path.read_bytes()
    fy = FoldYielder(path)

    def write():
        with fy.writing():
            fy.save_fold_pred(np.ones(10), 0)
            raise RuntimeError("mid-way")

    with pytest.raises(RuntimeError, match="mid-way"):
        write()
    assert path.read_bytes() == before
    assert [entry.name for entry in path.parent.iterdir()] == [path.name]
    fy.save_fold_pred(np.ones(10), 0)  # and the yielder is usable


def test_writing_blocks_nest_and_write_once(path, monkeypatch):
    fy, copies, copy = FoldYielder(path), [], shutil.copy
    monkeypatch.setattr("lumin_core.data.hdf5.shutil.copy", lambda *a: copies.append(a) or copy(*a))
    with fy.writing(), fy.writing():
        fy.save_fold_pred(np.ones(10), 0)
        fy.save_fold_pred(np.ones(10), 1)
    assert len(copies) == 1


def test_a_second_writer_is_refused_and_a_dead_ones_lock_is_not(path):
    a, b = FoldYielder(path), FoldYielder(path)
    with a.writing(), pytest.raises(FoldFileError, match="being written"):
        b.save_fold_pred(np.ones(10), 0)
    path.with_name(f".{path.name}.lock").touch()  # what a crashed writer leaves
    path.with_name(f".{path.name}.part").write_text("half of it")
    b.save_fold_pred(np.ones(10), 0)
    assert [entry.name for entry in path.parent.iterdir()] == [path.name]


def test_a_reader_sees_the_old_file_until_the_new_one_is_complete(path):
    writer, reader = FoldYielder(path), FoldYielder(path)
    with writer.writing():
        writer.save_fold_pred(np.ones(10), 0)
        assert "pred" not in reader.columns()
    assert "pred" in reader.columns()


def test_links_are_followed(path):
    link = path.with_name("link.hdf5")
    link.symlink_to(path)
    FoldYielder(link).save_fold_pred(np.ones(10), 0)
    assert link.is_symlink()
    assert "pred" in FoldYielder(path).columns()


def test_permissions_survive(path):
    path.chmod(0o640)
    FoldYielder(path).save_fold_pred(np.ones(10), 0)
    assert path.stat().st_mode & 0o777 == 0o640


def test_a_file_replaced_while_writing_is_noticed_and_the_lock_released(path):
    fy, other = FoldYielder(path), make_file(path.with_name("b.hdf5"), n_folds=1)

    def write():
        with fy.writing():
            fy.save_fold_pred(np.ones(10), 0)
            shutil.copy(other, path)

    with pytest.raises(FoldFileError, match="replaced"):
        write()
    with locked(path):
        pass
    assert path.read_bytes() == other.read_bytes()


@pytest.mark.parametrize(
    ("name", "error", "message"),
    [("targets", ConfigError, "taken"), ("event", ConfigError, "taken"), ("a/b", ConfigError, "without '/'")],
)
def test_predictions_do_not_overwrite_data(path, name, error, message):
    with pytest.raises(error, match=message):
        FoldYielder(path).save_fold_pred(np.ones(10), 0, name)


@pytest.mark.parametrize("listed", [True, False])
def test_what_no_prediction_wrote_is_replaced_on_demand_alone(path, listed):
    fy, name = FoldYielder(path), "event" if listed else "pred"
    first = fy.identity
    fy.close()
    if not listed:  # as LUMIN, and versions before this one, wrote them
        with h5py.File(path, "r+") as file:
            file["fold_2/pred"] = np.ones(10)
    with pytest.raises(ConfigError, match=rf"'{name}' is taken in train.hdf5 by .* no prediction .*overwrite=True"):
        fy.save_fold_pred(np.zeros(10), 1, name)
    with fy.writing():
        for fold in range(3):
            fy.save_fold_pred(np.zeros(10), fold, name, overwrite=True)
    fy.save_fold_pred(np.ones(10), 0, name)  # now it is one
    assert fy.get_column(name).sum() == 10
    assert fy.verify() == []
    assert (fy.identity == first) is not listed  # further columns are data
    assert FoldYielder(path).identity == fy.identity


def test_a_name_can_be_refused_before_the_predictions_are_made(path):
    with FoldYielder(path) as fy:
        fy.check_pred_name("pred")
        with pytest.raises(ConfigError, match="the column name 'inputs' is taken"):
            fy.check_pred_name("inputs")


def test_data_are_not_replaced_by_a_word_that_counts_as_true(path):
    before = path.read_bytes()
    with pytest.raises(ConfigError, match="True or False is needed, got overwrite='no'"):
        FoldYielder(path).save_fold_pred(np.ones(10), 0, "event", overwrite="no")
    assert path.read_bytes() == before


def test_inputs_and_targets_are_never_replaced(path):
    with pytest.raises(ConfigError, match="taken"):
        FoldYielder(path).save_fold_pred(np.ones(10), 0, "targets", overwrite=True)


def test_predictions_of_another_length_are_refused(path):
    with pytest.raises(ShapeError, match="10 rows"):
        FoldYielder(path).save_fold_pred(np.ones(9), 0)


def test_what_was_gathered_stays_in_its_process(path):
    predictions = Predictions(FoldReader(path))
    with predictions.writing():
        predictions.save(np.ones(10), 0, "pred")
        again = pickle.loads(pickle.dumps(predictions))
    assert again._mine.gathered is None
