"""The command line: ``lumin``.

Commands of the core stand in a table here, those of plugins in their metadata; the module of a
command is imported when it is called, so that ``lumin --help`` is fast whatever is installed.
"""

from __future__ import annotations

import sys
from importlib import import_module
from io import StringIO
from typing import TYPE_CHECKING

import click

from lumin_core import __version__
from lumin_core.checks import nearest
from lumin_core.display import folded
from lumin_core.errors import BrokenPlugin, LuminError, UnknownComponent
from lumin_core.registry import components, find
from lumin_core.registry.names import first_party

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lumin_core.registry import Component

COMMANDS = {
    "describe": (
        "lumin_core.cli.describe:describe",
        "Show one component, or what a kind asks for.",
    ),
    "list-plugins": ("lumin_core.cli.list_plugins:list_plugins", "List the components that are installed, by kind."),
}
"""The core's own commands: where each is, and what it does in a line."""

_INTERRUPTED = 130  # 128 + SIGINT, as shells report it


class LazyGroup(click.Group):
    """The commands of the core, then those of plugins, each imported when it is called.

    Example:
        >>> import click
        >>> from lumin_core.cli import LazyGroup
        >>> "describe" in LazyGroup("lumin").list_commands(click.Context(click.Command("lumin")))
        True
    """

    def list_commands(self, ctx: click.Context) -> list[str]:
        """List the names, without importing anything."""
        return [name for commands in _commands() for name in sorted(commands)]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import one command; None where there is none of that name.

        Raises:
            BrokenPlugin: If a plugin's command cannot be imported, or is none.
            AmbiguousComponent: If several plugins have it.
        """
        if cmd_name in COMMANDS:
            module, _, attribute = COMMANDS[cmd_name][0].partition(":")
            return _as_command(getattr(import_module(module), attribute), cmd_name)
        try:
            component = find("command", cmd_name)
        except UnknownComponent:
            return None
        return _as_command(component.load(), component.qualified)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command to call.

        An unknown one is a mistake in usage, with did-you-mean and what to install.
        """
        name = args[0]
        if not name.startswith("-") and self.get_command(ctx, name) is None:
            ctx.fail(_unknown_command(name))
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the commands into the help.

        Those of strangers come with their origin, as their own help would import them.
        """
        for title, commands in zip(("Commands", "Commands of plugins"), _commands(), strict=True):
            if commands:
                with formatter.section(title):
                    formatter.write_dl(sorted(commands.items()))


def _commands() -> tuple[dict[str, str], dict[str, str]]:
    """Return ours and the strangers' commands, each with its line of help or its origin.

    A name that is taken is shown qualified.
    """
    ours = {name: line for name, (_, line) in COMMANDS.items()}
    theirs = {}
    found = components("command")
    names = [component.name.replace("_", "-") for component in found]
    for name, component in zip(names, found, strict=True):
        shown = component.qualified if name in COMMANDS or names.count(name) > 1 else name
        if line := _line_of_help(component):
            ours[shown] = line
        else:
            theirs[shown] = f"from {component.distribution} {component.version}"
    return ours, theirs


def _line_of_help(component: Component) -> str | None:
    """Return what a command of one of our own plugins does, as the core knows it."""
    ours = first_party()["plugins"].get(component.distribution)
    return ours["helps"].get(component.name) if ours else None


def _as_command(loaded: object, name: str) -> click.Command:
    if not isinstance(loaded, click.Command):
        raise BrokenPlugin(f"the command {name!r} should be a click command, got {loaded!r}; report it to its authors")
    return loaded


def _unknown_command(name: str) -> str:
    from lumin_core.registry.hints import elsewhere, suggestion

    if hints := elsewhere("command", name):
        return f"there is no command {name!r}; {'; '.join(hints)}"
    known = [name for commands in _commands() for name in sorted(commands)]
    listing = f"commands are {', '.join(known)}"
    return f"there is no command {name!r}{suggestion(name, known, listing, 'command')}"


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="lumin-core")
@click.option("--debug", is_flag=True, help="Show the whole traceback of an error.")
def lumin(debug: bool) -> None:
    """Deep learning for particle physics, its parts chosen by name."""


def main(args: Sequence[str] | None = None) -> int:
    """Run the command line.

    An error is its message alone; ``--debug`` shows where it came from.

    Args:
        args: The arguments; by default those of the process.

    Returns:
        The exit code: 0, 1 for an error, 2 for a mistake in usage, 130 after Ctrl-C.

    Raises:
        Exception: With ``--debug``, whatever went wrong.

    Example:
        >>> from lumin_core.cli import main
        >>> main(["describe", "optimiser", "adamm"])
        1
    """
    arguments = list(sys.argv[1:] if args is None else args)
    try:
        returned: object = lumin.main(arguments, prog_name="lumin", standalone_mode=False)
        return returned if isinstance(returned, int) else 0
    except click.ClickException as error:
        shown = StringIO()
        (_explained(error) if isinstance(error, click.NoSuchOption) else error).show(shown)
        click.echo(folded(shown.getvalue().rstrip("\n"), sys.stderr), err=True)
        return error.exit_code
    except click.Abort as stop:
        if message := str(stop.__cause__ or ""):  # how to go on, where there is something to go on with
            click.echo(folded(message, sys.stderr), err=True)
        return _INTERRUPTED
    except Exception as error:
        if _wants_traceback(arguments):
            raise
        click.echo(folded(f"Error: {_message(error)}", sys.stderr), err=True)
        return 1


def _explained(error: click.NoSuchOption) -> click.UsageError:
    """Suggest an option by what others call it, where click has no suggestion."""
    command = error.ctx.command if error.ctx is not None else lumin
    known = [name.lstrip("-") for option in command.params for name in option.opts if name.startswith("--")]
    near = nearest(error.option_name.lstrip("-"), known)
    if error.possibilities or not near:
        return error
    return click.UsageError(f"No such option: {error.option_name}; did you mean --{near[0]}?", error.ctx)


def _wants_traceback(arguments: Sequence[str]) -> bool:
    """Tell whether ``--debug`` is there, before any command."""
    options = arguments[: next((i for i, text in enumerate(arguments) if not text.startswith("-")), len(arguments))]
    return "--debug" in options


def _message(error: Exception) -> str:
    """Return our errors' message alone; of others the type, whose they are, and how to see more."""
    if isinstance(error, LuminError):
        return str(error)
    notes = "".join(f", {note}" for note in getattr(error, "__notes__", ()))
    return f"{type(error).__name__}: {error}{notes} (lumin --debug ... shows the traceback)"
