"""``lumin check-plugin``: each fault is said with its way out, and hurts no other look."""

import json

import pytest

from lumin_core import __version__
from lumin_plugin_commands import plugin_looks

CALLBACK = '''
from lumin_core import Callback


class Count(Callback):
    """Counts the epochs.

    Args:
        start: The number to begin with.
    """

    def __init__(self, start: int = 0) -> None:
        self.start = start
        self.n = start

    def on_epoch_end(self, fit_params):
        """Count."""
        self.n += fit_params.state == "train"

    def state_dict(self):
        """Return the count."""
        return {"n": self.n}

    def load_state_dict(self, state):
        """Go on."""
        self.n = state["n"]
'''
ENTRIES = {"callbacks": {"count": "count_epochs:Count"}}
PROJECT = f"""
[project]
name = "my-blocks"
version = "1.0"
keywords = ["lumin-plugin"]
dependencies = ["lumin-core>={__version__},<99"]

[project.entry-points."lumin.callbacks"]
count = "count_epochs:Count"
"""


@pytest.fixture
def mine(install):
    return install("my-blocks", ENTRIES, modules={"count_epochs": CALLBACK})


@pytest.fixture
def project(tmp_path):
    def make(text=PROJECT, package="src/my_blocks"):
        folder = tmp_path / "project"
        (folder / package).mkdir(parents=True)
        (folder / package / "py.typed").touch()
        (folder / "pyproject.toml").write_text(text)
        return str(folder)

    return make


@pytest.fixture
def check(run):
    """Return a function that checks, and gives code and findings: (look, whether it is a fault) to what is wrong."""

    def call(plugin, *options):
        code, out, _ = run("check-plugin", plugin, "--json", *options)
        content = json.loads(out)
        assert content["passed"] is (code == 0)
        return code, {(found["look"], found["is_error"]): found for found in content["findings"]}, content

    return call


def wrong(look, plugin):
    """Return what one look finds, by whether it is a fault; the command takes them together."""
    came = look(plugin_looks.read_plugin(plugin))
    return {one.is_error: one for one in came if not isinstance(one, str)}


def test_a_plugin_without_faults_passes_and_gets_a_file_that_says_so(mine, project, run, tmp_path):
    code, out, _ = run("check-plugin", project())
    assert code == 0, out
    assert out.startswith("my-blocks: all is well")
    kept = json.loads((tmp_path / "project" / "src" / "my_blocks" / "lumin-checks.json").read_text())
    assert kept["versions"]["my-blocks"] == "1.0"


def test_an_installed_plugin_is_checked_by_name(mine, check):
    code, findings, content = check("My_Blocks")
    assert (code, findings) == (0, {})
    assert content["plugin"] == "my-blocks"
    assert content["checks"]["passed"]


def test_what_is_neither_a_folder_nor_installed_is_refused_with_the_nearest(mine, run):
    code, _, err = run("check-plugin", "my-block")
    assert code == 1
    assert "neither a folder my-block nor an installed distribution of that name; did you mean 'my-blocks'?" in err


@pytest.mark.parametrize(("text", "message"), [(None, "cannot be read"), ("x = 1", "no [project]"), ("[", "cannot be")])
def test_a_folder_without_a_project_is_refused(tmp_path, run, text, message):
    if text is not None:
        (tmp_path / "pyproject.toml").write_text(text)
    code, _, err = run("check-plugin", str(tmp_path))
    assert code == 1
    assert message in err


def test_a_project_that_is_not_installed_says_how(project, check):
    code, findings, content = check(project())
    assert code == 1
    assert "my-blocks is not installed here" in findings["install", True]["what"]
    assert findings["install", True]["way_out"].startswith("pip install -e ")
    assert content["checks"] is None


def test_a_stale_editable_install_is_seen(mine, project):
    text = PROJECT.replace("count =", "counter =").replace('"1.0"', '"1.1"')
    found = wrong(plugin_looks.look_at_install, project(text))
    assert found[True].what == "the install is older than pyproject.toml: count, counter differ"
    assert found[False].what == "1.0 is installed, pyproject.toml says 1.1"


