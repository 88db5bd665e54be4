"""``lumin baseline``: boosted trees of a fold file, as a column beside those of networks."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lumin_core.checks import listed
from lumin_core.display import count, folded
from lumin_core.errors import ConfigError, options_as_flags

if TYPE_CHECKING:
    from lumin_core import FoldYielder


@click.command("baseline")
@click.argument("foldfile", type=click.Path(path_type=Path))
@click.option(
    "--objective", help="classification, multiclass or regression; told by the file where all targets are 0 and 1."
)
@click.option(
    "--negative", default="keep", show_default=True, help="Negative weights in the training: keep, abs, drop."
)
@click.option("--balance-classes", is_flag=True, help="Give classes the same weight in the training.")
@click.option("--column", help="Take this column as weights of the training, say train_weight.")
@click.option("--train-on-weights/--no-train-on-weights", default=True, help="Use the file's weights, as by default.")
@click.option("--excl-idxs", default="", help="Folds to leave out of the training: 8,9", metavar="FOLDS")
@click.option(
    "--set", "changes", multiple=True, metavar="KEY=VALUE", help="Set an option of the trees: --set max_iter=200"
)
@click.option("--seed", type=click.IntRange(min=0), help="Seed of the trees.")
@click.option("--name", default="pred_tree", show_default=True, help="Column for the predictions.")
@click.option("--overwrite", is_flag=True, help="Replace a column that no prediction wrote.")
def baseline(
    *,
    foldfile: Path,
    objective: str | None,
    balance_classes: bool,
    column: str | None,
    excl_idxs: str,
    changes: tuple[str, ...],
    name: str,
    overwrite: bool,
    **how: Any,
) -> None:
    """Train boosted trees on FOLDFILE, to compare networks with.

    There is one tree per fold, which predicts that fold and was not trained on it. The predictions
    become the column pred_tree, which lumin report shows beside the models of a run. Events held
    back (train.test.hdf5 beside train.hdf5) get the mean of all trees.
    """
    if balance_classes and column is not None:
        raise ConfigError("--balance-classes computes weights, --column names them: choose one")
    how["excl_idxs"], how["tree_args"] = _numbers(excl_idxs), dict(map(_option, changes))
    how["balance_classes"] = column if column is not None else balance_classes
    with options_as_flags():
        said = _train(foldfile.expanduser(), objective, name, overwrite=overwrite, **how)
    click.echo(said)


def _numbers(folds: str) -> list[int]:
    parts = [part.strip() for part in folds.split(",") if part.strip()]
    if not all(part.isdecimal() for part in parts):
        raise click.BadParameter(f"expected numbers of folds, such as 8,9, got {folds!r}", param_hint="--excl-idxs")
    return [int(part) for part in parts]


def _option(change: str) -> tuple[str, int | float]:
    """Read an option of the trees, all of which are numbers."""
    key, _, value = change.partition("=")
    try:
        return key.strip(), int(value) if value.strip().lstrip("-").isdecimal() else float(value)
    except ValueError as error:
        raise click.BadParameter(f"expected KEY=NUMBER, got {change!r}", param_hint="--set") from error


def _train(foldfile: Path, objective: str | None, name: str, *, overwrite: bool, **how: Any) -> str:
    """Look at the files, train, and save the column in each of them."""
    from lumin_core import FoldYielder
    from lumin_core.runs import held_back_file
    from lumin_core.training import announce
    from lumin_plugin_tabular.boosting import boosted_tree

    with ExitStack() as stack:
        fy = stack.enter_context(FoldYielder(foldfile))
        held_back = held_back_file(fy.foldfile)
        files = [fy] if held_back is None else [fy, stack.enter_context(FoldYielder(held_back))]
        for file in files:
            file.check_pred_name(name, overwrite=overwrite)
        objective = objective or _told(fy)
        announce(f"training boosted trees for {objective} on {count(len(fy), 'fold')} of {fy.foldfile}")
        tree = boosted_tree(fy, objective, **how)
        for file in files:
            tree.save_pred(file, name, overwrite=overwrite)
    names = listed(str(file.foldfile) for file in files)
    return f"{tree!r}\n{folded(f'column {name!r} of {names}')}"


def _told(fy: FoldYielder) -> str:
    """Tell what the targets are for, where they leave no choice."""
    import numpy as np

    values: set[float] = set()
    for fold in range(len(fy)):
        values |= set(np.unique(np.asarray(fy.get_column("targets", fold_idx=fold))).tolist())
    if values and values <= {0, 1}:
        return "classification"
    few = f"; they hold {listed(f'{value:g}' for value in sorted(values))}" if values else ""
    raise ConfigError(
        f"the targets of {fy.foldfile.name} do not tell what they are for{few}; give --objective: multiclass, for "
        "classes 0, 1, 2, ..., or regression"
    )
