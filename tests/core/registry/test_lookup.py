import subprocess
import sys
from functools import partial

import pytest

from lumin_core import registry
from lumin_core.errors import ConfigError, UnknownComponent
from lumin_core.registry import first_party, hints
from lumin_core.registry.hints import unknown


@pytest.fixture(autouse=True)
def clean():
    with registry.temporary():
        yield


class Shout:
    def on_train_begin(self): ...


class Whisper:
    def on_train_begin(self): ...


@pytest.mark.parametrize("name", ["adamw", "AdamW", "ADAMW", "adam_w", "adam-w", "core/adamw", "lumin-core/AdamW"])
def test_find_ignores_case_and_separators(name):
    assert registry.find("optimiser", name).qualified == "core/adamw"


@pytest.mark.parametrize("kind", ["optimiser", "optimisers", "Optimisers"])
def test_find_takes_singular_and_plural(kind):
    assert registry.find(kind, "adam").kind == "optimiser"


def test_components_of_one_kind_are_sorted():
    names = [component.name for component in registry.components("activations")]
    assert names == sorted(names)
    assert {"relu", "swish", "mish"} <= set(names)


def test_unknown_kind_is_an_error_with_suggestion():
    with pytest.raises(UnknownComponent, match="there is no kind 'haed'; did you mean 'heads'"):
        registry.build("haed", "x")
    with pytest.raises(UnknownComponent, match="kinds are heads, bodies"):
        registry.components("qqqq")
    with pytest.raises(KeyError):
        registry.find(3, "x")


def test_unknown_kind_of_a_first_party_plugin_says_what_to_install():
    with pytest.raises(UnknownComponent, match="pip install lumin-plugin-plots"):
        registry.find("report_section", "roc")


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
    monkeypatch.setitem(first_party.FIRST_PARTY_COMPONENTS, "lumin-plugin-later", {"head": ("later_head",)})
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


