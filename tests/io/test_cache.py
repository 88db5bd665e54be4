"""The cache: made once, made anew, waited for, listed, cleared; and trainings that begin at a recipe."""

import os
import threading

import numpy as np
import pytest
from click.testing import CliRunner

from lumin_core.data import FoldReader
from lumin_plugin_io import Recipe, cache, conversion
from lumin_plugin_io.cache import cached, entries
from lumin_plugin_io.cache_command import cache as command

uproot = pytest.importorskip("uproot")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("LUMIN_CACHE", str(tmp_path / "cache"))
    write(tmp_path / "a.root", 1.0)
    return tmp_path


def write(path, scale):
    with uproot.recreate(path) as file:
        file.mktree("t", {"x": "f4", "y": "i4"}).extend({"x": scale * np.arange(100.0), "y": np.arange(100) % 2})


def recipe(folder, **changes):
    given = {"sample": {"a": {"files": "a.root"}}, "variables": {"x": "x"}, "targets": {"y": "y"}, "n_folds": 2}
    return Recipe(**{**given, **changes}, folder=folder)


@pytest.fixture
def made(monkeypatch):
    """Count conversions."""
    calls = []

    def counting(*args, **options):
        calls.append(args)
        return conversion.convert(*args, **options)

    monkeypatch.setattr(cache, "convert", counting)
    return calls


def test_a_fold_file_is_made_once_and_again_when_something_changed(folder, made):
    path = cached(recipe(folder))
    assert path.is_relative_to(folder / "cache")
    assert cached(recipe(folder)) == path
    assert len(made) == 1
    assert cached(recipe(folder, n_folds=5)) != path
    write(folder / "a.root", 2.0)
    changed = cached(recipe(folder))
    assert changed != path
    assert len(made) == 3
    assert len(FoldReader(changed).sizes) == 2


def test_verified_inputs_are_told_by_their_content(folder, made):
    path = cached(recipe(folder), verify=True)
    os.utime(folder / "a.root", (1, 1))
    assert cached(recipe(folder), verify=True) == path
    assert len(made) == 1
    cached(recipe(folder))
    assert len(made) == 2


def test_who_comes_second_waits_and_takes_what_the_first_made(folder, made):
    paths = []
    threads = [threading.Thread(target=lambda: paths.append(cached(recipe(folder)))) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert paths[0] == paths[1]
    assert len(made) == 1


def test_the_cache_is_listed_and_cleared(folder):
    run = CliRunner()
    assert run.invoke(command).output.endswith(": 0 conversions, 0 B\n")
    path = cached(recipe(folder))
    listed = run.invoke(command).output.splitlines()
    assert listed[0].split(": ")[1].startswith("1 conversion, ")
    assert " a of " in listed[1] or "..." in listed[1]
    assert max(map(len, listed[1:])) <= 80
    assert [entry.samples for entry in entries()] == [["a"]]
    assert "Removed from" in run.invoke(command, ["--clear"]).output
    assert not path.exists()
    assert entries() == []
    assert cached(recipe(folder)) == path
