"""What stands in several distributions is the same in each, and their pages on an index can be read there."""

import re
import tomllib

import pytest
from packaging.version import Version

import lumin_core

SHARED = (
    "version",
    "requires-python",
    "license",
    "license-files",
    "authors",
    "keywords",
    "classifiers",
    "urls",
    "readme",
)


@pytest.fixture(scope="session")
def versions(load_script):
    return load_script("version")


@pytest.fixture(scope="session")
def readmes(plugins):
    return {name: (folder / "README.md").read_text(encoding="utf-8") for name, folder in plugins.items()}


def test_the_version_is_the_same_wherever_it_stands(versions):
    """`python .ci/version.py VERSION` writes it."""
    assert not versions.differing(versions.current())
    assert lumin_core.__version__ == str(versions.current())


def test_another_version_is_written_wherever_it_stands(versions, projects, plugins):
    texts = versions.differing(Version("7.8.9rc1"))
    assert {path.relative_to(versions.ROOT).as_posix() for path in texts} >= {"CITATION.cff", "lumin_core/__init__.py"}
    written = [tomllib.loads(text)["project"] for path, text in texts.items() if path.name == "pyproject.toml"]
    assert {project["version"] for project in written} == {"7.8.9rc1"}
    assert len(written) == len(projects)
    asked = [line for project in written for line in project["dependencies"] if line.startswith("lumin-core")]
    assert asked == ["lumin-core>=7.8.9rc1,<8"] * len(plugins)


@pytest.mark.parametrize(
    ("version", "bound"),
    [("0.3.0", ">=0.3,<0.4"), ("0.3.1", ">=0.3,<0.4"), ("0.3.0rc1", ">=0.3.0rc1,<0.4"), ("1.4.2", ">=1.4,<2")],
)
def test_plugins_ask_for_cores_whose_interfaces_they_know(versions, version, bound):
    assert versions.bound(Version(version)) == bound


def test_metadata_are_alike(projects):
    core = projects["lumin-core"]
    for project in projects.values():
        assert project["build-system"] == core["build-system"]
        assert {key: project["project"].get(key) for key in SHARED} == {key: core["project"][key] for key in SHARED}


def test_the_licence_is_in_every_distribution(root, plugins):
    licence = (root / "LICENSE").read_bytes()
    assert [name for name, folder in plugins.items() if (folder / "LICENSE").read_bytes() != licence] == []


def test_the_newest_version_is_in_the_changelog(root):
    changelog = (root / "CHANGELOG.md").read_text(encoding="utf-8")
    assert f"\n## [{lumin_core.__version__}] - " in changelog


def test_readmes_say_how_to_install_and_under_which_licence(readmes):
    for name, readme in readmes.items():
        assert readme.startswith(f"# {name}\n")
        assert f"pip install {name}\n" in readme
        assert re.search(r"^Apache-2\.0\b", readme, re.MULTILINE)


def test_links_of_readmes_work_on_an_index(readmes):
    links = {name: re.findall(r"\]\((?!https://|#)([^)]*)\)", readme) for name, readme in readmes.items()}
    assert not {name: found for name, found in links.items() if found}


def test_readmes_name_all_components(projects, readmes):
    missing = []
    for name, readme in readmes.items():
        for group, members in projects[name]["project"]["entry-points"].items():
            if group in ("lumin.kinds", "lumin.checks"):
                continue
            words = [f"lumin {member} " if group == "lumin.commands" else f"`{member}`" for member in members]
            missing += [f"{name}: {word}" for word in words if word not in readme]
    assert not missing
