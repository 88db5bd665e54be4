"""``lumin report``: what there is to see of a run, as one page."""

from __future__ import annotations

from pathlib import Path

import click


@click.command("report")
@click.argument("run", type=click.Path(path_type=Path))
@click.option("-o", "--output", type=click.Path(path_type=Path), help="The page; by default RUN/report.html.")
def report(*, run: Path, output: Path | None) -> None:
    """Write one page about a run: its figures, metrics, data and configuration.

    RUN is the folder of a run, which may be going on. The page is HTML that needs no network and no
    script; an earlier one is replaced. What cannot be shown, where the fold file is gone say, is
    named in its place and here.
    """
    from lumin_core.display import short_path
    from lumin_plugin_plots.run_report import write_report

    written = write_report(run, output)
    for title, why in written.failed.items():
        click.echo(f"Not shown: {title}: {why}", err=True)
    click.echo(f"The report is in {short_path(written.path)}")
