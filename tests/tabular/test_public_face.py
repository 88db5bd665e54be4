import subprocess
import sys

import pytest

import lumin_plugin_tabular
from lumin_core import registry

OURS = [component for component in registry.components() if component.distribution == "lumin-plugin-tabular"]
COMPONENTS = [component for component in OURS if component.kind != "command"]  # which the shell finds


def test_every_public_name_is_there_and_documented():
    for name in lumin_plugin_tabular.__all__:
        assert getattr(lumin_plugin_tabular, name).__doc__
    assert set(lumin_plugin_tabular.__all__) <= set(dir(lumin_plugin_tabular))


def test_an_unknown_name_is_refused():
    with pytest.raises(AttributeError, match="no attribute 'FullyConected'"):
        _ = lumin_plugin_tabular.FullyConected


@pytest.mark.parametrize("component", COMPONENTS, ids=lambda component: component.qualified)
def test_every_component_loads_and_is_public(component):
    assert component.load().__name__ in lumin_plugin_tabular.__all__


def test_importing_the_plugin_loads_nothing_heavy():
    code = (
        "import sys, lumin_plugin_tabular; sys.exit(bool({'torch', 'numpy', 'pandas', 'sklearn'} & set(sys.modules)))"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
