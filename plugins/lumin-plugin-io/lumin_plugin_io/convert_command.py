"""``lumin convert``: files of events to fold files, as a recipe says."""

from __future__ import annotations

import sys
from contextlib import ExitStack, closing
from pathlib import Path
from typing import TYPE_CHECKING

import click

from lumin_core.display import folded
from lumin_core.errors import options_as_flags

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lumin_plugin_io.recipe import Recipe


@click.command("convert")
@click.argument("recipe", type=click.Path(path_type=Path))
@click.option("-o", "--output", type=click.Path(path_type=Path), help="The fold file for the training, train.hdf5.")
@click.option(
    "--dry-run", is_flag=True, help="Read 20,000 entries of each file, say what would come, and write nothing."
)
@click.option("--count", is_flag=True, help="With --dry-run, read all entries.")
@click.option("--resume", is_flag=True, help="Go on after the last file that an interrupted conversion finished.")
@click.option("--overwrite", is_flag=True, help="Replace files that are there.")
@click.option("--workers", type=click.IntRange(min=1), default=1, show_default=True, help="Processes that read files.")
@click.option("--memory", type=click.IntRange(min=1), metavar="MB", help="What each of these may use, in megabytes.")
@click.option(
    "--spool",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Where events are kept between reading and writing; by default beside the output.",
)
@click.option("--compression", type=click.Choice(["lzf", "gzip"]), help="In place of the recipe's.")
def convert(
    *,
    recipe: Path,
    output: Path | None,
    dry_run: bool,
    count: bool,
    resume: bool,
    overwrite: bool,
    workers: int,
    memory: int | None,
    spool: Path | None,
    compression: str | None,
) -> None:
    """Convert ROOT, Parquet or CSV files to fold files.

    RECIPE is TOML; docs/data.md lists its keys. Paths in it are relative to it. There is one file
    for each part of its split: train.hdf5, train.test.hdf5, ...
    """
    if output is None and not dry_run:
        raise click.UsageError("Missing option '-o': the fold file that is to be written; or --dry-run")
    if count and not dry_run:
        raise click.UsageError("--count goes with --dry-run")
    from lumin_plugin_io.recipe import Recipe

    loaded = Recipe.load(recipe, {} if compression is None else {"compression": compression})
    if dry_run or output is None:
        _begin(loaded, recipe, "reading")
        click.echo(repr(loaded.dry_run(count=count)))
        return
    with options_as_flags(), _Bars() as bars:
        _look_first(loaded, output, spool, overwrite=overwrite, resume=resume)
        bars("read", 0, _begin(loaded, recipe, "converting"))
        paths = loaded.convert(
            output,
            overwrite=overwrite,
            workers=workers,
            memory=memory,
            spool=spool,
            resume=resume,
            progress=bars,
        )
    click.echo(_closing_words(paths, has_train_weight=loaded.train_weight is not None))


def _begin(recipe: Recipe, path: Path, what: str) -> int:
    """Say what is begun, before all the rest is imported; return how many inputs there are."""
    from lumin_core.display import count
    from lumin_core.training import announce
    from lumin_plugin_io.inputs import find_inputs

    n = sum(len(find_inputs(sample, recipe.tree, recipe.folder)) for sample in recipe.samples)
    announce(f"{what} {count(n, 'input')} of {path}")
    return n


def _look_first(recipe: Recipe, output: Path, spool: Path | None, *, overwrite: bool, resume: bool) -> None:
    """Refuse what is in the way, and say where there is nothing to go on with."""
    from lumin_plugin_io.outputs import paths_of, refuse_existing_parts, spool_of

    paths = paths_of(recipe, output)
    main = next(iter(paths.values()))
    if not resume:
        refuse_existing_parts(paths, overwrite=overwrite)
    elif not main.exists() and not spool_of(main, spool).exists():
        said = f"nothing to go on with: there is no interrupted conversion to {output}; it begins anew"
        click.echo(folded(said, sys.stderr), err=True)


class _Bars(ExitStack):
    """A progress bar for each step of a conversion."""

    def __init__(self) -> None:
        super().__init__()
        self._step = ""

    def __call__(self, step: str, done: int, total: int) -> None:
        """Move the bar of a step, whose first call makes it."""
        if step != self._step:
            from lumin_core.training import progress_bar

            self.close()
            self._step = step
            self._bar = self.enter_context(progress_bar(total=total, desc=_STEPS[step][0], unit=_STEPS[step][1]))
        self._bar.update(done - self._bar.n)


_STEPS = {"read": ("Reading", "file"), "written": ("Writing", "fold")}


def _closing_words(paths: Mapping[str, Path], *, has_train_weight: bool) -> str:
    """Say what was written, and how to go on."""
    from lumin_core.display import as_text, short_path

    first = short_path(next(iter(paths.values())))
    rows = [(part, f"{short_path(path)}: {_events(path)}") for part, path in paths.items()]
    rows += [("next", f"lumin info {first}"), ("then", f"lumin train run.toml, with foldfile = '{first}'")]
    if has_train_weight:
        rows.append(("there", 'cb_partials = [{ name = "balance_classes", column = "train_weight" }]'))
    return as_text("Converted", rows)


def _events(path: Path) -> str:
    from lumin_core.data import FoldReader
    from lumin_core.display import count

    with closing(FoldReader(path)) as reader:
        return f"{count(sum(reader.sizes.values()), 'event')} in {count(len(reader.sizes), 'fold')}"
