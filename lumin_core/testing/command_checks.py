"""Checks of commands: quick to ask for help, and errors are sentences."""

from __future__ import annotations

import contextlib
import multiprocessing
from functools import lru_cache
from typing import TYPE_CHECKING

import click
from click.testing import CliRunner

from lumin_core import registry
from lumin_core.registry.component import load_object
from lumin_core.testing import samples
from lumin_core.testing.command_help import Help, answer
from lumin_core.testing.fresh import without_main
from lumin_core.testing.outcome import CheckFailed, NotApplicable
from lumin_core.testing.promises import Check

if TYPE_CHECKING:
    from lumin_core.testing.subject import Subject

_LIMIT = 60  # seconds


def check_command_kind(subject: Subject) -> None:
    """The entry point names a `click.Command`, not the module or the plain function."""
    if not isinstance(subject.target, click.Command):
        raise CheckFailed(
            f"expected a click.Command, got {subject.target!r}; decorate the function with @click.command()"
        )


def check_command_name(subject: Subject) -> None:
    """Its name is none of the core's own commands."""
    name = subject.name.rpartition("/")[2].replace("_", "-")
    ours = load_object("lumin_core.cli:COMMANDS", "the commands of the core")
    if isinstance(ours, dict) and name in ours:
        raise CheckFailed(f"expected a name of its own, but {name!r} is a command of lumin-core, which is found first")


def check_command_help(subject: Subject) -> None:
    """It says in a sentence what it does."""
    command: click.Command = subject.target
    if not (command.help or "").strip():
        raise CheckFailed(
            "expected a help text, got none; give the function a docstring, whose first sentence is listed"
        )


def check_command_without_torch(subject: Subject) -> None:
    """`--help` works, in a process of its own, without importing torch."""
    if subject.component is None or subject.distribution is None:
        raise NotApplicable("it is of no distribution, which another process could import")
    code, output, has_torch = _helps(subject.distribution)[subject.component.value]
    if code != 0 or "--help" not in output:
        raise CheckFailed(f"expected --help to end with exit code 0 and the options, got {code}: {output[:300]}")
    if has_torch:
        raise CheckFailed(
            "expected --help without torch, which takes seconds, but the command's module imports it; import torch, "
            "numpy and what uses them inside of the function"
        )


def check_command_error(subject: Subject) -> None:
    """An argument that cannot be is exit code 1 or 2 and a sentence, not a traceback."""
    command: click.Command = subject.target
    given = _wrong_arguments(command)
    if not given:
        raise NotApplicable("it needs no argument that could be wrong")
    with contextlib.chdir(samples.folder()):
        result = CliRunner().invoke(command, given)
    if isinstance(result.exception, SystemExit) or result.exception is None:
        if result.exit_code not in (0, 1, 2) or "Traceback (most recent" in result.output:
            raise CheckFailed(
                f"expected exit code 1 and a sentence for {' '.join(given)}, got {result.exit_code}: "
                f"{result.output[-300:]}; raise an error of lumin_core.errors, which lumin shows"
            )
    elif not str(result.exception).strip():
        raise CheckFailed(f"expected a sentence for {' '.join(given)}, got {result.exception!r}; say what is wrong")


def _wrong_arguments(command: click.Command) -> list[str]:
    """Return a file that is not there for each argument and option that is required."""
    given: list[str] = []
    for parameter in command.params:
        if not parameter.required:
            continue
        wrong = [f"missing_{parameter.name}.toml"] * max(parameter.nargs, 1)
        given += wrong if isinstance(parameter, click.Argument) else [parameter.opts[0], *wrong]
    return given


@lru_cache(maxsize=8)
def _helps(distribution: str) -> dict[str, Help]:
    """Ask all commands of a distribution for help, in one new process without torch."""
    values = [found.value for found in registry.components("command") if found.distribution == distribution]
    context = multiprocessing.get_context("spawn")
    mine, theirs = context.Pipe(duplex=False)
    process = context.Process(target=answer, args=(theirs, values), name="lumin-help")
    with without_main():
        process.start()
    theirs.close()
    try:
        found: dict[str, Help] = mine.recv() if mine.poll(_LIMIT) else {}
    except EOFError:
        found = {}
    process.kill()
    process.join()
    if not found:
        raise CheckFailed(f"expected --help of {', '.join(values)}, but a new process did not answer in {_LIMIT} s")
    return found


CHECKS = tuple(
    Check(function)
    for function in (
        check_command_kind,
        check_command_name,
        check_command_help,
        check_command_without_torch,
        check_command_error,
    )
)
