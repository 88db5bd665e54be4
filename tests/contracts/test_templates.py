"""What ``lumin new-plugin`` writes passes all checks and its own tests, unchanged: a component of every kind."""

import importlib.util
import os
import tomllib

import pytest

from lumin_core import registry
from lumin_core.testing import cases_of, installed


@pytest.fixture
def every_kind(install, run, tmp_path, monkeypatch):
    """Install the project of a plugin that has a component of every kind, as a wheel of it would be."""
    monkeypatch.chdir(tmp_path)
    kinds = [word for kind in registry.kinds() for word in ("--kind", kind.singular)]
    assert run("new-plugin", "every-kind", *kinds)[0] == 0
    folder = tmp_path / "every-kind"
    groups = tomllib.loads((folder / "pyproject.toml").read_text())["project"]["entry-points"]
    entries = {group.removeprefix("lumin."): members for group, members in groups.items()}
    site = install("every-kind", entries, folder="site")
    monkeypatch.syspath_prepend(str(folder / "src"))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(site), str(folder / "src")]))  # some checks start processes
    return folder


def test_what_new_plugin_writes_passes_all_checks_and_its_own_tests(every_kind):
    subjects = installed("every-kind")
    assert {subject.kind for subject in subjects} == {kind.singular for kind in registry.kinds()}
    outcomes = [case.run() for case in cases_of(subjects, full=False)]
    wrong = [f"{one.name}, {one.check}: {one.message}" for one in outcomes if one.state not in ("passed", "skipped")]
    assert not wrong, "\n".join(wrong)
    spec = importlib.util.spec_from_file_location("test_use_of_every_kind", every_kind / "tests" / "test_use.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    tests = [test for name, test in vars(module).items() if name.startswith("test_")]
    assert len(tests) == len(subjects)
    for test in tests:
        test()
