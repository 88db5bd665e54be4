"""Plugins that are known: a list that is shipped, of which errors and commands tell."""

import json

import pytest

from lumin_core import registry
from lumin_core.errors import ConfigError, UnknownComponent
from lumin_core.registry import hints, known_plugins, names

LIST = """
date = 2026-01-31

[plugins.Their_Blocks]
summary = "Blocks of theirs"
url = "https://example.org/blocks"
install = "pip install git+https://example.org/blocks"
kinds = ["spices"]
components = {heads = ["their_head"], spices = ["soup"]}

[plugins.plain-blocks]
components = {bodies = ["plain_body"]}
"""


@pytest.fixture
def listed(tmp_path, monkeypatch):
    path = tmp_path / "known.toml"
    path.write_text(LIST)
    monkeypatch.setattr(known_plugins, "FILE", path)
    known_plugins.others.cache_clear()
    yield path
    known_plugins.others.cache_clear()


def test_the_list_that_is_shipped_can_be_read_and_has_none_of_ours():
    shipped = known_plugins.read_known(known_plugins.FILE)
    assert len(shipped.date) == len("2026-01-31")
    assert not set(shipped.plugins) & set(names.first_party()["plugins"])
    assert all(plugin["summary"] for plugin in shipped.plugins.values())


def test_a_list_says_of_each_plugin_what_it_has(listed):
    known = known_plugins.read_known(listed)
    assert known.date == "2026-01-31"
    assert known.plugins["their-blocks"]["components"] == {"head": ["their_head"], "spice": ["soup"]}
    assert known_plugins.install_of("plain-blocks") == "pip install plain-blocks"
    assert known_plugins.owners("body", "plainbody") == [("plain-blocks", "plain_body")]


@pytest.mark.parametrize(
    ("kind", "name", "way_out"),
    [
        ("head", "their_head", "their-blocks has it: pip install git+https://example.org/blocks"),
        ("body", "PlainBody", "plain-blocks has it: pip install plain-blocks"),
        ("body", "plain_bodi", "did you mean 'plain_body' (pip install plain-blocks)?"),
        ("body", "plain-blocks/plain_body", "plain-blocks has it: pip install plain-blocks"),
    ],
)
def test_a_name_that_is_not_installed_is_looked_up_in_the_list(listed, kind, name, way_out):
    with pytest.raises(UnknownComponent) as refused:
        registry.find(kind, name)
    assert way_out in str(refused.value)


def test_a_kind_that_is_not_installed_is_looked_up_in_the_list(listed):
    message = "the kind 'spices' is declared by their-blocks: pip install git+https://example.org/blocks"
    assert str(hints.unknown_kind("spice")) == message


def test_components_of_a_kind_that_is_known_sleep_until_its_plugin_is_there(listed, install):
    install("my-spices", {"spices": {"stew": "my_spices:Stew"}})
    assert [c.problem for c in registry.components() if c.distribution == "my-spices"] == []


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("date = 2026-01-31\nplugin = 3", "plugin"),
        ("[plugins.mine]", "needs date = 2026-01-31"),
        ("date = 2026-01-31\nplugins = 3", "needs date = 2026-01-31, and a table"),
        ("date = 2026-01-31\n[plugins]\nmine = 3", "[plugins.mine] in"),
        ("date = 2026-01-31\n[plugins.mine]\nsumary = 'x'", "summary"),
        ("date = 2026-01-31\n[plugins.mine]\ncomponents = ['a']", "needs lists of names"),
        ("date = 2026-01-31\n[plugins.mine]\ncomponents = {heads = 'a'}", "needs lists of names"),
        ("date = 2026-01-31\n[plugins.mine]\nkinds = [3]", "needs lists of names"),
        ("not TOML", "known.toml"),
    ],
)
def test_what_is_no_list_is_refused_with_the_place(tmp_path, text, message):
    path = tmp_path / "known.toml"
    path.write_text(text)
    with pytest.raises(ConfigError) as refused:
        known_plugins.read_known(path)
    assert message in str(refused.value)


def test_list_plugins_known_shows_ours_and_others_with_the_date(run, listed):
    code, out, _ = run("list-plugins", "--known")
    assert code == 0
    text = " ".join(out.split())
    for part in ("of 2026-01-31", "their-blocks pip install git+", "Blocks of theirs", "soup", "gnn_head, pyg_head"):
        assert part.replace("of 2026", "2026") in text
    assert max(map(len, out.splitlines())) <= 100


def test_list_plugins_known_of_a_file_shows_that_file_alone(run, listed):
    content = json.loads(run("list-plugins", "--known", str(listed), "--json")[1])
    assert (content["schema"], content["date"]) == (1, "2026-01-31")
    assert [(p["name"], p["installed"], p["install"]) for p in content["plugins"]] == [
        ("their-blocks", None, "pip install git+https://example.org/blocks"),
        ("plain-blocks", None, "pip install plain-blocks"),
    ]
    code, _, err = run("list-plugins", "--known", "no_such_file.toml")
    assert code == 1
    assert "no_such_file.toml" in err


def test_list_plugins_known_says_what_is_installed(run, listed, install):
    install("plain-blocks", {"bodies": {"plain_body": "plain:Body"}}, version="3.1")
    assert "3.1 is installed" in run("list-plugins", "--known", str(listed))[1]


def test_list_plugins_known_lists_plugins_not_components(run):
    code, _, err = run("list-plugins", "--known", "--check")
    assert code == 2
    assert "--known goes with --json only" in err


def test_list_plugins_all_has_what_our_own_plugins_have(run, listed):
    assert "their_head" not in run("list-plugins", "--all")[1]
