"""A distribution may ship what came of its checks, and `lumin describe` shows it."""

import json

import pytest

from lumin_core.testing import Outcome, Report
from lumin_core.testing.shipped import shipped_checks

SOURCE = '''
    class Shout:
        """Shout when training begins."""
        def on_train_begin(self): ...
'''
SAID = {
    "versions": {"lumin-core": "0.2.0"},
    "passed": {"callback my-blocks/shout": ["check_a", "check_b"]},
    "expected_failures": {"callback my-blocks/shout": {"check_c": "it shouts"}},
}


def ship(install, content, folder=None):
    entries = {"callbacks": {"shout": "shouts:Shout"}}
    site = install("my-blocks", entries, modules={"shouts": SOURCE}, folder=folder)
    (site / "lumin-checks.json").write_text(content)
    (site / "my_blocks-1.0.dist-info" / "RECORD").write_text("lumin-checks.json,,\n")
    return site


def test_describe_shows_what_is_shipped(install, run):
    ship(install, json.dumps(SAID))
    text = " ".join(run("describe", "callback", "shout")[1].split())
    assert "checks 2 checks passed with lumin-core 0.2.0, says its lumin-checks.json; check_c fails: it shouts" in text


@pytest.mark.parametrize("content", ["{", "[]", '{"passed": 3}', '{"passed": {}}'])
def test_what_cannot_be_read_is_not_shown(install, run, content):
    ship(install, content)
    assert shipped_checks("my-blocks", "callback", "my-blocks/shout") is None
    assert "checks" not in run("describe", "callback", "shout")[1].partition("\n\n")[0]


def test_what_ships_nothing_says_nothing():
    assert shipped_checks("lumin-core", "optimiser", "core/adam") is None
    assert shipped_checks("not-installed-at-all", "optimiser", "core/adam") is None


def test_what_was_said_of_other_sources_says_so(install, run):
    ship(install, "{}")
    passed = Outcome("callback", "my-blocks/shout", "check_a", "passed")
    said = Report([passed], "my-blocks").to_dict()
    assert len(said["sources"]) == 64
    site = ship(install, json.dumps(said), folder="again")
    assert "sources" not in shipped_checks("my-blocks", "callback", "my-blocks/shout")
    source = (site / "shouts.py").read_bytes()
    (site / "shouts.py").write_bytes(source.replace(b"\n", b"\r\n"))
    assert "sources" not in shipped_checks("my-blocks", "callback", "my-blocks/shout")
    (site / "shouts.py").write_bytes(source + b"# another end\n")
    assert "; its sources are others now" in shipped_checks("my-blocks", "callback", "my-blocks/shout")
    text = " ".join(run("check-plugin", "my-blocks")[1].split())
    assert "advice: its lumin-checks.json is of other sources than those that are installed" in text


def test_of_a_class_there_are_no_sources_to_say():
    assert Report([Outcome("head", "my_head", "check_a", "passed")], "head 'my_head'").to_dict()["sources"] is None
