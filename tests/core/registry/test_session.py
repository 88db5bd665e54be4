from functools import partial

import pytest

from lumin_core import registry
from lumin_core.errors import ConfigError


@pytest.fixture(autouse=True)
def clean():
    with registry.temporary():
        yield


class Shout:
    def on_train_begin(self): ...


class Whisper:
    def on_train_begin(self): ...


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
    registry.register("initialiser", "leaky", partial(dict, slope=0.1, side="left"))
    assert registry.build("initialiser", {"name": "leaky", "slope": 0.2}) == {"slope": 0.2, "side": "left"}


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


@pytest.mark.torch
def test_register_refuses_a_class_that_is_not_of_the_kind():
    with pytest.raises(ConfigError, match=r"a head is a subclass of lumin_core\.Head"):
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
