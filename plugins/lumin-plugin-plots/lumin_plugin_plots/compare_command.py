"""``lumin compare``: what differs between runs, and how good they are, side by side."""

from __future__ import annotations

from pathlib import Path

import click


@click.command("compare")
@click.argument("runs", nargs=-1, required=True, metavar="RUN RUN...", type=click.Path(path_type=Path))
@click.option(
    "-o", "--output", default="compare.html", show_default=True, type=click.Path(path_type=Path), help="The page."
)
def compare(*, runs: tuple[Path, ...], output: Path) -> None:
    """Write one page about several runs: what differs in them, and how good they are.

    Each RUN is the folder of a run, which may be going on. The page is HTML that needs no network
    and no script; an earlier one is replaced.
    """
    from lumin_core.display import short_path
    from lumin_plugin_plots.run_comparison import write_comparison

    written = write_comparison(runs, output)
    for title, why in written.failed.items():
        click.echo(f"Not shown: {title}: {why}", err=True)
    click.echo(f"The comparison is in {short_path(written.path)}")
