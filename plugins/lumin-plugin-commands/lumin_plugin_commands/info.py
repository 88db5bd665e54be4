"""``lumin info``: what is in a fold file, a saved model or ensemble, a run's folder; what else is.

All is read without torch. Other files are told by their look, see `lumin_core.looks`.
"""

from __future__ import annotations

import re
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lumin_core.display import as_text, component, count, counted
from lumin_core.errors import ConfigError, SavedModelError
from lumin_core.files import read_json
from lumin_core.looks import LOOKS, look_at, nearby
from lumin_core.registry import saved_plugins

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from lumin_core.data import FoldReader
    from lumin_core.display import Row
    from lumin_core.looks import Look
    from lumin_plugin_commands.saved_header import SavedHeader

_SHOWN = 20  # names that are listed
_OURS = ("model", "ensemble", "embeddings", "checkpoint")
_ODD = (AttributeError, KeyError, IndexError, TypeError, ValueError)


@click.command("info")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--all", "every", is_flag=True, help="Name every column of a ROOT, Parquet or CSV file, one a line.")
def info(file: Path, *, every: bool) -> None:
    """Show what a file or a folder is, and how to go on with it.

    Of a fold file, of what lumin-core saved (.safetensors), of the folder of a run, and of a ROOT,
    Parquet or CSV file it shows what is in it. Any other FILE is told by its look, whatever its
    ending.
    """
    path = file.expanduser()
    title, rows = _looked_at(path, look_at(path), every=every)
    click.echo(as_text(f"{path}: {title}", rows))


def _looked_at(path: Path, look: Look, *, every: bool) -> tuple[str, list[Row]]:
    """Give title and rows by what a file looks like."""
    if look.kind == "missing":
        what = "give a fold file, a saved model or ensemble, or the folder of a run"
        raise ConfigError(f"there is no {path}; {what}{nearby(path)}")
    if look.kind == "hdf5":
        return _of_hdf5(path)
    if look.kind == "run":
        return _of_run(path)
    if look.kind in _OURS:
        return _of_saved(path)
    if look.kind in ("empty", "broken", "unreadable", "device"):
        raise ConfigError(f"{path} is {look.told(path)}")
    return look.what, [*_tables(path, look, every=every), ("next", look.told(path).removeprefix(f"{look.what}; "))]


def _tables(path: Path, look: Look, *, every: bool) -> Iterable[Row]:
    from lumin_core.data import READERS
    from lumin_plugin_commands.table_rows import table_rows

    return table_rows(path, every=every) if look.kind in READERS else ()


def _of_hdf5(path: Path) -> tuple[str, list[Row]]:
    from lumin_core.data import FoldReader

    if holds := _of_others(path):
        return "an HDF5 file of another program, no fold file", [
            ("holds", counted(holds, _SHOWN)),
            _next("other_hdf5", path),
        ]
    with closing(FoldReader(path)) as reader:
        title, rows = _fold_file(reader)
        return title, [*rows, _next("fold_file", path)]


def _of_others(path: Path) -> list[str]:
    """List what an HDF5 file holds that is no fold file; of one that cannot be opened, nothing."""
    import h5py

    try:
        with h5py.File(path) as file:
            return [] if {"meta_data", "fold_0"} & set(file) else list(file) or ["nothing"]
    except (OSError, RuntimeError, ValueError):
        return []


def _next(kind: str, path: Path) -> Row:
    return "next", LOOKS[kind].way_out.format(path=path)


def _fold_file(reader: FoldReader) -> tuple[str, list[Row]]:
    from lumin_core.data import fold_rows

    rows = dict(fold_rows(reader.schema, reader.sizes.values(), reader.columns, _SHOWN))
    rows |= {"weights": _weights(reader)}
    rows |= {"written by": str(reader.schema.provenance.get("written_by", "another program"))}
    number = int(reader.open()["meta_data"].attrs.get("format", 0)) if "meta_data" in reader.open() else 0
    return f"fold file, format {number or 'of LUMIN'}", list(rows.items())


def _weights(reader: FoldReader) -> str:
    """Sum the weights: the one column that is read."""
    import numpy as np

    if "weights" not in reader.columns:
        return "none"
    total = sum(float(np.sum(reader.read("weights", fold), dtype=np.float64)) for fold in reader.sizes)
    return f"{reader.schema.wgt_feat or 'weights'}, {total:.6g} in all"


def _of_saved(path: Path) -> tuple[str, list[Row]]:
    from lumin_plugin_commands.saved_header import read_header

    header = read_header(path)
    size = f"{header.n_values:,} weights"
    try:
        if header.sort == "model":
            return f"saved model, {size}", [*_model(header.content, header), _next("model", path)]
        if header.sort == "ensemble":
            models = header.content["models"]
            title = f"saved ensemble of {len(models)} models, {size}"
            return title, [*_ensemble(models, header), _next("ensemble", path)]
    except _ODD as error:
        raise SavedModelError(f"{path} is damaged, or of a later version: its header does not fit ({error})") from error
    return f"saved {header.sort}, {size}", [("format", str(header.format)), _next(header.sort, path)]


