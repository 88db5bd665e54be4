"""CSV files: types that hold for the whole file, pieces, and files that are not what they should be."""

import gzip

import numpy as np
import pytest

pytest.importorskip("pyarrow")

from lumin_core.errors import ConfigError, DataError
from lumin_plugin_io import CsvReader, csv_reader

HEADER = "event,n,pt,good,lepton,late,nothing"


@pytest.fixture
def path(tmp_path, monkeypatch):
    """Give a file of many blocks, in the last of which whole numbers turn out to be none."""
    monkeypatch.setattr(csv_reader, "_BLOCK", 500)
    lines = [f"{2**60 + i},{i if i % 5 else ''},{i}.5,{'true' if i % 2 else 'false'},e{i % 3},{i}," for i in range(100)]
    lines[-1] = f"{2**60 + 99},99,99.5,true,e0,0.25,"
    path = tmp_path / "events.csv"
    path.write_text("\n".join([HEADER, *lines, ""]))
    return path


@pytest.mark.parametrize("packed", [False, True])
def test_types_hold_for_the_whole_file(path, packed):
    if packed:
        content = path.read_bytes()
        path = path.with_name("events.csv.gz")
        path.write_bytes(gzip.compress(content))
    with CsvReader(path) as reader:
        assert reader.count() == 100
        assert reader.columns() == {
            "event": "int64", "n": "int64", "pt": "float64", "good": "bool", "lepton": "text", "late": "float64",
            "nothing": "float64",
        }  # fmt: skip
        pieces = list(reader.chunks(list(reader.columns()), 33, start=1))
    assert [len(piece["event"]) for piece in pieces] == [33, 33, 33]
    assert np.concatenate([piece["event"] for piece in pieces]).tolist() == [2**60 + i for i in range(1, 100)]
    assert np.ma.concatenate([piece["n"] for piece in pieces]).tolist() == [i if i % 5 else None for i in range(1, 100)]
    assert {piece["late"].dtype for piece in pieces} == {np.dtype("f8")}
    assert pieces[-1]["late"][-1] == 0.25
    assert pieces[0]["lepton"][:3].tolist() == ["e1", "e2", "e0"]
    assert np.isnan(pieces[0]["nothing"]).all()


@pytest.mark.parametrize(
    ("values", "type_"),
    [
        (["1", "2"], "int64"), (["1", "2.5"], "float64"), ([" 1", "1e3"], "float64"), (["True", "FALSE"], "bool"),
        (["true", "7"], "text"), (["7", "true"], "text"), (["1.5", "x"], "text"), (["", "NA"], "float64"),
        (["inf", "1"], "float64"),
    ],
)  # fmt: skip
def test_the_narrowest_type_that_fits_is_taken(tmp_path, monkeypatch, values, type_):
    """Each value stands in a block of its own."""
    monkeypatch.setattr(csv_reader, "_BLOCK", 64)
    path = tmp_path / "a.csv"
    path.write_text("x,y\n" + "".join(f"{value},{'-' * 60}\n" for value in values))
    with CsvReader(path) as reader:
        assert reader.columns()["x"] == type_
        (piece,) = reader.chunks(["x"], 10)
    assert len(piece["x"]) == 2


@pytest.mark.parametrize(
    ("content", "error", "words"),
    [
        ("1,2\n3,4\n", ConfigError, "begins with numbers, 1, 2; the first line has to name the columns"),
        ("a,a\n3,4\n", ConfigError, "has several columns 'a'"),
        ("a;b\n3;4\n", ConfigError, "has one column, 'a;b'; .* separated by commas"),
        ("a,b\n1,2\n3,4,5\n", DataError, "Expected 2 columns, got 3"),
    ],
)
def test_what_is_not_a_table_is_refused(tmp_path, content, error, words):
    (tmp_path / "a.csv").write_text(content)
    with pytest.raises(error, match=words) as raised:
        CsvReader(tmp_path / "a.csv").count()
    assert str(tmp_path / "a.csv") in str(raised.value)


def test_a_table_without_lines_is_empty(tmp_path):
    (tmp_path / "a.csv").write_text("a,b\n")
    with CsvReader(tmp_path / "a.csv") as reader:
        assert (reader.count(), list(reader.chunks(["a"], 5))) == (0, [])
