"""``lumin new-plugin``: a project that needs no change; a cell of a notebook as a project."""

import ast
import json
import re
import tomllib
from pathlib import Path

import pytest

from lumin_core import registry
from lumin_core.registry.names import snake_case
from lumin_plugin_commands.cell import read_cell

CELL = '''"""A body of mine."""
import numpy as np
from torch import nn
from lumin_core import Body, register

SCALE = 2.0


def scaled(x):
    return SCALE * x


@register("body", "wide_sum")
class SumBody(Body):
    """The sum of all columns."""

    def forward(self, x):
        return scaled(x.sum(1, keepdim=True))

    def get_out_size(self):
        return 1


register("activation", obj=nn.ReLU, override=True)
'''


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def cell(here):
    def make(text, name="cell.py"):
        (here / name).write_text(text)
        return name

    return make


def files(folder):
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def test_a_project_has_all_that_a_plugin_needs(run, here):
    code, out, _ = run("new-plugin", "maxout", "--kind", "body")
    assert code == 0
    assert "maxout_body" in out
    assert files(here / "maxout") == {
        ".github/dependabot.yml",
        ".github/workflows/ci.yml",
        ".gitignore",
        ".pre-commit-config.yaml",
        "LICENSE",
        "README.md",
        "pyproject.toml",
        "src/maxout/__init__.py",
        "src/maxout/body.py",
        "src/maxout/py.typed",
        "tests/test_conformance.py",
        "tests/test_use.py",
    }
    project = tomllib.loads((here / "maxout" / "pyproject.toml").read_text())["project"]
    assert project["entry-points"] == {"lumin.bodies": {"maxout_body": "maxout.body:MaxoutBody"}}
    assert "lumin-plugin" in project["keywords"]
    assert project["dependencies"][0].startswith("lumin-core>=")
    assert 'body = {"name": "maxout_body", "width": 8}' in (here / "maxout" / "README.md").read_text()
    assert "assert model.body.get_out_size() == 8" in (here / "maxout" / "tests" / "test_use.py").read_text()
    assert 'installed("maxout")' in (here / "maxout" / "tests" / "test_conformance.py").read_text()


def test_a_project_of_every_kind_is_well_written(run, here):
    kinds = [kind.singular for kind in registry.kinds()]
    assert run("new-plugin", "my.Every-2_kind", *(word for kind in kinds for word in ("--kind", kind)))[0] == 0
    folder = here / "my.Every-2_kind"
    project = tomllib.loads((folder / "pyproject.toml").read_text())["project"]
    groups = project["entry-points"]
    assert set(groups) == {f"lumin.{kind.plural}" for kind in registry.kinds()}
    for members in groups.values():
        ((name, value),) = members.items()
        module, _, attribute = value.partition(":")
        source = (folder / "src" / f"{module.replace('.', '/')}.py").read_text()
        assert name == snake_case(attribute)
        assert attribute in {getattr(node, "name", "") for node in ast.parse(source).body}
        assert not re.search("example_[a-z]+(?<!example_options)(?<!example)", source.replace("example_options", ""))
        assert "Example" not in source.replace("Example:", "")
    assert {"lumin-plugin-gnn", "lumin-plugin-sequence"} <= set(project["dependencies"])
    assert {"lumin-plugin-io", "lumin-plugin-plots"} <= set(project["optional-dependencies"]["test"])
    assert (folder / "README.md").read_text().count("```python") == len(kinds)
    for path in folder.rglob("*.py"):
        compile(path.read_text(), str(path), "exec")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("gnn", "reserved"),
        ("lumin-plugin-gnn", "reserved"),
        ("lumin-core", "reserved"),
        ("my plugin", "no name for a plugin"),
        ("../maxout", "no name for a plugin"),
        ("2fast", "no name for a plugin"),
        ("class", "no name for a plugin"),
        ("json", "there is a package 'json' already"),
        ("numpy", "there is a package 'numpy' already"),
    ],
)
def test_names_that_cannot_be_are_refused(run, here, name, message):
    code, _, err = run("new-plugin", name, "--kind", "body")
    assert code == 1
    assert message in err
    assert list(here.iterdir()) == []


