"""Names of fold files, read and written."""

import pytest

from lumin_core import FoldFileWriter, df2foldfile
from lumin_core.data import name_to_write, with_suffix
from lumin_core.errors import FoldFileError


@pytest.mark.parametrize("name", ["train", "train.v2", "train.hdf5", "train.H5", "train.hdf"])
def test_the_suffix_is_added_where_there_is_none(tmp_path, name):
    expected = name if name.lower().endswith((".hdf5", ".h5", ".hdf")) else name + ".hdf5"
    assert with_suffix(tmp_path / name) == (tmp_path / expected).resolve()
    assert name_to_write(tmp_path / name) == with_suffix(tmp_path / name)


@pytest.mark.parametrize("name", ["train.root", "a/train.PARQUET", "train.csv.gz", "run.toml", "model.safetensors"])
def test_what_ends_as_another_format_is_not_written(tmp_path, name):
    path = tmp_path / name
    for write in (
        lambda: FoldFileWriter(path, cont_feats=["x"], targ_feats="y"),
        lambda: df2foldfile({"x": [1.0, 2.0], "y": [0, 1]}, 1, ["x"], [], "y", path, "float32"),
    ):
        with pytest.raises(FoldFileError, match=r"is to be a fold file, .*; give .*\.hdf5$"):
            write()
    assert not list(tmp_path.iterdir())