def test_a_component_that_the_scan_refuses_is_said(install):
    install("my-blocks", {"callbacks": {"count": "count_epochs"}})
    assert "should be 'module:attribute'" in wrong(plugin_looks.look_at_install, "my-blocks")[True].what


@pytest.mark.parametrize(
    ("line", "message", "is_error"),
    [
        ("lumin-core>=99", "it asks for lumin-core>=99, but this is lumin-core", True),
        ("lumin-core>>1", "cannot be read", True),
        ("numpy", "does not say which lumin-core", True),
        ("lumin-core>=0.1", "any later version too", False),
    ],
)
def test_bounds_against_this_core(project, line, message, is_error):
    text = PROJECT.replace(f"lumin-core>={__version__},<99", line)
    found = wrong(plugin_looks.look_at_bounds, project(text))
    assert message in found[is_error].what
    assert "lumin-core>=" in found[is_error].way_out


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("lumin.callbacks", "lumin.calbacks"), "the group 'lumin.calbacks' is none of a kind; did you mean"),
        (("count =", "Count ="), "the name 'Count' in 'lumin.callbacks' should be a-z"),
        (('[project.entry-points."lumin.callbacks"]\ncount = "count_epochs:Count"', ""), "no entry point in a group"),
    ],
)
def test_groups_and_names(project, change, message):
    assert message in wrong(plugin_looks.look_at_entry_points, project(PROJECT.replace(*change)))[True].what


def test_a_kind_that_the_project_declares_is_a_group(project):
    text = PROJECT + '\n[project.entry-points."lumin.kinds"]\nspices = "a:Spice"\n'
    text += '\n[project.entry-points."lumin.spices"]\nsalt = "a:Salt"\n'
    assert wrong(plugin_looks.look_at_entry_points, project(text)) == {}


def test_metadata_that_are_not_valid_are_said_where_it_can_be_known(project):
    pytest.importorskip("validate_pyproject")
    found = wrong(plugin_looks.look_at_metadata, project(PROJECT.replace('version = "1.0"', "version = 1")))
    assert "pyproject.toml: `project.version` must be string" in found[True].what


def test_what_is_missing_and_hurts_nobody_is_advice(project, tmp_path):
    folder = project(PROJECT.replace('keywords = ["lumin-plugin"]\n', ""))
    assert "'lumin-plugin'" in wrong(plugin_looks.look_at_metadata, folder)[False].what
    (tmp_path / "project" / "src" / "my_blocks" / "py.typed").unlink()
    assert "py.typed" in wrong(plugin_looks.look_at_metadata, folder)[False].what


@pytest.mark.parametrize(
    ("source", "message"),
    [("while True: pass", "takes more than 2 s"), ("import os; os._exit(3)", "ends the process: exit code 3")],
)
def test_an_import_that_misbehaves_is_said_and_nothing_more_is_run(install, check, source, message):
    install("my-blocks", ENTRIES, modules={"count_epochs": source})
    code, findings, content = check("my-blocks", "--timeout", "2")
    assert code == 1
    assert message in findings["import", True]["what"]
    assert content["checks"] is None


def test_a_promise_that_is_broken_is_named_by_its_check(install, run):
    source = CALLBACK.replace('        return {"n": self.n}', "        return {}")
    install("my-blocks", ENTRIES, modules={"count_epochs": source})
    code, out, _ = run("check-plugin", "my-blocks")
    assert code == 1
    assert "FAULT: callback my-blocks/count, check_callback_resume:" in " ".join(out.split())


def test_a_component_that_prints_does_not_spoil_the_json(install, check):
    source = CALLBACK.replace("        self.start = start\n", "        self.start = start\n        print('made')\n")
    install("my-blocks", ENTRIES, modules={"count_epochs": source})
    assert check("my-blocks")[2]["schema"] == 1


IMPORTS = """
import first
import json, second.part, numpy, torch  # which lumin-core brings, and Python
from third import part
from typing import TYPE_CHECKING
import no_such_module_at_all

def read():
    import fourth

try:
    import fifth
except ValueError:
    fifth = None

if TYPE_CHECKING:
    import types_alone

try:
    import optional
except ImportError:
    optional = None
"""


