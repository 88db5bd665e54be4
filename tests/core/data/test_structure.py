"""The structure of fold files: what is none is refused."""

from __future__ import annotations

import h5py
import numpy as np
import pytest
from written import make_foreign

from lumin_core.data import structure
from lumin_core.data.fold_yielder import FoldYielder
from lumin_core.errors import FoldFileError


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
            structure.check_widths(file, 3, 2)


def test_text_of_fixed_and_variable_width_is_text(tmp_path):
    with h5py.File(tmp_path / "a.hdf5", "w") as file:
        file["fixed"] = np.array(["Z→ττ".encode()])
        file["variable"] = ["Z→ττ"]
        file["bad"] = np.array([b"\xff"])
        for name in ("fixed", "variable"):
            assert structure.decoded(file[name][()], file[name].dtype).tolist() == ["Z→ττ"]
        assert structure.decoded(file["bad"][()], file["bad"].dtype)[0].encode("utf-8", "surrogateescape") == b"\xff"
