import itertools
import sys

import pytest
from packaging.requirements import Requirement

from lumin_core import __version__ as VERSION
from lumin_core import registry
from lumin_core.errors import BrokenPlugin, IncompatiblePlugin, UnknownComponent
from lumin_core.registry import names, scan

CALLBACK = """
class Shout:
    def on_train_begin(self): ...
"""


def by_qualified(kind=None):
    return {component.qualified: component for component in registry.components(kind)}


def test_scan_finds_a_third_party_component(install):
    install("my-blocks", {"callbacks": {"shout": "my_blocks:Shout"}}, modules={"my_blocks": CALLBACK})
    component = registry.find("callback", "shout")
    assert (component.qualified, component.distribution, component.version) == ("my-blocks/shout", "my-blocks", "1.0")
    assert (component.kind, component.value, component.problem) == ("callback", "my_blocks:Shout", None)
    assert type(registry.build("callbacks", "my-blocks/shout")).__name__ == "Shout"


def test_scan_happens_once_a_process_until_refresh(install, tmp_path, monkeypatch):
    install("my-blocks", {"callbacks": {"shout": "my_blocks:Shout"}})
    calls, make = [], scan.scan
    monkeypatch.setattr("lumin_core.registry.scan.scan", lambda: calls.append(1) or make())
    for _ in range(3):
        registry.components()
        registry.find("callback", "shout")
    assert calls == [1]
    registry.refresh()
    registry.components()
    assert calls == [1, 1]


def test_scan_is_sorted(install):
    install("b-blocks", {"callbacks": {"zoo": "b:Zoo", "ape": "b:Ape"}})
    install("a-blocks", {"callbacks": {"ape": "a:Ape"}})
    listed = [c.qualified for c in registry.components("callbacks") if "blocks" in c.distribution]
    assert listed == ["a-blocks/ape", "b-blocks/ape", "b-blocks/zoo"]


def test_scan_takes_the_first_of_two_copies_on_the_path(install):
    install("my-blocks", {"callbacks": {"old": "my_blocks:Old"}}, version="0.9", folder="later")
    install("my-blocks", {"callbacks": {"new": "my_blocks:New"}}, version="1.1", folder="first")
    assert {"my-blocks/new"} == {name for name in by_qualified("callback") if name.startswith("my-blocks")}


def test_scan_takes_the_first_copy_even_if_it_has_nothing_of_ours(install):
    install("my-blocks", {"callbacks": {"old": "my_blocks:Old"}}, version="0.9", folder="later")
    install("my-blocks", {}, version="1.1", folder="first")
    assert not [name for name in by_qualified("callback") if name.startswith("my-blocks")]


def test_scan_does_not_import(install):
    install("my-blocks", {"callbacks": {"shout": "explodes:Shout"}}, modules={"explodes": "raise SystemExit(3)"})
    assert registry.find("callback", "shout").problem is None


@pytest.mark.parametrize(
    ("requirement", "fits"),
    [
        (f"lumin-core>={VERSION},<99", True),
        (f"lumin_core >= {VERSION}", True),
        (f"Lumin.Core[onnx]~={VERSION}", True),
        (f"lumin-core (>={VERSION})", True),
        ("lumin-core", True),
        ("lumin-core>=99", False),
        ("lumin-core==0.0.*", False),
        ("lumin-core[onnx]>=7; extra == 'onnx'", True),
        ("lumin-core>=7; python_version < '3'", True),
        ("lumin-core>=7; python_version >= '3'", False),
        ("lumin-core-extras>=7", True),
        ("numpy>=999", True),
    ],
)
def test_scan_compares_requirements_with_the_running_core(install, requirement, fits):
    install("my-blocks", {"callbacks": {"shout": "my_blocks:Shout"}}, requires=[requirement])
    component = registry.find("callback", "shout")
    assert (component.problem is None) is fits
    if not fits:
        with pytest.raises(IncompatiblePlugin, match=rf"my-blocks/shout.*lumin-core {VERSION}"):
            registry.build("callback", "shout")


