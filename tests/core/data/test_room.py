"""Room on the disk: a full one is said by us, costs nothing that was there, and leaves nothing behind."""

import errno
import os

import h5py
import numpy as np
import pytest

from lumin_core import FoldFileWriter, FoldYielder
from lumin_core.data import declare_zero_padding, matrix_entry, room
from lumin_core.errors import FoldFileError

pytestmark = pytest.mark.skipif(not hasattr(os, "posix_fallocate"), reason="the system sets no room aside")


def write(path, n=1000, **options):
    matrix = matrix_entry(["t_pt"], ["t"], [False], ["pt"], True, (1, 1))
    names = {"cont_feats": ["a"], "targ_feats": "y", "matrix_feats": matrix}
    with FoldFileWriter(path, **names, overwrite=True, **options) as file:
        for fold in range(2):
            columns = {"inputs": np.ones((n, 1)), "targets": np.ones(n), "matrix_inputs": np.ones((n, 1, 1))}
            file.append(fold, **columns, misc={"name": ["tau"] * n})
    return file.path


@pytest.fixture
def full(monkeypatch):
    """Let the disk be full from the given call on."""

    def from_call(number):
        calls, allocate = [], os.posix_fallocate

        def refuse(*arguments):
            calls.append(arguments)
            if len(calls) >= number:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            allocate(*arguments)

        monkeypatch.setattr(os, "posix_fallocate", refuse)
        return calls

    return from_call


@pytest.mark.parametrize("options", [{}, {"compression": 4}, {"growing": True}])
def test_every_dataset_of_a_new_file_asks_first(tmp_path, full, monkeypatch, options):
    path = write(tmp_path / "a", **options)
    before, calls = path.read_bytes(), full(10**6)
    write(tmp_path / "b", **options)
    (tmp_path / "b.hdf5").unlink()
    n_calls = len(calls)
    assert n_calls > 6  # two folds of three columns, and the meta data
    monkeypatch.undo()
    for number in range(1, n_calls + 1):
        full(number)
        with pytest.raises(
            FoldFileError, match=r"no room for .*\(No space left on device\): .* MB more are needed; free"
        ):
            write(path, **options)
        monkeypatch.undo()
        assert path.read_bytes() == before
        assert [entry.name for entry in tmp_path.iterdir()] == ["a.hdf5"]


@pytest.mark.parametrize(
    "add",
    [
        lambda path: FoldYielder(path).save_fold_pred(np.ones(1000), 0),
        lambda path: declare_zero_padding(path),
    ],
)
def test_whoever_adds_to_a_file_asks_first(tmp_path, full, monkeypatch, add):
    path = write(tmp_path / "a")
    before = path.read_bytes()
    for number in (1, 2):
        full(number)
        with pytest.raises(FoldFileError, match="no room for"):
            add(path)
        monkeypatch.undo()
        assert path.read_bytes() == before
        assert [entry.name for entry in tmp_path.iterdir()] == ["a.hdf5"]


def test_what_was_set_aside_and_not_used_is_given_back(tmp_path):
    path = tmp_path / "a.hdf5"
    file = h5py.File(path, "w")
    room.set_aside(file, 10_000_000)
    file["x"] = np.ones(10)
    assert path.stat().st_size > 10_000_000
    room.close(file)
    assert path.stat().st_size < 10_000
    with h5py.File(path) as file:
        assert file["x"][()].tolist() == [1] * 10


def test_where_the_system_sets_nothing_aside_the_free_bytes_are_looked_at(tmp_path, monkeypatch):
    monkeypatch.delattr(os, "posix_fallocate")
    with h5py.File(tmp_path / "a.hdf5", "w") as file:
        room.set_aside(file, 1000)
        with pytest.raises(FoldFileError, match="No space left"):
            room.set_aside(file, 1 << 60)
        room.close(file)
    with h5py.File("a", "w", driver="core", backing_store=False) as file:
        room.set_aside(file, 1 << 60)  # nothing is asked in memory


def test_what_hdf5_cannot_close_is_given_up(tmp_path):
    class Stuck:
        def close(self):
            raise RuntimeError("Can't decrement id ref count")

    room.give_up(Stuck())
