"""What stands in several places says the same in each."""

import tomllib
from importlib import import_module, metadata, resources

import pytest

from lumin_core import registry
from lumin_core.cli import contracts
from lumin_core.registry import known_plugins, names
from lumin_core.registry.kind_table import CORE_KINDS

GROUP = "lumin."


def entries_of(project):
    """Give {(plural, name): value} of a pyproject's entry points of ours."""
    groups = project["project"].get("entry-points", {})
    return {
        (group.removeprefix(GROUP), name): value
        for group, members in groups.items()
        if group.startswith(GROUP) and group.removeprefix(GROUP) not in names.SEAMS
        for name, value in members.items()
    }


@pytest.fixture(scope="session")
def script(load_script):
    """Give the script that writes what the plugins' metadata say, as a module."""
    return load_script("first_party")


def test_the_first_party_table_is_what_its_script_makes(script):
    """After a change of a plugin's entry points run ``python .ci/first_party.py``."""
    assert script.TARGET.read_text(encoding="utf-8") == script.as_text()


def test_the_first_party_table_is_installed_with_the_core(script):
    installed = resources.files("lumin_core.registry").joinpath("first_party.json")
    assert installed.read_text(encoding="utf-8") == script.TARGET.read_text(encoding="utf-8")


def test_the_first_party_table_says_what_each_command_does():
    for plugin in names.first_party()["plugins"].values():
        assert set(plugin["helps"]) <= set(plugin["components"].get("command", ()))
        assert all(line.endswith(".") and "\n" not in line for line in plugin["helps"].values())


def test_names_that_moved_are_names_that_hold():
    for kind, moved in names.first_party()["moved"].items():
        for qualified in moved.values():
            origin, _, name = qualified.partition("/")
            assert ("lumin-plugin-" + origin, name) in known_plugins.owners(kind, names.normalise(name))


def test_the_first_party_table_has_what_the_plugins_declare(projects, plugins):
    singulars = {kind.plural: kind.singular for kind in registry.kinds()}
    for name in plugins:
        declared = {}
        for plural, component in sorted(entries_of(projects[name])):
            if plural not in ("kinds", "checks"):
                declared.setdefault(singulars.get(plural, names.singular(plural)), []).append(component)
        table = {kind: sorted(members) for kind, members in names.first_party()["plugins"][name]["components"].items()}
        assert table == declared


def test_the_first_party_table_has_the_kinds_that_plugins_declare(projects, plugins):
    for name in plugins:
        declared = {component for plural, component in entries_of(projects[name]) if plural == "kinds"}
        assert set(names.first_party()["plugins"][name]["kinds"]) == declared


def test_the_first_party_table_names_known_distributions_and_kinds():
    known = {kind.singular for kind in registry.kinds()}
    plugins = names.first_party()["plugins"]
    known |= {names.singular(plural) for theirs in plugins.values() for plural in theirs["kinds"]}
    for distribution, theirs in plugins.items():
        assert distribution.removeprefix(names.FIRST_PARTY_PREFIX) in names.FIRST_PARTY
        assert set(theirs["components"]) <= known


def test_plugins_are_named_as_the_design_has_them(plugins):
    assert {name.removeprefix(names.FIRST_PARTY_PREFIX) for name in plugins} <= set(names.FIRST_PARTY)


def test_every_entry_point_names_something_that_exists(projects):
    missing = []
    for project in projects.values():
        for (plural, name), value in entries_of(project).items():
            module, _, attributes = value.partition(":")
            found = import_module(module)
            for attribute in attributes.split("."):
                found = getattr(found, attribute, None)
            if found is None:
                missing.append(f"{plural} {name} = {value}")
    assert not missing


def test_every_component_of_the_repository_passes_its_check():
    components = [c for c in registry.components() if names.short(c.distribution) in (names.CORE, *names.FIRST_PARTY)]
    problems = {component.qualified: registry.check(component) for component in components}
    assert len(components) > 40
    assert not {name: problem for name, problem in problems.items() if problem}


