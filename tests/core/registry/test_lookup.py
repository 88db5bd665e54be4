import subprocess
import sys

import pytest

from lumin_core import registry
from lumin_core.errors import AmbiguousComponent


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