def test_a_folder_that_is_there_stays_as_it_is(run, here):
    (here / "maxout").mkdir()
    code, _, err = run("new-plugin", "maxout", "--kind", "body")
    assert code == 1
    assert "there is maxout already; choose another name" in err
    assert list((here / "maxout").iterdir()) == []


def test_an_unknown_kind_is_refused_with_the_nearest(run, here):
    code, _, err = run("new-plugin", "maxout", "--kind", "boddy")
    assert code == 1
    assert "there is no kind 'boddy'; did you mean 'body'?" in err
    assert list(here.iterdir()) == []


def test_no_kind_and_no_file_is_a_mistake_in_usage(run, here):
    code, _, err = run("new-plugin", "maxout")
    assert code == 2
    assert "--kind body" in err


def test_a_kind_without_a_template_says_what_its_plugin_lacks(run, here, install):
    source = "class Spice:\n    kind = 'spice'\n"
    install("my-spices", {"kinds": {"spices": "my_spices:Spice"}}, modules={"my_spices": source})
    code, _, err = run("new-plugin", "hot", "--kind", "spice")
    assert code == 1
    assert "there is no template for spices" in err
    assert "'lumin.templates'" in err


def test_a_kind_of_a_plugin_brings_its_template(run, here, install):
    base = "class Spice:\n    kind = 'spice'\n"
    template = 'from my_spices import Spice\n\n\nclass ExampleSpice(Spice):\n    """Hot."""\n'
    entries = {"kinds": {"spices": "my_spices:Spice"}, "templates": {"spices": "my_spice_template:ExampleSpice"}}
    install("my-spices", entries, modules={"my_spices": base, "my_spice_template": template})
    assert run("new-plugin", "hot", "--kind", "spices")[0] == 0
    assert "class HotSpice(Spice):" in (here / "hot" / "src" / "hot" / "spice.py").read_text()
    project = tomllib.loads((here / "hot" / "pyproject.toml").read_text())["project"]
    assert project["entry-points"] == {"lumin.spices": {"hot_spice": "hot.spice:HotSpice"}}


def test_a_file_is_taken_whole_and_not_run(run, here, cell):
    code, out, _ = run("new-plugin", "sums", "--from", cell(CELL + "raise SystemExit('run')\n"))
    assert code == 0
    source = (here / "sums" / "src" / "sums" / "cell.py").read_text()
    for part in ("import numpy as np", "SCALE = 2.0", "def scaled(x):", "class SumBody(Body):"):
        assert part in source
    assert "register" not in source
    assert "from lumin_core import Body\n" in source
    project = tomllib.loads((here / "sums" / "pyproject.toml").read_text())["project"]
    assert project["entry-points"] == {"lumin.bodies": {"wide_sum": "sums.cell:SumBody"}}
    assert "wide_sum" in out


@pytest.mark.parametrize(
    ("imported", "more", "kept"),
    [
        ("from lumin_core import register\n", "", ""),
        ("from lumin_core import (\n    register,\n    Body as B,\n)\n", "", "from lumin_core import Body as B\n"),
        ("from lumin_core import register\n", "again = register\n", "from lumin_core import register\n"),
        ("import lumin_core as lc\n", "", "import lumin_core as lc\n"),
    ],
)
def test_the_import_of_register_goes_where_nothing_else_uses_it(cell, imported, more, kept):
    call = "lc.register" if " as lc" in imported else "register"
    text = f'{imported}x = 1\n@{call}("loss", "mine")\ndef mine(y_pred, y):\n    return y_pred.mean()\n{more}'
    (part,) = read_cell(Path(cell(text))).parts
    assert part.source == f"{kept}x = 1\ndef mine(y_pred, y):\n    return y_pred.mean()\n{more}"


KINDS = {
    "head": "import lumin_core as lc\nclass Mine(lc.Head):\n    pass",
    "body": "from lumin_core import Body as Base\nclass First(Base):\n    pass\nclass Mine(First):\n    pass",
    "metric": "from lumin_core.training import EvalMetric\nclass Mine(EvalMetric):\n    pass",
    "loss": "from torch import nn\nclass Mine(nn.Module):\n    def forward(self, y_pred, y):\n        pass",
    "callback": "class Mine:\n    def on_epoch_end(self, fit_params):\n        pass",
    "optimiser": "import torch\nclass Mine(torch.optim.SGD):\n    pass",
    "command": "import click\n@click.command('mine')\ndef mine():\n    pass",
    "graph_extractor": "from lumin_plugin_gnn import Extractor\nclass Mine(Extractor):\n    pass",
}


