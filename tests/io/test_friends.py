"""Friends entry by entry and by key, against the same join by hand."""

import logging

import numpy as np
import pytest

ak = pytest.importorskip("awkward")
uproot = pytest.importorskip("uproot")

from lumin_core.errors import ConfigError, DataError  # noqa: E402
from lumin_plugin_io import Friends, Sample, find_inputs, key_join  # noqa: E402

N = 500


def write(path, tree, columns):
    with uproot.recreate(path) as file:
        table = file.mkrntuple(tree, columns)
        assert table is not None


@pytest.fixture
def table(tmp_path):
    """Give a table of N events in two runs, and a function that opens it with friends."""
    rng = np.random.default_rng(3)
    columns = {
        "run": np.arange(N, dtype="i4") % 2 + 300_000,
        "event": np.arange(N) // 2 + 2**60,
        "x": rng.normal(size=N),
    }
    write(tmp_path / "a.root", "Events", columns)

    def open_with(*friends, **options):
        sample = Sample(name="s", files=("a.root",), friends=friends)
        return find_inputs(sample, (), tmp_path)[0].open(**options)

    return columns, open_with


def of_friends(columns, rows):
    """Make a friend's columns for rows of the table, its values told by their numbers."""
    return {
        "event": columns["event"][rows].astype("u8"),
        "run": columns["run"][rows].astype("i8"),
        "score": rows.astype("f4"),
        "code": rows.astype("i2"),
        "tag": ak.Array([f"t{row}" for row in rows]),
        "jets": ak.Array([[float(row)] * (row % 3) for row in rows]),
        "pair": np.stack([rows, -rows], axis=1).astype("f8"),
        "x": rows + 0.5,
    }


def read(reader, names, step=70):
    with reader:
        pieces = list(reader.chunks(names, step))
    assert [len(piece[names[0]]) for piece in pieces] == [min(step, N - first) for first in range(0, N, step)]
    return {
        name: ak.concatenate([piece[name] for piece in pieces]).to_list()
        if not isinstance(pieces[0][name], np.ndarray)
        else np.ma.concatenate([piece[name] for piece in pieces]).tolist()
        for name in names
    }


def test_entry_by_entry(table, tmp_path):
    columns, open_with = table
    write(tmp_path / "f.root", "F", of_friends(columns, np.arange(N)))
    reader = open_with(Friends(files=("f.root",)))
    assert {"F.x", "F.run", "x", "score", "jets"} <= set(reader.columns())
    found = read(reader, ["score", "x", "F.x", "tag"])
    assert found["score"] == list(range(N))
    assert found["x"] == columns["x"].tolist()
    assert found["F.x"] == [row + 0.5 for row in range(N)]
    assert found["tag"] == [f"t{row}" for row in range(N)]


def test_another_length_names_both(table, tmp_path):
    columns, open_with = table
    write(tmp_path / "f.root", "F", of_friends(columns, np.arange(N - 1)))
    with pytest.raises(DataError, match=r"a.root has 500 entries, its friend .*f.root has 499: .* by = "):
        open_with(Friends(files=("f.root",)))


@pytest.mark.parametrize("memory", [1 << 30, 16 * N])
@pytest.mark.parametrize("seed", [None, 5])
def test_by_key_every_event_finds_its_friend(table, tmp_path, caplog, memory, seed):
    """Whether columns fit into memory or are read when they are needed, and in whatever order they are."""
    columns, open_with = table
    rows = np.arange(0, N, 4) if seed is None else np.random.default_rng(seed).permutation(N)[: N // 3]
    write(tmp_path / "f_1.root", "F", of_friends(columns, rows[:40]))
    write(tmp_path / "f_2.root", "F", of_friends(columns, rows[40:]))
    reader = open_with(Friends(files=("f_*.root",), by=("run", "event")), memory=memory)
    assert {"event", "F.x"} <= set(reader.columns())
    assert "F.event" not in reader.columns()
    with caplog.at_level(logging.WARNING):
        found = read(reader, ["score", "code", "tag", "jets", "pair", "F.x", "x"])
    there = set(rows.tolist())
    np.testing.assert_array_equal(found["score"], [row if row in there else np.nan for row in range(N)])
    assert found["code"] == [row if row in there else None for row in range(N)]
    assert found["tag"] == [f"t{row}" if row in there else None for row in range(N)]
    assert found["jets"] == [[float(row)] * (row % 3) if row in there else [] for row in range(N)]
    np.testing.assert_array_equal(found["pair"], [[row, -row] if row in there else [np.nan] * 2 for row in range(N)])
    assert found["x"] == columns["x"].tolist()
    (record,) = caplog.records
    assert f"{N - len(rows)} of the 500 events that were read of" in record.message


def test_keys_that_come_twice_are_named(table, tmp_path):
    columns, open_with = table
    write(tmp_path / "f_1.root", "F", of_friends(columns, np.arange(10)))
    write(tmp_path / "f_2.root", "F", of_friends(columns, np.arange(9, 20)))
    words = rf"the key run = 300001, event = {2**60 + 4} comes twice .* entry 9 of .*f_1.root and entry 0 of .*f_2.root"
    with pytest.raises(DataError, match=words):
        read(open_with(Friends(files=("f_*.root",), by=("run", "event"))), ["score"])


def test_what_cannot_be_joined_is_refused(table, tmp_path):
    columns, open_with = table
    write(tmp_path / "f.root", "F", of_friends(columns, np.arange(N)))
    with pytest.raises(ConfigError, match=r"keys of the 500 entries in .*f.root need 8,000 bytes, more than the 100"):
        open_with(Friends(files=("f.root",), by=("run", "event")), memory=100)
    with pytest.raises(ConfigError, match=r"joined by 'x', a whole number: it is float64"):
        open_with(Friends(files=("f.root",), by=("x",)))
    with pytest.raises(ConfigError, match=r"joined by 'lumi', a whole number: it has no such column"):
        open_with(Friends(files=("f.root",), by=("lumi",)))
    write(tmp_path / "g.root", "F", {"run": np.zeros(3)})
    with pytest.raises(ConfigError, match=r"the key 'run' of the friends in .*g.root is float64, not a whole number"):
        open_with(Friends(files=("g.root",), by=("run",)))
    with pytest.raises(ConfigError, match=r"several friends of .*a.root have a column 'code'"):
        open_with(Friends(files=("f.root",)), Friends(files=("f.root",)))
    write(tmp_path / "w.root", "F", {"run": np.array([0, 2**20]), "event": np.array([0, 2**62]), "y": np.zeros(2)})
    with pytest.raises(DataError, match=r"too wide: run 1,048,577, event 4,611,\d+,\d+,\d+,\d+,\d+; join by fewer"):
        read(open_with(Friends(files=("w.root",), by=("run", "event"))), ["y"])


def test_the_index_is_made_once(table, tmp_path, monkeypatch):
    columns, open_with = table
    write(tmp_path / "f.root", "F", of_friends(columns, np.arange(N)))
    friends = Friends(files=("f.root",), by=("run", "event"))
    read(open_with(friends), ["score"])
    monkeypatch.setattr(key_join.KeyedTable, "_read", None)
    assert read(open_with(friends), ["score"])["score"] == list(range(N))
