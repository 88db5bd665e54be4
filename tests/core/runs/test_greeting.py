"""The greeting: what a process says of itself, and which answers are refused."""

import multiprocessing
import os
import socket
import threading
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor

import attrs
import pytest
import torch

from lumin_core.errors import ConfigError
from lumin_core.runs import available_cores, introduce
from lumin_core.runs.greeting import check_apart, check_greeting, linger


def test_a_process_says_who_it_is_and_what_it_has(monkeypatch):
    said = introduce()
    assert (said.process, said.host, said.thread) == (os.getpid(), socket.gethostname(), threading.get_ident())
    assert said.threads == available_cores() >= 1
    assert said.devices == ("cpu",)  # as LUMIN_DEVICE says in tests
    assert said.is_here
    assert said.is_local


def test_devices_are_the_gpus_else_what_torch_finds(monkeypatch):
    monkeypatch.delenv("LUMIN_DEVICE")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert introduce().devices == ("cuda:0", "cuda:1")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    assert introduce().devices == ("mps",)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    assert introduce().devices == ("cpu",)


def test_another_process_is_welcome_on_any_machine():
    here = introduce()
    check_greeting(attrs.evolve(here, process=here.process + 1), "Mine")
    away = attrs.evolve(here, host="elsewhere")
    check_greeting(away, "Mine")
    assert not away.is_here
    assert not away.is_local


def test_this_process_is_refused_by_what_it_does():
    with pytest.raises(ConfigError, match=r"Mine calls in this very process.*leave executor out"):
        check_greeting(introduce(), "Mine")
    with ThreadPoolExecutor(1) as threads:
        said = threads.submit(introduce).result()
    with pytest.raises(ConfigError, match=r"threads share torch's random numbers.*say executor='processes'"):
        check_greeting(said, "Mine")


def test_a_thread_beside_the_main_one_says_so():
    assert introduce().is_main
    with ThreadPoolExecutor(1) as threads:
        assert not threads.submit(introduce).result().is_main


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_fork_says_that_it_lacks_torchs_threads():
    assert not introduce().is_fork
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("fork")) as pool:
        assert pool.submit(introduce).result().is_fork


def test_workers_that_are_threads_of_one_process_are_found_out():
    with ThreadPoolExecutor(2) as threads:
        two = [future.result() for future in [threads.submit(linger) for _ in range(2)]]
    with pytest.raises(ConfigError, match=r"two workers of Mine are threads of one process \(\d+ on .*nthreads 1"):
        check_apart(two, "Mine")
    check_apart([two[0], two[0]], "Mine")  # one thread, twice
    check_apart([two[0], attrs.evolve(two[1], process=two[1].process + 1)], "Mine")
