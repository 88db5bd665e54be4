"""What is written as TTree or RNTuple is read back; nothing half is ever there."""

import numpy as np
import pytest

uproot = pytest.importorskip("uproot")

from lumin_core import build  # noqa: E402
from lumin_core.errors import ConfigError, DataError, FileError, ShapeError  # noqa: E402
from lumin_plugin_io import RootReader, RootWriter  # noqa: E402

COLUMNS = {
    "pred": np.array([0.5, np.nan, 1.0], "f4"),
    "classes": np.arange(6.0).reshape(3, 2),
    "event": np.array([1, 2**60, 3]),
    "big": np.array([1, 2**63, 3], "u8"),
    "good": np.array([True, False, True]),
}


def write(path, *pieces, error=None, **options):
    with RootWriter(path, **options) as writer:
        for piece in pieces:
            writer.append(piece)
        if error is not None:
            raise error


@pytest.mark.parametrize("rntuple", [False, True])
def test_what_is_written_is_read_back(tmp_path, rntuple):
    path = tmp_path / "scores.root"
    with build("writer", "io/root_writer", path=path, tree="scores", rntuple=rntuple) as writer:
        for part in (slice(0, 0), slice(0, 2), slice(2, 3)):
            writer.append({name: values[part] for name, values in COLUMNS.items()})
    with RootReader(path) as reader, uproot.open(path) as file:
        assert ("RNTuple" in file.classnames()["scores;1"]) == rntuple
        assert reader.tree == "scores"
        (piece,) = reader.chunks(list(COLUMNS), 10)
    for name, values in COLUMNS.items():
        assert piece[name].dtype == values.dtype
        np.testing.assert_array_equal(piece[name], values)


def test_what_is_masked_is_nan_or_refused(tmp_path):
    path = tmp_path / "a.root"
    write(path, {"x": np.ma.masked_equal([1.0, 2.0], 2.0), "n": np.ma.masked_equal([1, 2], 3)})
    with RootReader(path, "Events") as reader:
        (piece,) = reader.chunks(["x", "n"], 10)
    np.testing.assert_array_equal(piece["x"], [1.0, np.nan])
    assert piece["n"].tolist() == [1, 2]
    with pytest.raises(DataError, match=r"'n' cannot be written to .*: values are missing among its int64"):
        write(path, {"n": np.ma.masked_equal([1, 2], 2)}, overwrite=True)


def test_an_error_leaves_what_was_there(tmp_path):
    path = tmp_path / "a.root"
    path.write_text("before")
    with pytest.raises(FileError, match=r"a.root exists; pass overwrite=True"):
        RootWriter(path)
    with pytest.raises(KeyboardInterrupt):
        write(path, COLUMNS, error=KeyboardInterrupt, overwrite=True)
    with pytest.raises(DataError, match=r"a.root is not written: it was given no columns"):
        write(path, overwrite=True)
    assert path.read_text() == "before"
    assert list(tmp_path.glob(".*.part")) == []


@pytest.mark.parametrize(
    ("columns", "error", "words"),
    [
        ({"pred": np.zeros(1)}, ConfigError, r"begun with the columns pred \(float32\), got pred \(float64\)"),
        ({"pred": np.zeros((1, 2), "f4")}, ConfigError, r"got pred \(float32\[2\]\)"),
        ({"pred": np.zeros(1, "f4"), "b": np.zeros(1)}, ConfigError, "got pred .*, b"),
        ({"pred": np.zeros(1, "f4"), "b": np.zeros(2)}, ShapeError, "different lengths: {'pred': 1, 'b': 2}"),
    ],
)
def test_each_piece_has_the_same_columns(tmp_path, columns, error, words):
    with pytest.raises(error, match=words):
        write(tmp_path / "a.root", {"pred": np.zeros(3, "f4")}, columns)
    assert list(tmp_path.glob("*.root")) == []


def test_text_is_refused_and_so_is_a_folder_that_is_not_there(tmp_path):
    with pytest.raises(DataError, match=r"'s' cannot be written .*: it holds <U1, not numbers; .* Parquet"):
        write(tmp_path / "a.root", {"s": np.array(["a"])})
    with pytest.raises(ConfigError, match=r"there is no folder .*none; make it first"):
        RootWriter(tmp_path / "none" / "a.root")


def test_what_is_not_an_earlier_file_of_scores_is_not_replaced(tmp_path):
    path, scores = tmp_path / "a.root", {"run": np.arange(3), "pred": np.ones(3, "f4")}
    for before, words in (
        ({"Events": {"x": np.ones(3)}}, "a.root also holds Events, which would be lost"),
        ({"scores": {"run": np.ones(3)}}, "a.root holds events without 'pred', which would be lost"),
        ({"scores": scores, "deep/Events": {"x": np.ones(3)}}, "also holds deep/Events"),
    ):
        with uproot.recreate(path) as file:
            for tree, columns in before.items():
                file.mktree(tree, {name: values.dtype for name, values in columns.items()}).extend(columns)
        content = path.read_bytes()
        with pytest.raises(FileError, match=words), RootWriter(path, "scores", overwrite=True) as writer:
            writer.append(scores)
        assert path.read_bytes() == content
        path.unlink()
    path.write_bytes(b"root, but damaged")
    for keys in (["run", "pred"], ["pred"]):
        with RootWriter(path, "scores", overwrite=True) as writer:
            writer.append({key: scores[key] for key in keys})
    assert [each.name for each in tmp_path.iterdir() if not each.name.endswith(".lock")] == ["a.root"]
