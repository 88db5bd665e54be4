"""Parquet files of every type that is read, and of some that are not."""

import datetime

import numpy as np
import pytest

pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")

from lumin_core.errors import ConfigError, DataError  # noqa: E402
from lumin_plugin_io import ParquetReader  # noqa: E402

N = 100


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    path = tmp_path_factory.mktemp("parquet") / "events.parquet"
    table = pa.table(
        {
            "pt": pa.array([None if i == 3 else float(i) for i in range(N)], pa.float32()),
            "event": pa.array([2**60 + i for i in range(N)]),
            "n": pa.array([None if i % 10 == 0 else i for i in range(N)], pa.int32()),
            "good": pa.array([i % 3 == 0 for i in range(N)]),
            "lepton": pa.array([None if i == 50 else ("e", "mü")[i % 2] for i in range(N)]),
            "sample": pa.array([("ttbar", "higgs")[i % 2] for i in range(N)]).dictionary_encode(),
            "jets": pa.array(
                [None if i == 7 else [float(j) for j in range(i % 4)] for i in range(N)], pa.list_(pa.float32())
            ),
            "ids": pa.array([[i, None] for i in range(N)], pa.list_(pa.int16())),
            "p4": pa.array([[i, 0, 0, i] for i in range(N)], pa.list_(pa.float64(), 4)),
            "tags": pa.array([["a"] * (i % 2) for i in range(N)]),
            "day": pa.array([datetime.date(2026, 1, 1)] * N),
        }
    )
    pq.write_table(table, path, row_group_size=30)
    return path


@pytest.mark.parametrize(("step", "start", "stop"), [(N, 0, None), (7, 0, None), (20, 29, 61), (1, 99, None)])
def test_pieces_hold_every_value_once(path, step, start, stop):
    ak = pytest.importorskip("awkward")
    stop = N if stop is None else stop
    with ParquetReader(path) as reader:
        assert reader.count() == N
        names = [name for name in reader.columns() if name != "day"]
        pieces = list(reader.chunks(names, step, start, stop))
    assert [len(piece["pt"]) for piece in pieces] == [min(step, stop - first) for first in range(start, stop, step)]
    events = range(start, stop)
    assert np.concatenate([piece["event"] for piece in pieces]).tolist() == [2**60 + i for i in events]
    pt = np.concatenate([piece["pt"] for piece in pieces])
    assert pt.dtype == np.float32
    np.testing.assert_array_equal(pt, [np.nan if i == 3 else i for i in events])
    assert np.ma.concatenate([piece["n"] for piece in pieces]).tolist() == [i if i % 10 else None for i in events]
    leptons = [None if i == 50 else ("e", "mü")[i % 2] for i in events]
    assert np.ma.concatenate([piece["lepton"] for piece in pieces]).tolist() == leptons
    assert np.concatenate([piece["sample"] for piece in pieces]).tolist() == [("ttbar", "higgs")[i % 2] for i in events]
    assert np.concatenate([piece["p4"] for piece in pieces])[:, 3].tolist() == list(events)
    jets = ak.concatenate([piece["jets"] for piece in pieces])
    assert str(jets.type) == f"{len(events)} * var * float32"
    assert jets.to_list() == [[] if i == 7 else list(range(i % 4)) for i in events]
    assert ak.to_list(ak.nan_to_num(ak.concatenate([piece["ids"] for piece in pieces]), nan=-1)) == [
        [i, -1] for i in events
    ]
    assert ak.concatenate([piece["tags"] for piece in pieces]).to_list() == [["a"] * (i % 2) for i in events]


def test_columns_say_what_they_hold(path):
    with ParquetReader(path) as reader:
        assert reader.columns() == {
            "pt": "float32", "event": "int64", "n": "int32", "good": "bool", "lepton": "text", "sample": "text",
            "jets": "float32[]", "ids": "int16[]", "p4": "float64[4]", "tags": "text[]", "day": "date32[day]",
        }  # fmt: skip


def test_what_cannot_be_read_is_refused(path, tmp_path):
    with ParquetReader(path) as reader:
        with pytest.raises(DataError, match=r"'day' in .*events.parquet is a date32\[day\], which cannot be read"):
            reader.chunks(["day"], 1)
        with pytest.raises(ConfigError, match=r"no column 'leptn' in .*events.parquet; did you mean 'lepton'"):
            reader.chunks(["leptn"], 1)
    with pytest.raises(ConfigError, match="has one table without a name, but the tree 'Events' is asked for"):
        ParquetReader(path, "Events")
    with pytest.raises(ConfigError, match=r"there is no file .*; did you mean 'events.parquet'"):
        ParquetReader(path.with_name("event.parquet"))
    (tmp_path / "part.parquet").write_bytes(path.read_bytes()[:-20])
    with pytest.raises(DataError, match=r"cannot open .*part.parquet"):
        ParquetReader(tmp_path / "part.parquet")


def test_an_empty_table_has_no_pieces(tmp_path):
    pq.write_table(pa.table({"x": pa.array([], pa.float32())}), tmp_path / "empty.parquet")
    with ParquetReader(tmp_path / "empty.parquet") as reader:
        assert (reader.count(), list(reader.chunks(["x"], 10))) == (0, [])
