"""``lumin predict``: predictions of a saved model or ensemble for fold files, and ROOT files."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any

import click

from lumin_core.checks import listed
from lumin_core.display import count, folded
from lumin_core.errors import ConfigError, SavedModelError, options_as_flags
from lumin_core.files import refuse_existing
from lumin_core.looks import look_at, nearby

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from lumin_core import Ensemble, Model
    from lumin_plugin_commands.saved_header import SavedHeader

_OF_FOLDS = ("raw", "spread", "out_of_fold", "other_preprocessing")  # options that are for fold files alone
_OF_OTHERS = ("keys", "tree", "rntuple")  # for other files, read or written
_FEW = 8  # files of which each is told
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
@click.option("--spread", is_flag=True, help="Save the spread of an ensemble or of members, too, as NAME_spread.")
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
    _check_paths(files, others, how["output"], overwrite=how["overwrite"])
    start = perf_counter()
    header = _look_first(model, files, others, out_of_fold=how["out_of_fold"])
    loaded = _load(header, device=device, precision=precision, compile=compile)
    with options_as_flags():
        if others:
            said = _score(loaded, others, **{name: how[name] for name in how if name not in _OF_FOLDS})
        elif how["output"]:
            said = _write(loaded, files, **how)
        else:
            said = "\n".join(_add_column(loaded, file, how) for file in files)
    click.echo("\n".join(map(folded, f"{said}, {perf_counter() - start:.1f} s".split("\n"))))


def _is_other(file: str) -> bool:
    """Tell whether a file is one of events, for a recipe: by its look, else by its ending."""
    path = Path(file).expanduser()
    is_one = look_at(path).kind == "hdf5" or Path(f"{path}.hdf5").is_file()
    return not is_one and path.suffix.lower() not in _FOLDS_TOO


def _check_paths(files: Sequence[str], others: Sequence[str], output: Path | None, *, overwrite: bool) -> None:
    """Refuse files that are not there, and one that is in the way, before torch is imported."""
    if output is not None and not others and len(files) > 1:
        raise ConfigError(f"-o takes the predictions of one fold file, got {len(files)}: call lumin predict for each")
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

    with _Scored() as scored:
        written = score_files(loaded, files, progress=scored, **options)
    return f"{scored.said}scores {options['name']!r} in {count(len(written), 'file')}: {listed(written)}"


class _Scored(ExitStack):
    """Counts what is scored, with a bar for each file."""

    def __init__(self) -> None:
        super().__init__()
        self._counts: dict[str, tuple[int, int]] = {}

    def __call__(self, file: str, done: int, total: int, scored: int) -> None:
        """Move the bar of a file, whose first call makes it."""
        if file not in self._counts:
            from lumin_core.training import progress_bar

            self.close()
            self._bar = self.enter_context(progress_bar(total=total, desc="Scoring", unit="entry"))
        self._bar.update(done - self._bar.n)
        self._counts[file] = total, scored

    @property
    def said(self) -> str:
        """What was read, scored and left out: in all, and of each file where there are few."""
        each = self._counts if 1 < len(self._counts) <= _FEW else {}
        lines = [f"{file}: {_of(*counts)}" for file, counts in each.items()]
        total, scored = (sum(column) for column in zip((0, 0), *self._counts.values(), strict=True))
        return "\n".join([*lines, f"{_of(total, scored)}; " if self._counts else ""])


def _of(total: int, scored: int) -> str:
    left_out = f", {total - scored:,} not selected (NaN)" if scored < total else ""
    return f"{total:,} {'entry' if total == 1 else 'entries'}, {scored:,} scored{left_out}"


def _write(loaded: Model | Ensemble, files: Sequence[str], **options: Any) -> str:
    """Write the predictions for a fold file into another file."""
    from lumin_core.runs import opened_for, score_folds

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


def _look_first(path: Path, files: Sequence[str], others: Sequence[str], *, out_of_fold: bool) -> SavedHeader:
    """Say what is begun, and look at model and fold files before torch is imported."""
    from lumin_core.data import FoldReader
    from lumin_core.training import announce
    from lumin_plugin_commands.saved_header import read_header

    announce(f"reading the model {path} for {listed(files, 3)}")
    header = read_header(path)
    if header.sort not in ("model", "ensemble"):
        raise SavedModelError(f"{header.path} holds a saved {header.sort}; predictions need a model or an ensemble")
    if out_of_fold and header.sort == "model":
        raise ConfigError(f"--out-of-fold needs an ensemble, of models that leave out other folds; {path} is one model")
    for file in files if not others else ():
        FoldReader(file).close()
    return header


def _load(header: SavedHeader, **where: Any) -> Model | Ensemble:
    """Load a model or an ensemble, whichever the file's header names."""
    from lumin_core.runs import Ensemble
    from lumin_core.training import Model

    cls: type[Model | Ensemble] = Model if header.sort == "model" else Ensemble
    return cls.from_save(header.path, **where)
