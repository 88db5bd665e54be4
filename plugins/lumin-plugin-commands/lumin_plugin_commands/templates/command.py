"""A command of ``lumin``. What is slow to import stands inside of the function."""

from __future__ import annotations

import click


@click.command("example-command")
@click.argument("foldfile", type=click.Path(exists=True, dir_okay=False))
def example_command(foldfile: str) -> None:
    """Say how many folds FOLDFILE has.

    Example:
        >>> from click.testing import CliRunner
        >>> from lumin_core.cli import lumin
        >>> CliRunner().invoke(lumin, ["example-command", "--help"]).exit_code
        0
    """
    from lumin_core import FoldYielder

    with FoldYielder(foldfile) as fy:
        click.echo(f"{len(fy)} folds")
