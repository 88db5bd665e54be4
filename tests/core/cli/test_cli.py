import io
import sys

import click
import pytest

from lumin_core import __version__, cli, registry
from lumin_core.cli import main
from lumin_core.errors import UnknownComponent
from lumin_core.registry import names
from lumin_core.registry.scan import scan

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


def test_debug_shows_the_traceback():
    with pytest.raises(UnknownComponent):
        main(["--debug", "describe", "optimiser", "adamm"])


def test_usage_errors_exit_2(run):
    assert run("list-plugins", "--nonsense")[0] == 2
    assert run("describe")[0] == 2
    code, _, err = run("list-plugin")
    assert code == 2
    assert "did you mean 'list-plugins'" in err


def test_a_command_of_a_plugin_that_is_not_installed_says_what_to_install(run, monkeypatch):
    later = {"kinds": [], "components": {"command": ["explain"]}, "helps": {}}
    monkeypatch.setitem(names.first_party()["plugins"], "lumin-plugin-later", later)
    code, _, err = run("explain")
    assert code == 2
    assert "pip install lumin-plugin-later" in err


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


HELPFUL = {"kinds": [], "components": {"command": ["greet", "rank_all"]}, "helps": {"greet": "Say hello."}}


def test_commands_of_our_plugins_are_listed_with_what_they_do(run, install, monkeypatch):
    monkeypatch.setitem(names.first_party()["plugins"], "lumin-plugin-explain", HELPFUL)
    commands = {"greet": "commands_of:greet", "later": "commands_of:crash"}
    install("lumin-plugin-explain", {"commands": commands}, modules={"commands_of": COMMAND})
    ours, theirs = run("--help")[1].split("Commands of plugins:")
    assert "Say hello." in next(line for line in ours.splitlines() if line.split()[:1] == ["greet"])
    assert theirs.split() == ["later", "from", "lumin-plugin-explain", "1.0"]
    assert "commands_of" not in sys.modules
    assert run("greet")[:2] == (0, "hello world\n")


def test_a_bare_core_says_what_to_install_for_the_commands_of_our_plugins(run, monkeypatch):
    ours = [component for component in scan().components if component.distribution == "lumin-core"]
    bare = scan()._replace(components=tuple(ours))
    monkeypatch.setattr("lumin_core.registry.hints.scanned", lambda: bare)
    monkeypatch.setattr("lumin_core.registry.lookup.scanned", lambda: bare)
    monkeypatch.setattr("lumin_core.registry.scan.scanned", lambda: bare)
    for name in ("info", "predict", "train"):
        code, _, err = run(name, "run.toml")
        assert code == 2
        assert "lumin-plugin-commands has it: pip install lumin-plugin-commands" in err
    code, _, err = run("trian")
    assert code == 2
    assert "did you mean 'train' (pip install lumin-plugin-commands)" in err


def test_a_command_that_is_switched_off_is_said_so(run, install, monkeypatch):
    install("greetings", {"commands": COMMANDS}, modules={"commands_of": COMMAND})
    monkeypatch.setenv("LUMIN_DISABLE_PLUGINS", "greetings")
    registry.refresh()
    code, _, err = run("greet")
    assert code == 2
    assert "greetings has it, but LUMIN_DISABLE_PLUGINS switches that off" in err


def test_whose_an_error_is_is_said(run, install):
    source = COMMAND + "\n@click.command()\ndef noted():\n    error = KeyError('pt')\n"
    source += "    error.add_note(\"raised by the body 'mine'\")\n    raise error\n"
    install("greetings", {"commands": {"noted": "commands_of:noted"}}, modules={"commands_of": source})
    code, _, err = run("noted")
    assert code == 1
    assert "Error: KeyError: 'pt', raised by the body 'mine' (lumin --debug" in err


def test_errors_are_folded_on_a_terminal(monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    for arguments, code in ((["describe", "head", "x" * 30], 1), (["describe", "--wrong-option"], 2)):
        shown = {}
        for stream in (Terminal(), io.StringIO()):
            monkeypatch.setattr(sys, "stderr", stream)
            assert main(arguments) == code
            shown[type(stream)] = stream.getvalue()
        assert " ".join(shown[Terminal].split()) == " ".join(shown[io.StringIO].split())
        assert max(map(len, shown[Terminal].splitlines())) <= 80
        assert code == 2 or max(map(len, shown[io.StringIO].splitlines())) > 80
