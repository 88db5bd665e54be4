"""A new check warns for one minor release before it fails."""

import pytest

import lumin_core
from lumin_core.testing import Case, Check, CheckFailed, installed, versions
from lumin_core.testing.for_pytest import _run

SOURCE = '''
    class Shout:
        """Shout when training begins."""
        def on_train_begin(self): ...
'''


def breaks(subject):
    """Is broken."""
    raise CheckFailed("broken")


@pytest.fixture
def with_two(monkeypatch):
    """Let version 2 of the checks come with the minor release 0.9."""
    monkeypatch.setattr(versions, "RELEASES", {1: (0, 2), 2: (0, 9)})


def plugin(install, requirement):
    install("my-blocks", {"callbacks": {"shout": "shouts:Shout"}}, modules={"shouts": SOURCE}, requires=(requirement,))
    return "my-blocks"


def test_the_version_is_that_of_the_newest_checks():
    assert max(versions.RELEASES) == lumin_core.PLUGIN_API


@pytest.mark.parametrize(
    ("requirement", "version", "warns"),
    [
        ("lumin-core>=0.8,<0.10", "0.9.0", True),
        ("lumin-core>=0.8,<0.10", "0.9.3.dev1", True),
        ("lumin-core>=0.8", "0.10.0", False),
        ("lumin-core>=0.9,<0.10", "0.9.0", False),
        ("lumin-core[all]~=0.8", "0.9.0", True),
    ],
)
def test_a_new_check_warns_plugins_that_allow_an_older_core(install, with_two, requirement, version, warns):
    name = plugin(install, requirement)
    assert versions.only_warns(2, name, version) is warns
    assert not versions.only_warns(1, name, version)


def test_what_is_not_installed_is_held_to_the_newest_checks(with_two):
    assert not versions.only_warns(2, None, "0.9.0")


def test_a_case_that_only_warns(install, monkeypatch):
    monkeypatch.setattr(versions, "RELEASES", {1: (0, 1), 2: (0, 2)})
    (subject,) = installed(plugin(install, "lumin-core>=0.1"))
    case = Case(subject, Check(breaks, since=2))
    assert case.run().state == "warned"
    with pytest.warns(FutureWarning, match="broken .from the next minor release on this fails"):
        _run(case)
