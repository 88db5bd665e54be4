import re
import sys
import types

import pytest

from lumin_core import lazy
from lumin_core.errors import BrokenPlugin


@pytest.fixture
def package(monkeypatch):
    """Give a made-up package with lazy names."""
    made, home = types.ModuleType("made_up"), types.ModuleType("made_up.home")
    made.__path__ = []
    home.Thing = type("Thing", (), {})
    moved = {"Gone": "lumin_plugin_elsewhere", "Thing": "lumin_plugin_elsewhere"}
    made.__getattr__, made.__dir__, made.__all__ = lazy.attach("made_up", {"home": ["Thing"]}, ["home"], moved=moved)
    monkeypatch.setitem(sys.modules, "made_up", made)
    monkeypatch.setitem(sys.modules, "made_up.home", home)
    return made


def test_names_are_loaded_from_their_module_and_kept(package):
    assert "Thing" not in vars(package)
    assert package.Thing is package.home.Thing
    assert vars(package)["Thing"] is package.home.Thing


def test_only_public_names_are_listed(package):
    assert dir(package) == package.__all__ == ["Thing", "home"]


def test_an_unknown_name_is_an_attribute_error_with_those_that_there_are(package):
    with pytest.raises(AttributeError, match="made_up has no attribute 'Thnig'; its names are: Thing, home"):
        _ = package.Thnig
    with pytest.raises(ImportError, match="cannot import name"):
        from made_up import Thnig  # noqa: F401


def test_a_name_that_moved_says_where_it_is_however_it_is_asked_for(package):
    message = "made_up.Gone is now lumin_plugin_elsewhere.Gone: pip install lumin-plugin-elsewhere"
    with pytest.raises(ImportError, match=message):
        _ = package.Gone
    with pytest.raises(ImportError, match=message):
        from made_up import Gone  # noqa: F401


def test_a_name_that_is_there_has_not_moved(package):
    from made_up import Thing

    assert Thing is package.home.Thing


def test_who_has_entry_points_that_cannot_be_read_is_named(install):
    source = "from importlib import metadata\nmetadata.entry_points(group='torch.backends')"  # as torch does
    site = install("strangers", {}, requires=(), modules={"reads_all": source})
    assert lazy.imported("reads_all").__name__ == "reads_all"
    sys.modules.pop("reads_all")
    info = site / "strangers-1.0.dist-info"
    (info / "entry_points.txt").write_bytes(b"[a]\nx = m:X\xff\xfe\n")
    assert lazy.unreadable() == [str(info)]
    with pytest.raises(
        BrokenPlugin, match=f"those in {re.escape(str(info))} cannot be read: repair or remove that"
    ) as raised:
        lazy.imported("reads_all")
    assert isinstance(raised.value.__cause__, UnicodeDecodeError)