def test_what_is_imported_and_not_asked_for_is_a_fault(install):
    site = install("my-blocks", ENTRIES, modules={"count_epochs": IMPORTS + CALLBACK})
    needed = ["first", "second", "third", "fourth", "fifth"]
    for name in [*needed, "types_alone", "optional"]:
        other = install(f"{name}-lib", {"no.group.of.ours": {"a": "b:c"}}, modules={name: ""})
        (other / f"{name}_lib-1.0.dist-info" / "top_level.txt").write_text(name)
    found = list(plugin_looks.look_at_needs(plugin_looks.read_plugin("my-blocks")))
    said = [f"count_epochs.py imports {name}-lib, which it does not ask for" for name in sorted(needed)]
    assert [one.what for one in found] == said
    lines = [f"Requires-Dist: {name}_LIB>1; extra == 'files'" for name in needed]
    (site / "my_blocks-1.0.dist-info" / "METADATA").write_text("\n".join(["Name: my-blocks", "Version: 1.0", *lines]))
    assert not wrong(plugin_looks.look_at_needs, "my-blocks")


def test_a_project_may_ask_for_what_it_imports_as_an_extra(install, project):
    install("my-blocks", ENTRIES, modules={"count_epochs": f"import yaml\n{CALLBACK}"})
    other = install("PyYAML", {"no.group.of.ours": {"a": "b:c"}}, modules={"yaml": ""})
    (other / "PyYAML-1.0.dist-info" / "top_level.txt").write_text("yaml")
    folder = project(PROJECT.replace("keywords", "optional-dependencies.files = ['pyyaml']\nkeywords"))
    assert not wrong(plugin_looks.look_at_needs, folder)


def test_a_readme_that_keeps_an_old_name_is_seen(mine, project, tmp_path):
    folder = project()
    readme = tmp_path / "project" / "README.md"
    readme.write_text('Write `callbacks = ["count_epochs"]`.')
    assert wrong(plugin_looks.look_at_metadata, folder)[False].what == "README.md does not name count"
    readme.write_text('Write `callbacks = ["count"]`.')
    assert not wrong(plugin_looks.look_at_metadata, folder)


def test_another_source_than_the_folders_is_seen(mine, project, tmp_path):
    folder = project(package="my_blocks")
    assert not wrong(plugin_looks.look_at_install, folder)
    module = tmp_path / "project" / "count_epochs.py"
    module.write_text((mine / "count_epochs.py").read_text())
    assert not wrong(plugin_looks.look_at_install, folder)
    module.write_text(CALLBACK + "# one more line")
    found = wrong(plugin_looks.look_at_install, folder)[True]
    assert found.what == "what is installed, and looked at here, is another source than the folder's"
    assert found.way_out.startswith("pip install -e ")


def test_dependencies_of_an_older_install_are_seen(mine, project):
    folder = project(PROJECT.replace("dependencies = [", 'dependencies = ["numpy", '))
    found = wrong(plugin_looks.look_at_install, folder)[True]
    assert found.what == "the install is older than pyproject.toml: it asks for other dependencies"


def test_the_requirements_of_extras_are_no_bounds(install):
    requires = [f"lumin-core>={__version__},<99", "lumin-core[testing]; extra == 'test'"]
    install("my-blocks", ENTRIES, requires=requires, modules={"count_epochs": CALLBACK})
    assert not wrong(plugin_looks.look_at_bounds, "my-blocks")


def test_a_bound_that_excludes_this_core_is_one_fault(install, check):
    install("my-blocks", ENTRIES, requires=["lumin-core>=99"], modules={"count_epochs": CALLBACK})
    code, _, content = check("my-blocks")
    assert code == 1
    assert [(one["look"], one["is_error"]) for one in content["findings"]] == [("core", True)]


def test_what_cannot_be_loaded_says_to_its_author_what_to_do(install, check):
    install("my-blocks", {"callbacks": {"count": "count_epochs:Counted"}}, modules={"count_epochs": CALLBACK})
    code, findings, _ = check("my-blocks")
    assert code == 1
    assert findings["import", True]["what"].endswith("has no attribute 'Counted'")
    assert "the entry point in pyproject.toml, and install again" in findings["import", True]["way_out"]
