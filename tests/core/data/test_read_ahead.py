"""ReadAhead: what was begun is what is taken, errors come to who takes, and nothing is left running."""

import threading

import pytest

from lumin_core.data.read_ahead import ReadAhead
from lumin_core.errors import DataError


def threads():
    return [thread for thread in threading.enumerate() if thread.name.startswith("lumin reads ahead")]


def test_what_was_begun_is_read_in_a_thread_and_once():
    read = []

    def where(number):
        read.append((number, threading.current_thread() is threading.main_thread()))
        return number

    with ReadAhead(where) as ahead:
        assert ahead.take(1) == 1
        assert not threads()
        ahead.begin(2)
        assert [ahead.take(2), ahead.take(2), ahead.take(3)] == [2, 2, 3]
    assert read == [(1, True), (2, False), (2, True), (3, True)]
    assert not threads()


def test_an_error_comes_when_it_is_taken_and_names_the_fold():
    def fail(number):
        raise DataError("broken")

    with ReadAhead(fail) as ahead:
        ahead.begin(4)
        for number in (4, 5):
            with pytest.raises(DataError, match="broken") as caught:
                ahead.take(number)
            assert caught.value.__notes__ == [f"while fold {number} was read"]


def test_what_was_begun_is_waited_for_and_dropped():
    go, done = threading.Event(), []

    def wait(number):
        done.append(go.wait(5))
        return number

    with ReadAhead(wait) as ahead:
        ahead.begin(1)
        go.set()
    assert done == [True]
    assert not threads()
