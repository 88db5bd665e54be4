"""The worker's side: answers that always arrive, and Ctrl-C only while a call runs."""

import copyreg
import pickle
import signal
import subprocess
import sys

import pytest

from lumin_core.errors import TrainingFailed
from lumin_plugin_farm import worker


def answer(function, *arguments):
    return pickle.loads(worker._answer(pickle.dumps((function, arguments, {}))))


@pytest.fixture(autouse=True)
def mask():
    """Give back the signals that this thread lets in."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [])
    yield
    signal.pthread_sigmask(signal.SIG_SETMASK, before)


class Odd(Exception):
    def __init__(self, one, two):
        super().__init__(f"{one} and {two}")


def fail(error, *arguments):
    raise error(*arguments)


def hand_out():
    return lambda: 0


def test_a_call_is_answered_with_its_value_or_its_error():
    assert answer(divmod, 7, 2) == ((3, 1), None)
    value, error = answer(divmod, 1, 0)
    assert value is None
    assert type(error) is ZeroDivisionError
    assert error.__notes__[0].startswith("In the worker:\nTraceback")


def test_what_cannot_be_sent_back_is_told_in_words(monkeypatch):
    monkeypatch.delitem(copyreg.dispatch_table, Odd, raising=False)  # Dask teaches all exceptions to be pickled
    _, error = answer(fail, Odd, 1, 2)
    assert type(error) is TrainingFailed
    assert str(error) == "Odd: 1 and 2"
    assert "in fail" in error.__notes__[0]
    _, error = answer(hand_out)
    assert "lambda" in str(error)


def test_exits_and_interrupts_are_answers_too():
    for kind in (SystemExit, KeyboardInterrupt):
        assert type(answer(fail, kind)[1]) is kind


@pytest.mark.skipif(not hasattr(signal, "pthread_sigmask"), reason="signals of POSIX")
def test_ctrl_c_waits_outside_of_a_call():
    worker.block_ctrl_c()
    signal.raise_signal(signal.SIGINT)
    assert signal.SIGINT in signal.sigpending()
    _, error = answer(divmod, 7, 2)  # the next call lets it in
    assert type(error) is KeyboardInterrupt
    assert answer(divmod, 7, 2) == ((3, 1), None)


def test_a_worker_is_light():
    code = "import sys, lumin_plugin_farm.worker; print(sorted({'torch', 'numpy', 'tqdm'} & sys.modules.keys()))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