@pytest.mark.parametrize("kind", KINDS)
def test_the_kind_is_told_by_what_the_class_derives_from(here, cell, kind):
    (part,) = read_cell(here / cell(KINDS[kind])).parts
    assert (part.kind.singular, part.name) == (kind, "mine")


def test_a_batch_loss_is_a_loss(here, cell):
    text = "from lumin_core import BatchLoss\nclass Mine(BatchLoss):\n    pass"
    assert read_cell(here / cell(text)).parts[0].kind.singular == "loss"


def test_a_kind_that_cannot_be_told_is_asked_for(run, here, cell):
    file = cell("from torch import nn\nclass Mine(nn.Module):\n    pass\n")
    code, _, err = run("new-plugin", "sums", "--from", file)
    assert code == 1
    assert "does not say of which kind Mine is; say it with --kind" in err
    assert run("new-plugin", "sums", "--from", file, "--kind", "activation")[0] == 0


def test_several_components_of_a_file_are_all_taken(here, cell):
    text = "\n".join([KINDS["head"].replace("Mine", "MyHead"), KINDS["callback"].replace("Mine", "MyCallback")])
    assert [(part.kind.singular, part.name) for part in read_cell(here / cell(text)).parts] == [
        ("head", "my_head"),
        ("callback", "my_callback"),
    ]


def test_names_that_are_not_defined_and_what_runs_are_said(here, cell):
    text = CELL.replace("import numpy as np\n", "") + "print(len([n for n in range(3)]))\nplt.show()\n"
    text += "class Other:\n    a: int = WIDTH\n    def f(self, x=EPS):\n        return np.abs(x) + self.a\n"
    remarks = read_cell(here / cell(text)).remarks
    found = {re.search(r"'(\w+)' is not defined", line)[1] for line in remarks if "not defined" in line}
    assert found == {"WIDTH", "EPS", "np", "plt"}
    assert [line.partition(": ")[2] for line in remarks if "runs at" in line] == [
        "print(len([n for n in range(3)])) runs at every import",
        "plt.show() runs at every import",
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("%matplotlib inline\nx = 1", "take the notebook's magics out"),
        ("def f(:\n", "is not Python"),
        ("x = 1\n", "defines neither a class nor a function"),
    ],
)
def test_a_file_that_is_no_component_is_refused(run, here, cell, text, message):
    code, _, err = run("new-plugin", "sums", "--from", cell(text))
    assert code == 1
    assert message in " ".join(err.split())
    assert not (here / "sums").exists()


def test_a_file_that_is_not_there_or_no_text_is_refused(run, here):
    assert "cannot be read" in run("new-plugin", "sums", "--from", "none.py")[2]
    (here / "bad.py").write_bytes(b"\xff\xfe\x00")
    assert "cannot be read" in run("new-plugin", "sums", "--from", "bad.py")[2]


def test_what_a_file_imports_is_required(run, here, cell):
    text = KINDS["callback"] + "\nimport json\nimport sklearn.tree\nimport numpy\nimport no_such_package.x\n"
    run("new-plugin", "sums", "--from", cell(text))
    project = tomllib.loads((here / "sums" / "pyproject.toml").read_text())["project"]
    assert project["dependencies"][1:] == ["no-such-package", "scikit-learn"]


def test_the_readme_shows_how_a_component_without_an_example_is_found(run, here, cell):
    run("new-plugin", "sums", "--from", cell(KINDS["callback"]))
    assert 'find("callback", "mine")' in (here / "sums" / "README.md").read_text()
    assert "def test_mine_is_used_by_name" in (here / "sums" / "tests" / "test_use.py").read_text()


def test_help_says_that_nothing_is_run(run):
    assert "nothing in it is run" in " ".join(run("new-plugin", "--help")[1].split())


def test_commands_are_listed_by_the_core(run):
    assert json.loads(run("list-plugins", "--json", "--kind", "commands", "--package", "commands")[1])["components"]