def _ensemble(models: Sequence[Any], header: SavedHeader) -> list[Row]:
    weights = ", ".join(f"{weight:.3g}" for weight in header.content["weights"])
    rows = [row for row in _model(models[0], header) if row[0] != "seeds"]
    seeds = [str(model["seeds"].get("initialisation", "unknown")) for model in models]
    return [("counting", weights), *rows, ("seeds", f"initialisation {', '.join(seeds)}")]


def _model(record: Mapping[str, Any], header: SavedHeader) -> Iterator[Row]:
    """Give the rows of a model; in an ensemble they are those of the first."""
    from lumin_core.data import recipe_text

    config, features = record["config"], record["features"]
    if config is None:
        yield "config", f"none: {record['unnamed']}"
    else:
        yield "objective", f"{config['objective']}, {count(config['n_out'], 'output')}"
        yield from ((part, component(config[part])) for part in ("head", "body", "tail"))
        yield "loss", _loss(config["loss"], record["components"])
        optimiser = dict(config["opt_args"])
        yield "optimiser", component({"name": optimiser.pop("opt"), **optimiser})
    yield "continuous", counted(features.get("cont_feats", (config or {}).get("cont_feats", [])), _SHOWN)
    if features.get("cat_feats"):
        yield "categorical", counted(features["cat_feats"], _SHOWN)
    if record["input_mask"] is not None:
        yield "input mask", f"{_length(record['input_mask'], header)} columns of these"
    yield "targets", counted(features.get("targ_feats", []), _SHOWN) or "unknown: it was not trained"
    yield "preprocessing", _names(record["preprocessing"]) or "none recorded"
    if recipe := recipe_text(record.get("recipe", {}), _SHOWN):
        yield "recipe", recipe
    yield "seeds", ", ".join(f"{name} {seed}" for name, seed in record["seeds"].items())
    yield "versions", ", ".join(f"{name} {version}" for name, version in record["versions"].items())
    if plugins := saved_plugins(record["components"]):
        yield "plugins", ", ".join(map(str, plugins))


def _loss(spec: Any, components: Sequence[Mapping[str, str]]) -> str:
    chosen = next((used["qualified"] for used in components if used["kind"] == "loss"), "auto")
    return chosen if spec == "auto" else component(spec)


def _length(value: Any, header: SavedHeader) -> int:
    """Count a list; a long one stands among the tensors."""
    return header.shapes[value["table"]][0] if isinstance(value, dict) else len(value)


def _of_run(path: Path) -> tuple[str, list[Row]]:
    try:
        run: Any = read_json(path / "run.json")
        total = len(run["folds"])
        finished = _finished(path)
        return f"run of {count(total, 'model')}, {len(finished)} finished", [
            *_run(path, run, finished),
            _next("run", path),
        ]
    except _ODD as error:
        raise ConfigError(f"the run in {path} is damaged, or of a later version: {error}") from error


def _finished(path: Path) -> list[Any]:
    """Read what is known of the models that are finished: of the whole run, else of each model."""
    if (path / "results.json").is_file():
        results: Any = read_json(path / "results.json")
        return list(results["results"])
    found = [file for file in path.glob("model_*/result.json") if re.fullmatch(r"model_\d+", file.parent.name)]
    return [read_json(file) for file in found]


def _run(path: Path, run: Mapping[str, Any], finished: Sequence[Mapping[str, Any]]) -> Iterator[Row]:
    from lumin_core.runs import result_from_json
    from lumin_core.statistics import mean_as_text

    good = [result_from_json(result) for result in finished if result.get("failed") is None]
    for label, value in good[0].items() if good else ():
        if isinstance(value, int | float):
            yield label, mean_as_text([float(result[label]) for result in good])
    if len(good) < len(finished):
        yield "failed", f"{len(finished) - len(good)} of {len(finished)}"
    builder = run["model_builder"]
    yield "objective", str(builder.get("objective", "unknown: a component has no name"))
    yield "training", f"{run['n_epochs']} epochs at most, batches of {run['bs']}"
    yield "fold file", str(run["foldfile"])
    yield "seed", str(run["seed"])
    yield "versions", ", ".join(f"{name} {version}" for name, version in run["versions"].items())
    if others := [name for name in ("run.toml", "ensemble.safetensors") if (path / name).is_file()]:
        yield "beside", ", ".join(others)


def _names(steps: Iterable[Any]) -> str:
    return ", ".join(step if isinstance(step, str) else str(step["name"]) for step in steps)
