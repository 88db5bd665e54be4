"""``lumin train``: the models that a run file describes, trained and kept in a folder."""

from __future__ import annotations

import sys
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

import click

from lumin_core.checks import nearest
from lumin_core.display import count, folded, short_path
from lumin_core.errors import options_as_flags

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lumin_core.runs import Results
    from lumin_plugin_commands.run_file import RunFile

_TOML_BEGINS = ("[", "{", '"', "'")


class RunFileCommand(click.Command):
    """A command whose unknown options may be keys of the run file."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Read the arguments, and say of an unknown option how such a key is set."""
        try:
            return super().parse_args(ctx, args)
        except click.NoSuchOption as error:
            if hint := _as_key(error.option_name.lstrip("-")):
                raise click.UsageError(f"No such option: {error.option_name}; {hint}", ctx) from error
            raise


def _as_key(option: str) -> str:
    """Say how the key of a run file is set that an option would be called after."""
    from lumin_plugin_commands.run_tables import flat_keys

    name = option.replace("-", "_")
    keys = [name] if name in flat_keys() else nearest(name, flat_keys())[:1]
    return f"keys of the run file are set by --set {keys[0]}=VALUE" if keys else ""


@click.command("train", cls=RunFileCommand)
@click.argument("run_file", type=click.Path(path_type=Path))
@click.option("--resume", is_flag=True, help="Go on with the run that the folder holds.")
@click.option("--overwrite", is_flag=True, help="Replace the run that the folder holds.")
@click.option("--retry-failed", is_flag=True, help="With --resume, train models that failed with another seed.")
@click.option("--executor", help="Train models side by side: processes, or another executor's name.")
@click.option(
    "--visible-bar/--no-visible-bar", default=None, help="Show a progress bar, or none; by default as in the file."
)
@click.option(
    "--set", "changes", multiple=True, metavar="KEY=VALUE", help="Change a key: --set bs=64 --set opt_args.lr=3e-3"
)
def train(
    *,
    run_file: Path,
    resume: bool,
    overwrite: bool,
    retry_failed: bool,
    executor: str | None,
    visible_bar: bool | None,
    changes: tuple[str, ...],
) -> None:
    """Train the models that a run file describes.

    RUN_FILE is TOML; docs/run_files.md lists its keys. Paths in it are relative to it, those of
    --set to this folder.
    """
    parsed = dict(map(_parsed, changes))
    with options_as_flags():
        _look_first(run_file, parsed, resume=resume, overwrite=overwrite)
        from lumin_plugin_commands.run_file import RunFile

        loaded = RunFile.load(run_file, parsed)
        results = loaded.run(
            resume=resume,
            overwrite=overwrite,
            executor=executor,
            retry_failed=retry_failed,
            visible_bar=visible_bar,
        )
    click.echo(f"{results!r}\n\n{folded(_where(loaded, results))}")


def _look_first(path: Path, changes: Mapping[str, object], *, resume: bool, overwrite: bool) -> None:
    """Say what is begun, and refuse what can be told before torch is imported."""
    from lumin_core.training import announce
    from lumin_plugin_commands.beforehand import Beforehand

    found = Beforehand(path, changes)
    announce(f"training {count(found.n_models, 'model') if isinstance(found.n_models, int) else 'models'} of {path}")
    found.check(resume=resume, overwrite=overwrite)
    for remark in found.remarks(resume=resume):
        click.echo(folded(remark, sys.stderr), err=True)


def _parsed(change: str) -> tuple[str, object]:
    """Split a change; its value is TOML, or else text."""
    key, equals, value = change.partition("=")
    key, value = key.strip(), value.strip()
    if not equals or not key or not value:
        raise click.BadParameter(f"expected KEY=VALUE, got {change!r}", param_hint="--set")
    try:
        (parsed,) = tomllib.loads(f"value = {value}").values()
    except (ValueError, RecursionError) as error:
        if value.startswith(_TOML_BEGINS):
            raise click.BadParameter(
                f"{change!r} begins as TOML, but is none ({error}); text inside needs quotes", param_hint="--set"
            ) from error
        return key, value
    return key, parsed


def _where(run_file: RunFile, results: Results) -> str:
    """Say where everything is, and what to do with it."""
    from lumin_plugin_commands.run_tables import ENSEMBLE

    folder = short_path(run_file.folder)
    if len(results.failures()) == len(results):
        return f"The run is in {folder}. Next: lumin train --resume --retry-failed, or another run"
    ensemble = run_file.values["ensemble"] is not None
    model = folder / ENSEMBLE if ensemble else short_path(results.best(1)[0]["path"])
    return f"The run is in {folder}. Next: lumin predict {model} FOLDFILE"
