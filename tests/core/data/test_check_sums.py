"""Check sums of what is written, by every door; the identity that they make; what is damaged is named."""

from __future__ import annotations

import os
import pickle
import shutil
import zlib

import h5py
import numpy as np
import pandas as pd
import pytest
from written import make_file, make_foreign, matrix_file

from lumin_core.data import FoldFileWriter, add_preprocessing, df2foldfile, fold2foldfile
from lumin_core.data.check_sums import SUM, computed_sum, stored_sum
from lumin_core.data.description import add_meta_data
from lumin_core.data.fold_yielder import FoldYielder
from lumin_core.errors import DataReplaced, FoldFileError


def datasets(path):
    """Give for every dataset of a file its check sum and that of its values."""
    found = {}
    with h5py.File(path) as file:
        file.visititems(
            lambda name, entry: (
                found.update({name: (stored_sum(entry), computed_sum(entry))})
                if isinstance(entry, h5py.Dataset)
                else None
            )
        )
    return found


def frame():
    return pd.DataFrame({"pt": [30.0, 50.0, 40.0, 20.0], "y": [0, 1, 0, 1], "process": ["a", "Z→ττ", "b", "a"]})


def by_hand(path):
    with h5py.File(path, "w") as file:
        for fold in range(2):
            fold2foldfile(frame(), file, fold, ["pt"], [], "y", "int", ["process"])
        add_meta_data(file, ["pt", "y"], ["pt"], [], None, "y", misc_feats=["process"])


def in_pieces(path, **options):
    with FoldFileWriter(path, cont_feats=["pt"], targ_feats="y", growing=True, overwrite=True, **options) as file:
        for part in (slice(0, 1), slice(1, 4)):  # text becomes longer
            df = frame()[part]
            file.append(0, inputs=df[["pt"]], targets=df["y"], misc={"process": df["process"]})


def at_once(path, **options):
    with FoldFileWriter(path, cont_feats=["pt"], targ_feats="y", overwrite=True, **options) as file:
        df = frame()
        file.append(0, inputs=df[["pt"]], targets=df["y"], misc={"process": df["process"]})


def sparse_in_pieces(path):
    with FoldFileWriter(
        path,
        cont_feats=[],
        targ_feats="y",
        growing=True,
        matrix_feats={"present_feats": ["t"], "vecs": ["t"], "missing": [], "feats_per_vec": [""], "row_wise": None,
                      "shape": [2, 2], "is_sparse": True},
    ) as file:  # fmt: skip
        for _ in range(2):
            file.append(0, inputs=np.zeros((3, 0)), targets=np.ones(3), matrix_inputs=np.eye(2)[None].repeat(3, 0))


def predicted(path):
    fy = FoldYielder(make_file(path))
    fy.save_fold_pred(np.ones(10), 0)
    fy.save_fold_pred(np.full(10, 2.0), 0)
    fy.save_fold_pred(np.ones((10, 2)), 1)
    add_preprocessing(path, input_pipe=[])


@pytest.mark.parametrize(
    "write",
    [
        make_file,
        matrix_file,
        by_hand,
        in_pieces,
        sparse_in_pieces,
        predicted,
        lambda path: df2foldfile(frame(), 2, ["pt"], [], "y", path, "int", misc_feats=["process"], compression="gzip"),
    ],
)
def test_every_dataset_is_written_with_its_check_sum(tmp_path, write):
    path = tmp_path / "a.hdf5"
    write(path)
    for name, (stored, computed) in datasets(path).items():
        assert stored == computed, name
    assert FoldYielder(path).verify() == []


def test_a_check_sum_is_the_crc32_of_the_values(path):
    with h5py.File(path) as file:
        assert file["fold_1/inputs"].attrs["crc32"] == zlib.crc32(file["fold_1/inputs"][()].tobytes())


@pytest.mark.parametrize("column", ["fold_2/event", "fold_0/pred", "meta_data/targ_feats"])
def test_values_that_changed_are_named(path, column):
    FoldYielder(path).save_fold_pred(np.ones(10), 0)
    with h5py.File(path, "r+") as file:
        file[column][...] = '"z"' if column.startswith("meta") else np.zeros(10)
    with pytest.raises(FoldFileError, match=f"the values of {column} are not those that were written"):
        FoldYielder(path).verify()


def test_a_column_that_was_exchanged_is_noticed_by_the_identity(path):
    with h5py.File(path, "r+") as file:
        file.move("fold_0/event", "fold_0/kept")
        file.move("fold_1/event", "fold_0/event")
        file.move("fold_0/kept", "fold_1/event")
    with pytest.raises(FoldFileError, match="does not hold the columns that it was completed with"):
        FoldYielder(path).verify()


def test_files_of_others_say_what_has_no_check_sum(tmp_path):
    fy = FoldYielder(make_foreign(tmp_path / "a.hdf5"))
    assert {"fold_1/inputs", "meta_data/cont_feats"} < set(fy.verify())
    fy.save_fold_pred(np.ones(6), 0)
    assert "fold_0/pred" not in fy.verify()


