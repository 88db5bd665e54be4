"""Importing and listing are light: no torch, numpy, pandas, h5py, and no plugin."""

import subprocess
import sys

import pytest

HEAVY = {"torch", "numpy", "pandas", "h5py", "sklearn", "scipy", "matplotlib"}
RUN = "from lumin_core.cli import main; "
CHECK = "from lumin_core.registry import inspection; inspection.warm_up = lambda: None; "  # which is for speed alone
UNKNOWN = """
from lumin_core import registry
try:
    registry.{call}
except KeyError:
    pass
else:
    raise SystemExit(9)
"""
LIGHT = {
    "import lumin_core": "import lumin_core",
    "names of lumin_core": "import lumin_core; dir(lumin_core); lumin_core.__version__; lumin_core.errors",
    "import lumin_core.registry": "import lumin_core.registry",
    "lumin_core.build": "import lumin_core; lumin_core.build; lumin_core.register",
    "components": "from lumin_core import registry; registry.components(); registry.kinds()",
    "import lumin_core.cli": "import lumin_core.cli",
    "lumin --help": RUN + "main(['--help'])",
    "lumin --version": RUN + "main(['--version'])",
    "lumin": RUN + "main([])",
    "lumin list-plugins": RUN + "main(['list-plugins'])",
    "lumin list-plugins --all": RUN + "main(['list-plugins', '--all'])",
    "lumin list-plugins --json": RUN + "main(['list-plugins', '--json'])",
    "lumin list-plugins --check": RUN + CHECK + "main(['list-plugins', '--check', '--kind', 'commands'])",
    "lumin list-plugins --help": RUN + "main(['list-plugins', '--help'])",
    "lumin describe --help": RUN + "main(['describe', '--help'])",
    "lumin describe of an unknown name": RUN + "main(['describe', 'head', 'gnn_haed'])",
    "lumin with an unknown command": RUN + "main(['no-such-command'])",
    "unknown name": UNKNOWN.format(call="build('head', 'cat_emb_haed')"),
    "unknown kind": UNKNOWN.format(call="build('haed', 'cat_emb_head')"),
    "name of another kind": UNKNOWN.format(call="resolve('head', {'name': 'fully_connected', 'depth': 3})"),
}


def loaded_by(code):
    """Run code in a process of its own and give the modules that it leaves loaded."""
    report = "\nimport sys\nsys.stderr.flush(); sys.stdout.flush()\nprint('\\nLOADED', *sys.modules)"
    done = subprocess.run([sys.executable, "-c", code + report], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return set(done.stdout.rpartition("LOADED")[2].split())


@pytest.mark.parametrize("what", LIGHT)
def test_loads_neither_torch_nor_numpy_nor_a_plugin(what):
    loaded = loaded_by(LIGHT[what])
    assert "lumin_core" in loaded
    heavy = {module for module in loaded if module in HEAVY or module.startswith("lumin_plugin")}
    assert not heavy


@pytest.mark.skipif(sys.version_info >= (3, 13), reason="importlib.metadata itself loads json")
def test_listing_avoids_what_makes_it_slow():
    loaded = loaded_by(LIGHT["lumin list-plugins"])
    assert not loaded & {"attr", "attrs", "packaging", "difflib", "json", "pluggy", "logging", "email.parser"}


@pytest.mark.torch
def test_plugins_are_light_until_a_name_is_used(plugins):
    for name in plugins:
        package = name.replace("-", "_")
        loaded = loaded_by(f"import {package}; dir({package})")
        assert package in loaded
        assert not loaded & HEAVY


@pytest.mark.torch
def test_the_check_sees_what_is_heavy():
    assert "numpy" in loaded_by("import numpy")
