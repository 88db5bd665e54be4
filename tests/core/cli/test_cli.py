import json
import subprocess
import sys

import click
import pytest

from lumin_core import __version__, cli, registry
from lumin_core.cli import main
from lumin_core.errors import UnknownComponent
from lumin_core.registry import first_party

COMMAND = """
import click

@click.command()
@click.argument("what", default="world")
def greet(what):
    '''Greet.'''
    click.echo(f"hello {what}")

@click.command()
def crash():
    raise ZeroDivisionError("no luck")

@click.command()
def interrupted():
    raise KeyboardInterrupt

no_command = 3
"""
COMMANDS = {
    "greet": "commands_of:greet",
    "crash-now": "commands_of:crash",
    "stop": "commands_of:interrupted",
    "odd": "commands_of:no_command",
}


@pytest.fixture
def run(capsys):
    def call(*arguments):
        capsys.readouterr()
        try:
            code = main(list(arguments))
        except SystemExit as stop:
            code = stop.code
        out, err = capsys.readouterr()
        return code, out, err

    return call


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
    later = {"head": ("later_head",), "metric": ("later_metric",)}
    monkeypatch.setitem(first_party.FIRST_PARTY_COMPONENTS, "lumin-plugin-later", later)
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


def test_check_passes_where_all_is_well(run):
    code, out, _ = run("list-plugins", "--check", "--kind", "optimisers")
    assert code == 0
    assert out.strip().endswith("components checked, none broken")


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


def test_describe_shows_docstring_signature_and_origin(run, install):
    source = '''
        class Shout:
            """Shout when training begins."""
            def __init__(self, loudness: float = 3.0, *, words=("go",)): ...
    '''
    install("my-blocks", {"callbacks": {"shout": "shouts:Shout"}}, modules={"shouts": source})
    code, out, _ = run("describe", "callbacks", "Shout")
    assert code == 0
    for part in ("my-blocks/shout", "my-blocks 1.0", "shouts:Shout", "loudness: float = 3.0", "words=('go',)"):
        assert part in out
    assert "Shout when training begins." in out


@pytest.mark.parametrize("kind", [kind.plural for kind in registry.kinds()])
def test_describe_works_for_everything(run, kind):
    for component in registry.components(kind):
        assert run("describe", kind, component.qualified)[0] == 0


def test_describe_of_an_unknown_name_is_a_message_alone(run):
    code, out, err = run("describe", "optimiser", "adamm")
    assert (code, out) == (1, "")
    assert err.startswith("Error: there is no optimiser 'adamm'; did you mean")
    assert "Traceback" not in err


def test_debug_shows_the_traceback():
    with pytest.raises(UnknownComponent):
        main(["--debug", "describe", "optimiser", "adamm"])


def test_usage_errors_exit_2(run):
    assert run("list-plugins", "--nonsense")[0] == 2
    assert run("describe", "head")[0] == 2
    code, _, err = run("list-plugin")
    assert code == 2
    assert "did you mean 'list-plugins'" in err


def test_a_command_of_a_plugin_that_is_not_installed_says_what_to_install(run, monkeypatch):
    monkeypatch.setattr("lumin_core.registry.hints.is_installed", lambda name: False)
    code, _, err = run("convert")
    assert code == 2
    assert "pip install lumin-plugin-io" in err


def test_version_and_help(run):
    assert run("--version")[:2] == (0, f"lumin-core, version {__version__}\n")
    for flag in ("-h", "--help"):
        code, out, _ = run(flag)
        assert code == 0
        assert all(name in out for name in cli.COMMANDS)


@pytest.mark.parametrize("name", sorted(cli.COMMANDS))
def test_the_line_of_help_is_the_commands_own(name):
    command = cli.lumin.get_command(click.Context(cli.lumin), name)
    assert (command.name, command.get_short_help_str(200)) == (name, cli.COMMANDS[name][1])


def test_commands_of_plugins_are_listed_without_import_and_called(run, install):
    install("greetings", {"commands": COMMANDS}, modules={"commands_of": COMMAND})
    code, out, _ = run("--help")
    assert code == 0
    assert "greet " in out
    assert "from greetings 1.0" in out
    assert "commands_of" not in sys.modules
    assert run("greet", "you")[:2] == (0, "hello you\n")
    assert run("greetings/greet")[:2] == (0, "hello world\n")
    assert "crash-now" in out


def test_errors_of_plugins_commands_are_messages_with_the_type(run, install):
    install("greetings", {"commands": COMMANDS}, modules={"commands_of": COMMAND})
    code, _, err = run("crash-now")
    assert code == 1
    assert err == "Error: ZeroDivisionError: no luck (lumin --debug ... shows the traceback)\n"
    code, _, err = run("odd")
    assert code == 1
    assert "should be a click command, got 3" in err


def test_interruption_exits_130(run, install):
    install("greetings", {"commands": COMMANDS}, modules={"commands_of": COMMAND})
    code, _, err = run("stop")
    assert code == 130
    assert "Traceback" not in err


def test_a_command_that_two_plugins_have_is_called_with_its_origin(run, install):
    for name in ("a", "b"):
        source = COMMAND.replace("hello", name)
        install(f"{name}-greet", {"commands": {"greet": f"greet_{name}:greet"}}, modules={f"greet_{name}": source})
    code, _, err = run("greet")
    assert code == 1
    assert "'a-greet/greet' or 'b-greet/greet'" in err
    assert run("b-greet/greet")[1] == "b world\n"
    assert "a-greet/greet" in run("--help")[1]


def test_a_closed_pipe_is_no_traceback():
    code = "import sys; from lumin_core.cli import main; sys.exit(main(['list-plugins', '--json']))"
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    process.stdout.close()
    _, err = process.communicate(timeout=60)
    assert err == ""
    assert process.returncode in (0, 1)
