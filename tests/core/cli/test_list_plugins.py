import json
import subprocess
import sys

import pytest

from lumin_core import __version__
from lumin_core.registry import names


def test_list_plugins_is_a_table_by_kind(run):
    code, out, _ = run("list-plugins")
    lines = out.splitlines()
    assert code == 0
    assert lines.index("optimisers") < lines.index("activations")
    row = next(line for line in lines if line.startswith("  adamw "))
    assert row.split() == ["adamw", "core", __version__]
    assert max(len(line) for line in lines) <= 100
    assert "components of" in lines[-1]


def test_list_plugins_columns_are_aligned(run):
    rows = [line for line in run("list-plugins")[1].splitlines() if line.startswith("  ")]
    assert len({line.rindex(" ") for line in rows}) == 1


@pytest.mark.parametrize("kind", ["optimiser", "optimisers", "Optimisers"])
def test_list_plugins_of_one_kind(run, kind):
    out = run("list-plugins", "--kind", kind)[1]
    assert "adamw" in out
    assert "relu" not in out


@pytest.mark.parametrize("package", ["core", "lumin-core", "Lumin_Core"])
def test_list_plugins_of_one_package(run, install, package):
    install("my-blocks", {"callbacks": {"shout": "a:B"}})
    out = run("list-plugins", "--package", package)[1]
    assert "adamw" in out
    assert "shout" not in out
    assert "shout" in run("list-plugins", "--package", "my_blocks")[1]


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [("--kind", "haeds", "did you mean 'heads'"), ("--package", "tabulr", "did you mean 'tabular'")],
)
def test_list_plugins_refuses_unknown_filters_as_usage(run, option, value, message):
    code, out, err = run("list-plugins", option, value)
    assert (code, out) == (2, "")
    assert message in err


def test_list_plugins_json_has_a_schema_number(run, install):
    install("my-blocks", {"callbacks": {"shout": "a:B"}}, requires=["lumin-core>=7"])
    listed = json.loads(run("list-plugins", "--json", "--package", "my-blocks")[1])
    assert listed["schema"] == 1
    assert listed["version"] == __version__
    (row,) = listed["components"]
    assert "lumin-core>=7" in row.pop("problem")
    assert row == {
        "kind": "callback",
        "name": "shout",
        "qualified": "my-blocks/shout",
        "distribution": "my-blocks",
        "version": "1.0",
        "value": "a:B",
        "installed": True,
        "install": None,
    }


def test_list_plugins_all_has_what_is_not_installed(run, monkeypatch):
    later = {"kinds": [], "components": {"head": ["later_head"], "metric": ["later_metric"]}, "helps": {}}
    monkeypatch.setitem(names.first_party()["plugins"], "lumin-plugin-later", later)
    code, out, _ = run("list-plugins", "--all")
    assert code == 0
    assert any(
        line.split()[:2] == ["later_head", "lumin-plugin-later"] and "pip install lumin-plugin-later" in line
        for line in out.splitlines()
    )
    assert max(map(len, out.splitlines())) <= 100
    rows = json.loads(run("list-plugins", "--all", "--json", "--package", "lumin-plugin-later")[1])["components"]
    assert {row["name"] for row in rows} == {"later_head", "later_metric"}
    assert all(row["installed"] is False and row["install"] == "pip install lumin-plugin-later" for row in rows)


def test_list_plugins_shows_what_is_broken(run, install):
    install("my-blocks", {"callbacks": {"shout": "a:B"}}, requires=["lumin-core>=7"])
    code, out, _ = run("list-plugins", "--kind", "callbacks")
    assert code == 0
    assert "broken:" in out
    assert "it asks for lumin-core>=7, but this is lumin-core" in out
    assert "1 broken" in out.splitlines()[-1]


@pytest.mark.torch
def test_check_passes_where_all_is_well(run):
    code, out, _ = run("list-plugins", "--check", "--kind", "optimisers")
    assert code == 0
    assert out.strip().endswith("components checked, none broken")


@pytest.mark.torch
def test_check_of_everything_in_the_repository_passes(run):
    code, out, _ = run("list-plugins", "--check")
    assert code == 0, out


def test_check_prints_a_line_for_each_broken_component_and_exits_1(run, install):
    entries = {"norms": {"gone": "not_there:Gone", "number": "a_module:x", "fine": "a_module:Fine"}}
    install("my-blocks", entries, modules={"a_module": "x = 3\nclass Fine: ..."})
    assert run("list-plugins", "--package", "my-blocks")[0] == 0
    code, out, _ = run("list-plugins", "--check", "--package", "my-blocks")
    lines = out.splitlines()
    assert code == 1
    assert [line.partition(":")[0] for line in lines[:2]] == ["norm my-blocks/gone", "norm my-blocks/number"]
    assert lines[-1] == "3 components checked, 2 broken"
    code, out, _ = run("list-plugins", "--check", "--json", "--package", "my-blocks")
    assert code == 1
    assert [bool(row["problem"]) for row in json.loads(out)["components"]] == [False, True, True]


def test_hooks_lists_the_thirteen_points_in_order(run):
    points = ["on_train_begin", "on_epoch_begin", "on_fold_begin", "on_batch_begin", "on_forwards_end"]
    points += ["on_backwards_begin", "on_backwards_end", "on_batch_end", "on_fold_end", "on_epoch_end", "on_train_end"]
    points += ["on_pred_begin", "on_pred_end"]
    code, out, _ = run("list-plugins", "--hooks")
    assert code == 0
    assert [line.split()[0] for line in out.splitlines() if line.startswith("on_")] == points
    listed = json.loads(run("list-plugins", "--hooks", "--json")[1])
    assert listed["schema"] == 1
    assert [hook["name"] for hook in listed["hooks"]] == points
    assert all(hook["doc"] for hook in listed["hooks"])


def test_hooks_refuses_filters(run):
    assert run("list-plugins", "--hooks", "--kind", "heads")[0] == 2


def test_a_closed_pipe_is_no_traceback():
    code = "import sys; from lumin_core.cli import main; sys.exit(main(['list-plugins', '--json']))"
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    process.stdout.close()
    _, err = process.communicate(timeout=60)
    assert err == ""
    assert process.returncode in (0, 1)


def test_no_row_is_wider_than_80_columns_and_none_is_cut(run, install):
    name = "a_component_of_somebody_whose_name_is_as_long_as_a_sentence_and_then_some"
    install("my-blocks", {"callbacks": {name: "a:B", "short": "a:C"}}, requires=["lumin-core>=7"])
    for options in ([], ["--all"], ["--hooks"], ["--kind", "callbacks"]):
        out = run("list-plugins", *options)[1]
        assert max(map(len, out.splitlines())) <= 80
        assert "``" not in out
    assert f"  {name}\n" in out
    assert "  short" in out
