"""``lumin info``: what is in a fold file, a saved model or ensemble, a run's folder; what else is.

All is read without torch. Other files are told by their look, see `lumin_core.looks`.
"""

from __future__ import annotations

import re
import textwrap
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lumin_core.errors import ConfigError, SavedModelError
from lumin_core.files import read_json
from lumin_core.looks import LOOKS, look_at, nearby
from lumin_core.registry import saved_plugins

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from lumin_core.data import FoldReader, MatrixSchema
    from lumin_core.looks import Look
    from lumin_plugin_commands.saved_header import SavedHeader

_WIDTH, _SHOWN = 100, 20
_OURS = ("model", "ensemble", "embeddings", "checkpoint")
_ODD = (AttributeError, KeyError, IndexError, TypeError, ValueError)

Row = tuple[str, str]


@click.command("info")
@click.argument("file", type=click.Path(path_type=Path))
def info(file: Path) -> None:
    """Show what a file or a folder is, and how to go on with it.

    Of a fold file, of what lumin-core saved (.safetensors) and of the folder of a run it shows
    what is in it. Any other FILE is told by its look, whatever its ending.
    """
    path = file.expanduser()
    title, rows = _looked_at(path, look_at(path))
    click.echo(f"{path}: {title}")
    width = max(len(label) for label, _ in rows)
    for label, text in rows:
        start, rest = f"  {label:<{width}}  ", " " * (width + 4)
        click.echo(textwrap.fill(text, _WIDTH, initial_indent=start, subsequent_indent=rest, break_long_words=False))


def _looked_at(path: Path, look: Look) -> tuple[str, list[Row]]:
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
    return look.what, [("next", look.told(path).removeprefix(f"{look.what}; "))]


def _of_hdf5(path: Path) -> tuple[str, list[Row]]:
    from lumin_core.data import FoldReader

    if holds := _of_others(path):
        return "an HDF5 file of another program, no fold file", [("holds", _listed(holds)), _next("other_hdf5", path)]
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
    meta, sizes = reader.schema, list(reader.sizes.values())
    known = {"inputs", "targets", "weights", "matrix_inputs", *meta.misc_feats}
    folds = f"{len(sizes)}, each of {_span(sizes)} events, {sum(sizes):,} in all"
    cats = [f"{feat} ({len(meta.cat_maps[feat])} values)" if feat in meta.cat_maps else feat for feat in meta.cat_feats]
    rows = [
        ("folds", folds),
        ("continuous", _listed(meta.cont_feats)),
        ("categorical", _listed(cats)),
        ("targets", _listed(meta.targ_feats)),
        ("weights", _weights(reader)),
        ("matrix", _matrix(meta.matrix)),
        *((f"preprocessed {name}", _names(steps)) for name, steps in meta.preprocessing.items()),
        ("further columns", _listed(meta.misc_feats)),
        ("predictions", _listed([column for column in reader.columns if column not in known])),
        ("written by", str(meta.provenance.get("written_by", "another program"))),
    ]
    number = int(reader.open()["meta_data"].attrs.get("format", 0)) if "meta_data" in reader.open() else 0
    return f"fold file, format {number or 'of LUMIN'}", [row for row in rows if row[1]]


def _weights(reader: FoldReader) -> str:
    """Sum the weights: the one column that is read."""
    import numpy as np

    if "weights" not in reader.columns:
        return "none"
    total = sum(float(np.sum(reader.read("weights", fold), dtype=np.float64)) for fold in reader.sizes)
    return f"{reader.schema.wgt_feat or 'weights'}, {total:.6g} in all"


def _matrix(matrix: MatrixSchema | None) -> str:
    if matrix is None:
        return ""
    parts = [" x ".join(map(str, matrix.shape)), f"objects {', '.join(matrix.vecs)}"]
    parts += [f"each with {', '.join(matrix.feats_per_vec)}"] * any(matrix.feats_per_vec)
    return "; ".join([*parts, *["sparse"] * matrix.is_sparse])


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
    config, features = record["config"], record["features"]
    if config is None:
        yield "config", f"none: {record['unnamed']}"
    else:
        yield "objective", f"{config['objective']}, {config['n_out']} output{'s' * (config['n_out'] != 1)}"
        yield from ((part, _component(config[part])) for part in ("head", "body", "tail"))
        yield "loss", _loss(config["loss"], record["components"])
        optimiser = dict(config["opt_args"])
        yield "optimiser", _component({"name": optimiser.pop("opt"), **optimiser})
    yield "continuous", _listed(features.get("cont_feats", (config or {}).get("cont_feats", [])))
    if features.get("cat_feats"):
        yield "categorical", _listed(features["cat_feats"])
    if record["input_mask"] is not None:
        yield "input mask", f"{_length(record['input_mask'], header)} columns of these"
    yield "targets", _listed(features.get("targ_feats", [])) or "unknown: it was not trained"
    yield "preprocessing", _names(record["preprocessing"]) or "none recorded"
    yield "seeds", ", ".join(f"{name} {seed}" for name, seed in record["seeds"].items())
    yield "versions", ", ".join(f"{name} {version}" for name, version in record["versions"].items())
    if plugins := saved_plugins(record["components"]):
        yield "plugins", ", ".join(map(str, plugins))


def _component(spec: str | Mapping[str, Any]) -> str:
    """Write a component with its options in a line."""
    if isinstance(spec, str):
        return spec
    options = ", ".join(f"{key} {value}" for key, value in spec.items() if key != "name")
    return f"{spec['name']}: {options}" if options else str(spec["name"])


def _loss(spec: Any, components: Sequence[Mapping[str, str]]) -> str:
    chosen = next((used["qualified"] for used in components if used["kind"] == "loss"), "auto")
    return chosen if spec == "auto" else _component(spec)


def _length(value: Any, header: SavedHeader) -> int:
    """Count a list; a long one stands among the tensors."""
    return header.shapes[value["table"]][0] if isinstance(value, dict) else len(value)


def _of_run(path: Path) -> tuple[str, list[Row]]:
    try:
        run: Any = read_json(path / "run.json")
        total = len(run["folds"])
        finished = _finished(path)
        return f"run of {total} model{'s' * (total != 1)}, {len(finished)} finished", [
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


def _span(sizes: Sequence[int]) -> str:
    low, high = min(sizes), max(sizes)
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"


def _names(steps: Iterable[Any]) -> str:
    return ", ".join(step if isinstance(step, str) else str(step["name"]) for step in steps)


def _listed(names: Sequence[str]) -> str:
    """Count and list names; of many the first alone."""
    if not names:
        return ""
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return f"{len(names)}: {', '.join(names[:_SHOWN])}{more}"
