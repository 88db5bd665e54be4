"""What is written as Parquet is read back, the same bytes each time."""

import numpy as np
import pytest

pytest.importorskip("pyarrow")

from lumin_core import build
from lumin_core.errors import ConfigError, DataError, FileError
from lumin_plugin_io import ParquetReader, ParquetWriter

COLUMNS = {
    "pred": np.array([0.5, np.nan, 1.0], "f4"),
    "classes": np.arange(6.0).reshape(3, 2),
    "event": np.ma.masked_equal([1, 2**60, 3], 3),
    "sample": np.array(["a", "bb", "ccc"]),
}


def write(path, *pieces):
    with build("writer", "io/parquet_writer", path=path) as writer:
        for piece in pieces:
            writer.append(piece)


def test_what_is_written_is_read_back_and_its_bytes_are_the_same(tmp_path):
    parts = [{name: values[part] for name, values in COLUMNS.items()} for part in (slice(0, 0), slice(2), slice(2, 3))]
    write(tmp_path / "a.parquet", *parts)
    write(tmp_path / "b.parquet", *parts)
    assert (tmp_path / "a.parquet").read_bytes() == (tmp_path / "b.parquet").read_bytes()
    with ParquetReader(tmp_path / "a.parquet") as reader:
        (piece,) = reader.chunks(list(COLUMNS), 10)
    for name, values in COLUMNS.items():
        assert piece[name].dtype == values.dtype
        assert str(piece[name].tolist()) == str(values.tolist())


def test_what_cannot_be_written_is_refused(tmp_path):
    with pytest.raises(DataError, match=r"'z' cannot be written to .*a.parquet: it holds complex128; leave it out"):
        write(tmp_path / "a.parquet", {"z": np.zeros(1, complex)})
    with pytest.raises(ConfigError, match="begun with the columns"):
        write(tmp_path / "a.parquet", {"x": np.zeros(1)}, {"y": np.zeros(1)})
    assert list(tmp_path.glob("*.parquet")) == []


def test_events_are_not_replaced_by_scores(tmp_path):
    write(tmp_path / "a.parquet", COLUMNS)
    content = (tmp_path / "a.parquet").read_bytes()
    words = "a.parquet holds events without 'score', which would be lost: give another name"
    with pytest.raises(FileError, match=words), ParquetWriter(tmp_path / "a.parquet", overwrite=True) as writer:
        writer.append({"event": np.arange(3), "score": np.ones(3)})
    assert (tmp_path / "a.parquet").read_bytes() == content
    with ParquetWriter(tmp_path / "a.parquet", overwrite=True) as writer:
        writer.append({"event": np.arange(3), "pred": np.ones(3)})
    with ParquetReader(tmp_path / "a.parquet") as reader:
        assert list(reader.columns()) == ["event", "pred"]