def test_scan_compares_plain_requirements_as_packaging_does():
    versions = ["0.1", "0.1.0", "0.1.1", "0.2", "0.10", "1", "0.0.9", "0.1.0.0", "0.2.0rc1", "0.2.dev1"]
    bounds = ["0.1", "0.1.0", "0.2", "0.1.1", "1.0", "0.10"]
    for version, operator, bound in itertools.product(versions, [">=", "<=", "==", "<", ">", "!=", "~="], bounds):
        if operator == "~=" and "." not in bound:
            continue
        text = f"lumin-core{operator}{bound},<7"
        assert scan._allows(text, version) is Requirement(text).specifier.contains(version, prereleases=True), text


def test_usual_requirements_are_compared_without_packaging(monkeypatch):
    """It would be a fifth of the start-up of `lumin list-plugins`."""
    monkeypatch.setitem(sys.modules, "packaging.requirements", None)
    usual = {
        "lumin-core<0.3,>=0.2": True,
        "lumin-core[standard]>=7": False,
        "lumin-core[a, b_c]>=0.1": True,
        'lumin-core[testing]>=7; extra == "test"': True,
    }
    assert {text: scan._allows(text, "0.2.0") for text in usual} == usual
    with pytest.raises(ImportError):
        scan._allows("lumin-core~=0.2", "0.2.0")


def test_scan_lists_a_broken_requirement_as_broken(install):
    install("my-blocks", {"callbacks": {"shout": "my_blocks:Shout"}}, requires=["lumin-core>>1"])
    with pytest.raises(BrokenPlugin, match="Requires-Dist cannot be read"):
        registry.build("callback", "shout")


@pytest.mark.parametrize("metadata", ["", b"\xff\xfe\x00 not text", "Metadata-Version: 2.1\n"])
def test_scan_survives_unreadable_metadata(install, metadata):
    install("bad-blocks", {"callbacks": {"shout": "bad:Shout"}}, metadata=metadata)
    install("my-blocks", {"callbacks": {"whisper": "my_blocks:Whisper"}})
    assert registry.find("callback", "whisper").problem is None
    broken = registry.find("callback", "shout")
    assert "metadata cannot be read" in broken.problem
    with pytest.raises(BrokenPlugin, match="install the distribution again"):
        broken.load()


@pytest.mark.parametrize(
    "entry_points", [b"[lumin.callbacks]\n\xff\xfe = a:b\n", "[lumin.callbacks]\nno equals sign\n"]
)
def test_scan_survives_unreadable_entry_points(install, entry_points):
    install("bad-blocks", {}, entry_points=entry_points)
    install("my-blocks", {"callbacks": {"whisper": "my_blocks:Whisper"}})
    assert registry.find("callback", "whisper").problem is None
    problems = {c.distribution: c.problem for c in registry.components() if c.problem}
    assert list(problems) == ["bad-blocks"]


def test_scan_ignores_unreadable_entry_points_of_strangers(install):
    install("stranger", {}, entry_points=b"[console_scripts]\n\xff = a:b\n", requires=["numpy"])
    assert "stranger" not in {component.distribution for component in registry.components()}


@pytest.mark.parametrize(
    ("entry", "problem"),
    [
        ({"name": "a:B"}, "is no name"),
        ({"two words": "a:B"}, "is no name"),
        ({"shout": "no_attribute"}, "module:attribute"),
        ({"shout": "a:B [extra]"}, "module:attribute"),
        ({"shout": "a:B", "Shout": "a:C"}, "names it twice"),
        ({"loud_shout": "a:B", "loud-shout": "a:C"}, "names it twice"),
    ],
)
def test_scan_lists_bad_entries_as_broken(install, entry, problem):
    install("my-blocks", {"callbacks": entry})
    problems = [c.problem for c in registry.components("callback") if c.distribution == "my-blocks"]
    assert problems
    assert all(problem in text for text in problems)


def test_scan_refuses_a_distribution_with_a_reserved_name(install):
    install("gnn", {"heads": {"mine": "a:B"}})
    with pytest.raises(BrokenPlugin, match="reserved"):
        registry.build("head", "mine")


def test_scan_lists_a_group_that_is_no_kind(install):
    install("my-blocks", {"head": {"mine": "a:B"}})
    assert "declares the kind 'head'" in by_qualified()["my-blocks/mine"].problem


