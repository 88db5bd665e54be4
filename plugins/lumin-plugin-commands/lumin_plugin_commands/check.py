"""``lumin check``: whether files are as they were written."""

from __future__ import annotations

from pathlib import Path

import click

from lumin_plugin_commands.examiner import Examiner


@click.command("check")
@click.argument("files", nargs=-1, required=True, metavar="FILE...", type=click.Path(path_type=Path))
@click.option(
    "--timeout",
    type=click.FloatRange(min=0, min_open=True),
    default=60.0,
    show_default=True,
    help="Seconds without any progress, after which a file is given up.",
)
def check(*, files: tuple[Path, ...], timeout: float) -> int:
    """Check whether files are as they were written.

    Each FILE is a fold file, of which all is read and compared with its check sums, or a saved
    model or ensemble (.safetensors). That is done in another process: a damaged file may end it.
    The exit code is 1 if anything is wrong.
    """
    wrong = 0
    with Examiner(timeout) as examiner:
        for file in files:
            finding = examiner.ask(file.expanduser())
            click.echo(f"{file}: {finding.text}", err=not finding.right)
            wrong += not finding.right
    return int(wrong > 0)
