import pytest

from lumin_core import registry
from lumin_core.errors import BrokenPlugin, IncompatiblePlugin
from lumin_core.registry.component import Component, load_object


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("raise RuntimeError('no licence')", "RuntimeError: no licence"),
        ("import not_there_at_all", "ModuleNotFoundError"),
        ("x = (", "SyntaxError"),
        ("Other = 1", "AttributeError"),
    ],
)
def test_load_chains_what_went_wrong_in_a_plugin(install, source, reason):
    install("my-blocks", {"callbacks": {"shout": "broken_one:Shout"}}, modules={"broken_one": source})
    assert registry.find("callback", "shout").problem is None
    with pytest.raises(BrokenPlugin, match=reason) as caught:
        registry.build("callback", "shout")
    assert caught.value.__cause__ is not None
    assert "my-blocks 1.0" in str(caught.value)
    assert isinstance(caught.value, ImportError)


def make(**fields):
    known = {"kind": "callback", "name": "loud_shout", "qualified": "my-blocks/loud_shout", "distribution": "my-blocks"}
    return Component(**{**known, "version": "1.0", "value": "json:JSONDecoder.decode", **fields})


def test_load_follows_attributes_and_prefers_what_the_session_has():
    import json

    assert make().load() is json.JSONDecoder.decode
    assert make(obj=make).load() is make


def test_load_raises_the_error_of_the_problem():
    with pytest.raises(IncompatiblePlugin, match="the callback 'my-blocks/loud_shout' cannot be used: it is old"):
        make(problem="it is old", error=IncompatiblePlugin).load()


def test_components_are_compared_by_what_they_are_and_named_by_their_key():
    assert make(obj=make) == make()
    assert make().key == "loudshout"


def test_load_object_says_what_it_was_for():
    with pytest.raises(BrokenPlugin, match=r"a number cannot be loaded from math:tau_and_more: AttributeError"):
        load_object("math:tau_and_more", "a number")


def test_whatever_a_module_raises_is_that_plugins_problem_but_for_ctrl_c(install):
    sources = {"skips": "import pytest\npytest.skip('x', allow_module_level=True)", "stops": "raise KeyboardInterrupt"}
    install("my-blocks", {"norms": {name: f"{name}:X" for name in sources}}, modules=sources)
    with pytest.raises(BrokenPlugin, match=r"my-blocks.*cannot be loaded from skips:X: Skipped: x"):
        registry.find("norm", "skips").load()
    with pytest.raises(KeyboardInterrupt):
        registry.find("norm", "stops").load()