def test_scan_lets_entries_for_first_party_kinds_sleep(install, monkeypatch):
    later = {"kinds": ["later_parts"], "components": {}, "helps": {}}
    monkeypatch.setitem(names.first_party()["plugins"], "lumin-plugin-later", later)
    install("my-blocks", {"later_parts": {"mine": "a:B"}})
    assert "my-blocks/mine" not in by_qualified()


@pytest.mark.parametrize("value", ["my-blocks", "x, My_Blocks ,", "MY.BLOCKS"])
def test_scan_leaves_out_disabled_plugins(install, monkeypatch, value):
    install("my-blocks", {"callbacks": {"shout": "my_blocks:Shout"}})
    monkeypatch.setenv("LUMIN_DISABLE_PLUGINS", value)
    registry.refresh()
    assert "my-blocks/shout" not in by_qualified()
    with pytest.raises(UnknownComponent, match="my-blocks has it, but LUMIN_DISABLE_PLUGINS switches that off"):
        registry.build("callback", "shout")


@pytest.mark.parametrize("value", ["gnn", "lumin-plugin-gnn", "lumin_plugin_gnn"])
def test_scan_disables_first_party_plugins_by_short_and_whole_name(install, monkeypatch, value):
    install("lumin-plugin-gnn", {"heads": {"gnn_head": "a:B"}})
    assert registry.find("head", "gnn_head").qualified == "gnn/gnn_head"
    monkeypatch.setenv("LUMIN_DISABLE_PLUGINS", value)
    registry.refresh()
    with pytest.raises(UnknownComponent, match="switches that off") as caught:
        registry.find("head", "gnn_head")
    assert "pip install" not in str(caught.value)


def test_scan_never_disables_the_core(install, monkeypatch):
    install("my-blocks", {})
    monkeypatch.setenv("LUMIN_DISABLE_PLUGINS", "core,lumin-core")
    registry.refresh()
    assert registry.find("optimiser", "adam").qualified == "core/adam"


@pytest.mark.parametrize(
    ("requires", "entry", "error"),
    [
        (["lumin-core>=7"], "a:B", IncompatiblePlugin),
        (["lumin-core>=0.1"], "nonsense", BrokenPlugin),
    ],
)
def test_strict_raises_at_the_scan(install, monkeypatch, requires, entry, error):
    install("my-blocks", {"callbacks": {"shout": entry}}, requires=requires)
    assert registry.find("optimiser", "adam")
    monkeypatch.setenv("LUMIN_STRICT_PLUGINS", "1")
    registry.refresh()
    with pytest.raises(error, match="my-blocks/shout"):
        registry.find("optimiser", "adam")


def test_strict_switched_off_by_zero(install, monkeypatch):
    install("my-blocks", {"callbacks": {"shout": "nonsense"}})
    monkeypatch.setenv("LUMIN_STRICT_PLUGINS", "0")
    registry.refresh()
    assert registry.components()


def test_a_kind_is_declared_once(install):
    install("my-kinds", {"kinds": {"sauces": "my_kinds:Sauce", "heads": "my_kinds:Sauce"}})
    install("other-kinds", {"kinds": {"sauces": "other:Sauce"}})
    problems = {c.qualified: c.problem for c in registry.components("kind") if "-kinds/" in c.qualified}
    assert problems["my-kinds/sauces"] is None
    assert "declared already" in problems["other-kinds/sauces"]
    assert "declared already" in problems["my-kinds/heads"]


@pytest.mark.parametrize(
    ("group", "meant"),
    [
        ("lumin.head", "lumin.heads"),
        ("lumin.Heads", "lumin.heads"),
        ("lumin.haeds", "lumin.heads"),
        ("luminn.heads", "lumin.heads"),
        ("lummin.head", "lumin.heads"),
        ("lumin.kind", "lumin.kinds"),
        ("lumin.graph_extractor", "lumin.graph_extractors"),
        ("lumin_core.heads", "lumin.heads"),
        ("lumin-core.heads", "lumin.heads"),
        ("Lumin.heads", "lumin.heads"),
        ("lumin.core.bodies", "lumin.bodies"),
        ("lumin_plugins.losses", "lumin.losses"),
    ],
)
def test_a_group_that_there_is_not_is_listed_with_the_one_that_was_meant(install, group, meant):
    install("my-blocks", {}, entry_points=f"[{group}]\nmine = a:B\n")
    install("other", {"heads": {"theirs": "a:B"}})
    component = by_qualified()["my-blocks/mine"]
    assert component.kind == "plugin"
    assert f"did you mean the group '{meant}'?" in component.problem
    with pytest.raises(UnknownComponent, match=f"my-blocks has it, but .*did you mean the group '{meant}'"):
        registry.find("head", "mine")
    assert registry.find("head", "theirs").problem is None


