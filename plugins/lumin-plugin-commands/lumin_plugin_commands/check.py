"""``lumin check``: whether files are as they were written."""

from __future__ import annotations

from pathlib import Path

import click

from lumin_core.display import as_text
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

    Of a fold file it also says what is in it: balance of folds and classes, weights, ranges of the
    columns, and as warnings what may hurt a training. They do not change the exit code.
    """
    wrong = 0
    with Examiner(timeout) as examiner:
        for file in files:
            finding = examiner.ask(file.expanduser())
            click.echo(f"{file}: {finding.text}", err=not finding.right)
            if finding.rows:
                click.echo(as_text("", finding.rows).removeprefix("\n"))
            wrong += not finding.right
    return int(wrong > 0)
