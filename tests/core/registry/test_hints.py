import pytest

from lumin_core import registry
from lumin_core.errors import UnknownComponent
from lumin_core.registry import hints, names
from lumin_core.registry.hints import unknown


def test_unknown_kind_is_an_error_with_suggestion():
    with pytest.raises(UnknownComponent, match="there is no kind 'haed'; did you mean 'heads'"):
        registry.build("haed", "x")
    with pytest.raises(UnknownComponent, match="kinds are heads, bodies"):
        registry.components("qqqq")
    with pytest.raises(KeyError):
        registry.find(3, "x")


def test_unknown_kind_of_a_first_party_plugin_says_what_to_install(monkeypatch):
    later = {"kinds": ["later_parts"], "components": {}, "helps": {}}
    monkeypatch.setitem(names.first_party()["plugins"], "lumin-plugin-later", later)
    with pytest.raises(UnknownComponent, match="pip install lumin-plugin-later"):
        registry.find("later_part", "roc")


def test_unknown_name_is_an_error_with_suggestion_and_the_known_names():
    with pytest.raises(
        UnknownComponent, match=r"no optimiser 'adamm'; did you mean.*'adam'.*known optimisers: adadelta"
    ):
        registry.find("optimiser", "adamm")


def test_unknown_name_says_which_other_kind_has_it():
    with pytest.raises(UnknownComponent, match="there is an activation of that name"):
        registry.find("loss", "ReLU")


@pytest.mark.parametrize("name", ["gnn_head", "GNNHead", "gnn/gnn-head", "lumin-plugin-gnn/gnn_head"])
def test_unknown_name_says_what_to_install(name, monkeypatch):
    monkeypatch.setattr(hints, "is_installed", lambda distribution: False)
    with pytest.raises(UnknownComponent, match="lumin-plugin-gnn has it: pip install lumin-plugin-gnn"):
        raise unknown("head", name)


def test_a_near_miss_of_what_is_not_installed_comes_with_its_plugin(monkeypatch):
    later = {"kinds": [], "components": {"head": ["later_head"]}, "helps": {}}
    monkeypatch.setitem(names.first_party()["plugins"], "lumin-plugin-later", later)
    assert "did you mean 'later_head' (pip install lumin-plugin-later)" in str(unknown("head", "later_haed"))


def test_an_unknown_distribution_in_a_qualified_name_is_said_so():
    with pytest.raises(UnknownComponent, match="no distribution 'nowhere' with components"):
        registry.find("optimiser", "nowhere/adam")
    with pytest.raises(UnknownComponent, match="no distribution 'lumin-plugin-explain'"):
        registry.find("optimiser", "explain/adam")


def test_unknown_names_print_plainly():
    with pytest.raises(UnknownComponent) as caught:
        registry.find("optimiser", "x")
    assert str(caught.value).startswith("there is no optimiser")


@pytest.mark.parametrize("kind", ["reader", "readers", "Writers"])
def test_readers_and_writers_come_with_io(install, monkeypatch, kind):
    install("my-blocks", {})
    monkeypatch.setenv("LUMIN_DISABLE_PLUGINS", "io")
    registry.refresh()
    with pytest.raises(UnknownComponent, match="is declared by lumin-plugin-io: pip install lumin-plugin-io"):
        registry.find(kind, "root")


def test_suggestion_has_the_nearest_and_the_rest():
    names_of = ["depth", "width"]
    assert hints.suggestion("widht", names_of, "it has two") == "; did you mean 'width'? it has two"
    assert hints.suggestion("qqq", names_of, "it has two") == "; it has two"


def test_missing_lists_what_could_be_installed(monkeypatch):
    monkeypatch.setattr(hints, "is_installed", lambda distribution: distribution != "lumin-plugin-gnn")
    assert ("lumin-plugin-gnn", "head", "gnn_head") in hints.missing()
    assert {plugin for plugin, _, _ in hints.missing()} == {"lumin-plugin-gnn"}
    assert [name for _, _, name in hints.missing("head")] == ["gnn_head", "pyg_head"]