def test_a_component_of_a_wrong_group_makes_no_name_ambiguous(install):
    install("my-blocks", {"optimiser": {"adam": "a:B"}})
    assert registry.find("optimiser", "adam").qualified == "core/adam"


@pytest.mark.parametrize("name", ["head", "Heads", "kind", "plugins", "HEAD-S"])
def test_a_kind_with_a_name_of_ours_is_refused(install, name):
    install("my-kinds", {"kinds": {name: "my_kinds:Sauce"}})
    (problem,) = [c.problem for c in registry.components("kind") if "my-kinds/" in c.qualified]
    assert "declared already" in problem
    assert registry.find_kind("head").base == "lumin_core.model.blocks:Head"


def test_a_kind_that_its_distribution_declares_twice_is_declared_by_none(install):
    text = "[lumin.kinds]\nsauces = a:B\nsauces = a:C\nmy sauces = a:D\n"
    text += "[lumin.sauces]\nhot = a:E\n[lumin.heads]\nok = a:F\n"
    install("my-kinds", {}, entry_points=text)
    problems = [c.problem for c in registry.components("kind") if "my-kinds/" in c.qualified]
    assert sorted(text.partition(":")[0] for text in problems)[:2] == ["'my sauces' is no name", *problems[1:2]]
    assert problems.count("its distribution names it twice") == 2
    assert "declares the kind 'sauces'" in by_qualified()["my-kinds/hot"].problem
    assert registry.find("head", "ok").problem is None


def test_entry_names_with_capitals_are_found_and_bad_ones_told(install):
    install("my-blocks", {"callbacks": {"ShoutLoud": "a:B", "cr\u00fc": "a:C"}})
    assert registry.find("callback", "shout_loud").qualified == "my-blocks/ShoutLoud"
    with pytest.raises(BrokenPlugin, match="is no name"):
        registry.find("callback", "cr\u00fc").load()


def test_a_plugin_to_switch_off_that_there_is_not_is_told(install, monkeypatch, caplog):
    install("my-blocks", {"callbacks": {"shout": "a:B"}})
    monkeypatch.setenv("LUMIN_DISABLE_PLUGINS", "tabulr, my-block, gnn")
    registry.refresh()
    assert registry.find("callback", "shout")
    assert [record.getMessage() for record in caplog.records] == [
        "LUMIN_DISABLE_PLUGINS names 'my-block', which is no plugin; did you mean 'my-blocks'?",
        "LUMIN_DISABLE_PLUGINS names 'tabulr', which is no plugin; did you mean 'tabular'?",
    ]


def test_a_group_without_a_kind_is_told_so(install):
    install("other", {"callbacks": {"own": "a:B"}}, entry_points="[lumin]\nown = a:B\n")
    assert by_qualified()["other/own"].problem.startswith("its group 'lumin' is none of ours; ours are lumin.heads")


@pytest.mark.parametrize("text", ["[lumin.heads\nown = a:B\n", "own = a:B\n", "\n [heads\nown = a:B"])
def test_entry_points_that_stand_in_no_group_are_told_so(install, text):
    install("other", {}, entry_points=text)
    install("strangers", {}, entry_points=text, requires=())
    whole = by_qualified()["other/other"]
    assert "has no entry in a group of ours, such as [lumin.heads]" in whole.problem
    assert not [name for name in by_qualified() if name.startswith("strangers")]


def test_a_name_that_is_none_is_not_suggested(install):
    install("other", {"callbacks": {"core/adam": "a:B"}})
    with pytest.raises(UnknownComponent) as raised:
        registry.find("callback", "core/adam")
    assert "did you mean 'core/adam'" not in str(raised.value)