# Identity


def test_equal_content_is_one_identity_however_it_is_stored(tmp_path):
    path = tmp_path / "a.hdf5"
    at_once(path)
    first = FoldYielder(path).identity
    for write, options in ((in_pieces, {}), (at_once, {"compression": "gzip"}), (in_pieces, {"compression": "lzf"})):
        write(path, **options)
        assert FoldYielder(path).identity == first
    with h5py.File(path, "r+") as file:  # as others do, who know no check sums
        for name in ("inputs", "targets", "process"):
            del file[f"fold_0/{name}"].attrs[SUM]
    assert FoldYielder(path).identity == first
    with h5py.File(path) as file:
        assert file["meta_data"].attrs["identity"] == first


def test_copies_moves_predictions_and_preprocessing_change_no_identity(path):
    fy = FoldYielder(path)
    first = fy.identity
    for value in (1, 2):
        fy.save_fold_pred(np.full(10, value), 0)
        assert fy.identity == FoldYielder(path).identity == first
    add_preprocessing(path, input_pipe=[])
    copy = shutil.copy(path, path.with_name("b.hdf5"))
    assert FoldYielder(copy).identity == first
    assert pickle.loads(pickle.dumps(fy)).identity == first


def test_predictions_of_other_programs_change_no_identity(tmp_path):
    path = make_foreign(tmp_path / "a.hdf5")
    first = FoldYielder(path).identity
    with h5py.File(path, "r+") as file:
        file["fold_0/pred"] = np.ones(6)
    assert FoldYielder(path).identity == first


@pytest.mark.parametrize(
    ("column", "value"), [("inputs", 3.0), ("targets", 1), ("weights", 5.0), ("event", 99), ("inputs", -0.0)]
)
def test_every_column_is_part_of_the_identity(path, column, value):
    first = FoldYielder(path).identity
    with h5py.File(path, "r+") as file:
        values = file[f"fold_2/{column}"][()]
        del file[f"fold_2/{column}"]
        values[0] = value
        file[f"fold_2/{column}"] = values
    assert FoldYielder(path).identity != first


def test_names_and_folds_are_part_of_the_identity(tmp_path):
    def made(n_folds, feat):
        with FoldFileWriter(tmp_path / "a", cont_feats=[feat], targ_feats="y", overwrite=True) as file:
            for i in range(n_folds):
                file.append(i, inputs=np.ones((4 // n_folds, 1)), targets=np.ones(4 // n_folds))
        return FoldYielder(tmp_path / "a").identity

    assert len({made(1, "pt"), made(2, "pt"), made(1, "m")}) == 3


# Files that are replaced while they are in use


def other(path):
    """Write a file of the same shape and other inputs."""
    make_file(path, overwrite=True)
    with h5py.File(path, "r+") as file:
        values = file["fold_0/inputs"][()] + 1
        del file["fold_0/inputs"]
        file["fold_0/inputs"] = values
    return path


@pytest.mark.parametrize("closed", [True, False])
@pytest.mark.parametrize("how", [os.replace, shutil.copy])
def test_other_data_of_the_same_shape_are_noticed(path, tmp_path, closed, how):
    fy, with_other = FoldYielder(path), other(tmp_path / "b.hdf5")
    fy.get_fold(0)
    if closed:
        fy.close()
    how(with_other, path)
    for _ in range(2):
        with pytest.raises(DataReplaced, match="replaced by a file with other data; make a new FoldYielder"):
            fy.get_fold(0)


@pytest.mark.parametrize("how", [os.replace, shutil.copy])
def test_an_equal_file_in_its_place_is_no_fault(path, tmp_path, how):
    fy = FoldYielder(path)
    how(make_file(tmp_path / "b.hdf5", compression="gzip"), path)
    assert fy.get_fold(0)["inputs"].shape == (10, 3)


def test_files_of_others_are_looked_at_before_they_are_gone(tmp_path):
    path = make_foreign(tmp_path / "a.hdf5")
    fy = FoldYielder(path)
    os.replace(make_foreign(tmp_path / "b.hdf5"), path)  # noqa: PTH105
    assert fy.get_fold(0)["inputs"].shape == (6, 2)
    os.replace(make_foreign(tmp_path / "b.hdf5", inputs=np.zeros((6, 2), dtype="float32")), path)  # noqa: PTH105
    with pytest.raises(DataReplaced, match="other data"):
        fy.get_fold(0)


def test_values_that_were_changed_in_place_are_noticed_though_the_check_sums_are_the_old(path):
    fy = FoldYielder(path)
    fy.close()
    with h5py.File(path, "r+") as file:
        file["fold_0/inputs"][...] = 7
    with pytest.raises(DataReplaced, match="other data"):
        fy.get_fold(0)
