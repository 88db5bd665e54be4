"""Locks: one writer, whoever dies, and where the file system has none."""

import errno
import os
import socket
import stat
import subprocess
import sys
import threading

import pytest

from lumin_core import locks
from lumin_core.errors import FileError
from lumin_core.files import Staged
from lumin_core.locks import in_turn, locked


def test_there_is_one_writer(tmp_path):
    path = tmp_path / "a.txt"
    with locked(path):
        with pytest.raises(FileError, match="is being written by another process or yielder; wait"), locked(path):
            pass
        with locked(tmp_path / "b.txt"):
            pass
    with locked(path):
        pass
    assert list(tmp_path.iterdir()) == []


def test_a_second_writer_waits_where_that_is_asked_for(tmp_path):
    path, order = tmp_path / "a.txt", []

    def second():
        with locked(path, wait=10):
            order.append("second")

    with locked(path):
        thread = threading.Thread(target=second)
        thread.start()
        order.append("first")
    thread.join()
    assert order == ["first", "second"]


def test_a_dead_writers_lock_holds_nobody_up(tmp_path):
    path = tmp_path / "a.txt"
    code = """if True:
        import os, pathlib, sys
        from lumin_core.locks import locked
        with locked(pathlib.Path(sys.argv[1])):
            os._exit(9)
    """
    assert subprocess.run([sys.executable, "-c", code, path], check=False).returncode == 9
    assert path.with_name(".a.txt.lock").exists()
    with locked(path):
        pass


@pytest.fixture(params=["folder", "file"])
def lock_of(request, monkeypatch):
    """Have folders with locks of their own, or none, as NFS."""
    fcntl = pytest.importorskip("fcntl", reason="no flock on this system")
    flock = fcntl.flock

    def of_files(descriptor, operation):
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(errno.EBADF, "not writable")
        flock(descriptor, operation)

    if request.param == "file":
        monkeypatch.setattr(fcntl, "flock", of_files)


def test_who_waits_gets_the_lock_when_it_is_free(tmp_path, lock_of):
    path, order = tmp_path / "a.txt", []

    def second():
        with in_turn(path, wait=30):
            order.append("second")

    with in_turn(path, wait=0):
        thread = threading.Thread(target=second)
        thread.start()
        thread.join(0.1)
        order.append("first")
    thread.join()
    assert order == ["first", "second"]


def test_two_that_write_one_file_never_meet_in_one_part(tmp_path, lock_of):
    path, errors = tmp_path / "a.txt", []

    def write(word):
        try:
            for _ in range(50):
                with Staged(path) as part:
                    part.write_text(word * 1000)
        except Exception as error:  # noqa: BLE001
            errors.append(error)

    threads = [threading.Thread(target=write, args=(word,)) for word in "ab"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert path.read_text() in ("a" * 1000, "b" * 1000)
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.txt"]


@pytest.fixture(params=["ENOSYS", "ENOLCK", "EOPNOTSUPP", "ENOTSUP", "EINVAL"])
def no_locks(request, monkeypatch):
    fcntl = pytest.importorskip("fcntl", reason="no flock on this system")

    def refuse(*_):
        raise OSError(getattr(errno, request.param), "not here")

    monkeypatch.setattr(fcntl, "flock", refuse)
    monkeypatch.setattr(locks, "_warned", set())


def test_without_locks_a_file_stands_in_with_one_warning(tmp_path, no_locks):
    path = tmp_path / "a.txt"
    lock = locked(path)
    with pytest.warns(UserWarning, match="has no locks"):
        lock.__enter__()
    assert [entry.name for entry in tmp_path.iterdir()] == [".a.txt.locked"]
    refused = r"being written by .*; wait .*process \d+ on .* has .*; if that has ended, "
    with pytest.raises(FileError, match=refused):  # and warnings are errors here: there is no second one
        locked(path).__enter__()
    lock.__exit__(None, None, None)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.filterwarnings("ignore:.*has no locks")
def test_without_locks_a_dead_process_is_found_out_and_others_are_not_touched(tmp_path, no_locks):
    path, alone = tmp_path / "a.txt", tmp_path / ".a.txt.locked"
    dead = subprocess.run(
        [sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, text=True, check=True
    )
    for number in (int(dead.stdout), 10**30):
        alone.write_text(f"process {number} on {socket.gethostname()}")
        with locked(path):
            assert alone.read_text() == f"process {os.getpid()} on {socket.gethostname()}"
    assert list(tmp_path.iterdir()) == []
    for living in (f"process {os.getpid()} on {socket.gethostname()}", f"process {int(dead.stdout)} on elsewhere", ""):
        alone.write_text(living)
        with pytest.raises(FileError, match="is being written by another"):
            locked(path).__enter__()
        assert alone.read_text() == living


def test_an_error_of_a_lock_is_not_taken_for_another_writer(tmp_path, monkeypatch):
    fcntl = pytest.importorskip("fcntl", reason="no flock on this system")

    def refuse(*_):
        raise OSError(errno.EIO, "the disk is broken")

    monkeypatch.setattr(fcntl, "flock", refuse)
    with pytest.raises(FileError, match=r"cannot write to the folder of .*: the disk is broken"):
        locked(tmp_path / "a.txt").__enter__()
