"""A distribution may ship what came of its checks, and `lumin describe` shows it."""

import json

import pytest

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


def ship(install, content):
    site = install("my-blocks", {"callbacks": {"shout": "shouts:Shout"}}, modules={"shouts": SOURCE})
    (site / "lumin-checks.json").write_text(content)
    (site / "my_blocks-1.0.dist-info" / "RECORD").write_text("lumin-checks.json,,\n")


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
