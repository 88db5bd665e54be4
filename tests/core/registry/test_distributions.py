"""What metadata say of one distribution hides no other."""

from importlib import metadata

import pytest

from lumin_core import registry
from lumin_core.errors import UnknownComponent


@pytest.mark.parametrize("group", ["luminance.heads", "lumino", "my.lumin.heads"])
def test_groups_of_others_are_left_alone(install, group):
    install("stranger", {}, entry_points=f"[{group}]\nmine = a:B\n")
    assert "stranger" not in {component.distribution for component in registry.components()}


def test_what_a_distribution_says_of_its_name_hides_no_other(install):
    install("my-blocks", {"callbacks": {"whisper": "a:B"}})
    install("liar", {"callbacks": {"shout": "a:B"}}, metadata="Name: my-blocks\nVersion: 1.0\n")
    install("other-liar", {"callbacks": {"cry": "a:B"}}, metadata="Name: UNKNOWN\nVersion: 1.0\n")
    install("third-liar", {"callbacks": {"call": "a:B"}}, metadata="Name: UNKNOWN\nVersion: 1.0\n")
    assert registry.find("callback", "whisper").problem is None
    problems = {c.distribution: c.problem for c in registry.components("plugin")}
    assert list(problems) == ["liar", "other-liar", "third-liar"]
    assert "METADATA says that it is 'my-blocks'" in problems["liar"]
    with pytest.raises(UnknownComponent, match="liar cannot be used: its METADATA says"):
        registry.find("callback", "liar/shout")


def test_two_versions_in_one_folder_are_told(install):
    install("my-blocks", {"callbacks": {"shout": "a:B"}}, version="0.9", folder="site")
    install("my-blocks", {"callbacks": {"shout": "a:B"}}, version="1.1", folder="site")
    install("other", {"callbacks": {"whisper": "a:B"}}, folder="site")
    install("~ther", {"callbacks": {"whisper": "a:B"}}, folder="site")
    assert registry.find("callback", "shout").problem is None
    assert registry.find("callback", "whisper").problem is None
    (left,) = registry.components("plugin")
    assert "another version of it is installed in the same folder" in left.problem


def test_missing_metadata_hides_nothing(install, tmp_path):
    site = install("bad-blocks", {"callbacks": {"shout": "bad:Shout"}})
    next(site.glob("*.dist-info/METADATA")).unlink()
    install("my-blocks", {"callbacks": {"whisper": "my_blocks:Whisper"}})
    assert registry.find("callback", "whisper").problem is None
    assert "metadata cannot be read" in registry.find("callback", "shout").problem


def test_many_distributions_are_listed_and_none_breaks_another(install):
    """One of each four is broken, each in another way; reading does not grow with the square of their number."""
    broken = {
        "requires": {"requires": ["lumin-core>=99"]},
        "metadata": {"metadata": b"\xff\xfe"},
        "entries": {"entry_points": b"[lumin.callbacks]\n\xff = a:b\n"},
    }
    for i in range(12):
        entries = {"callbacks": {f"part_{i}_{j}": f"blocks_{i}:Part" for j in range(5)}}
        install(f"blocks-{i}", entries, folder="site")
        how = list(broken)[i % 3]
        install(f"broken-{how}-{i}", entries, folder="site", **broken[how])
    found = [
        component for component in registry.components() if component.distribution.startswith(("blocks", "broken"))
    ]
    well = [component for component in found if component.problem is None]
    assert len(well) == 60
    assert {component.distribution.split("-")[0] for component in well} == {"blocks"}
    assert {c.distribution for c in found if c.problem} == {f"broken-{list(broken)[i % 3]}-{i}" for i in range(12)}


def test_the_scan_lists_each_folder_once(install, monkeypatch):
    for i in range(8):
        install(f"blocks-{i}", {"callbacks": {f"part_{i}": "a:B"}}, folder="site")
    asked = []
    ask = metadata.distributions
    monkeypatch.setattr(metadata, "distributions", lambda **context: asked.append(context) or ask(**context))
    monkeypatch.setattr(metadata.Distribution, "from_name", lambda name: pytest.fail(f"{name} was looked for by name"))
    assert sum(component.distribution.startswith("blocks") for component in registry.components()) == 8
    assert asked == [{}]
