"""Predictions for the events of a fold file, in a file for other programs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lumin_core.arguments import explained
from lumin_core.checks import as_list, check_keys
from lumin_core.data.reader import writer_of
from lumin_core.errors import ConfigError, FileError
from lumin_core.runs.scoring import as_ensemble
from lumin_core.training.asking import Question, as_array

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lumin_core.data.fold_yielder import FoldYielder
    from lumin_core.runs.ensemble import Ensemble
    from lumin_core.training.model import Model

_EVENT = ("file", "entry")  # columns that tell where an event was read
_PIECE = 1 << 16  # events that are written together


@explained
def score_folds(
    model: Model | Ensemble,
    fy: FoldYielder,
    output: str | Path,
    *,
    name: str = "pred",
    keys: str | Sequence[str] = (),
    tree: str | None = None,
    rntuple: bool = False,
    overwrite: bool = False,
    spread: bool = False,
    out_of_fold: bool = False,
    **how: Any,
) -> Path:
    """Write predictions for the events of a fold file into another file, which stays as it is.

    Events are in the order of the files and entries that they were read from, which are columns
    ``file`` and ``entry``; without these they are in the order of the folds.

    Args:
        model: A model or an ensemble.
        fy: The events.
        output: The file, whose ending says what it becomes: ``.root``, ``.parquet``, ...
        name: Of the predictions; several are ``name_0``, ``name_1``, ...
        keys: Further columns of the fold file that are written beside them.
        tree: Name of the table, where such files may hold several.
        rntuple: Whether a ROOT file gets an RNTuple rather than a TTree.
        overwrite: Whether an existing file may be replaced.
        spread: Whether to write the spread of an ensemble, or of members, too.
        out_of_fold: As for `Ensemble.predict`.
        **how: ``bs``, ``raw``, ``augment``, ``other_preprocessing`` of `Model.predict`.

    Returns:
        The file.

    Raises:
        ConfigError: If the fold file lacks a key, or what tells its events apart.
        FileError: If the output is there and may not be replaced, as a file of events may never be.

    Example:
        >>> import numpy as np, tempfile
        >>> from lumin_core import FoldFileWriter, FoldYielder, Model, ModelBuilder
        >>> from lumin_core.runs import score_folds
        >>> path = tempfile.mkdtemp() + "/train.hdf5"
        >>> with FoldFileWriter(path, cont_feats=["pt"], targ_feats="y") as file:
        ...     file.append(0, inputs=np.ones((2, 1)), targets=np.ones(2))
        >>> score_folds(Model(ModelBuilder("regression", 1, ["pt"])), FoldYielder(path), "a.root")
        Traceback (most recent call last):
        ...
        lumin_core.errors.ConfigError: train.hdf5 has no columns file and entry, by which ...
    """
    ensemble = as_ensemble(model)
    columns = _keys_of(fy, as_list(keys))
    _refuse_sources(fy, Path(output).expanduser())
    writer = writer_of(output, tree=tree, overwrite=overwrite, rntuple=rntuple)
    found = ensemble._predict(fy, Question(**how, spread=spread), None, out_of_fold=out_of_fold)
    folds = [[as_array(values) for values in of_fold[1 : 2 + spread]] for of_fold in found]
    for end, parts in zip(("", "_spread"), zip(*folds, strict=True), strict=False):
        columns |= _numbered(f"{name}{end}", np.concatenate(parts).astype(np.float32))
    order = np.arange(fy.get_data_count())
    if {*_EVENT} <= columns.keys():
        order = np.lexsort((columns["entry"], columns["file"]))
        if (names := [str(source.get("name")) for source in fy.file_schema.sources]) and writer.takes_text:
            columns["file"] = np.array(names)[columns["file"]]
    with writer:
        for start in range(0, len(order), _PIECE):
            piece = order[start : start + _PIECE]
            writer.append({column: values[piece] for column, values in columns.items()})
    return Path(output)


def _refuse_sources(fy: FoldYielder, output: Path) -> None:
    """Refuse to replace a file that the fold file was made of, told by its name alone."""
    for source in fy.file_schema.sources:
        if output.exists() and Path(str(source.get("name"))).name == output.name:
            raise FileError(
                f"{output} has the name of {source['name']}, of which {fy.foldfile.name} was made; give the "
                "predictions another name"
            )


def _keys_of(fy: FoldYielder, keys: Sequence[str]) -> dict[str, np.ndarray]:
    """Return the columns that tell which event is which, and others that are asked for."""
    known = fy.columns()
    check_keys(keys, known, f"keys: {fy.foldfile.name}")
    wanted = dict.fromkeys((*(_EVENT if {*_EVENT} <= {*known} else ()), *keys))
    if not wanted:
        raise ConfigError(
            f"{fy.foldfile.name} has no columns file and entry, by which lumin convert tells events apart: name "
            "columns of it that do as keys"
        )
    return {key: np.asarray(fy.get_column(key)) for key in wanted}


def _numbered(name: str, values: np.ndarray) -> dict[str, np.ndarray]:
    flat = values.reshape(len(values), -1)
    return {name: flat[:, 0]} if flat.shape[1] == 1 else {f"{name}_{i}": flat[:, i] for i in range(flat.shape[1])}
