"""The structure of fold files: what is none is refused."""

from __future__ import annotations

import h5py
import numpy as np
import pytest
from written import make_foreign

from lumin_core.data import structure
from lumin_core.data.fold_yielder import FoldYielder
from lumin_core.data.schema import Schema
from lumin_core.errors import ConfigError, FoldFileError


def test_a_file_that_is_none_is_refused(tmp_path):
    with pytest.raises(FoldFileError, match="no fold file"):
        FoldYielder(tmp_path / "no_such.hdf5")
    foreign = tmp_path / "foreign.hdf5"
    foreign.write_text("hello")
    with pytest.raises(FoldFileError, match="no HDF5 file"):
        FoldYielder(foreign)
    with h5py.File(foreign, "w") as file:
        file.create_dataset("x", data=1)
    with pytest.raises(FoldFileError, match=r"no group fold_0|no meta data"):
        FoldYielder(foreign)
    assert foreign.exists()


@pytest.mark.parametrize("share", [0.3, 0.9])
def test_a_truncated_file_is_refused(path, share):
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(FoldFileError, match="truncated"):
        FoldYielder(path)


def test_gaps_in_the_numbering_are_refused(tmp_path):
    path = make_foreign(tmp_path / "a.hdf5", n_folds=3)
    with h5py.File(path, "r+") as file:
        del file["fold_1"]
    with pytest.raises(FoldFileError, match=r"missing \[1\]"):
        FoldYielder(path)


def test_the_suffix_may_be_left_out_and_an_open_file_given(path):
    assert FoldYielder(path.with_suffix("")).foldfile == path.resolve()
    with h5py.File(path) as file:
        assert FoldYielder(file)[0]["inputs"].shape == (10, 3)


def test_folds_need_inputs_and_targets(tmp_path):
    path = make_foreign(tmp_path / "a.hdf5")
    with h5py.File(path, "r+") as file:
        assert structure.fold_sizes(file) == {0: 6, 1: 6}
        assert structure.column_names(file, 2) == ["inputs", "targets", "weights"]
        del file["fold_1/targets"]
        with pytest.raises(FoldFileError, match="fold_1 has no targets"):
            structure.fold_sizes(file)
        with pytest.raises(FoldFileError, match=r"fold_0/inputs must be \(n, 3\) for the features, got \(6, 2\)"):
            structure.check_columns(file, Schema(cont_feats=["pt", "eta", "phi"]), {0: 6, 1: 6})


def test_text_of_fixed_and_variable_width_is_text(tmp_path):
    with h5py.File(tmp_path / "a.hdf5", "w") as file:
        file["fixed"] = np.array(["Z→ττ".encode()])
        file["variable"] = ["Z→ττ"]
        file["bad"] = np.array([b"\xff"])
        for name in ("fixed", "variable"):
            assert structure.decoded(file[name][()], file[name].dtype).tolist() == ["Z→ττ"]
        assert structure.decoded(file["bad"][()], file["bad"].dtype)[0].encode("utf-8", "surrogateescape") == b"\xff"


@pytest.mark.parametrize(
    ("column", "values", "message"),
    [
        ("targets", np.ones(5), r"fold_1/targets must have 6 rows, as inputs have, got shape \(5,\)"),
        ("weights", np.ones((6, 2)), r"fold_1/weights must be \(6,\), got shape \(6, 2\)"),
        ("inputs", np.full((6, 2), b"1"), r"fold_1/inputs must be a dataset of numbers, got \|S1"),
        ("targets", np.zeros(6, dtype=[("y", "f4")]), "fold_1/targets must be a dataset of numbers, got"),
    ],
)
def test_columns_of_another_dtype_or_length_are_refused_on_opening(tmp_path, column, values, message):
    path = make_foreign(tmp_path / "a.hdf5")
    with h5py.File(path, "r+") as file:
        del file[f"fold_1/{column}"]
        file[f"fold_1/{column}"] = values
    with pytest.raises(FoldFileError, match=rf"a.hdf5: {message}.*bring back a copy, or make it anew"):
        FoldYielder(path)


def test_columns_that_are_larger_than_the_file_are_refused_on_opening(tmp_path):
    path = make_foreign(tmp_path / "a.hdf5")
    with h5py.File(path, "r+") as file:
        del file["fold_0/weights"]
        file["fold_0"].create_dataset("weights", (1 << 50,), chunks=(1 << 20,), dtype="f4")
    with pytest.raises(FoldFileError, match="fold_0/weights must fit into a file of"):
        FoldYielder(path)


@pytest.mark.parametrize("name", ["inputs", "weights"])
def test_groups_in_the_place_of_columns_are_refused(tmp_path, name):
    path = make_foreign(tmp_path / "a.hdf5")
    with h5py.File(path, "r+") as file:
        del file[f"fold_0/{name}"]
        file.create_group(f"fold_0/{name}")
    with pytest.raises(FoldFileError, match=rf"fold_0(/| has no ){name}"):
        FoldYielder(path)


@pytest.mark.parametrize("error", [KeyError("x"), RuntimeError("x"), ValueError("x"), TypeError("x"), IndexError("x")])
def test_whatever_a_damaged_file_leads_to_is_one_error_that_names_it(error):
    message = r"a.hdf5: fold_0 cannot be read: .*x.*bring back a copy, or make it anew \(lumin check says more\)"
    with pytest.raises(FoldFileError, match=message), structure.reading("a.hdf5", "fold_0"):
        raise error
    with pytest.raises(ConfigError, match="as it is"), structure.reading("a.hdf5"):
        raise ConfigError("as it is")


@pytest.mark.parametrize("place", ["/", "/fold_1", "/meta_data"])
@pytest.mark.parametrize("read", [FoldYielder, lambda path: FoldYielder(path).columns()])
def test_names_that_are_no_text_are_damage(path, place, read):
    with h5py.File(path, "r+") as file:
        file[place].create_group(b"fold_\xff")
    with pytest.raises(FoldFileError, match=r"holds b'fold_\\xff', whose name is no text: the file is damaged"):
        read(path)
