"""``lumin predict``: predictions of a saved model or ensemble for fold files, and ROOT files."""

from __future__ import annotations

from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any

import click

from lumin_core.checks import listed
from lumin_core.display import count
from lumin_core.errors import ConfigError, options_as_flags
from lumin_core.files import refuse_existing
from lumin_core.looks import look_at, nearby

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from lumin_core import Ensemble, Model

_OF_FOLDS = ("raw", "spread", "out_of_fold", "other_preprocessing")  # options that are for fold files alone
_OF_OTHERS = ("keys", "tree", "rntuple")  # for other files, read or written
_FOLDS_TOO = ("", ".hdf5", ".h5", ".hdf", ".safetensors")  # endings of what is taken for a fold file, missing or not


@click.command("predict")
@click.argument("model", type=click.Path(path_type=Path))
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@click.option(
    "--name", default="pred", show_default=True, help="Column for the predictions; an earlier one is replaced."
)
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Write into this new file (.root, .parquet).")
@click.option("--keys", default="", help="Columns to write beside the predictions: run,event", metavar="NAMES")
@click.option("--tree", help="Table of ROOT files; by default the one that the training's recipe names.")
@click.option("--rntuple", is_flag=True, help="Write an RNTuple rather than a TTree.")
@click.option("--bs", type=click.IntRange(min=1), help="Events in a batch.")
@click.option("--device", help="cpu, cuda, mps; by default LUMIN_DEVICE, else the best that is there.")
@click.option("--precision", help="32, bf16 or 16; by default as the model was saved.")
@click.option("--compile/--no-compile", default=None, help="Compile the network; by default as it was saved.")
@click.option("--raw", is_flag=True, help="Inputs are, and outputs become, as before the preprocessing.")
@click.option("--augment/--no-augment", default=None, help="Average over the views that the model recorded.")
@click.option("--spread", is_flag=True, help="Save the spread of an ensemble, too, as NAME_spread.")
@click.option("--out-of-fold", is_flag=True, help="Ask of each fold those models of an ensemble not trained on it.")
@click.option("--overwrite", is_flag=True, help="Replace a column that no prediction wrote, or a file.")
@click.option("--other-preprocessing", is_flag=True, help="Go on where the file records another preprocessing.")
def predict(
    *,
    model: Path,
    files: tuple[str, ...],
    device: str | None,
    precision: str | None,
    compile: bool | None,
    keys: str,
    **how: Any,
) -> None:
    """Save a model's predictions for fold files, or for ROOT, Parquet and CSV files.

    MODEL is a saved model or ensemble (.safetensors). Of a fold file the predictions become a
    column, or with -o another file, in the order in which its events were read; inputs that the
    model does not know are left out.

    Other files (several, patterns) are read by the recipe of the training file (lumin convert),
    which the model records: each gets a file beside it with one score for each entry, NaN where the
    selection leaves it out, or all one with -o.
    """
    how["keys"] = [key for part in keys.split(",") if (key := part.strip())]
    others = [file for file in files if _is_other(file)]
    if others and len(others) < len(files):
        raise ConfigError(f"give fold files or files of events, not both: {others[0]} is no fold file")
    _refuse(how, _OF_FOLDS if others else () if how["output"] else _OF_OTHERS, others)
    _check_paths(others, how["output"], overwrite=how["overwrite"])
    loaded = _load(model, device=device, precision=precision, compile=compile)
    if how["out_of_fold"]:
        _check_ensemble(loaded, model)
    start = perf_counter()
    with options_as_flags():
        if others:
            said = _score(loaded, others, **{name: how[name] for name in how if name not in _OF_FOLDS})
        elif how["output"]:
            said = _write(loaded, files, **how)
        else:
            said = "\n".join(_add_column(loaded, file, how) for file in files)
    click.echo(f"{said}, {perf_counter() - start:.1f} s")


def _is_other(file: str) -> bool:
    """Tell whether a file is one of events, for a recipe: by its look, else by its ending."""
    path = Path(file).expanduser()
    is_one = look_at(path).kind == "hdf5" or Path(f"{path}.hdf5").is_file()
    return not is_one and path.suffix.lower() not in _FOLDS_TOO


def _check_paths(others: Sequence[str], output: Path | None, *, overwrite: bool) -> None:
    """Refuse files that are not there, and one that is in the way, before torch is imported."""
    for file in others:
        path = Path(file).expanduser()
        is_pattern = "://" in file or any(sign in file for sign in "*?[")
        if not is_pattern and not path.exists():
            raise ConfigError(f"there is no file {file}{nearby(path)}")
    if output is not None:
        with options_as_flags():
            refuse_existing(output.expanduser(), overwrite=overwrite)


def _refuse(how: Mapping[str, Any], names: Collection[str], others: Sequence[str]) -> None:
    """Refuse options that mean nothing for such files."""
    given = [f"--{name.replace('_', '-')}" for name in names if how[name]]
    if given and others:
        raise ConfigError(
            f"{listed(given)}: for fold files alone, while {others[0]} is read anew, by the recipe; of the training's "
            "events, lumin predict MODEL FOLDFILE -o scores.root takes it"
        )
    if given:
        raise ConfigError(f"{listed(given)}: for files that are written, or of events; give -o scored.root")


def _score(loaded: Model | Ensemble, files: Sequence[str], **options: Any) -> str:
    """Score files by the recipe that the model records."""
    from lumin_core.runs import score_files

    written = score_files(loaded, files, **options)
    return f"scores {options['name']!r} in {count(len(written), 'file')}: {listed(written)}"


def _write(loaded: Model | Ensemble, files: Sequence[str], **options: Any) -> str:
    """Write the predictions for a fold file into another file."""
    from lumin_core.runs import opened_for, score_folds

    if len(files) > 1:
        raise ConfigError(f"-o takes the predictions of one fold file, got {len(files)}: call lumin predict for each")
    with opened_for(loaded, files[0]) as fy:
        return f"{fy.get_data_count():,} events predicted: {score_folds(loaded, fy, **options)}"


def _add_column(loaded: Model | Ensemble, file: str, how: Mapping[str, Any]) -> str:
    """Save the predictions for a fold file as a column of it."""
    from lumin_core.runs import opened_for

    name, options = (
        how["name"],
        {key: value for key, value in how.items() if key not in ("name", "output", *_OF_OTHERS)},
    )
    if not options["out_of_fold"]:
        del options["out_of_fold"]  # a model has none
    with opened_for(loaded, file) as fy:
        replaced = "replaced " if name in fy.columns() else ""
        loaded.predict(fy, pred_name=name, **options)
        return f"{fy.get_data_count():,} events predicted: {replaced}column {name!r} of {fy.foldfile}"


def _load(path: Path, **where: Any) -> Model | Ensemble:
    """Load a model or an ensemble, whichever the file's header names."""
    from lumin_core.errors import SavedModelError
    from lumin_core.runs import Ensemble
    from lumin_core.training import Model
    from lumin_plugin_commands.saved_header import read_header

    header = read_header(path)
    if header.sort == "model":
        return Model.from_save(header.path, **where)
    if header.sort == "ensemble":
        return Ensemble.from_save(header.path, **where)
    raise SavedModelError(f"{header.path} holds a saved {header.sort}; predictions need a model or an ensemble")


def _check_ensemble(loaded: Model | Ensemble, path: Path) -> None:
    """Refuse a single model, of which there is none that was not trained on a fold."""
    from lumin_core.runs import Ensemble

    if not isinstance(loaded, Ensemble):
        raise ConfigError(f"--out-of-fold needs an ensemble, of models that leave out other folds; {path} is one model")
