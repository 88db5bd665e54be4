"""HDF5: values and text as they were, columns that grow, files that are replaced as a whole."""

from __future__ import annotations

import h5py
import numpy as np
import pytest

from lumin_core.data import room
from lumin_core.data.hdf5 import add_fitted, check_compression, fitting, rewriting, save_to_grp
from lumin_core.data.storable import storable
from lumin_core.errors import ConfigError, DataError, FoldFileError


@pytest.mark.parametrize(
    "values",
    [np.arange(3, dtype="int16"), np.array([True, False]), np.array(["é", ""]), np.array(["a", "bcd"], dtype=object),
     np.array([b"raw", b"bytes"]), np.zeros((0, 2)), np.zeros((2, 0)), np.float64([1.5])],
)  # fmt: skip
@pytest.mark.parametrize("compression", [None, "lzf"])
def test_datasets_keep_values(values, compression):
    with h5py.File("a", "w", driver="core", backing_store=False) as file:
        save_to_grp(values, file, "x", compression)
        read = file["x"][()]
        if values.dtype.kind in "UO":
            read = np.char.decode(read, "utf-8")
        elif values.dtype.kind != "S":
            assert read.dtype == values.dtype
        np.testing.assert_array_equal(read, values)


@pytest.fixture
def file():
    with h5py.File("a", "w", driver="core", backing_store=False) as file:
        yield file


def extend_in_grp(file, column, values, axis):
    add_fitted(file, column, fitting(file, column, storable(values, column), axis), axis)


@pytest.mark.parametrize("axis", [0, 1])
def test_columns_grow_along_an_axis(file, axis):
    parts = [np.full((2, 2), i, dtype="float32") for i in range(3)]
    save_to_grp(parts[0], file, "x", growing=axis)
    for part in parts[1:]:
        extend_in_grp(file, "x", part, axis)
    np.testing.assert_array_equal(file["x"][()], np.concatenate(parts, axis))


def test_longer_text_makes_the_column_wider_and_keeps_its_compression(file):
    save_to_grp(np.array(["tt"]), file, "process", "gzip", growing=0)
    extend_in_grp(file, "process", np.array(["diboson"]), 0)
    assert file["process"][()].tolist() == [b"tt", b"diboson"]
    assert file["process"].compression == "gzip"
    with pytest.raises(DataError, match=r"column 'process' has dtype .* in the file, got int64 to add"):
        extend_in_grp(file, "process", np.array([1]), 0)


@pytest.mark.parametrize("values", [np.array(["2020"], "datetime64[s]"), np.array([None, "a"], object)])
def test_what_fold_files_do_not_hold_is_refused(file, values):
    with pytest.raises(DataError, match="column 'x'"):
        save_to_grp(values, file, "x")


def test_masked_numbers_are_stored_as_nan(file):
    save_to_grp(np.ma.masked_array([5, 9], [False, True]), file, "run")
    np.testing.assert_array_equal(file["run"][()], [5, np.nan])


def test_text_that_grows_must_not_cost_ten_times_what_it_holds(file):
    save_to_grp(["Z"] * 20, file, "process", growing=0)
    extend_in_grp(file, "process", ["Z" * 80] * 2, 0)
    with pytest.raises(DataError, match="column 'process' has text of 900 bytes in row 22; fixed width"):
        extend_in_grp(file, "process", ["x" * 900], 0)
    assert file["process"].shape == (22,)


def test_compressions_are_those_of_h5py():
    assert [check_compression(c) for c in ("gzip", "lzf", 0, 9)] == ["gzip", "lzf", 0, 9]
    for wrong in ("zip", 10, -1):
        with pytest.raises(ConfigError, match="compression must be"):
            check_compression(wrong)


def test_a_file_is_changed_as_a_whole_or_not_at_all(tmp_path):
    path = tmp_path / "a.hdf5"
    with pytest.raises(FoldFileError, match="there is no file"), rewriting(path):
        pass
    h5py.File(path, "w").close()
    before = path.read_bytes()

    def half():
        with rewriting(path) as file:
            file.attrs["note"] = "half"
            raise RuntimeError("mid-way")

    with pytest.raises(RuntimeError, match="mid-way"):
        half()
    assert path.read_bytes() == before
    with rewriting(path) as file:
        file.attrs["note"] = "whole"
    with h5py.File(path) as file:
        assert file.attrs["note"] == "whole"
    path.write_text("hello")
    with pytest.raises(FoldFileError, match=r"cannot copy .* in order to add to it"), rewriting(path):
        pass
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.hdf5"]


def test_what_is_compressed_asks_for_no_more_room_than_it_needs(tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr(room, "set_aside", lambda _, n_bytes, *, chunk_bytes=0: asked.append((n_bytes, chunk_bytes)))
    with h5py.File(tmp_path / "a.hdf5", "w") as file:
        save_to_grp(np.ones(10), file, "small", compression=4)
        save_to_grp(np.ones(10), file, "plain")
    assert asked == [(80, 80), (80, 0)]
