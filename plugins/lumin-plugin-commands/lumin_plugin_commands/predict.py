"""``lumin predict``: the predictions of a saved model or ensemble, as a column of a fold file."""

from __future__ import annotations

from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any

import click

from lumin_core.errors import options_as_flags

if TYPE_CHECKING:
    from lumin_core import Ensemble, FoldYielder, Model


@click.command("predict")
@click.argument("model", type=click.Path(path_type=Path))
@click.argument("foldfile", type=click.Path(path_type=Path))
@click.option(
    "--name", default="pred", show_default=True, help="Column for the predictions; an earlier one is replaced."
)
@click.option("--bs", type=click.IntRange(min=1), help="Events in a batch.")
@click.option("--device", help="cpu, cuda, mps; by default LUMIN_DEVICE, else the best that is there.")
@click.option("--precision", help="32, bf16 or 16; by default as the model was saved.")
@click.option("--compile/--no-compile", default=None, help="Compile the network; by default as it was saved.")
@click.option("--raw", is_flag=True, help="Inputs are, and outputs become, as before the preprocessing.")
@click.option("--augment/--no-augment", default=None, help="Average over the views that the model recorded.")
@click.option("--spread", is_flag=True, help="Save the spread of an ensemble, too, as NAME_spread.")
@click.option("--out-of-fold", is_flag=True, help="Ask of each fold those models of an ensemble not trained on it.")
@click.option("--overwrite", is_flag=True, help="Replace a column that no prediction wrote.")
@click.option("--other-preprocessing", is_flag=True, help="Go on where the file records another preprocessing.")
def predict(
    *,
    model: Path,
    foldfile: Path,
    name: str,
    bs: int | None,
    device: str | None,
    precision: str | None,
    compile: bool | None,
    out_of_fold: bool,
    **how: Any,
) -> None:
    """Save a model's predictions in a fold file.

    MODEL is a saved model or ensemble (.safetensors). The predictions are a column of FOLDFILE;
    inputs that the model does not know are left out.
    """
    from lumin_core.data import FoldYielder

    loaded = _load(model, device=device, precision=precision, compile=compile)
    if out_of_fold:
        how["out_of_fold"] = _is_ensemble(loaded, model)
    start = perf_counter()
    with FoldYielder(foldfile) as whole, _of_model(loaded, whole) as fy, options_as_flags():
        replaced = "replaced " if name in fy.columns() else ""
        loaded.predict(fy, pred_name=name, bs=bs, **how)
        n_events, path = fy.get_data_count(), fy.foldfile
    seconds = perf_counter() - start
    click.echo(f"{n_events:,} events predicted: {replaced}column {name!r} of {path}, {seconds:.1f} s")


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


def _is_ensemble(loaded: Model | Ensemble, path: Path) -> bool:
    """Refuse a single model, of which there is none that was not trained on a fold."""
    from lumin_core.errors import ConfigError
    from lumin_core.runs import Ensemble

    if not isinstance(loaded, Ensemble):
        raise ConfigError(f"--out-of-fold needs an ensemble, of models that leave out other folds; {path} is one model")
    return True


def _of_model(loaded: Model | Ensemble, fy: FoldYielder) -> FoldYielder:
    """Open the fold file for what the model knows.

    Further inputs are left out; the matrix is read if the model takes one.
    """
    from lumin_core.data import FoldYielder
    from lumin_core.model import MatrixHead
    from lumin_core.training import Model

    model = loaded if isinstance(loaded, Model) else loaded.models[0]
    builder = model.model_builder
    known = {*builder.cont_feats, *builder.cat_feats}
    matrix = {*((fy.matrix_feats or {}).get("present_feats") or ())}
    takes_matrix = bool(matrix & known) or any(isinstance(part, MatrixHead) for part in model.head.modules())
    ignored = [feat for feat in fy.input_feats if feat not in known]
    return FoldYielder(fy.foldfile, ignore_feats=ignored, yield_matrix=takes_matrix)
