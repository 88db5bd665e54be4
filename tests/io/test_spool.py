import numpy as np
import pytest

from lumin_plugin_io.spool import Filled, Spool, SpoolWriter


def filled_of(writer):
    known = {"n_read": 0, "n_cut": {}, "values": {}, "moments": {}, "weights": {}}
    return Filled(flushes=writer.flushes, check_sum=writer.check_sum, **known)


@pytest.fixture
def spool(tmp_path):
    spool = Spool(tmp_path / ".train.spool", "key")
    spool.begin(resume=False)
    return spool


def fill(spool, sizes, n_rows=10):
    """Put consecutive entries into places 0, 1, 2, 0, ..., in pieces; the later ones with a float column."""
    begin = 0
    with SpoolWriter(spool.rows(0), 3, n_rows) as writer:
        for number, size in enumerate(sizes):
            entry = np.arange(begin, begin + size)
            begin += size
            writer.append({"entry": entry, "run": entry.astype("i4" if number < 2 else "f8")}, entry % 3)
    spool.keep(0, filled_of(writer))
    return begin


@pytest.mark.parametrize("sizes", [[25], [3, 0, 9, 13], [1] * 25, [10, 10, 5]])
def test_rows_come_back_by_place_whatever_the_pieces(spool, sizes):
    n = fill(spool, sizes)
    filled = spool.filled(0)
    assert filled.n_rows == n
    assert filled.counts(3).tolist() == [9, 8, 8]
    for place in range(3):
        rows = list(spool.read(0, filled, [place]))
        expected = np.arange(place, n, 3).tolist()
        assert np.concatenate([part["entry"] for part in rows]).tolist() == expected
        assert np.concatenate([part["run"] for part in rows]).tolist() == expected
    assert [flush.dtype.names for flush in filled.flushes] == [("entry", "run")] * 3


def test_an_input_counts_when_it_is_complete_and_its_rows_are_those(spool):
    assert not spool.is_whole(0)
    fill(spool, [25])
    assert spool.is_whole(0)
    path = spool.rows(0)
    content = path.read_bytes()
    path.write_bytes(content[:-1])
    assert not spool.is_whole(0)
    path.unlink()
    assert not spool.is_whole(0)


def test_what_a_killed_process_had_begun_is_removed_and_what_was_complete_is_kept(spool):
    fill(spool, [25])
    begun = spool.rows(1).with_name("1.rows.12345")
    begun.touch()
    assert not spool.begin(resume=True)
    assert not begun.exists()
    assert spool.is_whole(0)
    assert Spool(spool.folder, "another key").begin(resume=True)
    assert not spool.rows(0).exists()


def test_rows_that_fail_leave_no_file(spool):
    def fail():
        with SpoolWriter(spool.rows(0), 1, 10) as writer:
            writer.append({"entry": np.arange(3)}, np.zeros(3, dtype=int))
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert not list(spool.folder.glob("*/*"))
