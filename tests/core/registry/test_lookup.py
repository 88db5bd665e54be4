import subprocess
import sys

import pytest

from lumin_core import registry
from lumin_core.errors import AmbiguousComponent, UnknownComponent
from lumin_core.registry import names


@pytest.fixture(autouse=True)
def clean():
    with registry.temporary():
        yield


class Shout:
    def on_train_begin(self): ...


CALLBACK = """
class Shout:
    def on_train_begin(self): ...
"""


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


def test_pinned_bare_names_win_over_the_session_inside_the_block_only():
    registry.register("activation", "relu", Shout, override=True)
    with registry.pinned({("activations", "ReLU"): "core/relu"}):
        assert registry.find("activation", "relu").qualified == "core/relu"
        assert registry.find("activation", "session/relu").qualified == "session/relu"
        with registry.pinned({("activation", "tanh"): "core/tanh"}):
            assert registry.find("activation", "relu").qualified == "core/relu"
    assert registry.find("activation", "relu").qualified == "session/relu"


def test_a_name_in_two_distributions_is_ambiguous_at_use(install):
    install("a-blocks", {"callbacks": {"shout": "a_blocks:Shout"}}, modules={"a_blocks": CALLBACK})
    install("b-blocks", {"callbacks": {"Shout": "b_blocks:Shout"}}, modules={"b_blocks": CALLBACK})
    with pytest.raises(AmbiguousComponent, match="write 'a-blocks/shout' or 'b-blocks/Shout'"):
        registry.build("callback", "shout")
    assert type(registry.build("callback", "b-blocks/shout")).__module__ == "b_blocks"
    with registry.pinned({("callbacks", "Shout"): "a-blocks/shout"}):
        assert type(registry.build("callback", "shout")).__module__ == "a_blocks"


@pytest.fixture
def moved(monkeypatch):
    """Say that the callback ``core/loud_shout`` has moved to lumin-plugin-track."""
    table = {"callback": {"core/loud_shout": "track/loud_shout", "core/shout": "track/shout"}}
    plugin = {"kinds": [], "components": {"callback": ["loud_shout", "shout"]}, "helps": {}}
    monkeypatch.setitem(names.first_party(), "moved", table)
    monkeypatch.setitem(names.first_party()["plugins"], "lumin-plugin-track", plugin)


@pytest.mark.parametrize("name", ["core/loud_shout", "core/LoudShout", "lumin-core/loud-shout", "track/loud_shout"])
def test_a_qualified_name_that_moved_leads_to_where_it_is(install, moved, name):
    install("lumin-plugin-track", {"callbacks": {"loud_shout": "loud:Shout"}}, modules={"loud": CALLBACK})
    assert registry.find("callback", name).qualified == "track/loud_shout"
    assert registry.to_config("callback", {"name": name, "loudness": 3}) == {"name": "track/loud_shout", "loudness": 3}
    with registry.pinned({("callback", "loud_shout"): name}):
        assert type(registry.build("callback", "loud_shout")).__name__ == "Shout"


def test_a_qualified_name_that_moved_says_what_to_install(moved):
    expected = "no callback 'core/Loud-Shout'; it is 'track/loud_shout' now; lumin-plugin-track has it: pip install"
    with pytest.raises(UnknownComponent, match=expected):
        registry.find("callback", "core/Loud-Shout")
    with pytest.raises(UnknownComponent, match="lumin-plugin-track has it: pip install lumin-plugin-track"):
        registry.find("callback", "loud_shout")


def test_a_qualified_name_that_is_there_has_not_moved(install, moved):
    registry.register("callback", "shout", Shout)
    assert registry.find("callback", "session/shout").qualified == "session/shout"
    with pytest.raises(UnknownComponent, match=r"there is no callback 'other/shout'; (?!it is)"):
        registry.find("callback", "other/shout")
