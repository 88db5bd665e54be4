"""Aliases of components and old names of options: found last, said once, written anew."""

import warnings

import pytest

from lumin_core import registry
from lumin_core.errors import AmbiguousComponent, BrokenPlugin, ConfigError, UnknownComponent
from lumin_core.registry import renaming

NEW = """
class New:
    renamed = {"n_hidden": "width"}
    def __init__(self, width=3, depth=1):
        self.width, self.depth = width, depth
    def on_train_begin(self): ...
"""
ENTRIES = {"callbacks": {"new": "my_blocks:New"}, "aliases": {"old": "my_blocks:new"}}


@pytest.fixture(autouse=True)
def nothing_was_told(monkeypatch):
    monkeypatch.setattr(renaming, "_told", set())


@pytest.fixture
def mine(install):
    return install("my-blocks", ENTRIES, modules={"my_blocks": NEW})


@pytest.mark.parametrize("name", ["old", "Old", "my-blocks/old", "My_Blocks/OLD"])
def test_an_alias_leads_to_the_new_name_with_one_warning(mine, name):
    with pytest.warns(FutureWarning, match=rf"the callback '{name}' is called 'my-blocks/new' now; write that"):
        assert registry.find("callback", name).qualified == "my-blocks/new"
    assert registry.find("callback", name).qualified == "my-blocks/new"  # a second warning would be an error


@pytest.mark.parametrize("value", ["my_blocks:new", "my-blocks/new", "My.Blocks:new"])
def test_the_distribution_of_an_alias_may_be_spelled_as_builders_allow(install, value):
    install("my-blocks", {**ENTRIES, "aliases": {"old": value}}, modules={"my_blocks": NEW})
    with pytest.warns(FutureWarning):
        assert registry.find("callback", "old").qualified == "my-blocks/new"


def test_an_alias_may_lead_to_another_distribution(install):
    install("my-blocks", {"aliases": {"old": "other_blocks:new"}})
    install("other-blocks", {"callbacks": {"new": "other_blocks:New"}}, modules={"other_blocks": NEW})
    with pytest.warns(FutureWarning, match="is called 'other-blocks/new' now"):
        assert registry.find("callback", "my-blocks/old").qualified == "other-blocks/new"


def test_an_alias_never_shadows_a_component(mine, install):
    install("other-blocks", {"callbacks": {"old": "other_blocks:New"}}, modules={"other_blocks": NEW})
    assert registry.find("callback", "old").qualified == "other-blocks/old"
    registry.register("callback", "old", type("Mine", (), {"on_train_begin": lambda self: None}), override=True)
    assert registry.find("callback", "old").qualified == "session/old"


def test_a_plugin_speaks_for_its_own_names_alone(mine):
    with pytest.raises(UnknownComponent):
        registry.find("callback", "other-blocks/old")


def test_an_alias_is_for_the_kind_in_which_the_new_name_is(mine):
    with pytest.raises(UnknownComponent, match="there is no head 'my-blocks/old'"):
        registry.find("head", "my-blocks/old")


def test_two_aliases_of_a_bare_name_are_ambiguous(mine, install):
    entries = {"callbacks": {"newer": "other_blocks:New"}, "aliases": {"old": "other_blocks:newer"}}
    install("other-blocks", entries, modules={"other_blocks": NEW})
    with pytest.raises(AmbiguousComponent, match="'my-blocks/new' or 'other-blocks/newer'"):
        registry.find("callback", "old")


def test_an_alias_of_a_plugin_that_is_switched_off_says_nothing(mine, monkeypatch):
    monkeypatch.setenv("LUMIN_DISABLE_PLUGINS", "my-blocks")
    registry.refresh()
    with pytest.raises(UnknownComponent):
        registry.find("callback", "my-blocks/old")


def test_an_alias_that_is_badly_written_is_listed_and_hurts_nobody(install):
    install("my-blocks", {**ENTRIES, "aliases": {"old": "new"}}, modules={"my_blocks": NEW})
    assert registry.find("callback", "new").problem is None
    (broken,) = [c for c in registry.components() if c.distribution == "my-blocks" and c.problem]
    assert broken.problem == "its entry point should be 'distribution:new_name', got 'new'"


def test_groups_beside_those_of_kinds_are_no_components(mine, install):
    install("your-blocks", {"templates": {"heads": "your_blocks:Head"}, "checks": {"heads": "your_blocks:CHECKS"}})
    assert [c.qualified for c in registry.components() if c.distribution in ("my-blocks", "your-blocks")] == [
        "my-blocks/new"
    ]
    assert [entry.value for entry in registry.beside("templates") if entry.distribution == "your-blocks"] == [
        "your_blocks:Head"
    ]


def test_an_option_of_before_is_given_under_its_new_name_with_one_warning(mine):
    line = "the option 'n_hidden' of the callback 'my-blocks/new' is called 'width' now; write that"
    with pytest.warns(FutureWarning) as told:
        made = [registry.build("callback", {"name": "new", "n_hidden": 8, "depth": 2}) for _ in range(2)]
    assert [(one.width, one.depth) for one in made] == [(8, 2), (8, 2)]
    assert [str(warning.message) for warning in told] == [line]


def test_an_option_given_under_both_names_is_refused(mine):
    with pytest.raises(ConfigError, match="is given 'n_hidden' and 'width', which are one option; keep 'width'"):
        registry.build("callback", {"name": "new", "n_hidden": 8, "width": 8})


def test_an_option_that_there_is_is_that_option(install):
    source = NEW.replace("width=3", "width=3, n_hidden=0")
    install("my-blocks", ENTRIES, modules={"my_blocks": source})
    assert registry.build("callback", {"name": "new", "n_hidden": 8}).width == 3


@pytest.mark.parametrize("said", ["3", "{'n_hidden': 1}", "['n_hidden']"])
def test_what_is_no_table_of_names_is_the_plugins_fault(install, said):
    source = NEW.replace('{"n_hidden": "width"}', said)
    install("my-blocks", ENTRIES, modules={"my_blocks": source})
    with pytest.raises(BrokenPlugin, match="renamed of the callback 'my-blocks/new' should be a dict of old names"):
        registry.build("callback", "new")


def test_a_config_has_the_names_of_now(mine):
    spec = {"name": "my-blocks/old", "n_hidden": 8}
    with pytest.warns(FutureWarning):
        registry.build("callback", spec)
    assert registry.to_config("callback", spec) == {"name": "my-blocks/new", "width": 8}
    assert spec == {"name": "my-blocks/old", "n_hidden": 8}


def test_a_specification_of_before_is_the_one_of_now(mine):
    registry.build("callback", "new")
    now = {"name": "my-blocks/new", "width": 8}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert renaming.spec_now({"name": "my-blocks/old", "n_hidden": 8}, now) == now
    other = {"name": "my-blocks/older", "n_hidden": 8}
    assert renaming.spec_now(other, now) == other