def test_what_is_installed_is_what_the_repository_declares(projects):
    """An editable install freezes its entry points: install again after a change."""
    for name, project in projects.items():
        installed = {
            (entry.group.removeprefix(GROUP), entry.name): entry.value
            for entry in metadata.distribution(name).entry_points
            if entry.group.startswith(GROUP) and entry.group.removeprefix(GROUP) not in names.SEAMS
        }
        assert installed == entries_of(project), f"pip install --no-deps -e the folder of {name} again"


def test_names_of_plugins_components_are_their_classes_in_snake_case(projects, plugins):
    for name in plugins:
        for (plural, component), value in entries_of(projects[name]).items():
            if plural not in ("kinds", "commands", "checks"):
                assert component == names.snake_case(value.rpartition(":")[2])


def test_names_are_in_snake_case_and_differ_when_compared(projects):
    for project in projects.values():
        keys = [(plural, names.normalise(name)) for plural, name in entries_of(project)]
        assert len(keys) == len(set(keys))
        assert all(name == name.lower() and "-" not in name for _, name in entries_of(project))


NEEDED = {"lumin-plugin-tabular": ["lumin-plugin-callbacks"]}
"""Plugins that others of ours need, by name: the schedule of the strong recipe."""


def test_plugins_pin_nothing_but_the_core(projects, plugins):
    for name in plugins:
        requirements = [line.replace(" ", "") for line in projects[name]["project"]["dependencies"]]
        ours = [line for line in requirements if line.startswith("lumin-")]
        others = [line for line in requirements if line not in ours and not line.startswith("mplhep>=1.2,<2")]
        assert not [line for line in others if "<" in line or "==" in line or "~=" in line]
        assert all(line.endswith(ours[0].removeprefix("lumin-core")) for line in ours)  # one bound for all of ours
        assert {line.split(">=")[0] for line in ours} <= {"lumin-core", *NEEDED.get(name, ())}
        assert projects[name]["project"]["name"] == name


def test_the_core_pins_nothing_from_above(projects):
    requirements = projects["lumin-core"]["project"]["dependencies"]
    assert not [line for line in requirements if "<" in line or "==" in line or "~=" in line]


def test_plugins_inherit_the_rules_of_the_root(projects, plugins):
    assert not [name for name in plugins if "ruff" in projects[name].get("tool", {})]


@pytest.mark.parametrize("kind", [kind for kind in registry.kinds() if kind.base], ids=lambda kind: kind.plural)
def test_base_classes_exist_and_say_their_kind(kind):
    base = kind.load_base()
    assert isinstance(base, type)
    if not kind.base.startswith("torch."):
        assert base.kind == kind.singular


def test_the_docs_have_the_table_of_what_each_kind_asks_for(root):
    """Its home is lumin_core/cli/contracts.py, from which ``lumin describe KIND`` writes."""
    text = (root / "docs" / "plugins.md").read_text(encoding="utf-8")
    assert contracts.as_markdown() in text


def test_every_kind_of_the_core_has_a_contract():
    assert set(contracts.CONTRACTS) == {kind.plural for kind in CORE_KINDS}


def test_every_kind_has_a_template(projects):
    """What ``lumin new-plugin`` begins with; a plugin that declares a kind brings one."""
    brought = {plural for project in projects.values() for plural in templates_of(project)}
    assert brought == {kind.plural for kind in registry.kinds()}


def templates_of(project):
    return project["project"].get("entry-points", {}).get("lumin.templates", {})


def test_the_list_of_known_plugins_says_what_the_examples_have(root):
    """They are the plugins of others that the repository has; a plugin of an example is in the list."""
    for path in sorted(root.glob("examples/*/pyproject.toml")):
        project = tomllib.loads(path.read_text(encoding="utf-8"))
        listed = known_plugins.others().plugins[project["project"]["name"]]
        entries = entries_of(project)
        assert listed["kinds"] == sorted(name for plural, name in entries if plural == "kinds")
        declared = {}
        for plural, name in sorted(entries):
            if plural != "kinds":
                declared.setdefault(names.singular(plural), []).append(name)
        assert listed["components"] == declared
