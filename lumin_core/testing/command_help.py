"""What a process does that is asked for the help of commands: it imports no more than they do."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from click.testing import CliRunner

from lumin_core.registry.component import load_object

if TYPE_CHECKING:
    from collections.abc import Sequence
    from multiprocessing.connection import Connection

    import click

Help = tuple[int, str, bool]
"""Exit code, what was printed, and whether torch was imported until then."""


def answer(pipe: Connection, values: Sequence[str]) -> None:
    """Ask commands for help, and send by value what came of each: the main function of a process.

    Args:
        pipe: Takes a dict of `Help`.
        values: Where they are, ``"module:name"``.
    """
    pipe.send({value: _help_of(value) for value in values})


def _help_of(value: str) -> Help:
    command: click.Command = load_object(value, value)  # type: ignore[assignment]
    result = CliRunner().invoke(command, ["--help"])
    return result.exit_code, result.output, "torch" in sys.modules