def test_looking_up_names_imports_nothing_heavy():
    code = """
import sys, lumin_core
from lumin_core import registry
registry.components()
for kind, name in [("head", "no_such_head"), ("loss", "relu"), ("head", "gnn/no_head"), ("haed", "x")]:
    try:
        registry.build(kind, name)
    except KeyError:
        pass
    else:
        raise SystemExit(f"{name} was found")
heavy = {"torch", "numpy", "pandas", "h5py", "pluggy"} | {m for m in sys.modules if m.startswith("lumin_plugin")}
print(*sorted(heavy & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.strip()) == (0, ""), done.stderr


def test_owners_ignores_case_and_separators():
    assert first_party.owners("metric", "rocaucscore") == [("lumin-plugin-metrics", "roc_auc_score")]
    assert first_party.owners("metric", "gnnhead") == []


def test_register_as_a_decorator_with_and_without_a_name():
    registered = registry.register("callback")(Shout)
    assert registered is Shout
    assert registry.register("callbacks", "quiet")(Whisper) is Whisper
    assert type(registry.build("callback", "shout")) is Shout
    assert type(registry.build("callback", "session/Quiet")) is Whisper
    assert registry.find("callback", "shout").distribution == "session"


def test_register_called_with_the_object():
    assert registry.register("callback", "shout", Shout) is Shout
    assert registry.register("callback", obj=Whisper) is Whisper
    assert type(registry.build("callback", "whisper")) is Whisper


def test_register_a_partial_whose_options_are_defaults():
    registry.register("activation", "leaky", partial(dict, slope=0.1, side="left"))
    assert registry.build("activation", {"name": "leaky", "slope": 0.2}) == {"slope": 0.2, "side": "left"}


def test_register_again_from_the_same_cell_replaces():
    def cell(value):
        @registry.register("callback", "shout")
        class InCell:
            loudness = value

        return InCell

    cell(1)
    second = cell(2)
    assert registry.find("callback", "shout").load() is second


def test_register_refuses_a_taken_name():
    registry.register("callback", "shout", Shout)
    with pytest.raises(ConfigError, match=r"'shout' is taken by session/shout .*Shout.*override=True"):
        registry.register("callback", "shout", Whisper)
    registry.register("callback", "shout", Whisper, override=True)
    assert registry.find("callback", "shout").load() is Whisper


def test_register_refuses_an_installed_name_without_override(install):
    install("my-blocks", {"callbacks": {"shout": "my_blocks:Shout"}})
    with pytest.raises(ConfigError, match=r"taken by my-blocks/shout \(my_blocks:Shout\)"):
        registry.register("callback", "shout", Shout)
    registry.register("callback", "shout", Shout, override=True)
    assert registry.find("callback", "shout").qualified == "session/shout"
    assert registry.find("callback", "my-blocks/shout").qualified == "my-blocks/shout"


@pytest.mark.parametrize("name", ["name", "Name", "two words", "1st", "a/b", "-x", "ä"])
def test_register_refuses_what_is_no_name(name):
    with pytest.raises(ConfigError, match="is no name"):
        registry.register("callback", name, Shout)


@pytest.mark.parametrize("obj", [Shout(), 3, "Shout"])
def test_register_takes_constructors_only(obj):
    with pytest.raises(ConfigError, match="takes a class, a function or a partial"):
        registry.register("callback", "mine", obj)


def test_register_refuses_swapped_arguments():
    with pytest.raises(ConfigError, match=r"a name is text.*register\('callback', obj=\.\.\.\)"):
        registry.register("callback", Shout, Shout)


def test_register_refuses_a_class_that_is_not_of_the_kind():
    with pytest.raises(ConfigError, match=r"a head is a subclass of lumin_core\.model\.blocks:Head"):
        registry.register("head", "mine", Shout)


def test_temporary_undoes_registrations_even_after_an_error():
    registry.register("callback", "shout", Shout)

    def fail():
        with registry.temporary():
            registry.register("callback", "shout", Whisper, override=True)
            registry.register("callback", "whisper", Whisper)
            raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"):
        fail()
    assert registry.find("callback", "shout").load() is Shout
    assert not [c for c in registry.components("callback") if c.name == "whisper"]


def test_refresh_keeps_the_sessions_registrations():
    registry.register("callback", "shout", Shout)
    registry.refresh()
    assert registry.find("callback", "shout").load() is Shout


def test_recording_collects_nested_components_once():
    def nested():
        return [registry.build("activation", "relu"), registry.build("activation", "relu")]

    registry.register("initialiser", "nested", nested)
    with registry.recording() as outer:
        registry.build("activation", "tanh")
        with registry.recording() as inner:
            registry.build("initialiser", "nested")
    assert [component.qualified for component in inner] == ["session/nested", "core/relu"]
    assert [component.qualified for component in outer] == ["core/tanh", "session/nested", "core/relu"]
    registry.build("activation", "mish")
    assert len(outer) == 3


def test_recording_knows_the_component_of_a_class():
    import torch

    with registry.recording() as used:
        registry.build("activation", torch.nn.ReLU)
        registry.resolve("optimiser", partial(torch.optim.SGD, lr=0.1))
        registry.build("activation", torch.nn.Linear, in_features=1, out_features=1)
    assert [component.qualified for component in used] == ["core/relu", "core/sgd"]


def test_pinned_bare_names_win_over_the_session_inside_the_block_only():
    registry.register("activation", "relu", Shout, override=True)
    with registry.pinned({("activations", "ReLU"): "core/relu"}):
        assert registry.find("activation", "relu").qualified == "core/relu"
        assert registry.find("activation", "session/relu").qualified == "session/relu"
        with registry.pinned({("activation", "tanh"): "core/tanh"}):
            assert registry.find("activation", "relu").qualified == "core/relu"
    assert registry.find("activation", "relu").qualified == "session/relu"
